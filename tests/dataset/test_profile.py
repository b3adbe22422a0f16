"""What training images look like, and which images are unlike them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from study.dataset.manifest import Manifest, make_manifest
from study.dataset.phantom.files import write_phantom
from study.dataset.profile import Appearance, appearance, check_profile, image_profile, unlike
from study.dataset.sources.opening import open_source
from study.errors import DataError

LESIONS = 40
SEEDS = range(12)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=8) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)

PROFILE: dict[str, Any] = {
    "parts": ["train", "validation"],
    "images": 60,
    "groups": 30,
    "coloured": 0,
    "modes": {"L": 60},
    "quantiles_at": [0, 0.01, 0.05, 0.5, 0.95, 0.99, 1],
    "width": [40, 41, 50, 100, 180, 190, 192],
    "height": [30, 31, 40, 80, 150, 160, 161],
    "aspect_ratio": [0.9, 0.95, 1.0, 1.2, 1.6, 1.7, 1.8],
    "mean_grey": [31, 32, 40, 60, 85, 90, 96],
    "grey_deviation": [20, 21, 24, 33, 42, 45, 46],
}
USUAL = Appearance(width=120, height=100, mean_grey=60.0, grey_deviation=30.0, coloured=False)


def seen(**changes: Any) -> Appearance:
    return Appearance(**{**vars(USUAL), **changes})


@pytest.fixture(scope="module")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawn") / "phantom"
    write_phantom(folder, lesions=LESIONS, frames=1, seed=3)
    (folder / "manifest.csv").unlink()
    return folder


@pytest.fixture(scope="module")
def manifests(phantom: Path) -> list[Manifest]:
    """Grouped splits of the phantom, each with other lesions in its test part."""
    source = open_source(str(phantom), cache=phantom.parent)
    return [make_manifest(source, split="grouped", ratio=(6, 2, 2), seed=seed) for seed in SEEDS]


def test_the_profile_says_what_numpy_says_of_the_pixels(
    phantom: Path, manifests: list[Manifest]
) -> None:
    """Counts and quantiles of the images of train and validation; plain JSON, fit for a file."""
    rows = [row for row in manifests[0].rows if row.part != "test"]
    arrays = [np.asarray(Image.open(phantom / row.path)).astype(float) for row in rows]
    profile = image_profile(manifests[0], phantom)
    assert json.loads(json.dumps(profile, allow_nan=False)) == profile
    check_profile(profile)
    assert profile["parts"] == ["train", "validation"]
    assert profile["images"] == len(rows)
    assert profile["groups"] == len({row.group for row in rows})
    assert (profile["coloured"], profile["modes"]) == (0, {"L": len(rows)})
    expected = {
        "width": [a.shape[1] for a in arrays],
        "height": [a.shape[0] for a in arrays],
        "aspect_ratio": [a.shape[1] / a.shape[0] for a in arrays],
        "mean_grey": [a.mean() for a in arrays],
        "grey_deviation": [a.std() for a in arrays],
    }
    for name, values in expected.items():
        quantiles = np.quantile(values, profile["quantiles_at"])
        assert profile[name] == pytest.approx(quantiles, rel=1e-5), name


def test_only_images_of_the_parts_are_opened(
    phantom: Path, manifests: list[Manifest], tmp_path: Path
) -> None:
    """The test part stays shut: without its files the profile is the same."""
    copy = Path(shutil.copytree(phantom, tmp_path / "copy"))
    for row in manifests[0].rows:
        if row.part == "test":
            (copy / row.path).unlink()
    assert image_profile(manifests[0], copy) == image_profile(manifests[0], phantom)


def test_an_image_that_has_changed_is_refused(
    phantom: Path, manifests: list[Manifest], tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(phantom, tmp_path / "copy"))
    first, second = [row.path for row in manifests[0].rows if row.part == "train"][:2]
    shutil.copyfile(copy / first, copy / second)
    with pytest.raises(DataError, match="the dataset has changed") as caught:
        image_profile(manifests[0], copy)
    assert second in str(caught.value)
    with pytest.raises(DataError, match="the split has no tset or tarin part"):
        image_profile(manifests[0], phantom, parts=("tset", "tarin"))


def test_packed_images_have_a_profile_too(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    arrays = {
        f"{part}_{kind}": values
        for part in ("train", "val", "test")
        for kind, values in (
            ("images", rng.integers(0, 256, (12, 20, 24, 3), dtype=np.uint8)),
            ("labels", np.arange(12) % 2),
        )
    }
    np.savez(tmp_path / "packed.npz", **arrays)
    source = open_source(str(tmp_path / "packed.npz"), cache=tmp_path)
    profile = image_profile(make_manifest(source, seed=0), source.root)
    assert (profile["images"], profile["coloured"]) == (24, 24)
    assert set(profile["width"]) == {24.0}
    assert profile["modes"] == {"RGB": 24}


def test_images_of_the_same_kind_rarely_get_a_warning(
    phantom: Path, manifests: list[Manifest]
) -> None:
    """Of lesions left out of the profile at most 2 % are warned of, over a dozen splits."""
    judged, warned = 0, []
    for manifest in manifests:
        profile = image_profile(manifest, phantom)
        for row in manifest.rows:
            if row.part == "test":
                judged += 1
                warned += [unlike(profile, appearance(Image.open(phantom / row.path)))]
    assert judged >= 90
    assert sum(map(bool, warned)) <= 0.02 * judged, [w for w in warned if w]


def photograph() -> Image.Image:
    """Draw a sky over a meadow: large, bright and in colour."""
    rows, columns = np.mgrid[:480, :640] / 480
    red, green, blue = 90 + 80 * rows, 130 + 60 * (1 - rows), 220 * (rows < 0.5) + 40 * columns
    return Image.fromarray(np.stack([red, green, blue], axis=-1).clip(0, 255).astype(np.uint8))


def test_images_of_another_kind_get_a_warning(phantom: Path, manifests: list[Manifest]) -> None:
    """Photographs, inverted, blank, much larger, stretched and flattened images are all told."""
    profile = image_profile(manifests[0], phantom)
    own = Image.open(phantom / manifests[0].rows[0].path)
    width, height = own.size
    noise = np.random.default_rng(0).normal(128, 1, (height, width)).astype(np.uint8)
    kinds = {
        "in colour, training images are grey": photograph(),
        "mean grey level": Image.eval(own, lambda level: 255 - level),
        "nearly one grey level": Image.fromarray(noise),
        "width": own.resize((4 * width, 4 * height)),
        "width / height": own.resize((4 * width, height)),
        "standard deviation of grey levels": Image.eval(own, lambda level: 64 + level // 16),
    }
    for words, image in kinds.items():
        assert any(text.startswith(words) for text in unlike(profile, appearance(image))), words


def test_a_warning_names_the_value_and_the_range() -> None:
    assert unlike(PROFILE, USUAL) == []
    assert unlike(PROFILE, seen(width=1024, height=850)) == [
        "width 1,024 px, training images 40 to 192 px",
        "height 850 px, training images 30 to 161 px",
    ]
    assert unlike(PROFILE, seen(mean_grey=201.2)) == [
        "mean grey level 201, training images 31 to 96"
    ]
    assert unlike(PROFILE, seen(width=400, height=60)) == [
        "width 400 px, training images 40 to 192 px",
        "width / height 6.67, training images 0.90 to 1.80",
    ]
    one_size = {**PROFILE, "width": [64] * 7}
    assert unlike(one_size, seen(width=130)) == ["width 130 px, training images 64 px"]
    coloured = {**PROFILE, "coloured": 60}
    assert unlike(coloured, USUAL) == ["grey, training images are in colour"]


@pytest.mark.parametrize("profile", [PROFILE, None, {**PROFILE, "grey_deviation": [0] * 7}])
def test_a_blank_image_is_always_told(profile: dict[str, Any] | None) -> None:
    """Even where the training images were blank, or nothing is known of them."""
    assert unlike(profile, seen(grey_deviation=0.4)) == [
        "nearly one grey level (standard deviation 0.4)"
    ]


def test_grey_levels_that_were_stored_in_colour_are_not_coloured(
    phantom: Path, tmp_path: Path
) -> None:
    """JPEG gives grey pixels a little colour; a false-colour image has much."""
    grey = Image.open(next(phantom.rglob("*.png")))
    grey.convert("RGB").save(tmp_path / "grey.jpg", quality=40)
    assert not appearance(Image.open(tmp_path / "grey.jpg").convert("RGB")).coloured
    tinted = Image.merge("RGB", (grey, Image.eval(grey, lambda level: level // 2), grey))
    assert appearance(tinted).coloured


@given(share=st.lists(st.floats(0, 1), min_size=5, max_size=5))
def test_what_lies_within_the_range_is_never_told(share: list[float]) -> None:
    names = ("width", "height", "mean_grey", "grey_deviation")
    width, height, mean, deviation = (
        PROFILE[name][0] + part * (PROFILE[name][-1] - PROFILE[name][0])
        for name, part in zip(names, share, strict=False)
    )
    inside = seen(
        width=round(width), height=round(height), mean_grey=mean, grey_deviation=deviation
    )
    assert all(text.startswith("width / height") for text in unlike(PROFILE, inside))


@given(value=JSON, field=st.sampled_from([None, *PROFILE]))
def test_a_profile_from_elsewhere_is_refused_or_can_be_used(value: Any, field: str | None) -> None:
    """Whatever JSON stands in its place or in one of its fields, nothing fails in another way."""
    profile = value if field is None else {**PROFILE, field: value}
    try:
        check_profile(profile)
    except ValueError:
        return
    assert all(isinstance(text, str) for text in unlike(profile, USUAL))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("images", 0),
        ("groups", True),
        ("groups", 2.5),
        ("coloured", -1),
        ("width", [0, 1, 2, 3, 4, 5, 6]),
        ("width", [7, 6, 5, 4, 3, 2, 1]),
        ("width", [1, 2, 3, 4, 5, 6]),
        ("height", [1, 2, 3, 4, 5, 6, float("nan")]),
        ("height", [1, 2, 3, 4, 5, 6, float("inf")]),
        ("height", [1, 2, 3, 4, 5, 6, 10**400]),
        ("mean_grey", [-1, 2, 3, 4, 5, 6, 7]),
        ("mean_grey", [1, 2, 3, 4, 5, 6, 256]),
        ("aspect_ratio", "1234567"),
    ],
)
def test_a_wrong_field_of_a_profile_is_named(name: str, value: Any) -> None:
    check_profile(PROFILE)
    with pytest.raises(ValueError, match=f"training_images, {name}: "):
        check_profile({**PROFILE, name: value})
