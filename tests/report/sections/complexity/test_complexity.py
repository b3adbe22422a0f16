"""The tab on complexity: its sentences follow from the trials, and it builds from any study."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from study.records import StudyRecord, TrialRecord
from study.report.frames import trials_frame
from study.report.section import Evidence, Section
from study.report.sections.complexity.figures import (
    MOST_POINTS,
    capacity_figure,
    capacity_info,
)
from study.report.sections.complexity.section import section, would_bigger_help
from study.workspace import StudyFolder

EVIL = "<img src=x onerror=alert(1)>"
Curve = Callable[[np.ndarray], np.ndarray]


def evidence_of(record: StudyRecord) -> Evidence:
    folder = StudyFolder(Path("none"))
    return Evidence(record=record, trials=trials_frame(record), folder=folder)


def shaped(
    record: StudyRecord,
    validation: Curve,
    train: Curve,
    trials: int = 60,
    noise: float = 0.01,
) -> StudyRecord:
    """Return a study whose F_med follow curves of the place in the capacity range, 0 to 1."""
    rng = np.random.default_rng(4)
    place = np.linspace(0, 1, trials)
    made = [
        replace(
            record.trials[1],
            number=k,
            ledger_number=k,
            parameters=int(1_000 * 100**x),
            macs=int(50_000 * 100**x),
            validation_f_med=float(v),
            train_f_med=float(t),
            diagnosis={**(record.trials[1].diagnosis or {}), "best_train_f_med": float(t)},
        )
        for k, (x, v, t) in enumerate(
            zip(
                place,
                validation(place) + rng.normal(0, noise, trials),
                train(place) + rng.normal(0, noise, trials),
                strict=True,
            )
        )
    ]
    return replace(record, trials=made, requested=trials, retest=None)


def level(value: float) -> Curve:
    return lambda x: np.full(len(x), value)


def strict(found: Section) -> str:
    """Return all that a page would hold; fails on NaN, infinities and NumPy arrays as bytes."""
    figures = {name: figure.to_plotly_json() for name, figure in found.figures.items()}
    text = json.dumps(figures, allow_nan=False)
    assert "bdata" not in text
    return text + found.body + found.shows


def test_a_rise_that_goes_on_says_that_bigger_may_help(record: StudyRecord) -> None:
    """The trend rises to the end, where the winner sits."""
    study = shaped(record, lambda x: 0.6 + 0.3 * x, lambda x: 0.65 + 0.3 * x)
    said = would_bigger_help(evidence_of(study))
    assert said.startswith(
        "A bigger network may help, on these 9 validation groups, other hyperparameters not held "
        "fixed: from the median capacity (10,000"
    )
    assert "largest completed (100,000) smoothed validation F_med rises by 0.15" in said
    assert "sits at the upper edge of all that was tried (1,000 to 100,000);" in said
    assert "of 60 diagnosed trials 60 show variance and 0 bias" in said


def test_a_fall_says_that_bigger_is_not_likely_to_help(record: StudyRecord) -> None:
    """The trend falls from the median on, and the winner is a small network."""
    study = shaped(record, lambda x: 0.9 - 0.2 * x, level(0.95))
    said = would_bigger_help(evidence_of(study))
    assert said.startswith("A bigger network is not likely to help")
    assert "falls by 0.10" in said
    assert "does not sit at the upper edge" in said


def test_a_flat_trend_says_that_bigger_makes_little_difference(record: StudyRecord) -> None:
    """With many trials and little noise, no change of 0.02 is left."""
    study = shaped(record, level(0.8), level(0.9))
    said = would_bigger_help(evidence_of(study))
    assert said.startswith("A bigger network would make little difference")


def test_noise_that_hides_the_answer_is_said(record: StudyRecord) -> None:
    """An interval that straddles 0 and is wide answers nothing."""
    study = shaped(record, level(0.7), level(0.8), trials=24, noise=0.1)
    study = replace(study, trials=[replace(trial, diagnosis=None) for trial in study.trials])
    said = would_bigger_help(evidence_of(study))
    assert said.startswith("Whether a bigger network would help cannot be told: from")
    assert "which does not exclude 0" in said


def test_a_trend_that_levels_off_is_no_promise(record: StudyRecord) -> None:
    """It rises after the median but not in the last quarter of the trials."""
    study = shaped(record, lambda x: 0.6 + 0.4 * np.minimum(x, 0.7), level(0.95), trials=90)
    said = would_bigger_help(evidence_of(study))
    assert not said.startswith("A bigger network may help")
    assert "but from the upper quartile" in said


def test_a_leaking_split_answers_nothing(record: StudyRecord) -> None:
    """Near-copies in the validation part reward memorising."""
    study = shaped(record, lambda x: 0.6 + 0.3 * x, lambda x: 0.65 + 0.3 * x)
    leaking = replace(study, split={**study.split, "leaking_groups": 5})
    assert would_bigger_help(evidence_of(leaking)).endswith(
        "cannot be told: the split leaks, so that validation F_med rewards memorising."
    )
    assert "none of this speaks for new images" in section(evidence_of(leaking)).shows


def test_too_few_trials_answer_nothing_and_say_how_many_are_needed(record: StudyRecord) -> None:
    """The sentence, the head of the tab and the note give the same reason."""
    few = replace(record, trials=record.trials[:5])
    reason = "only 5 trials are complete, and a trend needs 8"
    found = section(evidence_of(few))
    assert would_bigger_help(evidence_of(few)).endswith(f"cannot be told: {reason}.")
    assert found.shows == f"There is no trend yet: {reason}."
    assert f"No trend is drawn: {reason}." in found.body


def test_complete_trials_that_are_not_known_in_full_are_not_said_to_be_missing(
    record: StudyRecord,
) -> None:
    """Twenty trials are complete, but five of them lack everything and the rest a train F_med."""
    study = shaped(record, level(0.8), level(0.9), trials=20)
    bare = [
        replace(trial, train_f_med=None, parameters=None if trial.number < 5 else trial.parameters)
        for trial in study.trials
    ]
    said = would_bigger_help(evidence_of(replace(study, trials=bare)))
    assert "both scores and the capacity are known of none of 20 complete trials" in said


def test_the_head_names_the_peak_and_both_zones(record: StudyRecord) -> None:
    """Computed from a study that under-fits below, over-fits above and peaks between."""
    study = shaped(
        record,
        lambda x: 0.9 - 1.2 * (x - 0.5) ** 2,
        lambda x: np.minimum(0.75 + 0.3 * x, 1.0),
        trials=80,
    )
    found = section(evidence_of(study))
    assert found.shows.startswith("Smoothed validation F_med is highest (0.8")
    assert "below the target of 0.90 up to" in found.shows
    assert "(bias zone)" in found.shows
    assert "parameters up (variance zone)" in found.shows
    info = capacity_info(evidence_of(study), "parameters")
    assert info.trend is not None
    assert info.trend.peak.value == pytest.approx(10_000, rel=0.5)
    assert {zone.kind for zone in info.zones} == {"bias", "variance"}
    drawn = capacity_figure(info).to_plotly_json()
    texts = [item["text"] for item in drawn["layout"]["annotations"]]
    assert any(text.startswith("bias zone") for text in texts)
    assert "variance zone" in texts


def test_a_study_without_zones_says_so(record: StudyRecord) -> None:
    """Training reaches the target and validation keeps up."""
    found = section(evidence_of(shaped(record, level(0.93), level(0.95)))).shows
    assert "reaches the target of 0.90 throughout" in found
    assert "no capacity shows a smoothed gap above 0.05" in found
    assert found.startswith("No capacity stands out")


def test_pruned_trials_are_drawn_and_not_in_the_trend(record: StudyRecord) -> None:
    """They have their own faint points; the trend is that of the complete ones."""
    study = shaped(record, level(0.8), level(0.9), trials=20)
    more = [replace(study.trials[1], number=20 + k, state="pruned") for k in range(3)]
    info = capacity_info(evidence_of(replace(study, trials=[*study.trials, *more])), "macs")
    assert sorted(info.pruned["number"]) == [20, 21, 22]
    assert info.trend is not None
    assert info.trend.fitted == 20
    drawn = capacity_figure(info).to_plotly_json()
    assert drawn["data"][2]["name"] == "pruned"
    assert sorted(drawn["data"][2]["customdata"]) == [20, 21, 22]


def test_points_carry_their_trial_and_the_best_its_name(record: StudyRecord) -> None:
    """Validation comes first, the trace for the selection last."""
    info = capacity_info(evidence_of(record), "parameters")
    drawn = capacity_figure(info).to_plotly_json()
    assert drawn["data"][0]["name"] == "validation"
    assert sorted(drawn["data"][0]["customdata"]) == list(range(10))
    assert drawn["data"][-1]["name"] == "selected"
    texts = [item["text"] for item in drawn["layout"]["annotations"]]
    assert {"winner", "reference"} <= set(texts)


def test_a_hostile_class_or_study_name_does_not_reach_the_page(record: StudyRecord) -> None:
    """Names of hyperparameters and causes are the outside text that this tab could show."""
    trials = [
        replace(
            trial,
            params={**trial.params, EVIL: 3 * trial.number},
            variant={**trial.variant, EVIL: 3 * trial.number},
            parameters=100 + 3 * trial.number,
            cause=EVIL,
            worker=EVIL,
        )
        for trial in record.trials
    ]
    study = replace(record, name=EVIL, command=EVIL, trials=trials)
    found = section(evidence_of(study))
    assert "Img src=x" in found.body or "img src=x" in found.body.lower()
    assert "<img" not in strict(found).lower()


def odd(record: StudyRecord) -> list[StudyRecord]:
    """Return the studies that have little or nothing to show."""
    complete, pruned, failed = record.trials[1], record.trials[10], record.trials[11]
    bare = replace(complete, diagnosis=None, train_f_med=None, parameters=None, macs=None)

    def of(*trials: TrialRecord, **changes: Any) -> StudyRecord:
        renumbered = [replace(trial, number=k) for k, trial in enumerate(trials)]
        return replace(record, trials=renumbered, retest=None, **changes)

    return [
        of(),
        of(failed, failed),
        of(complete),
        of(replace(complete, state="running")),
        of(*[replace(pruned, diagnosis=None)] * 9),
        of(*[bare] * 9),
        of(*[complete] * 12),
        of(*[replace(complete, parameters=0, macs=0)] * 9),
        of(*[replace(complete, train_f_med=float("nan"))] * 9),
        of(*[replace(complete, validation_f_med=float("inf"), progress=[])] * 9),
        of(*[replace(complete, diagnosis={"bias": "torn", "gap": None})] * 9),
        of(
            *(
                replace(complete, parameters=10**k, macs=10**k, validation_f_med=0.0)
                for k in range(9)
            )
        ),
        of(*(replace(complete, parameters=9 + k, macs=7 + k) for k in range(9)), split={}),
    ]


@pytest.mark.parametrize("place", range(13))
def test_it_builds_from_any_study(record: StudyRecord, place: int) -> None:
    """No trial, failures only, one, running, no diagnosis, no capacity, one size, no numbers."""
    study = odd(record)[place]
    found = section(evidence_of(study))
    text = strict(found)
    assert all(f'data-figure="{name}"' in text for name in found.figures)
    assert text.count("data-figure=") == len(found.figures)
    for sentence in (found.shows, would_bigger_help(evidence_of(study))):
        assert sentence.endswith(".")
        assert "nan" not in sentence


def test_a_study_at_work_is_shown_as_far_as_it_is(running: StudyRecord) -> None:
    """Four trials are complete: points, a front and no trend; no winner is named yet."""
    found = section(evidence_of(running))
    assert set(found.figures) == {"capacity-parameters", "capacity-macs", "pareto"}
    assert "winner" not in strict(found)
    assert "best so far" in found.body


def test_ten_thousand_trials_are_thinned_in_seconds(record: StudyRecord) -> None:
    """Each figure stays within its points, and the page says that it does."""
    study = shaped(record, lambda x: 0.6 + 0.3 * x, level(0.95), trials=10_000)
    pruned = [replace(study.trials[k], number=10_000 + k, state="pruned") for k in range(500)]
    evidence = evidence_of(replace(study, trials=[*study.trials, *pruned]))
    began = time.process_time()
    found = section(evidence)
    assert time.process_time() - began < 15
    for figure in found.figures.values():
        points = sum(len(trace.customdata) for trace in figure.data if trace.customdata is not None)
        assert points <= MOST_POINTS
    assert "At most 2,000 points of 10,500 trials are drawn." in found.body
    assert "2,000 of 10,000 trials are drawn." in found.body
    assert "half of 2,000 complete trials" in found.body
