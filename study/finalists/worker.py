"""A worker of the finalists' stage: trains fold runs and refits as the search trains trials.

Started by the driver as ``python -m study.finalists.worker STUDY_FOLDER``.
"""

from __future__ import annotations

import time
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.samplers import RandomSampler
from optuna.trial import Trial, TrialState

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
from study.seeds import derive
from study.space import parse_space
from study.training.callbacks import predict
from study.training.loop import train
from study.variant import Variant
from study.workspace import StudyFolder


class FinalistTrainer:
    """Trains the tasks of one study; holds its images of training and validation."""

    def __init__(self, folder: StudyFolder, ledger: Ledger) -> None:
        self.folder, self.record = folder, ledger.read()
        self.variants = {trial.number: trial.variant for trial in self.record.trials}
        self.stage = ledger.stage(STAGE)
        self.stage.optuna_study.sampler = RandomSampler()
        self.pool = load_pool(folder, self.record)
        self.rows = sorted_part(Manifest.read(folder.manifest), POOLED)
        # The runs of one fold follow each other, so that one is enough.
        self.fold = lru_cache(maxsize=1)(self._fold)

    def run(self, ordinal: int) -> bool:
        """Take a task, train it, and tell the ledger; False when another worker took it."""
        task = planned_tasks(self.stage)[ordinal]
        trial = self.stage.optuna_study.ask()
        if not self.stage.claim(trial, ordinal):
            return False
        trial.set_user_attr("variant", self.variants[task.number])
        seed = task.seed(self.record.seed)
        trial.set_user_attr("plan", {"params": {}, "seed": seed, "label": task.label})
        trial.set_user_attr("started", now())
        began = time.monotonic()
        try:
            value, result = self._train(task, trial, seed)
        except Exception as error:  # whatever one network does, the others go on
            ended = "diverged" if isinstance(error, DivergedError) else "error"
            self.stage.drop(trial.number, ended, in_a_line(error))
            return True
        result |= {"seconds": round(time.monotonic() - began, 2), "ended": now()}
        trial.set_user_attr("result", result)
        self.stage.optuna_study.tell(trial, value, state=TrialState.COMPLETE)
        return True

    def _train(self, task: Task, trial: Trial, seed: int) -> tuple[float, dict[str, Any]]:
        place = self.folder.trial(task.number) / task.folder
        variant = Variant(**self.variants[task.number])
        protocol = replace(self.record.protocol, epochs=task.epochs)

        def report(epoch: int, score: float) -> bool:
            trial.report(score, epoch)
            return False

        if task.kind == "refit":
            probe = fixed_set(self.pool, protocol, seed=derive(self.record.seed, "refit", "probe"))
            score = refit(
                variant,
                protocol=protocol,
                part=self.pool,
                probe=probe,
                seed=seed,
                folder=place,
                on_epoch=report,
            )
            return score, {"epochs": task.epochs, "scores": {"train_f_med": score}}
        data = self.fold(task.folds, task.fold_seed, task.fold)
        result = train(
            variant, protocol=protocol, data=data.trial, seed=seed, folder=place, on_epoch=report
        )
        network = place / "model.keras"
        probability = predict(load_network(network), data.scored.images)
        write_scored(place / "out_of_fold.npz", data, probability)
        network.unlink()
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
    planned = predicted_memory(space, record.protocol, len(trainer.pool.labels))
    serve(trainer.stage, wanted_ordinals(trainer.stage), trainer.run, planned=planned)


def main() -> int:
    """Run the worker from the command line."""
    return worker_main("study.finalists.worker", work)


if __name__ == "__main__":
    raise SystemExit(main())
