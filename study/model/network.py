"""The network of a variant."""

from __future__ import annotations

from typing import Any

import keras

from study.variant import Variant


def build_network(variant: Variant, image_shape: tuple[int, int, int]) -> Any:
    """Return the network as an uncompiled ``keras.Sequential``.

    Input: images (batch, height, width, channels), grey levels 0..255; rescaling is its first
    layer. Output: probability of the positive class, (batch, 1). Weights are drawn from Keras'
    global seed.
    """
    layers: list[Any] = [keras.Input(image_shape), keras.layers.Rescaling(1 / 255)]
    pooling = {"max": keras.layers.MaxPooling2D, "average": keras.layers.AveragePooling2D}
    for _ in range(variant.blocks):
        layers += [
            keras.layers.Conv2D(
                variant.filters,
                variant.filter_size,
                strides=variant.stride,
                padding=variant.padding,
                activation="relu",
            ),
            pooling[variant.pooling](2),
        ]
    layers.append(keras.layers.Flatten())
    for _ in range(variant.dense_layers):
        layers.append(keras.layers.Dense(variant.dense_width, activation="relu"))
        layers.append(keras.layers.Dropout(variant.dropout))
    layers.append(keras.layers.Dense(1, activation="sigmoid"))
    return keras.Sequential(layers, name="network")


def build_optimizer(variant: Variant) -> Any:
    """Return the variant's optimizer; SGD comes with Nesterov momentum 0.9."""
    match variant.optimizer:
        case "adam":
            return keras.optimizers.Adam(variant.learning_rate)
        case "sgd":
            return keras.optimizers.SGD(variant.learning_rate, momentum=0.9, nesterov=True)
        case _:
            return keras.optimizers.RMSprop(variant.learning_rate)
