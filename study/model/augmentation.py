"""Random geometric augmentation in one projective transform of a batch."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from study.dataset.draws import Draws, transform_ranges
from study.model.parts import in_parts
from study.protocol import Augmentation


@keras.saving.register_keras_serializable(package="study")
class RandomTransform(keras.layers.Layer):  # type: ignore[misc]
    """Rotate, shift, shear, zoom and flip every image of a batch at random, in training only.

    Input and output are float images (batch, height, width, channels) of any value range; what
    falls outside is filled with the nearest pixel. Each image gets its own transform. ``parts`` is
    in how many the batch is computed.
    """

    def __init__(
        self, augmentation: Augmentation, *, seed: int, parts: int = 1, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.augmentation = augmentation
        self.seed = seed
        self.parts = parts
        self.generator = keras.random.SeedGenerator(seed)

    def call(self, images: Any, training: bool = False) -> Any:
        """Return the images, transformed when ``training``."""
        images = ops.cast(images, self.compute_dtype)
        if not training:
            return images
        low, high = transform_ranges(self.augmentation)
        uniform = keras.random.uniform((ops.shape(images)[0], len(low)), seed=self.generator)
        return in_parts(apply_transforms, self.parts, images, low + (high - low) * uniform)

    def get_config(self) -> dict[str, Any]:
        """Return what rebuilds the layer."""
        return {**super().get_config(), "augmentation": vars(self.augmentation), "seed": self.seed}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> RandomTransform:
        """Rebuild the layer from :meth:`get_config`."""
        return cls(augmentation=Augmentation(**config.pop("augmentation")), **config)


def apply_transforms(images: Any, transforms: Any) -> Any:
    """Return images (n, h, w, c) under transforms (n, 8), columns as ``draws.COLUMNS``.

    Same pictures as Keras' ``ImageDataGenerator.apply_transform`` gives for ``theta=rotation``,
    ``tx=shift_x * w``, ``ty=shift_y * h``, ``shear``, ``zx=zoom_x``, ``zy=zoom_y`` and its flips.
    """
    _, height, width, _ = images.shape
    return ops.image.affine_transform(
        images,
        _coefficients(ops.convert_to_tensor(transforms), height, width),
        interpolation="bilinear",
        fill_mode="nearest",
    )


def _coefficients(transforms: Any, height: int, width: int) -> Any:
    """Return (n, 8): where output pixel (x, y) is read, x' = a x + b y + c, y' = d x + e y + f."""
    rotation, shift_x, shift_y, shear, zoom_x, zoom_y, flip_x, flip_y = ops.unstack(
        transforms, 8, axis=1
    )
    theta, phi = rotation * (np.pi / 180), shear * (np.pi / 180)
    # Rotation . shift . shear . zoom, in the order of ImageDataGenerator.
    cos, sin = ops.cos(theta), ops.sin(theta)
    a, b = cos * zoom_x, (-cos * ops.sin(phi) - sin * ops.cos(phi)) * zoom_y
    d, e = sin * zoom_x, (-sin * ops.sin(phi) + cos * ops.cos(phi)) * zoom_y
    c = cos * shift_x * width - sin * shift_y * height
    f = sin * shift_x * width + cos * shift_y * height
    # Keras turns about (height / 2, width / 2) in x, y: off the centre unless the image is square.
    # The article was trained that way, so the protocol keeps it.
    pivot_x, pivot_y = height / 2 - 0.5, width / 2 - 0.5
    c = c + pivot_x - a * pivot_x - b * pivot_y
    f = f + pivot_y - d * pivot_x - e * pivot_y
    # Flips come last: output column x is read where column (width - 1 - x) was.
    left = ops.cast(flip_x < 0.5, a.dtype)
    up = ops.cast(flip_y < 0.5, a.dtype)
    c, a = c + left * a * (width - 1), a * (1 - 2 * left)
    f, d = f + left * d * (width - 1), d * (1 - 2 * left)
    c, b = c + up * b * (height - 1), b * (1 - 2 * up)
    f, e = f + up * e * (height - 1), e * (1 - 2 * up)
    nothing = ops.zeros_like(a)
    return ops.stack([a, b, c, d, e, f, nothing, nothing], axis=1)


def render(images: NDArray[np.uint8], draws: Draws) -> NDArray[np.float32]:
    """Return the fixed set's pictures, (n, h, w, c), grey levels 0..255."""
    chosen = ops.convert_to_tensor(images[draws.index].astype(np.float32))
    return np.asarray(ops.convert_to_numpy(apply_transforms(chosen, draws.transforms)))
