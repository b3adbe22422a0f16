"""Fixed augmented sets: which image, under which transform, drawn once per study.

A set is stored in relative units, so that it can be rendered for any image size and stays the
same for every epoch and every trial.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from study.files import replacing
from study.protocol import Augmentation

COLUMNS = ("rotation", "shift_x", "shift_y", "shear", "zoom_x", "zoom_y", "flip_x", "flip_y")
"""A transform: degrees, fractions of width and height, degrees, two scales, and two numbers that
flip the image left to right or top to bottom where they are below 0.5."""


@dataclass(frozen=True, kw_only=True)
class Draws:
    """Samples of a fixed set: ``index`` (n,) into the images, ``transforms`` (n, 8)."""

    index: NDArray[np.int64]
    transforms: NDArray[np.float32]


def transform_ranges(augmentation: Augmentation) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the lowest and the highest value of each of ``COLUMNS``, (8,) each."""
    a = augmentation
    low = [-a.rotation, -a.shift_x, -a.shift_y, -a.shear, 1 - a.zoom, 1 - a.zoom]
    high = [a.rotation, a.shift_x, a.shift_y, a.shear, 1 + a.zoom, 1 + a.zoom]
    flips = (a.flip_horizontal, a.flip_vertical)
    low += [0.0 if flip else 0.5 for flip in flips]
    high += [1.0] * 2
    return np.array(low, np.float32), np.array(high, np.float32)


def balanced_indices(images: int, samples: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return ``samples`` indices below ``images`` in random order.

    Every image comes floor or ceil(samples / images) times.
    """
    whole, rest = divmod(samples, images)
    index = np.concatenate(
        [np.tile(np.arange(images), whole), rng.choice(images, rest, replace=False)]
    )
    return rng.permutation(index)


def draw_fixed_set(*, images: int, samples: int, augmentation: Augmentation, seed: int) -> Draws:
    """Draw a fixed set of ``samples`` augmented images out of ``images``."""
    rng = np.random.default_rng(seed)
    low, high = transform_ranges(augmentation)
    return Draws(
        index=balanced_indices(images, samples, rng),
        transforms=rng.uniform(low, high, (samples, len(COLUMNS))).astype(np.float32),
    )


def write_draws(path: Path, draws: Draws) -> None:
    """Write a fixed set as ``.npz``."""
    with replacing(path) as scratch:
        np.savez_compressed(scratch, index=draws.index, transforms=draws.transforms)


def read_draws(path: Path) -> Draws:
    """Read what :func:`write_draws` wrote."""
    with np.load(path, allow_pickle=False) as stored:
        return Draws(index=stored["index"], transforms=stored["transforms"])
