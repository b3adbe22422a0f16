"""Which fold runs count for a plan."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from optuna.trial import TrialState

from study.dataset.manifest import Manifest, sorted_part
from study.dataset.sources.opening import open_source
from study.errors import LedgerError
from study.finalists.choose import Finalist, FinalistPlan
from study.finalists.division import POOLED, division
from study.finalists.gather import fold_predictions, gather
from study.finalists.tasks import STAGE, Task, division_seed, fold_tasks, plan_tasks
from study.ledger import Ledger
from study.protocol import Protocol
from study.records import TrialRecord
from study.search.setup import make_setup, open_study
from study.space import find_space
from study.workspace import StudyFolder

FOLDS, SEED = 3, 4

Run = Callable[[Task, float], None]


def plan(*finalists: tuple[int, int]) -> FinalistPlan:
    """Return a plan of trials and the most epochs of their fold runs."""
    return FinalistPlan(
        finalists=tuple(Finalist(number=n, epochs=epochs, seconds=1.0) for n, epochs in finalists),
        folds=FOLDS,
        fold_seeds=1,
    )


def runs_of(number: int, epochs: int) -> list[Task]:
    first, rest = fold_tasks([(number, epochs)], folds=FOLDS, fold_seeds=1)
    return [*first, *rest]


def trial(number: int) -> TrialRecord:
    return TrialRecord(
        number=number,
        state="complete",
        params={},
        variant={},
        ledger_number=number,
        macs=10,
        parameters=1,
    )


@pytest.fixture
def study(
    two_classes: Path, tiny: Protocol, tmp_path: Path
) -> Iterator[tuple[StudyFolder, Ledger]]:
    """A study without a trial, and the ledger of its stage."""
    source = open_source(str(two_classes), positive=None, cache=tmp_path)
    setup = make_setup(source, protocol=tiny, space=find_space("seed"), seed=SEED)
    folder, ledger = open_study(tmp_path / "runs", "it", setup, command="c", requested=1)
    yield folder, ledger.stage(STAGE)
    ledger.close()


@pytest.fixture
def run(study: tuple[StudyFolder, Ledger]) -> Run:
    """Let a fold run end that gives all of its images one probability."""
    folder, stage = study
    rows = sorted_part(Manifest.read(folder.manifest), POOLED)
    fold_of = division(rows, folds=FOLDS, seed=division_seed(SEED, 0))

    def end(task: Task, probability: float) -> None:
        (ordinal,) = plan_tasks(stage, [task])
        attempt = stage.optuna_study.ask()
        attempt.set_user_attr("ordinal", ordinal)
        places = np.flatnonzero(fold_of == task.fold)
        place = folder.trial(task.number) / task.folder
        place.mkdir(parents=True)
        np.savez(
            place / "out_of_fold.npz", place=places, probability=np.full(len(places), probability)
        )
        stage.optuna_study.tell(attempt, 0.5, state=TrialState.COMPLETE)

    return end


def test_runs_of_another_length_do_not_count(study: tuple[StudyFolder, Ledger], run: Run) -> None:
    """After more trials a finalist's runs may end sooner; those of before are not among them."""
    folder, stage = study
    for task in runs_of(2, 12):
        run(task, 0.9)
    for task in runs_of(2, 8)[:2]:
        run(task, 0.1)
    (before,) = fold_predictions(folder, stage, trial(2), plan((2, 12)), seed=SEED)
    assert set(before.fold.tolist()) == {0, 1, 2}
    assert (before.probability == 0.9).all()
    (after,) = fold_predictions(folder, stage, trial(2), plan((2, 8)), seed=SEED)
    assert set(after.fold.tolist()) == {0, 1, -1}
    assert (after.probability[after.fold >= 0] == 0.1).all()
    assert np.isnan(after.probability[after.fold < 0]).all()


def test_finalists_are_compared_on_runs_of_their_own_lengths(
    study: tuple[StudyFolder, Ledger], run: Run
) -> None:
    folder, stage = study
    for task in [*runs_of(2, 12), *runs_of(0, 5)]:
        run(task, 0.9)
    trials = [trial(2), trial(0)]
    data = gather(folder, stage, trials, plan((2, 12), (0, 5)), seed=SEED)
    assert (data.correct >= 0).all()
    other = gather(folder, stage, trials, plan((2, 12), (0, 6)), seed=SEED)
    assert (other.correct[1] == -1).all()


def test_a_run_whose_predictions_are_gone_is_named(
    study: tuple[StudyFolder, Ledger], run: Run
) -> None:
    folder, stage = study
    (task, *_) = runs_of(2, 12)
    run(task, 0.9)
    (folder.trial(2) / task.folder / "out_of_fold.npz").unlink()
    with pytest.raises(LedgerError, match=r"out_of_fold\.npz: missing or damaged"):
        gather(folder, stage, [trial(2)], plan((2, 12)), seed=SEED)
