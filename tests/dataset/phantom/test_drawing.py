"""The phantom's truth, physics and difficulty, measured on what it draws."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from study.dataset.phantom import physics
from study.dataset.phantom.drawing import (
    BENIGN,
    MALIGNANT,
    RATES,
    Lesion,
    Phantom,
    draw_lesions,
    generate,
    scene,
)

Array = NDArray[np.float64]
SEEDS = range(5)


@pytest.fixture(scope="module")
def drawn() -> Callable[[int], list[Phantom]]:
    """Default draws by seed, each generated once."""
    draws: dict[int, list[Phantom]] = {}

    def draw(seed: int) -> list[Phantom]:
        if seed not in draws:
            draws[seed] = list(generate(seed=seed))
        return draws[seed]

    return draw


@pytest.fixture(scope="module")
def images(drawn: Callable[[int], list[Phantom]]) -> list[Phantom]:
    return drawn(0)


def resized(images: list[Phantom], width: int, height: int) -> Array:
    bilinear = Image.Resampling.BILINEAR
    small = [Image.fromarray(image.pixels).resize((width, height), bilinear) for image in images]
    return np.array(small, dtype=np.float64)


def thumbnail_correlations(images: list[Phantom]) -> tuple[Array, Array]:
    """Correlations of 32 x 32 thumbnails: as they are, and the best under flips and turns."""
    thumbs = resized(images, 32, 32)
    turns = [np.rot90(thumbs, k, axes=(1, 2)) for k in range(4)]
    flat = [view.reshape(len(images), -1) for turn in turns for view in (turn, turn[:, ::-1])]
    centred = [view - view.mean(axis=1, keepdims=True) for view in flat]
    standard = [view / np.linalg.norm(view, axis=1, keepdims=True) for view in centred]
    plain, *moved = (standard[0] @ view.T for view in standard)
    return plain, np.maximum.reduce([plain, *moved])


def components(linked: NDArray[np.bool_]) -> list[int]:
    parent = list(range(len(linked)))

    def root(i: int) -> int:
        while parent[i] != i:
            i = parent[i]
        return i

    for i, j in zip(*np.nonzero(linked), strict=True):
        parent[root(int(i))] = root(int(j))
    return [root(i) for i in range(len(parent))]


def f_med(truth: NDArray[np.bool_], said: NDArray[np.bool_]) -> float:
    sensitivity, specificity = said[truth].mean(), 1.0 - said[~truth].mean()
    return float(2.0 * sensitivity * specificity / (sensitivity + specificity))


def malignant(lesions: list[Lesion] | tuple[Lesion, ...]) -> NDArray[np.bool_]:
    return np.array([lesion.label == MALIGNANT for lesion in lesions])


def mean_over_sd(lesion: Lesion, seed: int) -> float:
    rng = np.random.default_rng(seed)
    seen = scene(lesion, rng)
    points = physics.scatterers(rng, seen.echo.shape)
    amplitude = physics.envelope(points, seen, physics.Scanner.draw(rng).point_spread)
    background = amplitude[seen.background]
    return float(background.mean() / background.std())


def test_same_seed_gives_the_same_pixels_and_another_seed_others() -> None:
    """A seed names one set of images."""
    first, again, other = (list(generate(lesions=3, frames=2, seed=seed)) for seed in (7, 7, 8))
    assert all(a.lesion == b.lesion for a, b in zip(first, again, strict=True))
    assert all(np.array_equal(a.pixels, b.pixels) for a, b in zip(first, again, strict=True))
    assert not any(np.array_equal(a.pixels, b.pixels) for a, b in zip(first, other, strict=True))


def test_a_lesion_does_not_depend_on_how_much_is_drawn(images: list[Phantom]) -> None:
    """Fewer lesions and frames are the beginning of more."""
    whole = {(image.lesion.name, image.frame): image for image in images}
    for image in generate(lesions=6, frames=2, seed=0):
        same = whole[image.lesion.name, image.frame]
        assert image.lesion == same.lesion
        assert np.array_equal(image.pixels, same.pixels)


def test_images_come_lesion_by_lesion_frame_by_frame(images: list[Phantom]) -> None:
    """The default draw is 50 lesions of 5 frames, named and counted in order, as 8-bit arrays."""
    order = [(image.lesion.name, image.frame) for image in images]
    assert order == [(f"lesion-{k:03d}", f) for k in range(1, 51) for f in range(5)]
    assert tuple(dict.fromkeys(image.lesion for image in images)) == draw_lesions()
    assert {(image.pixels.dtype.name, image.pixels.ndim) for image in images} == {("uint8", 2)}


@pytest.mark.parametrize(
    ("lesions", "benign"), [(2, 1), (3, 1), (4, 2), (7, 3), (50, 20), (400, 160)]
)
def test_two_lesions_in_five_are_benign(lesions: int, benign: int) -> None:
    """The classes are 2 : 3, rounded, and both are always there."""
    assert sum(lesion.label == BENIGN for lesion in draw_lesions(lesions=lesions)) == benign


@pytest.mark.parametrize("arguments", [{"lesions": 1}, {"frames": 0}, {"seed": -1}])
def test_impossible_draws_are_refused_at_once(arguments: dict[str, int]) -> None:
    """The call itself refuses, not the first image."""
    with pytest.raises(ValueError, match=r"at least|non-negative"):
        generate(**arguments)


@pytest.mark.parametrize("label", [BENIGN, MALIGNANT])
@pytest.mark.parametrize("descriptor", ["shape", "margin", "posterior", "taller_than_wide"])
def test_descriptors_occur_at_the_published_rates(label: str, descriptor: str) -> None:
    """Rates in 4,000 lesions lie within four standard errors of the table."""
    lesions = [lesion for lesion in draw_lesions(lesions=4000, seed=1) if lesion.label == label]
    values = [getattr(lesion, descriptor) for lesion in lesions]
    names = {True: "yes", False: "no"}
    found = [names.get(value, value) for value in values]
    for name, rate in RATES[label][descriptor].items():
        error = np.sqrt(rate * (1.0 - rate) / len(found))
        assert found.count(name) / len(found) == pytest.approx(rate, abs=4.0 * error)


def test_a_forest_on_the_descriptors_is_good_but_not_perfect() -> None:
    """The truth itself allows an F_med of .82 to .88, so no honest image classifier beats it."""
    lesions = draw_lesions(lesions=2000, seed=0)
    truth = malignant(lesions)
    words = [(x.shape, x.margin, x.posterior, str(x.taller_than_wide)) for x in lesions]
    columns = [sorted(set(column)) for column in zip(*words, strict=True)]
    features = [
        [word == value for word, values in zip(row, columns, strict=True) for value in values]
        for row in words
    ]
    forest = RandomForestClassifier(100, class_weight="balanced", random_state=0)
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    assert 0.82 <= f_med(truth, cross_val_predict(forest, features, truth, cv=folds)) <= 0.88


def test_random_folds_flatter_an_svm_on_pixels(images: list[Phantom]) -> None:
    """Where frames of one lesion are on both sides of a split, F_med is at least .95."""
    pixels = resized(images, 40, 30).reshape(len(images), -1)
    truth = malignant([image.lesion for image in images])
    machine = make_pipeline(StandardScaler(), SVC(C=1.0, kernel="rbf", class_weight="balanced"))
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    assert f_med(truth, cross_val_predict(machine, pixels, truth, cv=folds)) >= 0.95


def test_frames_of_a_lesion_are_near_copies(images: list[Phantom]) -> None:
    """Thumbnails of one lesion correlate at about .97, less the farther apart they are."""
    plain, _ = thumbnail_correlations(images)
    clips = [plain[i : i + 5, i : i + 5] for i in range(0, len(images), 5)]
    by_lag = [np.median([np.diagonal(clip, lag) for clip in clips]) for lag in range(1, 5)]
    assert np.mean([clip[np.triu_indices(5, 1)] for clip in clips]) == pytest.approx(0.97, abs=0.01)
    assert all(near > far for near, far in itertools.pairwise(by_lag))


@pytest.mark.parametrize("seed", SEEDS)
def test_grouping_by_content_finds_exactly_the_lesions(
    drawn: Callable[[int], list[Phantom]], seed: int
) -> None:
    """Thumbnails above .95, also under flips and turns, link a lesion's frames and no others."""
    images = drawn(seed)
    _, best = thumbnail_correlations(images)
    pairs = set(zip(components(best > 0.95), [x.lesion.name for x in images], strict=True))
    assert (
        len(pairs) == len({group for group, _ in pairs}) == len({name for _, name in pairs}) == 50
    )


