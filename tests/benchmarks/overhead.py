"""Seconds of a trial outside its training, with ledgers of many trials, against Optuna alone."""

from __future__ import annotations

import tempfile
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from study.protocol import Protocol
from study.records import SCORES, VIEWS
from study.workspace import StudyFolder
from tests.benchmarks.loops import make_study
from tests.benchmarks.result import Figure, Result
from tests.benchmarks.turns import Found, Rival, Turn, in_turn, median_ratio

RATIO, LARGE = 1.5, 1_000
"""Most that a trial may cost, as a multiple of Optuna's own, with a ledger of this size or more."""

EPOCHS, REPORTED = 30, 20
"""Most epochs of a told trial; the one that is reported, past two rungs of the pruner."""

PLAIN = "plain"


def add_options(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--sizes", type=int, nargs="+", default=[0, 1_000, 10_000], help="told trials"
    )
    parser.add_argument("--trials", type=int, default=20, help="trials of each, in turn")


def run(options: Namespace) -> Result:
    figures, details = [], {}
    for size in options.sizes:
        with tempfile.TemporaryDirectory() as scratch:
            study = make_study(Path(scratch) / "runs", Protocol()).path
            database = Path(scratch) / "plain.db"
            fill(study, database, size)
            with (
                Rival(our_trials, study, size, options.trials, threads=1) as ours,
                Rival(optuna_trials, database, threads=1) as plain,
            ):
                first = {"ours": ours.warm_up["seconds"], PLAIN: plain.warm_up["seconds"]}
                found = in_turn({"ours": ours, PLAIN: plain}, options.trials)
        details[str(size)] = {**found, "first trial of a process": first}
        figures += _figures(size, found)
    return Result(figures=tuple(figures), details=details)


def _figures(size: int, found: dict[str, list[Found]]) -> list[Figure]:
    ours, plain = ([item["seconds"] for item in found[name]] for name in ("ours", PLAIN))
    ticks, asked = ([item[key] for item in found["ours"]] for key in ("ticks", "asked"))
    asking = [median(item["asking"] for item in found[name]) for name in ("ours", PLAIN)]
    told = f"{size:,} told"
    return [
        Figure(name=f"{told}: ours, driver included", value=1e3 * median(ours), unit="ms"),
        Figure(name=f"{told}: of that the driver, two ticks", value=1e3 * median(ticks), unit="ms"),
        Figure(name=f"{told}: of that asking", value=1e3 * asking[0], unit="ms"),
        Figure(name=f"{told}: suggestions a trial", value=float(np.mean(asked))),
        Figure(name=f"{told}: Optuna alone", value=1e3 * median(plain), unit="ms"),
        Figure(name=f"{told}: of that asking, Optuna alone", value=1e3 * asking[1], unit="ms"),
        Figure(
            name=f"{told}: ours against Optuna alone",
            value=median_ratio(ours, plain),
            unit="times",
            high=RATIO if size >= LARGE else None,
        ),
    ]


def our_trials(turn: Turn, path: Path, told: int, trials: int) -> None:
    """Run trials as a worker does, but for the training; a turn is a trial.

    The driver looks twice, in the same process but with an eye of its own: while the trial runs
    and when it has ended. In a study it does so beside the workers.
    """
    from study.ledger import Ledger
    from study.search import worker
    from study.search.strategy import make_pruner
    from study.space import parse_space
    from study.training.loop import TrialResult

    folder = StudyFolder(path)
    ledger, driver = Ledger.open(path), Ledger.open(path)
    record = ledger.read()
    ledger.optuna_study.pruner = make_pruner(record.search, record.protocol)
    space = parse_space(record.space["text"], name=record.space["name"], where="the ledger's space")
    rng = np.random.default_rng(1)
    total, ticks, asking, refused = told + trials + 1, 0.0, 0.0, 0

    def tick() -> None:
        nonlocal ticks, refused
        began = time.perf_counter()
        attempts = driver.look()
        driver.record(attempts)
        refused = sum(counter.total() for counter in attempts.turned_down.values())
        ticks += time.perf_counter() - began

    def no_training(*_: Any, on_epoch: Any, **__: Any) -> TrialResult:
        nonlocal asking
        asking = time.perf_counter() - began
        score = float(rng.uniform(0.5, 0.8))
        tick()
        on_epoch(REPORTED, score)
        return TrialResult(**_result(score))

    worker.train = no_training
    for _ in range(total - told):
        began, ticks, before = time.perf_counter(), 0.0, refused
        ordinal = ledger.open_ordinals(range(total))[0]
        worker.run_trial(ledger, ordinal, record=record, space=space, data=None, folder=folder)
        tick()
        turn(ticks=ticks, asking=asking, asked=1 + refused - before)


