"""Samplers and pruners, replayed thousands of times on recorded learning curves."""

from __future__ import annotations

import json
import math
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.benchmarks.result import Figure, Result

HERE = Path(__file__).parent
TRIALS = 20

STRATEGIES: dict[str, tuple[str, dict[str, Any] | None]] = {
    "random": ("random", None),
    "TPE": ("tpe", None),
    **{
        f"TPE, median, from step {warmup}": (
            "tpe",
            {"name": "median", "n_startup_trials": start, "n_warmup_steps": warmup,
             "interval_steps": 1, "n_min_trials": 1},
        )
        for start, warmup in ((2, 5), (5, 10), (5, 20))
    },
    **{
        f"TPE, patient ({patience}) median": (
            "tpe",
            {"name": "patient", "patience": patience, "n_startup_trials": 2, "n_warmup_steps": 5,
             "interval_steps": 1, "n_min_trials": 1},
        )
        for patience in (5, 10)
    },
    **{
        f"TPE, halving from {first}, factor {factor}" + (f", {rungs} rungs" if rungs else ""): (
            "tpe",
            {"name": "halving", "min_resource": first, "reduction_factor": factor,
             "min_early_stopping_rate": 0, "rungs": rungs},
        )
        for first, factor, rungs in (
            (2, 4, None), (3, 2, None), (3, 4, None), (5, 3, None), (10, 3, None),
            (2, 3, 2), (2, 4, 2), (3, 3, 2), (5, 3, 2), (20, 3, 2), (20, 4, 1),
        )
    },
    "TPE, Hyperband from 5, factor 3": (
        "tpe", {"name": "hyperband", "min_resource": 5, "reduction_factor": 3},
    ),
    "random, halving from 3, factor 4": (
        "random",
        {"name": "halving", "min_resource": 3, "reduction_factor": 4,
         "min_early_stopping_rate": 0, "rungs": None},
    ),
}  # fmt: skip
"""Sampler and pruner of each search, as ``strategy.search_settings`` writes them."""


DEFAULT, LEAST_GAIN = "TPE, halving from 20, factor 3, 2 rungs", -0.01
"""What ``study run`` takes unless told otherwise, an epoch being ten steps; what it may lose."""


@dataclass(frozen=True, kw_only=True)
class Pool:
    """Learning curves of V variants over S steps, as counts by group."""

    variants: list[dict[str, Any]]
    augmented: NDArray[np.int64]
    """(V, S, R) correct samples of each group of the validation part."""
    plain: NDArray[np.int64]
    augmented_total: NDArray[np.int64]
    """(R,)"""
    plain_total: NDArray[np.int64]
    label: NDArray[np.int64]
    """(R,), the class of each group."""
    oracle: NDArray[np.float64] | None
    """(V, S), F_med on a large independent draw, where there is one."""

    @classmethod
    def read(cls, path: Path) -> Pool:
        """Read what ``tests.benchmarks.pool --pack`` wrote."""
        with np.load(path, allow_pickle=False) as stored:
            oracle = None
            if "oracle" in stored.files:
                counts = stored["oracle"].astype(np.float64)
                oracle = _f_med(counts / stored["oracle_total"])
            return cls(
                variants=[json.loads(text) for text in stored["variants"]],
                oracle=oracle,
                **{
                    key: stored[key].astype(np.int64)
                    for key in ("augmented", "plain", "augmented_total", "plain_total", "label")
                },
            )

    def curves(self, rows: NDArray[np.bool_], view: str) -> NDArray[np.float64]:
        """Return the F_med of every variant and step on some of the groups, (V, S)."""
        counts, total = getattr(self, view), getattr(self, f"{view}_total")
        recalls = [
            counts[..., own].sum(axis=-1) / total[own].sum()
            for own in (rows & (self.label == k) for k in (0, 1))
        ]
        return _f_med(np.stack(recalls, axis=-1))


