"""Trials an hour and best F_med after the same time: this program, Optuna alone, keras-tuner."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from study.ledger import Ledger
from study.protocol import Protocol
from study.summary import ranked
from study.workspace import StudyFolder
from tests.benchmarks.loops import make_study
from tests.benchmarks.result import Figure, Result
from tests.benchmarks.turns import Rival, Turn

OURS = "this program"
MOST_TRIALS = 1_000
"""More than any of them ends in the time."""


def add_options(parser: ArgumentParser) -> None:
    parser.add_argument("--minutes", type=float, default=30.0, help="time of each")
    parser.add_argument("--samples", type=int, default=10_000, help="training samples of an epoch")
    parser.add_argument(
        "--validation-samples", type=int, default=1_000, help="size of the fixed sets"
    )
    parser.add_argument("--epochs", type=int, default=1_000, help="most epochs of a trial")
    parser.add_argument(
        "--tuner-epochs", type=int, default=100, help="Hyperband's max_epochs, which shapes it"
    )


def run(options: Namespace) -> Result:
    protocol = Protocol(
        epochs=options.epochs,
        samples_per_epoch=options.samples,
        validation_samples=options.validation_samples,
    )
    with tempfile.TemporaryDirectory() as scratch:
        folder = make_study(Path(scratch) / "runs", protocol)
        found = {OURS: _ours(folder, Path(scratch), protocol, 60 * options.minutes)}
        for name in ("plain_optuna", "tuner_hyperband"):
            found[name] = _rival(name, folder, Path(scratch) / name, options)
        files = {name: item.pop("network") for name, item in found.items()}
        with Rival(judge, folder.path, files) as judging:
            for name, scores in judging.warm_up["scores"].items():
                found[name] |= scores
    figures = [figure for name, item in found.items() for figure in _figures(name, item)]
    for name in ("plain_optuna", "tuner_hyperband"):
        epochs = found[name]["epochs an hour"]
        if epochs:
            ratio = found[OURS]["epochs an hour"] / epochs
            label = f"epochs an hour, {OURS} against {name}"
            figures.append(Figure(name=label, value=ratio, unit="times"))
    return Result(figures=tuple(figures), details=found)


def _figures(name: str, found: dict[str, Any]) -> list[Figure]:
    figures = [
        Figure(name=f"{name}: {key}", value=found[key])
        for key in ("trials an hour", "complete trials", "epochs an hour")
    ]
    if "augmented" not in found:
        return figures  # not one trial was completed
    return [
        *figures,
        Figure(name=f"{name}: best F_med, augmented validation set", value=found["augmented"]),
        Figure(name=f"{name}: the same network, plain validation images", value=found["plain"]),
    ]


def _ours(folder: StudyFolder, scratch: Path, protocol: Protocol, seconds: float) -> dict[str, Any]:
    """Go on with the study as a user would, for some time."""
    command = [sys.executable, "-m", "study", "run", "--data", "phantom", "--quiet"]
    options = {
        "--name": folder.path.name,
        "--runs": folder.path.parent,
        "--reports": scratch / "reports",
        "--trials": MOST_TRIALS,
        "--timeout": f"{seconds:g}s",
        "--epochs": protocol.epochs,
        "--samples-per-epoch": protocol.samples_per_epoch,
        "--validation-samples": protocol.validation_samples,
    }
    began = time.monotonic()
    words = [str(word) for pair in options.items() for word in pair]
    status = subprocess.run([*command, *words], check=False).returncode
    if status not in (0, 1):  # 1: not one trial was completed
        raise RuntimeError(f"study run ended with status {status}")
    took = time.monotonic() - began
    ledger = Ledger.open(folder.path)
    trials = ledger.read().trials
    best = [trial.number for trial in ranked(ledger.read()) if trial.state == "complete"][:1]
    ledger.close()
    ended = [trial for trial in trials if trial.state in ("complete", "pruned")]
    complete = sum(trial.state == "complete" for trial in ended)
    epochs = sum(trial.epochs for trial in trials)
    network = folder.model(best[0]) if best else None
    return _counts(len(ended), complete, epochs, seconds) | {"seconds": took, "network": network}


def _rival(name: str, folder: StudyFolder, out: Path, options: Namespace) -> dict[str, Any]:
    seconds = 60 * options.minutes
    arguments = (name, folder.path, out, seconds, options.tuner_epochs)
    with Rival(search, *arguments) as rival:
        found = rival.warm_up
    network = out / "best.keras"
    return _counts(found["trials"], found["complete"], found["epochs"], seconds) | {
        "seconds": found["seconds"],
        "network": network if network.exists() else None,
    }


def _counts(trials: int, complete: int, epochs: int, seconds: float) -> dict[str, Any]:
    hours = seconds / 3600
    return {
        "trials an hour": trials / hours,
        "complete trials": complete,
        "epochs an hour": epochs / hours,
    }


def search(turn: Turn, name: str, *arguments: Any) -> None:
    """Run one of the rivals' searches with the library's own settings of threads."""
    from tests.benchmarks import rival_loops

    getattr(rival_loops, name)(turn, *arguments)


def judge(turn: Turn, path: Path, files: dict[str, Path | None]) -> None:
    """Judge each tool's best network on the study's validation sets, all in the same way."""
    import keras
    import numpy as np

    from study import metrics
    from study.search.worker import load_data
    from study.training.callbacks import predict

    ledger = Ledger.open(path)
    data = load_data(StudyFolder(path), ledger.read())
    ledger.close()
    scores = {}
    for name, file in files.items():
        if file is None:
            continue
        network = keras.saving.load_model(file, compile=False)
        scores[name] = {}
        for key, item in zip(("augmented", "plain"), data.sets[1:], strict=True):
            chance = predict(network, np.asarray(item.images, np.float32))
            scores[name][key] = metrics.binary_scores(item.labels, chance)["f_med"]
    turn(scores=scores)
