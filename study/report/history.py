"""A trial's training history as it lies on the disk: perhaps missing, growing or torn."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from study.records import HISTORY_COLUMNS, SCORES, VIEWS, TrialRecord

CURVES = tuple(f"{view}_{score}" for view in VIEWS for score in SCORES)
"""The history's columns that are drawn."""

Values = list[float | None]


@dataclass(frozen=True, kw_only=True)
class History:
    """The curves of one trial, thinned for drawing."""

    epochs: list[int] = field(default_factory=list)
    curves: dict[str, Values] = field(default_factory=dict)
    """Column of the history to its values, one an epoch; None where there is no finite number."""
    recorded: int = 0
    """Epochs on the disk, before thinning."""
    best_epoch: int | None = None
    notes: tuple[str, ...] = ()
    """Sentences on what is missing or left out."""


def read_history(path: Path, trial: TrialRecord, *, points: int = 400) -> History:
    """Read at most ``points`` epochs, evenly spread, always with the first, best and last one.

    Rows are thinned before they are parsed. A torn last line is left out; without a readable
    file, the ledger's validation F_med is all that there is.
    """
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    except (FileNotFoundError, NotADirectoryError):
        return _from_ledger(trial, points, "is missing")
    except OSError as error:
        return _from_ledger(trial, points, f"cannot be read ({error.strerror})")
    header, rows = lines[0].strip().split(","), lines[1:]
    notes = []
    if rows and rows.pop().strip():  # text after the last line feed: still being written
        notes.append("The last line of the history is incomplete and left out.")
    rows = [row for row in rows if row.strip()]
    if "epoch" not in header or not rows:
        if not trial.progress:
            return History(notes=("No epoch has been recorded yet.",))
        why = "holds no epoch" if "epoch" in header else "is empty or damaged"
        return _from_ledger(trial, points, why)
    missing = [name for name in HISTORY_COLUMNS if name not in header]
    if missing:
        notes.append(f"The history has no column {', '.join(missing)}.")
    kept = _thinned(len(rows), points, best=_best_row(rows, trial.best_epoch))
    parsed = [
        cells for cells in csv.reader(rows[index] for index in kept) if len(cells) == len(header)
    ]
    if len(parsed) < len(kept):
        notes.append(f"{len(kept) - len(parsed)} damaged lines of the history are left out.")
    if len(kept) < len(rows):
        notes.append(f"{len(kept)} of {len(rows):,} epochs are drawn; history.csv holds all.")
    columns = dict(zip(header, zip(*parsed, strict=True), strict=True)) if parsed else {}
    curves = {name: _numbers(columns[name]) for name in CURVES if name in columns}
    epochs = [int(value or 0) for value in _numbers(columns.get("epoch", ()))]
    return History(
        epochs=epochs,
        curves=curves,
        recorded=len(rows),
        best_epoch=trial.best_epoch or _best_epoch(epochs, curves.get("validation_f_med", [])),
        notes=tuple(notes),
    )


def _from_ledger(trial: TrialRecord, points: int, why: str) -> History:
    if not trial.progress:
        return History(notes=(f"There is no training history of this trial: history.csv {why}.",))
    best = trial.best_epoch
    kept = _thinned(len(trial.progress), points, best=None if best is None else best - 1)
    values = _numbers([trial.progress[index] for index in kept])
    epochs = [index + 1 for index in kept]
    return History(
        epochs=epochs,
        curves={"validation_f_med": values},
        recorded=len(trial.progress),
        best_epoch=best or _best_epoch(epochs, values),
        notes=(f"history.csv {why}: only the validation F_med in the ledger is drawn.",),
    )


def _thinned(rows: int, points: int, *, best: int | None) -> list[int]:
    if rows <= points:
        return list(range(rows))
    steps = max(points - 2, 1)
    kept = {round(step * (rows - 1) / steps) for step in range(steps + 1)}
    if best is not None and 0 <= best < rows:
        kept.add(best)
    return sorted(kept)


def _best_row(rows: Sequence[str], best_epoch: int | None) -> int | None:
    if best_epoch is None:
        return None
    guess = best_epoch - 1
    if 0 <= guess < len(rows) and rows[guess].startswith(f"{best_epoch},"):
        return guess
    return next((i for i, row in enumerate(rows) if row.startswith(f"{best_epoch},")), None)


def _best_epoch(epochs: Sequence[int], values: Sequence[float | None]) -> int | None:
    scored = [
        (value, -epoch) for epoch, value in zip(epochs, values, strict=False) if value is not None
    ]
    return -max(scored)[1] if scored else None


def _numbers(cells: Iterable[str | float]) -> Values:
    found: Values = []
    for cell in cells:
        try:
            value = float(cell)
        except ValueError:
            value = math.nan
        found.append(value if math.isfinite(value) else None)
    return found
