"""How long a search will still take."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from study.cli.forecast import time_left
from study.records import StudyRecord

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
Make = Callable[..., StudyRecord]


def ended(seconds: float, state: str = "complete") -> dict[str, Any]:
    return {"state": state, "seconds": seconds}


def running(seconds: float, epochs: int = 0, patience: int = 50) -> dict[str, Any]:
    return {
        "state": "running",
        "started": (NOW - timedelta(seconds=seconds)).isoformat(),
        "progress": [0.5] * epochs,
        "variant": {"patience": patience},
    }


def test_nothing_is_said_before_one_can_tell(make_study: Make) -> None:
    """A trial that patience may end at any time tells nothing of its length."""
    assert time_left(make_study([]), jobs=1, now=NOW) is None
    assert time_left(make_study([running(60, epochs=9)]), jobs=1, now=NOW) is None


def test_the_first_trial_tells_where_the_limit_of_epochs_ends_it(make_study: Make) -> None:
    record = make_study([running(60, epochs=6)], requested=3, epochs=10)
    assert time_left(record, jobs=1, now=NOW) == pytest.approx(40 + 2 * 100)


def test_trials_to_come_are_shared_by_the_workers(make_study: Make) -> None:
    record = make_study([ended(100), ended(120), ended(110)], requested=9)
    assert time_left(record, jobs=1, now=NOW) == 660
    assert time_left(record, jobs=2, now=NOW) == 330


def test_one_endless_trial_moves_it_little_and_pruned_ones_count(make_study: Make) -> None:
    trials = [ended(100), ended(100), ended(90_000)]
    assert time_left(make_study(trials, requested=4), jobs=1, now=NOW) == 100
    trials += [ended(20, "pruned")] * 3
    assert time_left(make_study(trials, requested=7), jobs=1, now=NOW) == 60


def test_running_trials_are_credited_with_what_they_have_done(make_study: Make) -> None:
    record = make_study([ended(100), running(70)], requested=3)
    assert time_left(record, jobs=2, now=NOW) == pytest.approx((30 + 100) / 2)
    record = make_study([ended(100), running(70)], requested=2)
    assert time_left(record, jobs=2, now=NOW) == 30  # one worker cannot help the other


def test_a_trial_that_outlasts_all_others_is_not_taken_for_done(make_study: Make) -> None:
    record = make_study([ended(100)] * 9 + [running(200)], requested=10)
    assert time_left(record, jobs=1, now=NOW) == pytest.approx(20)
    near_its_limit = make_study([ended(100)] * 9 + [running(200, 100)], requested=10, epochs=101)
    assert time_left(near_its_limit, jobs=1, now=NOW) == pytest.approx(2)


def test_a_study_that_is_done_takes_no_time(make_study: Make) -> None:
    assert time_left(make_study([ended(50)] * 4, requested=3), jobs=1, now=NOW) == 0