def optuna_trials(turn: Turn, database: Path) -> None:
    """Ask, report, tell: an Optuna study with the same sampler and pruner; a turn is a trial."""
    import optuna

    from study.ledger import distributions
    from study.search.strategy import make_pruner, make_sampler, search_settings
    from study.space import find_space

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    search = search_settings()
    optuna_study = optuna.load_study(
        storage=f"sqlite:///{database}",
        study_name=PLAIN,
        sampler=make_sampler(search, 0),
        pruner=make_pruner(search, Protocol()),
    )
    rng, items = np.random.default_rng(1), distributions(find_space("seed"))
    while True:
        began = time.perf_counter()
        trial = optuna_study.ask(items)
        asking = time.perf_counter() - began
        score = float(rng.uniform(0.5, 0.8))
        trial.report(score, REPORTED)
        trial.should_prune()
        optuna_study.tell(trial, score)
        turn(asking=asking)


def fill(study: Path, database: Path, size: int) -> None:
    """Put told trials into a ledger, and the same without our attributes into a plain study.

    The pruner's own attributes are in both.
    """
    import optuna
    from sqlalchemy import event

    from study.ledger import Ledger

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    plain = optuna.storages.RDBStorage(f"sqlite:///{database}")
    ledger = Ledger.open(study)
    ours = ledger.optuna_study._storage
    for engine in (plain.engine, ours._backend.engine):
        engine.dispose()

        @event.listens_for(engine, "connect")
        def _fast(connection: Any, _: Any) -> None:
            connection.execute("PRAGMA synchronous=OFF")

    identifier = ledger._study_id
    optuna_study = optuna.create_study(storage=plain, study_name=PLAIN, direction="maximize")
    plain_identifier = plain.get_study_id_from_name(optuna_study.study_name)
    for template in _told(size):
        ours.create_new_trial(identifier, template_trial=template)
        template.user_attrs = {}
        plain.create_new_trial(plain_identifier, template_trial=template)
    ledger.close()
    plain.remove_session()
    plain.engine.dispose()


def _told(size: int) -> Iterator[Any]:
    """Yield told trials of random variants of the space ``seed``, as a worker tells them.

    They are reported to the search's own pruner, in memory, which ends most of them early and
    leaves its marks on all: that is what a rung of a large study looks like.
    """
    import optuna
    from optuna.trial import TrialState

    from study.ledger import distributions, now
    from study.model.capacity import capacity
    from study.search.strategy import make_pruner, search_settings
    from study.space import find_space
    from study.variant import REFERENCE

    space, shape, rng = find_space("seed"), Protocol().image_shape, np.random.default_rng(0)
    items, limit = distributions(space), np.inf
    if space.max_macs_ratio is not None:
        limit = space.max_macs_ratio * capacity(REFERENCE, shape).macs
    drawn = optuna.create_study(
        direction="maximize",
        sampler=optuna.samplers.RandomSampler(seed=0),
        pruner=make_pruner(search_settings(), Protocol()),
    )
    told = 0
    while told < size:
        trial = drawn.ask(items)
        variant = space.variant(trial.params)
        network = capacity(variant, shape)
        if network.macs > limit:
            drawn.tell(trial, state=TrialState.FAIL)
            continue
        best, pruned, epoch, score = float(rng.uniform(0.5, 0.8)), False, 0, 0.0
        while epoch < EPOCHS and not pruned:
            epoch += 1
            score = best * epoch / EPOCHS
            trial.report(score, epoch)
            pruned = trial.should_prune()
        frozen = drawn.tell(
            trial,
            None if pruned else score,
            state=TrialState.PRUNED if pruned else TrialState.COMPLETE,
        )
        stopped_by = "pruned" if pruned else "patience"
        result = {**_result(score), "best_epoch": epoch, "epochs": epoch, "stopped_by": stopped_by}
        frozen.user_attrs = {
            "worker": "host:1",
            "ordinal": told,
            "variant": variant.as_dict(),
            "plan": {"params": trial.params, **vars(network), "seed": told},
            "started": now(),
            "result": {**result, "seconds": 300.0, "ended": now()},
        }
        yield frozen
        told += 1


def _result(score: float) -> dict[str, Any]:
    """Return what a training comes to, as large as a real one."""
    side = {"verdict": "within the noise", "standard_error": 0.0123456789, "gap": 0.0123456789}
    return {
        "best_epoch": REPORTED,
        "epochs": EPOCHS,
        "stopped_by": "patience",
        "scores": {f"{view}_{item}": score for view in VIEWS for item in SCORES},
        "validation_f_med_smooth": score,
        "diagnosis": {
            "kind": "good fit",
            "bias": side,
            "variance": side,
            "target": 0.9,
            "gap": 0.0123456789,
            "standard_error": 0.0123456789,
            "best_train_f_med": score,
            "advice": ["More images of other lesions would help more than a larger network."] * 2,
        },
    }
