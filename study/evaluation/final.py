"""The final network of a study: the one that is retested and exported."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from study.dataset.images import file_digest
from study.errors import LedgerError
from study.records import StudyRecord
from study.summary import is_settled, leader, winner
from study.workspace import StudyFolder

SEARCH = "search"
"""Origin of a network that the search left: the checkpoint of its trial's best epoch."""

REFIT = "refit"
"""Origin of a network that was trained anew on training and validation."""


@dataclass(frozen=True, kw_only=True)
class FinalModel:
    """A stored network and where it comes from."""

    path: Path
    """A ``.keras`` file."""
    number: int
    """The trial whose variant it has."""
    origin: str
    """``SEARCH``, or what trained it afterwards."""
    digest: str
    """SHA-256 of the file."""
    in_folds: bool = True
    """Whether its variant went through the folds of the study's present answer."""


def check_settled(record: StudyRecord) -> None:
    """Raise ``LedgerError`` where trials have ended since the winner was named, or it never was."""
    if leader(record) is not None and not is_settled(record):
        raise LedgerError(
            f"study {record.name}: its winner has not been named since its last trial; repeat: "
            f"{record.command}"
        )


def final_model(folder: StudyFolder, record: StudyRecord) -> FinalModel:
    """Return the network of the study's winner.

    Raises ``LedgerError`` when no trial is complete, or when the network is gone.
    """
    best = winner(record)
    if best is None:
        raise LedgerError(f"study {record.name}: no trial is complete, so there is no network yet")
    final = record.final or {}
    path, origin = folder.model(best.number), SEARCH
    if final.get("winner") == best.number and (final.get("refit") or {}).get("model"):
        path, origin = _inside(folder, str(final["model"])), REFIT
    if not path.is_file():
        raise LedgerError(
            f"{path}: the network of trial {best.number} is missing; repeat the study's own line, "
            f"which trains it again: {record.command}"
        )
    digest = file_digest(path)
    named = folder.path / str(final.get("model")) == path
    known = {final.get("model_digest"), *final.get("digests", [])} - {None}
    if named and known and digest not in known:
        raise LedgerError(
            f"{path}: not the network that the study made; restore it, or remove it and run the "
            "study again"
        )
    finalists = final.get("selection", {}).get("finalists", []) if is_settled(record) else []
    return FinalModel(
        path=path,
        number=best.number,
        origin=origin,
        digest=digest,
        in_folds=any(f["number"] == best.number and not f.get("dropped") for f in finalists),
    )


def _inside(folder: StudyFolder, name: str) -> Path:
    """Return a path in the study's folder; a ledger from elsewhere may name another one."""
    path = folder.path / name
    if not path.resolve().is_relative_to(folder.path.resolve()):
        raise LedgerError(f"{folder.path}: its ledger names a network elsewhere: {name!r}")
    return path
