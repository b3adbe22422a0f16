"""The stage after the search: fold runs, the race, the selection, the winner's final network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from study.dataset.manifest import Manifest
from study.evaluation.selection import allowance, race, select
from study.finalists.choose import FinalistPlan, plan_finalists, reference_among, several
from study.finalists.cost import cost_notes, stage_seconds
from study.finalists.division import most_folds
from study.finalists.estimates import estimates_from_folds, estimates_from_validation
from study.finalists.gather import gather, is_scored, write_out_of_fold
from study.finalists.network import final_network, own_network
from study.finalists.tasks import Task, fold_tasks, latest_of
from study.finalists.trainings import Stage
from study.ledger import now
from study.records import StudyRecord, TrialRecord
from study.seeds import derive
from study.summary import counts, leader


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
    if wanted and folds:
        found = _with_finalists(stage, record, best, most=folds)
    else:
        few = "a class has fewer than three groups in training and validation"
        why = few if wanted else "asked for none (--finalists 0)"
        found = _without_finalists(stage, record, best, why)
    final = {
        **found,
        "complete": counts(record)["complete"],
        "requested": record.requested,
        "settings": asdict(stage.settings),
        "at": now(),
    }
    stage.ledger.update(final=final)
    return final


def _without_finalists(
    stage: Stage,
    record: StudyRecord,
    best: TrialRecord,
    why: str,
    plan: FinalistPlan | None = None,
) -> dict[str, Any]:
    """Return the search's own winner, with what its validation predictions say of it.

    ``plan`` is what was tried in vain.
    """
    reference = reference_among(record, [t for t in record.trials if t.state == "complete"])
    network = own_network(stage, record, best)
    return {
        "winner": best.number,
        "reference": None if reference is None else reference.number,
        "selection": {"rule": "best", "finalists": [], "best": best.number},
        **network.entries(),
        "estimates": estimates_from_validation(stage.folder, record, best, reference),
        "notes": [
            f"No finalists: {why}. The winner is the best of {counts(record)['complete']} complete "
            "trials on the validation images that ranked them; that it was the luckiest of them, "
            "too, is corrected for by an estimate only, and its network has not seen the "
            "validation images.",
            *(plan.notes if plan else ()),
            *network.notes,
            *(cost_notes(stage, record, plan, network.tasks) if plan else ()),
        ],
    }


def _with_finalists(
    stage: Stage, record: StudyRecord, best: TrialRecord, *, most: int
) -> dict[str, Any]:
    """Return the outcome of the folds, the search's own where no finalist completed them."""
    plan = plan_finalists(record, stage.settings, most_folds=most)
    by_number = {trial.number: trial for trial in record.trials}
    trials = [by_number[item.number] for item in plan.finalists]
    reference = reference_among(record, trials)
    dropped = _run_folds(stage, plan, trials, reference, seed=record.seed)
    running = [trial for trial in trials if trial.number not in dropped]
    if not running:
        causes = "; ".join(dict.fromkeys(dropped.values()))
        why = f"none completed its folds ({causes})"
        return _without_finalists(stage, record, best, why, plan)
    data = gather(stage.folder, stage.tasks, running, plan, seed=record.seed)
    chosen = select(data, stage.settings.rule)
    winner = running[chosen.chosen]
    for trial in running:
        write_out_of_fold(stage.folder, stage.tasks, trial, plan, seed=record.seed)
    network = final_network(stage, record, plan, winner)
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
        **network.entries(),
        "estimates": estimates,
        "notes": [*plan.notes, *network.notes, *cost_notes(stage, record, plan, network.tasks)],
        "seconds": stage_seconds(stage),
        "search_seconds": sum(trial.seconds or 0.0 for trial in record.trials),
    }


def _run_folds(
    stage: Stage,
    plan: FinalistPlan,
    trials: Sequence[TrialRecord],
    reference: TrialRecord | None,
    *,
    seed: int,
) -> dict[int, str]:
    """Train all fold runs; return, by trial number, why a finalist has not ended its own.

    The reference stays in the race, whatever it scores.
    """
    dropped: dict[int, str] = {}
    pairs = [(item.number, item.epochs) for item in plan.finalists]
    first, rest = fold_tasks(pairs, folds=plan.folds, fold_seeds=plan.fold_seeds)
    doing = f"training {several(len(pairs))} over {plan.folds} folds"
    dropped |= _failed(first, _runs(stage, first, doing))
    running = [trial for trial in trials if trial.number not in dropped]
    if len(running) > 1:
        # When the study goes on later, more folds have been run: they must not count here.
        only = {(task.fold_seed, task.fold) for task in first}
        data = gather(stage.folder, stage.tasks, running, plan, seed=seed, only=only)
        safe = [k for k, trial in enumerate(running) if trial is reference]
        behind = allowance(data, stage.settings.rule)
        lost = race(data, keep=safe, seed=derive(seed, "race"), allowance=behind).dropped
        dropped |= {running[k].number: "could not win any more after two folds" for k in lost}
    left = [task for task in rest if task.number not in dropped]
    racing = several(len({task.number for task in left}))
    ended = _runs(stage, left, f"training {racing} over the other folds")
    return dropped | _failed(left, ended)


def _runs(stage: Stage, tasks: Sequence[Task], doing: str) -> list[TrialRecord]:
    """Train fold runs, once more those whose predictions are gone; return what came of each."""
    tasks = latest_of(stage.tasks, tasks)
    runs = stage.carry_out(tasks, doing)
    again = [
        replace(task, repeat=task.repeat + 1)
        if run.state == "complete" and not is_scored(stage.folder, task)
        else task
        for task, run in zip(tasks, runs, strict=True)
    ]
    return runs if again == tasks else stage.carry_out(again, doing)


def _failed(tasks: Sequence[Task], runs: Sequence[TrialRecord]) -> dict[int, str]:
    """Return why finalists failed, by trial number."""
    return {
        task.number: f"fold {task.fold + 1} failed: {run.cause}"
        for task, run in zip(tasks, runs, strict=True)
        if run.state != "complete"
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
