"""Groups by content: copies and frames are joined, other images are not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from study.dataset import groups
from study.dataset.groups import (
    Grouping,
    group_by_content,
    near_copies_between,
    shared_with_test,
    straddling,
    test_images_with_copies,
    thumbnail,
)
from study.dataset.images import read_image


def grouped(images: list[Image.Image], digests: list[str] | None = None) -> Grouping:
    return group_by_content(np.stack([thumbnail(image) for image in images]), digests)


def chain(count: int, correlation: float) -> np.ndarray:
    """Thumbnails of which each correlates with the next, and hardly with those further away."""
    rng = np.random.default_rng(0)
    rows = [rng.normal(size=1024)]
    for _ in range(count - 1):
        new = rng.normal(size=1024)
        rows.append(correlation * rows[-1] + np.sqrt(1 - correlation**2) * new)
    values = np.stack(rows) - np.mean(rows, axis=1, keepdims=True)
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    return values.reshape(count, 32, 32).astype(np.float32)


def test_thumbnail_is_standardised(pattern: Callable[..., Image.Image]) -> None:
    values = thumbnail(pattern(1))
    assert values.shape == (32, 32)
    assert values.dtype == np.float32
    assert values.mean() == pytest.approx(0, abs=1e-6)
    assert np.linalg.norm(values) == pytest.approx(1, abs=1e-5)


def test_thumbnail_of_a_flat_image_is_zero() -> None:
    assert (thumbnail(Image.new("L", (40, 30), 77)) == 0).all()


@pytest.mark.parametrize("turns", range(4))
@pytest.mark.parametrize("flip", [False, True])
def test_a_copy_is_found_under_flips_and_quarter_turns(
    pattern: Callable[..., Image.Image], turns: int, flip: bool
) -> None:
    """The images are not square: their thumbnails are."""
    turned = np.rot90(np.asarray(pattern(1, noise=4)), turns)
    copy = Image.fromarray(np.ascontiguousarray(turned[:, ::-1] if flip else turned))
    found = grouped([pattern(0), pattern(1), pattern(2), copy])
    assert found.group.tolist() == [0, 1, 2, 1]
    assert (found.kind, found.threshold, found.chained) == ("content", 0.95, None)


def test_other_images_stay_apart(pattern: Callable[..., Image.Image]) -> None:
    assert grouped([pattern(seed) for seed in range(60)]).group.tolist() == list(range(60))


def test_flat_images_are_joined_only_by_their_digests() -> None:
    images = [Image.new("L", (9, 9), level) for level in (0, 0, 50, 0)]
    assert grouped(images).group.tolist() == [0, 1, 2, 3]
    assert grouped(images, ["a", "a", "b", "a"]).group.tolist() == [0, 0, 1, 0]


def test_one_image_is_one_group(pattern: Callable[..., Image.Image]) -> None:
    assert grouped([pattern(0)], ["a"]).group.tolist() == [0]


def test_a_long_chain_is_cut_at_a_higher_correlation_and_other_groups_are_not() -> None:
    """30 links of .96 are no clip; the pair of .96 beside them stays a pair."""
    thumbnails = np.delete(chain(40, 0.96), slice(30, 38), axis=0)
    found = group_by_content(thumbnails)
    assert (found.kind, found.threshold, found.chained) == ("content", 0.98, None)
    sizes = np.bincount(found.group)
    assert sizes.max() == 2
    assert found.group[30] == found.group[31]


def test_a_chain_that_holds_at_the_highest_correlation_is_unreliable() -> None:
    found = group_by_content(chain(30, 0.999))
    assert (found.kind, found.threshold, found.chained) == ("copies", None, 30)
    assert found.group.tolist() == list(range(30))


def test_exact_copies_stay_together_where_near_copies_are_given_up() -> None:
    digests = [str(k) for k in range(28)] + ["0", "1"]
    found = group_by_content(chain(30, 0.999), digests)
    assert found.kind == "copies"
    assert found.group.tolist() == [*range(28), 0, 1]


def test_many_exact_copies_of_one_image_are_no_chain(
    pattern: Callable[..., Image.Image],
) -> None:
    """25 black frames among others must not cost the grouping of the rest."""
    images = [Image.new("L", (30, 20))] * 25 + [pattern(1), pattern(1, noise=3), pattern(2)]
    found = grouped(images, ["black"] * 25 + ["a", "b", "c"])
    assert found.kind == "content"
    assert found.group.tolist() == [0] * 25 + [1, 1, 2]


def test_above_the_limit_only_exact_copies_are_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "MOST_COMPARED", 5)
    found = group_by_content(chain(6, 0.999), ["a", "b", "c", "d", "a", "e"])
    assert (found.kind, found.threshold, found.chained) == ("copies", None, None)
    assert found.group.tolist() == [0, 1, 2, 3, 0, 4]


@pytest.mark.parametrize("block", [1, 2, 100])
def test_near_copies_between_two_sets_are_found_under_turns(
    pattern: Callable[..., Image.Image], block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(groups, "_BLOCK", block)
    turned = Image.fromarray(np.rot90(np.asarray(pattern(1, noise=4))).copy())
    first = np.stack([thumbnail(image) for image in (pattern(0), turned, pattern(2))])
    second = np.stack([thumbnail(pattern(k)) for k in (1, 2, 5, 6)])
    assert near_copies_between(first, second).tolist() == [False, True, True]
    assert near_copies_between(first, second[:0]).tolist() == [False] * 3


def test_a_group_of_twenty_images_is_allowed() -> None:
    found = group_by_content(chain(20, 0.999))
    assert found.kind == "content"
    assert found.group.tolist() == [0] * 20


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_blocks_and_spanning_forest_give_what_all_pairs_give(data: st.DataObject) -> None:
    """Whatever the block size and the number of edges held at a time."""
    count = data.draw(st.integers(2, 30))
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    base = rng.normal(size=(data.draw(st.integers(1, 8)), 1024))
    values = base[rng.integers(0, len(base), count)] + 0.2 * rng.normal(size=(count, 1024))
    values -= values.mean(axis=1, keepdims=True)
    values = (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)
    joined = values @ values.T > 0.95
    for _ in range(5):
        joined = joined @ joined
    expected = np.unique(joined.argmax(axis=1), return_inverse=True)[1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(groups, "_BLOCK", data.draw(st.integers(1, 9)))
        patch.setattr(groups, "_EDGES_HELD", data.draw(st.integers(1, 20)))
        found = group_by_content(values.reshape(count, 32, 32))
    if found.threshold == 0.95:
        assert found.group.tolist() == expected.tolist()
    else:
        assert np.bincount(expected).max() > 20


def test_straddling_groups_and_test_images_with_copies_are_counted() -> None:
    group = ["a", "a", "b", "b", "b", "c", "d", "d"]
    part = ["train", "train", "train", "test", "test", "test", "train", "validation"]
    assert straddling(group, part) == 2
    assert test_images_with_copies(group, part) == 2
    assert shared_with_test(group, part) == {"b"}
    assert straddling(group, ["train"] * 8) == 0
    assert test_images_with_copies(group, ["test"] * 8) == 0


def test_the_real_set_has_48_lesions(real_data: Path) -> None:
    """20 benign, 28 malignant; us111-115 is us221-225, and us116-120 is us226-230."""
    paths = sorted(real_data.glob("*/*.bmp"))
    found = grouped([read_image(path) for path in paths])
    group = {int(p.stem[2:]): int(g) for p, g in zip(paths, found.group, strict=True)}
    assert found.kind == "content"
    assert len(group) == 250
    assert len(set(group.values())) == 48
    assert len({group[k] for k in range(1, 101)}) == 20
    assert all(len({group[k] for k in range(first, first + 5)}) == 1 for first in range(1, 251, 5))
    assert group[111] == group[221]
    assert group[116] == group[226]
