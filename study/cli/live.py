"""The live view of a running study: a picture of what the ledger knows, of a terminal's size."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

from rich.console import Group, RenderableType
from rich.constrain import Constrain
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from study.cli.progress import Outlook, score
from study.cli.terminal import printable
from study.records import StudyRecord, TrialRecord
from study.summary import best_so_far, counts, ranked
from study.variant import Variant

TOP = 5
"""Trials in the list of the best."""

MARGIN = 3
"""Columns left free: the ^C that a terminal echoes must not begin another line."""

BARS = "▁▂▃▄▅▆▇█"
STATES = {"complete": "green", "pruned": "cyan", "failed": "red", "running": "none"}

_HEAD, _HEADINGS, _FAILURE = 2, 2, 2
"""Lines of the bar and the counts; of a gap and a table's headings; of a gap and the failure."""


def view(
    record: StudyRecord,
    *,
    seats: Sequence[int | None],
    outlook: Outlook,
    width: int,
    height: int,
    unicode: bool = True,
) -> RenderableType:
    """Return the view: trials done of total, counts, a row a worker, the best, the last failure.

    ``seats`` holds the trial of each worker. It takes at most ``height`` - 1 lines: where there is
    no room, the list of the best goes first, then workers.
    """
    columns = _columns(width, unicode=unicode)
    room = height - 1 - _HEAD
    failure = last_failure(record) if room >= _HEADINGS + 1 + _FAILURE else None
    room -= _FAILURE if failure else 0
    shown = max(0, min(len(seats), room - _HEADINGS))
    room -= _HEADINGS + shown
    best = [t for t in ranked(record) if t.state == "complete"][
        : max(0, min(TOP, room - _HEADINGS))
    ]

    parts: list[RenderableType] = [_bar(record, outlook, width - MARGIN), _counts(record)]
    if shown:
        starting = 0 if outlook.doing else _waiting(record)
        parts += [Text(), _workers(record, seats, shown, starting, columns)]
    if best:
        parts += [Text(), _best(best, columns)]
    if failure:
        parts += [Text(), _line(f"Last failure: {failure}", "red")]
    return Constrain(Group(*parts), width - MARGIN)


def seated(before: Sequence[int | None], record: StudyRecord) -> list[int | None]:
    """Return which trial each worker trains; a trial keeps its row for as long as it runs."""
    running = [t.number for t in record.trials if t.state == "running"]
    seats = [number if number in running else None for number in before]
    for number in (n for n in running if n not in seats):
        if None in seats:
            seats[seats.index(None)] = number
    return seats


def last_failure(record: StudyRecord) -> str | None:
    """Return the cause of the last failure, with its trial; None where nothing failed.

    An attempt that was tried once more counts; one that was stopped from outside does not.
    """
    failed = [trial for trial in record.trials if trial.cause and trial.state != "interrupted"]
    if not failed:
        return None
    last = max(failed, key=lambda trial: trial.ended or trial.started or "")
    return printable(f"{last.label or f'trial {last.number}'}: {last.cause}")


def in_short(trial: TrialRecord) -> str:
    """Return a variant in as few words as tell it from others, what matters most first."""
    if not trial.variant:
        return "being chosen"
    if trial.label is not None:
        return trial.label
    it = Variant(**trial.variant)
    dense = "no dense" if not it.dense_layers else f"dense {it.dense_layers}x{it.dense_width}"
    optimizer = {"sgd": "SGD", "rmsprop": "RMSprop"}.get(it.optimizer, it.optimizer.capitalize())
    return (
        f"{it.blocks}x{it.filters} of {it.filter_size}x{it.filter_size}, {dense}, "
        f"{optimizer} {it.learning_rate:.2g}, drop {it.dropout:.2g}, batch {it.batch_size}"
    )


def sparkline(values: Iterable[float], width: int) -> str:
    """Return a curve of scores from 0 to 1 in at most ``width`` characters: means of its stretches.

    All curves have the same scale, so that rows compare.
    """
    finite = [min(1.0, max(0.0, value)) for value in values if math.isfinite(value)]
    cells = min(width, len(finite))
    edges = [round(k * len(finite) / cells) for k in range(cells + 1)] if cells else []
    means = [sum(finite[start:stop]) / (stop - start) for start, stop in pairwise(edges)]
    return "".join(BARS[min(len(BARS) - 1, int(mean * len(BARS)))] for mean in means)


