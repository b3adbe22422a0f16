"""Seconds of an epoch of the reference network: ours, the article's, the arithmetic's limit."""

from __future__ import annotations

import tempfile
from argparse import ArgumentParser, Namespace
from pathlib import Path
from statistics import median

from study.ledger import Ledger
from study.protocol import Protocol
from tests.benchmarks.loops import (
    article_loop,
    make_study,
    matrix_product,
    our_loop,
    teraflop,
    write_class_folders,
)
from tests.benchmarks.result import Figure, Result
from tests.benchmarks.turns import Found, Rival, in_turn, median_ratio

FASTER, EVALUATION_SHARE = 3.0, 15.0
"""Least ratio to the article's loop; most percent of an epoch for the evaluation."""


def add_options(parser: ArgumentParser) -> None:
    parser.add_argument("--rounds", type=int, default=5, help="epochs of each, in turn")
    add_loop_options(parser)


def add_loop_options(parser: ArgumentParser) -> None:
    """Add the options that say what an epoch and a matrix product are."""
    parser.add_argument("--samples", type=int, default=10_000, help="training samples of an epoch")
    parser.add_argument(
        "--validation-samples", type=int, default=1_000, help="size of the fixed sets"
    )
    parser.add_argument("--threads", type=int, default=2, help="threads, one for each core")
    parser.add_argument("--side", type=int, default=2048, help="rows of the multiplied matrices")
    parser.add_argument("--seconds", type=float, default=3.0, help="of a turn of products")


def run(options: Namespace) -> Result:
    with tempfile.TemporaryDirectory() as scratch:
        study, images = prepare(Path(scratch), options)
        budget = (options.samples, options.validation_samples)
        with (
            Rival(our_loop, study, threads=options.threads) as ours,
            Rival(article_loop, images, *budget) as article,
            Rival(
                matrix_product, options.side, options.seconds, threads=options.threads
            ) as product,
        ):
            rivals = {"ours": ours, "article": article, "product": product}
            found = in_turn(rivals, options.rounds)
    return Result(figures=_figures(found, options.samples), details=found)


def prepare(scratch: Path, options: Namespace) -> tuple[Path, Path]:
    """Return the folder of a study and that of its images in class folders."""
    protocol = Protocol(
        samples_per_epoch=options.samples, validation_samples=options.validation_samples
    )
    study = make_study(scratch, protocol)
    ledger = Ledger.open(study.path)
    write_class_folders(study, Path(ledger.read().dataset["source"]), scratch / "images")
    ledger.close()
    return study.path, scratch / "images"


def _figures(found: dict[str, list[Found]], samples: int) -> tuple[Figure, ...]:
    ours, article = ([item["seconds"] for item in found[name]] for name in ("ours", "article"))
    limit = [1e3 * teraflop(samples) / item["gigaflops"] for item in found["product"]]
    evaluation = [item["evaluation"] for item in found["ours"]]
    return (
        Figure(name="our epoch", value=median(ours), unit="s"),
        Figure(name="the article's epoch", value=median(article), unit="s"),
        Figure(
            name=f"{teraflop(samples):.2f} TFLOP as matrix products", value=median(limit), unit="s"
        ),
        Figure(
            name="ours against the article's", value=median_ratio(article, ours), unit="times",
            low=FASTER,
        ),
        Figure(
            name="ours against the limit", value=100 * median_ratio(limit, ours), unit="%"
        ),
        Figure(
            name="evaluation's share of our epoch", value=100 * median_ratio(evaluation, ours),
            unit="%", high=EVALUATION_SHARE,
        ),
    )  # fmt: skip
