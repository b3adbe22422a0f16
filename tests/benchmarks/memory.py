"""Resident memory of workers over many short trials of the reference network."""

from __future__ import annotations

import statistics
import tempfile
from argparse import ArgumentParser, Namespace
from itertools import count
from pathlib import Path

from study.protocol import Protocol
from study.space import parse_space
from study.variant import REFERENCE
from study.workspace import StudyFolder
from tests.benchmarks.loops import make_study
from tests.benchmarks.result import Figure, Result
from tests.benchmarks.turns import Rival, Turn

MEGABYTES, GROWTH = 900.0, 5.0
"""Most after any trial; most percent of growth within a worker's life, from its first trial on."""

SPACE = f"""
question = "How much memory does the reference network take, trial after trial?"
[parameters.learning_rate]
type = "float"
low = 5e-4
high = 2e-3
why = "Trials that differ, of networks that do not."
[fixed]
padding = "{REFERENCE.padding}"
"""


def add_options(parser: ArgumentParser) -> None:
    parser.add_argument("--trials", type=int, default=50, help="trials in all")
    parser.add_argument("--epochs", type=int, default=2, help="epochs of a trial")
    parser.add_argument("--samples", type=int, default=640, help="training samples of an epoch")
    parser.add_argument("--threads", type=int, default=1, help="threads of the worker")


def run(options: Namespace) -> Result:
    protocol = Protocol(epochs=options.epochs, samples_per_epoch=options.samples)
    space = parse_space(SPACE, name="reference", where="the benchmark's space")
    with tempfile.TemporaryDirectory() as scratch:
        study = make_study(Path(scratch) / "runs", protocol, space=space).path
        lives: list[list[float]] = []
        while (left := options.trials - sum(map(len, lives))) > 0:
            with Rival(trials, study, options.trials - left, threads=options.threads) as worker:
                found = [worker.warm_up]
                while len(found) < left and not found[-1]["retires"]:
                    found.append(worker.turn())
            lives.append([item["resident"] / 1e6 for item in found])
    highest = max(map(max, lives))
    kept = [(life[-1] - life[0]) / (len(life) - 1) for life in lives if len(life) > 1]
    figures = (
        Figure(name="after the first trial of a worker", value=median(lives, 0), unit="MB"),
        Figure(name="after its last trial", value=median(lives, -1), unit="MB"),
        Figure(name="highest after a trial", value=highest, unit="MB", high=MEGABYTES),
        Figure(
            name="growth within a life, most",
            value=max(100 * (max(life) / life[0] - 1) for life in lives),
            unit="%",
            high=GROWTH,
        ),
        Figure(name="growth a trial", value=statistics.median(kept) if kept else 0.0, unit="MB"),
        Figure(name=f"workers for {options.trials} trials", value=len(lives)),
    )
    return Result(figures=figures, details={"megabytes": lives})


def median(lives: list[list[float]], trial: int) -> float:
    return statistics.median(life[trial] for life in lives)


def trials(turn: Turn, path: Path, done: int) -> None:
    """Run trials one after another as a worker does, until it is stopped; a turn is a trial."""
    import psutil

    from study.ledger import Ledger
    from study.search import worker
    from study.search.resources import predicted_memory
    from study.search.serving import has_grown
    from study.search.strategy import make_pruner

    folder, ledger = StudyFolder(path), Ledger.open(path)
    record = ledger.read()
    ledger.optuna_study.pruner = make_pruner(record.search, record.protocol)
    space = parse_space(record.space["text"], name=record.space["name"], where="the ledger's space")
    data = worker.load_data(folder, record)
    images = len(data.train.labels) + len(data.validation.labels)
    planned = predicted_memory(space, record.protocol, images)
    first = None
    for ordinal in count(done):
        worker.run_trial(ledger, ordinal, record=record, space=space, data=data, folder=folder)
        resident = psutil.Process().memory_info().rss
        first = first or resident
        retires = has_grown(resident, first=first, planned=planned)
        turn(resident=resident, retires=retires)
