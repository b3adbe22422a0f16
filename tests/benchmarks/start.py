"""Seconds until the help is shown, and until a worker has taken its first training step."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

from study.model.backend import BACKEND_ENVIRONMENT
from study.protocol import Protocol
from study.variant import REFERENCE
from tests.benchmarks.loops import make_study
from tests.benchmarks.result import Figure, Result
from tests.benchmarks.turns import median_ratio

HELP_SECONDS, RATIO = 0.3, 1.3

# An epoch of one batch, so that its end is that of the first step; nothing is evaluated any more.
WORKER = """
import os, sys
from study.search import worker
from study.training.callbacks import Evaluation
Evaluation.on_epoch_end = lambda *_: os._exit(77)
sys.exit(worker.main())
"""

BARE = """
import os, sys
import keras
import numpy as np
import tensorflow as tf
tf.config.threading.set_intra_op_parallelism_threads(int(sys.argv[1]))
tf.config.threading.set_inter_op_parallelism_threads(1)
layers = [keras.Input((30, 40, 1)), keras.layers.Rescaling(1 / 255)]
for _ in range(3):
    layers += [keras.layers.Conv2D(64, 3, activation="relu"), keras.layers.MaxPooling2D(2)]
layers.append(keras.layers.Flatten())
for _ in range(2):
    layers += [keras.layers.Dense(64, activation="relu"), keras.layers.Dropout(0.5)]
model = keras.Sequential([*layers, keras.layers.Dense(1, activation="sigmoid")])
model.compile("adam", "binary_crossentropy")
images, labels = np.zeros((32, 30, 40, 1), np.float32), np.zeros((32, 1), np.float32)
end = keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: os._exit(77))
model.fit(images, labels, batch_size=32, callbacks=[end], verbose=0)
"""

REACHED = 77
"""Exit status of a process that has taken its first step."""


def add_options(parser: ArgumentParser) -> None:
    parser.add_argument("--helps", type=int, default=10, help="times that the help is shown")
    parser.add_argument("--rounds", type=int, default=5, help="starts of each, in turn")
    parser.add_argument("--threads", type=int, default=1, help="threads of the training")


def run(options: Namespace) -> Result:
    shown = [_seconds(["-m", "study", "--help"]) for _ in range(options.helps)]
    bare, worker = [], []
    protocol = Protocol(samples_per_epoch=REFERENCE.batch_size)
    with tempfile.TemporaryDirectory() as scratch:
        study = make_study(Path(scratch) / "runs", protocol).path
        for number in range(options.rounds + 1):  # the first reads the libraries from the disk
            own = study.with_name(f"copy-{number}")
            shutil.copytree(study, own)
            threads = str(options.threads)
            bare.append(_seconds(["-c", BARE, threads], expected=REACHED))
            command = ["-c", WORKER, str(own), "--trials", "1", "--threads", threads]
            worker.append(_seconds(command, expected=REACHED))
    figures = (
        Figure(name="study --help", value=median(shown), unit="s", high=HELP_SECONDS),
        Figure(name="worker start to first step", value=median(worker[1:]), unit="s"),
        Figure(name="bare import to first fit", value=median(bare[1:]), unit="s"),
        Figure(
            name="worker against bare",
            value=median_ratio(worker[1:], bare[1:]),
            unit="times",
            high=RATIO,
        ),
    )
    return Result(figures=figures, details={"help": shown, "worker": worker, "bare": bare})


def _seconds(arguments: Sequence[str], *, expected: int = 0) -> float:
    """Return how long a Python process lasts, all of them in a worker's environment."""
    environment: Mapping[str, str] = {**BACKEND_ENVIRONMENT, **os.environ}
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *arguments],
        stdin=subprocess.PIPE,  # a worker ends when this is closed
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=environment,
    )
    assert process.stderr is not None
    said = process.stderr.read()
    status = process.wait()
    seconds = time.perf_counter() - began
    if status != expected:
        raise RuntimeError(f"{arguments[0]} ended with status {status}: {said.decode()}")
    return seconds
