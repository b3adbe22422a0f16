"""Laws of the splits: partitions by class, in which no group is divided."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from study.dataset.split import (
    PARTS,
    complete_given,
    grouped_folds,
    part_counts,
    split_grouped,
    split_random,
)
from study.errors import DataError

SIZES = st.lists(st.integers(1, 12), min_size=3, max_size=30)


def images_of(benign: list[int], malignant: list[int]) -> tuple[list[str], list[str]]:
    """Return labels and groups of classes with groups of the given sizes."""
    labels, groups = [], []
    for label, sizes in (("benign", benign), ("malignant", malignant)):
        for k, size in enumerate(sizes):
            labels += [label] * size
            groups += [f"{label}-{k}"] * size
    return labels, groups


def groups_by_part(labels: list[str], groups: list[str], parts: list[str]) -> dict[str, list[int]]:
    """Return each class's numbers of groups in train, validation and test."""
    triples = set(zip(labels, groups, parts, strict=True))
    counts = Counter((label, part) for label, _, part in triples)
    return {label: [counts[label, part] for part in PARTS] for label in sorted(set(labels))}


@settings(deadline=None, max_examples=60)
@given(benign=SIZES, malignant=SIZES, seed=st.integers(0, 2**32), shuffle=st.randoms())
def test_a_grouped_split_keeps_its_laws(
    benign: list[int], malignant: list[int], seed: int, shuffle: object
) -> None:
    """A partition; no group crosses it; every class in every part; order does not matter."""
    labels, groups = images_of(benign, malignant)
    parts = split_grouped(labels, groups, seed=seed)
    assert len(parts) == len(labels)
    assert set(parts) <= set(PARTS)
    assert len(set(zip(groups, parts, strict=True))) == len(set(groups))
    for label, counts in groups_by_part(labels, groups, parts).items():
        assert min(counts) >= (3 if sum(counts) >= 12 else 1), label
    assert split_grouped(labels, groups, seed=seed) == parts
    order = list(range(len(labels)))
    shuffle.shuffle(order)  # type: ignore[attr-defined]
    again = split_grouped([labels[k] for k in order], [groups[k] for k in order], seed=seed)
    assert again == [parts[k] for k in order]


@settings(deadline=None, max_examples=60)
@given(
    benign=SIZES,
    malignant=SIZES,
    folds=st.integers(2, 3),
    seed=st.integers(0, 2**32),
    shuffle=st.randoms(),
)
def test_grouped_folds_keep_their_laws(
    benign: list[int], malignant: list[int], folds: int, seed: int, shuffle: object
) -> None:
    """No group crosses; a class's groups are shared out to within one; order does not matter."""
    labels, groups = images_of(benign, malignant)
    fold_of = grouped_folds(labels, groups, folds=folds, seed=seed)
    assert set(fold_of) == set(range(folds))
    assert len(set(zip(groups, fold_of, strict=True))) == len(set(groups))
    pairs = {
        (label, group, fold) for label, group, fold in zip(labels, groups, fold_of, strict=True)
    }
    for label in ("benign", "malignant"):
        counts = Counter(fold for own, _, fold in pairs if own == label)
        assert len(counts) == folds
        assert max(counts.values()) - min(counts.values()) <= 1
        images = Counter(f for own, f in zip(labels, fold_of, strict=True) if own == label)
        largest = max(benign if label == "benign" else malignant)
        assert max(images.values()) - min(images.values()) <= 2 * largest
    order = list(range(len(labels)))
    shuffle.shuffle(order)  # type: ignore[attr-defined]
    again = grouped_folds(
        [labels[k] for k in order], [groups[k] for k in order], folds=folds, seed=seed
    )
    assert again == [fold_of[k] for k in order]


@settings(deadline=None, max_examples=60)
@given(
    pure=st.tuples(st.integers(1, 8), st.integers(1, 8)),
    mixed=st.integers(0, 20),
    seed=st.integers(0, 2**32),
)
def test_groups_of_both_classes_are_divided_like_others(
    pure: tuple[int, int], mixed: int, seed: int
) -> None:
    """Every class in every part and no group divided, or a refusal where that cannot be sure."""
    labels, groups = images_of([2] * pure[0], [3] * pure[1])
    for k in range(mixed):
        labels += ["benign", "malignant", "malignant"]
        groups += [f"both-{k}"] * 3
    enough = mixed >= 3 or (pure[0] >= 3 and pure[1] >= 3)
    try:
        parts = split_grouped(labels, groups, seed=seed)
    except DataError as error:
        assert not enough, error  # noqa: PT017 - a refusal is one of two allowed outcomes
        return
    assert len(set(zip(groups, parts, strict=True))) == len(set(groups))
    assert set(zip(labels, parts, strict=True)) == {
        (label, part) for label in ("benign", "malignant") for part in PARTS
    }


