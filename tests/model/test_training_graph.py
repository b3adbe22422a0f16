"""The layers for training are the network's own, in other operations."""

from __future__ import annotations

from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf

from study.model.network import build_network
from study.model.training_graph import training_layers
from study.variant import REFERENCE, Variant

SHAPE = (30, 40, 1)
SMALL = replace(REFERENCE, filters=8, dense_width=16)


@pytest.mark.parametrize(
    "variant",
    [
        SMALL,
        replace(SMALL, padding="same", stride=2, blocks=2, pooling="average"),
        replace(SMALL, blocks=1),
    ],
)
@pytest.mark.parametrize("parts", [1, 2, 8])
def test_outputs_and_gradients_are_those_of_the_network(variant: Variant, parts: int) -> None:
    """Also in more parts than there are images."""
    keras.utils.set_random_seed(1)
    network = build_network(variant, SHAPE)
    for weight in network.trainable_variables:  # biases begin at zero
        weight.assign(weight + 0.1)
    trained = keras.Sequential([keras.Input(SHAPE), *training_layers(network, parts)])
    assert {id(w) for w in trained.weights} == {id(w) for w in network.weights}
    images = np.random.default_rng(0).uniform(0, 255, (6, *SHAPE)).astype(np.float32)
    found = []
    for model in (network, trained):
        with tf.GradientTape() as tape:
            chance = model(images, training=False)
            loss = tf.reduce_sum(chance * np.arange(6)[:, None])
        found.append([chance, *tape.gradient(loss, network.trainable_variables)])
    for ours, theirs in zip(found[1], found[0], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
