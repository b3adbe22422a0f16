"""The Pareto front: its laws, the smallest network within one standard error, its table."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from study.records import StudyRecord
from study.report.frames import trials_frame
from study.report.section import Evidence
from study.report.sections.complexity.pareto import (
    MOST_ROWS,
    FrontInfo,
    front_chart,
    front_figure,
    front_info,
    front_table,
    pareto_front,
    validation_error,
)
from study.training.diagnosis import GroupCounts, diagnose
from study.workspace import StudyFolder

DIAGNOSIS = {"standard_error": 0.05, "bias": {"standard_error": 0.03}}
"""Of a trial whose validation F_med has a standard error of 0.04."""


def info_of(record: StudyRecord, trials: list[dict[str, Any]]) -> FrontInfo | None:
    """Return the front of complete trials with these fields, numbered from 0."""
    made = [
        replace(record.trials[1], number=k, ledger_number=k, **fields)
        for k, fields in enumerate(trials)
    ]
    changed = replace(record, trials=made, requested=len(made))
    folder = StudyFolder(Path("none"))
    return front_info(Evidence(record=changed, trials=trials_frame(changed), folder=folder))


def with_groups(record: StudyRecord, groups: tuple[int, ...]) -> FrontInfo:
    """Return the front of a study whose validation part holds so many groups of each class."""
    classes = {f"class {k}": {"groups": count} for k, count in enumerate(groups)}
    split = {"parts": {"validation": {"classes": classes}}} if groups else {}
    found = info_of(replace(record, split=split), [trial(9, 0.9), trial(5, 0.8)])
    assert found is not None
    return found


def trial(macs: int | None, score: float, **fields: Any) -> dict[str, Any]:
    return {"macs": macs, "validation_f_med": score, "diagnosis": DIAGNOSIS, **fields}


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9)), min_size=1, max_size=40))
def test_the_front_is_what_nothing_dominates(trials: list[tuple[int, int]]) -> None:
    """No member is dominated, every other trial is."""
    cost, score = np.array(trials, dtype=np.float64).T
    dominated = [
        bool(np.any((cost <= c) & (score >= s) & ((cost < c) | (score > s))))
        for c, s in zip(cost, score, strict=True)
    ]
    assert pareto_front(cost, score).tolist() == [not value for value in dominated]


def test_the_front_rises_in_cost_and_score(record: StudyRecord) -> None:
    """Only what pays for its cost is on it; a trial of unknown cost is nowhere."""
    found = info_of(record, [trial(9, 0.9), trial(5, 0.8), trial(7, 0.7), trial(None, 0.99)])
    assert found is not None
    assert found.front["number"].tolist() == [1, 0]
    assert found.dominated["number"].tolist() == [2]
    assert found.best == 0.9


def test_the_smallest_within_one_standard_error_is_named(record: StudyRecord) -> None:
    """With an error of 0.04 below 0.90, 0.87 counts as good and 0.84 does not."""
    found = info_of(record, [trial(9, 0.9), trial(5, 0.87), trial(3, 0.84)])
    assert found is not None
    assert found.error is not None
    assert round(found.error, 6) == 0.04
    assert found.smallest == 1
    assert "trial 1" in front_chart(found)
    table = front_table(found)
    assert '<a href="#trial-1">1</a>' in table
    assert "smallest within one standard error" in table
    assert '<td class="n">1.5</td>' in table  # (0.90 - 0.84) / 0.04


@pytest.mark.parametrize(
    ("groups", "said"),
    [
        ((3, 6), "over 3 to 6 groups a class"),
        ((4, 4), "over 4 groups a class"),
        ((), "over few groups a class"),
    ],
)
def test_few_groups_make_the_standard_error_too_strict(
    record: StudyRecord, groups: tuple[int, ...], said: str
) -> None:
    """The note says how it goes with the wider intervals of the ranking."""
    note = front_chart(with_groups(record, groups))
    assert "intervals in the ranking are wider" in note
    assert f"from a bootstrap {said}, does not and is too narrow" in note
    assert "is rather too strict." in note


def test_many_groups_leave_the_standard_error_as_it_is(record: StudyRecord) -> None:
    """From ten in each class on it is not called too strict; 95 % still is wider than one."""
    note = front_chart(with_groups(record, (10, 40)))
    assert "of 95 %, about two standard errors to either side." in note
    assert "too strict" not in note


def test_without_a_standard_error_no_difference_is_said_to_count(record: StudyRecord) -> None:
    """The best trial has no diagnosis: nothing is marked, and the note says so."""
    found = info_of(record, [trial(9, 0.9, diagnosis=None), trial(5, 0.8)])
    assert found is not None
    assert found.error is None
    assert found.smallest is None
    assert "cannot tell which differences count" in front_chart(found)
    assert "smallest" not in front_table(found)


def test_no_complete_trial_has_no_front(record: StudyRecord) -> None:
    """Pruned trials are never on it."""
    assert info_of(record, [trial(5, 0.9, state="pruned")]) is None
    assert info_of(record, []) is None


def test_the_steps_go_through_the_front(record: StudyRecord) -> None:
    """The line ends at the largest cost; each point carries its trial; the last trace is free."""
    found = info_of(record, [trial(900, 0.7), trial(300, 0.8), trial(100, 0.6)])
    assert found is not None
    drawn = json.loads(json.dumps(front_figure(found).to_plotly_json(), allow_nan=False))
    steps = next(trace for trace in drawn["data"] if trace["mode"] == "lines")
    assert steps["x"] == [100, 300, 900]
    assert steps["y"] == [0.6, 0.8, 0.8]
    named = {trace.get("name"): trace.get("customdata") for trace in drawn["data"]}
    assert named["Pareto front"] == [2, 1]
    assert named["dominated"] == [0]
    assert drawn["data"][-1]["name"] == "selected"


def test_a_long_front_is_cut_and_says_so(record: StudyRecord) -> None:
    """Equal trials are all on the front; the table stays small."""
    found = info_of(record, [trial(5, 0.8)] * (MOST_ROWS + 4))
    assert found is not None
    table = front_table(found)
    assert table.count('href="#trial-') == MOST_ROWS
    assert "The 4 less costly trials of the front are left out." in table


def test_the_standard_error_of_validation_is_recovered_from_the_diagnosis() -> None:
    """Whatever the noise of training, what is left of the gap's is that of validation."""
    rng = np.random.default_rng(3)
    label = np.repeat([0, 1], 12)
    total = np.full(24, 10)

    def counts(correct: np.ndarray) -> GroupCounts:
        return GroupCounts(correct=correct, total=total, label=label)

    validation = counts(rng.integers(4, 10, 24))
    curve = np.linspace(0.5, 0.9, 20)
    errors = [
        validation_error(
            diagnose(
                train_f_med=curve,
                train_loss=1 - curve,
                validation_loss=1 - curve,
                best=19,
                train=counts(train),
                validation=validation,
                seed=seed,
            )
        )
        for seed, train in enumerate((np.full(24, 10), rng.integers(3, 11, 24)))
    ]
    assert errors[0] is not None
    assert errors[1] == pytest.approx(errors[0], rel=0.1)
    assert 0.01 < errors[0] < 0.1


@pytest.mark.parametrize(
    "diagnosis",
    [
        None,
        {},
        {"standard_error": None, "bias": {"standard_error": 0.1}},
        {"standard_error": 0.1, "bias": "torn"},
        {"standard_error": 0.1, "bias": {"standard_error": 0.1}},
        {"standard_error": float("nan"), "bias": {"standard_error": 0.1}},
    ],
)
def test_a_standard_error_that_is_not_known_is_none(diagnosis: dict[str, object] | None) -> None:
    """One of 0 says that the groups do not differ, not that there is no noise."""
    assert validation_error(diagnosis) is None
