"""What the tab says: highest train F_med, few trials, what was tried, the limits of an answer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from study.records import StudyRecord
from study.report.cautions import FEW_TRIALS
from study.report.frames import trials_frame
from study.report.section import Evidence
from study.report.sections.complexity.figures import (
    HIGHEST_TRAIN,
    TRAIN_AT_BEST,
    capacity_figure,
    capacity_info,
)
from study.report.sections.complexity.notes import validation_groups, zone_words
from study.report.sections.complexity.section import section, would_bigger_help
from study.report.sections.complexity.trend import Zone
from study.workspace import StudyFolder

UNSURE = "Whether a bigger network would help cannot be told: "


def evidence_of(record: StudyRecord) -> Evidence:
    folder = StudyFolder(Path("none"))
    return Evidence(record=record, trials=trials_frame(record), folder=folder)


def study_of(record: StudyRecord, trials: int, *, highest: float | None = 0.97) -> StudyRecord:
    """Return a study of 1,000 to 100,000 parameters with train F_med 0.85 at the best epoch.

    Validation F_med rises from 0.6 to 0.8; ``highest`` is the highest train F_med of each run.
    """
    diagnosis = {**(record.trials[1].diagnosis or {}), "best_train_f_med": highest}
    made = [
        replace(
            record.trials[1],
            number=k,
            parameters=int(1_000 * 100**place),
            macs=int(50_000 * 100**place),
            validation_f_med=0.6 + 0.2 * float(place),
            train_f_med=0.85,
            diagnosis=diagnosis,
        )
        for k, place in enumerate(np.linspace(0, 1, trials))
    ]
    return replace(record, trials=made, requested=trials, retest=None)


def also(study: StudyRecord, **fields: Any) -> StudyRecord:
    """Return the study with one trial more, like its last but for some fields."""
    more = replace(study.trials[-1], number=len(study.trials), **fields)
    return replace(study, trials=[*study.trials, more], requested=len(study.trials) + 1)


def undiagnosed(study: StudyRecord) -> StudyRecord:
    """Return the study without a word on bias and variance of its trials."""
    return replace(study, trials=[replace(trial, diagnosis=None) for trial in study.trials])


def test_bias_is_judged_from_the_highest_train_f_med_of_the_run(record: StudyRecord) -> None:
    """At the best epoch all miss the target of 0.90; over the whole run all reach it."""
    info = capacity_info(evidence_of(study_of(record, 30)), "parameters")
    assert "bias" not in {zone.kind for zone in info.zones}
    shows = section(evidence_of(study_of(record, 30))).shows
    assert "highest train F_med of a run reaches the target of 0.90 throughout" in shows


def test_where_the_highest_is_unknown_the_best_epoch_stands_in(record: StudyRecord) -> None:
    """Then 0.85 misses the target throughout."""
    info = capacity_info(evidence_of(study_of(record, 30, highest=None)), "parameters")
    assert "bias" in {zone.kind for zone in info.zones}
    assert set(info.complete["highest_train_f_med"]) == {0.85}


def test_the_gap_stays_that_of_the_best_epoch(record: StudyRecord) -> None:
    """0.85 less validation, not 0.97 less validation."""
    info = capacity_info(evidence_of(study_of(record, 30)), "parameters")
    assert info.trend is not None
    assert info.trend.gap.value[-1] == pytest.approx(0.05, abs=1e-4)


def test_both_train_lines_are_drawn_and_named(record: StudyRecord) -> None:
    """Points and dashes at the highest, dots at the best epoch; legend and notes tell which."""
    evidence = evidence_of(study_of(record, 30))
    drawn = capacity_figure(capacity_info(evidence, "parameters")).to_plotly_json()["data"]
    named = {trace["name"]: trace for trace in drawn if trace.get("showlegend") is not False}
    assert set(named[HIGHEST_TRAIN]["y"]) == {0.97}
    assert named[TRAIN_AT_BEST]["y"] == pytest.approx([0.85] * 50)
    dashed = next(trace for trace in drawn if trace.get("name") == f"{HIGHEST_TRAIN}, smoothed")
    assert dashed["y"] == pytest.approx([0.97] * 50)
    body = section(evidence).body
    assert "Train points and the dashed line: the highest train F_med of each whole run" in body
    assert "Dotted line: train at that same epoch" in body


def test_few_trials_have_a_thin_trend_and_no_zones(record: StudyRecord) -> None:
    """Below the number under which the page calls differences noise, it claims no zone."""
    few = evidence_of(study_of(record, FEW_TRIALS - 1, highest=0.85))
    info = capacity_info(few, "parameters")
    assert info.trend is not None
    assert info.zones == []
    found = section(few)
    assert "(bias zone)" not in found.shows + found.body
    assert "no zones of bias or variance are told: 19 trials carry the trend" in found.shows
    assert "Lines are thin and no zone is drawn: 19 trials" in found.body
    assert "no trend: None" not in found.body
    thin = capacity_figure(info).to_plotly_json()["data"]
    assert max(trace["line"]["width"] for trace in thin if trace["mode"] == "lines") == 1


def test_as_many_as_are_not_few_have_zones(record: StudyRecord) -> None:
    """The limit itself is enough."""
    enough = evidence_of(study_of(record, FEW_TRIALS, highest=0.85))
    info = capacity_info(enough, "parameters")
    assert {zone.kind for zone in info.zones} == {"bias", "variance"}
    assert "(bias zone)" in section(enough).shows
    drawn = capacity_figure(info).to_plotly_json()["data"]
    assert max(trace["line"]["width"] for trace in drawn if trace["mode"] == "lines") == 2.5


def test_few_trials_give_no_verdict_on_bigger_networks(record: StudyRecord) -> None:
    """A noiseless rise of 19 trials is no answer, of 20 it is one with its limits."""
    few = would_bigger_help(evidence_of(undiagnosed(study_of(record, FEW_TRIALS - 1))))
    assert few.startswith(UNSURE)
    assert "but below 20 trials differences are mostly noise" in few
    assert would_bigger_help(evidence_of(study_of(record, FEW_TRIALS))).startswith(
        "A bigger network may help, on these 9 validation groups, other hyperparameters not held "
        "fixed: from"
    )


def test_what_cannot_be_told_needs_no_limits(record: StudyRecord) -> None:
    """They go with a verdict only."""
    said = would_bigger_help(evidence_of(study_of(record, FEW_TRIALS - 1)))
    assert "other hyperparameters" not in said


def test_the_edge_is_that_of_all_that_was_tried(record: StudyRecord) -> None:
    """A pruned trial of ten times the capacity takes the winner from the edge."""
    study = study_of(record, 30)
    said = would_bigger_help(evidence_of(study))
    assert "largest completed (100,000)" in said
    assert "sits at the upper edge of all that was tried (1,000 to 100,000)" in said
    larger = also(study, state="pruned", parameters=1_000_000, validation_f_med=0.1)
    larger = also(larger, state="pruned", parameters=2_000, validation_f_med=0.1)
    said = would_bigger_help(evidence_of(larger))
    assert "largest completed (100,000)" in said
    assert (
        "does not sit at the upper edge of all that was tried (1,000 to 1,000,000; pruned "
        "trials: 2,000 to 1,000,000)" in said
    )


def test_a_change_that_rounds_to_nothing_is_none(record: StudyRecord) -> None:
    """Neither a rise nor a fall by 0.00."""
    study = study_of(record, 30)
    flat = [replace(trial, validation_f_med=0.8) for trial in study.trials]
    said = would_bigger_help(evidence_of(replace(study, trials=flat)))
    assert "smoothed validation F_med does not change" in said
    assert "by 0.00" not in said


@pytest.mark.parametrize(
    ("groups", "said"),
    [
        (9, "these 9 validation groups"),
        (1, "this one validation group"),
        (None, "these few validation groups"),
    ],
)
def test_the_validation_groups_are_counted(
    record: StudyRecord, groups: int | None, said: str
) -> None:
    """One, many, and a split that does not tell."""
    split = {"parts": {"validation": {"groups": groups}}} if groups else {}
    assert validation_groups(evidence_of(replace(record, split=split))) == said


@pytest.mark.parametrize(
    ("variance", "bias", "said"),
    [
        (19, 0, "19 of 19 diagnosed trials show variance and none bias, which speaks against"),
        (1, 18, "18 of 19 diagnosed trials show bias and 1 variance, which speaks for a bigger"),
        (10, 9, UNSURE),
        (5, 0, UNSURE),
    ],
)
def test_where_the_trend_cannot_tell_the_diagnoses_go_first(
    record: StudyRecord, variance: int, bias: int, said: str
) -> None:
    """Only if nearly all of them agree."""
    study = study_of(record, FEW_TRIALS - 1)
    trials = []
    for place, trial in enumerate(study.trials):
        found: dict[str, Any] = {"kind": "drawn"}
        found["variance"] = {"verdict": "likely" if place < variance else "no"}
        found["bias"] = {"verdict": "likely" if place >= len(study.trials) - bias else "no"}
        trials.append(replace(trial, diagnosis=found))
    answer = would_bigger_help(evidence_of(replace(study, trials=trials)))
    assert answer.startswith(said)
    assert ("the trend cannot tell" in answer) is not said.startswith(UNSURE)
    assert answer.count("diagnosed trials") == 1


@pytest.mark.parametrize(("score", "above"), [(0.9, True), (0.5, False)])
def test_a_pruned_trial_above_all_complete_ones_is_named(
    record: StudyRecord, score: float, above: bool
) -> None:
    """Pruned is not low: it stood below others at the epoch at which they were compared."""
    study = also(study_of(record, 30), state="pruned", validation_f_med=score)
    body = section(evidence_of(study)).body
    assert "scored low" not in body
    assert "1 pruned trial, faint, at the best epoch so far; pruned for standing below" in body
    named = "(trial 30 had reached 0.900, above the best complete one"
    assert (named in body) is above


def test_many_zones_are_told_in_two_ranges_and_named_once(record: StudyRecord) -> None:
    """The figure names the widest of each kind, the sentence counts the others."""
    info = capacity_info(evidence_of(study_of(record, 30)), "parameters")
    ends = ((999.0, 2_000.0), (4_000.0, 8_000.0), (10_000.0, 30_000.0), (50_000.0, 60_000.0))
    many = [Zone(kind="bias", low=a, high=b, beyond_noise=False) for a, b in ends]
    info = replace(info, zones=many)
    (bias, _) = zone_words(info)
    assert bias.endswith(
        "up to 2,000 parameters, between 10,000 and 30,000 parameters and 2 more, partly within "
        "the band's noise (bias zone)"
    )
    drawn = capacity_figure(info).to_plotly_json()["layout"]
    names = [note["text"] for note in drawn["annotations"] if "zone" in note["text"]]
    assert names == ["bias zone (partly noise)"]
    assert len([shape for shape in drawn["shapes"] if shape["type"] == "rect"]) == len(many)


def test_dips_within_the_noise_are_no_zone_and_are_said(record: StudyRecord) -> None:
    """A line that dips below the target does not reach it throughout."""
    info = capacity_info(evidence_of(study_of(record, 30, highest=0.8)), "parameters")
    assert "throughout, but for dips" in zone_words(replace(info, zones=[]))[0]
