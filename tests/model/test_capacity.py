"""Capacity counted from the hyperparameters equals that of the network that is built."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from study.errors import SettingsError
from study.model.capacity import Capacity, capacity, layers
from study.variant import Variant

ARTICLE = (30, 40, 1)

variants = st.builds(
    Variant,
    filters=st.integers(1, 24),
    filter_size=st.integers(1, 7),
    blocks=st.integers(1, 5),
    padding=st.sampled_from(["valid", "same"]),
    stride=st.integers(1, 3),
    pooling=st.sampled_from(["max", "average"]),
    dense_width=st.integers(1, 40),
    dense_layers=st.integers(0, 3),
)
shapes = st.tuples(st.integers(4, 90), st.integers(4, 90), st.sampled_from([1, 3]))


def test_the_reference_network_has_the_articles_size():
    assert capacity(Variant(), ARTICLE) == Capacity(parameters=103_361, macs=9_046_592)


def test_the_reference_networks_layers_are_counted_by_hand():
    assert [
        (layer.name, layer.output_shape, layer.parameters, layer.macs)
        for layer in layers(Variant(), ARTICLE)
    ] == [
        ("convolution 1", (28, 38, 64), 9 * 64 + 64, 28 * 38 * 9 * 64),
        ("pooling 1", (14, 19, 64), 0, 0),
        ("convolution 2", (12, 17, 64), 9 * 64 * 64 + 64, 12 * 17 * 9 * 64 * 64),
        ("pooling 2", (6, 8, 64), 0, 0),
        ("convolution 3", (4, 6, 64), 9 * 64 * 64 + 64, 4 * 6 * 9 * 64 * 64),
        ("pooling 3", (2, 3, 64), 0, 0),
        ("flatten", (384,), 0, 0),
        ("dense 1", (64,), 384 * 64 + 64, 384 * 64),
        ("dense 2", (64,), 64 * 64 + 64, 64 * 64),
        ("output", (1,), 64 + 1, 64),
    ]


@given(variants, shapes)
def test_capacity_is_the_sum_of_its_layers(variant, shape):
    try:
        sizes = layers(variant, shape)
    except SettingsError:
        assume(False)
    assert capacity(variant, shape) == Capacity(
        parameters=sum(layer.parameters for layer in sizes),
        macs=sum(layer.macs for layer in sizes),
    )
    assert all(min(layer.output_shape) >= 1 for layer in sizes)


def keras_network(variant, shape):
    """Return the network, built with Keras' own layers alone."""
    from keras import Input, Sequential
    from keras import layers as kinds

    pool = kinds.MaxPooling2D if variant.pooling == "max" else kinds.AveragePooling2D
    stack = [Input(shape)]
    for _ in range(variant.blocks):
        stack.append(
            kinds.Conv2D(
                variant.filters,
                variant.filter_size,
                strides=variant.stride,
                padding=variant.padding,
                activation="relu",
            )
        )
        stack.append(pool(2, strides=2, padding="valid"))
    stack.append(kinds.Flatten())
    for _ in range(variant.dense_layers):
        stack += [kinds.Dense(variant.dense_width, activation="relu"), kinds.Dropout(0.5)]
    stack.append(kinds.Dense(1, activation="sigmoid"))
    return Sequential(stack)


@pytest.mark.parametrize(
    ("variant", "shape"),
    [
        (Variant(), ARTICLE),
        (Variant(padding="same", filters=5), ARTICLE),
        (Variant(padding="same", stride=2, filters=7, blocks=2, pooling="average"), (31, 45, 3)),
        (Variant(stride=3, filter_size=5, blocks=1, filters=4, dense_layers=0), (29, 40, 1)),
        (Variant(blocks=4, filter_size=2, filters=3, dense_layers=4, dense_width=9), (64, 47, 3)),
        (Variant(filter_size=1, filters=2, blocks=2, dense_layers=1), (5, 7, 1)),
        (Variant(padding="same", stride=4, filter_size=7, blocks=1, filters=2), (9, 10, 1)),
    ],
    ids=lambda value: "x".join(map(str, value)) if isinstance(value, tuple) else "",
)
def test_parameters_shapes_and_macs_equal_those_of_the_network_built_by_keras(variant, shape):
    network = keras_network(variant, shape)
    sizes = layers(variant, shape)
    macs = 0
    for layer in network.layers:
        if layer.weights:
            kernel = layer.weights[0].shape  # (..., inputs, outputs)
            macs += math.prod(kernel[:-1]) * math.prod(layer.output.shape[1:])
    built = [layer for layer in network.layers if "dropout" not in layer.name]
    assert capacity(variant, shape) == Capacity(parameters=network.count_params(), macs=macs)
    assert [size.output_shape for size in sizes] == [layer.output.shape[1:] for layer in built]
    assert [size.parameters for size in sizes] == [layer.count_params() for layer in built]


def test_the_network_that_is_trained_has_the_counted_parameters():
    from study.model.network import build_network

    for variant in (Variant(), Variant(padding="same", stride=2, blocks=2, dense_layers=1)):
        network = build_network(variant, ARTICLE)
        assert network.count_params() == capacity(variant, ARTICLE).parameters


@given(variants, shapes)
def test_a_network_that_does_not_fit_is_refused_in_one_line_whose_ways_all_work(variant, shape):
    try:
        capacity(variant, shape)
    except SettingsError as error:
        message = str(error)
    else:
        assume(False)
    assert "\n" not in message
    assert f"images of {shape[1]}x{shape[0]} (width x height)" in message
    ways = message.split("; use ")[1].split(" or ")
    side = int(ways[0].split("x")[-1])
    assert ways[0] == f"images of at least {side}x{side}"
    capacity(variant, (side, side, 1))
    with pytest.raises(SettingsError):
        capacity(variant, (side - 1, side, 1))
    for way in ways[1:]:
        name, value = way.split()
        change = {name: value if name == "padding" else int(value)}
        capacity(Variant(**(variant.as_dict() | change)), shape)


def test_the_refusal_names_the_block_its_map_and_what_to_change():
    with pytest.raises(SettingsError) as caught:
        capacity(Variant(blocks=5), ARTICLE)
    assert str(caught.value) == (
        "blocks: images of 40x30 (width x height) leave 3x2 for block 4 of 5, too small for a "
        "convolution of 3x3 with padding valid and stride 1, then 2x2 pooling; use images of at "
        "least 94x94 or blocks 3"
    )


def test_capacity_grows_with_every_field_that_makes_a_network_larger():
    small = capacity(Variant(), ARTICLE)
    for change in ({"filters": 65}, {"dense_width": 65}, {"dense_layers": 3}, {"padding": "same"}):
        large = capacity(Variant(**change), ARTICLE)
        assert large.parameters > small.parameters, change
        assert large.macs > small.macs, change


def test_counting_is_plain_python_numbers():
    size = capacity(Variant(), ARTICLE)
    assert type(size.parameters) is type(size.macs) is int
    assert not isinstance(size.macs, np.generic)