def test_sizes_lie_in_the_stated_range_and_frames_share_one(images: list[Phantom]) -> None:
    """Images are 57 to 161 high, 93 to 199 wide, landscape, and of one size per lesion."""
    sizes = [image.pixels.shape for image in images]
    assert all(57 <= height <= 161 and 93 <= width <= 199 for height, width in sizes)
    assert all(width >= height - 1 for height, width in sizes)
    assert len({(image.lesion.name, image.pixels.shape) for image in images}) == 50
    assert len(set(sizes)) > 40


def test_sizes_say_less_than_the_image() -> None:
    """A forest on height and width alone stays below .70: only the lesion's proportions show."""
    lesions = draw_lesions(lesions=1000, seed=2)
    crops = []
    for k, lesion in enumerate(lesions):
        rng = np.random.default_rng(k)
        ratio = rng.uniform(1.1, 1.5) if lesion.taller_than_wide else rng.uniform(0.5, 0.85)
        outline = physics.outline(rng, shape=lesion.shape, height_to_width=ratio)
        crop = physics.crop_around(rng, outline)
        crops.append((crop.height, crop.width))
    truth = malignant(lesions)
    forest = RandomForestClassifier(
        100, min_samples_leaf=20, class_weight="balanced", random_state=0
    )
    assert f_med(truth, cross_val_predict(forest, crops, truth, cv=5)) < 0.70


