"""Intervals of a small retest: the published figures, their laws, and their coverage."""

import json
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from study import metrics
from study.evaluation import intervals
from study.evaluation.intervals import (
    counted_f_med_interval,
    effective_size,
    recall_interval,
    retest_intervals,
)

SCORES = ("sensitivity", "specificity", "f_med", "accuracy")
RECALLS = st.fractions(0, 1, max_denominator=500).map(float)
SIZES = st.floats(1, 500)
NORMAL = NormalDist()


def clips(*, negative, positive, frames=5, recalls=(0.85, 0.85), correlation=0.5, seed=0):
    """Return truth, probability and group of clips whose frames share part of their score.

    ``recalls`` are the true specificity and sensitivity.
    """
    rng = np.random.default_rng(seed)
    truth = np.repeat([0, 1], [negative * frames, positive * frames])
    group = np.repeat(np.arange(negative + positive), frames)
    clip = rng.normal(size=negative + positive)[group]
    frame = rng.normal(size=len(group))
    noise = np.sqrt(correlation) * clip + np.sqrt(1 - correlation) * frame
    margin = noise + np.array([NORMAL.inv_cdf(recall) for recall in recalls])[truth]
    return truth, 1 / (1 + np.exp(-np.where(truth == 1, margin, -margin))), group


@pytest.mark.parametrize(
    ("right", "images", "low", "high"),
    [(14, 15, 0.681, 0.998), (10, 10, 0.692, 1.0), (3, 3, 0.29, 1.0)],
)
def test_a_recall_of_the_article_has_the_published_interval(right, images, low, high):
    assert recall_interval(right / images, images) == pytest.approx((low, high), abs=0.003)


@given(RECALLS, SIZES, st.floats(0.5, 0.99))
def test_a_recalls_interval_holds_the_recall_and_stays_between_0_and_1(recall, n_eff, level):
    low, high = recall_interval(recall, n_eff, level)
    assert 0 <= low <= recall <= high <= 1


@given(RECALLS, SIZES, st.floats(1.1, 10))
def test_more_independent_images_never_widen_a_recalls_interval(recall, n_eff, factor):
    few, many = recall_interval(recall, n_eff), recall_interval(recall, n_eff * factor)
    assert few[0] <= many[0] + 1e-9
    assert many[1] <= few[1] + 1e-9


@given(RECALLS, SIZES)
def test_the_interval_of_the_errors_mirrors_that_of_the_recall(recall, n_eff):
    low, high = recall_interval(recall, n_eff)
    assert recall_interval(1 - recall, n_eff) == pytest.approx((1 - high, 1 - low), abs=1e-6)


def test_below_ten_groups_every_group_counts_once():
    """Nine clips of five frames, whatever is right in them, are worth nine images."""
    correct = np.random.default_rng(0).random(45) < 0.8
    size = effective_size(correct, np.repeat(np.arange(9), 5))
    assert (size.images, size.groups, size.icc) == (45, 9, 1.0)
    assert size.effective == pytest.approx(9)


def test_unequal_groups_weigh_by_the_square_of_their_size():
    """Groups of 1, 1 and 8: m = 66 / 10."""
    size = effective_size(np.ones(10, bool), np.array([0, 1, *[2] * 8]))
    assert size.effective == pytest.approx(10 / 6.6)


def test_clips_that_are_all_right_or_all_wrong_have_an_icc_of_1():
    correct = np.repeat(np.arange(12) % 3 > 0, 5)
    size = effective_size(correct, np.repeat(np.arange(12), 5))
    assert size.icc == pytest.approx(1)
    assert size.effective == pytest.approx(12)


def test_frames_that_err_independently_of_their_clip_count_singly():
    """One wrong frame in every clip: less alike than chance, so the ICC is floored at 0."""
    correct = np.tile([True, True, True, True, False], 12)
    size = effective_size(correct, np.repeat(np.arange(12), 5))
    assert (size.icc, size.effective) == (0.0, 60.0)


