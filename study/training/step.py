"""The training step, and the epochs made of it: many batches in one call into the backend."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from study.training.data import EpochSamples

STEPS_PER_CALL = 32
"""Most training steps that one call into the backend runs: fewer calls, less overhead."""

CALL_BYTES = 8_000_000
"""Most memory that the augmented images of one call take, unless one batch takes more."""


def samples_per_call(batch_size: int, image_shape: tuple[int, int, int]) -> int:
    """Return how many samples one call gets, a multiple of the batch size."""
    fitting = CALL_BYTES // (4 * prod(image_shape) * batch_size)
    return batch_size * max(1, min(STEPS_PER_CALL, fitting))


class TrainingModel(keras.Sequential):  # type: ignore[misc]
    """A network with its augmentation and its optimizer, trained many batches at a time.

    ``fit`` would call the backend once a batch or, with ``steps_per_execution``, fetch each batch
    there from ``tf.data``; either way a small network's epoch takes a fifth longer.
    """

    def __init__(self, layers: list[Any], *, augment: Any, batch_size: int, optimizer: Any) -> None:
        super().__init__(layers)
        self.augment, self.batch_size = augment, batch_size
        self._loss = keras.losses.BinaryCrossentropy()
        # XLA, which Keras would choose on a GPU, would compile every size of a batch.
        self.compile(optimizer=optimizer, jit_compile=False)
        self.optimizer.build(self.trainable_variables)
        shapes = ((None, *self.input_shape[1:]), (None, 1), (None,))
        kinds = (tf.uint8, tf.float32, tf.float32)
        self.take_steps = tf.function(
            self._take_steps,
            # Or the last call of an epoch, which is shorter, would be traced once more.
            input_signature=[tf.TensorSpec(*item) for item in zip(shapes, kinds, strict=True)],
            autograph=False,
        )
        """One call: images (n, h, w, c), labels (n, 1), weights (n,); returns their mean loss."""

    def train(self, samples: EpochSamples, *, epochs: int, callbacks: Sequence[Any]) -> None:
        """Train for some epochs, or until a callback sets ``stop_training``.

        Callbacks are called as ``fit`` calls them, but after a call into the backend instead of
        after a batch; ``loss`` is the mean of the last call's samples, also at an epoch's end.
        """
        called = keras.callbacks.CallbackList(list(callbacks), model=self)
        self.stop_training = False
        called.on_train_begin()
        for epoch in range(epochs):
            called.on_epoch_begin(epoch)
            logs: dict[str, float] = {}
            for number, chunk in enumerate(samples.epoch(epoch)):
                called.on_train_batch_begin(number)
                logs = {"loss": float(self.take_steps(*chunk))}
                called.on_train_batch_end(number, logs)
                if self.stop_training:
                    break
            called.on_epoch_end(epoch, logs)
            if self.stop_training:
                break
        called.on_train_end()

    def _take_steps(self, images: Any, labels: Any, weights: Any) -> Any:
        """Take a gradient step for each batch of the samples; return their mean loss."""
        images = self.augment(images, training=True)
        count = ops.shape(images)[0]

        def step(number: Any, total: Any) -> Any:
            start = number * self.batch_size
            end = ops.minimum(start + self.batch_size, count)
            batch = (array[start:end] for array in (images, labels, weights))
            return total + self._take_step(*batch) * ops.cast(end - start, "float32")

        steps = (count + self.batch_size - 1) // self.batch_size
        total = ops.fori_loop(0, steps, step, ops.zeros(()))
        return total / ops.cast(count, "float32")

    def _take_step(self, images: Any, labels: Any, weights: Any) -> Any:
        variables = self.trainable_variables
        with tf.GradientTape() as tape:
            loss = self._loss(labels, self(images, training=True), weights)
        self.optimizer.apply(tape.gradient(loss, variables), variables)
        return loss
