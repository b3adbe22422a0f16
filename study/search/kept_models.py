"""Which trials' networks stay on the disk."""

from __future__ import annotations

from collections.abc import Sequence
from math import floor, log2

from study.records import StudyRecord, TrialRecord
from study.summary import ranked
from study.workspace import StudyFolder

MODELS_KEPT = 20
"""Networks kept on disk: those of the best trials, besides that of trial 0."""

BANDS_PER_OCTAVE = 8
"""Besides, the best of each band of multiply-accumulates: any finalist may become the winner."""

MODELS_LOOKED_AT = 100
"""Trials behind the best few whose networks may still lie there: other workers end trials too."""


def drop_models(folder: StudyFolder, record: StudyRecord, *, completed: int | None = None) -> None:
    """Delete the networks of complete trials that are not kept; the named winner's is.

    With the number of a trial that was just ``completed``, only those that it may have driven out
    are looked for, and its own.
    """
    complete = [trial for trial in ranked(record) if trial.state == "complete"]
    kept = kept_models(complete) | ({record.final["winner"]} if record.final else set())
    outside = [trial.number for trial in complete if trial.number not in kept]
    if completed is not None:
        outside = [*outside[:MODELS_LOOKED_AT], *({completed} & set(outside))]
    for number in outside:
        folder.model(number).unlink(missing_ok=True)


def kept_models(complete: Sequence[TrialRecord]) -> set[int]:
    """Return the numbers of the complete trials, given best first, whose networks are kept."""
    best_of: dict[int, int] = {}
    for trial in complete:
        best_of.setdefault(floor(BANDS_PER_OCTAVE * log2(trial.macs or 1)), trial.number)
    return {0, *best_of.values(), *(trial.number for trial in complete[:MODELS_KEPT])}
