"""Trends over capacity: laws of the smoothing and its band, and the zones of drawn studies."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from study.report.sections.complexity.trend import (
    GRID,
    MOST_FITTED,
    Band,
    CapacityTrend,
    Interval,
    capacity_trend,
    too_little,
    zones,
)

CAPACITY = np.geomspace(1_000, 100_000, 40)


def flat(value: float, half: float = 0.0) -> Band:
    middle = np.full(GRID, value)
    return Band(value=middle, low=middle - half, high=middle + half)


def rising(low: float, high: float, half: float = 0.0) -> Band:
    middle = np.linspace(low, high, GRID)
    return Band(value=middle, low=middle - half, high=middle + half)


def trend_of(train: Band, gap: Band) -> CapacityTrend:
    nothing = Interval(0.0, 0.0, 0.0)
    return CapacityTrend(
        capacity=np.geomspace(1_000, 100_000, GRID),
        highest_train=train,
        train=flat(0.5),
        validation=flat(0.8),
        gap=gap,
        rise=nothing,
        ending=nothing,
        median=10_000,
        upper=30_000,
        peak=Interval(10_000, 1_000, 100_000),
        fitted=40,
    )


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.integers(0, 400), min_size=8, max_size=60).filter(lambda x: len(set(x)) > 3),
    st.floats(0, 1),
    st.floats(0, 1),
)
def test_a_trend_reproduces_a_straight_line(x: list[int], start: float, end: float) -> None:
    """Local linear regression has no bias on a line, whatever the spacing and the repeats."""
    place = np.array(x) / 40
    share = (place - place.min()) / (place.max() - place.min())
    line = start + (end - start) * share
    found = capacity_trend(1_000 * np.exp(place), line, line, line)
    assert found is not None
    wanted = np.linspace(start, end, GRID)
    np.testing.assert_allclose(found.validation.value, wanted, atol=1e-6)


def test_a_trend_follows_a_bend_that_a_line_misses() -> None:
    """A peak in the middle of the range stays one."""
    x = np.linspace(0, 1, 61)
    y = 1 - (x - 0.5) ** 2
    found = capacity_trend(1_000 * np.exp(x), y, y, y)
    assert found is not None
    smooth = found.validation.value
    np.testing.assert_allclose(smooth[[0, GRID // 2, -1]], [0.75, 1.0, 0.75], atol=0.05)
    assert 0.4 < np.log(found.peak.value / 1_000) < 0.6


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(8, 40), st.integers(4, 12))
def test_the_bands_hold_the_trend_within_the_range_of_f_med(
    seed: int, trials: int, different: int
) -> None:
    """low <= value <= high at every point, finite, F_med in [0, 1], the gap their difference."""
    rng = np.random.default_rng(seed)
    sizes = np.geomspace(500, 90_000, different).round()
    capacity = np.concatenate([sizes, rng.choice(sizes, max(trials - different, 0))])
    highest, train, validation = rng.uniform(0, 1, (3, len(capacity)))
    found = capacity_trend(capacity, highest, train, validation)
    if found is None:
        assert too_little(capacity)
        return
    for band in (found.highest_train, found.train, found.validation, found.gap):
        assert np.isfinite([band.value, band.low, band.high]).all()
        assert (band.low <= band.value).all()
        assert (band.value <= band.high).all()
    assert found.train.low.min() >= 0
    assert found.validation.high.max() <= 1
    np.testing.assert_allclose(found.gap.value, found.train.value - found.validation.value)
    for interval in (found.rise, found.ending, found.peak):
        assert interval.low <= interval.value <= interval.high


def test_the_trend_is_the_same_each_time() -> None:
    """The bootstrap has a fixed seed, so that the page does not change when it is built again."""
    score = np.random.default_rng(0).uniform(0, 1, 40)
    first, again = (capacity_trend(CAPACITY, score, score, score) for _ in range(2))
    assert first is not None
    assert again is not None
    np.testing.assert_array_equal(first.validation.high, again.validation.high)


def test_the_rise_and_the_ending_are_those_of_the_curve() -> None:
    """On a line they are the differences to the median and to the upper quartile."""
    score = 0.5 + 0.1 * np.log10(CAPACITY / 1_000)
    found = capacity_trend(CAPACITY, score, score, score)
    assert found is not None
    assert found.rise.value == pytest.approx(0.1, abs=1e-6)
    assert found.ending.value == pytest.approx(0.05, abs=1e-6)
    assert found.median == pytest.approx(10_000)
    assert found.peak.value == pytest.approx(100_000)


def test_the_interval_of_the_rise_covers_it_about_as_often_as_it_says() -> None:
    """Of 30 drawn studies with noise the interval misses the true rise of 0.1 in few."""
    rng = np.random.default_rng(5)
    held = 0
    for _ in range(30):
        score = 0.5 + 0.1 * np.log10(CAPACITY / 1_000) + rng.normal(0, 0.05, len(CAPACITY))
        found = capacity_trend(CAPACITY, score, score, score)
        assert found is not None
        held += found.rise.low <= 0.1 <= found.rise.high
    assert held >= 24


@pytest.mark.parametrize(
    ("capacity", "reason"),
    [
        ([], "no trial is complete, and a trend needs 8"),
        ([5.0], "only 1 trial is complete, and a trend needs 8"),
        ([float(k) for k in range(1, 8)], "only 7 trials are complete, and a trend needs 8"),
        ([1.0, 2.0, 3.0] * 9, "only 3 different capacities, and a trend needs 4"),
    ],
)
def test_too_few_trials_or_capacities_carry_no_trend(capacity: list[float], reason: str) -> None:
    """No trend, and the reason says what is missing."""
    values = np.array(capacity)
    assert capacity_trend(values, values, values, values) is None
    assert (too_little(values) or "").endswith(reason)


def test_eight_trials_of_four_capacities_suffice() -> None:
    """The limits themselves are enough."""
    values = np.array([1.0, 2.0, 3.0, 4.0] * 2)
    assert too_little(values) is None
    assert capacity_trend(values, *[values / 5] * 3) is not None


def test_each_band_is_that_of_its_own_score() -> None:
    """The highest train F_med, that of the best epoch and validation; peak and rise: the last."""
    fall = 0.9 - 0.1 * np.log10(CAPACITY / 1_000)
    level = np.full(len(CAPACITY), 0.95)
    found = capacity_trend(CAPACITY, level, level - 0.02, fall)
    assert found is not None
    np.testing.assert_allclose(found.highest_train.value, 0.95)
    np.testing.assert_allclose(found.train.value, 0.93)
    np.testing.assert_allclose(found.gap.value[[0, -1]], [0.03, 0.23], atol=1e-6)
    assert found.peak.value == pytest.approx(1_000)
    assert found.rise.value == pytest.approx(-0.1, abs=1e-6)


def test_of_very_many_trials_some_are_fitted() -> None:
    """The range stays that of all trials, and the result says how many were used."""
    capacity = np.geomspace(100, 1_000_000, MOST_FITTED + 500)
    score = np.full(len(capacity), 0.7)
    found = capacity_trend(capacity, score, score, score)
    assert found is not None
    assert found.fitted == MOST_FITTED
    assert found.capacity[[0, -1]] == pytest.approx([100, 1_000_000])
    np.testing.assert_allclose(found.validation.value, 0.7)


def test_the_bias_zone_is_where_smoothed_training_misses_the_target() -> None:
    """It ends where the curve crosses the target; the band above the target makes it doubtful."""
    found = zones(trend_of(rising(0.8, 1.0), flat(0.0)), 0.9)
    assert [(zone.kind, zone.low, zone.beyond_noise) for zone in found] == [("bias", 1_000, True)]
    assert found[0].high == pytest.approx(10_000 / 100**0.025, rel=0.05)
    doubtful = zones(trend_of(rising(0.8, 1.0, half=0.02), flat(0.0)), 0.9)
    assert [zone.beyond_noise for zone in doubtful] == [False]


def test_the_variance_zone_is_a_gap_above_the_limit_that_is_not_noise() -> None:
    """A gap of 0.05 or below is none, nor is one whose band holds 0."""
    good = flat(0.95)
    found = zones(trend_of(good, rising(0.0, 0.1, half=0.03)), 0.9)
    assert [(zone.kind, zone.high) for zone in found] == [("variance", 100_000)]
    assert found[0].low == pytest.approx(10_000 * 100**0.05, rel=0.05)
    assert zones(trend_of(good, flat(0.1, half=0.11)), 0.9) == []
    assert zones(trend_of(good, flat(0.05)), 0.9) == []


def test_zones_that_are_interrupted_are_two() -> None:
    """A dip of the gap in the middle of the range splits its zone."""
    gap = flat(0.1, half=0.02)
    gap.value[20:30] = 0.01
    found = zones(trend_of(flat(0.95), gap), 0.9)
    assert len(found) == 2
    assert found[0].high < found[1].low


def test_dips_that_noise_makes_do_not_part_a_zone_or_make_one() -> None:
    """Narrow gaps are bridged; a narrow dip is a zone only where the whole band is below."""
    train = flat(0.8, half=0.15)
    train.value[[10, 20, 21, 35]] = 0.95
    assert [(zone.low, zone.high) for zone in zones(trend_of(train, flat(0.0)), 0.9)] == [
        (1_000, 100_000)
    ]
    dip = flat(0.95, half=0.15)
    dip.value[20:23] = 0.85
    assert zones(trend_of(dip, flat(0.0)), 0.9) == []
    dip.high[20:23] = 0.88
    assert [zone.beyond_noise for zone in zones(trend_of(dip, flat(0.0)), 0.9)] == [True]


def test_a_score_that_is_written_like_the_limit_is_at_the_limit() -> None:
    """0.897 is no bias below a target of 0.90, a gap of 0.053 no variance above 0.05."""
    assert zones(trend_of(flat(0.897), flat(0.053)), 0.9) == []
    both = zones(trend_of(flat(0.89), flat(0.06)), 0.9)
    assert [zone.kind for zone in both] == ["bias", "variance"]
