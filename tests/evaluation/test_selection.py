"""The one-standard-error rule and the race, on counts made by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from study import metrics
from study.evaluation.out_of_fold import OutOfFold
from study.evaluation.selection import (
    fold_scores,
    pooled_f_med,
    race,
    select,
    standard_error,
)

FOLDS, FRAMES = 5, 5


def folds_of(
    correct: np.ndarray, *, macs: list[int] | None = None, parameters: list[int] | None = None
) -> OutOfFold:
    """Return counts (F, S, 2 G) of G negative, then G positive groups of five frames."""
    finalists, seeds, rows = correct.shape
    sizes = list(range(1, finalists + 1))
    return OutOfFold(
        correct=correct,
        total=np.full(rows, FRAMES),
        label=np.repeat([0, 1], rows // 2),
        group=np.arange(rows),
        fold=np.tile(np.arange(rows // 2) % FOLDS, (seeds, 2)),
        macs=np.array(sizes if macs is None else macs),
        parameters=np.array(sizes if parameters is None else parameters),
        test_to_train=1 / 3,
    )


def drawn(seed: int, shape: tuple[int, ...], recall: float = 0.8) -> np.ndarray:
    return np.random.default_rng(seed).binomial(FRAMES, recall, size=shape)


def right_in(share: float, rows: int = 20) -> np.ndarray:
    """Return counts of one finalist that is right in the last groups of either class."""
    whole = (np.arange(rows // 2) >= round((1 - share) * rows / 2)) * FRAMES
    return np.tile(whole, 2)[None, :]


@given(st.integers(0, 2**32 - 1), st.integers(1, 3))
@settings(max_examples=20)
def test_a_finalists_mean_is_the_f_med_of_pooled_counts_averaged_over_seeds(
    seed: int, seeds: int
) -> None:
    data = folds_of(drawn(seed, (2, seeds, 20)))
    for finalist, mean in enumerate(pooled_f_med(data)):
        scores = []
        for counts in data.correct[finalist]:
            recalls = [counts[data.label == k].sum() / (10 * FRAMES) for k in (0, 1)]
            scores.append(metrics.f_med(recalls))
        assert mean == pytest.approx(np.mean(scores), abs=1e-12)


def test_fold_scores_hold_a_column_for_each_fold_and_seed() -> None:
    data = folds_of(drawn(0, (3, 2, 20)))
    found = fold_scores(data)
    assert found.shape == (3, 2 * FOLDS)
    counts, second = data.correct[1, 1], data.fold[1] == 1
    recalls = [counts[second & (data.label == k)].sum() / (2 * FRAMES) for k in (0, 1)]
    assert found[1, FOLDS + 1] == pytest.approx(metrics.f_med(recalls))


def test_a_fold_without_a_class_has_no_score() -> None:
    """Three groups a class in five folds: two folds hold none of either."""
    data = folds_of(drawn(0, (1, 1, 6)))
    lone = replace(data, fold=np.array([[0, 1, 2, 0, 1, 3]]))
    assert np.isnan(fold_scores(lone)).tolist() == [[False, False, True, True]]


def test_the_standard_error_counts_the_overlap_of_training_images() -> None:
    """Scores .7, .8, .9: variance .01, times 1/3 + 1/3."""
    assert standard_error(np.array([0.7, 0.8, 0.9]), 1 / 3) == pytest.approx(np.sqrt(0.02 / 3))


def test_scores_that_are_not_there_do_not_count() -> None:
    scores = np.array([[0.7, np.nan, 0.9], [np.nan, np.nan, 0.9], [0.5, 0.5, 0.5]])
    found = standard_error(scores, 0.25)
    assert found[0] == pytest.approx(standard_error(np.array([0.7, 0.9]), 0.25))
    assert np.isnan(found[1])
    assert found[2] == 0


def test_one_se_takes_the_least_complex_finalist_within_the_bar_and_best_the_best() -> None:
    """The folds of the best, right in nine groups of ten, differ enough for eight, not for four."""
    data = folds_of(np.stack([right_in(0.4), right_in(0.8), right_in(0.9)]))
    found = select(data, "one-se")
    assert (found.chosen, found.best, found.within) == (1, 2, (1, 2))
    assert found.means == pytest.approx((0.4, 0.8, 0.9))
    error = np.sqrt((1 / 5 + 1 / 3) * np.var([0.5, 1, 1, 1, 1], ddof=1))
    assert found.standard_error == pytest.approx(error)
    assert found.bar == pytest.approx(0.9 - error)
    assert select(data, "best").chosen == 2


@pytest.mark.parametrize(
    ("macs", "parameters", "chosen"),
    [([3, 2, 2], [1, 5, 4], 2), ([2, 2, 2], [7, 7, 7], 0), ([9, 1, 5], [1, 9, 5], 1)],
)
def test_less_complex_is_fewer_macs_then_fewer_parameters_then_the_lower_index(
    macs: list[int], parameters: list[int], chosen: int
) -> None:
    counts = np.repeat(right_in(0.8)[None], 3, axis=0)
    data = folds_of(counts, macs=macs, parameters=parameters)
    assert [select(data, rule).chosen for rule in ("best", "one-se")] == [chosen, chosen]


@given(st.integers(0, 2**32 - 1), st.permutations(range(4)))
@settings(max_examples=30)
def test_what_is_selected_does_not_depend_on_the_order_of_finalists(
    seed: int, order: list[int]
) -> None:
    """It lies within the bar, and is no more complex than the best."""
    data = folds_of(drawn(seed, (4, 1, 20)))
    found, moved = select(data, "one-se"), select(data.of(order), "one-se")
    assert order[moved.chosen] == found.chosen
    assert found.chosen == found.within[0]
    assert found.means[found.chosen] >= found.bar
    assert data.macs[found.chosen] <= data.macs[found.best]


def test_without_two_folds_that_can_be_scored_the_rule_takes_the_best_and_says_so() -> None:
    data = folds_of(np.stack([right_in(0.8), right_in(0.9)]))
    once = replace(data, fold=np.where(data.fold == 0, 0, -1))
    found = select(once, "one-se")
    assert found.standard_error is None
    assert found.fell_back
    assert found.chosen == found.best
    assert found.bar == found.means[found.best]
    assert not select(once, "best").fell_back


def test_only_folds_that_all_have_run_count() -> None:
    """Of the second finalist fold 4 is missing: nobody is judged on it."""
    data = folds_of(drawn(1, (2, 1, 20)))
    counts = data.correct.copy()
    counts[1, 0, data.fold[0] == 4] = -1
    partly = replace(data, correct=counts)
    without = replace(data, fold=np.where(data.fold == 4, -1, data.fold))
    assert fold_scores(partly).shape == (2, 4)
    assert pooled_f_med(partly).tolist() == pooled_f_med(without).tolist()
    assert select(partly, "one-se") == select(without, "one-se")


def test_an_unknown_rule_and_a_class_that_nobody_has_scored_are_refused() -> None:
    data = folds_of(drawn(0, (2, 1, 20)))
    with pytest.raises(ValueError, match="best, one-se, found 'two-se'"):
        select(data, "two-se")  # type: ignore[arg-type]
    lone = replace(data, fold=np.where(data.label == 1, data.fold, -1))
    with pytest.raises(ValueError, match="F_med is undefined"):
        select(lone, "best")


def test_who_is_hopeless_after_two_folds_is_dropped_unless_it_is_kept() -> None:
    """A finalist at a recall of 0.3 against two at 0.9, on 16 groups a class."""
    strong, weak = drawn(0, (2, 1, 80), 0.9), drawn(1, (1, 1, 80), 0.3)
    data = folds_of(np.concatenate([strong, weak]))
    begun = replace(data, fold=np.where(data.fold < 2, data.fold, -1))
    found = race(begun, seed=0)
    assert found.dropped == (2,)
    assert found.bound[2] < 0 <= min(found.bound[:2])
    assert found.behind[found.leader] == 0
    assert race(begun, keep=(2,), seed=0).dropped == ()


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=15, deadline=None)
def test_a_finalist_as_good_as_the_leader_stays(seed: int) -> None:
    counts = np.repeat(drawn(seed, (1, 1, 40)), 3, axis=0)
    found = race(folds_of(counts), seed=0, draws=200)
    assert (found.leader, found.dropped) == (0, ())
    assert found.bound == (0, 0, 0)


def test_with_one_group_of_a_class_nobody_is_dropped() -> None:
    data = folds_of(np.stack([right_in(1.0), right_in(0.0)]))
    few = replace(data, fold=np.where((data.label == 1) | (data.group == 0), data.fold, -1))
    assert race(few, seed=0).dropped == ()


def test_a_race_of_one_has_a_leader() -> None:
    assert race(folds_of(drawn(0, (1, 1, 20))), seed=0).dropped == ()


def test_the_same_seed_gives_the_same_race() -> None:
    data = folds_of(drawn(2, (4, 1, 40)))
    assert race(data, seed=3) == race(data, seed=3)
    assert race(data, seed=3).bound != race(data, seed=4).bound
