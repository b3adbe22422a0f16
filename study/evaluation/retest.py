"""The retest: the winner meets the test part, which nothing else ever reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from study import metrics
from study.dataset.arrays import load_part
from study.dataset.images import file_digest
from study.dataset.manifest import Manifest
from study.errors import LedgerError
from study.evaluation.intervals import retest_intervals
from study.files import replacing
from study.ledger import Ledger, now
from study.seeds import derive
from study.summary import winner
from study.workspace import StudyFolder


def retest(folder: StudyFolder, ledger: Ledger) -> dict[str, Any] | None:
    """Evaluate the winner on the un-augmented test part and store the answer in the ledger.

    Asked again for the same network, the stored answer is repeated and the test part stays shut;
    another winner opens it once more, which ``uses`` counts. None when nothing can be retested:
    no complete trial, or no test part.

    Raises ``LedgerError`` when the winner's network is gone, ``DataError`` when an image changed.
    """
    record = ledger.read()
    best = winner(record)
    if best is None or "test" not in record.split["parts"]:
        return None
    model = folder.model(best.number)
    if not model.is_file():
        raise LedgerError(f"{model}: the network of the winner is missing; it cannot be retested")
    digest = file_digest(model)
    before = record.retest or {}
    if before.get("model_digest") == digest:
        return before
    from study.model.load import load_network
    from study.training.callbacks import predict

    test = load_part(
        Manifest.read(folder.manifest), Path(record.dataset["source"]), "test", record.protocol
    )
    probability = predict(load_network(model), test.images)
    scores = metrics.binary_scores(test.labels, probability)
    intervals = retest_intervals(
        test.labels, probability, test.groups, seed=derive(record.seed, "retest")
    )
    with replacing(folder.path / "test_predictions.npz") as scratch:
        np.savez_compressed(scratch, probability=probability, label=test.labels, group=test.groups)
    answer = {
        "number": best.number,
        "images": len(test.labels),
        "groups": len(test.group_names),
        "confusion": metrics.binary_counts(test.labels, probability),
        **scores,
        # Without enough groups for an interval the figure alone would mislead.
        "auc": metrics.auc(test.labels, probability) if intervals["auc"] else None,
        "intervals": intervals,
        "effective_images": intervals["effective_images"],
        "uses": before.get("uses", 0) + 1,
        "at": now(),
        "model_digest": digest,
    }
    ledger.update(retest=answer)
    return answer
