"""Augmentation: the pictures of Keras' ImageDataGenerator, drawn anew for every image."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras.src.legacy.preprocessing.image import ImageDataGenerator
from PIL import Image

from study.dataset.draws import (
    COLUMNS,
    Draws,
    balanced_indices,
    draw_fixed_set,
    read_draws,
    transform_ranges,
    write_draws,
)
from study.model.augmentation import RandomTransform, apply_transforms, render
from study.protocol import Augmentation

# Keras' own code takes SciPy's function from where it used to be.
pytestmark = pytest.mark.filterwarnings("ignore:Please import:DeprecationWarning")

NOTHING = {**dict.fromkeys(COLUMNS, 0.0), "zoom_x": 1, "zoom_y": 1, "flip_x": 1, "flip_y": 1}
ALONE = {
    "rotation": [-40, 15],
    "shift_x": [-0.2, 0.13],
    "shift_y": [-0.2, 0.13],
    "shear": [-20, 20],
    "zoom_x": [0.8, 1.2],
    "zoom_y": [0.8, 1.2],
    "flip_x": [0.2],
    "flip_y": [0.2],
}
OFF = Augmentation(
    rotation=0, shift_x=0, shift_y=0, shear=0, zoom=0, flip_horizontal=False, flip_vertical=False
)


def smooth(height: int, width: int) -> np.ndarray:
    """Return a smooth picture without symmetry, (height, width, 1), grey levels 0..255."""
    coarse = np.random.default_rng(3).integers(0, 256, (6, 7), dtype=np.uint8)
    picture = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(picture, np.float32)[..., None]


def by_keras(picture: np.ndarray, transform: np.ndarray) -> np.ndarray:
    height, width, _ = picture.shape
    t = dict(zip(COLUMNS, map(float, transform), strict=True))
    parameters = {
        "theta": t["rotation"],
        "tx": t["shift_x"] * width,
        "ty": t["shift_y"] * height,
        "shear": t["shear"],
        "zx": t["zoom_x"],
        "zy": t["zoom_y"],
        "flip_horizontal": t["flip_x"] < 0.5,
        "flip_vertical": t["flip_y"] < 0.5,
    }
    generator = ImageDataGenerator(fill_mode="nearest", data_format="channels_last")
    return np.asarray(generator.apply_transform(picture.copy(), parameters))


def by_study(picture: np.ndarray, transforms: np.ndarray) -> np.ndarray:
    batch = np.repeat(picture[None], len(transforms), axis=0)
    return np.asarray(apply_transforms(batch, transforms.astype(np.float32)))


def assert_like_keras(picture: np.ndarray, transforms: np.ndarray) -> None:
    ours = by_study(picture, transforms)
    theirs = np.stack([by_keras(picture, transform) for transform in transforms])
    inner = np.abs(ours - theirs)[:, 5:-5, 5:-5]
    assert inner.mean(axis=(1, 2, 3)).max() < 1


@pytest.mark.parametrize("size", [(30, 40), (32, 32)])
@pytest.mark.parametrize("name", COLUMNS)
def test_each_parameter_alone_gives_keras_own_picture(name: str, size: tuple[int, int]) -> None:
    picture = smooth(*size)
    transforms = np.array([list({**NOTHING, name: value}.values()) for value in ALONE[name]])
    assert_like_keras(picture, transforms)
    moved = np.abs(by_study(picture, transforms) - picture).mean(axis=(1, 2, 3))
    assert moved.min() > 2, "the parameter does something"


@pytest.mark.parametrize("size", [(30, 40), (32, 32)])
def test_all_parameters_together_give_keras_own_picture(size: tuple[int, int]) -> None:
    augmentation = Augmentation(shear=15)
    draws = draw_fixed_set(images=1, samples=60, augmentation=augmentation, seed=1)
    assert_like_keras(smooth(*size), draws.transforms)


def test_no_transform_leaves_the_picture_as_it_is() -> None:
    picture = smooth(30, 40)
    transforms = np.array([list(NOTHING.values())])
    np.testing.assert_allclose(by_study(picture, transforms)[0], picture, atol=1e-3)


def test_nothing_happens_outside_training() -> None:
    images = np.stack([smooth(30, 40)] * 3)
    layer = RandomTransform(Augmentation(), seed=0)
    np.testing.assert_array_equal(layer(images, training=False), images)
    np.testing.assert_array_equal(layer(images), images)


def test_every_image_and_every_call_gets_its_own_transform() -> None:
    images = np.stack([smooth(30, 40)] * 6)
    layer = RandomTransform(Augmentation(), seed=0)
    drawn = np.concatenate([layer(images, training=True), layer(images, training=True)])
    for one in range(len(drawn)):
        for other in range(one):
            assert np.abs(drawn[one] - drawn[other]).mean() > 1


def test_the_same_seed_draws_the_same_pictures() -> None:
    images = np.stack([smooth(30, 40)] * 4)
    layers = [RandomTransform(Augmentation(), seed=seed) for seed in (5, 5, 6)]
    first, again, other = (np.asarray(layer(images, training=True)) for layer in layers)
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).mean() > 1


def test_ranges_of_zero_change_nothing() -> None:
    images = np.stack([smooth(30, 40)] * 4)
    drawn = RandomTransform(OFF, seed=0)(images, training=True)
    np.testing.assert_allclose(drawn, images, atol=0.1)


@pytest.mark.parametrize(
    ("flips", "axis"), [({"flip_horizontal": True}, 1), ({"flip_vertical": True}, 0)]
)
def test_about_half_of_the_images_are_flipped(flips: dict[str, bool], axis: int) -> None:
    picture = smooth(30, 40)
    layer = RandomTransform(replace(OFF, **flips), seed=0)
    drawn = np.asarray(layer(np.stack([picture] * 200), training=True))
    flipped = np.abs(drawn - np.flip(picture, axis)).mean(axis=(1, 2, 3)) < 0.1
    straight = np.abs(drawn - picture).mean(axis=(1, 2, 3)) < 0.1
    assert (flipped ^ straight).all()
    assert 70 < flipped.sum() < 130


def test_the_layer_survives_saving() -> None:
    layer = RandomTransform(Augmentation(rotation=7), seed=4)
    again = keras.layers.deserialize(keras.layers.serialize(layer))
    assert (again.augmentation, again.seed) == (layer.augmentation, layer.seed)


@given(images=st.integers(1, 40), samples=st.integers(1, 200), seed=st.integers(0, 1000))
def test_every_image_is_drawn_floor_or_ceil_times(images: int, samples: int, seed: int) -> None:
    index = balanced_indices(images, samples, np.random.default_rng(seed))
    counts = np.bincount(index, minlength=images)
    assert len(index) == samples
    assert len(counts) == images
    assert set(counts) <= {samples // images, -(-samples // images)}


def test_fixed_transforms_lie_in_their_ranges_and_survive_the_disk(tmp_path: Path) -> None:
    augmentation = Augmentation(flip_vertical=False)
    draws = draw_fixed_set(images=7, samples=500, augmentation=augmentation, seed=3)
    low, high = transform_ranges(augmentation)
    assert ((draws.transforms >= low) & (draws.transforms <= high)).all()
    assert (draws.transforms[:, COLUMNS.index("flip_y")] >= 0.5).all()
    write_draws(tmp_path / "draws.npz", draws)
    again = read_draws(tmp_path / "draws.npz")
    np.testing.assert_array_equal(again.index, draws.index)
    np.testing.assert_array_equal(again.transforms, draws.transforms)


def test_a_fixed_set_means_the_same_at_another_image_size() -> None:
    large = smooth(60, 80)
    small = large.reshape(30, 2, 40, 2, 1).mean(axis=(1, 3))
    draws = draw_fixed_set(images=1, samples=40, augmentation=Augmentation(), seed=2)
    at_small = render(small[None].astype(np.uint8), draws)
    at_large = render(large[None].astype(np.uint8), draws).reshape(40, 30, 2, 40, 2, 1)
    difference = np.abs(at_small - at_large.mean(axis=(2, 4)))[:, 4:-4, 4:-4]
    assert difference.mean() < 1.5
    assert at_small.dtype == np.float32


def test_a_fixed_set_renders_the_images_that_it_names() -> None:
    images = np.stack([np.full((22, 24, 1), grey, np.uint8) for grey in (10, 90, 200)])
    index = np.array([2, 0, 1, 2])
    transforms = draw_fixed_set(images=3, samples=4, augmentation=Augmentation(), seed=0).transforms
    rendered = render(images, Draws(index=index, transforms=transforms))
    np.testing.assert_allclose(rendered.mean(axis=(1, 2, 3)), [200, 10, 90, 200], atol=0.01)