def _waiting(record: StudyRecord) -> int:
    """Return how many planned trials have not ended and are not being trained."""
    taken = ("complete", "pruned", "failed", "running")
    planned = [trial for trial in record.trials if trial.number < record.requested]
    return record.requested - sum(trial.state in taken for trial in planned)


def _bar(record: StudyRecord, outlook: Outlook, width: int) -> Table:
    done = counts(record)
    ended = min(record.requested, done["complete"] + done["pruned"] + done["failed"])
    grid = Table.grid(padding=(0, 2, 0, 0), expand=True)
    grid.add_column(ratio=1)
    grid.add_column(no_wrap=True, justify="right")
    words = f"{ended}/{record.requested}  {outlook.in_words()}"
    bar = ProgressBar(total=record.requested, completed=ended, width=max(8, width - len(words) - 2))
    grid.add_row(bar, Text(words, no_wrap=True, overflow="ellipsis"))
    return grid


def _counts(record: StudyRecord) -> Text:
    found = counts(record)
    line = Text(no_wrap=True, overflow="ellipsis")
    for state, style in STATES.items():
        line.append(f"{found[state]} {state}   ", style if found[state] else "dim")
    line.rstrip()
    return line


class _Columns(NamedTuple):
    gap: int
    curve: int
    """Width of the curve; 0 where there is none."""


def _columns(width: int, *, unicode: bool) -> _Columns:
    curve = 16 if width >= 100 else 8 if width >= 72 else 0
    return _Columns(gap=2 if width >= 100 else 1, curve=curve if unicode else 0)


def _workers(
    record: StudyRecord, seats: Sequence[int | None], shown: int, starting: int, columns: _Columns
) -> Table:
    """Return a row a worker; ``starting`` of those without a trial are about to take one."""
    table = _table("Worker", "Trial", "Epoch", "F_med", "Best", columns=columns)
    by_number = {trial.number: trial for trial in record.trials}
    cut = shown if shown == len(seats) else shown - 1
    for seat, number in enumerate(seats[:cut], 1):
        trial = None if number is None else by_number.get(number)
        if trial is None:
            words, starting = ("starting" if starting > 0 else "no trial"), starting - 1
            _row(table, str(seat), ["-", "-", "-", "-"], [], words, columns)
            continue
        latest = trial.progress[-1] if trial.progress else None
        cells = [str(trial.number), str(len(trial.progress)), score(latest)]
        cells.append(score(best_so_far(trial)))
        _row(table, str(seat), cells, trial.progress, in_short(trial), columns)
    if cut < len(seats):
        _row(table, "", ["", "", "", ""], [], f"and {len(seats) - cut} more workers", columns)
    return table


def _best(trials: Sequence[TrialRecord], columns: _Columns) -> Table:
    table = _table("Rank", "Trial", "Epoch", "", "F_med", columns=columns)
    for rank, trial in enumerate(trials, 1):
        cells = [str(trial.number), str(trial.best_epoch or "-"), "", score(best_so_far(trial))]
        _row(table, str(rank), cells, trial.progress, in_short(trial), columns)
    return table


def _table(*titles: str, columns: _Columns) -> Table:
    padding = (0, columns.gap, 0, 0)
    table = Table(box=None, padding=padding, expand=True, header_style="dim", pad_edge=False)
    for title, width in zip(titles, (6, 5, 5, 5, 5), strict=True):
        table.add_column(title, width=width, justify="right", no_wrap=True)
    if columns.curve:
        table.add_column("Curve", width=columns.curve, no_wrap=True, style="cyan")
    table.add_column("Network", ratio=1, no_wrap=True, overflow="ellipsis")
    return table


def _row(
    table: Table,
    first: str,
    cells: Sequence[str],
    progress: Sequence[float],
    network: str,
    columns: _Columns,
) -> None:
    drawn = [sparkline(progress, columns.curve)] if columns.curve else []
    table.add_row(first, *cells, *drawn, Text(network, no_wrap=True, overflow="ellipsis"))


def _line(text: str, style: str) -> Text:
    return Text(text, style=style, no_wrap=True, overflow="ellipsis")
