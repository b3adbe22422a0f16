"""How long the report of a large study takes to build, how large it is, how soon it can be used."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from study.protocol import Protocol
from study.records import HISTORY_COLUMNS, SCORES, VIEWS
from study.training.callbacks import write_history
from study.workspace import StudyFolder
from tests.benchmarks.loops import make_study
from tests.benchmarks.result import Figure, Result

EXPECTED = {1_000: (10.0, 15.0, 2.0), 10_000: (60.0, 40.0, None)}
"""Trials to most seconds of building, most megabytes, most seconds until the page can be used."""

GROUPS, SAMPLES = 10, 100
"""Validation groups, half of each class, and augmented samples of each."""

COMPLETE = 5
"""One trial in as many is complete, the others pruned: after as many epochs."""


def add_options(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--sizes", type=int, nargs="+", default=[1_000, 10_000], help="trials of each study"
    )
    parser.add_argument("--epochs", type=int, default=100, help="epochs of each trial")
    parser.add_argument("--keep", help="folder in which the pages are kept")


def run(options: Namespace) -> Result:
    figures: list[Figure] = []
    for size in options.sizes:
        seconds, megabytes, ready = EXPECTED.get(size, (None, None, None))
        with tempfile.TemporaryDirectory() as scratch:
            runs, reports = Path(scratch) / "runs", Path(scratch) / "reports"
            folder = make_study(runs, Protocol())
            fill(folder, size, options.epochs)
            built = _build(runs, reports)
            page = reports / folder.path.name / "index.html"
            name = f"{size:,} trials"
            figures += [
                Figure(name=f"{name}: study report", value=built, unit="s", high=seconds),
                Figure(
                    name=f"{name}: size of the page",
                    value=page.stat().st_size / 1e6,
                    unit="MB",
                    high=megabytes,
                ),
                Figure(
                    name=f"{name}: opened until a click opens a trial",
                    value=_ready(page),
                    unit="s",
                    high=ready,
                ),
            ]
            if options.keep:
                kept = Path(options.keep)
                kept.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(page, kept / f"{size}.html")
    return Result(figures=tuple(figures))


def _build(runs: Path, reports: Path) -> float:
    """Return the seconds of the whole command, from its start to its end."""
    command = [sys.executable, "-m", "study", "report", "benchmark"]
    began = time.perf_counter()
    subprocess.run(
        [*command, "--runs", str(runs), "--reports", str(reports)],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return time.perf_counter() - began


def _ready(page: Path) -> float:
    """Return the seconds from opening the page until a click in its table has opened a trial.

    The middle of three visits, each with a browser context of its own.
    """
    from playwright.sync_api import sync_playwright

    found = []
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for _ in range(3):
            tab = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
            began = time.perf_counter()
            tab.goto(page.as_uri() + "#ranking")
            tab.click("#trials-table tbody tr:nth-child(3) td:nth-child(4)")
            tab.wait_for_selector('[data-score="loss"] svg.main-svg')
            found.append(time.perf_counter() - began)
        browser.close()
    return sorted(found)[1]


def fill(folder: StudyFolder, size: int, epochs: int) -> None:
    """Put trials with their artifacts into a study."""
    import optuna
    from sqlalchemy import event

    from study.ledger import Ledger

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    ledger = Ledger.open(folder.path)
    storage = ledger.optuna_study._storage
    engine = storage._backend.engine
    engine.dispose()

    @event.listens_for(engine, "connect")
    def _fast(connection: Any, _: Any) -> None:
        connection.execute("PRAGMA synchronous=OFF")

    for number, trial in enumerate(_trials(size, epochs)):
        storage.create_new_trial(ledger._study_id, template_trial=trial)
        _write_artifacts(folder.trial(number), number, epochs)
    ledger.update(requested=size)
    ledger.close()


def curve(number: int, epochs: int) -> np.ndarray[Any, Any]:
    """Return a validation F_med by epoch, (epochs,)."""
    rng = np.random.default_rng(number)
    rise = rng.uniform(0.5, 0.85) * (1 - np.exp(-np.arange(1, epochs + 1) / rng.uniform(4, 30)))
    return np.clip(rise + rng.normal(0, 0.02, epochs), 0, 1)


def _trials(size: int, epochs: int) -> Iterator[Any]:
    import optuna
    from optuna.trial import TrialState, create_trial

    from study.ledger import distributions, now
    from study.model.capacity import capacity
    from study.space import find_space

    space, shape = find_space("seed"), Protocol().image_shape
    items = distributions(space)
    drawn = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for number in range(size):
        params = drawn.ask(items).params
        variant = space.variant(params)
        scores = curve(number, epochs)
        best = int(np.argmax(scores))
        pruned = number % COMPLETE != 0
        result = {
            "best_epoch": best + 1,
            "epochs": epochs,
            "stopped_by": "pruned" if pruned else "patience",
            "scores": {f"{view}_{item}": float(scores[best]) for view in VIEWS for item in SCORES},
            "validation_f_med_smooth": float(scores[best]) - 0.02,
            "diagnosis": _diagnosis(number),
        }
        yield create_trial(
            state=TrialState.PRUNED if pruned else TrialState.COMPLETE,
            value=float(scores[best]),
            params=params,
            distributions=items,
            intermediate_values={k + 1: float(value) for k, value in enumerate(scores)},
            user_attrs={
                "worker": f"host:{number % 2}",
                "ordinal": number,
                "variant": variant.as_dict(),
                "plan": {"params": params, **vars(capacity(variant, shape)), "seed": number},
                "started": now(),
                "result": {**result, "seconds": 300.0 + number % 7, "ended": now()},
            },
        )


def _diagnosis(number: int) -> dict[str, Any]:
    side = {"verdict": ("clear", "likely", "within the noise")[number % 3]}
    return {
        "kind": "high variance",
        "bias": {"verdict": "within the noise"},
        "variance": {**side, "loss_ratio": 1 + number % 10 / 10},
        "target": 0.9,
        "gap": 0.01 * (number % 20),
        "standard_error": 0.03,
        "best_train_f_med": 0.9,
        "advice": ["Validation falls behind training: fewer filters or more dropout."],
    }


def _write_artifacts(folder: Path, number: int, epochs: int) -> None:
    """Write what the report reads of a trial."""
    folder.mkdir(parents=True)
    scores = curve(number, epochs)
    shared = dict.fromkeys(HISTORY_COLUMNS[2:], 0.0)
    rows = [
        {**dict.fromkeys(shared, value + 1e-06 * k), "epoch": k + 1.0, "seconds": 3.0 * k}
        for k, value in enumerate(scores)
    ]
    write_history(folder / "history.csv", rows)
    rng, label = np.random.default_rng(number), np.arange(GROUPS) % 2
    np.savez_compressed(
        folder / "validation_counts.npz",
        augmented=rng.binomial(SAMPLES, scores[:, None], (epochs, GROUPS)).astype(np.int32),
        plain=rng.binomial(5, scores[:, None], (epochs, GROUPS)).astype(np.int32),
        augmented_total=np.full(GROUPS, SAMPLES),
        plain_total=np.full(GROUPS, 5),
        label=label,
    )
    np.savez_compressed(
        folder / "validation_predictions.npz",
        probability=rng.uniform(size=5 * GROUPS),
        label=np.repeat(label, 5),
        group=np.repeat(np.arange(GROUPS), 5),
    )
