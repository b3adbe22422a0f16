"""Training loops that are measured beside each other, on the same study's images."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from study.model.capacity import capacity
from study.protocol import Protocol
from study.variant import REFERENCE
from study.workspace import StudyFolder
from tests.benchmarks.turns import Turn

BATCH = REFERENCE.batch_size


def make_study(
    runs: Path, protocol: Protocol, *, name: str = "benchmark", space: Any = None
) -> StudyFolder:
    """Make a study of the phantom in ``runs``, without a trial; ``space`` is a ``Space``."""
    from study.dataset.sources.opening import open_source
    from study.search.setup import make_setup, open_study
    from study.space import find_space

    source = open_source("phantom", cache=runs / ".cache")
    setup = make_setup(
        source, split=None, protocol=protocol, space=space or find_space("seed"), seed=0
    )
    folder, ledger = open_study(runs, name, setup, command="benchmark", requested=1)
    ledger.close()
    return folder


def write_class_folders(study: StudyFolder, images: Path, target: Path) -> None:
    """Copy the images of a study as ``part/class/name``, training and validation only."""
    from study.dataset.manifest import Manifest

    for row in Manifest.read(study.manifest).rows:
        if row.part in ("train", "validation"):
            file = target / row.part / row.label / row.path.replace("/", "-")
            file.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(images / row.path, file)


def teraflop(samples: int) -> float:
    """Return the arithmetic of an epoch of the reference network, 10^12 operations.

    A multiply-accumulate is two operations; the backward pass costs twice the forward pass.
    """
    return 3 * 2 * capacity(REFERENCE, Protocol().image_shape).macs * samples / 1e12


def our_loop(turn: Turn, path: Path) -> None:
    """Train the reference network as a worker does; a turn is an epoch, evaluation included.

    A turn ends and begins in ``on_epoch``, so it holds all that happens from epoch to epoch.
    """
    from study.ledger import Ledger
    from study.search.worker import load_data
    from study.training.callbacks import Evaluation
    from study.training.loop import train

    folder = StudyFolder(path)
    ledger = Ledger.open(path)
    record = ledger.read()
    ledger.close()
    judge, began = Evaluation.on_epoch_end, 0.0

    def timed(self: Evaluation, epoch: int, logs: dict[str, Any] | None = None) -> None:
        nonlocal began
        began = time.perf_counter()
        judge(self, epoch, logs)

    def on_epoch(_epoch: int, _score: float) -> bool:
        turn(evaluation=time.perf_counter() - began)
        return False

    Evaluation.on_epoch_end = timed
    train(
        replace(REFERENCE, patience=10_000),
        protocol=record.protocol,
        data=load_data(folder, record),
        seed=0,
        folder=folder.path / f"benchmark-{os.getpid()}",
        on_epoch=on_epoch,
    )


def article_loop(turn: Turn, images: Path, samples: int, validation_samples: int) -> None:
    """Train the reference network as the article did: files, ``ImageDataGenerator``, ``fit``.

    A turn is an epoch with its validation, both parts augmented and drawn anew; it has as many
    steps as see the samples, since each pass over the images ends with a short batch. Left out are
    the article's own metrics, which cost it a little more, and its class weights, which had no
    effect.
    """
    import keras
    from keras.src.legacy.preprocessing.image import ImageDataGenerator

    from study.model.network import build_network, build_optimizer

    def flow(part: str) -> Any:
        generator = ImageDataGenerator(
            rotation_range=40,
            width_shift_range=0.2,
            height_shift_range=0.2,
            shear_range=0.2,
            zoom_range=0.2,
            horizontal_flip=True,
            vertical_flip=True,
            fill_mode="nearest",
        )
        height, width, _ = Protocol().image_shape
        return generator.flow_from_directory(
            images / part,
            target_size=(height, width),
            color_mode="grayscale",
            class_mode="binary",
            batch_size=BATCH,
        )

    def endless(part: Any) -> Iterator[Any]:
        yield from part  # fit would end a part that it knows the length of

    train, validation = flow("train"), flow("validation")
    network = build_network(REFERENCE, Protocol().image_shape)
    network.compile(optimizer=build_optimizer(REFERENCE), loss="binary_crossentropy")
    network.fit(
        endless(train),
        steps_per_epoch=steps(samples, images=train.n, batches=len(train)),
        validation_data=endless(validation),
        validation_steps=steps(validation_samples, images=validation.n, batches=len(validation)),
        epochs=10_000,
        callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=lambda _epoch, _logs: turn())],
        shuffle=False,
        verbose=0,
    )


def steps(samples: int, *, images: int, batches: int) -> int:
    """Return in how many batches about ``samples`` are seen; a pass over ``images`` has some."""
    return max(1, round(samples / images * batches))


def matrix_product(turn: Turn, side: int, seconds: float) -> None:
    """Multiply square float32 matrices; a turn lasts some seconds and finds ``gigaflops``."""
    import tensorflow as tf

    # A product is one operation, so its threads are those within it.
    threads = tf.config.threading.get_inter_op_parallelism_threads()
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    left, right = tf.random.normal((2, side, side))
    tf.matmul(left, right)
    turn()
    while True:
        count, began = 0, time.perf_counter()
        while count == 0 or time.perf_counter() - began < seconds:
            tf.matmul(left, right)
            count += 1
        took = time.perf_counter() - began
        turn(gigaflops=2 * side**3 * count / took / 1e9)
