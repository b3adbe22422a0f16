"""What an exported network says of itself and of the study that it comes from."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from study import metrics
from study.evaluation.final import SEARCH, FinalModel
from study.evaluation.intervals import (
    counted_f_med_interval,
    effective_size,
    recall_interval,
    retest_intervals,
)
from study.evaluation.threshold import ChosenThreshold, read_predictions
from study.evaluation.validation_counts import read_validation_counts
from study.protocol import Protocol
from study.records import StudyRecord, TrialRecord
from study.seeds import derive
from study.summary import estimates, is_settled, times_opened
from study.workspace import StudyFolder

LICENCE_UNKNOWN = "not stated"

_GREY = {
    1: "one channel: 0.299 R + 0.587 G + 0.114 B (Pillow, mode L)",
    3: "three channels: RGB; a grey image has three equal ones",
}


def describe_model(
    folder: StudyFolder, record: StudyRecord, model: FinalModel, threshold: ChosenThreshold
) -> dict[str, Any]:
    """Return the metadata of a network, as ``model.export.export_model`` takes them.

    Raises ``KeyError`` where the ledger lacks what they must name, ``LedgerError`` when stored
    predictions are damaged.
    """
    best = next(trial for trial in record.trials if trial.number == model.number)
    dataset, split = record.dataset, record.split
    classes = dict(sorted(dataset["classes"].items()))
    licence, citation = _licence(dataset)
    return {
        "study": record.name,
        "trial": model.number,
        "origin": model.origin,
        "classes": list(classes),
        "positive": dataset["positive"],
        "negative": dataset["negative"],
        "output": "probability of the positive class",
        "threshold": threshold.as_dict(),
        "preprocessing": preprocessing(record.protocol),
        "protocol": record.protocol.as_dict(),
        "variant": best.variant,
        "capacity": {"parameters": best.parameters, "macs": best.macs},
        "metrics": _metrics(folder, record, model, best),
        "selection": (record.final or {}).get("selection") if is_settled(record) else None,
        "data": {
            **{key: dataset.get(key) for key in ("name", "images", "groups", "groups_from")},
            "classes": classes,
            "skipped": len(dataset.get("skipped") or []),
            "licence": licence,
            "citation": citation,
        },
        "split": {
            **{key: split.get(key) for key in ("kind", "grouping", "ratio")},
            "parts": split.get("parts", {}),
            "leaking_test_groups": split.get("leaking_test_groups", 0),
            "leaking_test_images": split.get("leaking_test_images", 0),
        },
        "synthetic_data": dataset["synthetic"],
        "leaking_groups": split["leaking_groups"],
        "findings": list((record.audit or {}).get("findings") or []),
        "digests": {
            "dataset": dataset["digest"],
            "split": split["digest"],
            "space": record.space["digest"],
        },
    }


def preprocessing(protocol: Protocol) -> dict[str, Any]:
    """Return all that is done to an image file before the network sees it."""
    return {
        "width": protocol.image_width,
        "height": protocol.image_height,
        "channels": protocol.channels,
        "fit": protocol.fit,
        "resize_filter": protocol.resize_filter,
        "colour": _GREY[protocol.channels],
        "orientation": "the EXIF orientation is applied",
        "frames": "the first of an animation",
        "transparency": "composited on black",
        "depth": "more than 8 bits are scaled to 0..255 from 8, 12 or 16 bits, the smallest depth "
        "that holds the image's largest value; floats up to 1 are shares",
        "order": "decoded, turned, made 8 bits and grey or RGB at full size, then resized",
        "input": {
            "shape": [None, *protocol.image_shape],
            "layout": "NHWC",
            "dtype": "float32",
            "range": [0, 255],
        },
        "rescaling": "inside the network: levels are divided by 255",
    }


def _metrics(
    folder: StudyFolder, record: StudyRecord, model: FinalModel, best: TrialRecord
) -> dict[str, Any]:
    """Return the scores of the search, of the validation images, of the retest, and estimates."""
    return {
        "search": _of_the_search(folder, record, best),
        "validation": _validation(folder, record, model),
        "retest": record.retest if _is_of(record.retest, model) else None,
        "test_openings": times_opened(record),
        "estimates": {"validation_f_med": best.validation_f_med, **estimates(record, best)},
    }


def _of_the_search(folder: StudyFolder, record: StudyRecord, best: TrialRecord) -> dict[str, Any]:
    """Return a trial's scores at its best epoch, with intervals as far as its counts are there."""
    found = {"of": "the search's network of this trial, at its best epoch", **best.scores}
    counts = read_validation_counts({best.number: folder.trial(best.number)})
    epoch = (best.best_epoch or 0) - 1
    if counts is None or not 0 <= epoch < len(counts.trials[0].plain):
        return {**found, "intervals": {}}
    views = {
        "validation": (counts.trials[0].augmented, counts.augmented_total),
        "validation_plain": (counts.trials[0].plain, counts.plain_total),
    }
    intervals = {
        f"{view}_{score}": ends
        for view, (right, total) in views.items()
        for score, ends in _counted_intervals(
            right[epoch].astype(np.int64),
            total,
            counts.plain_total,
            counts.label,
            seed=derive(record.seed, "export"),
        ).items()
    }
    return {**found, "intervals": intervals}


