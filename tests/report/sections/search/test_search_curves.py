"""Intermediate values: what is drawn of them, and how."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from study.records import TrialRecord
from study.report.section import Evidence
from study.report.sections.search.curves import (
    CURVES,
    VALUES,
    curves_figure,
    curves_html,
    curves_info,
)

Make = Callable[..., TrialRecord]
Show = Callable[..., Evidence]


def test_curves_are_thinned_to_a_limit(make: Make, evidence: Show, halving: dict[str, Any]) -> None:
    """At most 300 trials and 20,000 points, each with its trial's number; the page says so."""
    trials = [make(n, progress=[(k % 97) / 100 for k in range(200)]) for n in range(350)]
    trials += [make(n, "pruned", [0.1, 0.2]) for n in range(350, 380)]
    trials.append(make(380, "running", [0.3] * 150))
    info = curves_info(evidence(trials, search={"pruner": halving}))
    numbers = {curve.number for curve in info.curves}
    assert len(info.curves) <= CURVES
    assert {0, 380} <= numbers
    assert numbers & set(range(350, 380))
    figure = curves_figure(info)
    assert sum(len(trace.x) for trace in figure.data) <= VALUES
    assert len(figure.data) == 4
    assert all(len(trace.customdata) == len(trace.x) for trace in figure.data)
    peak = next(curve for curve in info.curves if curve.kind == "best")
    assert max(score or 0 for score in peak.scores) == 0.96
    body = curves_html(info)
    assert "300 of 381 trials are drawn" in body
    assert "of 70,210 values are drawn" in body


def test_curves_keep_gaps_between_trials_and_holes(make: Make, evidence: Show) -> None:
    """Two trials are not joined; an epoch without a number is a hole; a pruned end has a dot."""
    trials = [make(0, progress=[0.1, 0.9]), make(1, "pruned", [0.2, math.nan, 0.3])]
    trials.append(make(2, "pruned", [0.4]))
    figure = curves_figure(curves_info(evidence(trials)))
    pruned, best = figure.data
    assert list(pruned.x) == [1, None, 1, 2, 3]
    assert list(pruned.y) == [0.4, None, 0.2, None, 0.3]
    assert list(pruned.customdata) == [2, None, 1, 1, 1]
    assert [size > 0 for size in pruned.marker.size] == [True, False, False, False, True]
    assert (best.name, list(best.y)) == ("best", [0.1, 0.9])


@pytest.mark.parametrize(("epochs", "logarithmic"), [(16, False), (17, True)])
def test_the_epochs_are_logarithmic_when_long(
    make: Make, evidence: Show, halving: dict[str, Any], epochs: int, logarithmic: bool
) -> None:
    """More than eight times the first rung is where a linear axis hides it."""
    shown = evidence([make(0, progress=[0.5] * epochs)], search={"pruner": halving})
    assert curves_info(shown).logarithmic is logarithmic
