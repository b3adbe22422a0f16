"""The stage after the search: fold runs, the race, the selection, the winner's final network."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from statistics import median
from typing import Any

from study.attempts import Attempts
from study.dataset.images import file_digest
from study.dataset.manifest import Manifest
from study.errors import LedgerError
from study.evaluation.out_of_fold import OutOfFold
from study.evaluation.selection import Rule, race, select
from study.finalists.choose import (
    FinalistPlan,
    FinalistSettings,
    plan_finalists,
    reference_among,
)
from study.finalists.division import most_folds
from study.finalists.estimates import estimates_from_folds, estimates_from_validation
from study.finalists.gather import gather, write_out_of_fold
from study.finalists.tasks import STAGE, Task, fold_tasks, ordinals_of, plan_tasks
from study.ledger import Ledger, now
from study.records import StudyRecord, TrialRecord
from study.seeds import derive
from study.summary import counts, leader
from study.workspace import StudyFolder

REFITS = 3
"""Seeds that are tried for the final network."""

REFIT_MARGIN = 0.05
"""Train F_med by which the final network may stay below the median of its folds."""

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


def conclude(stage: Stage) -> dict[str, Any] | None:
    """Name the winner, estimate what it is worth, and store both in the ledger as ``final``.

    Asked again with the same trials and settings, nothing is trained twice and the answer is the
    same. None while no trial is complete.
    """
    record = stage.ledger.read()
    best = leader(record)
    if best is None:
        return None
    folds = most_folds(Manifest.read(stage.folder.manifest))
    wanted = stage.settings.finalists
    found = None
    if wanted and folds:
        found = _with_finalists(stage, record, most=folds)
    if found is None:
        why = "asked for none (--finalists 0)" if not wanted else _too_few(folds)
        found = _without_finalists(stage, record, best, why)
    final = {
        **found,
        "complete": counts(record)["complete"],
        "settings": asdict(stage.settings),
        "at": now(),
    }
    stage.ledger.update(final=final)
    return final


def _too_few(folds: int) -> str:
    if folds:
        return "no finalist completed its folds"
    return "a class has fewer than three groups in training and validation"


def _without_finalists(
    stage: Stage, record: StudyRecord, best: TrialRecord, why: str
) -> dict[str, Any]:
    """Return the search's own winner, with what its validation predictions say of it."""
    reference = reference_among(record, [t for t in record.trials if t.state == "complete"])
    return {
        "winner": best.number,
        "reference": None if reference is None else reference.number,
        "selection": {"rule": "best", "finalists": [], "best": best.number},
        "refit": None,
        **_model_of(stage.folder, best.number),
        "estimates": estimates_from_validation(stage.folder, record, best, reference),
        "notes": [
            f"No finalists: {why}. The winner is the best of {counts(record)['complete']} complete "
            "trials on the validation images that ranked them; that it was the luckiest of them, "
            "too, is corrected for by an estimate only, and its network has not seen the "
            "validation images."
        ],
    }


def _with_finalists(stage: Stage, record: StudyRecord, *, most: int) -> dict[str, Any] | None:
    """Return the outcome of the folds, None where no finalist completed them."""
    plan = plan_finalists(record, stage.settings, most_folds=most)
    by_number = {trial.number: trial for trial in record.trials}
    trials = [by_number[item.number] for item in plan.finalists]
    reference = reference_among(record, trials)
    keep = {reference.number} if reference else set()
    dropped = _run_folds(stage, plan, trials, keep)
    running = [trial for trial in trials if trial.number not in dropped]
    if not running:
        return None
    data = gather(stage.folder, stage.tasks, running, plan, seed=record.seed)
    chosen = select(data, stage.settings.rule)
    winner = running[chosen.chosen]
    for trial in running:
        write_out_of_fold(stage.folder, stage.tasks, trial, plan, seed=record.seed)
    refitted = _refit(stage, plan, winner) if stage.settings.refit else None
    model = (refitted or {}).get("model")
    _refuse_another(stage.folder, record.final or {}, model)
    estimates = estimates_from_folds(data, running, winner, reference, stage.settings.rule, record)
    return {
        "winner": winner.number,
        "reference": None if reference is None else reference.number,
        "selection": {
            "rule": stage.settings.rule,
            "best": running[chosen.best].number,
            "standard_error": chosen.standard_error,
            "bar": chosen.bar,
            "fell_back": chosen.fell_back,
            "folds": plan.folds,
            "fold_seeds": plan.fold_seeds,
            "finalists": [
                _entry(trial, running, chosen.means, chosen.within, dropped) for trial in trials
            ],
        },
        "refit": refitted,
        **(_model_at(stage.folder, model) if model else _model_of(stage.folder, winner.number)),
        "estimates": estimates,
        "notes": list(plan.notes),
        "seconds": _seconds(stage.tasks),
        "search_seconds": sum(trial.seconds or 0.0 for trial in record.trials),
    }


