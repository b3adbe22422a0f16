"""The corrected estimates: against all drawings of a tiny study, their laws, and simulated."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from study import metrics
from study.evaluation.corrected import (
    corrected_from_folds,
    corrected_from_validation,
    expected_f_med,
)
from study.evaluation.out_of_fold import OutOfFold
from study.evaluation.validation_counts import TrialCounts, ValidationCounts

LABEL = np.array([0, 0, 1, 1, 1])
PLAIN, AUGMENTED = 5, 20
RECALLS = st.fractions(0, 1, max_denominator=500).map(float)
ROOT = Path(__file__).parents[2]


def searched(
    trials: int, epochs: int = 1, *, label: np.ndarray = LABEL, seed: int = 0
) -> ValidationCounts:
    """Return random counts of a search; augmented and plain ones agree as far as chance lets."""
    rng = np.random.default_rng(seed)
    recall = rng.beta(2, 1, size=(trials, epochs, len(label)))
    return ValidationCounts(
        trials=tuple(
            TrialCounts(
                number=k,
                augmented=rng.binomial(AUGMENTED, recall[k]).astype(np.uint8),
                plain=rng.binomial(PLAIN, recall[k]).astype(np.uint8),
            )
            for k in range(trials)
        ),
        augmented_total=np.full(len(label), AUGMENTED),
        plain_total=np.full(len(label), PLAIN),
        label=label,
    )


def folded(finalists: int, *, label: np.ndarray = LABEL, seed: int = 0) -> OutOfFold:
    """Return random out-of-fold counts; every group is a fold of its own."""
    rng = np.random.default_rng(seed)
    return OutOfFold(
        correct=rng.binomial(PLAIN, rng.beta(2, 1, size=(finalists, 1, len(label)))),
        total=np.full(len(label), PLAIN),
        label=label,
        group=np.arange(len(label)),
        fold=np.arange(len(label))[None, :],
        macs=np.arange(finalists),
        parameters=np.arange(finalists),
        test_to_train=1 / 3,
    )


def score(correct: np.ndarray, times: np.ndarray) -> float:
    """Return the F_med of counts (R,) of groups of equal size that count so many times."""
    sums = [(correct * times)[k == LABEL].sum() / times[k == LABEL].sum() for k in (0, 1)]
    return metrics.f_med(sums)


def over_all_drawings(scoring: np.ndarray, judged: np.ndarray, size: int) -> float:
    """Return the F_med of the mean recalls over all 2^2 3^3 drawings of 2 + 3 groups.

    ``scoring`` and ``judged`` (configurations, 5) choose and judge; ``size`` is that of a group.
    """
    recalls = []
    for places in product((0, 1), (0, 1), (2, 3, 4), (2, 3, 4), (2, 3, 4)):
        times = np.bincount(places, minlength=5)
        out = times == 0
        if len(np.unique(LABEL[out])) < 2:
            continue
        best = int(np.argmax([score(counts, times) for counts in scoring]))
        recalls.append([judged[best][out & (k == LABEL)].mean() / size for k in (1, 0)])
    whole = expected_f_med(np.mean(recalls, axis=0).tolist(), (3, 2))
    return float(whole)


@pytest.mark.parametrize("seed", range(4))
def test_the_estimate_from_validation_is_that_of_all_drawings(seed: int) -> None:
    """30,000 random drawings come close to the 108 that there are."""
    counts = searched(4, 3, seed=seed)
    scoring, judged = (
        np.concatenate([getattr(trial, name).astype(int) for trial in counts.trials])
        for name in ("augmented", "plain")
    )
    found = corrected_from_validation(counts, seed=0, draws=30_000)
    assert found is not None
    assert found.value == pytest.approx(over_all_drawings(scoring, judged, PLAIN), abs=0.01)
    assert found.draws_used / 30_000 == pytest.approx((1 - 1 / 2) * (1 - 6 / 27), abs=0.01)


@pytest.mark.parametrize("seed", range(4))
def test_the_estimate_from_folds_is_that_of_all_drawings(seed: int) -> None:
    data = folded(5, seed=seed)
    expected = over_all_drawings(data.correct[:, 0], data.correct[:, 0], PLAIN)
    found = corrected_from_folds(data, "best", seed=0, draws=30_000)
    assert found is not None
    assert found.value == pytest.approx(expected, abs=0.01)
    assert found.source == "folds"


@given(st.integers(0, 2**32 - 1), st.integers(2, 14), st.integers(1, 3))
@settings(max_examples=25, deadline=None)
def test_the_interval_holds_the_value_and_lies_between_0_and_1(
    seed: int, groups: int, trials: int
) -> None:
    label = np.repeat([0, 1], [groups, groups + 1])
    counts, data = searched(trials, label=label, seed=seed), folded(trials, label=label, seed=seed)
    for found in (
        corrected_from_validation(counts, seed=seed, draws=100),
        corrected_from_folds(data, "one-se", seed=seed, draws=100),
    ):
        assert found is not None
        assert 0 <= found.low <= found.value <= found.high <= 1
        assert 0 < found.draws_used <= 100


def test_the_same_seed_gives_the_same_estimate_and_another_one_nearly_so() -> None:
    label = np.repeat([0, 1], [8, 9])
    counts, data = searched(20, 2, label=label), folded(6, label=label)
    for estimate in (
        lambda seed: corrected_from_validation(counts, seed=seed),
        lambda seed: corrected_from_folds(data, "one-se", seed=seed),
    ):
        once, other = estimate(1), estimate(2)
        assert once == estimate(1)
        assert once != other
        assert once.value == pytest.approx(other.value, abs=0.03)


def test_how_epochs_are_divided_among_trials_does_not_matter() -> None:
    """2,000 epochs of one trial are the same choice as 2,000 trials of one epoch."""
    many = searched(2_000, label=np.repeat([0, 1], [6, 7]))
    whole = TrialCounts(
        number=0,
        augmented=np.concatenate([trial.augmented for trial in many.trials]),
        plain=np.concatenate([trial.plain for trial in many.trials]),
    )
    one = ValidationCounts(
        trials=(whole,),
        augmented_total=many.augmented_total,
        plain_total=many.plain_total,
        label=many.label,
    )
    once = corrected_from_validation(one, seed=0, draws=200)
    assert once == corrected_from_validation(many, seed=0, draws=200)


def test_of_equal_scores_the_first_trial_is_taken() -> None:
    """Its plain counts are all right, those of its equals all wrong."""
    one = np.full((1, 5), AUGMENTED)
    trials = [
        TrialCounts(number=k, augmented=one, plain=np.full((1, 5), PLAIN * (k == 3)))
        for k in (3, 0, 1)
    ]
    counts = ValidationCounts(
        trials=tuple(trials),
        augmented_total=np.full(5, AUGMENTED),
        plain_total=np.full(5, PLAIN),
        label=LABEL,
    )
    found = corrected_from_validation(counts, seed=0)
    assert found is not None
    assert (found.value, found.high) == (1, 1)
    assert found.low < 0.7


def test_a_single_network_is_judged_as_if_there_were_no_other() -> None:
    counts, data = searched(5, 3), folded(4)
    alone = corrected_from_validation(counts.of(2), seed=0)
    assert corrected_from_validation(counts, seed=0, only=2) == alone
    assert corrected_from_folds(data, "best", seed=0, only=3) == corrected_from_folds(
        data.of([3]), "one-se", seed=0
    )


def test_there_is_no_estimate_without_a_trial_or_with_one_group_of_a_class() -> None:
    """A class whose only group is drawn every time is never left out."""
    lone = np.array([0, 1, 1])
    assert corrected_from_validation(searched(3), seed=0, only=99) is None
    assert corrected_from_validation(searched(3, label=lone), seed=0) is None
    assert corrected_from_folds(folded(3, label=lone), "best", seed=0) is None


def test_a_class_without_an_augmented_sample_gives_no_estimate() -> None:
    counts = searched(2)
    empty = ValidationCounts(
        trials=tuple(
            TrialCounts(number=0, augmented=trial.augmented * LABEL, plain=trial.plain)
            for trial in counts.trials
        ),
        augmented_total=AUGMENTED * LABEL,
        plain_total=counts.plain_total,
        label=LABEL,
    )
    assert corrected_from_validation(empty, seed=0) is None


@pytest.mark.parametrize("groups", [6, 30])
def test_a_second_fold_seed_of_the_same_answers_narrows_nothing(groups: int) -> None:
    label = np.repeat([0, 1], groups)
    once = folded(3, label=label)
    twice = OutOfFold(
        correct=once.correct.repeat(2, axis=1),
        total=once.total,
        label=label,
        group=once.group,
        fold=once.fold.repeat(2, axis=0),
        macs=once.macs,
        parameters=once.parameters,
        test_to_train=once.test_to_train,
    )
    one, two = (corrected_from_folds(data, "best", seed=0) for data in (once, twice))
    assert one is not None
    assert two is not None
    assert two.value == pytest.approx(one.value, abs=1e-3)
    assert two.high - two.low >= 0.95 * (one.high - one.low)


@given(RECALLS, RECALLS, st.floats(1, 50), st.floats(1, 50))
def test_the_expected_f_med_lies_between_f_med_and_the_mean_recall(
    one: float, other: float, first: float, second: float
) -> None:
    found = expected_f_med((one, other), (first, second))
    assert metrics.f_med((one, other)) - 1e-12 <= found <= (one + other) / 2 + 1e-12
    mirrored = expected_f_med((other, one), (second, first))
    assert found == pytest.approx(mirrored, abs=1e-12)


def test_the_expected_f_med_of_a_handful_is_nearly_unbiased() -> None:
    """At 3 + 4 images of recall 0.85 the plain F_med is too low by 0.025."""
    rng = np.random.default_rng(0)
    recalls = np.stack([rng.binomial(n, 0.85, size=4_000) / n for n in (3, 4)], axis=1)
    plain = np.mean([metrics.f_med(pair) for pair in recalls])
    better = np.mean([expected_f_med(pair, (3, 4)) for pair in recalls.tolist()])
    assert plain - 0.85 < -0.02
    assert abs(better - 0.85) < 0.01


def test_the_estimates_of_simulated_studies_are_nearly_unbiased_and_their_intervals_cover() -> None:
    """200 studies in each of three cells of the benchmark, in a process of its own."""
    code = (
        "import json; from tests.benchmarks import estimators, simulated; "
        "some = [simulated.cells()[k] for k in (3, 7, 12)]; "
        "print(json.dumps(estimators.measure(some, studies=200, workers=1).details))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert len(found) == 3
    for cell, values in found.items():
        assert values["search: highest score"]["mean"] > 0.04, cell
        for name in ("search", "folds"):
            corrected, covered = values[f"{name}: corrected"], values[f"{name}: covered"]
            assert abs(corrected["mean"]) < 0.03 + 2 * corrected["standard_error"], (cell, name)
            assert covered["mean"] >= 90, (cell, name)
        assert values["race: best dropped"]["mean"] <= 2.5, cell
