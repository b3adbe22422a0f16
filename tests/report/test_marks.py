"""What the best trials are called, before and after a winner was named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from study.records import StudyRecord
from study.report.marks import best_called, callouts, reference_number, roles, row_class

Settle = Callable[..., StudyRecord]


def test_the_winner_and_the_first_of_the_ranking_are_two(named: StudyRecord) -> None:
    assert roles(named) == {8: ["winner"], 1: ["best of the search"], 0: ["reference"]}
    assert row_class(roles(named)[1]) == "leader"
    assert row_class(roles(named)[8]) == "winner"
    assert row_class([]) is None


@pytest.mark.parametrize(
    ("changes", "called"),
    [
        ({}, "winner"),  # of a version without finalists, which retested it
        ({"retest": None}, "best of the search"),  # the finalists are still to come
        ({"requested": 99, "retest": None}, "best so far"),
    ],
)
def test_nothing_is_called_a_winner_before_it_is_named(
    changes: dict[str, Any], called: str, record: StudyRecord
) -> None:
    assert best_called(replace(record, **changes)) == called


def test_a_winner_stands_while_no_other_trial_is_completed(named: StudyRecord) -> None:
    """While more trials run, it is the winner so far; with one more complete, it is none."""
    work = replace(named.trials[0], number=12, state="running")
    assert (
        best_called(replace(named, trials=[*named.trials, work], requested=99)) == "winner so far"
    )
    assert best_called(replace(named, requested=99)) == "winner"  # the search was ended early
    more = replace(named, trials=[*named.trials, replace(named.trials[2], number=12)])
    assert best_called(more) == "best of the search"
    assert 8 not in roles(more)


def test_a_repeat_of_the_reference_stands_for_it(record: StudyRecord, settled: Settle) -> None:
    """The better one of two trials of the reference network became a finalist."""
    first = record.trials[0]
    again = replace(first, number=12, validation_f_med=(first.validation_f_med or 0) + 0.01)
    study = settled(replace(record, trials=[*record.trials, again]))
    assert reference_number(study) == 12
    assert callouts(study)[12] == "reference"
    assert 0 not in callouts(study)
