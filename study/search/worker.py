"""A worker: a process that asks the ledger for a trial, trains it, tells, and asks again.

Started by the driver as ``python -m study.search.worker STUDY_FOLDER``. The ledger is all that it
shares with the driver; it ends by itself when no trial is left, and at once when the driver is
gone. It may be killed at any time: the driver, or the next run, takes up what it was doing.
"""

from __future__ import annotations

import argparse
import os
import sys
import threading
import time
from pathlib import Path

from optuna.trial import TrialState

from study.dataset.arrays import load_part
from study.dataset.draws import read_draws
from study.dataset.manifest import Manifest
from study.errors import StudyError
from study.ledger import Ledger, now
from study.records import StudyRecord
from study.search.sampler import Suggestion, ask
from study.seeds import derive
from study.space import Space, parse_space
from study.summary import ranked
from study.training.data import TrialData, assemble
from study.training.loop import train
from study.workspace import StudyFolder

MODELS_KEPT = 3
"""Networks kept on disk: those of the best trials, besides that of trial 0."""

TRIALS_OF_A_LIFE = 25
"""Trials after which a worker gives way to a fresh one: memory grows from trial to trial."""


def work(folder: StudyFolder, *, total: int) -> None:
    """Train trials until the ledger has none of ``total`` left to give, or it is time to retire."""
    ledger = Ledger.open(folder.path)
    record = ledger.read()
    space = parse_space(record.space["text"], name=record.space["name"], where="the ledger's space")
    data = load_data(folder, record)
    for _ in range(TRIALS_OF_A_LIFE):
        waiting = ledger.open_ordinals(total)
        if not waiting:
            break
        run_trial(ledger, waiting[0], record=record, space=space, data=data, folder=folder)


def load_data(folder: StudyFolder, record: StudyRecord) -> TrialData:
    """Return the training and validation parts of a study with their fixed sets."""
    manifest, root = Manifest.read(folder.manifest), Path(record.dataset["source"])
    return assemble(
        train=load_part(manifest, root, "train", record.protocol),
        validation=load_part(manifest, root, "validation", record.protocol),
        draws={part: read_draws(folder.draws(part)) for part in ("train", "validation")},
    )


def run_trial(
    ledger: Ledger,
    ordinal: int,
    *,
    record: StudyRecord,
    space: Space,
    data: TrialData,
    folder: StudyFolder,
) -> None:
    """Take one planned trial, train it, and tell the ledger what came of it."""
    suggestion = ask(ledger, ordinal, space=space, protocol=record.protocol, seed=record.seed)
    if suggestion is None:
        return
    trial, seed = suggestion.trial, derive(record.seed, "trial", ordinal)
    _describe(suggestion, space, seed)
    started = time.monotonic()
    try:
        result = train(
            suggestion.variant,
            protocol=record.protocol,
            data=data,
            seed=seed,
            folder=folder.trial(ordinal),
            on_epoch=lambda epoch, score: trial.report(score, epoch),
        )
    except Exception as error:  # whatever one network does, the search goes on
        line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        ledger.drop(trial.number, "error", line)
        return
    for key, value in {
        **vars(result),
        "seconds": round(time.monotonic() - started, 2),
        "ended": now(),
    }.items():
        trial.set_user_attr(key, value)
    ledger.optuna_study.tell(trial, result.scores["validation_f_med"], state=TrialState.COMPLETE)
    _drop_models(ledger, folder)


def _describe(suggestion: Suggestion, space: Space, seed: int) -> None:
    variant = suggestion.variant.as_dict()
    for key, value in {
        "variant": variant,
        "params": {item.name: variant[item.name] for item in space.parameters},
        "parameters": suggestion.capacity.parameters,
        "macs": suggestion.capacity.macs,
        "seed": seed,
        "started": now(),
    }.items():
        suggestion.trial.set_user_attr(key, value)


def _drop_models(ledger: Ledger, folder: StudyFolder) -> None:
    """Delete the networks of trials that are not among the best few."""
    complete = [trial for trial in ranked(ledger.read()) if trial.state == "complete"]
    for trial in complete[MODELS_KEPT:]:
        if trial.number != 0:
            folder.model(trial.number).unlink(missing_ok=True)


def _end_with_parent() -> None:
    """End this process when its standard input is closed: the driver is gone."""

    def wait() -> None:
        # Not through sys.stdin, whose lock would still be held when this process ends.
        while os.read(0, 4096):
            pass
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def main() -> int:
    """Run the worker from the command line."""
    parser = argparse.ArgumentParser(prog="python -m study.search.worker")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--trials", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    arguments = parser.parse_args()
    _end_with_parent()
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(arguments.threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    try:
        work(StudyFolder(arguments.folder), total=arguments.trials)
    except StudyError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
