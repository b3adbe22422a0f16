"""A worker: a process that asks the ledger for a trial, trains it, tells, and asks again.

Started by the driver as ``python -m study.search.worker STUDY_FOLDER``. The ledger is all that it
shares with the driver; it ends by itself when no trial is left, and at once when the driver is
gone. It may be killed at any time: the driver, or the next run, takes up what it was doing.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from optuna.trial import TrialState

from study.dataset.arrays import load_part
from study.dataset.draws import read_draws
from study.dataset.manifest import Manifest
from study.errors import DivergedError, in_a_line
from study.ledger import Ledger, now
from study.records import StudyRecord
from study.search.kept_models import drop_models
from study.search.resources import predicted_memory
from study.search.sampler import FIRST, Suggestion, ask
from study.search.serving import serve, worker_main
from study.search.strategy import make_pruner
from study.seeds import derive
from study.space import Space, parse_space
from study.training.data import TrialData, assemble
from study.training.examples import write_examples
from study.training.loop import train
from study.workspace import StudyFolder


def work(folder: StudyFolder, *, total: int) -> None:
    """Train trials until the ledger has none of ``total`` left to give, or it is time to retire."""
    ledger = Ledger.open(folder.path)
    record = ledger.read()
    ledger.optuna_study.pruner = make_pruner(record.search, record.protocol)
    space = parse_space(record.space["text"], name=record.space["name"], where="the ledger's space")
    data = load_data(folder, record)
    leave_examples(folder, record, data)
    images = len(data.train.labels) + len(data.validation.labels)
    planned = predicted_memory(space, record.protocol, images)

    def run(ordinal: int) -> bool:
        return run_trial(ledger, ordinal, record=record, space=space, data=data, folder=folder)

    serve(ledger, range(total), run, planned=planned)


def load_data(folder: StudyFolder, record: StudyRecord) -> TrialData:
    """Return the training and validation parts of a study with their fixed sets."""
    manifest, root = Manifest.read(folder.manifest), Path(record.dataset["source"])
    return assemble(
        train=load_part(manifest, root, "train", record.protocol),
        validation=load_part(manifest, root, "validation", record.protocol),
        draws={part: read_draws(folder.draws(part)) for part in ("train", "validation")},
    )


def leave_examples(folder: StudyFolder, record: StudyRecord, data: TrialData) -> None:
    """Write the study's example images unless they are there; say so when it is not possible."""
    if folder.examples.is_file():
        return
    try:
        write_examples(folder.examples, data.train, record.protocol.augmentation, seed=record.seed)
    except Exception as error:  # a picture is no reason to end a search
        print(f"{folder.examples}: not written, {in_a_line(error)}", file=sys.stderr)


def run_trial(
    ledger: Ledger,
    ordinal: int,
    *,
    record: StudyRecord,
    space: Space,
    data: TrialData,
    folder: StudyFolder,
) -> bool:
    """Take one planned trial, train it, and tell the ledger what came of it.

    Returns False when another worker took it first.
    """
    suggestion = ask(
        ledger,
        ordinal,
        space=space,
        protocol=record.protocol,
        search=record.search,
        seed=record.seed,
    )
    if suggestion is None:
        return False
    trial, seed = suggestion.trial, derive(record.seed, "trial", ordinal)
    _describe(suggestion, space, seed)
    started = time.monotonic()

    def report(epoch: int, score: float) -> bool:
        trial.report(score, epoch)
        # The references run to their end, to be compared with; the pruner learns from them all
        # the same, and some only do when they are asked.
        return trial.should_prune() and ordinal >= len(FIRST)

    try:
        result = train(
            suggestion.variant,
            protocol=record.protocol,
            data=data,
            seed=seed,
            folder=folder.trial(ordinal),
            on_epoch=report,
        )
    except Exception as error:  # whatever one network does, the search goes on
        ended = "diverged" if isinstance(error, DivergedError) else "error"
        ledger.drop(trial.number, ended, in_a_line(error))
        return True
    seconds = round(time.monotonic() - started, 2)
    trial.set_user_attr("result", {**vars(result), "seconds": seconds, "ended": now()})
    pruned = result.stopped_by == "pruned"
    ledger.optuna_study.tell(
        trial,
        None if pruned else result.scores["validation_f_med"],
        state=TrialState.PRUNED if pruned else TrialState.COMPLETE,
    )
    if not pruned:
        drop_models(folder, ledger.read(), completed=ordinal)
    return True


def _describe(suggestion: Suggestion, space: Space, seed: int) -> None:
    variant, trial = suggestion.variant.as_dict(), suggestion.trial
    plan = {
        "params": {item.name: variant[item.name] for item in space.parameters},
        "parameters": suggestion.capacity.parameters,
        "macs": suggestion.capacity.macs,
        "seed": seed,
    }
    trial.set_user_attr("plan", plan)
    trial.set_user_attr("started", now())


def main() -> int:
    """Run the worker from the command line."""
    return worker_main("study.search.worker", lambda folder, trials: work(folder, total=trials))


if __name__ == "__main__":
    raise SystemExit(main())