def _f_med(recalls: NDArray[np.float64]) -> NDArray[np.float64]:
    product, total = recalls.prod(axis=-1), recalls.sum(axis=-1)
    return np.divide(2 * product, total, out=np.zeros_like(product), where=total > 0)


class Replay:
    """Searches on a pool; one object serves many of them."""

    def __init__(self, pool: Pool) -> None:
        import optuna

        from study.ledger import distributions
        from study.space import find_space

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.pool = pool
        self._distributions = distributions(find_space("seed"))
        self._places = np.array([self._place(variant) for variant in pool.variants])

    def _place(self, values: dict[str, Any]) -> list[float]:
        """Return where values lie in the unit cube; categories are one apart."""
        place = []
        for name, item in self._distributions.items():
            if hasattr(item, "choices"):
                place += [float(values[name] == choice) / math.sqrt(2) for choice in item.choices]
                continue
            low, high, value = (float(number) for number in (item.low, item.high, values[name]))
            if item.log:
                low, high, value = math.log(low), math.log(high), math.log(value)
            place.append((value - low) / (high - low))
        return place

    def halves(self, rng: np.random.Generator) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Divide the validation groups at random into those that choose and those that score."""
        chooses = np.zeros(len(self.pool.label), dtype=bool)
        for k in (0, 1):
            own = rng.permutation(np.flatnonzero(self.pool.label == k))
            chooses[own[: (len(own) + int(rng.integers(2))) // 2]] = True
        return chooses, ~chooses

    def run(self, sampler: str, pruner: dict[str, Any] | None, seed: int) -> tuple[float, ...]:
        """Search once; return the winner's score, oracle score and plain score, and steps spent.

        Trials 0 and 1 are the reference networks, as in a study. A suggestion becomes the nearest
        variant that has not been taken, and the sampler is told of that one.
        """
        import optuna

        from study.protocol import Protocol
        from study.search.strategy import make_pruner, make_sampler, search_settings

        rng = np.random.default_rng(seed)
        chooses, scores = self.halves(rng)
        seen = self.pool.curves(chooses, "augmented")
        settings = {**search_settings(sampler), "pruner": pruner}
        steps = seen.shape[1]
        optuna_study = optuna.create_study(
            study_name=f"replay-{seed}",  # Hyperband's brackets depend on the name
            direction="maximize",
            sampler=make_sampler(settings, seed),
            pruner=make_pruner(settings, Protocol(epochs=steps)),
        )
        free = np.ones(len(seen), dtype=bool)
        spent, best, winner = 0, -1.0, (0, 0)
        for number in range(TRIALS):
            row = number if number < 2 else self._suggest(optuna_study, sampler, free, rng)
            free[row] = False
            optuna_study.enqueue_trial(self._params(row))
            trial = optuna_study.ask(self._fitting(row))
            pruned = False
            for step in range(steps):
                trial.report(float(seen[row, step]), step + 1)
                # The references are never pruned, but what they reached counts for the others.
                if pruner is not None and trial.should_prune() and number > 1:
                    pruned = step + 1 < steps
                    break
            spent += step + 1
            top = int(seen[row, : step + 1].argmax())
            if pruned:
                optuna_study.tell(trial, state=optuna.trial.TrialState.PRUNED)
                continue
            optuna_study.tell(trial, float(seen[row, top]))
            if seen[row, top] > best:
                best, winner = float(seen[row, top]), (row, top)
        oracle = self.pool.oracle
        return (
            float(self.pool.curves(scores, "augmented")[winner]),
            float("nan") if oracle is None else float(oracle[winner]),
            float(self.pool.curves(scores, "plain")[winner]),
            float(spent),
        )

    def _params(self, row: int) -> dict[str, Any]:
        return {name: self.pool.variants[row][name] for name in self._distributions}

    def _fitting(self, row: int) -> dict[str, Any]:
        """Return the distributions that hold a variant's values: a reference may lie outside."""
        found = {}
        for name, item in self._distributions.items():
            value = self.pool.variants[row][name]
            if item._contains(item.to_internal_repr(value)):
                found[name] = item
        return found

    def _suggest(
        self, optuna_study: Any, sampler: str, free: NDArray[np.bool_], rng: np.random.Generator
    ) -> int:
        import optuna

        if sampler == "random":
            return int(rng.choice(np.flatnonzero(free)))
        trial = optuna_study.ask(self._distributions)
        place = np.array(self._place(trial.params))
        optuna_study.tell(trial, state=optuna.trial.TrialState.FAIL)
        distance = ((self._places - place) ** 2).sum(axis=1)
        return int(np.where(free, distance, np.inf).argmin())