def test_background_is_speckle() -> None:
    """Mean over standard deviation of the envelope is 1.4 to 1.9 beside nearly every lesion."""
    found = [mean_over_sd(lesion, k) for k, lesion in enumerate(draw_lesions(seed=3))]
    assert 1.5 <= np.median(found) <= 1.8
    assert np.mean([1.4 <= value <= 1.9 for value in found]) >= 0.9


def test_flat_tissue_is_fully_developed_speckle() -> None:
    """Without any structure the envelope is Rayleigh's: mean over standard deviation 1.91."""
    rng = np.random.default_rng(0)
    seen = scene(draw_lesions()[0], rng)
    flat = dataclasses.replace(seen, echo=np.zeros((600, 800)), mirrors=np.zeros((600, 800)))
    amplitude = physics.envelope(physics.scatterers(rng, (600, 800)), flat, (1.1, 2.4))
    assert amplitude.mean() / amplitude.std() == pytest.approx(1.91, abs=0.05)


@pytest.mark.parametrize(("posterior", "low", "high"), [("shadow", -15, -4), ("enhancement", 2, 9)])
def test_what_lies_behind_a_lesion_shows(posterior: str, low: float, high: float) -> None:
    """Behind a lesion with a shadow the echo is darker than behind one without; or brighter."""
    differences = []
    for seed in range(5):
        behind = {}
        for feature in (posterior, "none"):
            rng = np.random.default_rng(seed)
            seen = physics.scene(
                rng, shape="oval", margin="circumscribed", posterior=feature, taller_than_wide=False
            )
            column = round(seen.crop.center[1] * physics.CELLS)
            behind[feature] = seen.echo[-physics.BORDER * physics.CELLS, column]
        differences.append(behind[posterior] - behind["none"])
    assert low <= np.mean(differences) <= high


@given(
    seed=st.integers(0, 2**32 - 1),
    shape=st.sampled_from(["irregular", "oval", "other"]),
    ratio=st.floats(0.5, 1.5),
)
def test_an_outline_keeps_its_proportions(seed: int, shape: str, ratio: float) -> None:
    """Whatever its lobes and tilt, a lesion is as tall for its width as its descriptor says."""
    radius = physics.outline(np.random.default_rng(seed), shape=shape, height_to_width=ratio)
    height, width = np.ptp(radius * np.sin(physics.ANGLES)), np.ptp(radius * np.cos(physics.ANGLES))
    assert height / width == pytest.approx(ratio, rel=0.01)
