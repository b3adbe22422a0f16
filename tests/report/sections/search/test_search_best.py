"""The best so far and what luck would give: numbers by hand, marks, limits."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from study.records import TrialRecord
from study.report.section import Evidence
from study.report.sections.search.best import POINTS, best_html, best_info, drawn, luck_limit
from study.report.sections.search.best_figure import best_figure
from study.variant import REFERENCE_SGD

Make = Callable[..., TrialRecord]
Show = Callable[..., Evidence]


def test_the_best_follows_the_order_of_end(make: Make, evidence: Show) -> None:
    """Trials count when they end; a pruned or failed one adds epochs but is never the best."""
    trials = [
        make(0, progress=[0.5, 0.6], end=300),
        make(1, progress=[0.4, 0.3, 0.2], end=100),
        make(2, "pruned", [0.9], end=200),
        make(3, "failed", [0.8], end=250),
        make(4, "running", [0.99] * 7),
        make(5, progress=[0.7], end=None),
    ]
    info = best_info(evidence(trials))
    assert info.numbers == [1, 2, 3, 0, 5]
    assert info.epochs == [3, 4, 5, 7, 8]
    assert info.best == [0.4, 0.4, 0.4, 0.6, 0.7]
    assert info.scores == [0.4, 0.9, None, 0.6, 0.7]
    assert info.undated == 1
    assert info.luck == []


def test_luck_is_a_limit_of_the_complete_scores(make: Make, evidence: Show) -> None:
    """It grows with the complete trials only, from ten of them on."""
    scores = [0.5 + 0.01 * number for number in range(11)]
    trials = [make(n, progress=[score], end=n) for n, score in enumerate(scores)]
    trials.append(make(11, "pruned", [0.1], end=20))
    info = best_info(evidence(trials))
    assert info.median == pytest.approx(0.55)
    assert info.spread == pytest.approx(1.4826 * 0.03)
    for k in (1, 5, 11):
        level = 0.55 + luck_limit(k, 11) * 1.4826 * 0.03
        assert info.luck[k - 1] == pytest.approx(level)
    assert info.luck[11] == info.luck[10]
    assert best_info(evidence(trials[:9])).luck == []


@pytest.mark.parametrize("trials", [10, 20, 50, 100])
def test_one_search_in_twenty_over_equal_networks_passes_the_line(trials: int) -> None:
    """The end and the middle of the line hold, median and spread being those of the search."""
    scores = np.random.default_rng(trials).normal(size=(20_000, trials))
    median = np.median(scores, axis=1)
    spread = 1.4826 * np.median(np.abs(scores - median[:, None]), axis=1)
    for k in (trials // 2, trials):
        above = scores[:, :k].max(axis=1) > median + luck_limit(k, trials) * spread
        assert 0.04 < above.mean() < 0.06


def test_the_line_tends_to_the_quantile_of_a_known_spread() -> None:
    """Of very many trials nothing is estimated badly: of ten of them, 2.57 spreads."""
    assert luck_limit(10, 10**6) == pytest.approx(2.568, abs=0.001)
    assert luck_limit(1, 10**6) == pytest.approx(1.645, abs=0.001)


def test_luck_withstands_networks_that_never_learned(make: Make, evidence: Show) -> None:
    """Three dead networks among twenty leave the spread of the others nearly as it was."""
    alive = [make(n, progress=[0.7 + 0.01 * (n % 5)], end=n) for n in range(20)]
    dead = [make(n, progress=[0.0], end=n) for n in range(20, 23)]
    without = best_info(evidence(alive)).spread
    spread = best_info(evidence(alive + dead)).spread
    assert without is not None
    assert spread == pytest.approx(without, rel=0.01)


def test_luck_is_worded_as_what_it_is(make: Make, evidence: Show) -> None:
    """The note says where the best ends, and below ten complete trials why there is no line."""
    scores = [0.5, 0.51, 0.52, 0.53, 0.54, 0.55, 0.56, 0.57, 0.58, 0.59, 0.95]
    trials = [make(n, progress=[score], end=n) for n, score in enumerate(scores)]
    info = best_info(evidence(trials))
    assert info.luck[-1] is not None
    body = best_html(info)
    assert f"The best ends {0.95 - info.luck[-1]:.3f} above it." in body
    assert "of searches over equally good networks, 19 in 20 stay below" in body
    names = [trace.name for trace in best_figure(info, by="trials").data]
    assert "luck alone: 19 in 20 searches stay below" in names
    assert "no score could rise above it" not in body
    wide = [make(n, progress=[0.5 + 0.04 * n]) for n in range(11)]
    assert "It is at 1, so that no score could rise above it." in best_html(
        best_info(evidence(wide))
    )
    assert "is not drawn for 3 complete trials" in best_html(best_info(evidence(trials[:3])))
    equal = [make(n, progress=[0.5]) for n in range(12)]
    assert "their scores hardly differ" in best_html(best_info(evidence(equal)))


def test_references_are_marked(make: Make, evidence: Show) -> None:
    """Trial 0 is the reference; trial 1 only where it is the article's network with SGD."""
    trials = [make(0), make(1, variant=REFERENCE_SGD.as_dict()), make(2)]
    info = best_info(evidence(trials))
    assert info.references == {0: "reference", 1: "reference, SGD"}
    texts = [item.text for item in best_figure(info, by="trials").layout.annotations]
    assert texts == ["reference", "reference, SGD"]
    assert best_info(evidence([make(0), make(1)])).references == {0: "reference"}


