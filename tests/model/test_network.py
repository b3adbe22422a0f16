"""The network of a variant: what goes in, what comes out, how large it is, how it is trained."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from study.model.capacity import capacity
from study.model.network import build_network, build_optimizer
from study.variant import REFERENCE, REFERENCE_SGD, Variant

SHAPE = (30, 40, 1)
VARIANTS = [
    REFERENCE,
    Variant(filters=8, filter_size=5, padding="same", dense_layers=1, dense_width=16),
    Variant(filters=6, blocks=2, pooling="average", dense_layers=0),
    Variant(filters=5, blocks=2, stride=2, padding="same", dense_width=7, dense_layers=3),
]


@pytest.mark.parametrize("variant", VARIANTS, ids=range(len(VARIANTS)))
def test_the_output_is_one_probability_for_each_image(variant: Variant) -> None:
    keras.utils.set_random_seed(0)
    images = np.random.default_rng(0).integers(0, 256, (5, *SHAPE)).astype(np.float32)
    output = build_network(variant, SHAPE).predict(images, verbose=0)
    assert output.shape == (5, 1)
    assert ((output > 0) & (output < 1)).all()


@pytest.mark.parametrize("shape", [SHAPE, (32, 32, 3)])
@pytest.mark.parametrize("variant", VARIANTS, ids=range(len(VARIANTS)))
def test_it_has_as_many_parameters_as_its_capacity_says(
    variant: Variant, shape: tuple[int, int, int]
) -> None:
    network = build_network(variant, shape)
    assert network.count_params() == capacity(variant, shape).parameters


def test_grey_levels_are_rescaled_inside_the_network() -> None:
    network = build_network(REFERENCE, SHAPE)
    assert isinstance(network.layers[0], keras.layers.Rescaling)
    white = np.full((1, *SHAPE), 255, np.float32)
    np.testing.assert_allclose(network.layers[0](white), np.ones_like(white))


def test_the_layers_are_those_that_the_variant_asks_for() -> None:
    variant = Variant(
        filters=6, filter_size=5, blocks=2, padding="same", stride=2, pooling="average",
        dense_layers=3, dense_width=7, dropout=0.25,
    )  # fmt: skip
    layers = build_network(variant, SHAPE).layers
    kinds = [type(layer).__name__ for layer in layers]
    block, dense = ["Conv2D", "AveragePooling2D"], ["Dense", "Dropout"]
    assert kinds == ["Rescaling", *block * 2, "Flatten", *dense * 3, "Dense"]
    convolution, last = layers[1], layers[-1]
    assert (convolution.filters, convolution.kernel_size) == (6, (5, 5))
    assert (convolution.strides, convolution.padding) == ((2, 2), "same")
    assert convolution.activation is keras.activations.relu
    assert [layer.rate for layer in layers if isinstance(layer, keras.layers.Dropout)] == [0.25] * 3
    assert last.activation is keras.activations.sigmoid


def test_the_same_seed_draws_the_same_weights() -> None:
    drawn = []
    for seed in (1, 1, 2):
        keras.utils.set_random_seed(seed)
        drawn.append(build_network(REFERENCE, SHAPE).layers[1].kernel.numpy())
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert not np.array_equal(drawn[0], drawn[2])


def test_sgd_comes_with_nesterov_momentum() -> None:
    optimizer = build_optimizer(REFERENCE_SGD)
    assert isinstance(optimizer, keras.optimizers.SGD)
    assert (optimizer.momentum, optimizer.nesterov) == (0.9, True)
    assert float(optimizer.learning_rate.numpy()) == pytest.approx(0.01)


@pytest.mark.parametrize(
    ("name", "kind"), [("adam", keras.optimizers.Adam), ("rmsprop", keras.optimizers.RMSprop)]
)
def test_the_other_optimizers_take_their_learning_rate(name: str, kind: type) -> None:
    optimizer = build_optimizer(Variant(optimizer=name, learning_rate=0.02))
    assert type(optimizer) is kind
    assert float(optimizer.learning_rate.numpy()) == pytest.approx(0.02)