_REPLAYS: dict[str, Replay] = {}


def _many(task: tuple[str, str, int, int]) -> list[tuple[float, ...]]:
    """Run one strategy with a range of seeds; in a process of its own, the pool read once."""
    path, name, first, count = task
    if path not in _REPLAYS:
        _REPLAYS[path] = Replay(Pool.read(Path(path)))
    return [_REPLAYS[path].run(*STRATEGIES[name], seed) for seed in range(first, first + count)]


def add_options(parser: ArgumentParser) -> None:
    parser.add_argument("--replays", type=int, default=1000, help="searches of each strategy")
    parser.add_argument("--processes", type=int, default=2, help="processes")
    parser.add_argument(
        "--only", nargs="+", choices=STRATEGIES, default=list(STRATEGIES), help="these strategies"
    )
    parser.add_argument("--pools", nargs="+", default=["real", "phantom"], help="recorded pools")


def run(options: Namespace) -> Result:
    figures, details = [], {}
    for pool in options.pools:
        path = HERE / f"pool_{pool}.npz"
        table = replay_all(path, options.only, options.replays, options.processes)
        details[pool] = table
        plain = table["TPE"]
        for name, row in table.items():
            saved = 100 * (1 - row["steps"] / plain["steps"])
            chosen = name == DEFAULT
            figures += [
                Figure(name=f"{pool}, {name}: score", value=row["score"]),
                Figure(
                    name=f"{pool}, {name}: gain on TPE alone",
                    value=row["gain"],
                    low=LEAST_GAIN if chosen else None,
                ),
                Figure(name=f"{pool}, {name}: steps saved", value=saved, unit="%"),
            ]
    return Result(figures=tuple(figures), details=details)


def replay_all(
    path: Path, names: Sequence[str], replays: int, processes: int
) -> dict[str, dict[str, float]]:
    """Return for each strategy, and unpruned TPE, the means over replays.

    ``gain`` is the mean difference between its score and that of unpruned TPE, on the same division
    of the groups; ``gain_error`` is the standard error of that mean.
    """
    found: dict[str, dict[str, float]] = {}
    scores: dict[str, NDArray[np.float64]] = {}
    chunk = max(1, replays // (4 * processes))
    with ProcessPoolExecutor(processes) as executor:
        for name in dict.fromkeys(["TPE", *names]):
            started = time.monotonic()
            tasks = [
                (str(path), name, first, min(chunk, replays - first))
                for first in range(0, replays, chunk)
            ]
            rows = np.array([row for rows in executor.map(_many, tasks) for row in rows])
            score, oracle, plain, steps = rows.mean(axis=0)
            scores[name] = rows[:, 0]
            found[name] = {
                "score": score,
                "standard_error": rows[:, 0].std(ddof=1) / math.sqrt(len(rows)),
                "oracle": None if math.isnan(oracle) else oracle,
                "plain": plain,
                "steps": steps,
                "seconds": round(time.monotonic() - started, 1),
            }
            print(name, found[name], flush=True)
    for name, own in scores.items():
        gain = own - scores["TPE"]
        found[name]["gain"] = gain.mean()
        found[name]["gain_error"] = gain.std(ddof=1) / math.sqrt(len(gain))
    return found