def _run_folds(
    stage: Stage, plan: FinalistPlan, trials: Sequence[TrialRecord], keep: set[int]
) -> dict[int, str]:
    """Train all fold runs; return, by trial number, why a finalist has not ended its own."""
    dropped: dict[int, str] = {}
    pairs = [(item.number, item.epochs) for item in plan.finalists]
    first, rest = fold_tasks(pairs, folds=plan.folds, fold_seeds=plan.fold_seeds)
    _train(stage, first, f"training {len(pairs)} finalists over {plan.folds} folds")
    dropped |= _failed(stage.tasks, first)
    running = [trial for trial in trials if trial.number not in dropped]
    if len(running) > 1:
        seed = stage.ledger.read().seed
        # When the study goes on later, more folds have been run: they must not count here.
        only = {(task.fold_seed, task.fold) for task in first}
        data = gather(stage.folder, stage.tasks, running, plan, seed=seed, only=only)
        safe = [k for k, trial in enumerate(running) if trial.number in keep]
        allowance = _allowance(data, stage.settings.rule)
        lost = race(data, keep=safe, seed=derive(seed, "race"), allowance=allowance).dropped
        dropped |= {running[k].number: "could not win any more after two folds" for k in lost}
    left = [task for task in rest if task.number not in dropped]
    racing = len({task.number for task in left})
    _train(stage, left, f"training {racing} finalists over the other folds")
    return dropped | _failed(stage.tasks, left)


def _allowance(data: OutOfFold, rule: Rule) -> float:
    """Return how far behind the leader a finalist may be and still be selected."""
    if rule == "best":
        return 0.0
    error = select(data, rule).standard_error
    return math.inf if error is None else error


def _train(stage: Stage, tasks: Sequence[Task], doing: str) -> None:
    ordinals = plan_tasks(stage.tasks, tasks)
    if stage.tasks.unfinished(ordinals):
        stage.train(ordinals, doing)


def _failed(tasks: Ledger, planned: Sequence[Task]) -> dict[int, str]:
    """Return why finalists failed, by trial number."""
    ordinals = ordinals_of(tasks, planned)
    records = {trial.number: trial for trial in tasks.look().records()}
    return {
        task.number: f"fold {task.fold + 1} failed: {records[ordinal].cause}"
        for task, ordinal in zip(planned, ordinals, strict=True)
        if records[ordinal].state != "complete"
    }


def _entry(
    trial: TrialRecord,
    running: Sequence[TrialRecord],
    means: Sequence[float],
    within: Sequence[int],
    dropped: dict[int, str],
) -> dict[str, Any]:
    place = next((k for k, item in enumerate(running) if item.number == trial.number), None)
    return {
        "number": trial.number,
        "params": trial.params,
        "parameters": trial.parameters,
        "macs": trial.macs,
        "validation_f_med": trial.validation_f_med,
        "mean": None if place is None else means[place],
        "within": place is not None and place in within,
        "dropped": dropped.get(trial.number),
    }


def _refit(stage: Stage, plan: FinalistPlan, winner: TrialRecord) -> dict[str, Any]:
    """Train the final network until a seed reaches the folds' train F_med; say what came of it."""
    pairs = [(item.number, item.epochs) for item in plan.finalists if item.number == winner.number]
    first, rest = fold_tasks(pairs, folds=plan.folds, fold_seeds=plan.fold_seeds)
    ordinals = set(ordinals_of(stage.tasks, [*first, *rest]))
    runs = [trial for trial in stage.tasks.look().records() if trial.number in ordinals]
    epochs = math.ceil(median(run.best_epoch or 1 for run in runs))
    needed = median(run.train_f_med or 0.0 for run in runs) - REFIT_MARGIN
    found: dict[str, Any] = {"epochs": epochs, "needed": needed, "attempts": [], "model": None}
    for attempt in range(REFITS):
        task = Task(kind="refit", number=winner.number, epochs=epochs, attempt=attempt)
        doing = "training the winner on training and validation"
        _train(stage, [task], doing + (f", seed {attempt + 1}" if attempt else ""))
        (ordinal,) = ordinals_of(stage.tasks, [task])
        run = next(t for t in stage.tasks.look().records() if t.number == ordinal)
        found["attempts"].append({"train_f_med": run.train_f_med, "cause": run.cause})
        if run.train_f_med is not None and run.train_f_med >= needed:
            place = stage.folder.trial(winner.number) / task.folder / "model.keras"
            if not place.is_file():  # removed by somebody: another seed takes its place
                continue
            return found | {"model": str(place.relative_to(stage.folder.path))}
    return found


def _model_of(folder: StudyFolder, number: int) -> dict[str, Any]:
    """Return the search's own network of a trial, where it is."""
    return _model_at(folder, str(folder.model(number).relative_to(folder.path)))


def _model_at(folder: StudyFolder, model: str) -> dict[str, Any]:
    path = folder.path / model
    return {"model": model, "model_digest": file_digest(path) if path.is_file() else None}


def _refuse_another(folder: StudyFolder, before: dict[str, Any], model: str | None) -> None:
    """Raise ``LedgerError`` when the final network's file is not the one that was trained."""
    known = before.get("model_digest")
    if (
        model
        and before.get("model") == model
        and known not in (None, file_digest(folder.path / model))
    ):
        raise LedgerError(
            f"{folder.path / model}: not the network that the study made; restore it, or remove it "
            "and run the study again"
        )


def _seconds(tasks: Ledger) -> float:
    return sum(trial.seconds or 0.0 for trial in tasks.look().records())


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
