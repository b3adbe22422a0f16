"""What an exported network says of itself and of the study that it comes from."""

from __future__ import annotations

from typing import Any

from study import metrics
from study.evaluation.final import SEARCH, FinalModel
from study.evaluation.intervals import retest_intervals
from study.evaluation.threshold import ChosenThreshold, read_predictions
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
        "search": best.scores,
        "validation": _validation(folder, record, model),
        "retest": record.retest if _is_of(record.retest, model) else None,
        "test_openings": times_opened(record),
        "estimates": {"validation_f_med": best.validation_f_med, **estimates(record, best)},
    }


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
