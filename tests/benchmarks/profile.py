"""Where a training step's time goes: operations of the reference network on one thread."""

from __future__ import annotations

import tempfile
import time
from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from study.protocol import Protocol
from study.variant import REFERENCE
from tests.benchmarks.loops import make_study, matrix_product, teraflop
from tests.benchmarks.result import Figure, Result
from tests.benchmarks.turns import Rival, Turn

KINDS = {
    "convolutions, gradient of their filters": ("Conv2DBackpropFilter",),
    "convolutions, gradient of their inputs": ("Conv2DBackpropInput",),
    "convolutions, forward": ("Conv2D",),
    "pooling and its gradient": ("MaxPool",),
    "augmentation": ("ImageProjectiveTransform",),
}
"""Parts of the names of TensorFlow's operations; the first that fits counts."""

PRODUCTS = tuple(name for name in KINDS if name.startswith("convolutions"))
REST = "all other operations, and between them"


def add_options(parser: ArgumentParser) -> None:
    parser.add_argument("--rounds", type=int, default=10, help="calls that are timed")
    parser.add_argument("--side", type=int, default=2048, help="rows of the multiplied matrices")
    parser.add_argument("--seconds", type=float, default=3.0, help="of the products")


def run(options: Namespace) -> Result:
    with tempfile.TemporaryDirectory() as scratch:
        study = make_study(Path(scratch), Protocol())
        with Rival(profile, study.path, options.rounds, threads=1) as profiled:
            found = profiled.warm_up
        with Rival(matrix_product, options.side, options.seconds, threads=1) as product:
            speed = product.turn()["gigaflops"]
    whole, kinds = found["step"], found["kinds"]
    limit = 1e6 * teraflop(REFERENCE.batch_size) / speed
    figures = [
        Figure(name="a step", value=1e3 * whole, unit="ms"),
        *(Figure(name=f"- {name}", value=1e3 * value, unit="ms") for name, value in kinds.items()),
        Figure(name="its arithmetic at the speed of matrix products", value=limit, unit="ms"),
        Figure(
            name="convolutions alone, of the step",
            value=100 * sum(kinds[name] for name in PRODUCTS) / whole,
            unit="%",
        ),
        Figure(
            name="speed of the convolutions, of the matrix product's",
            value=100 * limit / (1e3 * sum(kinds[name] for name in PRODUCTS)),
            unit="%",
        ),
    ]
    return Result(figures=tuple(figures), details={**found, "gigaflops": speed})


def profile(turn: Turn, path: Path, rounds: int) -> None:
    """Time calls of many steps, then trace one; find seconds of a step, whole and by kind."""
    import tensorflow as tf

    from study.ledger import Ledger
    from study.search.worker import load_data
    from study.training.loop import untrained
    from study.workspace import StudyFolder

    ledger = Ledger.open(path)
    record = ledger.read()
    ledger.close()
    part = load_data(StudyFolder(path), record).train
    _, model, samples = untrained(REFERENCE, protocol=record.protocol, part=part, seed=0)
    chunk = next(samples.epoch(0))
    steps = len(chunk[0]) / REFERENCE.batch_size
    float(model.take_steps(*chunk))
    took = []
    for _ in range(rounds):
        began = time.perf_counter()
        float(model.take_steps(*chunk))
        took.append(time.perf_counter() - began)
    with tempfile.TemporaryDirectory() as scratch:
        tf.profiler.experimental.start(scratch, tf.profiler.experimental.ProfilerOptions(2, 0))
        float(model.take_steps(*chunk))
        tf.profiler.experimental.stop()
        traced = _by_kind(_operations(Path(scratch)))
    kinds = {name: traced[name] / steps for name in KINDS}
    whole = median(took) / steps
    turn(step=whole, kinds={**kinds, REST: whole - sum(kinds.values())})


def _operations(folder: Path) -> Iterator[tuple[str, float]]:
    """Yield the name and the seconds of each operation that a trace holds."""
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    (file,) = folder.rglob("*.xplane.pb")
    space: Any = xplane_pb2.XSpace()
    space.ParseFromString(file.read_bytes())
    for plane in space.planes:
        for line in plane.lines:
            for event in line.events:
                yield plane.event_metadata[event.metadata_id].name, event.duration_ps / 1e12


def _by_kind(operations: Iterator[tuple[str, float]]) -> Counter[str]:
    found: Counter[str] = Counter()
    for name, seconds in operations:
        operation = name.rsplit(":", 1)[-1]
        kind = next((k for k, parts in KINDS.items() if any(p in operation for p in parts)), REST)
        found[kind] += seconds
    return found
