"""TensorFlow's settings in a process that trains: its environment and its threads."""

from __future__ import annotations

import os

BACKEND_ENVIRONMENT = {
    "KERAS_BACKEND": "tensorflow",
    "TF_CPP_MIN_LOG_LEVEL": "2",
    # Off by default on processors without AVX-512, where it makes a step a quarter faster. It has
    # to be chosen before TensorFlow is imported.
    "TF_ENABLE_ONEDNN_OPTS": "1",
}
"""Defaults for the environment of a process that trains or predicts."""


def start_backend(threads: int) -> None:
    """Import TensorFlow and set it up to train with as many threads, at least 1; once a process.

    Operations run side by side, each on one thread: the layers for training compute a batch in as
    many parts (``parts.batch_parts``). Two threads within each operation take 1.4 times as long.
    """
    for key, value in BACKEND_ENVIRONMENT.items():
        os.environ.setdefault(key, value)
    import tensorflow as tf

    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
