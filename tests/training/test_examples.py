"""The example images of a study: which are chosen, and what augmentation makes of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from study.dataset.arrays import PartArrays
from study.protocol import Augmentation
from study.training.examples import AUGMENTED, IMAGES_PER_CLASS, choose, write_examples

NOTHING = Augmentation(
    rotation=0, shift_x=0, shift_y=0, shear=0, zoom=0, flip_horizontal=False, flip_vertical=False
)


def make_part(labels: list[int], groups: list[int], images: np.ndarray | None = None) -> PartArrays:
    """Return a part; unless given, the image in row k is of the one grey level k."""
    levels = np.arange(len(labels), dtype=np.uint8)[:, None, None, None]
    names, number = np.unique(groups, return_inverse=True)
    return PartArrays(
        images=np.broadcast_to(levels, (len(labels), 6, 8, 1)) if images is None else images,
        labels=np.array(labels),
        groups=number,
        group_names=tuple(f"lesion {name}" for name in names),
        paths=tuple(f"images/{k}.png" for k in range(len(labels))),
    )


TEN_LESIONS = make_part([k // 15 for k in range(30)], [k // 3 for k in range(30)])
"""Two classes of five lesions with three images each."""


def written(path: Path, part: PartArrays, **how: object) -> dict[str, np.ndarray]:
    options = {"augmentation": Augmentation(), "seed": 3, **how}
    write_examples(path, part, options.pop("augmentation"), **options)
    with np.load(path, allow_pickle=False) as stored:
        return dict(stored)


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 9)), max_size=40), st.integers(0, 99))
def test_each_class_shows_images_of_its_own_different_groups(
    images: list[tuple[int, int]], seed: int
) -> None:
    part = make_part([label for label, _ in images], [group for _, group in images])
    chosen = choose(part, seed=seed)
    assert list(part.labels[chosen]) == sorted(part.labels[chosen])
    for label in (0, 1):
        own = part.groups[chosen[part.labels[chosen] == label]]
        there = set(part.groups[part.labels == label])
        assert len(own) == len(set(own)) == min(IMAGES_PER_CLASS, len(there))
    np.testing.assert_array_equal(chosen, choose(part, seed=seed))


def test_another_seed_shows_other_images() -> None:
    drawn = {tuple(choose(TEN_LESIONS, seed=seed)) for seed in range(20)}
    assert len(drawn) > 15


def test_the_file_names_each_image_and_holds_it_with_its_own_augmented_versions(
    tmp_path: Path,
) -> None:
    """Whatever moves, turns or scales an image of one grey level leaves it as it is."""
    found = written(tmp_path / "examples.npz", TEN_LESIONS)
    rows = choose(TEN_LESIONS, seed=3)
    assert found.keys() == {"label", "path", "group", "image", "augmented"}
    assert found["label"].tolist() == [0] * 4 + [1] * 4
    assert found["path"].tolist() == [f"images/{k}.png" for k in rows]
    assert found["group"].tolist() == [f"lesion {k // 3}" for k in rows]
    np.testing.assert_array_equal(found["image"], TEN_LESIONS.images[rows])
    assert found["augmented"].shape == (8, AUGMENTED, 6, 8, 1)
    assert found["augmented"].dtype == found["image"].dtype == np.uint8
    np.testing.assert_array_equal(
        found["augmented"], np.repeat(found["image"][:, None], AUGMENTED, axis=1)
    )
    assert [path.name for path in tmp_path.iterdir()] == ["examples.npz"], "nothing half-made"


@pytest.mark.parametrize("channels", [1, 3])
def test_the_augmented_versions_are_those_of_the_protocol_and_of_the_seed(
    tmp_path: Path, channels: int
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (30, 6, 8, channels), dtype=np.uint8)
    part = make_part(TEN_LESIONS.labels.tolist(), TEN_LESIONS.groups.tolist(), noise)
    still = written(tmp_path / "still.npz", part, augmentation=NOTHING)
    unmoved = np.repeat(still["image"][:, None], AUGMENTED, axis=1)
    np.testing.assert_array_equal(still["augmented"], unmoved)
    moved, again = (written(tmp_path / f"{name}.npz", part)["augmented"] for name in "ab")
    np.testing.assert_array_equal(moved, again)
    versions = moved.reshape(-1, *moved.shape[2:])
    assert len(np.unique(versions, axis=0)) == len(versions) == 8 * AUGMENTED
    other = written(tmp_path / "other.npz", part, seed=4)["augmented"]
    assert not np.array_equal(other, moved)


def test_a_class_with_few_groups_shows_an_image_of_each(tmp_path: Path) -> None:
    part = make_part([0, 0, 0, 1, 1, 1, 1], [0, 0, 0, 1, 1, 2, 2])
    found = written(tmp_path / "examples.npz", part)
    assert found["group"].tolist() == ["lesion 0", "lesion 1", "lesion 2"]
    assert len(found["augmented"]) == 3
