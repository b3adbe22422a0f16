"""Networks that never learned: in no trend, zone, gap map or front, but drawn and counted."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from study.records import StudyRecord
from study.report.frames import trials_frame
from study.report.section import Evidence
from study.report.sections.complexity.figures import capacity_figure, capacity_info
from study.report.sections.complexity.gap_map import (
    GapMapInfo,
    gap_map_chart,
    gap_map_info,
)
from study.report.sections.complexity.pareto import front_chart, front_figure, front_info
from study.report.sections.complexity.section import section, would_bigger_help
from study.report.sections.complexity.trials import known_trials, thinned
from study.workspace import StudyFolder

DEAD: dict[str, Any] = {
    "stopped_by": "dead",
    "parameters": 900,
    "macs": 40_000,
    "train_f_med": 0.0,
    "validation_f_med": 0.0,
    "diagnosis": {"bias": {"verdict": "clear"}, "kind": "high bias", "best_train_f_med": 0.0},
}


def study_of(record: StudyRecord, learned: int, dead: list[dict[str, Any]]) -> Evidence:
    """Return a study whose networks reach train 0.97 and validation 0.8, and some dead ones."""
    fields: list[dict[str, Any]] = [
        {
            "parameters": int(1_000 * 100**place),
            "macs": int(50_000 * 100**place),
            "params": {"filters": 4 + k, "width": 9 + k % 7},
            "validation_f_med": 0.8,
            "train_f_med": 0.97,
            "diagnosis": {"bias": {"verdict": "no"}, "kind": "x", "best_train_f_med": 0.97},
        }
        for k, place in enumerate(np.linspace(0, 1, learned))
    ]
    made = [
        replace(
            record.trials[1],
            **{"number": k, "variant": {}, "params": {"filters": 4, "width": 9}, **item},
        )
        for k, item in enumerate([*fields, *dead])
    ]
    changed = replace(record, trials=made, requested=len(made), retest=None)
    folder = StudyFolder(Path("none"))
    return Evidence(record=changed, trials=trials_frame(changed), folder=folder)


def test_a_dead_network_makes_no_zone(record: StudyRecord) -> None:
    """The trend is that of the others, as if it had not been."""
    info = capacity_info(study_of(record, 30, [DEAD]), "parameters")
    alone = capacity_info(study_of(record, 30, []), "parameters")
    assert info.trend is not None
    assert alone.trend is not None
    assert info.trend.fitted == 30
    np.testing.assert_array_equal(info.trend.highest_train.low, alone.trend.highest_train.low)
    assert info.zones == alone.zones
    assert "bias" not in {zone.kind for zone in info.zones}


@pytest.mark.parametrize(
    ("changes", "never"),
    [
        ({}, True),
        ({"stopped_by": "patience"}, True),
        ({"diagnosis": None}, True),
        ({"diagnosis": None, "train_f_med": None}, True),
        ({"diagnosis": None, "stopped_by": "patience"}, True),
        ({"stopped_by": "patience", "diagnosis": {"best_train_f_med": 0.3}}, False),
        ({"stopped_by": None, "diagnosis": None, "train_f_med": None}, False),
        ({"stopped_by": "patience", "diagnosis": {"best_train_f_med": "torn"}}, True),
    ],
)
def test_who_never_learned_is_told_by_the_end_or_by_the_highest_train_f_med(
    record: StudyRecord, changes: dict[str, Any], never: bool
) -> None:
    """Stopped as dead, or 0 throughout; a network that once learned and fell back did learn."""
    trials = known_trials(study_of(record, 0, [{**DEAD, **changes}]), "complete", "macs")
    assert trials["never_learned"].tolist() == [never]


def test_they_are_drawn_open_at_their_place_and_counted(record: StudyRecord) -> None:
    """One mark each, in no other trace; the page says how many."""
    evidence = study_of(record, 30, [DEAD])
    drawn = capacity_figure(capacity_info(evidence, "parameters")).to_plotly_json()["data"]
    holding = [trace for trace in drawn if 30 in (trace.get("customdata") or [])]
    assert [trace["name"] for trace in holding] == ["never learned"]
    assert holding[0]["marker"]["symbol"].endswith("open")
    assert (holding[0]["x"], holding[0]["y"]) == ([900], [0])
    assert "1 network never learned and is not in the trend" in section(evidence).body
    two = study_of(record, 30, [DEAD, DEAD])
    assert "2 networks never learned and are not in the trend" in section(two).body
    assert "never learned" not in section(study_of(record, 30, [])).body


def test_a_reference_that_never_learned_keeps_its_name(record: StudyRecord) -> None:
    """Trial 0 is named at its place, whatever became of it."""
    evidence = study_of(record, 30, [DEAD])
    trials = [replace(trial, number=(trial.number + 1) % 31) for trial in evidence.record.trials]
    changed = replace(evidence.record, trials=trials)
    evidence = replace(evidence, record=changed, trials=trials_frame(changed))
    texts = capacity_figure(capacity_info(evidence, "macs")).to_plotly_json()["layout"]
    places = {item["text"]: item["y"] for item in texts["annotations"]}
    assert places["reference"] == 0


def test_bigger_networks_are_judged_without_them(record: StudyRecord) -> None:
    """Dead small networks make no rise and show no bias."""
    said = would_bigger_help(study_of(record, 30, [DEAD] * 6))
    assert said.startswith("A bigger network would make little difference")
    assert "of 30 diagnosed trials 0 show variance and 0 bias" in said
    assert said.endswith("6 networks never learned and are not in the trend.")


@pytest.mark.parametrize(
    ("learned", "dead", "reason"),
    [
        (0, 9, "of 9 complete trials none learned anything, and a trend needs 8"),
        (5, 4, "of 9 complete trials 5 learned anything, and a trend needs 8"),
    ],
)
def test_too_few_that_learned_carry_no_trend(
    record: StudyRecord, learned: int, dead: int, reason: str
) -> None:
    """It is not said that the trials are not complete, and the page builds."""
    evidence = study_of(record, learned, [DEAD] * dead)
    found = section(evidence)
    assert reason in found.shows
    assert f"{dead} networks never learned and are not in the trend" in found.body
    assert "capacity-macs" in found.figures
    for figure in found.figures.values():
        json.dumps(figure.to_plotly_json(), allow_nan=False)


def test_the_gap_map_leaves_them_out_and_says_so(record: StudyRecord) -> None:
    """No gap between two zeros would be its lightest, best mark."""
    info = gap_map_info(study_of(record, 30, [DEAD]))
    assert isinstance(info, GapMapInfo)
    assert 30 not in info.trials["number"].tolist()
    assert "1 network never learned and is not in the map." in gap_map_chart(info)
    none = gap_map_info(study_of(record, 5, [DEAD] * 4))
    assert isinstance(none, str)
    assert "5 complete trials have a gap" in none
    assert none.endswith("4 networks never learned and are not in the map.")


def test_the_front_leaves_them_out_and_draws_them_open(record: StudyRecord) -> None:
    """The cheapest of all, and no member of the front."""
    info = front_info(study_of(record, 30, [DEAD]))
    assert info is not None
    assert 30 not in [*info.front["number"], *info.dominated["number"]]
    assert "1 network never learned and is not on the front (open squares)." in front_chart(info)
    drawn = front_figure(info).to_plotly_json()["data"]
    holding = [trace["name"] for trace in drawn if 30 in (trace.get("customdata") or [])]
    assert holding == ["never learned"]
    assert front_info(study_of(record, 0, [DEAD])) is None


def test_many_of_them_are_thinned(record: StudyRecord) -> None:
    """Points of all kinds together stay within the limit of a figure."""
    evidence = study_of(record, 1_500, [DEAD] * 700)
    for figure in section(evidence).figures.values():
        points = sum(len(trace.customdata) for trace in figure.data if trace.customdata is not None)
        assert points <= 2_000
    assert "At most 2,000 points of 2,200 trials are drawn." in section(evidence).body


def test_thinning_keeps_the_named_and_spreads_the_rest(record: StudyRecord) -> None:
    """Exactly as many as allowed, the first, the last and those that must be kept."""
    frame = study_of(record, 200, []).trials
    found = thinned(frame, 20, {int(frame["number"].iloc[50]), 100_000})
    assert len(found) == 20
    assert {0, 50, 199} <= set(frame.index[frame["number"].isin(found["number"])])
    assert thinned(frame, 200, set()) is frame
