"""What the list of all studies says of each, kept beside the ledgers so that it is quick."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from study import __version__
from study.errors import in_a_line
from study.files import write_text
from study.ledger import FILE_NAME, read_study
from study.records import StudyRecord
from study.report import words
from study.report.cautions import is_cut
from study.report.estimates import three_numbers
from study.report.verdict import in_words
from study.summary import counts, progress, winner
from study.workspace import CACHE, study_folder, study_names

CACHE_NAME = "listing.json"


@dataclass(frozen=True, kw_only=True)
class Listed:
    """One study in a line; what is unknown is None."""

    name: str
    state: str
    """``finished``, ``running``, ``unfinished``, or ``unreadable``: then only ``reason`` holds."""
    reason: str | None = None
    winner: int | None = None
    """Number of the winner, or of the best complete trial so far."""
    winner_words: str = ""
    validation_f_med: float | None = None
    """Of the winner, by the search on the augmented set: what ranks trials."""
    corrected_f_med: float | None = None
    """Of the winner, on plain images, with the luck of the selection taken off."""
    retest_f_med: float | None = None
    retest_low: float | None = None
    retest_high: float | None = None
    retest_level: float = 0.95
    retest_number: int | None = None
    """The trial that was retested, which a later winner may have replaced."""
    retest_uses: int = 0
    data: str = ""
    synthetic: bool = False
    split: str = ""
    leaking_groups: int = 0
    quick: bool = False
    """Whether the budget was cut, by ``--quick`` or otherwise."""
    ended: int = 0
    failed: int = 0
    requested: int = 0
    date: str = ""
    """When the last trial ended, before that when the study was made; UTC, ISO 8601."""


def listed(name: str, record: StudyRecord) -> Listed:
    """Return a study in a line; ``name`` is that of its folder."""
    best, state = winner(record), counts(record)
    retest = record.retest or {}
    intervals = retest.get("intervals") or {}
    low, high = words.interval(intervals.get("f_med")) or (None, None)
    ends = [trial.ended for trial in record.trials if trial.ended]
    return Listed(
        name=name,
        state=progress(record),
        winner=None if best is None else best.number,
        winner_words="" if best is None else in_words(best),
        validation_f_med=None if best is None else words.number(best.validation_f_med),
        corrected_f_med=None if best is None else three_numbers(record, best)[1].value,
        retest_f_med=words.number(retest.get("f_med")),
        retest_low=low,
        retest_high=high,
        retest_level=words.number(intervals.get("level")) or 0.95,
        retest_number=retest.get("number"),
        retest_uses=int(retest.get("uses") or 0),
        data=str(record.dataset.get("name") or ""),
        synthetic=bool(record.dataset.get("synthetic")),
        split=str(record.split.get("kind") or ""),
        leaking_groups=int(record.split.get("leaking_groups") or 0),
        quick=is_cut(record.protocol),
        ended=state["complete"] + state["pruned"] + state["failed"],
        failed=state["failed"],
        requested=record.requested,
        date=max(ends, default=record.created),
    )


def read_listing(runs: Path) -> list[Listed]:
    """Return every study in a folder, sorted by name; those that cannot be read say why.

    A ledger that has not changed since it was last listed is not opened again: reading a thousand
    trials takes seconds.
    """
    place = runs / CACHE / CACHE_NAME
    before = _read_cache(place)
    after = {name: _look(runs, name, before.get(name)) for name in study_names(runs)}
    kept = {name: item for name, (item, fresh) in after.items() if fresh is not None}
    stamps = {name: fresh for name, (_, fresh) in after.items() if fresh is not None}
    now = {name: {"stamp": stamps[name], "entry": asdict(kept[name])} for name in kept}
    if now != before:
        with suppress(OSError):  # it only saves time
            write_text(place, json.dumps({"version": _version(), "studies": now}), errors="replace")
    return [item for item, _ in after.values()]


def _look(
    runs: Path, name: str, known: dict[str, Any] | None
) -> tuple[Listed, list[list[int]] | None]:
    """Return a study, and the stamp under which that may be kept; None where it may not."""
    folder = study_folder(runs, name).path
    stamp = _stamp(folder)
    if known is not None and known["stamp"] == stamp:
        return Listed(**known["entry"]), stamp
    try:
        item = listed(name, read_study(folder))
    except Exception as error:  # one bad ledger must not hide the others
        reason = in_a_line(error).removeprefix(f"{folder / FILE_NAME}: ")
        return Listed(name=name, state="unreadable", reason=reason), None
    return item, stamp if _stamp(folder) == stamp else None


def _stamp(folder: Path) -> list[list[int]]:
    """Return time and size of a ledger and of its write-ahead log."""
    found = []
    for name in (FILE_NAME, f"{FILE_NAME}-wal"):
        try:
            status = (folder / name).stat()
            found.append([status.st_mtime_ns, status.st_size])
        except OSError:
            found.append([0, 0])
    return found


def _version() -> list[str]:
    return [__version__, *(item.name for item in fields(Listed))]


def _read_cache(place: Path) -> dict[str, dict[str, Any]]:
    """Return what was kept, nothing where it is missing, torn or of another version."""
    try:
        found = json.loads(place.read_text(encoding="utf-8"))
        if found["version"] != _version():
            return {}
        studies: dict[str, dict[str, Any]] = found["studies"]
        for item in studies.values():
            Listed(**item["entry"])
            item["stamp"][0][0]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError):
        return {}
    return studies