def test_the_icc_is_undefined_and_taken_as_1_when_every_image_is_right():
    size = effective_size(np.ones(60, bool), np.repeat(np.arange(12), 5))
    assert (size.icc, size.effective) == (1.0, pytest.approx(12))


def test_images_that_stand_alone_count_fully():
    assert effective_size(np.arange(20) > 3, np.arange(20)).effective == 20
    assert effective_size(np.arange(4) > 1, np.arange(4)).effective == 4


def test_the_icc_of_unequal_groups_equals_a_hand_calculation():
    """Ten pairs and two singles: MSB 36/55, MSW 1/10, typical size 1.8."""
    correct = np.array([1, 1] * 6 + [0, 0] * 3 + [1, 0] + [1, 0], dtype=bool)
    group = np.array([*np.repeat(np.arange(10), 2), 10, 11])
    right, images = 14, 22
    between = (6 * 2 + 0.5 + 1 - right**2 / images) / 11
    within = 0.5 / 10
    typical = (images - 42 / images) / 11
    icc = (between - within) / (between + (typical - 1) * within)
    size = effective_size(correct, group)
    assert size.icc == pytest.approx(icc)
    assert size.effective == pytest.approx(22 / (1 + (42 / 22 - 1) * icc))


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 14)), min_size=1, max_size=80))
def test_effective_images_lie_between_one_and_the_images(samples):
    correct, group = (np.array(column) for column in zip(*samples, strict=True))
    size = effective_size(correct, group)
    assert 0 <= size.icc <= 1
    assert 1 - 1e-9 <= size.effective <= size.images + 1e-9


@given(st.integers(0, 10_000), st.integers(2, 14), st.integers(2, 14))
@settings(max_examples=25)
def test_every_interval_is_ordered_holds_its_estimate_and_goes_into_json(seed, negative, positive):
    truth, probability, group = clips(negative=negative, positive=positive, seed=seed)
    result = retest_intervals(truth, probability, group, seed=1, draws=400)
    scores = metrics.binary_scores(truth, probability)
    for name in SCORES:
        low, high = result[name]
        assert 0 <= low <= scores[name] <= high <= 1
    assert result["groups"] == {"positive": positive, "negative": negative}
    assert json.loads(json.dumps(result)) == result


def test_the_same_seed_gives_the_same_intervals_and_another_seed_nearly_so():
    part = clips(negative=12, positive=14)
    once = retest_intervals(*part, seed=5)
    assert once == retest_intervals(*part, seed=5)
    other = retest_intervals(*part, seed=6)
    assert once["f_med"] != other["f_med"]
    for name in (*SCORES, "auc"):
        assert once[name] == pytest.approx(other[name], abs=0.02)


def test_a_perfect_retest_of_three_and_two_lesions_promises_little():
    """Every one of 25 frames is right, yet they are five lesions."""
    truth, group = np.repeat([0, 1], [10, 15]), np.repeat(np.arange(5), 5)
    result = retest_intervals(truth, truth * 0.9, group, seed=0)
    assert result["sensitivity"] == pytest.approx([0.292, 1.0], abs=0.001)
    assert result["specificity"] == pytest.approx([0.158, 1.0], abs=0.001)
    assert result["f_med"][0] < 0.6
    assert result["f_med"][1] == 1
    assert result["auc"] is None
    assert result["effective_images"] == pytest.approx({"positive": 3, "negative": 2})


@pytest.mark.parametrize(("negative", "positive"), [(9, 20), (20, 9)])
def test_auc_has_no_interval_below_ten_groups_in_either_class(negative, positive):
    part = clips(negative=negative, positive=positive)
    result = retest_intervals(*part, seed=0, draws=100)
    assert result["auc"] is None
    assert "no interval below 10 groups" in result["method"]


def test_auc_has_an_interval_from_ten_groups_in_each_class_on():
    truth, probability, group = clips(negative=10, positive=10)
    low, high = retest_intervals(truth, probability, group, seed=0, draws=2_000)["auc"]
    assert low < metrics.auc(truth, probability) < high


