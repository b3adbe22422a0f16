"""What the selected network is worth when the luck of its selection is taken off.

Selection is repeated on bootstrap samples of the groups, and what it takes is judged on the groups
that were not drawn (Tsamardinos, Greasidou, Borboudakis 2018, Machine Learning 107:1895).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from study import metrics
from study.evaluation.intervals import effective_size
from study.evaluation.out_of_fold import Floats, Integers, OutOfFold, harmonic_mean
from study.evaluation.search_choice import selected_counts
from study.evaluation.selection import Rule, choose
from study.evaluation.validation_counts import ValidationCounts

Source = Literal["validation", "folds"]

DRAWS = 1_000

LEVEL = 0.95

_INTERVAL_DRAWS = 4_000

_CELLS = 4_000_000
"""Most draws times rows that are held at once."""


@dataclass(frozen=True, kw_only=True)
class Corrected:
    """The bootstrap bias-corrected F_med on plain images, and its 95 % interval."""

    value: float
    low: float
    high: float
    source: Source
    """Counts that it was made from: those of the search, or the finalists' out-of-fold ones."""
    draws_used: int
    """Draws that left out groups of both classes."""


def corrected_from_validation(
    counts: ValidationCounts, *, seed: int, only: int | None = None, draws: int = DRAWS
) -> Corrected | None:
    """Return the corrected F_med of what the search selects, from its trials' counts.

    Each draw takes the configuration, a trial at one of its epochs, of the highest F_med on the
    augmented counts of the drawn groups, of equal ones the first; its recalls are those on the
    plain counts of the groups not drawn. ``only`` names the trial whose epochs alone are chosen
    among, for a network that was not selected.

    The value is ``expected_f_med`` of the mean recalls over draws. The interval is that of
    ``retest_intervals`` around these recalls, widened to hold the value and, from ten groups in a
    class on, by how recalls vary with what the draws select. Effective numbers of images are those
    of the configuration that all groups select, on the plain images.

    None when there is no trial, or every draw takes all groups of a class.
    """
    chosen = counts if only is None else counts.of(only)
    if not chosen.trials:
        return None
    rows = _Rows(
        total=chosen.plain_total,
        images=chosen.plain_total,
        label=chosen.label,
        group=np.arange(len(chosen.label)),
    )
    return _corrected(
        rows,
        chosen.group_draws,
        partial(selected_counts, chosen),
        source="validation",
        draws=draws,
        seed=seed,
    )


def corrected_from_folds(
    data: OutOfFold, rule: Rule, *, seed: int, only: int | None = None, draws: int = DRAWS
) -> Corrected | None:
    """Return the corrected F_med of the finalist that the rule selects, from out-of-fold counts.

    As ``corrected_from_validation``, with the same rule within each draw; ``only`` is the index of
    a finalist that was not selected. Finalists were chosen on images that count here, too, which
    this does not take off.

    None when every draw takes all groups of a class.
    Raises ``ValueError`` when a class has no row that all finalists have scored.
    """
    chosen = data if only is None else data.of([only])
    seen = chosen.common >= 0
    correct = np.where(seen, chosen.correct, 0).sum(axis=1)  # over seeds, (F, R)
    rows = _Rows(
        total=chosen.total * seen.sum(axis=0),
        images=chosen.total * seen.any(axis=0),
        label=chosen.label,
        group=chosen.group,
    )
    return _corrected(
        rows,
        chosen.group_draws,
        lambda times: correct[choose(chosen, times, rule).chosen],
        source="folds",
        draws=draws,
        seed=seed,
    )


@dataclass(frozen=True, kw_only=True)
class _Rows:
    """What the plain counts are of; all arrays are (R,)."""

    total: Integers
    """Answers: an image counts once for each fold seed."""
    images: Integers
    label: Integers
    group: Integers


