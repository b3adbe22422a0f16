"""Counts of out-of-fold predictions, and drawings of their groups."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from study import metrics
from study.evaluation.out_of_fold import (
    FoldPredictions,
    OutOfFold,
    harmonic_mean,
    weighted_f_med,
)

LABEL = np.array([0, 0, 1, 1, 1, 0, 1])
GROUP = np.array([4, 4, 4, 7, 7, 2, 9])
FOLD = np.array([0, 0, 0, 1, 1, 1, 2])
"""Group 4 holds both classes."""


def predictions(probability: list[float], fold: np.ndarray = FOLD) -> FoldPredictions:
    return FoldPredictions(
        probability=np.array(probability), label=LABEL, group=GROUP, fold=np.asarray(fold)
    )


def counted(*finalists: list[FoldPredictions]) -> OutOfFold:
    sizes = range(1, len(finalists) + 1)
    return OutOfFold.from_predictions(
        finalists, macs=list(sizes), parameters=list(sizes), test_to_train=1 / 3
    )


FIRST = predictions([0.1, 0.9, 0.5, 0.4, 0.6, 0.2, 0.7])
SECOND = predictions([0.1, 0.1, 0.1, 0.9, 0.9, np.nan, 0.7], np.array([0, 0, 0, 1, 1, -1, 2]))


def test_predictions_become_counts_of_groups_within_their_class() -> None:
    """Rows: group 2 negative, 4 negative, 4 positive, 7, 9; a probability of 0.5 is positive."""
    data = counted([FIRST])
    assert data.group.tolist() == [2, 4, 4, 7, 9]
    assert data.label.tolist() == [0, 0, 1, 1, 1]
    assert data.total.tolist() == [1, 2, 1, 2, 1]
    assert data.correct.tolist() == [[[1, 1, 1, 1, 1]]]
    assert data.fold.tolist() == [[1, 0, 0, 1, 2]]


def test_what_a_finalist_has_not_scored_is_out_of_the_common_folds() -> None:
    """The second finalist has not scored group 2; alone, the first has all."""
    data = counted([FIRST], [SECOND])
    assert data.correct[1].tolist() == [[-1, 2, 0, 2, 1]]
    assert data.common.tolist() == [[-1, 0, 0, 1, 2]]
    assert data.of([0]).common.tolist() == data.fold.tolist()


def test_finalists_are_taken_in_the_order_asked_for() -> None:
    data = counted([FIRST], [SECOND]).of([1, 0])
    assert data.macs.tolist() == [2, 1]
    assert data.correct[0, 0].tolist() == [-1, 2, 0, 2, 1]


def test_predictions_of_other_images_are_refused() -> None:
    other = replace(FIRST, label=1 - LABEL)
    with pytest.raises(ValueError, match="same images in the same order"):
        counted([FIRST], [other])


@pytest.mark.parametrize(
    "fold", [[0, 1, 0, 1, 1, 1, 2], [0, 0, 3, 1, 1, 1, 2], [0, 0, 0, 1, 1, 1, 0]]
)
def test_a_group_divided_or_a_fold_that_finalists_do_not_share_is_refused(fold: list[int]) -> None:
    """Between its frames, between its classes; between two finalists."""
    with pytest.raises(ValueError, match="folds of one seed differ"):
        counted([FIRST], [replace(FIRST, fold=np.array(fold))])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"label": LABEL[:-1]}, "one length"),
        ({"label": LABEL + 1}, "neither 0 nor 1"),
        ({"probability": np.full(7, np.nan)}, "not between 0 and 1"),
    ],
)
def test_predictions_that_do_not_fit_together_are_refused(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(FIRST, **change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"correct": np.zeros((1, 5), int)}, "finalists, fold seeds and rows"),
        ({"total": np.ones(4, int)}, "total has the shape"),
        ({"fold": np.zeros(5, int)}, "fold has the shape"),
        ({"macs": np.ones(2, int)}, "macs has the shape"),
        ({"label": np.full(5, 2)}, "neither 0 nor 1"),
        ({"correct": np.full((1, 1, 5), 3)}, "does not fit the images"),
        ({"test_to_train": 0.0}, "above 0"),
    ],
)
def test_counts_that_do_not_fit_together_are_refused(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(counted([FIRST]), **change)


def test_drawings_keep_each_kind_of_group_and_draw_a_mixed_one_whole() -> None:
    """Each drawing holds one negative, one mixed and two positive groups."""
    times = counted([FIRST]).group_draws(50, np.random.default_rng(0))
    assert (times[:, :3] == 1).all()
    assert (times[:, 3:].sum(axis=1) == 2).all()
    assert len(np.unique(times[:, 3])) == 3


def test_groups_that_not_all_have_scored_are_never_drawn() -> None:
    times = counted([FIRST], [SECOND]).group_draws(50, np.random.default_rng(0))
    assert not times[:, 0].any()


@given(st.lists(st.integers(0, 3), min_size=5, max_size=5))
def test_f_med_under_a_drawing_is_that_of_groups_repeated_as_often(times: list[int]) -> None:
    """NaN where a class is not drawn."""
    data, weight = counted([FIRST]), np.array([times])
    found = weighted_f_med(data, weight, [(0, np.ones(5, bool))])[0, 0, 0]
    right = (weight * data.correct[0])[0]
    total = weight[0] * data.total
    pooled = [(right[data.label == k].sum(), total[data.label == k].sum()) for k in (0, 1)]
    if any(size == 0 for _, size in pooled):
        assert np.isnan(found)
    else:
        expected = metrics.f_med([part / size for part, size in pooled])
        assert found == pytest.approx(expected, abs=1e-12)


def test_f_med_is_0_where_a_class_is_never_recognised() -> None:
    recalls = np.array([0.0, 0.0, 0.5]), np.array([0.0, 0.7, 0.5])
    assert harmonic_mean(*recalls).tolist() == [0.0, 0.0, 0.5]
