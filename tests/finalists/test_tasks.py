"""The list of trainings after the search, and what tells them apart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from study.finalists.tasks import Task, fold_tasks, latest, plan_tasks, planned_tasks
from study.ledger import Ledger
from study.seeds import derive

FOLD = Task(kind="fold", number=3, epochs=12, folds=5, fold=2)
REFIT = Task(kind="refit", number=3, epochs=12)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger.create(tmp_path, "it", {})
    yield ledger.stage("finalists")
    ledger.close()


def test_a_fold_run_of_other_length_is_another_training(stage: Ledger) -> None:
    """In a folder of its own; it begins as the shorter one did."""
    longer = replace(FOLD, epochs=18)
    assert plan_tasks(stage, [FOLD, longer, FOLD]) == [0, 1, 0]
    assert longer.folder != FOLD.folder
    assert longer.seed(1) == FOLD.seed(1)


def test_every_attempt_at_a_refit_has_seeds_and_a_folder_of_its_own() -> None:
    tasks = [REFIT, replace(REFIT, attempt=1), replace(REFIT, epochs=13), FOLD]
    assert len({task.seed(1) for task in tasks}) == len({task.folder for task in tasks}) == 4


@pytest.mark.parametrize(
    "task", [REFIT, Task(kind="checkpoint", number=3, epochs=12)], ids=lambda task: task.kind
)
def test_a_repeat_is_trained_in_the_place_and_from_the_seeds_of_the_first(
    stage: Ledger, task: Task
) -> None:
    assert latest(stage, task) == task
    again = replace(task, repeat=1)
    assert plan_tasks(stage, [task, again, replace(task, number=4, repeat=2)]) == [0, 1, 2]
    assert latest(stage, task) == again
    assert (again.folder, again.seed(1)) == (task.folder, task.seed(1))


def test_a_trial_is_trained_once_more_from_its_own_seed() -> None:
    assert Task(kind="checkpoint", number=7, epochs=2).seed(5) == derive(5, "trial", 7)


def test_two_folds_of_all_finalists_come_first(stage: Ledger) -> None:
    first, rest = fold_tasks([(4, 9), (0, 6)], folds=4, fold_seeds=2)
    assert [(task.fold, task.number, task.epochs) for task in first] == [
        *((0, 4, 9), (0, 0, 6)),
        *((1, 4, 9), (1, 0, 6)),
    ]
    assert len(first) + len(rest) == len({*first, *rest}) == 2 * 4 * 2
    plan_tasks(stage, rest)
    assert planned_tasks(stage) == rest
