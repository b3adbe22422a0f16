"""How training and validation are divided into folds, whole groups at a time."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from study.dataset.manifest import Manifest, ManifestRow, sorted_part
from study.dataset.split import grouped_folds
from study.errors import DataError, SettingsError
from study.finalists.choose import FEWEST_FOLDS, MOST_FOLDS

POOLED = ("train", "validation")
"""The parts that folds are made of. The test part is none of them."""


def most_folds(manifest: Manifest) -> int:
    """Return how many folds the groups of training and validation allow, 0 below three."""
    rows = sorted_part(manifest, POOLED)
    labels = {row.label for row in rows}
    fewest = min((len({r.group for r in rows if r.label == name}) for name in labels), default=0)
    for folds in range(min(fewest, MOST_FOLDS), FEWEST_FOLDS - 1, -1):
        with suppress(DataError):  # groups of both classes may allow fewer than each class
            division(rows, folds=folds, seed=0)
            return folds
    return 0


def check_folds(manifest: Manifest, folds: int) -> None:
    """Raise ``SettingsError`` where the groups do not allow as many folds."""
    most = most_folds(manifest)
    if folds > most:
        allowed = f"{FEWEST_FOLDS} to {most}" if most else "none, it takes three groups in a class"
        raise SettingsError(
            f"--folds: found {folds}; allowed with these groups of training and validation: "
            f"{allowed}; use fewer, or --finalists 0"
        )


def division(rows: Sequence[ManifestRow], *, folds: int, seed: int) -> NDArray[np.int64]:
    """Return the fold, 0 to ``folds`` - 1, of every pooled image, (n,); no group is divided."""
    found = grouped_folds(
        [row.label for row in rows], [row.group for row in rows], folds=folds, seed=seed
    )
    return np.array(found, dtype=np.int64)
