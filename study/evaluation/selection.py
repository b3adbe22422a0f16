"""Which finalist to take, and which cannot win any more."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from study.evaluation.out_of_fold import Floats, Integers, OutOfFold, weighted_f_med

Rule = Literal["best", "one-se"]

RULES: tuple[Rule, ...] = ("best", "one-se")

DROP_LEVEL = 0.975
"""One-sided level at which a finalist must be behind to be dropped from the race."""

RACE_DRAWS = 2_000


@dataclass(frozen=True, kw_only=True)
class Selection:
    """The finalist that a rule takes, and what led to it; finalists are named by their index."""

    rule: Rule
    chosen: int
    best: int
    """The one of the highest mean; of equal ones the least complex."""
    means: tuple[float, ...]
    """Pooled F_med of each finalist."""
    standard_error: float | None
    """Of the best one's mean; None where fewer than two folds can be scored."""
    bar: float
    """What a finalist's mean must reach: the best mean, less its standard error."""
    within: tuple[int, ...]
    """Finalists that reach the bar, the least complex first."""

    @property
    def fell_back(self) -> bool:
        """Whether the one-standard-error rule took the best for want of a standard error."""
        return self.rule == "one-se" and self.standard_error is None


@dataclass(frozen=True, kw_only=True)
class Choices:
    """What a rule takes under each of D drawings of the groups."""

    chosen: Integers
    """(D,), index of the finalist."""
    best: Integers
    """(D,)"""
    means: Floats
    """(D, F)"""
    standard_error: Floats
    """(D,), of the best; NaN where it is undefined."""
    bar: Floats
    """(D,)"""


@dataclass(frozen=True, kw_only=True)
class Race:
    """Which finalists are so far behind that more folds would not make them win."""

    leader: int
    dropped: tuple[int, ...]
    behind: tuple[float, ...]
    """Pooled F_med of each finalist, less the leader's."""
    bound: tuple[float, ...]
    """Upper bound of that difference at ``DROP_LEVEL``, corrected for all the comparisons."""


def pooled_f_med(data: OutOfFold) -> Floats:
    """Return the F_med of each finalist's counts pooled over folds, averaged over seeds, (F,).

    Only rows that all finalists have scored count, and only seeds with any.

    Raises ``ValueError`` when a class has no such row.
    """
    return np.asarray(_pooled(data, _every_row_once(data))[0])


def fold_scores(data: OutOfFold) -> Floats:
    """Return the F_med of each finalist in each fold of each seed, (F, J).

    The folds are those that all finalists have run. NaN where a fold lacks a class.
    """
    return np.asarray(weighted_f_med(data, _every_row_once(data), _folds(data))[0])


def standard_error(scores: Floats, test_to_train: float) -> Floats:
    """Return the standard error of the mean of J fold scores, (..., J) -> (...).

    sqrt((1/J + n_test/n_train) var), since folds share training images (Nadeau and Bengio 2003,
    Machine Learning 52:239). NaN scores do not count; with fewer than two others it is NaN.
    """
    known = np.isfinite(scores)
    count = known.sum(axis=-1)
    enough = np.where(count > 1, count, 2)
    mean = np.where(known, scores, 0.0).sum(axis=-1) / enough
    squares = np.where(known, (scores - mean[..., None]) ** 2, 0.0).sum(axis=-1)
    error = np.sqrt((1 / enough + test_to_train) * squares / (enough - 1))
    return np.asarray(np.where(count > 1, error, np.nan))


def select(data: OutOfFold, rule: Rule) -> Selection:
    """Return the finalist that the rule takes.

    ``best`` takes the highest mean. ``one-se`` takes the least complex finalist whose mean is at
    most one standard error of the best below the best (Breiman et al. 1984; Hastie, Tibshirani,
    Friedman, section 7.10). Less complex is fewer multiply-accumulates, then fewer parameters,
    then the lower index. Only folds that all finalists have run count: leave out of ``data`` those
    that the race has dropped.

    Raises ``ValueError`` for another rule, or when a class has no row that all have scored.
    """
    found = choose(data, _every_row_once(data), rule)
    bar, error = float(found.bar[0]), float(found.standard_error[0])
    return Selection(
        rule=rule,
        chosen=int(found.chosen[0]),
        best=int(found.best[0]),
        means=tuple(found.means[0].tolist()),
        standard_error=error if np.isfinite(error) else None,
        bar=bar,
        within=tuple(int(k) for k in _by_complexity(data) if found.means[0, k] >= bar),
    )


