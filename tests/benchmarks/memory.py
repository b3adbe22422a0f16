"""Resident memory of a worker over many short trials of the reference network."""

from __future__ import annotations

import tempfile
from argparse import ArgumentParser, Namespace
from pathlib import Path

from study.protocol import Protocol
from study.space import parse_space
from study.variant import REFERENCE
from study.workspace import StudyFolder
from tests.benchmarks.loops import make_study
from tests.benchmarks.result import Figure, Result
from tests.benchmarks.turns import Rival, Turn

MEGABYTES, GROWTH = 900.0, 5.0
"""Most after any trial; most percent of growth from the first trial to the last."""

SETTLED = 5
"""Trial from which the growth is told as well: the first few fill caches."""

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
    parser.add_argument("--trials", type=int, default=50, help="trials in one process")
    parser.add_argument("--epochs", type=int, default=2, help="epochs of a trial")
    parser.add_argument("--samples", type=int, default=640, help="training samples of an epoch")
    parser.add_argument("--threads", type=int, default=1, help="threads of the worker")


def run(options: Namespace) -> Result:
    protocol = Protocol(epochs=options.epochs, samples_per_epoch=options.samples)
    space = parse_space(SPACE, name="reference", where="the benchmark's space")
    with tempfile.TemporaryDirectory() as scratch:
        study = make_study(Path(scratch) / "runs", protocol, space=space).path
        with Rival(trials, study, options.trials, threads=options.threads) as worker:
            found = [worker.warm_up, *(worker.turn() for _ in range(options.trials - 1))]
    resident = [item["resident"] / 1e6 for item in found]
    retired = [k + 1 for k, item in enumerate(found) if item["retires"]]
    start = min(SETTLED, len(resident))
    growth, late = (100 * (resident[-1] / resident[k - 1] - 1) for k in (1, start))
    figures = (
        Figure(name="after the first trial", value=resident[0], unit="MB"),
        Figure(name=f"after trial {start}", value=resident[start - 1], unit="MB"),
        Figure(name=f"after trial {len(resident)}", value=resident[-1], unit="MB"),
        Figure(name="highest after a trial", value=max(resident), unit="MB", high=MEGABYTES),
        Figure(name="growth from the first trial", value=growth, unit="%", high=GROWTH),
        Figure(name=f"growth from trial {start}", value=late, unit="%"),
        Figure(name="trials after which it would have retired", value=len(retired)),
    )
    return Result(figures=figures, details={"megabytes": resident, "retires": retired})


def trials(turn: Turn, path: Path, total: int) -> None:
    """Run trials one after another as a worker does, but without retiring; a turn is a trial."""
    import psutil

    from study.ledger import Ledger
    from study.search import worker
    from study.search.resources import predicted_memory
    from study.search.strategy import make_pruner

    folder, ledger = StudyFolder(path), Ledger.open(path)
    record = ledger.read()
    ledger.optuna_study.pruner = make_pruner(record.search, record.protocol)
    space = parse_space(record.space["text"], name=record.space["name"], where="the ledger's space")
    data = worker.load_data(folder, record)
    images = len(data.train.labels) + len(data.validation.labels)
    planned = predicted_memory(space, record.protocol, images)
    first = None
    for ordinal in range(total):
        worker.run_trial(ledger, ordinal, record=record, space=space, data=data, folder=folder)
        resident = psutil.Process().memory_info().rss
        first = first or resident
        retires = worker.has_grown(resident, first=first, planned=planned)
        turn(resident=resident, retires=retires)
