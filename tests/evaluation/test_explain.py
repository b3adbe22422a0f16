"""Grad-CAM: against its formula, on networks whose weights say where they look, and its laws."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from study.evaluation.explain import grad_cam
from study.model.network import build_network
from study.variant import REFERENCE, Variant

# Keras' own code calls NumPy in a way that NumPy 2 warns of.
pytestmark = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")

Shape = tuple[int, int, int]

SPOT = 24
"""Side of the bright and of the dark spot, pixels."""

VARIANTS = [
    (REFERENCE, (64, 96, 1)),
    (Variant(filters=2, blocks=1, dense_layers=0), (64, 96, 3)),
    (Variant(filters=3, blocks=4, pooling="average", dense_layers=1), (96, 128, 1)),
    (Variant(filters=2, blocks=4, padding="same", dense_width=5), (96, 96, 1)),
    (Variant(filters=4, blocks=2, stride=2, dense_layers=3, dropout=0.9), (96, 64, 3)),
    (Variant(filters=2, blocks=2, stride=2, padding="same", filter_size=4), (70, 101, 1)),
    (Variant(filters=2, blocks=2, filter_size=7, dense_layers=0), (80, 80, 1)),
    (Variant(filters=2, blocks=1, stride=4, filter_size=2, pooling="average"), (64, 64, 1)),
]
EVERY = pytest.mark.parametrize(("variant", "shape"), VARIANTS, ids=range(len(VARIANTS)))


def random_network(variant: Variant, shape: Shape) -> Any:
    keras.utils.set_random_seed(5)
    return build_network(variant, shape)


def spot_network(variant: Variant, shape: Shape) -> Any:
    """Return a network that calls bright spots positive and dark ones negative.

    Its first filter passes on what is brighter than 0.75, its second what is darker than 0.25.
    """
    network = build_network(variant, shape)
    convolutions = [item for item in network.layers if isinstance(item, keras.layers.Conv2D)]
    for number, layer in enumerate(convolutions):
        kernel, bias = (np.zeros(item.shape) for item in layer.get_weights())
        middle = (variant.filter_size - 1) // 2
        if number == 0:
            kernel[middle, middle, :, 0], bias[0] = 1 / shape[2], -0.75
            kernel[middle, middle, :, 1], bias[1] = -1 / shape[2], 0.25
        else:
            kernel[middle, middle, 0, 0] = kernel[middle, middle, 1, 1] = 1
        layer.set_weights([kernel, bias])
    *hidden, output = [item for item in network.layers if isinstance(item, keras.layers.Dense)]
    for number, layer in enumerate([*hidden, output]):
        kernel = np.zeros(layer.kernel.shape)
        own = variant.filters if number == 0 else layer.kernel.shape[0]
        kernel[0::own, 0] = 1
        if layer is output:
            kernel[1::own, 0] = -1
        else:
            kernel[1::own, 1] = 1
        if number > 0:  # behind a dense layer, only its first two units carry anything
            kernel[2:] = 0
        layer.set_weights([kernel, np.zeros(layer.bias.shape)])
    return network


def grey_with_spots(shape: Shape) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a grey image, and the middles of its bright and its dark spot, (row, column)."""
    height, width, _ = shape
    image = np.full((1, *shape), 128, np.uint8)
    bright, dark = slice(8, 8 + SPOT), (slice(-8 - SPOT, -8), slice(-8 - SPOT, -8))
    image[0, bright, bright], image[0, dark[0], dark[1]] = 255, 0
    middle = 8 + (SPOT - 1) / 2
    return image, np.array([middle] * 2), np.array([height - 1 - middle, width - 1 - middle])


def centre_of(heat: np.ndarray) -> np.ndarray:
    return np.array([(place * heat).sum() for place in np.indices(heat.shape)]) / heat.sum()


@EVERY
def test_the_heat_lies_at_the_spot_that_speaks_for_the_called_class(
    variant: Variant, shape: Shape
) -> None:
    image, bright, dark = grey_with_spots(shape)
    both = np.repeat(image, 2, axis=0)
    heat = grad_cam(spot_network(variant, shape), both, np.array([True, False]))
    # Within half of the 12 pixels by which the largest step between two cells may miss a spot.
    assert np.abs(centre_of(heat[0]) - bright).max() < 6
    assert np.abs(centre_of(heat[1]) - dark).max() < 6


