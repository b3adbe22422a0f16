"""Arrays that a run left in files: read without trust, or said why they cannot be."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from study.errors import DataError
from study.evaluation.operating import Predictions
from study.files import TORN


def read_arrays(path: Path, names: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Return the named arrays of an ``.npz``; Python objects in it are never loaded.

    Raises ``DataError`` when the file is missing or damaged, or lacks one of them.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            if absent := [name for name in names if name not in file]:
                raise DataError(f"{path.name} does not hold {', '.join(absent)}")
            return {name: np.asarray(file[name]) for name in names}
    except FileNotFoundError as error:
        raise DataError(f"{path.name} is missing") from error
    except TORN as error:
        raise DataError(f"{path.name} is damaged") from error


def read_predictions(path: Path, *, images: int | None = None) -> Predictions:
    """Return the predictions of a part, which must be of that many images where that is known.

    Raises ``DataError`` when they cannot be used.
    """
    found = read_arrays(path, ("label", "probability", "group"))
    if any(found[name].dtype.kind not in "biu" for name in ("label", "group")):
        raise DataError(f"{path.name} cannot be used: labels and groups are not whole numbers")
    try:
        data = Predictions(
            label=found["label"].astype(np.int64),
            probability=found["probability"].astype(np.float64),
            group=found["group"].astype(np.int64),
        )
    except (ValueError, TypeError, OverflowError) as error:
        raise DataError(f"{path.name} cannot be used: {error}") from error
    if images is not None and len(data.label) != images:
        raise DataError(f"{path.name} is of {len(data.label):,} images, the part has {images:,}")
    return data


def read_out_of_fold(path: Path) -> Predictions:
    """Return what a finalist's fold networks say of the images of their folds.

    Fold seeds are pooled; an image keeps its group in all of them, so that it counts with it.
    Images that no fold has scored are left out.

    Raises ``DataError`` when the file cannot be used.
    """
    found = read_arrays(path, ("label", "probability", "group", "fold"))
    if any(found[name].dtype.kind not in "biu" for name in ("label", "group", "fold")):
        raise DataError(f"{path.name} cannot be used: labels, groups, folds: not whole numbers")
    try:
        probability, fold = np.atleast_2d(found["probability"]), np.atleast_2d(found["fold"])
        label, group = (np.broadcast_to(found[name], fold.shape) for name in ("label", "group"))
        scored = fold >= 0
        return Predictions(
            label=label[scored].astype(np.int64),
            probability=probability[scored].astype(np.float64),
            group=group[scored].astype(np.int64),
        )
    except (ValueError, TypeError, IndexError, OverflowError) as error:
        raise DataError(f"{path.name} cannot be used: {error}") from error
