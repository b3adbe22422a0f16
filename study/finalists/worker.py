"""A worker of the finalists' stage: trains its tasks as the search's worker trains trials.

Started by the driver as ``python -m study.finalists.worker STUDY_FOLDER``.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.samplers import RandomSampler
from optuna.trial import TrialState

from study.dataset.arrays import PartArrays
from study.dataset.images import file_digest
from study.dataset.manifest import Manifest, sorted_part
from study.errors import DivergedError, in_a_line
from study.files import replacing
from study.finalists.division import POOLED, division
from study.finalists.folds import FoldData, fixed_set, fold_data, load_pool
from study.finalists.refit import refit
from study.finalists.tasks import STAGE, Task, division_seed, planned_tasks, wanted_ordinals
from study.ledger import Ledger, now
from study.model.load import load_network
from study.search.resources import predicted_memory
from study.search.serving import serve, worker_main
from study.search.worker import load_data
from study.seeds import derive
from study.space import parse_space
from study.training.callbacks import predict
from study.training.data import TrialData
from study.training.loop import train
from study.variant import Variant
from study.workspace import StudyFolder

Report = Callable[[int, float], bool]
"""Gets the epoch, from 1, and its score; returns whether the training is to be pruned."""

Outcome = tuple[float, dict[str, Any]]
"""The value of a training, and its result as the ledger keeps it."""


class FinalistTrainer:
    """Trains the tasks of one study; holds its images of training and validation."""

    def __init__(self, folder: StudyFolder, ledger: Ledger) -> None:
        self.folder, self.record = folder, ledger.read()
        self.variants = {trial.number: trial.variant for trial in self.record.trials}
        self.stage = ledger.stage(STAGE)
        self.stage.optuna_study.sampler = RandomSampler()
        self.rows = sorted_part(Manifest.read(folder.manifest), POOLED)
        # The runs of one fold follow each other, so that one is enough.
        self.fold = lru_cache(maxsize=1)(self._fold)

    @cached_property
    def pool(self) -> PartArrays:
        """The images of training and validation."""
        return load_pool(self.folder, self.record)

    def run(self, ordinal: int) -> bool:
        """Take a task, train it, and tell the ledger; False when another worker took it."""
        task = planned_tasks(self.stage)[ordinal]
        trial = self.stage.optuna_study.ask()
        if not self.stage.claim(trial, ordinal):
            return False
        trial.set_user_attr("variant", self.variants[task.number])
        plan = {"params": {}, "seed": task.seed(self.record.seed), "label": task.label}
        trial.set_user_attr("plan", plan)
        trial.set_user_attr("started", now())
        began = time.monotonic()

        def report(epoch: int, score: float) -> bool:
            trial.report(score, epoch)
            return False

        train = {"fold": self._fold_run, "refit": self._refit, "checkpoint": self._checkpoint}
        try:
            value, result = train[task.kind](task, report)
        except Exception as error:  # whatever one network does, the others go on
            ended = "diverged" if isinstance(error, DivergedError) else "error"
            self.stage.drop(trial.number, ended, in_a_line(error))
            return True
        result |= {"seconds": round(time.monotonic() - began, 2), "ended": now()}
        trial.set_user_attr("result", result)
        self.stage.optuna_study.tell(trial, value, state=TrialState.COMPLETE)
        return True

    def _fold_run(self, task: Task, report: Report) -> Outcome:
        """Train a finalist on a fold, and keep what it says of the images that score."""
        place = self.folder.trial(task.number) / task.folder
        data = self.fold(task.folds, task.fold_seed, task.fold)
        found = self._train(task, data.trial, report)
        network = place / "model.keras"
        probability = predict(load_network(network), data.scored.images)
        write_scored(place / "out_of_fold.npz", data, probability)
        network.unlink()
        return found

    def _refit(self, task: Task, report: Report) -> Outcome:
        """Train the winner on all images of training and validation."""
        place, record = self.folder.trial(task.number) / task.folder, self.record
        score = refit(
            Variant(**self.variants[task.number]),
            protocol=replace(record.protocol, epochs=task.epochs),
            part=self.pool,
            probe=fixed_set(self.pool, record.protocol, seed=derive(record.seed, "refit", "probe")),
            seed=task.seed(record.seed),
            folder=place,
            on_epoch=report,
        )
        digest = file_digest(place / "model.keras")
        scores = {"train_f_med": score}
        return score, {"epochs": task.epochs, "scores": scores, "model_digest": digest}

    def _checkpoint(self, task: Task, report: Report) -> Outcome:
        """Train a trial as the search did, and put the network where the search had it.

        What it says of the validation images comes with it; all else that the search left stays.
        """
        own, place = self.folder.trial(task.number), self.folder.trial(task.number) / task.folder
        value, result = self._train(task, load_data(self.folder, self.record), report)
        digest = file_digest(place / "model.keras")
        for name in ("validation_predictions.npz", "model.keras"):
            (place / name).replace(own / name)
        return value, result | {"model_digest": digest}

    def _train(self, task: Task, data: TrialData, report: Report) -> Outcome:
        """Train with the full loop."""
        result = train(
            Variant(**self.variants[task.number]),
            protocol=replace(self.record.protocol, epochs=task.epochs),
            data=data,
            seed=task.seed(self.record.seed),
            folder=self.folder.trial(task.number) / task.folder,
            on_epoch=report,
        )
        return result.scores["validation_f_med"], dict(vars(result))

    def _fold(self, folds: int, fold_seed: int, fold: int) -> FoldData:
        fold_of = division(self.rows, folds=folds, seed=division_seed(self.record.seed, fold_seed))
        return fold_data(
            self.pool,
            fold_of,
            fold,
            protocol=self.record.protocol,
            seed=derive(self.record.seed, "folds", folds, fold_seed, fold),
        )


def write_scored(path: Path, data: FoldData, probability: NDArray[np.float64]) -> None:
    """Write what a fold run says of the images that it did not see: ``place``, ``probability``."""
    with replacing(path) as scratch:
        np.savez_compressed(scratch, place=data.places, probability=probability)


def work(folder: StudyFolder, _trials: int) -> None:
    """Train what the ledger's stage is after, until nothing of it is open."""
    ledger = Ledger.open(folder.path)
    trainer = FinalistTrainer(folder, ledger)
    record = trainer.record
    space = parse_space(record.space["text"], name=record.space["name"], where="the ledger's space")
    planned = predicted_memory(space, record.protocol, len(trainer.rows))
    serve(trainer.stage, wanted_ordinals(trainer.stage), trainer.run, planned=planned)


def main() -> int:
    """Run the worker from the command line."""
    return worker_main("study.finalists.worker", work)


if __name__ == "__main__":
    raise SystemExit(main())
