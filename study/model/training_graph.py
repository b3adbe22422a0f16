"""A network laid out for training: the same layers and weights, in operations that run faster."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from study.model.parts import in_parts


class Block(keras.layers.Layer):  # type: ignore[misc]
    """Run a convolution and the pooling behind it, with their own weights.

    The bias is added in a step of its own: Keras adds it by TensorFlow's ``BiasAdd``, whose
    gradient oneDNN fuses with that of the filters; for an input of one channel the fused kernel
    takes four times as long as the two apart. And where the pooling takes the maximum, bias and
    activation come after it: they are monotone, so that for finite numbers the result is the same
    to the last bit, for a quarter of the work.
    """

    def __init__(self, convolution: Any, pooling: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.convolution, self.pooling = convolution, pooling

    def call(self, images: Any) -> Any:
        """Return what the two layers would: (n, h, w, filters)."""
        layer = self.convolution
        images = ops.conv(images, layer.kernel, layer.strides, layer.padding)
        if isinstance(self.pooling, keras.layers.MaxPooling2D):
            return self._activated(self.pooling(images))
        return self.pooling(self._activated(images))

    def _activated(self, images: Any) -> Any:
        # Not ``ops.add``, which sees a bias and takes BiasAdd after all.
        return self.convolution.activation(images + ops.convert_to_tensor(self.convolution.bias))


class SideBySide(keras.layers.Layer):  # type: ignore[misc]
    """Run blocks on parts of the batch, which TensorFlow computes on as many threads.

    Images do not meet in the blocks, so the parts together are what the whole batch would be, but
    for the order in which the gradients of the weights are summed.
    """

    def __init__(self, blocks: Sequence[Any], parts: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.blocks, self.parts = list(blocks), parts

    def call(self, images: Any) -> Any:
        """Return what the blocks would, one after another: (n, h, w, filters)."""
        return in_parts(self._run, self.parts, images)

    def _run(self, images: Any) -> Any:
        for block in self.blocks:
            images = block(images)
        return images


def training_layers(network: Any, parts: int = 1) -> list[Any]:
    """Return the layers of ``build_network``'s network, laid out for training.

    They share its weights: what is trained is the network. ``parts`` is in how many the
    convolutional blocks compute a batch.
    """
    layers = list(network.layers)
    places = [k for k, layer in enumerate(layers) if isinstance(layer, keras.layers.Conv2D)]
    blocks = [Block(layers[k], layers[k + 1]) for k in places]
    return [*layers[: places[0]], SideBySide(blocks, parts), *layers[places[-1] + 2 :]]