def test_a_perfect_auc_has_no_interval_because_the_bootstrap_sees_no_spread():
    truth, group = np.repeat([0, 1], 60), np.repeat(np.arange(24), 5)
    result = retest_intervals(truth, truth * 0.9, group, seed=0, draws=100)
    assert result["auc"] is None
    assert "same AUC" in result["method"]


def test_groups_that_hold_images_of_both_classes_are_allowed():
    truth, probability, _ = clips(negative=15, positive=15)
    result = retest_intervals(truth, probability, np.tile(np.arange(15), 10), seed=0, draws=200)
    assert result["groups"] == {"positive": 15, "negative": 15}
    assert result["auc"] is not None


@given(
    st.lists(
        st.tuples(st.booleans(), st.integers(0, 4), st.integers(0, 3)), min_size=1, max_size=20
    )
)
def test_auc_under_weights_is_the_auc_of_images_repeated_that_often(samples):
    samples = sorted([(False, 1, 1), (True, 2, 1), *samples], key=lambda sample: sample[1])
    truth, level, times = (np.array(column) for column in zip(*samples, strict=True))
    weighted = intervals._weighted_auc(truth.astype(np.int64), level / 4, times[None, :])
    repeated = metrics.auc(np.repeat(truth, times), np.repeat(level / 4, times))
    assert weighted == pytest.approx([repeated])


def test_a_test_part_without_one_of_the_classes_is_an_error():
    with pytest.raises(ValueError, match="no image of class 1"):
        retest_intervals(np.zeros(4, int), np.full(4, 0.2), np.arange(4), seed=0)


def test_intervals_cover_the_truth_of_small_retests_of_correlated_frames():
    """300 studies of 4 + 6 clips of five frames: every 95 % interval covers at least 92 %."""
    recalls = (0.80, 0.88)
    true = {
        "specificity": recalls[0],
        "sensitivity": recalls[1],
        "f_med": metrics.f_med(recalls),
        "accuracy": 0.4 * recalls[0] + 0.6 * recalls[1],
    }
    covered = dict.fromkeys(true, 0)
    for seed in range(300):
        part = clips(negative=4, positive=6, recalls=recalls, correlation=0.9, seed=seed)
        result = retest_intervals(*part, seed=seed, draws=2_000)
        for name, value in true.items():
            covered[name] += result[name][0] <= value <= result[name][1]
    assert min(covered.values()) >= 0.92 * 300, covered


def test_views_of_an_image_are_worth_no_more_than_the_image():
    """Ten views each of 30 images a class that err independently count as 30, not as 300."""
    label = np.repeat([1, 0], 15)
    correct, total, images = np.full(30, 16), np.full(30, 20), np.full(30, 2)
    free = counted_f_med_interval(correct, total, label, seed=0)
    held = counted_f_med_interval(correct, total, label, seed=0, most=images)
    plain = counted_f_med_interval(np.full(30, 8), np.full(30, 10), label, seed=0, most=images)
    assert held == plain
    assert held[1] - held[0] > 2.5 * (free[1] - free[0])


def test_a_cap_that_does_not_bind_changes_nothing():
    """With fewer than ten groups a class is worth its groups, far below its images."""
    label, right = np.repeat([1, 0], 4), np.array([5, 5, 0, 5, 5, 4, 5, 0])
    counts = (right, np.full(8, 5), label)
    assert counted_f_med_interval(*counts, seed=0, most=np.full(8, 5)) == counted_f_med_interval(
        *counts, seed=0
    )


def test_a_cap_of_another_shape_or_without_an_image_is_refused():
    counts = (np.ones(4), np.ones(4), np.array([1, 1, 0, 0]))
    with pytest.raises(ValueError, match="do not fit together"):
        counted_f_med_interval(*counts, seed=0, most=np.ones(3))
    with pytest.raises(ValueError, match="no sample of class 0"):
        counted_f_med_interval(*counts, seed=0, most=np.array([1, 1, 0, 0]))
