"""The final network of a study: the one that is retested and exported."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from study.dataset.images import file_digest
from study.errors import LedgerError
from study.records import StudyRecord
from study.summary import winner
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
    if named and final.get("model_digest") not in (None, digest):
        raise LedgerError(
            f"{path}: not the network that the study made; restore it, or remove it and run the "
            "study again"
        )
    return FinalModel(path=path, number=best.number, origin=origin, digest=digest)


def _inside(folder: StudyFolder, name: str) -> Path:
    """Return a path in the study's folder; a ledger from elsewhere may name another one."""
    path = folder.path / name
    if not path.resolve().is_relative_to(folder.path.resolve()):
        raise LedgerError(f"{folder.path}: its ledger names a network elsewhere: {name!r}")
    return path
