"""Watching a search: a live view on a terminal, else lines, or next to nothing."""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Protocol, TextIO

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.text import Text

from study.cli.forecast import time_left
from study.cli.live import seated, view
from study.cli.progress import (
    Outlook,
    ended,
    finding_lines,
    opening_lines,
    running_line,
    search_line,
    trial_line,
)
from study.cli.terminal import printable
from study.records import StudyRecord, TrialRecord
from study.search.limits import Budget, TrialLimits

SILENCE_SECONDS = 180.0
"""Without a terminal, after so long without a line one says what runs."""

KEPT_LINES = 50
"""Lines above the live view that are drawn again after the terminal was resized."""


class Show(Protocol):
    """Shows a study as it stands; ``doing`` is what goes on instead of training."""

    def __call__(self, record: StudyRecord, doing: str = "") -> None:
        """Show it."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """How one run of a study goes about it."""

    jobs: int
    budget: Budget
    limits: TrialLimits
    report_seconds: float
    """Between two refreshments of the report."""
    quiet: bool = False
    """Nothing is shown but errors: the audit's, and trials that failed."""

    def outlook(self, record: StudyRecord, elapsed: float, doing: str = "") -> Outlook:
        """Return what can be said of its time."""
        return Outlook(
            elapsed=elapsed,
            left=time_left(record, jobs=self.jobs),
            stops_in=None if self.budget.seconds is None else self.budget.seconds - elapsed,
            may_end_early=self.budget.stop_when_flat,
            doing=doing,
        )


@contextmanager
def watching(
    record: StudyRecord, run: Run, *, opening: Sequence[str] | None = None
) -> Iterator[Show]:
    """Say what is studied, then give a function that shows the study as it goes on.

    ``opening`` are lines to say instead.
    """
    console = Console(stderr=True, highlight=False)
    if run.quiet:
        findings = (record.audit or {}).get("findings", []) if opening is None else []
        for line in finding_lines(item for item in findings if item["grade"] == "error"):
            console.print(line, soft_wrap=True)
        yield _Lines(record, run)
        return
    if opening is None:
        opening = [*opening_lines(record), escape(search_line(record, run.jobs))]
    for line in opening:
        console.print(line, soft_wrap=not console.is_terminal)
    if not console.is_terminal:
        yield _Lines(record, run)
        return
    with (
        keys_ignored(sys.stdin),
        Live(console=console, auto_refresh=False, transient=True) as live,
    ):
        show = _View(live, record, run, list(opening))
        show(record)
        yield show


@contextmanager
def keys_ignored(keyboard: TextIO | None) -> Iterator[None]:
    """Neither echo what is typed while the block runs nor leave it to the shell; Ctrl-C works.

    An echoed Enter would tear the view. Nothing is done where the keyboard is no terminal or
    there is no ``termios`` (Windows), nor in the background: it would stop the process.
    """
    try:
        import termios
    except ImportError:
        yield
        return
    if keyboard is None or not _in_foreground(keyboard):
        yield
        return
    before = termios.tcgetattr(keyboard)
    silent = list(before)
    silent[3] &= ~(termios.ECHO | termios.ICANON)  # ISIG stays: Ctrl-C, Ctrl-Z
    termios.tcsetattr(keyboard, termios.TCSANOW, silent)
    try:
        yield
    finally:
        # It may be in the background by now, or its terminal closed.
        if _in_foreground(keyboard):
            with suppress(termios.error):
                termios.tcsetattr(keyboard, termios.TCSANOW, before)
                termios.tcflush(keyboard, termios.TCIFLUSH)


def _in_foreground(keyboard: TextIO) -> bool:
    """Tell whether this is the terminal that controls this process, and listens to it."""
    try:
        return os.tcgetpgrp(keyboard.fileno()) == os.getpgrp()
    except (OSError, ValueError):  # no terminal, closed
        return False


def _named(trial: TrialRecord) -> str:
    name = trial.label or f"trial {trial.number}"
    return name[0].upper() + name[1:]


class _News:
    """What happened since it was last asked: trials that ended, attempts that failed."""

    def __init__(self, record: StudyRecord) -> None:
        self._ended = set(ended(record))
        self._retried = {t.number for t in record.trials if t.attempts > 1}

    def of(self, record: StudyRecord) -> Iterator[tuple[str, bool]]:
        """Yield a line for each, in the order of time, and whether it is of a failure."""
        for trial in record.trials:
            again = trial.state == "running" and trial.attempts > 1 and trial.cause
            if again and trial.number not in self._retried:
                self._retried.add(trial.number)
                yield printable(f"{_named(trial)} is tried once more; {trial.cause}"), True
        fresh = [t for number, t in ended(record).items() if number not in self._ended]
        for trial in sorted(fresh, key=lambda trial: trial.ended or ""):
            self._ended.add(trial.number)
            line = trial_line(trial, record, place=len(self._ended))
            yield line, trial.state == "failed"


class _Lines:
    """One line a trial, and one now and then that says what runs."""

    def __init__(self, record: StudyRecord, run: Run) -> None:
        self._run, self._news = run, _News(record)
        self._began = self._said = time.monotonic()

    def __call__(self, record: StudyRecord, doing: str = "") -> None:
        now = time.monotonic()
        for line, failure in self._news.of(record):
            if failure or not self._run.quiet:
                self._say(line)
        if not self._run.quiet and not doing and now - self._said > SILENCE_SECONDS:
            self._say(running_line(record, self._run.outlook(record, now - self._began)))

    def _say(self, line: str) -> None:
        print(line, file=sys.stderr, flush=True)
        self._said = time.monotonic()


class _View:
    """The live view, with a line above it for each trial that has ended.

    It is drawn anew when the terminal's size changes: what is left of lines that the terminal
    broke differently could not be taken back otherwise.
    """

    def __init__(self, live: Live, record: StudyRecord, run: Run, opening: list[str]) -> None:
        self._live, self._run, self._news = live, run, _News(record)
        self._began = time.monotonic()
        self._seats: list[int | None] = [None] * run.jobs
        self._size = live.console.size
        self._above = deque(map(Text.from_markup, opening), maxlen=KEPT_LINES)

    def __call__(self, record: StudyRecord, doing: str = "") -> None:
        console = self._live.console
        width, height = size = console.size
        if size != self._size:
            self._size = size
            console.clear()
            for text in self._fitting(width, height):
                self._print(text)
        for line, failure in self._news.of(record):
            # A failure is told in full, anything else in one line: all of it is in the report.
            text = Text(line, style="red" if failure else "", no_wrap=not failure)
            self._above.append(text)
            self._print(text)
        self._seats = seated(self._seats, record)
        outlook = self._run.outlook(record, time.monotonic() - self._began, doing)
        drawn = view(
            record,
            seats=self._seats,
            outlook=outlook,
            width=width,
            height=height,
            unicode=not console.options.ascii_only,
        )
        self._live.update(drawn, refresh=True)

    def _print(self, text: Text) -> None:
        self._live.console.print(text, no_wrap=text.no_wrap, overflow="ellipsis")

    def _fitting(self, width: int, height: int) -> list[Text]:
        """Return the latest lines that fill a screen with the view at most."""
        room, kept = height - len(self._seats) - 14, []
        for text in reversed(self._above):
            room -= 1 if text.no_wrap else -(-max(1, text.cell_len) // width)
            if room < 0:
                break
            kept.append(text)
        return kept[::-1]
