"""The live view fits the terminal and shows what the ledger knows."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from study.cli.live import BARS, in_short, seated, sparkline, view
from study.cli.progress import Outlook
from study.records import StudyRecord

Make = Callable[..., StudyRecord]


def complete(score: float, **more: Any) -> dict[str, Any]:
    found = {"state": "complete", "validation_f_med": score, "best_epoch": 7, "epochs": 9}
    return {**found, "progress": [score] * 9, "seconds": 60.0, **more}


def busy(make_study: Make, **changes: Any) -> StudyRecord:
    trials = [complete(k / 10) for k in range(7)]
    trials += [{"state": "pruned", "progress": [0.9]}]
    trials += [{"state": "failed", "cause": "its worker was killed by SIGKILL", "ended": "z"}]
    trials += [{"state": "running", "progress": [0.2, 0.5, 0.4]}, {"state": "running"}]
    return make_study(trials, **{"requested": 40, **changes})


def drawn(
    record: StudyRecord, width: int, height: int, jobs: int = 2, doing: str = ""
) -> list[str]:
    console = Console(file=io.StringIO(), width=width, height=height, legacy_windows=False)
    seats = seated([None] * jobs, record)
    outlook = Outlook(elapsed=720, left=5400, doing=doing)
    picture = view(record, seats=seats, outlook=outlook, width=width, height=height)
    with console.capture() as capture:
        console.print(picture)
    return capture.get().splitlines()


def test_it_shows_what_one_wants_to_know(make_study: Make) -> None:
    lines = drawn(busy(make_study), 80, 24)
    assert "9/40  12 min, about 1.5 h left" in lines[0]
    assert lines[1].split("   ") == ["7 complete", "1 pruned", "1 failed", "2 running"]
    assert lines[3].split() == ["Worker", "Trial", "Epoch", "F_med", "Best", "Curve", "Network"]
    assert lines[4].split()[:5] == ["1", "9", "3", "0.400", "0.500"]
    assert lines[5].split()[:5] == ["2", "10", "0", "-", "-"]
    ranks = [line.split()[:4] for line in lines[8:13]]
    assert ranks == [[str(k + 1), str(6 - k), "7", f"{0.6 - k / 10:.3f}"] for k in range(5)]
    assert lines[-1] == "Last failure: trial 8: its worker was killed by SIGKILL"


@given(
    width=st.integers(30, 200),
    height=st.integers(4, 60),
    jobs=st.integers(1, 40),
)
def test_it_fits_every_terminal(make_study: Make, width: int, height: int, jobs: int) -> None:
    """One line fewer than the terminal has, for the cursor; none wider than the terminal."""
    lines = drawn(busy(make_study), width, height, jobs)
    assert len(lines) <= height - 1
    assert max(map(len, lines)) <= width
    assert f"{busy(make_study).requested}" in lines[0]


@pytest.mark.parametrize("jobs", [1, 2, 4])
def test_twelve_lines_are_enough_for_a_few_workers(make_study: Make, jobs: int) -> None:
    lines = drawn(busy(make_study), 60, 13, jobs)
    assert sum(line.lstrip()[:1].isdigit() for line in lines[4 : 4 + jobs]) == jobs


def test_more_workers_than_lines_are_counted(make_study: Make) -> None:
    lines = drawn(busy(make_study), 80, 12, jobs=16)
    assert any("and 12 more workers" in line for line in lines)


def test_a_study_without_a_trial_is_drawn(make_study: Make) -> None:
    lines = drawn(make_study([], requested=8), 80, 24)
    assert "0/8" in lines[0]
    assert networks(lines) == ["starting", "starting"]


def networks(lines: list[str]) -> list[str]:
    """Return what two workers without a trial say."""
    return [line.split(" - ")[-1].strip() for line in lines[4:6]]


def test_a_worker_for_which_no_trial_is_left_is_not_starting(make_study: Make) -> None:
    interrupted = {"state": "interrupted", "progress": [0.5]}
    assert networks(drawn(make_study([complete(0.5)], requested=2), 80, 24)) == [
        "starting",
        "no trial",
    ]
    assert networks(drawn(make_study([interrupted] * 2), 80, 24)) == ["starting"] * 2
    assert (
        networks(drawn(make_study([interrupted] * 2), 80, 24, doing="retesting the best"))
        == ["no trial"] * 2
    )


def test_a_trial_keeps_its_row(make_study: Make) -> None:
    """Rows do not jump when another worker's trial ends."""
    states = ["running", "running", "running"]
    before = seated([None] * 3, make_study([{"state": state} for state in states]))
    assert before == [0, 1, 2]
    after = make_study([{"state": s} for s in ["running", "complete", "running", "running"]])
    assert seated(before, after) == [0, 3, 2]


@given(
    st.lists(st.floats(-1, 2) | st.just(float("nan")), max_size=300),
    st.integers(1, 30),
)
def test_a_curve_is_never_wider_than_its_cell(values: list[float], width: int) -> None:
    curve = sparkline(values, width)
    finite = [value for value in values if value == value]
    assert len(curve) == min(width, len(finite))
    assert set(curve) <= set(BARS)


def test_curves_have_one_scale() -> None:
    assert sparkline([0.0, 0.5, 1.0], 8) == "▁▅█"
    assert sparkline([0.5] * 100, 4) == "▅▅▅▅"


def test_a_variant_in_short_tells_it_from_others(make_study: Make) -> None:
    (trial,) = make_study([complete(0.5)]).trials
    assert in_short(trial) == "3x64 of 3x3, dense 2x64, Adam 0.001, drop 0.5, batch 32"


def test_what_is_said_of_time() -> None:
    assert Outlook(elapsed=5).in_words() == "5 s, time left unknown"
    assert Outlook(elapsed=5, left=300, stops_in=100).in_words() == "5 s, stops in 2 min"
    assert Outlook(elapsed=5, left=60, stops_in=100).in_words() == "5 s, about 60 s left"
    assert Outlook(elapsed=5, left=60, may_end_early=True).in_words() == "5 s, at most 60 s left"
    assert Outlook(elapsed=5, left=60, doing="retesting").in_words() == "5 s, retesting"
