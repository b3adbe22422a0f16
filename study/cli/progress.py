"""What a running study shows: a live view on a terminal, else one line a trial."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from statistics import fmean

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from study.records import StudyRecord, TrialRecord
from study.summary import best_so_far, counts, winner
from study.variant import Variant

MOST_LEFT_OUT = 10

Show = Callable[[StudyRecord], None]


@contextmanager
def watching(record: StudyRecord) -> Iterator[Show]:
    """Say what is studied, then give a function that shows the study as it goes on."""
    console = Console(stderr=True, highlight=False)
    for line in opening_lines(record):
        console.print(line, soft_wrap=True)
    if not console.is_terminal:
        yield _plain_lines(record)
        return
    with Live(console=console, refresh_per_second=2, transient=True) as live:
        printed = _ended(record)

        def show(now: StudyRecord) -> None:
            for number, trial in _ended(now).items():
                if number not in printed:
                    printed[number] = trial
                    live.console.print(escape(trial_line(trial, now)), soft_wrap=True)
            live.update(view(now))

        yield show


def opening_lines(record: StudyRecord) -> list[str]:
    """Return what a user has to know before the first trial, as rich markup."""
    data, parts = record.dataset, record.split["parts"]
    sizes = ", ".join(
        f"{part} {held['images']} images in {held['groups']} groups" for part, held in parts.items()
    )
    kind = "[bold]synthetic[/] images" if data["synthetic"] else "images"
    lines = [
        f"Study [bold]{escape(record.name)}[/]: {record.requested} trials of space "
        f"{escape(record.space['name'])}, seed {record.seed}",
        f"Data {escape(data['name'])}: {data['images']} {kind} in {data['groups']} groups, "
        f"positive class {escape(data['positive'])}; {record.split['kind']} split: {sizes}",
    ]
    if record.protocol.quick:
        lines.append("[yellow]Quick look:[/] small budgets, not the full protocol.")
    lines += finding_lines((record.audit or {}).get("findings", []))
    return lines + left_out_lines(data["skipped"])


def finding_lines(findings: Iterable[Mapping[str, str]], *, notes: bool = False) -> list[str]:
    """Return what an audit found as rich markup, a line each; notes only when asked for."""
    styles = {"error": "bold red", "warning": "yellow", "note": "dim"}
    return [
        f"[{styles[grade]}]{grade.capitalize()}:[/] {escape(printable(item['message']))}"
        for item in findings
        if (grade := item["grade"]) != "note" or notes
    ]


def left_out_lines(skipped: Sequence[Sequence[str]]) -> list[str]:
    """Return a line of rich markup for each image that is left out, path and reason; ten at most.

    Characters that no terminal shows, as in names that are not UTF-8, become question marks.
    """
    shown = [f"{path}: {reason}" for path, reason in skipped[:MOST_LEFT_OUT]]
    if len(skipped) > MOST_LEFT_OUT:
        shown.append(f"and {len(skipped) - MOST_LEFT_OUT} more")
    return [f"[yellow]Left out:[/] {escape(printable(line))}" for line in shown]


def printable(text: str) -> str:
    """Return a text with question marks for what no terminal shows."""
    return "".join(c if c.isprintable() else "?" for c in text)


def closing_lines(record: StudyRecord) -> list[str]:
    """Return the outcome: the winner, and its retest."""
    best = winner(record)
    if best is None:
        return []
    lines = [
        f"Best: trial {best.number}, validation F_med {_score(best.validation_f_med)}: "
        f"{Variant(**best.variant).in_words()}"
    ]
    if record.retest:
        found = record.retest
        low, high = found["intervals"]["f_med"]
        other = (
            "" if found["number"] == best.number else f" of trial {found['number']}, not the best"
        )
        lines.append(
            f"Retest{other} on {found['images']} images in {found['groups']} groups: F_med "
            f"{_score(found['f_med'])} (95 % interval {low:.2f} to {high:.2f}), sensitivity "
            f"{_score(found['sensitivity'])}, specificity {_score(found['specificity'])}; test "
            f"part used {found['uses']} time{'s' if found['uses'] > 1 else ''}"
        )
    return lines


def trial_line(trial: TrialRecord, record: StudyRecord) -> str:
    """Return one line on a trial that has ended."""
    done = counts(record)
    ended = done["complete"] + done["pruned"] + done["failed"]
    head = f"[{ended}/{record.requested}] trial {trial.number} {trial.state}"
    if trial.state == "failed":
        return f"{head}: {trial.cause}"
    best = winner(record)
    tail = f"; best {_score(best.validation_f_med)} (trial {best.number})" if best else ""
    return (
        f"{head}: validation F_med {_score(best_so_far(trial))} at epoch {trial.best_epoch} of "
        f"{trial.epochs}, {_duration(trial.seconds)}; {Variant(**trial.variant).in_words()}{tail}"
    )


def view(record: StudyRecord) -> Group:
    """Return the live view: trials done of total, best so far, and what runs now."""
    done = counts(record)
    ended = done["complete"] + done["pruned"] + done["failed"]
    best = winner(record)
    bar = Progress(
        TextColumn("Trials"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}")
    )
    left = time_left(record)
    told = f"best {_score(best.validation_f_med)} (trial {best.number})" if best else "no best yet"
    told += f", {done['failed']} failed" if done["failed"] else ""
    told += f", about {_duration(left)} left" if left is not None else ""
    bar.add_task(told, total=record.requested, completed=min(ended, record.requested))
    table = Table(box=None, pad_edge=False, header_style="dim")
    for title in ("Trial", "Epoch", "F_med", "Best", "Network"):
        table.add_column(title, no_wrap=True, overflow="ellipsis")
    for trial in record.trials:
        if trial.state == "running":
            latest = trial.progress[-1] if trial.progress else None
            network = Variant(**trial.variant).in_words() if trial.variant else "being chosen"
            cells = [str(trial.number), f"{trial.epochs}", _score(latest)]
            table.add_row(*cells, _score(best_so_far(trial)), network)
    return Group(bar, table)


def time_left(record: StudyRecord) -> float | None:
    """Return the seconds that the study will still take, from its trials so far; None before."""
    seconds = [t.seconds for t in record.trials if t.state == "complete" and t.seconds]
    if not seconds:
        return None
    done = counts(record)
    ended = done["complete"] + done["pruned"] + done["failed"]
    running = [t for t in record.trials if t.state == "running" and t.started]
    spent = sum(
        min(fmean(seconds), (datetime.now(UTC) - datetime.fromisoformat(t.started)).total_seconds())
        for t in running
        if t.started
    )
    todo = max(0, record.requested - ended) * fmean(seconds) - spent
    return max(0.0, todo) / max(1, len(running))


def _plain_lines(record: StudyRecord) -> Show:
    printed = _ended(record)

    def show(now: StudyRecord) -> None:
        for number, trial in _ended(now).items():
            if number not in printed:
                printed[number] = trial
                print(trial_line(trial, now), file=sys.stderr, flush=True)

    return show


def _ended(record: StudyRecord) -> dict[int, TrialRecord]:
    states = ("complete", "pruned", "failed")
    return {trial.number: trial for trial in record.trials if trial.state in states}


def _score(value: float | None) -> str:
    return "-" if value is None or math.isnan(value) else f"{value:.3f}"


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"
