"""What the trials of a study got right on the validation images, epoch by epoch, by group."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from study.evaluation.intervals import times_drawn
from study.files import TORN

FILE = "validation_counts.npz"
"""Written by every trial into its folder: ``training.loop``."""


@dataclass(frozen=True, kw_only=True)
class TrialCounts:
    """Correct images of one trial in each of E epochs and R rows; whole numbers of any size."""

    number: int
    augmented: NDArray[Any]
    """(E, R), of the fixed augmented set."""
    plain: NDArray[Any]
    """(E, R), of the plain images."""


@dataclass(frozen=True, kw_only=True)
class ValidationCounts:
    """The counts of all trials of a study; a row is a group within its class."""

    trials: tuple[TrialCounts, ...]
    """In the order in which trials of equal score are preferred."""
    augmented_total: NDArray[np.int64]
    """(R,)"""
    plain_total: NDArray[np.int64]
    """(R,)"""
    label: NDArray[np.int64]
    """(R,), 1 is the positive class, 0 the negative one."""
    skipped: int = 0
    """Trials that were left out: their file is missing or damaged, or of other images."""

    def __post_init__(self) -> None:
        """Raise ``ValueError`` when shapes or values are not these."""
        rows = np.shape(self.label)
        if len(rows) != 1 or not rows[0] or not np.isin(self.label, (0, 1)).all():
            raise ValueError("label is not a column of zeros and ones")
        if not rows == np.shape(self.augmented_total) == np.shape(self.plain_total):
            raise ValueError("totals and labels are not columns of one length")
        for trial in self.trials:
            if trial.augmented.ndim != 2 or trial.augmented.shape != trial.plain.shape:
                raise ValueError(f"trial {trial.number}: counts are not of epochs and rows")
            if trial.plain.shape[1:] != rows:
                raise ValueError(f"trial {trial.number}: counts are not of these rows")

    def of(self, number: int) -> ValidationCounts:
        """Return the counts of one trial only."""
        trials = tuple(trial for trial in self.trials if trial.number == number)
        return ValidationCounts(
            trials=trials,
            augmented_total=self.augmented_total,
            plain_total=self.plain_total,
            label=self.label,
        )

    def group_draws(self, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Return how often each row is drawn within its class, (D, R).

        Of ``count`` resamples those without an augmented sample of a class are left out.
        """
        times = times_drawn(self.label, count, rng)
        samples = [
            times[:, self.label == k] @ self.augmented_total[self.label == k] for k in (0, 1)
        ]
        return np.asarray(times[(samples[0] > 0) & (samples[1] > 0)])


def read_validation_counts(folders: Mapping[int, Path]) -> ValidationCounts | None:
    """Read the counts of trials, given as number and folder, in the order of preference.

    Trials that were not judged on the same rows as most of the others are skipped, as are those
    whose file is missing or damaged. None where no trial can be used. Each count takes one or two
    bytes of memory.
    """
    found: defaultdict[bytes, list[TrialCounts]] = defaultdict(list)
    rows: dict[bytes, list[NDArray[np.int64]]] = {}
    for number, folder in folders.items():
        try:
            trial, totals = _read(number, folder / FILE)
        except TORN:
            continue
        key = np.stack(totals).tobytes()
        found[key].append(trial)
        rows[key] = totals
    if not found:
        return None
    common = max(found, key=lambda key: len(found[key]))
    augmented_total, plain_total, label = rows[common]
    return ValidationCounts(
        trials=tuple(found[common]),
        augmented_total=augmented_total,
        plain_total=plain_total,
        label=label,
        skipped=len(folders) - len(found[common]),
    )


def _read(number: int, path: Path) -> tuple[TrialCounts, list[NDArray[np.int64]]]:
    """Return a trial's counts, and the augmented and plain totals and the label of its rows."""
    with np.load(path, allow_pickle=False) as stored:
        totals = [
            stored[name].astype(np.int64) for name in ("augmented_total", "plain_total", "label")
        ]
        counts = [stored[name] for name in ("augmented", "plain")]
    rows = np.shape(totals[0])
    if len(rows) != 1 or not rows[0] or any(np.shape(item) != rows for item in totals):
        raise ValueError("totals and labels are not columns of one length")
    if not np.isin(totals[2], (0, 1)).all() or counts[0].shape != counts[1].shape:
        raise ValueError("counts do not fit together")
    for correct, total in zip(counts, totals[:2], strict=True):
        if correct.dtype.kind not in "iu" or correct.ndim != 2 or correct.shape[1:] != rows:
            raise ValueError("counts are not of epochs and rows")
        if not len(correct) or (correct < 0).any() or (correct > total).any():
            raise ValueError("counts do not fit the images of their rows")
    small = [
        correct.astype(np.min_scalar_type(int(total.max(initial=0))))
        for correct, total in zip(counts, totals[:2], strict=True)
    ]
    return TrialCounts(number=number, augmented=small[0], plain=small[1]), totals
