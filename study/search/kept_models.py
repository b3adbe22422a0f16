"""Which trials' networks stay on the disk."""

from __future__ import annotations

from study.records import StudyRecord
from study.summary import ranked
from study.workspace import StudyFolder

MODELS_KEPT = 3
"""Networks kept on disk: those of the best trials, besides that of trial 0."""

MODELS_LOOKED_AT = 100
"""Trials behind the best few whose networks may still lie there: other workers end trials too."""


def drop_models(folder: StudyFolder, record: StudyRecord, *, completed: int | None = None) -> None:
    """Delete the networks of complete trials that are not among the best few.

    With the number of a trial that was just ``completed``, only those that it may have driven out
    are looked for, and its own.
    """
    complete = [trial.number for trial in ranked(record) if trial.state == "complete"]
    outside = complete[MODELS_KEPT:]
    if completed is not None:
        outside = [*outside[:MODELS_LOOKED_AT], *({completed} & set(outside))]
    for number in {*outside} - {0}:
        folder.model(number).unlink(missing_ok=True)
