"""What a run says while it searches: lines without a terminal, the view on one, or little."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from study.cli import watching as watching_module
from study.cli.progress import closing_lines, end_line, interrupted_line, search_line
from study.cli.watching import Run, watching
from study.records import StudyRecord
from study.search.limits import Budget, TrialLimits
from study.search.setup import changed_search
from study.search.strategy import search_settings

Make = Callable[..., StudyRecord]

DONE: dict[str, Any] = {
    "state": "complete",
    "validation_f_med": 0.5,
    "best_epoch": 2,
    "epochs": 3,
    "seconds": 9.0,
    "ended": "2026-11-23T09:00:00+00:00",
}
FAILED = {"state": "failed", "cause": "took more than --trial-memory 900 MB", "ended": "2027"}
RUNNING = {"state": "running", "progress": [0.25, 0.125]}


def run(**changes: Any) -> Run:
    values = {"jobs": 2, "budget": Budget(trials=4), "limits": TrialLimits(), "report_seconds": 60}
    return Run(**{**values, **changes})


def test_without_a_terminal_each_trial_is_a_line(
    make_study: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    """Told once, in the order in which they ended; those of earlier runs are counted only."""
    before = make_study([DONE, RUNNING], requested=4)
    with watching(before, run()) as show:
        show(before)
        show(make_study([DONE, {**DONE, "ended": "2026-11-24"}, FAILED], requested=4))
        show(make_study([DONE, {**DONE, "ended": "2026-11-24"}, FAILED], requested=4))
    opening, *lines = capsys.readouterr().err.split("Search: ")[1].splitlines()
    assert opening == "sampler tpe, pruner median; 2 workers"
    assert [line[: line.index(":")] for line in lines] == [
        "[2/4] trial 1 complete",
        "[3/4] trial 2 failed",
    ]
    assert lines[1].endswith(": took more than --trial-memory 900 MB")


def test_an_attempt_that_failed_is_told_when_it_is_tried_once_more(
    make_study: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    again = {**RUNNING, "attempts": 2, "cause": "first attempt: its worker was killed by SIGKILL"}
    with watching(make_study([RUNNING]), run()) as show:
        show(make_study([again]))
        show(make_study([again]))
    (line,) = [x for x in capsys.readouterr().err.splitlines() if x.startswith("Trial 0")]
    assert line == ("Trial 0 is tried once more; first attempt: its worker was killed by SIGKILL")


def test_a_log_shows_life_between_the_ends_of_trials(
    make_study: Make, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [1000.0]
    monkeypatch.setattr(watching_module.time, "monotonic", lambda: clock[0])
    record = make_study([DONE, RUNNING, {"state": "running"}], requested=4)
    with watching(record, run()) as show:
        for _ in range(8):
            clock[0] += 60
            show(record)
    lines = capsys.readouterr().err.split("workers\n")[1].splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("After 4 min, about")
    assert lines[0].endswith("running: trial 1 at epoch 2, best 0.250; trial 2 at epoch 0, best -")


def test_quiet_leaves_errors_only(make_study: Make, capsys: pytest.CaptureFixture[str]) -> None:
    findings = [
        {"grade": "error", "message": "12 groups are in more than one part"},
        {"grade": "warning", "message": "few groups"},
    ]
    audit = {"findings": findings}
    with watching(make_study([], requested=4, audit=audit), run(quiet=True)) as show:
        show(make_study([DONE, FAILED], requested=4, audit=audit))
    assert capsys.readouterr().err.splitlines() == [
        "Error: 12 groups are in more than one part",
        "[2/4] trial 1 failed: took more than --trial-memory 900 MB",
    ]


class Terminal(Console):
    """A terminal of a given size that keeps what is written to it."""

    def __init__(self, width: int, height: int) -> None:
        super().__init__(
            file=io.StringIO(), force_terminal=True, legacy_windows=False, color_system=None
        )
        self.resize(width, height)

    def resize(self, width: int, height: int) -> None:
        self.width, self.height = width, height

    @property
    def written(self) -> str:
        assert isinstance(self.file, io.StringIO)
        return self.file.getvalue()


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    found = Terminal(80, 24)
    monkeypatch.setattr(watching_module, "Console", lambda **_: found)
    monkeypatch.setenv("TERM", "xterm-256color")
    return found


def test_on_a_terminal_the_view_is_drawn_in_place_and_trials_are_lines_above(
    make_study: Make, terminal: Terminal
) -> None:
    with watching(make_study([RUNNING], requested=4), run()) as show:
        show(make_study([DONE, RUNNING], requested=4))
        show(make_study([DONE, RUNNING], requested=4), doing="retesting the best")
    assert terminal.written.count("[1/4] trial 0 complete") == 1
    assert "Worker Trial" in terminal.written
    assert "retesting the best" in terminal.written
    lines = terminal.written.splitlines()
    (told,) = [line for line in lines if "[1/4]" in line]
    assert told.rstrip().endswith("…")


def test_a_resized_terminal_is_drawn_anew(make_study: Make, terminal: Terminal) -> None:
    """With the latest lines above the view: what was broken at the old width is gone."""
    record = make_study([DONE, RUNNING], requested=4)
    with watching(make_study([RUNNING, RUNNING], requested=4), run()) as show:
        show(record)
        terminal.resize(60, 20)
        show(record)
        after = terminal.written.rpartition("\x1b[2J")[2]
        assert "\x1b[H" in after[:8]
        assert "[1/4] trial 0 complete" in after
        assert max(len(line) for line in after.split("Worker")[-1].splitlines()) <= 60
        show(record)
    assert terminal.written.count("\x1b[2J") == 1


def test_how_a_search_ended_and_how_to_go_on(make_study: Make) -> None:
    record = make_study([DONE], requested=9)
    assert end_line(record, "trials", "study run") is None
    assert end_line(record, "timeout", "study run --timeout 2h") == (
        "Time is up (--timeout): 1 of 9 trials have ended. To go on: study run --timeout 2h"
    )
    tested = make_study([DONE], requested=9, retest={"uses": 1})
    assert "another best trial will use the test part again" in str(
        end_line(tested, "timeout", "study run")
    )
    flat = end_line(record, "flat", "study run --stop-when-flat")
    assert str(flat).startswith("Stopped when flat: the last 30 trials")
    assert "without --stop-when-flat" in str(flat)


def test_a_dead_network_is_told_of(make_study: Make, capsys: pytest.CaptureFixture[str]) -> None:
    """It counts as complete: nothing else would say that it never learned."""
    dead = {**DONE, "validation_f_med": 0.0, "stopped_by": "dead"}
    with watching(make_study([]), run()) as show:
        show(make_study([dead, DONE], requested=4))
    first, second = capsys.readouterr().err.splitlines()[-2:]
    assert first.startswith(
        "[1/4] trial 0 complete, dead (train F_med stayed 0): validation F_med 0.000 at epoch 2"
    )
    assert second.startswith("[2/4] trial 1 complete: validation F_med 0.500")


def test_what_an_interruption_leaves(make_study: Make) -> None:
    line = "study: interrupted, what had ended is kept; "
    assert interrupted_line(None, "study run") == f"{line}to go on: study run"
    assert interrupted_line(make_study([DONE]), "study run") == f"{line}to go on: study run"
    stopped = {**RUNNING, "state": "interrupted"}
    assert interrupted_line(make_study([DONE, stopped]), "study run") == (
        f"{line}1 running trial begins again; to go on: study run"
    )
    assert interrupted_line(make_study([stopped, stopped]), "study run") == (
        f"{line}2 running trials begin again; to go on: study run"
    )


def test_the_outcome_states_the_positive_class(make_study: Make) -> None:
    """With --quiet nothing else does."""
    (best,) = closing_lines(make_study([DONE]))
    assert best.startswith(
        "Best: trial 0, validation F_med 0.500 (positive class malignant): 3 x conv 64"
    )


def test_another_sampler_or_pruner_than_before_is_told_of(make_study: Make) -> None:
    """With what was begun under the earlier one, and only where something was."""
    before = search_settings("tpe", "halving")
    pruned = {**DONE, "state": "pruned"}
    begun = make_study([DONE, pruned, pruned], search=before)
    assert changed_search(begun, before) is None
    assert changed_search(begun, search_settings("tpe", None)) == (
        "study a-study: its pruner was halving, is now none; 2 trials pruned earlier stay so"
    )
    assert changed_search(begun, search_settings("random", "halving")) == (
        "study a-study: its sampler was tpe, is now random; earlier trials keep their variants"
    )
    both = changed_search(
        replace(begun, trials=begun.trials[:2]), search_settings("random", "median")
    )
    assert both == (
        "study a-study: its sampler was tpe, is now random; earlier trials keep their variants; "
        "its pruner was halving, is now median; 1 trial pruned earlier stays so"
    )
    other = {**before, "pruner": {**before["pruner"], "min_resource": 3}}
    assert "its pruner was halving, is now set otherwise; 2" in str(changed_search(begun, other))
    assert changed_search(make_study([DONE], search=before), search_settings("tpe", None)) is None
    assert changed_search(make_study([], search=before), search_settings("random")) is None


def test_a_ledger_that_names_no_search_had_tpe_and_no_pruner(make_study: Make) -> None:
    begun = make_study([DONE, DONE], search={})
    assert changed_search(begun, search_settings("tpe", "halving")) is None
    assert "its sampler was tpe" in str(changed_search(begun, search_settings("random")))


def test_the_search_in_a_line(make_study: Make) -> None:
    search = {"sampler": {"name": "random"}, "pruner": None}
    assert search_line(make_study([], search=search), 1) == (
        "Search: sampler random, no pruning; 1 worker"
    )
