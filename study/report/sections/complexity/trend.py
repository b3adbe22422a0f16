"""How scores change with the capacity of the network: smoothed trends, bands and zones."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from study.report import words
from study.training.diagnosis import GAP

Floats = NDArray[np.float64]

FEW_TRIALS, FEW_CAPACITIES = 8, 4
"""Below so many complete trials, or so many different capacities, no trend is drawn."""

SPAN = 0.5
"""Share of the trials that each point of a trend is fitted to, though never fewer than eight."""

DRAWS, GRID = 1_000, 50

TOLERANCE = 0.005
"""A smoothed score so close to a limit is at the limit: half the last digit that is written."""

NARROW = 0.1
"""Share of the range, on its logarithm, below which a gap parts no zones and noise makes none."""

MOST_FITTED = 2_000
"""Of more trials, so many are drawn at random for the trend and its band."""


class Interval(NamedTuple):
    """An estimate and the ends of its 95 % bootstrap interval, which hold it."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Band:
    """A smoothed score and its pointwise 95 % bootstrap band, (GRID,) each."""

    value: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True, kw_only=True)
class CapacityTrend:
    """Smoothed train and validation F_med over capacity, with what the bootstrap says of them."""

    capacity: Floats
    """From the smallest to the largest, equal steps of its logarithm, (GRID,)."""
    highest_train: Band
    """Of the highest train F_med of each run, against which bias is judged."""
    train: Band
    """At the epoch of the best validation F_med, like ``gap``."""
    validation: Band
    gap: Band
    """Train less validation."""
    rise: Interval
    """Smoothed validation F_med at the largest capacity less that at ``median``."""
    ending: Interval
    """The same from the capacity ``upper`` on: what the end of the range adds."""
    median: float
    """The median capacity of the trials."""
    upper: float
    """The upper quartile of the capacities."""
    peak: Interval
    """The capacity at which smoothed validation F_med is highest."""
    fitted: int
    """Trials that it is fitted to."""


@dataclass(frozen=True, kw_only=True)
class Zone:
    """A range of capacity in which one fault rules."""

    kind: str
    """``bias`` or ``variance``."""
    low: float
    high: float
    beyond_noise: bool
    """The whole band tells the same, throughout the zone."""

    @property
    def width(self) -> float:
        """How far it reaches, as a logarithm."""
        return math.log(self.high / self.low)


def too_little(capacity: Floats) -> str | None:
    """Return why complete trials of these capacities carry no trend; None when they do."""
    trials, different = len(capacity), len(np.unique(capacity))
    if trials < FEW_TRIALS:
        only = {0: "no trial is complete", 1: "only 1 trial is complete"}
        found = only.get(trials, f"only {trials} trials are complete")
        return f"{found}, and a trend needs {FEW_TRIALS}"
    if different < FEW_CAPACITIES:
        found = words.plural(different, "different capacity", "different capacities")
        return f"the complete trials have only {found}, and a trend needs {FEW_CAPACITIES}"
    return None


def capacity_trend(
    capacity: Floats, highest_train: Floats, train: Floats, validation: Floats
) -> CapacityTrend | None:
    """Return the trends over the logarithm of capacity, None where ``too_little`` is known.

    One value a trial, (n,) each: F_med from 0 to 1, to which the trends are cut;
    ``highest_train`` is that of the whole run, ``train`` that of the best epoch. The bands are
    percentiles of a bootstrap over the trials with a fixed seed, widened to hold the trend: they
    say nothing of luck that all trials share.
    """
    if too_little(capacity):
        return None
    x, scores = np.log(capacity), [highest_train, train, validation]
    quartiles = np.percentile(x, [50, 75])
    at = np.concatenate([np.linspace(x.min(), x.max(), GRID), quartiles])
    rng = np.random.default_rng(0)
    if len(x) > MOST_FITTED:
        chosen = rng.choice(len(x), MOST_FITTED, replace=False)
        x, scores = x[chosen], [y[chosen] for y in scores]
    times = rng.multinomial(len(x), np.full(len(x), 1 / len(x)), size=DRAWS).astype(np.float64)
    value = np.clip(_smoothed(x, scores, at, np.ones((1, len(x)))), 0, 1)[:, 0]
    drawn = np.clip(_smoothed(x, scores, at, times), 0, 1)  # (3, DRAWS, GRID + 2)
    grid, value, drawn, later, redrawn = (
        np.exp(at[:GRID]),
        value[:, :GRID],
        drawn[..., :GRID],
        value[2, GRID - 1] - value[2, GRID:],
        drawn[2, :, [GRID - 1]].T - drawn[2, :, GRID:],
    )
    peaks = grid[np.argmax(np.nan_to_num(drawn[2], nan=-1.0), axis=1)]
    return CapacityTrend(
        capacity=grid,
        highest_train=_band(value[0], drawn[0]),
        train=_band(value[1], drawn[1]),
        validation=_band(value[2], drawn[2]),
        gap=_band(value[1] - value[2], drawn[1] - drawn[2]),
        rise=_interval(later[0], redrawn[:, 0]),
        ending=_interval(later[1], redrawn[:, 1]),
        median=math.exp(quartiles[0]),
        upper=math.exp(quartiles[1]),
        peak=_interval(grid[np.argmax(value[2])], peaks),
        fitted=len(x),
    )


