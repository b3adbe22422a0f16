"""Laws of the scores, and their agreement with scikit-learn."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as reference

from study import metrics

RECALLS = st.lists(st.just(0.0) | st.floats(1e-9, 1), min_size=2, max_size=6)
# Few different values, so that ties are common.
CHANCES = st.one_of(st.integers(0, 8).map(lambda k: k / 8), st.floats(0, 1))


@st.composite
def predictions(draw, chances=CHANCES):
    """Draw truth and probability, (n,) each, with an image of either class at least."""
    truth = [0, 1, *draw(st.lists(st.integers(0, 1), max_size=30))]
    probability = draw(st.lists(chances, min_size=len(truth), max_size=len(truth)))
    return np.array(truth), np.array(probability)


@st.composite
def confusions(draw):
    """Draw a confusion matrix of 2 to 5 classes, each with an image at least."""
    classes = draw(st.integers(2, 5))
    row = st.lists(st.integers(0, 50), min_size=classes, max_size=classes).filter(any)
    return np.array(draw(st.lists(row, min_size=classes, max_size=classes)))


@given(RECALLS)
def test_f_med_lies_between_the_lowest_and_the_highest_recall(recalls):
    assert min(recalls) - 1e-12 <= metrics.f_med(recalls) <= max(recalls) + 1e-12


@given(RECALLS, st.data())
def test_f_med_is_0_when_any_recall_is_0(recalls, data):
    recalls[data.draw(st.integers(0, len(recalls) - 1))] = 0.0
    assert metrics.f_med(recalls) == 0


@given(st.floats(0.001, 1), st.floats(0.001, 1))
def test_f_med_of_two_classes_is_the_harmonic_mean_of_sensitivity_and_specificity(a, b):
    assert metrics.f_med([a, b]) == pytest.approx(2 * a * b / (a + b))


@given(confusions(), st.randoms())
def test_f_med_does_not_depend_on_the_order_of_the_classes(confusion, random):
    order = list(range(len(confusion)))
    random.shuffle(order)
    swapped = confusion[np.ix_(order, order)]
    assert metrics.recalls(swapped) == pytest.approx(metrics.recalls(confusion)[order])
    assert metrics.f_med(metrics.recalls(swapped)) == pytest.approx(
        metrics.f_med(metrics.recalls(confusion))
    )


@given(st.data(), st.integers(2, 5))
def test_confusion_and_recalls_equal_scikit_learns(data, classes):
    labels = st.integers(0, classes - 1)
    truth = [*range(classes), *data.draw(st.lists(labels, max_size=40))]
    predicted = data.draw(st.lists(labels, min_size=len(truth), max_size=len(truth)))
    confusion = metrics.confusion_matrix(truth, predicted, classes)
    known = list(range(classes))
    assert confusion.tolist() == reference.confusion_matrix(truth, predicted, labels=known).tolist()
    assert metrics.recalls(confusion) == pytest.approx(
        reference.recall_score(truth, predicted, average=None)
    )


@given(predictions())
def test_scores_of_two_classes_equal_scikit_learns(pair):
    truth, probability = pair
    called = probability >= metrics.THRESHOLD
    scores = metrics.binary_scores(truth, probability)
    assert scores["sensitivity"] == pytest.approx(reference.recall_score(truth, called))
    assert scores["specificity"] == pytest.approx(
        reference.recall_score(truth, called, pos_label=0)
    )
    assert scores["f1"] == pytest.approx(reference.f1_score(truth, called, zero_division=0))
    assert scores["accuracy"] == pytest.approx(reference.accuracy_score(truth, called))
    clipped = probability.clip(1e-7, 1 - 1e-7)
    assert scores["loss"] == pytest.approx(reference.log_loss(truth, clipped), abs=1e-9)


@given(predictions())
def test_auc_equals_scikit_learns_with_ties(pair):
    truth, probability = pair
    assert metrics.auc(truth, probability) == pytest.approx(
        reference.roc_auc_score(truth, probability)
    )


@given(predictions(chances=CHANCES.filter(lambda chance: chance != metrics.THRESHOLD)))
def test_naming_the_other_class_positive_swaps_sensitivity_and_specificity_only(pair):
    truth, probability = pair
    scores = metrics.binary_scores(truth, probability)
    other = metrics.binary_scores(1 - truth, 1 - probability)
    assert other["sensitivity"] == scores["specificity"]
    assert other["specificity"] == scores["sensitivity"]
    for name in ("f_med", "accuracy"):
        assert other[name] == pytest.approx(scores[name])
    assert other["loss"] == pytest.approx(scores["loss"], abs=1e-6)
    assert metrics.auc(1 - truth, -probability) == pytest.approx(metrics.auc(truth, probability))


@given(predictions())
def test_counts_sum_to_the_images_and_give_the_scores(pair):
    truth, probability = pair
    counts = metrics.binary_counts(truth, probability)
    scores = metrics.binary_scores(truth, probability)
    assert set(counts) == {"tp", "fp", "tn", "fn"}
    assert counts["tp"] + counts["fn"] == truth.sum()
    assert counts["tn"] + counts["fp"] == len(truth) - truth.sum()
    assert scores["sensitivity"] == pytest.approx(counts["tp"] / (counts["tp"] + counts["fn"]))
    assert scores["specificity"] == pytest.approx(counts["tn"] / (counts["tn"] + counts["fp"]))


def test_an_image_at_the_threshold_is_called_positive():
    assert metrics.binary_counts([0, 1], [0.5, 0.5]) == {"tp": 1, "fp": 1, "tn": 0, "fn": 0}


def test_certain_and_wrong_costs_a_finite_loss():
    loss = metrics.binary_scores([0, 1], [1.0, 0.0])["loss"]
    assert loss == pytest.approx(-math.log(1e-7), rel=1e-6)


def test_f_med_of_a_set_is_not_the_mean_over_its_batches():
    """Two batches with F_med 0 and 0 make a set with F_med 0.5."""
    truth, probability = np.array([0, 1, 0, 1]), np.array([0.1, 0.1, 0.9, 0.9])
    halves = [metrics.binary_scores(truth[k : k + 2], probability[k : k + 2]) for k in (0, 2)]
    assert [half["f_med"] for half in halves] == [0, 0]
    assert metrics.binary_scores(truth, probability)["f_med"] == pytest.approx(0.5)


@pytest.mark.parametrize("label", [0, 1])
def test_scores_of_an_absent_class_are_an_error_and_not_0(label):
    truth, probability = [label, label], [0.2, 0.8]
    with pytest.raises(ValueError, match=f"no image of class {1 - label}"):
        metrics.binary_scores(truth, probability)
    with pytest.raises(ValueError, match="undefined"):
        metrics.auc(truth, probability)
