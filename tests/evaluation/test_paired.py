"""The paired difference of two networks on constructed predictions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from study import metrics
from study.evaluation.operating import Predictions
from study.evaluation.paired import paired_difference

DRAWS = 200


def predictions(
    right: NDArray[np.bool_], label: NDArray[np.int64], group: NDArray[np.int64]
) -> Predictions:
    """Return the predictions of a network that is right on these images."""
    called = np.where(right, label, 1 - label)
    return Predictions(probability=0.1 + 0.8 * called, label=label, group=group)


def lesions(positive: int, negative: int, frames: int = 5) -> tuple[NDArray[np.int64], ...]:
    """Return labels and groups of lesions with so many frames each."""
    label = np.repeat([1] * positive + [0] * negative, frames)
    return label, np.repeat(np.arange(positive + negative), frames)


@st.composite
def two_networks(draw: st.DrawFn) -> tuple[Predictions, Predictions]:
    """Two networks on the same images; a group may hold images of both classes."""
    images = draw(st.integers(4, 30))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    label = np.r_[0, 1, rng.integers(0, 2, images - 2)]
    group = rng.integers(0, draw(st.integers(1, 12)), images) * 7 - 3
    one, other = (predictions(rng.random(images) < 0.7, label, group) for _ in range(2))
    return one, other


@given(two_networks())
@settings(max_examples=40, deadline=None)
def test_a_network_does_not_differ_from_itself(both: tuple[Predictions, Predictions]) -> None:
    """Identical predictions differ by 0 exactly, in the estimate and at both ends."""
    found = paired_difference(both[0], both[0], draws=DRAWS)
    assert (found.difference, found.low, found.high) == (0.0, 0.0, 0.0)
    assert found.disagreements == (0, 0)


@given(two_networks())
@settings(max_examples=40, deadline=None)
def test_the_other_way_round_flips_the_sign(both: tuple[Predictions, Predictions]) -> None:
    """Swapping the two mirrors the estimate, the interval and the disagreements."""
    one, other = (paired_difference(*pair, draws=DRAWS) for pair in (both, both[::-1]))
    assert one.difference == -other.difference
    assert (one.low, one.high) == pytest.approx((-other.high, -other.low), abs=1e-12)
    assert one.disagreements == other.disagreements[::-1]


@given(two_networks())
@settings(max_examples=40, deadline=None)
def test_the_estimate_is_that_of_all_images(both: tuple[Predictions, Predictions]) -> None:
    """Each F_med is that of the metrics, and the interval holds their difference."""
    found = paired_difference(*both, draws=DRAWS)
    scores = [metrics.binary_scores(item.label, item.probability)["f_med"] for item in both]
    assert [found.first, found.second] == pytest.approx(scores, abs=1e-12)
    assert -1 <= found.low <= found.difference <= found.high <= 1


def test_the_same_lesions_are_drawn_for_both() -> None:
    """Who is right wherever the other is, and once more, is worse in no draw."""
    label, group = lesions(12, 12)
    hard = np.isin(group, [0, 1, 2, 12, 13])
    better, worse = (
        predictions(~hard, label, group),
        predictions(~hard & (group != 5), label, group),
    )
    found = paired_difference(better, worse, draws=2000)
    assert found.low >= 0
    assert found.high > found.difference > 0
    assert found.disagreements == (5, 0)


def test_frames_of_a_lesion_do_not_narrow_the_interval() -> None:
    """Ten copies of every image leave the interval as it is: groups are drawn, not images."""
    widths = []
    for frames in (1, 10):
        label, group = lesions(15, 15, frames)
        one = predictions(group % 5 != 0, label, group)
        other = predictions(group % 3 != 0, label, group)
        found = paired_difference(one, other, draws=1000)
        widths.append(found.high - found.low)
    assert widths[0] == pytest.approx(widths[1])
    assert widths[0] > 0.2


@pytest.mark.parametrize(("positive", "negative", "sound"), [(10, 10, True), (40, 9, False)])
def test_few_groups_in_a_class_are_no_sound_base(positive: int, negative: int, sound: bool) -> None:
    label, group = lesions(positive, negative, 2)
    network = predictions(group % 4 != 0, label, group)
    found = paired_difference(network, network, draws=10)
    assert found.groups == (negative, positive)
    assert found.sound is sound


def test_other_images_are_refused() -> None:
    """Labels or groups in another order cannot be paired."""
    label, group = lesions(3, 3)
    right = np.ones(len(label), dtype=bool)
    one = predictions(right, label, group)
    with pytest.raises(ValueError, match="same images"):
        paired_difference(one, predictions(right, label[::-1], group[::-1]))
    with pytest.raises(ValueError, match="same images"):
        paired_difference(one, predictions(right[5:], label[5:], group[5:]))