def test_pruned_trials_below_the_axis_stay_visible(make: Make, evidence: Show) -> None:
    """They stand at the foot of the figure as triangles, with their score in the hover text."""
    trials = [make(n, progress=[0.7 + n / 100]) for n in range(10)]
    trials.append(make(10, "pruned", [0.1]))
    info = best_info(evidence(trials))
    figure = best_figure(info, by="trials")
    pruned = next(trace for trace in figure.data if trace.name == "pruned")
    assert (pruned.y[0], pruned.text[0]) == (0.7, "0.100")
    assert pruned.marker.symbol[0] == "triangle-down-open"
    body = best_html(info)
    assert "1 pruned trial below the axis stands as a triangle" in body


def test_points_are_thinned_to_a_limit(make: Make, evidence: Show) -> None:
    """No more than the limit is drawn, with every new best, and the page says so."""
    trials = [make(n, progress=[0.1 + (n * 7919 % 5000) / 10_000], end=n) for n in range(5000)]
    info = best_info(evidence(trials))
    places = drawn(info)
    assert len(places) <= POINTS
    steps = [k for k in range(5000) if k == 0 or info.best[k] != info.best[k - 1]]
    assert set(steps) <= set(places)
    for by in ("trials", "epochs"):
        figure = best_figure(info, by=by)
        assert sum(len(trace.x) for trace in figure.data if trace.mode == "markers") <= POINTS + 1
    assert f"{len(places):,} of 5,000 trials are drawn" in best_html(info)


@pytest.mark.parametrize(
    ("attempts", "says"), [(2, "1 earlier attempt are"), (4, "3 earlier attempts are")]
)
def test_epochs_of_earlier_attempts_are_told_as_missing(
    make: Make, evidence: Show, attempts: int, says: str
) -> None:
    """The compute is that of the attempts that count; the note says so where there are others."""
    info = best_info(evidence([make(0), make(1, attempts=attempts)]))
    assert (info.epochs, info.earlier) == ([1, 2], attempts - 1)
    assert f"The epochs of {says}" in best_html(info)
    assert "earlier" not in best_html(best_info(evidence([make(0), make(1)])))


def test_new_bests_are_thinned_where_there_are_too_many(make: Make, evidence: Show) -> None:
    """Where nearly every trial is a new best the limit holds, and the reference is drawn."""
    trials = [make(n, progress=[n / 10_000], end=n) for n in range(1, POINTS + 100)]
    info = best_info(evidence([make(0, progress=[0.0], end=3000), *trials]))
    places = drawn(info)
    assert len(places) <= POINTS
    assert info.numbers.index(0) in places