def choose(data: OutOfFold, times: Integers, rule: Rule) -> Choices:
    """Return what ``select`` takes where each row counts as often as ``times`` (D, R) says."""
    if rule not in RULES:
        raise ValueError(f"rule must be one of {', '.join(RULES)}, found {rule!r}")
    order = _by_complexity(data)
    means = _pooled(data, times)
    best = order[np.argmax(means[:, order], axis=1)]
    row = np.arange(len(times))
    highest = means[row, best]
    scores = weighted_f_med(data, times, _folds(data))[row, best]
    error = standard_error(scores, data.test_to_train)
    bar = highest - np.where(np.isfinite(error), error, 0.0)
    chosen = best
    if rule == "one-se":
        chosen = order[np.argmax(means[:, order] >= bar[:, None], axis=1)]
    return Choices(chosen=chosen, best=best, means=means, standard_error=error, bar=bar)


def allowance(data: OutOfFold, rule: Rule) -> float:
    """Return how far behind the leader a finalist may be and still be taken by the rule.

    Infinite where ``one-se`` has no standard error to go by: then nobody can be ruled out.
    """
    if rule == "best":
        return 0.0
    error = select(data, rule).standard_error
    return math.inf if error is None else error


def race(
    data: OutOfFold,
    *,
    keep: Sequence[int] = (),
    seed: int,
    allowance: float = 0.0,
    draws: int = RACE_DRAWS,
) -> Race:
    """Return which finalists cannot win any more; those in ``keep`` are never dropped.

    Each finalist is compared with the leader on the groups that all have scored. The difference of
    their pooled F_med is paired: its standard error comes from a bootstrap over groups, the same
    draws for all. A finalist is dropped when the difference plus Student's t times that error is
    below minus ``allowance``, see the function of that name. The degrees
    of freedom are the groups of both classes less two; t is taken at ``DROP_LEVEL``, divided
    among all pairs with the leader (Bonferroni). The percentiles of the bootstrap would drop the
    best finalist too often (measured: up to one time in ten).
    With fewer than two groups in a class nobody is dropped.

    Raises ``ValueError`` when a class has no row that all have scored.
    """
    means = pooled_f_med(data)
    leader = int(np.argmax(means))
    behind = means - means[leader]
    groups = (data.groups(0), data.groups(1))
    bound = np.full(len(means), np.inf)
    if min(groups) > 1 and len(means) > 1:
        from scipy.stats import t  # here, because importing it takes most of a second

        drawn = _pooled(data, data.group_draws(draws, np.random.default_rng(seed)))
        error = np.std(drawn - drawn[:, [leader]], axis=0)
        bound = behind + t.ppf(1 - (1 - DROP_LEVEL) / (len(means) - 1), sum(groups) - 2) * error
    safe = {leader, *keep}
    return Race(
        leader=leader,
        dropped=tuple(k for k in range(len(means)) if bound[k] < -allowance and k not in safe),
        behind=tuple(behind.tolist()),
        bound=tuple(bound.tolist()),
    )


def _pooled(data: OutOfFold, times: Integers) -> Floats:
    """Return the pooled F_med under each drawing, averaged over seeds, (D, F)."""
    seen = data.common >= 0
    seeds = [(s, rows) for s, rows in enumerate(seen) if rows.any()]
    if len(np.unique(data.label[seen.any(axis=0)])) < 2:
        raise ValueError("F_med is undefined: a class has no group that all finalists have scored")
    scores = weighted_f_med(data, times, seeds)
    known = np.isfinite(scores)
    summed = np.where(known, scores, 0.0).sum(axis=-1)
    return np.asarray(summed / np.maximum(known.sum(axis=-1), 1))


def _folds(data: OutOfFold) -> list[tuple[int, NDArray[np.bool_]]]:
    common = data.common
    return [
        (seed, row == fold)
        for seed, row in enumerate(common)
        for fold in np.unique(row[row >= 0]).tolist()
    ]


def _every_row_once(data: OutOfFold) -> Integers:
    return np.ones((1, len(data.total)), dtype=np.int64)


def _by_complexity(data: OutOfFold) -> Integers:
    return np.lexsort((np.arange(len(data.macs)), data.parameters, data.macs))
