"""Bias and coverage of the corrected estimates, the selection and the race, by simulation."""

from __future__ import annotations

import math
import multiprocessing
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from study.evaluation.corrected import Corrected, corrected_from_folds, corrected_from_validation
from study.evaluation.out_of_fold import OutOfFold
from study.evaluation.selection import Rule, allowance, pooled_f_med, race, select
from study.evaluation.validation_counts import TrialCounts, ValidationCounts
from study.seeds import derive
from tests.benchmarks.groups import highest_memory
from tests.benchmarks.result import Figure, Result
from tests.benchmarks.simulated import Cell, Lesions, Simulated, cells, simulate

FAR = 0.15
"""A finalist whose true F_med is that much below the best one's should be dropped."""

BIAS, COVERAGE, WRONGLY_DROPPED = 0.03, (92.0, 99.0), 2.5
"""Most bias of a corrected estimate; percent of intervals that cover, of the best dropped."""

PART = 250
"""Studies that a process simulates before it answers."""


def outcome(study: Simulated, seed: int) -> dict[str, float]:
    """Return what the estimates of one study are off by, and what cannot be told in numbers.

    Shares are 0 or 100, so that their mean over studies is a percentage.
    """
    folds, best = study.folds, study.truth[study.winner]
    means, true = pooled_f_med(folds), study.truth[study.finalists]
    found = select(folds, "one-se")
    chosen = true[found.chosen]
    return {
        "search: highest score": study.score - best,
        **_judged("search", corrected_from_validation(study.search, seed=seed), best),
        "folds: highest mean": means[found.best] - true[found.best],
        "folds: mean of the selected": means[found.chosen] - chosen,
        **_judged("folds", corrected_from_folds(folds, "one-se", seed=seed), chosen),
        "true, one-se less best": chosen - true[found.best],
        **_raced(folds, true, found.chosen, seed),
    }


def _judged(name: str, estimate: Corrected | None, truth: float) -> dict[str, float]:
    if estimate is None:
        return {}
    return {
        f"{name}: corrected": estimate.value - truth,
        f"{name}: covered": 100.0 * (estimate.low <= truth <= estimate.high),
        f"{name}: width": estimate.high - estimate.low,
    }


def _raced(
    folds: OutOfFold, true: NDArray[np.float64], selected: int, seed: int
) -> dict[str, float]:
    """Return whom a race after two folds drops: of the best, the selected, those far below."""
    if len(true) < 2:
        return {}
    begun = replace(folds, fold=np.where(folds.fold < 2, folds.fold, -1))
    best, far = true == true.max(), true < true.max() - FAR
    found: dict[str, float] = {}
    rules: dict[str, Rule] = {"race": "one-se", "race to the best": "best"}
    for name, rule in rules.items():
        raced = race(begun, seed=seed, allowance=allowance(begun, rule), draws=500)
        dropped = np.isin(np.arange(len(true)), raced.dropped)
        found[f"{name}: best dropped"] = 100.0 * dropped[best].mean()
        if rule == "one-se":
            found[f"{name}: selected dropped"] = 100.0 * dropped[selected]
        if far.any():
            found[f"{name}: far ones dropped"] = 100.0 * dropped[far].mean()
    return found


def add_options(parser: ArgumentParser) -> None:
    parser.add_argument("--studies", type=int, default=2_000, help="in each cell")
    parser.add_argument("--workers", type=int, default=2, help="processes")


def run(options: Namespace) -> Result:
    """Simulate the studies of every cell; and correct the estimate of a study of many trials."""
    found = measure(cells(), studies=options.studies, workers=options.workers)
    figures = [*found.figures]
    for trials, epochs, seconds in ((100, 60, 2.0), (10_000, 100, 60.0)):
        size = f"{trials:,} trials of {epochs} epochs, 40 groups"
        fresh = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, mp_context=fresh) as pool:
            took, gigabytes = pool.submit(_correct_many, trials, epochs).result()
        figures += [
            Figure(name=f"{size}; corrected in", value=took, unit="s", high=seconds),
            Figure(name=f"{size}; highest memory", value=gigabytes, unit="GB", high=1.0),
        ]
    return Result(figures=tuple(figures), details=found.details)


def _correct_many(trials: int, epochs: int) -> tuple[float, float]:
    """Return the seconds that the correction takes, and the gigabytes of the whole process."""
    rng = np.random.default_rng(0)
    counts = ValidationCounts(
        trials=tuple(
            TrialCounts(
                number=k,
                augmented=rng.binomial(25, 0.8, size=(epochs, 40)).astype(np.uint8),
                plain=rng.binomial(5, 0.8, size=(epochs, 40)).astype(np.uint8),
            )
            for k in range(trials)
        ),
        augmented_total=np.full(40, 25),
        plain_total=np.full(40, 5),
        label=np.repeat([0, 1], 20),
    )
    started = time.perf_counter()
    corrected_from_validation(counts, seed=0)
    return time.perf_counter() - started, highest_memory() / 1e9


def measure(some: Sequence[Cell], *, studies: int, workers: int) -> Result:
    """Simulate so many studies of each cell; ``details`` holds mean, standard error and number."""
    parts = [range(start, min(start + PART, studies)) for start in range(0, studies, PART)]
    found: dict[str, dict[str, dict[str, float]]] = {}
    with ProcessPoolExecutor(workers) as pool:
        waiting = {cell: [pool.submit(_outcomes, cell, part) for part in parts] for cell in some}
        for cell, answers in waiting.items():
            outcomes = [one for answer in answers for one in answer.result()]
            found[cell.name] = _means(outcomes)
    figures = tuple(
        _figure(cell, name, value["mean"])
        for cell, values in found.items()
        for name, value in values.items()
    )
    return Result(figures=figures, details=found)


def _outcomes(cell: Cell, numbers: range) -> list[dict[str, float]]:
    from threadpoolctl import threadpool_limits

    lesions, found = Lesions(), []
    with threadpool_limits(1):
        for number in numbers:
            seed = derive(0, cell.name, number)
            found.append(outcome(simulate(cell, lesions, np.random.default_rng(seed)), seed))
    return found


def _means(outcomes: Sequence[Mapping[str, float]]) -> dict[str, dict[str, float]]:
    names = dict.fromkeys(name for one in outcomes for name in one)
    values = {name: np.array([one[name] for one in outcomes if name in one]) for name in names}
    return {
        name: {
            "mean": float(value.mean()),
            "standard_error": float(value.std() / math.sqrt(len(value))),
            "studies": len(value),
        }
        for name, value in values.items()
    }


def _figure(cell: str, name: str, value: float) -> Figure:
    low, high, unit = None, None, ""
    if name.endswith(": corrected"):
        low, high = -BIAS, BIAS
    elif name.endswith(": covered"):
        low, high, unit = *COVERAGE, "%"
    elif name.endswith("best dropped"):
        high, unit = WRONGLY_DROPPED, "%"
    elif name.endswith("dropped"):
        unit = "%"
    return Figure(name=f"{cell}; {name}", value=value, unit=unit, low=low, high=high)