@EVERY
def test_heat_goes_from_0_to_1_and_no_image_changes_that_of_another(
    variant: Variant, shape: Shape
) -> None:
    network = random_network(variant, shape)
    images = np.random.default_rng(1).integers(0, 256, (3, *shape), dtype=np.uint8)
    called = np.array([True, False, True])
    heat = grad_cam(network, images, called)
    assert (heat.shape, heat.dtype) == ((3, *shape[:2]), np.float32)
    assert heat.min() >= 0
    assert all(hottest in (0, 1) for hottest in heat.max(axis=(1, 2)))
    assert heat.any()
    alone = [grad_cam(network, images[[k]], called[[k]])[0] for k in range(3)]
    np.testing.assert_allclose(heat, alone, atol=1e-4)


def test_it_is_the_published_formula() -> None:
    """Selvaraju et al. 2017, equations 1 and 2, where every gradient can be written down."""
    variant = Variant(filters=5, filter_size=1, blocks=1, pooling="average", dense_layers=0)
    shape = (6, 8, 3)
    network = random_network(variant, shape)
    rng = np.random.default_rng(2)
    for layer in network.layers:
        layer.set_weights([rng.normal(size=item.shape) for item in layer.get_weights()])
    images = rng.integers(0, 256, (4, *shape), dtype=np.uint8)
    kernel, bias = network.layers[1].get_weights()
    features = np.maximum(images / 255 @ kernel[0, 0] + bias, 0)
    output = network.layers[-1].get_weights()[0].reshape(3, 4, 5)
    mean_gradient = output.mean(axis=(0, 1)) / 4  # pooling hands a quarter to each of its pixels
    for called, sign in ((True, 1), (False, -1)):
        raw = np.maximum((sign * mean_gradient * features).sum(axis=3), 0)
        expected = raw / np.maximum(raw.max(axis=(1, 2), keepdims=True), 1e-30)
        heat = grad_cam(network, images, np.full(4, called))
        np.testing.assert_allclose(heat, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("blocks", "filter_size", "stride"), [(1, 3, 1), (3, 3, 1), (4, 5, 1), (2, 4, 2), (2, 3, 3)]
)
def test_heat_lies_at_the_centres_of_what_the_cells_see(
    blocks: int, filter_size: int, stride: int
) -> None:
    """Averages leave a slope as it is, provided each stands where the middle of its pixels is."""
    variant = Variant(
        filters=1, filter_size=filter_size, blocks=blocks, stride=stride, pooling="average",
        dense_layers=0,
    )  # fmt: skip
    height, width = 100, 140
    network = build_network(variant, (height, width, 1))
    for layer in network.layers:
        if isinstance(layer, keras.layers.Conv2D):
            mean = np.full(layer.kernel.shape, 1 / filter_size**2)
            layer.set_weights([mean, np.zeros(1)])
        elif isinstance(layer, keras.layers.Dense):
            layer.set_weights([np.ones(layer.kernel.shape), np.zeros(1)])
    rows, columns = np.indices((height, width))
    slope = (rows + columns).astype(np.uint8)
    heat = grad_cam(network, slope[None, :, :, None], np.array([True]))[0]
    inside = (slice(42, 58), slice(42, 98))
    np.testing.assert_allclose(
        heat[inside] / heat[50, 70], slope[inside] / slope[50, 70], rtol=1e-4
    )


def test_a_network_that_is_certain_is_explained_all_the_same() -> None:
    """Its probability is 1 to the last bit, so that the gradient of the probability is 0."""
    variant, shape = Variant(filters=2, blocks=1, dense_layers=0), (64, 96, 1)
    network, (image, *_) = spot_network(variant, shape), grey_with_spots(shape)
    output = network.layers[-1]
    unsure = grad_cam(network, image, np.array([True]))
    output.set_weights([1000 * output.get_weights()[0], np.array([1000.0])])
    assert network.predict_on_batch(image)[0, 0] == 1
    np.testing.assert_allclose(grad_cam(network, image, np.array([True])), unsure, atol=1e-5)
    assert unsure.max() == 1


def test_where_nothing_speaks_for_the_class_there_is_no_heat() -> None:
    variant, shape = Variant(filters=2, blocks=1, dense_layers=0), (64, 96, 1)
    grey = np.full((1, *shape), 128, np.uint8)
    assert not grad_cam(spot_network(variant, shape), grey, np.array([True])).any()


def test_no_images_have_no_heat() -> None:
    network = random_network(Variant(filters=2, blocks=1), (20, 30, 1))
    none = np.zeros((0, 20, 30, 1), np.uint8)
    assert grad_cam(network, none, np.zeros(0, bool)).shape == (0, 20, 30)


def test_a_network_without_a_convolution_is_refused() -> None:
    network = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Flatten()])
    with pytest.raises(ValueError, match="no convolution"):
        grad_cam(network, np.zeros((1, 4, 4, 1), np.uint8), np.array([True]))
