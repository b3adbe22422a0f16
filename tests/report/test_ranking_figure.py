"""The ranking and the curves: the infos are compared, the figures only drawn."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest

from study.records import StudyRecord
from study.report.curves import CurveInfo, curve_figure
from study.report.markup import plotly_text
from study.report.ranking_figure import RankingBar, RankingInfo, ranking_figure, ranking_info
from study.report.section import Evidence
from study.report.sections import ranking
from study.summary import ranked, winner

MakeEvidence = Callable[..., Evidence]


def write_counts(evidence: Evidence, number: int, share: float) -> None:
    """Write counts of twelve groups a class, of which that share is right in every epoch."""
    folder = evidence.folder.trial(number)
    folder.mkdir(parents=True, exist_ok=True)
    total, label = np.full(24, 20), np.arange(24) % 2
    right = np.full((200, 24), round(20 * share))
    np.savez(
        folder / "validation_counts.npz",
        augmented=right,
        augmented_total=total,
        plain_total=np.full(24, 5),
        label=label,
    )


def test_the_ranking_shows_scored_trials_best_first(
    record: StudyRecord, evidence_of: MakeEvidence
) -> None:
    """Bars follow the ranking; the winner and the reference are named; a failed one has no bar."""
    info = ranking_info(evidence_of(record), most=100)
    assert info.which == "all 11 trials with a score"
    best = winner(record)
    assert best is not None
    assert [bar.number for bar in info.bars] == [t.number for t in ranked(record)][:-1]
    assert info.scored == 11
    named = {bar.number: bar.callout for bar in info.bars if bar.callout}
    assert named == {best.number: "winner", 0: "reference"}
    assert info.bars[-1].state == "pruned"


def test_of_many_trials_the_best_are_drawn_and_the_reference(
    record: StudyRecord, evidence_of: MakeEvidence
) -> None:
    """The reference keeps its bar wherever it stands."""
    last = replace(record.trials[0], validation_f_med=0.01)
    trials = [last, *record.trials[1:]]
    info = ranking_info(evidence_of(replace(record, trials=trials)), most=3)
    assert info.which == "the best 3 of 11 trials with a score and the reference"
    assert [bar.number for bar in info.bars][-1] == 0
    assert len(info.bars) == 4
    assert info.scored == 11


def test_a_bar_has_an_interval_where_its_counts_are_whole(
    record: StudyRecord, evidence_of: MakeEvidence
) -> None:
    """Torn counts, counts of fewer epochs and missing ones give none, and no error."""
    evidence = evidence_of(record)
    write_counts(evidence, 1, 0.8)
    write_counts(evidence, 2, 0.8)
    torn = evidence.folder.trial(2) / "validation_counts.npz"
    torn.write_bytes(torn.read_bytes()[:200])
    write_counts(evidence, 3, 0.8)
    short = evidence.folder.trial(3) / "validation_counts.npz"
    shapes = {"augmented_total": np.full(24, 20), "plain_total": np.full(24, 5)}
    np.savez(short, augmented=np.ones((1, 24)), label=np.ones(24), **shapes)
    bounds = {bar.number: bar.bounds for bar in ranking_info(evidence, most=100).bars}
    low, high = bounds[1] or (0, 0)
    assert 0.5 < low < 0.8 < high < 1
    assert bounds[2] is bounds[3] is bounds[4] is None


def test_what_guessing_reaches_is_a_line_and_pruned_trials_are_not_counted_as_complete(
    record: StudyRecord, evidence_of: MakeEvidence
) -> None:
    evidence = evidence_of(record)
    (line,) = ranking_figure(ranking_info(evidence, most=9)).layout.shapes
    assert (line.y0, line.y1, line.name) == (0.5, 0.5, "guessing")
    assert "; 1 more was ended early for standing below" in ranking.section(evidence).shows


def test_it_says_how_many_trials_cannot_be_told_from_the_best(
    record: StudyRecord, evidence_of: MakeEvidence
) -> None:
    evidence = evidence_of(record)
    best = winner(record)
    assert best is not None
    assert "there is no interval" in ranking.section(evidence).shows
    write_counts(evidence, best.number, best.validation_f_med or 0)
    said = ranking.section(evidence).shows
    bar = ranking_info(evidence, most=100).bars[0]
    assert bar.bounds is not None
    scores = [trial.validation_f_med or 0 for trial in record.trials if trial.state == "complete"]
    inside = sum(score >= bar.bounds[0] for score in scores)
    assert f"{inside} of 10 complete trials" in said


def test_the_best_of_a_running_study_is_no_winner(
    running: StudyRecord, evidence_of: MakeEvidence
) -> None:
    """While trials run, the first of the ranking is the best so far."""
    info = ranking_info(evidence_of(running), most=100)
    assert info.bars[0].callout.startswith("best so far")
    assert info.scored == 6


def test_the_reference_may_win(record: StudyRecord, evidence_of: MakeEvidence) -> None:
    """One bar carries both names when the reference is the best."""
    alone = evidence_of(replace(record, trials=record.trials[:1], requested=1))
    assert [bar.callout for bar in ranking_info(alone, most=9).bars] == ["winner = reference"]


def test_a_winner_that_is_not_the_first_has_its_bar_wherever_it_stands(
    named: StudyRecord, evidence_of: MakeEvidence
) -> None:
    """Winner and first of the ranking are two bars, and the tab says that they differ."""
    worse = [
        replace(trial, validation_f_med=0.02) if trial.number == 8 else trial
        for trial in named.trials
    ]
    info = ranking_info(evidence_of(replace(named, trials=worse)), most=2)
    named_bars = {bar.number: bar.callout for bar in info.bars if bar.callout}
    assert named_bars == {1: "best of the search", 8: "winner", 0: "reference"}
    heights = [note.ay for note in ranking_figure(info).layout.annotations]
    assert len(set(heights)) == 3
    found = ranking.section(evidence_of(named))
    assert found.shows.startswith("Trial 1 leads")
    assert found.shows.endswith("; the winner, named among the finalists, is trial 8.")
    rows = dict(re.findall(r'<tr data-trial="(\d+)"(?: class="([a-z ]+)")?', found.body))
    assert {number: kind for number, kind in rows.items() if kind} == {
        "1": "leader",
        "8": "winner",
        "0": "reference",
    }


@pytest.mark.parametrize("bounds", [None, (0.2, 0.9)])
def test_figures_are_strict_json_and_hide_no_name(bounds: Any) -> None:
    """Names reach plotly escaped, in hover text and in callouts."""
    name = "<img src=x onerror=alert(1)>"
    bar = RankingBar(
        number=1,
        state=name,
        score=0.5,
        plain=None,
        bounds=bounds,
        callout=name,
        words=f"{name}, a, b, c",
    )
    curve = CurveInfo(
        score="loss", epochs=[1], train=[None], validation=[0.2], plain=[], best_epoch=None
    )
    for figure in (
        ranking_figure(RankingInfo(bars=[bar], scored=1)),
        curve_figure(curve),
        ranking_figure(RankingInfo(bars=[], scored=0)),
    ):
        assert isinstance(figure, go.Figure)
        assert "<img" not in json.dumps(figure.to_plotly_json(), allow_nan=False)


def test_plotly_text_escapes_once() -> None:
    """Plotly undoes one escaping, so that the reader sees the name as it is."""
    assert plotly_text("a <b> & c") == "a &lt;b&gt; &amp; c"
