"""Epochs a second of one and of two workers, the article's loop, and matrix products."""

from __future__ import annotations

import tempfile
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, median

from tests.benchmarks.epoch import add_loop_options, prepare
from tests.benchmarks.loops import article_loop, matrix_product, our_loop, teraflop
from tests.benchmarks.result import Figure, Result
from tests.benchmarks.turns import Found, Rival, median_ratio, together

FASTER, OF_THE_LIMIT, OF_THE_SCALING = 4.0, 65.0, 95.0
"""Least of two workers: ratio to the article's loop, percent of the limit, percent of how a
matrix product scales from one thread to two."""


def add_options(parser: ArgumentParser) -> None:
    parser.add_argument("--rounds", type=int, default=5, help="rounds of all, in turn")
    add_loop_options(parser)


def run(options: Namespace) -> Result:
    whole, half = options.threads, max(1, options.threads // 2)
    budget = (options.samples, options.validation_samples)
    size = (options.side, options.seconds)
    with tempfile.TemporaryDirectory() as scratch:
        study, images = prepare(Path(scratch), options)
        with (
            Rival(our_loop, study, threads=whole) as wide,
            Rival(our_loop, study, threads=half) as first,
            Rival(our_loop, study, threads=half) as second,
            Rival(article_loop, images, *budget) as article,
            Rival(matrix_product, *size, threads=whole) as wide_product,
            Rival(matrix_product, *size, threads=half) as first_product,
            Rival(matrix_product, *size, threads=half) as second_product,
        ):
            rounds = [
                {
                    "one": _rate([[wide.turn()]]),
                    "two": _rate(together([first, second])),
                    "single": _rate([[first.turn()]]),
                    "article": _rate([[article.turn()]]),
                    "product": wide_product.turn()["gigaflops"],
                    "product_two": _gigaflops(together([first_product, second_product])),
                    "product_single": first_product.turn()["gigaflops"],
                }
                for _ in range(options.rounds)
            ]
    found = {name: [item[name] for item in rounds] for name in rounds[0]}
    return Result(figures=_figures(found, options), details=found)


def _rate(found: Sequence[Sequence[Found]]) -> float:
    """Return the epochs a second of all workers together; a turn is an epoch."""
    return sum(len(turns) / sum(turn["seconds"] for turn in turns) for turns in found)


def _gigaflops(found: Sequence[Sequence[Found]]) -> float:
    return sum(fmean(turn["gigaflops"] for turn in turns) for turns in found)


def _figures(found: dict[str, list[float]], options: Namespace) -> tuple[Figure, ...]:
    two, single = found["two"], found["single"]
    limit = [speed / 1e3 / teraflop(options.samples) for speed in found["product"]]
    scaling = median_ratio(two, single)
    product_scaling = median_ratio(found["product"], found["product_single"])
    whole, half = options.threads, max(1, options.threads // 2)
    rates = {
        f"one worker, {whole} threads": found["one"],
        f"two workers, {half} thread each": two,
        f"one worker, {half} thread": single,
        "the article's loop": found["article"],
    }
    speeds = {
        f"matrix product, {whole} threads": found["product"],
        f"matrix products, two processes, {half} thread each": found["product_two"],
        f"matrix product, {half} thread": found["product_single"],
    }
    return (
        *(
            Figure(name=name, value=60 * median(values), unit="epochs a minute")
            for name, values in rates.items()
        ),
        *(
            Figure(name=name, value=median(values), unit="GFLOP/s")
            for name, values in speeds.items()
        ),
        Figure(
            name="two workers against the article's loop",
            value=median_ratio(two, found["article"]),
            unit="times",
            low=FASTER,
        ),
        Figure(
            name="two workers against the limit on both cores",
            value=100 * median_ratio(two, limit),
            unit="%",
            low=OF_THE_LIMIT,
        ),
        Figure(name="two workers against one of one thread", value=scaling, unit="times"),
        Figure(name="matrix product, two threads against one", value=product_scaling, unit="times"),
        Figure(
            name="scaling of the workers, of the matrix product's",
            value=100 * scaling / product_scaling,
            unit="%",
            low=OF_THE_SCALING,
        ),
    )
