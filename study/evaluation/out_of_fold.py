"""What finalists say of images that their networks were not trained on, as counts by group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from study import metrics
from study.evaluation.intervals import times_drawn

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class FoldPredictions:
    """What the fold networks of one finalist say, for one fold seed; all arrays are (n,)."""

    probability: Floats
    """Of the positive class, by the network of the image's fold; any value where there is none."""
    label: Integers
    """1 is the positive class, 0 the negative one."""
    group: Integers
    """Any whole numbers from 0."""
    fold: Integers
    """The fold in which the image scored, from 0; -1 where it has not scored."""

    def __post_init__(self) -> None:
        """Raise ``ValueError`` when shapes or values are not these."""
        columns = (self.probability, self.label, self.group, self.fold)
        if np.ndim(self.label) != 1 or len({np.shape(values) for values in columns}) != 1:
            raise ValueError("probability, label, group and fold are not columns of one length")
        if not np.isin(self.label, (0, 1)).all():
            raise ValueError("a label is neither 0 nor 1")
        chance = self.probability[self.fold >= 0]
        if not ((chance >= 0) & (chance <= 1)).all():
            raise ValueError("a probability of a scored image is not between 0 and 1")


@dataclass(frozen=True, kw_only=True)
class OutOfFold:
    """Counts of F finalists and S fold seeds in R rows; a row is a group within its class."""

    correct: Integers
    """(F, S, R), images classified correctly at threshold 0.5; -1 where not scored."""
    total: Integers
    """(R,), images."""
    label: Integers
    """(R,), 1 is the positive class, 0 the negative one."""
    group: Integers
    """(R,), any whole numbers; a group that holds both classes has two rows."""
    fold: Integers
    """(S, R), the fold in which the row's group scores, from 0; -1 where that fold did not run."""
    macs: Integers
    """(F,), multiply-accumulates."""
    parameters: Integers
    """(F,), trainable parameters."""
    test_to_train: float
    """Scoring images for one training image in a fold run; 1/3 where one of five folds scores and
    another one stops the training."""

    def __post_init__(self) -> None:
        """Raise ``ValueError`` when shapes or values are not these."""
        if np.ndim(self.correct) != 3:
            raise ValueError("correct is not of finalists, fold seeds and rows")
        finalists, seeds, rows = self.correct.shape
        shapes = {
            "total": (rows,),
            "label": (rows,),
            "group": (rows,),
            "fold": (seeds, rows),
            "macs": (finalists,),
            "parameters": (finalists,),
        }
        for name, shape in shapes.items():
            if np.shape(getattr(self, name)) != shape:
                found = np.shape(getattr(self, name))
                raise ValueError(f"{name} has the shape {found}, correct asks for {shape}")
        if not finalists or not seeds or not rows:
            raise ValueError("there is no finalist, no fold seed or no row")
        if not np.isin(self.label, (0, 1)).all():
            raise ValueError("a label is neither 0 nor 1")
        if (self.correct > self.total).any() or (self.correct < -1).any() or (self.total < 1).any():
            raise ValueError("a count of correct images does not fit the images of its row")
        if not self.test_to_train > 0:
            raise ValueError(f"test_to_train must be above 0, found {self.test_to_train}")

    @classmethod
    def from_predictions(
        cls,
        predictions: Sequence[Sequence[FoldPredictions]],
        *,
        macs: Sequence[int],
        parameters: Sequence[int],
        test_to_train: float,
    ) -> OutOfFold:
        """Count what each finalist (outer sequence) gets right with each fold seed (inner one).

        Raises ``ValueError`` when the predictions are not of the same images in the same order,
        or the images of a group have several folds within one seed.
        """
        first = predictions[0][0]
        for item in (item for finalist in predictions for item in finalist):
            if not np.array_equal(item.label, first.label) or not np.array_equal(
                item.group, first.group
            ):
                raise ValueError("predictions are not of the same images in the same order")
        key, row = np.unique(first.group * 2 + first.label, return_inverse=True)
        total = np.bincount(row, minlength=len(key))
        correct = [[_correct(item, row, total) for item in finalist] for finalist in predictions]
        seeds = zip(*predictions, strict=True)
        return cls(
            correct=np.array(correct, dtype=np.int64),
            total=total.astype(np.int64),
            label=key % 2,
            group=key // 2,
            fold=np.stack([_folds(items, row, len(key)) for items in seeds]),
            macs=np.array(macs, dtype=np.int64),
            parameters=np.array(parameters, dtype=np.int64),
            test_to_train=test_to_train,
        )

    def of(self, finalists: Sequence[int]) -> OutOfFold:
        """Return these finalists, in this order."""
        chosen = list(finalists)
        return replace(
            self,
            correct=self.correct[chosen],
            macs=self.macs[chosen],
            parameters=self.parameters[chosen],
        )

    @property
    def common(self) -> Integers:
        """``fold`` with -1 wherever one of the finalists has not scored, (S, R)."""
        return np.where((self.correct >= 0).all(axis=0), self.fold, -1)

    def groups(self, label: int) -> int:
        """Return how many groups of a class every finalist has scored with some seed."""
        return int(((self.common >= 0).any(axis=0) & (self.label == label)).sum())

    def group_draws(self, count: int, rng: np.random.Generator) -> Integers:
        """Return how often each row is drawn in resamples of the groups, (count, R).

        Only rows that all finalists have scored with some seed are drawn. Groups are drawn within
        their class; those with images of both classes are a stratum of their own.
        """
        seen = np.flatnonzero((self.common >= 0).any(axis=0))
        _, place = np.unique(self.group[seen], return_inverse=True)
        stratum = np.bincount(place, weights=1.0 + self.label[seen]).astype(np.int64)
        times = np.zeros((count, len(self.total)), dtype=np.int64)
        times[:, seen] = times_drawn(stratum, count, rng)[:, place]
        return times


