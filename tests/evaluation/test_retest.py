"""The retest of a network with known weights: what it stores, and what it stores without."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from study.dataset.arrays import load_part
from study.dataset.manifest import Manifest
from study.evaluation.retest import GALLERY, gallery, retest
from study.ledger import Ledger
from study.workspace import StudyFolder
from tests.evaluation.known_networks import (
    all_negative,
    all_positive,
    blob_network,
    without_convolution,
)

# Keras' own code calls NumPy in a way that NumPy 2 warns of.
pytestmark = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")

Complete = Callable[[Any, float], int]


def stored(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as arrays:
        return dict(arrays)


def test_every_prediction_names_its_image_and_its_group(
    study: tuple[StudyFolder, Ledger, Path], complete: Complete
) -> None:
    folder, ledger, _ = study
    complete(all_positive(), 0.5)
    retest(folder, ledger)
    found = stored(folder.test_predictions)
    assert found.keys() == {"probability", "label", "group", "group_name", "path"}
    rows = {row.path: row for row in Manifest.read(folder.manifest).rows if row.part == "test"}
    assert found["path"].tolist() == sorted(rows)
    for path, label, name in zip(found["path"], found["label"], found["group_name"], strict=True):
        assert (rows[path].label == "malignant", rows[path].group) == (bool(label), name)
    assert len(set(zip(found["group"], found["group_name"], strict=True))) == len(
        set(found["group"])
    )
    assert (found["probability"] > 0.5).all()


@pytest.mark.parametrize(
    ("network", "label", "kind"), [(all_positive, 0, "fp"), (all_negative, 1, "fn")]
)
def test_the_misclassified_images_are_kept_with_what_the_network_looked_at(
    study: tuple[StudyFolder, Ledger, Path],
    complete: Complete,
    network: Callable[[], Any],
    label: int,
    kind: str,
) -> None:
    folder, ledger, root = study
    complete(network(), 0.5)
    answer = retest(folder, ledger)
    assert answer is not None
    assert answer["warnings"] == []
    found = stored(folder.explanations)
    assert found.keys() == {
        *("path", "group", "label", "probability", "image", "heat", "misclassified", "images"),
    }
    assert int(found["misclassified"]) == answer["confusion"][kind] == len(found["path"])
    assert int(found["images"]) == answer["images"]
    assert (found["label"] == label).all()
    wrongness = np.abs(found["probability"] - label)
    assert (np.diff(wrongness) <= 0).all(), "the most wrong first"
    assert len(np.unique(wrongness)) > 1
    test = load_part(Manifest.read(folder.manifest), root, "test", ledger.read().protocol)
    row = [test.paths.index(path) for path in found["path"].tolist()]
    np.testing.assert_array_equal(found["image"], test.images[row])
    assert found["group"].tolist() == [test.group_names[test.groups[k]] for k in row]
    assert found["heat"].dtype == found["image"].dtype == np.uint8
    levels = found["image"][..., 0]  # all that speaks for the class, or against the other
    brightness = levels / levels.max(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(found["heat"], 255 * brightness, atol=1)


def test_a_perfect_network_has_nothing_to_explain(
    study: tuple[StudyFolder, Ledger, Path], complete: Complete
) -> None:
    folder, ledger, _ = study
    complete(blob_network(400.0, -400 * 66 / 255), 0.9)  # between the classes' mean grey levels
    answer = retest(folder, ledger)
    assert answer is not None
    assert (answer["f_med"], answer["warnings"]) == (1.0, [])
    found = stored(folder.explanations)
    assert int(found["misclassified"]) == len(found["path"]) == 0
    assert found["image"].shape == (0, 22, 24, 1)
    assert found["heat"].shape == (0, 22, 24)


def test_a_retest_that_cannot_be_explained_is_stored_and_says_so(
    study: tuple[StudyFolder, Ledger, Path], complete: Complete
) -> None:
    """And the pictures of the network that won before are gone: they would explain another."""
    folder, ledger, _ = study
    complete(all_positive(), 0.5)
    retest(folder, ledger)
    assert folder.explanations.is_file()
    number = complete(without_convolution(), 0.6)
    answer = retest(folder, ledger)
    assert answer is not None
    assert (answer["number"], answer["uses"]) == (number, 2)
    assert sum(answer["confusion"].values()) == answer["images"]
    (warning,) = answer["warnings"]
    assert "no explanation: ValueError: the network has no convolution" in warning
    assert ledger.read().retest == answer
    assert not folder.explanations.exists()


def test_a_retest_whose_pictures_cannot_be_written_is_stored_and_says_so(
    study: tuple[StudyFolder, Ledger, Path], complete: Complete
) -> None:
    folder, ledger, _ = study
    complete(all_positive(), 0.5)
    folder.explanations.mkdir()
    answer = retest(folder, ledger)
    assert answer is not None
    (warning,) = answer["warnings"]
    assert "Error: " in warning
    assert str(folder.explanations) in warning
    assert ledger.read().retest == answer


def test_a_retest_whose_predictions_cannot_be_written_is_stored_and_says_so(
    study: tuple[StudyFolder, Ledger, Path], complete: Complete
) -> None:
    """As on a full disk: the look is not lost, and is not asked for again."""
    folder, ledger, _ = study
    complete(all_positive(), 0.5)
    folder.test_predictions.mkdir()
    answer = retest(folder, ledger)
    assert answer is not None
    (warning,) = answer["warnings"]
    assert warning.startswith("The predictions of the test images are not stored: ")
    assert ledger.read().retest == answer == retest(folder, ledger)
    assert folder.explanations.is_file()


def test_the_test_part_stays_shut_until_another_network_wins(
    study: tuple[StudyFolder, Ledger, Path], complete: Complete
) -> None:
    folder, ledger, root = study
    complete(all_positive(), 0.5)
    answer = retest(folder, ledger)
    explained = folder.explanations.read_bytes()
    complete(all_negative(), 0.4)
    hidden = root.rename(root.with_name("away"))
    assert retest(folder, ledger) == answer
    hidden.rename(root)
    complete(all_negative(), 0.6)
    again = retest(folder, ledger)
    assert again is not None
    assert again["uses"] == 2
    assert folder.explanations.read_bytes() != explained


IMAGES = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, 20).map(lambda k: k / 20), st.integers(0, 30)),
    max_size=120,
)


def columns(images: list[tuple[int, float, int]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    label, probability, group = zip(*images, strict=True) if images else ((), (), ())
    return np.array(label, int), np.array(probability, float), np.array(group, int)


@given(IMAGES)
def test_a_gallery_shows_missed_positives_first_and_then_the_most_wrong(
    images: list[tuple[int, float, int]],
) -> None:
    label, probability, group = columns(images)
    shown = gallery(label, probability, group)
    wrong = np.flatnonzero((probability >= 0.5) != (label == 1))
    assert len(set(shown)) == len(shown) == min(GALLERY, len(wrong))
    assert set(shown) <= set(wrong)
    order = [(-label[k], -abs(probability[k] - label[k])) for k in shown]
    assert order == sorted(order)


@given(IMAGES)
def test_no_group_fills_a_gallery_before_every_other_has_had_its_turn(
    images: list[tuple[int, float, int]],
) -> None:
    label, probability, group = columns(images)
    shown = gallery(label, probability, group)
    there = Counter(group[(probability >= 0.5) != (label == 1)].tolist())
    kept = Counter(group[shown].tolist())
    most = max(kept.values(), default=0)
    assert all(kept[name] >= min(most - 1, count) for name, count in there.items())


def test_of_too_many_groups_those_with_the_gravest_mistakes_are_shown() -> None:
    """Thirty groups with a false alarm each; the last five of them also miss a positive."""
    label = np.array([0] * 30 + [1] * 5)
    probability = np.array([0.5 + k / 100 for k in range(30)] + [0.4] * 5)
    group = np.array([*range(30), *range(25, 30)])
    assert gallery(label, probability, group).tolist() == [*range(30, 35), *range(24, 5, -1)]