def _counted_intervals(
    right: NDArray[np.int64],
    total: NDArray[np.int64],
    images: NDArray[np.int64],
    label: NDArray[np.int64],
    *,
    seed: int,
) -> dict[str, tuple[float, float]]:
    """Return the 95 % intervals of F_med and of both recalls; none where a class has no sample.

    All arrays are (G,), as ``counted_f_med_interval`` takes them.
    """
    if not all(total[label == k].sum() for k in (0, 1)):
        return {}
    found = {"f_med": counted_f_med_interval(right, total, label, seed=seed, most=images)}
    for name, k in (("sensitivity", 1), ("specificity", 0)):
        own = np.flatnonzero((label == k) & (total > 0))
        outcomes = np.stack([right[own], total[own] - right[own]], axis=1).ravel()
        correct = np.tile([True, False], len(own)).repeat(outcomes)
        size = effective_size(correct, own.repeat(total[own])).effective
        effective = min(size, float(images[own].sum()))
        found[name] = recall_interval(float(correct.mean()), effective)
    return found


def _is_of(retest: dict[str, Any] | None, model: FinalModel) -> bool:
    if retest is None or retest["number"] != model.number:
        return False
    return bool(retest.get("model_digest", model.digest) == model.digest)


def _validation(
    folder: StudyFolder, record: StudyRecord, model: FinalModel
) -> dict[str, Any] | None:
    """Return the scores on the plain validation images, unless these trained the network."""
    path = folder.trial(model.number) / "validation_predictions.npz"
    if model.origin != SEARCH or not path.is_file():
        return None
    data = read_predictions(path)
    intervals = retest_intervals(
        data.label, data.probability, data.group, seed=derive(record.seed, "export")
    )
    return {
        "images": len(data.label),
        "groups": len(set(data.group.tolist())),
        "confusion": metrics.binary_counts(data.label, data.probability),
        **metrics.binary_scores(data.label, data.probability),
        "auc": metrics.auc(data.label, data.probability) if intervals["auc"] else None,
        "intervals": intervals,
    }


def _licence(dataset: dict[str, Any]) -> tuple[str, str | None]:
    """Return the licence of the data and how to cite them, as far as they are known."""
    if stated := dataset.get("licence"):
        return str(stated), None
    if dataset["synthetic"]:
        return "none needed, the images are drawn by the program", None
    from study.dataset.fetch.mendeley import CITATION, LICENCE

    article = {"benign": 100, "malignant": 150}
    if dataset.get("name") == "mendeley" and dataset["classes"] == article:
        return LICENCE, CITATION
    return LICENCE_UNKNOWN, None