def test_patients_with_both_kinds_of_tissue_can_be_divided() -> None:
    """20 patients with an image of each class: 14, 4 and 2, or 13, 4 and 3 with the minimum."""
    labels = ["normal", "tumour"] * 20
    groups = [f"p{k // 2}" for k in range(40)]
    parts = Counter(split_grouped(labels, groups, least_groups=1, seed=0))
    assert parts == {"train": 28, "validation": 8, "test": 4}
    assert Counter(split_grouped(labels, groups, seed=0))["test"] == 6
    folds = grouped_folds(labels, groups, seed=0)
    assert set(Counter(zip(labels, folds, strict=True)).values()) == {4}


def test_a_refusal_names_groups_of_both_classes() -> None:
    labels = ["a"] * 8 + ["b"] * 2
    groups = ["1", "1", "2", "2", "3", "4", "5", "6", "1", "2"]
    with pytest.raises(DataError, match=r"2 of 6 groups hold images of both classes: are patients"):
        split_grouped(labels, groups, seed=0)


def test_folds_depend_on_the_seed_and_need_a_group_of_each_class_in_each() -> None:
    labels, groups = images_of([5] * 20, [5] * 28)
    ones = [tuple(grouped_folds(labels, groups, seed=seed)) for seed in range(4)]
    assert len(set(ones)) == 4
    sizes = [Counter(fold_of).values() for fold_of in ones]
    assert all(max(held) - min(held) <= 5 for held in sizes)
    with pytest.raises(DataError, match="class 'benign' has too few groups for 5 folds: found 4"):
        grouped_folds(*images_of([3] * 4, [3] * 9), seed=0)


@settings(deadline=None, max_examples=60)
@given(benign=SIZES, malignant=SIZES, seed=st.integers(0, 2**32), shuffle=st.randoms())
def test_a_random_split_keeps_its_laws(
    benign: list[int], malignant: list[int], seed: int, shuffle: object
) -> None:
    labels, _ = images_of(benign, malignant)
    names = [f"image-{k}" for k in range(len(labels))]
    parts = split_random(labels, names=names, seed=seed)
    counts = Counter(zip(labels, parts, strict=True))
    assert len(parts) == len(labels)
    assert len(counts) == 6
    order = list(range(len(labels)))
    shuffle.shuffle(order)  # type: ignore[attr-defined]
    again = split_random([labels[k] for k in order], names=[names[k] for k in order], seed=seed)
    assert again == [parts[k] for k in order]


@given(count=st.integers(0, 500), least=st.integers(1, 3), ratio=st.permutations([70, 20, 10, 0]))
def test_counts_are_shared_out_without_rest_and_near_the_ratio(
    count: int, least: int, ratio: list[int]
) -> None:
    share = tuple(ratio[:3])
    counts = part_counts(count, share, least=least)  # type: ignore[arg-type]
    if counts is None:
        assert count < 1 + 2 * least
        return
    assert sum(counts) == count
    for k in range(3):
        assert (counts[k] == 0) == (share[k] == 0)
        assert abs(counts[k] - count * share[k] / sum(share)) < 2 * least + 1


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        (3, [1, 1, 1]),
        (5, [3, 1, 1]),
        (11, [8, 2, 1]),
        (12, [6, 3, 3]),
        (20, [13, 4, 3]),
        (28, [20, 5, 3]),
        (30, [21, 6, 3]),
        (100, [70, 20, 10]),
    ],
)
def test_groups_are_shared_out_by_largest_remainder(groups: int, expected: list[int]) -> None:
    """From 12 groups on, validation and test get three at least, taken from training."""
    labels, names = images_of([5] * groups, [5] * groups)
    counts = groups_by_part(labels, names, split_grouped(labels, names, seed=0))
    assert counts == {"benign": expected, "malignant": expected}