def _correct(item: FoldPredictions, row: NDArray[np.int_], total: NDArray[np.int_]) -> Integers:
    """Return the correct images of each row, -1 where the row has not scored."""
    right = (item.probability >= metrics.THRESHOLD) == (item.label == 1)
    scored = item.fold >= 0
    counted = np.bincount(row, weights=right & scored, minlength=len(total)).astype(np.int64)
    missing = np.bincount(row, weights=~scored, minlength=len(total)) > 0
    return np.where(missing, -1, counted)


def _folds(items: Sequence[FoldPredictions], row: NDArray[np.int_], rows: int) -> Integers:
    """Return the fold of each row for one seed, -1 where no finalist has scored it."""
    _, owner = np.unique(items[0].group, return_inverse=True)
    of_group = np.full(int(owner.max()) + 1, -1, dtype=np.int64)
    for item in items:
        np.maximum.at(of_group, owner, item.fold)
    for item in items:
        if ((item.fold >= 0) & (item.fold != of_group[owner])).any():
            raise ValueError("the folds of one seed differ within a group or between finalists")
    fold = np.empty(rows, dtype=np.int64)
    fold[row] = of_group[owner]
    return fold


def weighted_f_med(
    data: OutOfFold, times: Integers, folds: Sequence[tuple[int, NDArray[np.bool_]]]
) -> Floats:
    """Return F_med under each of D drawings, for each finalist, on each of N sets of rows.

    ``times`` (D, R) says how often each row counts, ``folds`` names N times a fold seed and its
    rows (R,). The result is (D, F, N): NaN where a class has no image, 0 where it is never
    recognised.
    """
    found = np.empty((len(times), len(data.macs), len(folds)))
    weight = times.astype(np.float64)
    for place, (seed, rows) in enumerate(folds):
        recalls = []
        for k in (0, 1):
            own = np.flatnonzero(rows & (data.label == k))
            right = weight[:, own] @ data.correct[:, seed, own].T.astype(np.float64)
            total = weight[:, own] @ data.total[own].astype(np.float64)
            whole = np.where(total > 0, total, np.nan)
            recalls.append(right / whole[:, None])
        found[..., place] = harmonic_mean(recalls[0], recalls[1])
    return found


def harmonic_mean(one: Floats, other: Floats) -> Floats:
    """Return the F_med of two recalls, 0 where both are 0, NaN where one is undefined."""
    both = one + other
    return np.asarray(2 * one * other / np.where(both == 0, 1.0, both))
