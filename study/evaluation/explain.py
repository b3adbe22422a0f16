"""Grad-CAM: where in an image a network found what it took for the class that it called."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops
from numpy.typing import NDArray

from study.model.capacity import EVALUATION_BATCH

_Pixels = NDArray[np.uint8] | NDArray[np.float32]

_POOLINGS = (keras.layers.MaxPooling2D, keras.layers.AveragePooling2D)


def grad_cam(network: Any, images: _Pixels, positive: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the heat map of each image for the class that it was called, (n, h, w), 0 to 1.

    ``network`` is one of ``model.network.build_network``, ``images`` (n, h, w, c) hold grey levels
    0..255, ``positive`` (n,) tells which were called positive. The activations of the last
    convolution are weighted by the mean gradient of the called class's score, summed, and cut off
    at 0 (Selvaraju et al. 2017, Grad-CAM, equations 1 and 2). Each map's maximum is 1, unless
    nothing spoke for the class: then it is 0 everywhere.

    The score is the logit, or minus the logit for the negative class: the gradient of a
    probability that is nearly 0 or 1 vanishes, which is that of the gravest mistakes. Heat lies at
    the centres of the receptive fields, and is interpolated between them.

    Raises ``ValueError`` when the network has no convolution.
    """
    layers = list(network.layers)
    places = [k for k, layer in enumerate(layers) if isinstance(layer, keras.layers.Conv2D)]
    if not places:
        raise ValueError("the network has no convolution")
    head, tail = layers[: places[-1] + 1], layers[places[-1] + 1 :]
    sides = [_placement(head, axis, images.shape[1 + axis]) for axis in (0, 1)]
    heat = np.zeros(images.shape[:3], np.float32)
    for start in range(0, len(images), EVALUATION_BATCH):
        part = slice(start, start + EVALUATION_BATCH)
        cells = _class_activation(head, tail, images[part], positive[part])
        heat[part] = np.einsum("yi,nij,xj->nyx", sides[0], cells, sides[1], optimize=True)
    hottest = heat.max(axis=(1, 2), initial=0.0, keepdims=True)
    heat /= np.where(hottest > 0, hottest, 1)
    return heat


def _class_activation(
    head: Sequence[Any], tail: Sequence[Any], images: _Pixels, positive: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Return the map in cells of the last convolution, which ends ``head``: (n, rows, columns)."""
    features = _run(head, ops.convert_to_tensor(images, "float32"))
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(features)
        *hidden, output = tail
        logit = ops.matmul(_run(hidden, features), output.kernel) + output.bias
        score = tf.where(positive[:, None], logit, -logit)
    gradient = tape.gradient(score, features)  # (n, rows, columns, filters)
    weight = ops.mean(gradient, axis=(1, 2), keepdims=True)
    return np.asarray(ops.convert_to_numpy(ops.relu(ops.sum(weight * features, axis=3))))


def _run(layers: Sequence[Any], values: Any) -> Any:
    for layer in layers:
        values = layer(values, training=False)
    return values


def _placement(layers: Sequence[Any], axis: int, side: int) -> NDArray[np.float64]:
    """Return how much each cell of the last layer counts at each pixel, (side, cells).

    A cell counts fully at the centre of its receptive field (Araujo et al. 2019, Distill,
    Computing receptive fields): without padding, the outermost ones lie well inside the image.
    """
    first, step, cells = 0.0, 1, side
    for layer in layers:
        if isinstance(layer, keras.layers.Conv2D):
            window = layer.kernel_size[axis]
        elif isinstance(layer, _POOLINGS):
            window = layer.pool_size[axis]
        else:
            continue
        stride, before = layer.strides[axis], 0
        outputs = (cells - window) // stride + 1
        if layer.padding == "same":
            outputs = -(-cells // stride)
            before = max((outputs - 1) * stride + window - cells, 0) // 2
        first += ((window - 1) / 2 - before) * step
        step, cells = step * stride, outputs
    centres = first + step * np.arange(cells)
    return np.stack([np.interp(np.arange(side), centres, one) for one in np.eye(cells)], axis=1)
