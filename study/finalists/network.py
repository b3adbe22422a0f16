"""The winner's final network: trained on training and validation, or the search's own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from study.attempts import ENDED, attributes_of
from study.dataset.images import file_digest
from study.errors import LedgerError
from study.finalists.choose import FinalistPlan
from study.finalists.tasks import Task, fold_tasks, latest, latest_of, planned_tasks
from study.finalists.trainings import Stage
from study.records import StudyRecord, TrialRecord

REFITS = 3
"""Seeds that are tried for the final network."""

REFIT_MARGIN = 0.05
"""Train F_med by which the final network may stay below the median of its folds."""


@dataclass(frozen=True, kw_only=True)
class FinalNetwork:
    """The network that is retested and exported, and how it came about."""

    model: str
    """Its path in the study's folder."""
    digest: str | None
    """SHA-256 of the file; None where there is no file after all."""
    refit: dict[str, Any] | None
    """``epochs``, ``needed``, ``attempts`` (``train_f_med`` and ``cause`` of each), ``model``, the
    same path or None; None where no refit was asked for."""
    tasks: tuple[Task, ...]
    """The trainings that were made for it."""
    notes: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()
    """Of all files that were this trial's own network: one that was lost may be brought back."""

    def entries(self) -> dict[str, Any]:
        """Return it as ``final`` holds it."""
        return {
            "refit": self.refit,
            "model": self.model,
            "model_digest": self.digest,
            "digests": list(self.digests),
        }


def final_network(
    stage: Stage, record: StudyRecord, plan: FinalistPlan, winner: TrialRecord
) -> FinalNetwork:
    """Train the winner on training and validation, or fall back on the search's own network.

    Raises ``LedgerError`` where a stored network is not the one that was trained.
    """
    if not plan.refit:
        return own_network(stage, record, winner)
    refit, tasks = _refit(stage, plan, winner)
    if refit["model"] is None:
        own = own_network(stage, record, winner)
        return replace(own, refit=refit, tasks=(*tasks, *own.tasks))
    final = record.final or {}
    # Ledgers of earlier versions have the digest in their answer only.
    noted = final.get("model_digest") if final.get("model") == refit["model"] else None
    known = {_trained_digest(stage, tasks[-1]) or noted}
    digest = _checked(stage.folder.path / refit["model"], known)
    return FinalNetwork(model=refit["model"], digest=digest, refit=refit, tasks=tuple(tasks))


def own_network(stage: Stage, record: StudyRecord, trial: TrialRecord) -> FinalNetwork:
    """Return the search's own network of a trial, trained once more where its file is gone.

    The search keeps the networks of its best trials only. The same seeds on the same parts give
    the same network where the machine adds up in the same order, else one that differs by chance:
    ``notes`` says how the two compare. Asked again after a failure, it is tried again.

    Raises ``LedgerError`` where the stored network is not the one that was trained.
    """
    path = stage.folder.model(trial.number)
    model = str(path.relative_to(stage.folder.path))
    task = latest(stage.tasks, Task(kind="checkpoint", number=trial.number, epochs=trial.epochs))
    if not path.is_file():
        if (before := stage.ended([task]).get(task)) and before.state in ENDED:
            task = replace(task, repeat=task.repeat + 1)
        stage.carry_out([task], f"training trial {trial.number} once more for its network")
    again, final = stage.ended([task]).get(task), record.final or {}
    known: set[str | None] = set()
    if final.get("model") == model:
        known = {final.get("model_digest"), *final.get("digests", [])}
    if again is not None and again.state == "complete":
        known.add(_trained_digest(stage, task))
    elif path.is_file():
        again = None  # it failed once, and somebody has brought the file back
    digest = _checked(path, known) if path.is_file() else None
    return FinalNetwork(
        model=model,
        digest=digest,
        digests=tuple(sorted(filter(None, known | {digest}))),
        refit=None,
        tasks=() if again is None else (task,),
        notes=() if again is None else (_compared(trial, again),),
    )


def _compared(trial: TrialRecord, again: TrialRecord) -> str:
    head = f"The search had not kept the network of trial {trial.number}; it was trained once more "
    if again.state != "complete":
        return f"{head}from the same seeds and failed: {again.cause}."
    found, was = again.validation_f_med or 0.0, trial.validation_f_med or 0.0
    if (found, again.best_epoch) == (was, trial.best_epoch):
        return f"{head}from the same seeds and has the same validation F_med, {was:.4f}."
    return (
        f"{head}from the same seeds: validation F_med {found:.4f} at epoch {again.best_epoch}, "
        f"{was:.4f} at epoch {trial.best_epoch} in the search."
    )


def _refit(
    stage: Stage, plan: FinalistPlan, winner: TrialRecord
) -> tuple[dict[str, Any], list[Task]]:
    """Train the final network until a seed reaches the folds' train F_med; say what came of it."""
    runs = _fold_runs(stage, plan, winner)
    epochs = math.ceil(median(run.best_epoch or 1 for run in runs))
    needed = median(run.train_f_med or 0.0 for run in runs) - REFIT_MARGIN
    found: dict[str, Any] = {"epochs": epochs, "needed": needed, "attempts": [], "model": None}
    tasks = []
    for attempt in range(REFITS):
        task = latest(
            stage.tasks, Task(kind="refit", number=winner.number, epochs=epochs, attempt=attempt)
        )
        doing = "training the winner on training and validation"
        doing += f", seed {attempt + 1}" if attempt else ""
        place = stage.folder.trial(winner.number) / task.folder / "model.keras"
        (run,) = stage.carry_out([task], doing)
        if _reaches(run, needed) and not place.is_file():  # removed by somebody
            task = replace(task, repeat=task.repeat + 1)
            (run,) = stage.carry_out([task], doing)
        tasks.append(task)
        found["attempts"].append({"train_f_med": run.train_f_med, "cause": run.cause})
        if _reaches(run, needed):
            found["model"] = str(place.relative_to(stage.folder.path))
            break
    return found, tasks


def _fold_runs(stage: Stage, plan: FinalistPlan, winner: TrialRecord) -> Sequence[TrialRecord]:
    pairs = [(item.number, item.epochs) for item in plan.finalists if item.number == winner.number]
    first, rest = fold_tasks(pairs, folds=plan.folds, fold_seeds=plan.fold_seeds)
    return list(stage.ended(latest_of(stage.tasks, [*first, *rest])).values())


def _reaches(run: TrialRecord, needed: float) -> bool:
    return run.train_f_med is not None and run.train_f_med >= needed


def _trained_digest(stage: Stage, task: Task) -> str | None:
    """Return the digest that the worker noted of the network that a task left."""
    ordinal = planned_tasks(stage.tasks).index(task)
    noted = [attributes_of(t).get("model_digest") for t in stage.tasks.look().of(ordinal)]
    return next(filter(None, noted), None)


def _checked(path: Path, known: set[str | None]) -> str:
    """Return the digest of a network's file, which must be a known one if there is any."""
    digest = file_digest(path)
    if known - {None} and digest not in known:
        raise LedgerError(
            f"{path}: not the network that the study made; restore it, or remove it and run the "
            "study again"
        )
    return digest
