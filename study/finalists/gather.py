"""What the fold runs said, put together finalist by finalist."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from study.dataset.manifest import Manifest, sorted_part
from study.errors import LedgerError
from study.evaluation.out_of_fold import FoldPredictions, OutOfFold
from study.files import TORN, replacing
from study.finalists.choose import FinalistPlan
from study.finalists.division import POOLED, division
from study.finalists.tasks import Task, division_seed, fold_tasks, latest_of, planned_tasks
from study.ledger import Ledger
from study.records import TrialRecord
from study.workspace import StudyFolder


def gather(
    folder: StudyFolder,
    stage: Ledger,
    finalists: Sequence[TrialRecord],
    plan: FinalistPlan,
    *,
    seed: int,
    only: Collection[tuple[int, int]] | None = None,
) -> OutOfFold:
    """Return the counts of the finalists over the folds that have been run so far.

    ``only`` names fold seeds and folds, when no other ones are to count.
    """
    return OutOfFold.from_predictions(
        [fold_predictions(folder, stage, trial, plan, seed=seed, only=only) for trial in finalists],
        macs=[trial.macs or 0 for trial in finalists],
        parameters=[trial.parameters or 0 for trial in finalists],
        test_to_train=1 / (plan.folds - 2),
    )


def fold_predictions(
    folder: StudyFolder,
    stage: Ledger,
    trial: TrialRecord,
    plan: FinalistPlan,
    *,
    seed: int,
    only: Collection[tuple[int, int]] | None = None,
) -> list[FoldPredictions]:
    """Return what a finalist's networks say of the images of their folds, by fold seed.

    Raises ``LedgerError`` when what a fold run left is gone or damaged.
    """
    manifest = Manifest.read(folder.manifest)
    rows = sorted_part(manifest, POOLED)
    label = np.array([row.label == manifest.positive for row in rows], dtype=np.int64)
    _, group = np.unique([row.group for row in rows], return_inverse=True)
    done = _complete_runs(folder, stage, trial.number, plan)
    found = []
    for fold_seed in range(plan.fold_seeds):
        fold_of = division(rows, folds=plan.folds, seed=division_seed(seed, fold_seed))
        fold, probability = np.full(len(rows), -1, dtype=np.int64), np.full(len(rows), np.nan)
        for task, path in done:
            counts = only is None or (task.fold_seed, task.fold) in only
            if task.fold_seed == fold_seed and counts:
                place, said = read_scored(path)
                probability[place] = said
                fold[fold_of == task.fold] = task.fold
        found.append(
            FoldPredictions(
                probability=probability, label=label, group=group.astype(np.int64), fold=fold
            )
        )
    return found


def is_scored(folder: StudyFolder, task: Task) -> bool:
    """Tell whether what a fold run says of its images is still there and whole."""
    try:
        read_scored(_scored(folder, task))
    except LedgerError:
        return False
    return True


def read_scored(path: Path) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the places of a fold's images, (n,), and the probability of each, (n,).

    Raises ``LedgerError`` when the file is gone or damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            return stored["place"].astype(np.int64), stored["probability"].astype(np.float64)
    except TORN as error:
        raise LedgerError(
            f"{path}: missing or damaged, though its training has ended; restore it from a copy, "
            "or start a new study with another --name"
        ) from error


def _complete_runs(
    folder: StudyFolder, stage: Ledger, number: int, plan: FinalistPlan
) -> list[tuple[Task, Path]]:
    """Return the fold runs of a finalist that the plan asks for and that have ended well."""
    pairs = [(item.number, item.epochs) for item in plan.finalists if item.number == number]
    first, rest = fold_tasks(pairs, folds=plan.folds, fold_seeds=plan.fold_seeds)
    wanted, planned = set(latest_of(stage, [*first, *rest])), planned_tasks(stage)
    done = [planned[run.number] for run in stage.look().records() if run.state == "complete"]
    return [(task, _scored(folder, task)) for task in done if task in wanted]


def _scored(folder: StudyFolder, task: Task) -> Path:
    return folder.trial(task.number) / task.folder / "out_of_fold.npz"


def write_out_of_fold(
    folder: StudyFolder, stage: Ledger, trial: TrialRecord, plan: FinalistPlan, *, seed: int
) -> None:
    """Write a finalist's pooled predictions, S fold seeds and n images, as ``.npz``.

    ``probability`` (S, n) of the positive class, ``label`` (n,), ``group`` (n,), ``fold`` (S, n).
    """
    found = fold_predictions(folder, stage, trial, plan, seed=seed)
    with replacing(folder.out_of_fold(trial.number)) as scratch:
        np.savez_compressed(
            scratch,
            probability=np.stack([item.probability for item in found]),
            label=found[0].label,
            group=found[0].group,
            fold=np.stack([item.fold for item in found]),
        )