def zones(trend: CapacityTrend, target: float) -> list[Zone]:
    """Return the ranges of capacity with bias, then those with variance, each from low to high.

    Bias: the smoothed highest train F_med lies below ``target``. Variance: the smoothed gap is
    above 0.05 and its band excludes 0. Both by more than ``TOLERANCE``. A zone reaches half a step
    of the grid beyond its points, and over gaps that are ``NARROW``; one so narrow itself is left
    out unless it is beyond the noise.
    """
    biased = trend.highest_train.value < target - TOLERANCE
    varies = (trend.gap.value > GAP + TOLERANCE) & (trend.gap.low > 0)
    return [
        *_runs("bias", trend.capacity, biased, trend.highest_train.high < target),
        *_runs("variance", trend.capacity, varies, varies),
    ]


def _smoothed(x: Floats, scores: list[Floats], at: Floats, counts: Floats) -> Floats:
    """Return the local linear fit of each score, for each row of counts, (scores, rows, at).

    Tricube weights over the nearest ``SPAN`` of the points, without the robust iterations
    (Cleveland 1979, Journal of the American Statistical Association 74:829). The neighbourhood
    holds at least eight points and three different x, where there are as many.
    """
    offset, weight = _kernel(x, at)
    s0, s1, s2 = (counts @ (weight * offset**power).T for power in range(3))
    scale = s0 * s2 - s1**2
    line = scale > 1e-9 * s0 * s2  # else all the weight is at one capacity: take the mean
    fits = []
    for y in scores:
        t0, t1 = (counts @ (weight * offset**power * y).T for power in range(2))
        with np.errstate(divide="ignore", invalid="ignore"):
            fits.append(np.where(line, (s2 * t0 - s1 * t1) / scale, t0 / s0))
    return np.array(fits)


def _kernel(x: Floats, at: Floats) -> tuple[Floats, Floats]:
    """Return each point's offset in bandwidths and its tricube weight, (at, n) each."""
    apart = x[None, :] - at[:, None]
    distance = np.abs(apart)
    nearest = min(max(math.ceil(SPAN * len(x)), FEW_TRIALS), len(x)) - 1
    different = np.sort(np.abs(np.unique(x)[None, :] - at[:, None]), axis=1)
    third = different[:, min(3, different.shape[1]) - 1]
    width = np.maximum(np.partition(distance, nearest, axis=1)[:, nearest], third)
    width = 1.05 * np.where(width > 0, width, 1.0)[:, None]  # the farthest counts a little, too
    return apart / width, np.clip(1 - (distance / width) ** 3, 0, None) ** 3


def _band(value: Floats, drawn: Floats) -> Band:
    low, high = np.nanpercentile(drawn, [2.5, 97.5], axis=0)
    return Band(value=value, low=np.fmin(low, value), high=np.fmax(high, value))


def _interval(value: float, drawn: Floats) -> Interval:
    band = _band(np.array(value), drawn)
    return Interval(float(value), float(band.low), float(band.high))


def _runs(
    kind: str, capacity: Floats, inside: NDArray[np.bool_], beyond: NDArray[np.bool_]
) -> list[Zone]:
    step = math.log(capacity[1] / capacity[0])
    narrow = NARROW * math.log(capacity[-1] / capacity[0])
    edges = np.flatnonzero(np.diff(np.concatenate([[False], inside, [False]]).astype(int)))
    runs: list[tuple[int, int]] = []
    for begin, end in edges.reshape(-1, 2).tolist():
        near = bool(runs) and (begin - runs[-1][1]) * step < narrow
        runs = [*runs[:-1], (runs[-1][0], end)] if near else [*runs, (begin, end)]
    half = math.exp(step / 2)
    found = [
        Zone(
            kind=kind,
            low=max(float(capacity[begin]) / half, float(capacity[0])),
            high=min(float(capacity[end - 1]) * half, float(capacity[-1])),
            beyond_noise=bool(beyond[begin:end].all()),
        )
        for begin, end in runs
    ]
    return [zone for zone in found if zone.beyond_noise or zone.width >= narrow]
