"""Figures: the infos are compared, the figures only drawn."""

from __future__ import annotations

import json
from dataclasses import replace

import plotly.graph_objects as go

from study.records import StudyRecord
from study.report.curves import CurveInfo, curve_figure
from study.report.figures import (
    CapacityInfo,
    CapacityPoint,
    RankingBar,
    RankingInfo,
    capacity_figure,
    capacity_info,
    ranking_figure,
    ranking_info,
)
from study.report.markup import plotly_text
from study.summary import ranked, winner


def described(record: StudyRecord) -> dict[int, str]:
    return {trial.number: f"variant {trial.number}" for trial in record.trials}


def test_the_ranking_shows_scored_trials_best_first(record: StudyRecord) -> None:
    """Bars follow the ranking; the winner and the reference are named; a failed one has no bar."""
    info = ranking_info(record, described(record))
    best = winner(record)
    assert best is not None
    assert [bar.number for bar in info.bars] == [t.number for t in ranked(record)][:-1]
    assert info.without == [11]
    named = {bar.number: bar.callout for bar in info.bars if bar.callout}
    assert named == {best.number: "winner", 0: "reference"}
    assert info.bars[-1].state == "pruned"


def test_the_best_of_a_running_study_is_no_winner(running: StudyRecord) -> None:
    """While trials run, the first of the ranking is the best so far."""
    info = ranking_info(running, described(running))
    assert info.bars[0].callout.startswith("best so far")
    assert info.without == [6]


def test_the_reference_may_win(record: StudyRecord) -> None:
    """One bar carries both names when the reference is the best."""
    alone = replace(record, trials=record.trials[:1], requested=1)
    assert [bar.callout for bar in ranking_info(alone, described(alone)).bars] == [
        "winner = reference"
    ]


def test_capacity_shows_complete_and_pruned_trials(record: StudyRecord) -> None:
    """A point a trial with its diagnosis; pruned trials say so instead."""
    info = capacity_info(record, described(record))
    kinds = {point.number: point.kind for point in info.points}
    assert kinds[1] == "high variance"
    assert kinds[10] == "pruned"
    assert 11 not in kinds


def test_figures_are_strict_json_and_hide_no_name() -> None:
    """Names reach plotly escaped, in hover text and in callouts."""
    name = "<img src=x onerror=alert(1)>"
    bar = RankingBar(
        number=1, state=name, score=0.5, plain=None, callout=name, words=f"{name}, a, b, c"
    )
    point = CapacityPoint(number=1, kind=name, parameters=9, score=0.5, callout=name, words=name)
    curve = CurveInfo(
        score="loss", epochs=[1], train=[None], validation=[0.2], plain=[], best_epoch=None
    )
    for figure in (
        ranking_figure(RankingInfo(bars=[bar], without=[])),
        capacity_figure(CapacityInfo(points=[point])),
        curve_figure(curve),
        ranking_figure(RankingInfo(bars=[], without=[])),
        capacity_figure(CapacityInfo(points=[])),
    ):
        assert isinstance(figure, go.Figure)
        assert "<img" not in json.dumps(figure.to_plotly_json(), allow_nan=False)


def test_plotly_text_escapes_once() -> None:
    """Plotly undoes one escaping, so that the reader sees the name as it is."""
    assert plotly_text("a <b> & c") == "a &lt;b&gt; &amp; c"
