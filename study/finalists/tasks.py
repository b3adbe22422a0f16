"""The trainings that follow the search, as the ledger of that stage plans them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace

from study.ledger import Ledger
from study.seeds import derive

STAGE = "finalists"


@dataclass(frozen=True, kw_only=True)
class Task:
    """One training: of a finalist on folds, of the winner on all that is not test, or once more.

    Its place in the ledger's list is its ordinal, for good: what was trained once is found again,
    whatever is asked for later. Tasks that differ in any field are different trainings.
    """

    kind: str
    """``fold``; ``refit``, on training and validation; ``checkpoint``, as the search trained it."""
    number: int
    """The trial of the search whose variant is trained."""
    epochs: int
    """All epochs of a refit, most epochs of the others."""
    folds: int = 0
    fold_seed: int = 0
    """Which division into folds, from 0."""
    fold: int = 0
    """The fold that scores."""
    attempt: int = 0
    """Of a refit, from 0; each has seeds of its own."""
    repeat: int = 0
    """How often the same training, from the same seeds, had ended before its network was lost."""

    @property
    def folder(self) -> str:
        """The name of its folder among the trial's own."""
        if self.kind == "checkpoint":
            return self.kind
        if self.kind == "refit":
            return f"refit-{self.epochs}-{self.attempt}"
        return f"fold-{self.folds}-{self.fold_seed}-{self.fold}-{self.epochs}"

    @property
    def label(self) -> str:
        """What it is called where it runs."""
        if self.kind == "checkpoint":
            return f"trial {self.number}, once more"
        if self.kind == "refit":
            return f"trial {self.number}, on training and validation"
        return f"trial {self.number}, fold {self.fold + 1} of {self.folds}"

    def seed(self, study_seed: int) -> int:
        """Return the seed of its weights, samples and augmentation.

        A fold run that may last longer begins as the shorter one did.
        """
        if self.kind == "checkpoint":
            return derive(study_seed, "trial", self.number)  # as the search does
        if self.kind == "refit":
            return derive(study_seed, self.kind, self.number, self.epochs, self.attempt)
        return derive(study_seed, self.kind, self.number, self.folds, self.fold_seed, self.fold)


def division_seed(study_seed: int, fold_seed: int) -> int:
    """Return the seed of one division into folds."""
    return derive(study_seed, "folds", fold_seed)


def planned_tasks(stage: Ledger) -> list[Task]:
    """Return all tasks that were ever planned, by ordinal."""
    return [Task(**values) for values in stage.optuna_study.user_attrs.get("tasks", [])]


def wanted_ordinals(stage: Ledger) -> list[int]:
    """Return the ordinals that the present run is after."""
    return list(stage.optuna_study.user_attrs.get("wanted", []))


def plan_tasks(stage: Ledger, tasks: Iterable[Task]) -> list[int]:
    """Add the tasks to the ledger's list unless they are there, and return their ordinals."""
    known = planned_tasks(stage)
    places = {task: ordinal for ordinal, task in enumerate(known)}
    wanted = []
    for task in tasks:
        if task not in places:
            places[task] = len(known)
            known.append(task)
        wanted.append(places[task])
    stage.update(tasks=[asdict(task) for task in known], wanted=wanted)
    return wanted


def latest(stage: Ledger, task: Task) -> Task:
    """Return the last planned repeat of a task, the task itself where none was planned."""
    return latest_of(stage, [task])[0]


def latest_of(stage: Ledger, tasks: Sequence[Task]) -> list[Task]:
    """Return ``latest`` of each task."""
    found: dict[Task, Task] = {}
    for known in planned_tasks(stage):
        first = replace(known, repeat=0)
        found[first] = max(known, found.get(first, known), key=lambda item: item.repeat)
    return [found.get(replace(task, repeat=0), task) for task in tasks]


def fold_tasks(
    finalists: Sequence[tuple[int, int]], *, folds: int, fold_seeds: int
) -> list[list[Task]]:
    """Return the fold runs, first those of two folds for all, then the others.

    ``finalists`` are pairs of trial number and most epochs. Runs of one fold follow each other: a
    worker keeps its images.
    """
    pairs = [(seed, fold) for seed in range(fold_seeds) for fold in range(folds)]
    return [
        [
            Task(
                kind="fold",
                number=number,
                epochs=epochs,
                folds=folds,
                fold_seed=seed,
                fold=fold,
            )
            for seed, fold in part
            for number, epochs in finalists
        ]
        for part in (pairs[:2], pairs[2:])
    ]
