"""The paired difference of two networks' F_med on the same validation images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from study import metrics
from study.evaluation.intervals import times_drawn
from study.evaluation.operating import Predictions

DRAWS = 10_000

LEVEL = 0.95


@dataclass(frozen=True, kw_only=True)
class PairedDifference:
    """F_med of one network less that of another on the same images."""

    first: float
    second: float
    low: float
    high: float
    """Ends of the interval of ``difference``."""
    level: float
    images: int
    groups: tuple[int, int]
    """Groups with images of the negative and of the positive class."""
    disagreements: tuple[int, int]
    """Images that only the first network gets right, and only the second."""

    @property
    def difference(self) -> float:
        """First less second."""
        return self.first - self.second

    @property
    def sound(self) -> bool:
        """Whether each class has groups enough for an interval from a bootstrap over groups."""
        return min(self.groups) >= metrics.FEW_GROUPS


def paired_difference(
    first: Predictions,
    second: Predictions,
    *,
    level: float = LEVEL,
    draws: int = DRAWS,
    seed: int = 0,
) -> PairedDifference:
    """Return the difference with the percentile interval of a bootstrap over groups.

    Groups are drawn with replacement within their class (a group with images of both classes is a
    stratum of its own kind), the same draw for both networks, so that what makes a lesion hard for
    both cancels (Efron and Tibshirani 1993, chapter 8).

    Raises ``ValueError`` when the two are not of the same images in the same order.
    """
    same = np.array_equal(first.label, second.label) and np.array_equal(first.group, second.group)
    if not same:
        raise ValueError("predictions are not of the same images in the same order")
    label = first.label
    _, group = np.unique(first.group, return_inverse=True)
    rights = [(item.probability >= metrics.THRESHOLD) == (label == 1) for item in (first, second)]
    total = _per_group(np.ones(len(label)), label, group)
    right = [_per_group(item, label, group) for item in rights]
    low, high = _interval(right, total, level=level, draws=draws, seed=seed)
    scores = [float(_f_med(item.sum(axis=0), total.sum(axis=0))) for item in right]
    held = (total > 0).sum(axis=0)
    return PairedDifference(
        first=scores[0],
        second=scores[1],
        low=min(low, scores[0] - scores[1]),
        high=max(high, scores[0] - scores[1]),
        level=level,
        images=len(label),
        groups=(int(held[0]), int(held[1])),
        disagreements=(int((rights[0] & ~rights[1]).sum()), int((rights[1] & ~rights[0]).sum())),
    )


def _per_group(
    value: NDArray[np.float64] | NDArray[np.bool_],
    label: NDArray[np.int64],
    group: NDArray[np.int_],
) -> NDArray[np.float64]:
    """Return the sums of a value by group and class, (groups, 2)."""
    place = group * 2 + label
    weights = value.astype(np.float64)
    sums = np.bincount(place, weights=weights, minlength=2 * (int(group.max()) + 1))
    return np.asarray(sums, dtype=np.float64).reshape(-1, 2)


def _interval(
    right: list[NDArray[np.float64]],
    total: NDArray[np.float64],
    *,
    level: float,
    draws: int,
    seed: int,
) -> tuple[float, float]:
    rng = np.random.default_rng(seed)
    stratum = (total > 0) @ np.array([1, 2])
    rows = max(1, 4_000_000 // len(total))  # so that memory does not grow with the groups
    found = []
    for count in [rows] * (draws // rows) + [draws % rows]:
        times = times_drawn(stratum, count, rng)
        drawn = times @ total
        found.append(_f_med(times @ right[0], drawn) - _f_med(times @ right[1], drawn))
    tail = (1 - level) / 2
    low, high = np.quantile(np.concatenate(found), [tail, 1 - tail])
    return float(low), float(high)


def _f_med(right: NDArray[np.float64], total: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the F_med of counts by class (..., 2), 0 where a class is never recognised."""
    recalls = right / total
    summed = recalls.sum(axis=-1)
    both = np.where(summed > 0, summed, 1.0)
    return np.asarray(2 * recalls.prod(axis=-1) / both)
