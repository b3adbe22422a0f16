"""Operating points: the laws of thresholds and curves, and figures worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from study import metrics
from study.evaluation.intervals import effective_size, recall_interval
from study.evaluation.operating import (
    MOST_BINS,
    Predictions,
    brier,
    operating_point,
    precision_recall,
    reliability,
    roc,
    threshold_curve,
    threshold_for_sensitivity,
)

PROBABILITIES = st.floats(0, 1) | st.sampled_from([0.0, 0.25, 0.5, 1.0])
TARGETS = st.sampled_from([0.5, 0.8, 0.9, 0.95, 1.0]) | st.floats(0.01, 1)


def predictions(label, probability, group=None) -> Predictions:
    label = np.array(label)
    return Predictions(
        label=label,
        probability=np.array(probability, dtype=np.float64),
        group=np.arange(len(label)) if group is None else np.array(group),
    )


@st.composite
def drawn(draw: st.DrawFn) -> Predictions:
    """Draw both classes, ties included, images in a few groups."""
    rows = draw(
        st.lists(st.tuples(st.integers(0, 1), PROBABILITIES, st.integers(0, 12)), max_size=60)
    )
    rows += [(label, draw(PROBABILITIES), 0) for label in (0, 1)]
    label, probability, group = zip(*rows, strict=True)
    return predictions(label, probability, group)


def sensitivity(data: Predictions, threshold: float) -> float:
    return float((data.probability[data.label == 1] >= threshold).mean())


def specificity(data: Predictions, threshold: float) -> float:
    return float((data.probability[data.label == 0] < threshold).mean())


@settings(deadline=None)
@given(drawn(), TARGETS)
def test_the_threshold_keeps_the_sensitivity_and_no_higher_one_does(data, target):
    chosen = threshold_for_sensitivity(data, target)
    assert sensitivity(data, chosen) >= target
    assert sensitivity(data, np.nextafter(chosen, 2)) < target


@pytest.mark.parametrize(
    ("images", "found"), [(20, 19), (30, 29), (19, 19), (40, 38), (60, 57), (100, 95)]
)
def test_the_threshold_at_95_percent_finds_as_few_as_are_allowed(images, found):
    data = predictions([1] * images + [0], [*np.linspace(0.2, 0.9, images), 0.1])
    chosen = threshold_for_sensitivity(data, 0.95)
    assert operating_point(data, chosen).sensitivity.right == found


@pytest.mark.parametrize("target", [0.0, -0.1, 1.01, float("nan")])
def test_a_target_that_is_no_sensitivity_is_refused(target):
    with pytest.raises(ValueError, match="target"):
        threshold_for_sensitivity(predictions([0, 1], [0.1, 0.9]), target)


@settings(deadline=None)
@given(drawn())
def test_both_recalls_are_steps_that_only_fall_and_only_rise(data):
    curve = threshold_curve(data)
    assert curve.threshold[0] == 0
    assert curve.threshold[-1] == 1
    assert (np.diff(curve.threshold) > 0).all()
    assert (np.diff(curve.sensitivity) <= 0).all()
    assert (np.diff(curve.specificity) >= 0).all()
    assert curve.sensitivity[0] == 1


@settings(deadline=None)
@given(drawn(), PROBABILITIES)
def test_a_step_holds_between_its_threshold_and_the_one_before(data, at):
    curve = threshold_curve(data)
    k = np.searchsorted(curve.threshold, at, side="left")
    assert curve.sensitivity[k] == pytest.approx(sensitivity(data, at))
    assert curve.specificity[k] == pytest.approx(specificity(data, at))


@settings(deadline=None)
@given(drawn())
def test_the_roc_curve_rises_from_corner_to_corner_over_the_area_of_the_ranks(data):
    curve = roc(data)
    assert (np.diff(curve.false_alarms) >= 0).all()
    assert (np.diff(curve.sensitivity) >= 0).all()
    assert (curve.false_alarms[0], curve.sensitivity[0]) == (0, 0)
    assert (curve.false_alarms[-1], curve.sensitivity[-1]) == (1, 1)
    area = np.trapezoid(curve.sensitivity, curve.false_alarms)
    assert area == pytest.approx(metrics.auc(data.label, data.probability))


@settings(deadline=None)
@given(drawn())
def test_precision_is_that_of_a_threshold_and_recall_never_rises(data):
    curve = precision_recall(data)
    assert (np.diff(curve.recall) <= 0).all()
    possible = set()
    for threshold in np.unique(data.probability):
        called = data.probability >= threshold
        possible.add((round(sensitivity(data, threshold), 9), round(data.label[called].mean(), 9)))
    assert {
        (round(recall, 9), round(precision, 9))
        for recall, precision in zip(curve.recall, curve.precision, strict=True)
    } <= possible


@settings(deadline=None)
@given(drawn(), PROBABILITIES)
def test_an_operating_point_counts_each_class_and_discounts_its_groups(data, threshold):
    point = operating_point(data, threshold)
    assert point.sensitivity.value == pytest.approx(sensitivity(data, threshold))
    assert point.specificity.value == pytest.approx(specificity(data, threshold))
    own = data.label == 1
    size = effective_size(data.probability[own] >= threshold, data.group[own])
    expected = recall_interval(point.sensitivity.value, size.effective)
    assert point.sensitivity.interval() == pytest.approx(expected)


def test_images_of_few_groups_are_worth_their_groups():
    data = predictions([1] * 15 + [0] * 10, [0.9] * 14 + [0.1] * 11, np.arange(25) // 5)
    point = operating_point(data, 0.5)
    assert (point.sensitivity.right, point.sensitivity.groups) == (14, 3)
    assert point.sensitivity.effective == pytest.approx(3)
    assert point.specificity.effective == pytest.approx(2)


@settings(deadline=None)
@given(drawn())
def test_the_bins_of_a_reliability_diagram_divide_the_images_by_probability(data):
    bins = reliability(data)
    assert sum(item.images for item in bins) == len(data.label)
    assert len(bins) <= MOST_BINS
    positive = sum(item.share * item.images for item in bins)
    assert positive == pytest.approx(data.label.sum())
    means = [item.probability for item in bins]
    assert means == sorted(means)
    assert all(item.bounds[0] <= item.share <= item.bounds[1] for item in bins)


@pytest.mark.parametrize(("groups", "bins"), [(20, 2), (39, 3), (50, 5), (400, 5)])
def test_there_are_about_ten_groups_a_bin_and_at_most_five_bins(groups, bins):
    data = predictions(np.arange(groups) % 2, np.linspace(0, 1, groups))
    assert len(reliability(data)) == bins


@settings(deadline=None)
@given(drawn())
def test_the_brier_score_is_the_sum_of_its_parts(data):
    found = brier(data)
    assert found.score == pytest.approx(np.mean((data.probability - data.label) ** 2))
    whole = found.miscalibration - found.discrimination + found.uncertainty
    assert whole == pytest.approx(found.score)


def test_probabilities_that_hardly_differ_have_a_brier_score_in_parts():
    found = brier(predictions([0, 0, 1], [0.0, 1.0, np.nextafter(1, 0)]))
    assert found.score == pytest.approx(1 / 3)
    assert found.miscalibration == pytest.approx(1 / 6)
    assert found.discrimination == pytest.approx(1 / 18)


def test_a_true_share_is_calibrated_and_a_sure_mistake_is_not():
    label = [1, 1, 1, 0] * 5
    honest, sure = (brier(predictions(label, [p] * 20)) for p in (0.75, 1.0))
    assert honest.miscalibration == pytest.approx(0)
    assert honest.discrimination == pytest.approx(0)
    assert sure.miscalibration == pytest.approx(0.25**2)


@pytest.mark.parametrize(
    ("label", "probability", "group"),
    [
        ([0, 0], [0.1, 0.2], [0, 1]),
        ([], [], []),
        ([0, 1], [0.1, 1.2], [0, 1]),
        ([0, 1], [0.1, float("nan")], [0, 1]),
        ([0, 2], [0.1, 0.2], [0, 1]),
        ([0, 1], [0.1], [0, 1]),
        ([[0, 1]], [[0.1, 0.2]], [[0, 1]]),
    ],
)
def test_predictions_that_allow_no_curve_are_refused(label, probability, group):
    with pytest.raises(ValueError, match=r"class|probability|label"):
        predictions(label, probability, group)


@pytest.mark.parametrize(("groups", "few"), [(9, True), (10, False)])
def test_ten_groups_in_each_class_are_not_few(groups, few):
    label = np.repeat([0, 1], [3 * groups, 60])
    group = np.concatenate([np.arange(3 * groups) // 3, 100 + np.arange(60) // 3])
    assert predictions(label, np.full(len(label), 0.5), group).few is few