def _corrected(
    rows: _Rows,
    drawings: Callable[[int, np.random.Generator], Integers],
    select: Callable[[Integers], Integers],
    *,
    source: Source,
    draws: int,
    seed: int,
) -> Corrected | None:
    """Return the estimate, given how to draw rows, (D, R), and the counts that draws select."""
    rng = np.random.default_rng(seed)
    block = max(1, _CELLS // len(rows.total))  # so that memory does not grow with the groups
    left_out, whole = [np.empty((0, 2))], [np.empty((0, 2))]
    for count in [block] * (draws // block) + [draws % block]:
        times = drawings(count, rng)
        if not len(times):
            continue
        correct = select(times)
        left_out.append(_recalls(correct * (times == 0), rows.total * (times == 0), rows.label))
        whole.append(_recalls(correct, rows.total, rows.label))
    known = np.concatenate([part[np.isfinite(part).all(axis=1)] for part in left_out])
    if not len(known):
        return None
    recalls = known.mean(axis=0).tolist()
    chosen = select(np.ones((1, len(rows.total)), dtype=np.int64))[0]
    effective = [_effective(chosen, rows, k) for k in (0, 1)]
    value = expected_f_med(recalls, effective)
    shifts = np.concatenate(whole)
    shifts -= shifts.mean(axis=0)
    low, high = _interval(recalls, effective, shifts * _enough(rows), rng)
    return Corrected(
        value=value,
        low=min(low, value),
        high=max(high, value),
        source=source,
        draws_used=len(known),
    )


def _recalls(correct: Integers, total: Integers, label: Integers) -> Floats:
    """Return the recalls of both classes in each row of counts, (D, 2), NaN without an image."""
    found = []
    for k in (0, 1):
        images = total[..., label == k].sum(axis=-1)
        right = correct[..., label == k].sum(axis=-1)
        found.append(right / np.where(images > 0, images, np.nan))
    return np.stack(found, axis=-1)


def _enough(rows: _Rows) -> NDArray[np.bool_]:
    """Return whether recalls of either class are shifted, (2,).

    Below ten groups each group counts once, which is wide enough without it.
    """
    groups = [((rows.label == k) & (rows.total > 0)).sum() for k in (0, 1)]
    return np.array(groups) >= metrics.FEW_GROUPS


def _effective(correct: Integers, rows: _Rows, label: int) -> float:
    """Return how many independent images of a class a configuration was judged on."""
    own = np.flatnonzero((rows.label == label) & (rows.total > 0))
    right, total = correct[own], rows.total[own]
    outcome = np.tile([True, False], len(own)).repeat(np.stack([right, total - right], 1).ravel())
    size = effective_size(outcome, rows.group[own].repeat(total))
    return min(size.effective, float(rows.images[own].sum()))


def expected_f_med(recalls: Sequence[float], effective: Sequence[float]) -> float:
    """Return the F_med of two recalls seen on few independent images, less its downward bias.

    F_med is concave: that of unbiased recalls is too low on average, by 0.04 with 2 + 3 lesions.
    The second-order term of its Taylor expansion is added back, with r (1 - r) / (n_eff - 1) as
    the variance of a recall; the result is at most the mean recall, which no F_med exceeds.
    """
    value, whole = metrics.f_med(recalls), sum(recalls)
    if not whole:
        return value
    variances = [
        recall * (1 - recall) / max(size - 1, 1.0)  # no mean of values in [0, 1] varies more
        for recall, size in zip(recalls, effective, strict=True)
    ]
    shares = [recall / whole for recall in reversed(recalls)]
    bias = 2 * sum(s**2 * var for s, var in zip(shares, variances, strict=True)) / whole
    return min(value + bias, whole / 2)


def _interval(
    recalls: Sequence[float],
    effective: Sequence[float],
    shifts: Floats,
    rng: np.random.Generator,
) -> tuple[float, float]:
    """Return the percentiles of F_med where recalls are drawn from their posterior (Jeffreys).

    Both are shifted by a row of ``shifts`` (D, 2), drawn at random.
    """
    right = np.array(recalls) * effective
    drawn = rng.beta(right + 0.5, np.array(effective) - right + 0.5, size=(_INTERVAL_DRAWS, 2))
    drawn += shifts[rng.integers(len(shifts), size=_INTERVAL_DRAWS)]
    np.clip(drawn, 0, 1, out=drawn)
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(harmonic_mean(drawn[:, 0], drawn[:, 1]), [tail, 1 - tail])
    return float(low), float(high)
