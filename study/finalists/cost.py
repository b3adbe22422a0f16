"""What the finalists cost beside the search, where that was more than a third of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from study.finalists.choose import LARGEST_SHARE, FinalistPlan, allowed_seconds, several
from study.finalists.tasks import Task, fold_tasks, planned_tasks
from study.finalists.trainings import Stage
from study.records import StudyRecord


def stage_seconds(stage: Stage) -> float:
    """Return the seconds of all trainings after the search, summed over the workers."""
    return sum(_seconds_of(stage).values())


def cost_notes(
    stage: Stage, record: StudyRecord, plan: FinalistPlan, network: Sequence[Task]
) -> list[str]:
    """Return a sentence on what the stage took and why, none where a third was enough.

    ``network`` are the trainings that were made for the final network.
    """
    seconds, allowed = _seconds_of(stage), allowed_seconds(record)
    total = sum(seconds.values())
    if total <= allowed:
        return []
    reasons = "; ".join(_reasons(plan, network, seconds, allowed))
    search = allowed / LARGEST_SHARE
    share = f", {100 * total / search:.0f} %" if search else ""
    return [
        f"Folds and final network took {total:,.0f} s{share} of the {search:,.0f} s of the "
        "search's trials, more than a third: "
        f"{reasons or 'its trainings were slower than those of the search'}."
    ]


def _reasons(
    plan: FinalistPlan, network: Sequence[Task], seconds: Mapping[Task, float], allowed: float
) -> list[str]:
    found = []
    if plan.seconds > allowed:
        found.append(
            f"{several(len(plan.finalists))} over {plan.folds} folds were expected to take "
            f"{plan.seconds:,.0f} s, and fewer are not trained"
        )
    pairs = [(item.number, item.epochs) for item in plan.finalists]
    first, rest = fold_tasks(pairs, folds=plan.folds, fold_seeds=plan.fold_seeds)
    own = {*first, *rest, *network}
    lost = [t for t in seconds if t not in own and any(_same(t, other) for other in own)]
    by_kind = {
        "more seeds for the final network": [t for t in network if t.kind == "refit"][1:],
        "training the search's own network of the winner once more": [
            task for task in network if task.kind == "checkpoint"
        ],
        "trainings whose results were lost and that were made again": lost,
        "trainings that were made for an earlier answer": [
            t for t in seconds if t not in own and t not in lost
        ],
    }
    for what, tasks in by_kind.items():
        if spent := sum(seconds.get(task, 0.0) for task in tasks):
            found.append(f"{what} took {spent:,.0f} s")
    return found


def _same(one: Task, other: Task) -> bool:
    """Tell whether two tasks are the same training from the same seeds."""
    return replace(one, repeat=other.repeat) == other


def _seconds_of(stage: Stage) -> dict[Task, float]:
    found = stage.ended(planned_tasks(stage.tasks))
    return {task: trial.seconds or 0.0 for task, trial in found.items()}