def test_a_random_split_is_7_to_2_to_1_in_each_class() -> None:
    labels = ["benign"] * 100 + ["malignant"] * 150
    parts = split_random(labels, names=[str(k) for k in range(250)], seed=1)
    counts = Counter(zip(labels, parts, strict=True))
    assert [counts["benign", part] for part in PARTS] == [70, 20, 10]
    assert [counts["malignant", part] for part in PARTS] == [105, 30, 15]


def test_other_seeds_give_other_splits() -> None:
    labels, groups = images_of([5] * 20, [5] * 28)
    splits = {tuple(split_grouped(labels, groups, seed=seed)) for seed in range(10)}
    assert len(splits) == 10


def test_groups_of_unequal_sizes_are_balanced_in_images() -> None:
    """One lesion with a quarter of the images does not fall into the test part."""
    rng = np.random.default_rng(0)
    sizes = [80, *rng.integers(2, 15, 29).tolist()]
    labels, groups = images_of(sizes, sizes)
    for seed in range(5):
        parts = Counter(split_grouped(labels, groups, seed=seed))
        share = [parts[part] / len(labels) for part in PARTS]
        assert share == pytest.approx([0.7, 0.2, 0.1], abs=0.02)


def test_a_ratio_of_zero_gives_no_such_part() -> None:
    labels, groups = images_of([2] * 10, [2] * 10)
    parts = split_grouped(labels, groups, ratio=(80, 20, 0), seed=0)
    assert Counter(parts) == {"train": 32, "validation": 8}


def test_a_group_of_two_classes_counts_for_the_class_of_most_of_its_images() -> None:
    labels, groups = images_of([4] * 3, [4] * 3)
    parts = split_grouped([*labels, "malignant"], [*groups, "benign-0"], seed=0)
    assert parts[-1] == parts[0]
    assert groups_by_part(labels, groups, parts[:-1])["benign"] == [1, 1, 1]


def test_too_few_groups_or_images_are_refused_in_one_line() -> None:
    labels, groups = images_of([5, 5], [5] * 9)
    with pytest.raises(DataError, match=r"'benign' has too few groups .* found 2, needed 3") as one:
        split_grouped(labels, groups, seed=0)
    with pytest.raises(DataError, match=r"'a' has too few images .* found 1, needed 3") as two:
        split_random(["a", "b", "b", "b"], names=list("abcd"), seed=0)
    assert "\n" not in str(one.value) + str(two.value)
    assert "add images" in str(one.value)
    split_grouped(labels, groups, ratio=(80, 20, 0), seed=0)


def test_given_parts_are_used_as_given() -> None:
    labels = ["benign", "malignant"] * 3
    parts = ["train", "train", "validation", "validation", "test", "test"]
    assert complete_given(parts, labels, list("abcdef"), seed=0) == parts


def test_a_missing_validation_part_is_cut_from_training_by_groups() -> None:
    labels, groups = images_of([3] * 12, [3] * 9)
    parts = ["test" if int(name.split("-")[1]) < 2 else "train" for name in groups]
    completed = complete_given(parts, labels, groups, seed=3)
    assert [c == "test" for c in completed] == [p == "test" for p in parts]
    assert len(set(zip(groups, completed, strict=True))) == len(set(groups))
    assert groups_by_part(labels, groups, completed) == {
        "benign": [8, 2, 2],
        "malignant": [5, 2, 2],
    }


def test_a_missing_test_part_stays_missing() -> None:
    labels, groups = images_of([1] * 4, [1] * 4)
    assert set(complete_given(["train"] * 8, labels, groups, seed=0)) == {"train", "validation"}


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (["validation", "validation", "test", "test"], "no training part, found: test, validation"),
        (["train", "train", "test", "validation"], "validation part has no .* class 'benign'"),
        (["train", "train", "test", "test"], "'benign' has too few groups"),
    ],
)
def test_given_parts_that_cannot_be_used_are_refused(parts: list[str], message: str) -> None:
    labels = ["benign", "malignant"] * 2
    with pytest.raises(DataError, match=message) as caught:
        complete_given(parts, labels, list("abcd"), seed=0)
    assert "\n" not in str(caught.value)


def test_seeds_are_independent_between_classes() -> None:
    """Two classes alike are not divided alike."""
    labels, groups = images_of([5] * 20, [5] * 20)
    parts = np.array(split_grouped(labels, groups, seed=0)).reshape(2, 20, 5)[:, :, 0]
    assert any((first != second).any() for first, second in pairwise(parts))
