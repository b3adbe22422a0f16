"""The training loop takes short cuts for speed; a plain one without any comes to the same."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from study import metrics
from study.dataset.arrays import PartArrays
from study.dataset.draws import draw_fixed_set
from study.model.augmentation import RandomTransform
from study.model.network import build_network, build_optimizer
from study.protocol import Protocol
from study.seeds import derive
from study.training import loop, step
from study.training.data import EpochSamples, TrialData, assemble, class_weights
from study.training.loop import train
from study.training.step import samples_per_call
from study.variant import Variant

pytestmark = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")

SEED, EPOCHS, STEPS_PER_CALL = 3, 3, 5
COLUMNS = ("train_loss", "validation_loss", "validation_plain_loss")


@pytest.fixture(scope="module")
def data(tiny: Protocol) -> TrialData:
    """Noise in two classes, of which one is brighter in the middle."""
    rng = np.random.default_rng(0)
    parts = {}
    for part, count in (("train", 40), ("validation", 16)):
        labels = np.arange(count) % 3 // 2
        images = rng.integers(0, 200, (count, *tiny.image_shape))
        images[labels == 1, 8:14, 8:16] += 40
        names = tuple(f"{part}-{k}" for k in range(count))
        parts[part] = PartArrays(
            images.astype(np.uint8), labels.astype(np.int64), np.arange(count), names, names
        )
    draws = {
        part: draw_fixed_set(
            images=len(arrays.labels),
            samples=tiny.validation_samples,
            augmentation=tiny.augmentation,
            seed=k,
        )
        for k, (part, arrays) in enumerate(parts.items())
    }
    return assemble(train=parts["train"], validation=parts["validation"], draws=draws)


def plain_loop(variant: Variant, protocol: Protocol, data: TrialData) -> list[list[float]]:
    """One gradient step a batch, called from Python; return the losses of each epoch.

    Samples are augmented by as many at once as in the loop that is tested, so that both draw the
    same random numbers.
    """
    keras.utils.clear_session()
    keras.utils.set_random_seed(derive(SEED, "weights"))
    network = build_network(variant, protocol.image_shape)
    augment = RandomTransform(protocol.augmentation, seed=derive(SEED, "augmentation"))
    optimizer = build_optimizer(variant)
    optimizer.build(network.trainable_variables)
    weights = class_weights(data.train.labels, protocol)
    samples = EpochSamples(
        part=data.train,
        class_weights=weights,
        samples=protocol.samples_per_epoch,
        chunk=samples_per_call(variant.batch_size, protocol.image_shape),
        seed=derive(SEED, "samples"),
    )
    losses = []
    for epoch in range(protocol.epochs):
        for images, labels, _ in samples.epoch(epoch):
            images = augment(images, training=True)
            for start in range(0, len(labels), variant.batch_size):
                batch = slice(start, start + variant.batch_size)
                with tf.GradientTape() as tape:
                    chance = network(images[batch], training=True)
                    each = keras.losses.binary_crossentropy(labels[batch], chance)
                    weight = np.where(labels[batch, 0] == 1, weights[1], weights[0])
                    loss = tf.reduce_mean(each * weight)
                gradients = tape.gradient(loss, network.trainable_variables)
                optimizer.apply_gradients(zip(gradients, network.trainable_variables, strict=True))
        losses.append(
            [
                metrics.binary_scores(item.labels, network(item.images, training=False)[:, 0])[
                    "loss"
                ]
                for item in data.sets
            ]
        )
    return losses


def variant_of(optimizer: str, pooling: str) -> Variant:
    return Variant(
        filters=8, blocks=2, dense_width=16, dropout=0.3, batch_size=20,
        optimizer=optimizer, pooling=pooling, learning_rate=0.003,
    )  # fmt: skip


@pytest.fixture(scope="module")
def protocol(tiny: Protocol) -> Protocol:
    """The 202 samples of an epoch are two whole calls and a batch of two, fewer than the parts."""
    return replace(tiny, epochs=EPOCHS, samples_per_epoch=202)


@pytest.fixture(scope="module")
def expected(data: TrialData, protocol: Protocol) -> Callable[..., list[list[float]]]:
    """Return a function that gives the losses of the plain loop, run once for each network."""

    @cache
    def losses(optimizer: str, pooling: str) -> list[list[float]]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(step, "STEPS_PER_CALL", STEPS_PER_CALL)
            return plain_loop(variant_of(optimizer, pooling), protocol, data)

    return losses


@pytest.mark.parametrize("parts", [1, 3])
@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("pooling", ["max", "average"])
def test_the_loss_curves_are_those_of_a_plain_loop(
    data: TrialData,
    protocol: Protocol,
    expected: Callable[..., list[list[float]]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    optimizer: str,
    pooling: str,
    parts: int,
) -> None:
    """From the same seed, with dropout, class weights, augmentation and a last smaller batch."""
    monkeypatch.setattr(step, "STEPS_PER_CALL", STEPS_PER_CALL)
    monkeypatch.setattr(loop, "batch_parts", lambda: parts)
    train(
        variant_of(optimizer, pooling),
        protocol=protocol,
        data=data,
        seed=SEED,
        folder=tmp_path,
        on_epoch=lambda _epoch, _score: False,
    )
    with (tmp_path / "history.csv").open(newline="") as file:
        found = [[float(row[name]) for name in COLUMNS] for row in csv.DictReader(file)]
    np.testing.assert_allclose(found, expected(optimizer, pooling), rtol=2e-4)
    assert found[0] != found[-1], "nothing was learned, so nothing was compared"
