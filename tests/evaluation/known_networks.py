"""Networks with known weights: what they say of an image is plain."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from study.model.network import build_network
from study.variant import Variant

SMALL = Variant(filters=1, filter_size=1, blocks=1, dense_layers=0)


def blob_network(weight: float, bias: float) -> Any:
    """Return a network whose logit is ``weight`` times the mean grey level (0 to 1) plus bias."""
    network = build_network(SMALL, (22, 24, 1))
    for layer in network.layers:
        if isinstance(layer, keras.layers.Conv2D):
            layer.set_weights([np.ones((1, 1, 1, 1)), np.zeros(1)])
        elif isinstance(layer, keras.layers.Dense):
            cells = layer.kernel.shape
            layer.set_weights([np.full(cells, weight / cells[0]), np.array([bias])])
    return network


def all_positive() -> Any:
    """Return a network that calls every image positive, the brighter ones with more certainty."""
    return blob_network(4.0, 0.1)


def all_negative() -> Any:
    """Return a network that calls every image negative, the brighter ones with more certainty."""
    return blob_network(-4.0, -0.1)


def for_other_images() -> Any:
    """Return a network that takes images of another size, so that it cannot be evaluated."""
    return build_network(SMALL, (10, 12, 1))


def without_convolution() -> Any:
    layers = [keras.Input((22, 24, 1)), keras.layers.Flatten(), keras.layers.Dense(1, "sigmoid")]
    return keras.Sequential(layers)
