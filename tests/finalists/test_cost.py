"""What is said of a stage that cost more than a third of its search."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState

from study.finalists.choose import Finalist, FinalistPlan, FinalistSettings
from study.finalists.cost import cost_notes, stage_seconds
from study.finalists.tasks import Task, fold_tasks, plan_tasks
from study.finalists.trainings import Stage
from study.ledger import Ledger
from study.protocol import Protocol
from study.records import StudyRecord, TrialRecord
from study.report.cautions import OVERRUN
from study.workspace import StudyFolder

SEARCH = 300.0

PLAN = FinalistPlan(
    finalists=(Finalist(number=2, epochs=9, seconds=10.0),), folds=3, fold_seeds=1, refit=True
)
RUNS = [task for part in fold_tasks([(2, 9)], folds=3, fold_seeds=1) for task in part]
REFIT = Task(kind="refit", number=2, epochs=7)

Spend = Callable[[Task, float], None]


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    ledger = Ledger.create(tmp_path, "it", {})
    yield Stage(
        folder=StudyFolder(tmp_path),
        ledger=ledger,
        settings=FinalistSettings(),
        train=lambda _ordinals, _doing: None,
    )
    ledger.close()


@pytest.fixture
def spend(stage: Stage) -> Spend:
    """Let a training end that took so many seconds."""

    def end(task: Task, seconds: float) -> None:
        (ordinal,) = plan_tasks(stage.tasks, [task])
        attempt = stage.tasks.optuna_study.ask()
        attempt.set_user_attr("ordinal", ordinal)
        attempt.set_user_attr("result", {"seconds": seconds})
        stage.tasks.optuna_study.tell(attempt, 0.5, state=TrialState.COMPLETE)

    return end


def study(seconds: float | None = SEARCH) -> StudyRecord:
    known: dict[str, Any] = {"params": {}, "variant": {}, "ledger_number": 0}
    return StudyRecord(
        name="it",
        created="2026-11-23T08:00:00+00:00",
        command="study run",
        requested=1,
        protocol=Protocol(),
        space={"name": "seed"},
        dataset={"name": "blobs", "positive": "malignant"},
        split={"kind": "grouped"},
        seed=0,
        versions={},
        machine={},
        trials=[TrialRecord(number=0, state="complete", seconds=seconds, **known)],
    )


def test_a_stage_that_took_a_third_of_the_search_needs_no_excuse(
    stage: Stage, spend: Spend
) -> None:
    for task in RUNS:
        spend(task, 30.0)
    spend(REFIT, 10.0)
    assert stage_seconds(stage) == 100.0
    assert cost_notes(stage, study(), PLAN, [REFIT]) == []


def test_the_least_that_is_trained_is_given_as_the_reason(stage: Stage, spend: Spend) -> None:
    for task in RUNS:
        spend(task, 50.0)
    dear = replace(PLAN, finalists=(Finalist(number=2, epochs=9, seconds=40.0),))
    (said,) = cost_notes(stage, study(), dear, [])
    assert said == (
        "Folds and final network took 150 s, 50 % of the 300 s of the search's trials, more than a "
        "third: 1 finalist over 3 folds were expected to take 160 s, and fewer are not trained."
    )


def test_every_training_beyond_the_plan_is_a_reason(stage: Stage, spend: Spend) -> None:
    """More seeds for the final network, the search's own once more, losses, earlier answers."""
    again = Task(kind="checkpoint", number=2, epochs=20)
    network = [REFIT, replace(REFIT, attempt=1), replace(REFIT, attempt=2), again]
    for task in RUNS:
        spend(task, 30.0)
    for task, seconds in zip(network, (10.0, 11.0, 12.0, 17.0), strict=True):
        spend(task, seconds)
    spend(replace(RUNS[0], repeat=1), 3.0)
    spend(replace(RUNS[0], epochs=14), 4.0)
    spend(replace(RUNS[0], number=5), 5.0)
    (said,) = cost_notes(stage, study(), PLAN, network)
    assert "took 152 s, 51 % of the 300 s" in said
    assert said.endswith(
        "more than a third: more seeds for the final network took 23 s; training the search's own "
        "network of the winner once more took 17 s; trainings whose results were lost and that "
        "were made again took 3 s; trainings that were made for an earlier answer took 9 s."
    )


def test_trainings_that_were_merely_slow_are_called_so(stage: Stage, spend: Spend) -> None:
    for task in RUNS:
        spend(task, 40.0)
    (said,) = cost_notes(stage, study(), PLAN, [])
    assert OVERRUN in said, "by which a report knows it"
    assert said.endswith("more than a third: its trainings were slower than those of the search.")


def test_a_search_without_seconds_has_no_share(stage: Stage, spend: Spend) -> None:
    """As in a ledger that lacks them: there is nothing to divide by."""
    spend(RUNS[0], 40.0)
    (said,) = cost_notes(stage, study(None), PLAN, [])
    assert said.startswith("Folds and final network took 40 s of the 0 s of the search's trials")
