"""The retest: the winner meets the test part, which nothing else ever reads."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from study import __version__, metrics
from study.dataset.arrays import PartArrays, load_part
from study.dataset.manifest import Manifest
from study.errors import in_a_line
from study.evaluation.final import final_model
from study.evaluation.intervals import retest_intervals
from study.files import replacing
from study.ledger import Ledger, now
from study.seeds import derive
from study.summary import winner
from study.workspace import StudyFolder

GALLERY = 24
"""Most misclassified images that are kept with what the network looked at."""


def retest(folder: StudyFolder, ledger: Ledger, *, again: bool = False) -> dict[str, Any] | None:
    """Evaluate the winner's network on the plain test part and store the answer in the ledger.

    The test part is opened once. Asked again for the same network, also in a new file, the stored
    answer is repeated; another network, or ``again``, opens it once more. Each opening is noted in
    the ledger before anything is evaluated, and ``uses`` counts them. None when nothing can be
    retested: no complete trial, or no test part.

    The folder receives ``test_predictions.npz``, n test images: ``probability`` of the positive
    class, ``label`` (1 is the positive class), ``group`` (a number), ``group_name``, ``path``, all
    (n,); and ``explanations.npz`` (:func:`write_explanations`). The answer is stored before them;
    where one cannot be made, ``warnings``, lines of text, says why.

    Raises ``LedgerError`` when the winner's network is gone, ``DataError`` when an image changed.
    """
    record = ledger.read()
    if winner(record) is None or "test" not in record.split["parts"]:
        return None
    model = final_model(folder, record)
    before = record.retest or {}
    if before.get("model_digest") == model.digest and not again:
        return before
    from study.model.identity import network_digest
    from study.model.load import load_network
    from study.training.callbacks import predict

    network = load_network(model.path)
    identity = network_digest(network)
    if before.get("network_digest") == identity and before["number"] == model.number and not again:
        same = {**before, "model_digest": model.digest, "origin": model.origin}
        ledger.update(retest=same)
        return same
    test = load_part(
        Manifest.read(folder.manifest), Path(record.dataset["source"]), "test", record.protocol
    )
    uses = ledger.note_opening(
        model_digest=model.digest, network_digest=identity, version=__version__
    )
    probability = predict(network, test.images)
    answer: dict[str, Any] = {
        "number": model.number,
        "origin": model.origin,
        **_scores(test, probability, seed=derive(record.seed, "retest")),
        "warnings": [],
        "uses": uses,
        "at": now(),
        "version": __version__,
        "model_digest": model.digest,
        "network_digest": identity,
    }
    for path in (folder.test_predictions, folder.explanations):
        with suppress(OSError):  # of an earlier network; what is in the way is told below
            path.unlink(missing_ok=True)
    ledger.update(retest=answer)
    warnings = _store_predictions(folder.test_predictions, test, probability)
    warnings += _explain(folder.explanations, network, test, probability)
    if warnings:
        answer["warnings"] = warnings
        ledger.update(retest=answer)
    return answer


def _store_predictions(path: Path, test: PartArrays, probability: NDArray[np.float64]) -> list[str]:
    """Write the predictions; return lines on what went wrong."""
    try:
        _write_predictions(path, test, probability)
    except OSError as error:  # as on a full disk: the answer is stored, and must not cost a look
        return [f"The predictions of the test images are not stored: {in_a_line(error)}"]
    return []


def _scores(test: PartArrays, probability: NDArray[np.float64], *, seed: int) -> dict[str, Any]:
    intervals = retest_intervals(test.labels, probability, test.groups, seed=seed)
    return {
        "images": len(test.labels),
        "groups": len(test.group_names),
        "confusion": metrics.binary_counts(test.labels, probability),
        **metrics.binary_scores(test.labels, probability),
        # Without enough groups for an interval the figure alone would mislead.
        "auc": metrics.auc(test.labels, probability) if intervals["auc"] else None,
        "intervals": intervals,
        "effective_images": intervals["effective_images"],
    }


def _write_predictions(path: Path, test: PartArrays, probability: NDArray[np.float64]) -> None:
    with replacing(path) as scratch:
        np.savez_compressed(
            scratch,
            probability=probability,
            label=test.labels,
            group=test.groups,
            group_name=np.array(test.group_names, dtype=str)[test.groups],
            path=np.array(test.paths, dtype=str),
        )


def _explain(
    path: Path, network: Any, test: PartArrays, probability: NDArray[np.float64]
) -> list[str]:
    """Write the explanations; return lines on what went wrong, then without the earlier file."""
    try:
        write_explanations(path, network, test, probability)
    except Exception as error:  # the test part is opened once: its scores outweigh its pictures
        return [f"The misclassified test images have no explanation: {in_a_line(error)}"]
    return []


def write_explanations(
    path: Path, network: Any, test: PartArrays, probability: NDArray[np.float64]
) -> None:
    """Write ``explanations.npz``: n misclassified test images, and why they were called so.

    Arrays, in the order of :func:`gallery`: ``path`` and ``group`` (the name), text, ``label`` (1
    is the positive class), ``probability`` of the positive class, all (n,); ``image``
    (n, h, w, c), grey levels as the network sees them, and ``heat`` (n, h, w), that of
    ``explain.grad_cam`` as 0 to 255, both uint8. Besides, the numbers of ``misclassified`` and of
    all ``images`` of the test part.
    """
    from study.evaluation.explain import grad_cam

    shown = gallery(test.labels, probability, test.groups)
    images, called = test.images[shown], probability[shown] >= metrics.THRESHOLD
    heat = np.rint(255 * grad_cam(network, images, called)).astype(np.uint8)
    counts = metrics.binary_counts(test.labels, probability)
    with replacing(path) as scratch:
        np.savez_compressed(
            scratch,
            path=np.array([test.paths[k] for k in shown], dtype=str),
            group=np.array([test.group_names[test.groups[k]] for k in shown], dtype=str),
            label=test.labels[shown],
            probability=probability[shown],
            image=images,
            heat=heat,
            misclassified=counts["fp"] + counts["fn"],
            images=len(test.labels),
        )


def gallery(
    label: NDArray[np.int64], probability: NDArray[np.float64], group: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return the rows of at most ``GALLERY`` misclassified images, in the order to show them.

    All arguments are (n,), ``label`` is 1 for the positive class, ``group`` holds whole numbers.
    Missed positives come before false alarms, then the most wrong come first. No group gets a
    second image before every other group with a misclassified one has its first, and so on.
    """
    wrong = np.flatnonzero((probability >= metrics.THRESHOLD) != (label == 1))
    grave = wrong[np.lexsort((-np.abs(probability - label)[wrong], -label[wrong]))]
    seen: Counter[int] = Counter()
    turn = []
    for name in group[grave].tolist():
        turn.append(seen[name])
        seen[name] += 1
    return grave[np.sort(np.argsort(turn, kind="stable")[:GALLERY])]
