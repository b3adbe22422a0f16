"""A study at the end of its search, and the trainings that it still asks for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from study.attempts import Attempts
from study.finalists.choose import FinalistSettings
from study.finalists.tasks import STAGE, Task, plan_tasks, planned_tasks
from study.ledger import Ledger
from study.records import StudyRecord, TrialRecord
from study.workspace import StudyFolder

Train = Callable[[Sequence[int], str], None]
"""Trains the tasks with these ordinals, showing what the text says, until all have ended."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A study at the end of its search, and what trains what comes next."""

    folder: StudyFolder
    ledger: Ledger
    settings: FinalistSettings
    train: Train

    @cached_property
    def tasks(self) -> Ledger:
        """The ledger of the trainings."""
        return self.tasks_of(self.ledger)

    @staticmethod
    def tasks_of(ledger: Ledger) -> Ledger:
        """Return the ledger of a study's trainings after the search."""
        return ledger.stage(STAGE)

    def carry_out(self, tasks: Sequence[Task], doing: str) -> list[TrialRecord]:
        """Let those of the tasks that have not ended be trained; return what came of all."""
        ordinals = plan_tasks(self.tasks, tasks)
        if self.tasks.unfinished(ordinals):
            self.train(ordinals, doing)
        return list(self.ended(tasks).values())

    def ended(self, tasks: Sequence[Task]) -> dict[Task, TrialRecord]:
        """Return what came of those of the tasks that were begun, in the order of ``tasks``."""
        planned = planned_tasks(self.tasks)
        found = {planned[trial.number]: trial for trial in self.tasks.look().records()}
        return {task: found[task] for task in tasks if task in found}


def stage_record(record: StudyRecord, attempts: Attempts, ordinals: Sequence[int]) -> StudyRecord:
    """Return the tasks of a stage as the trials of a study, numbered from 0, to be watched."""
    places = {ordinal: place for place, ordinal in enumerate(ordinals)}
    trials = [
        replace(trial, number=places[trial.number])
        for trial in attempts.records()
        if trial.number in places
    ]
    trials.sort(key=lambda trial: trial.number)
    return replace(record, trials=trials, requested=len(ordinals))
