"""TensorFlow's settings in a process that trains: its environment and its threads."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

BACKEND_ENVIRONMENT = {
    "KERAS_BACKEND": "tensorflow",
    "TF_CPP_MIN_LOG_LEVEL": "2",
    # Off by default on processors without AVX-512, where it makes a step a quarter faster. It has
    # to be chosen before TensorFlow is imported.
    "TF_ENABLE_ONEDNN_OPTS": "1",
}
"""Defaults for the environment of a process that trains or predicts."""


NEEDLESS = ("sklearn", "pandas", "scipy")
"""Packages that Keras imports where they are installed, for wrappers and data that are not used
here: half of the time that importing TensorFlow takes, and 100 MB."""


def start_backend(threads: int) -> None:
    """Import TensorFlow and set it up to train with as many threads, at least 1; once a process.

    Operations run side by side, each on one thread: the layers for training compute a batch in as
    many parts (``parts.batch_parts``). Two threads within each operation take 1.4 times as long.
    """
    for key, value in BACKEND_ENVIRONMENT.items():
        os.environ.setdefault(key, value)
    with _hidden(NEEDLESS):
        import tensorflow as tf

    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(threads)


@contextmanager
def _hidden(packages: Iterable[str]) -> Iterator[None]:
    """Let packages that have not been imported yet seem not to be installed, for a while."""
    hidden = [name for name in packages if name not in sys.modules]
    # None is the import system's own mark of a module that cannot be imported.
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
