"""Verdicts on textbook runs, and how noise softens them."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from study.training.diagnosis import GroupCounts, diagnose, loss_falls, smooth_best

EPOCHS = 60
CERTAIN = ("clear", "likely")


def counts(recall, *, groups=15, size=30, spread=0.02):
    """Return two classes of groups whose shares of correct samples lie around ``recall``."""
    shares = np.clip(recall + spread * np.tile(np.linspace(-1, 1, groups), 2), 0, 1)
    total = np.full(2 * groups, size)
    return GroupCounts(
        correct=np.rint(shares * total).astype(int),
        total=total,
        label=np.repeat([0, 1], groups),
    )


def verdicts(train, validation, *, best_train=None, **columns):
    """Return the diagnosis of a run that ends with these counts, flat losses unless given."""
    share = train.correct.sum() / train.total.sum()
    history = {
        "train_f_med": np.linspace(0.3, share if best_train is None else best_train, EPOCHS),
        "train_loss": np.full(EPOCHS, 0.3),
        "validation_loss": np.full(EPOCHS, 0.4),
        "best": EPOCHS // 2,
    }
    return diagnose(train=train, validation=validation, seed=1, **(history | columns))


def test_low_training_and_low_validation_is_high_bias():
    result = verdicts(counts(0.70), counts(0.69))
    assert result["kind"] == "high bias"
    assert (result["bias"]["verdict"], result["variance"]["verdict"]) == ("clear", "no")
    assert result["bias"]["shortfall"] == pytest.approx(0.20, abs=0.01)
    assert "more filters" in " ".join(result["advice"])


def test_high_training_and_low_validation_is_high_variance():
    result = verdicts(counts(0.98), counts(0.75))
    assert result["kind"] == "high variance"
    assert (result["bias"]["verdict"], result["variance"]["verdict"]) == ("no", "clear")
    assert result["gap"] == pytest.approx(0.23, abs=0.01)
    assert "more dropout" in " ".join(result["advice"])


def test_low_training_and_much_lower_validation_is_both():
    result = verdicts(counts(0.75), counts(0.55))
    assert result["kind"] == "high bias and high variance"
    assert "opposite" in " ".join(result["advice"])


def test_high_training_and_high_validation_is_balanced():
    result = verdicts(counts(0.96), counts(0.94))
    assert result["kind"] == "balanced"
    assert (result["bias"]["verdict"], result["variance"]["verdict"]) == ("no", "no")
    assert len(result["advice"]) == 1


def test_a_validation_above_training_is_not_variance():
    result = verdicts(counts(0.92), counts(0.99))
    assert result["variance"]["verdict"] == "no"
    assert result["gap"] < 0


def test_a_gap_of_less_than_5_points_is_no_variance_however_sure():
    result = verdicts(counts(0.96, spread=0), counts(0.92, spread=0))
    assert result["variance"]["verdict"] == "no"


def test_bias_looks_at_the_whole_run_and_not_at_the_best_epoch():
    assert verdicts(counts(0.80), counts(0.80), best_train=0.95)["bias"]["verdict"] == "no"


def test_a_training_score_at_the_target_is_not_below_it():
    assert verdicts(counts(0.9), counts(0.9), best_train=0.9)["bias"]["verdict"] == "no"
    assert verdicts(counts(0.9), counts(0.9), best_train=0.8, target=0.8)["bias"]["verdict"] == "no"


def test_more_noise_softens_variance_from_clear_over_likely_to_within_the_noise():
    """A gap of 0.08 over two groups a class, whose recalls differ more and more."""
    found = [
        verdicts(counts(0.90, spread=0), counts(0.82, groups=2, size=100, spread=spread))
        for spread in (0.02, 0.09, 0.18)
    ]
    assert [part["gap"] for part in found] == pytest.approx([0.08] * 3)
    verdict = [part["variance"]["verdict"] for part in found]
    assert verdict == ["clear", "likely", "within the noise"]


def test_more_noise_softens_bias_from_clear_over_likely_to_within_the_noise():
    found = [
        verdicts(counts(0.80, groups=4, spread=spread), counts(0.80), best_train=0.82)["bias"]
        for spread in (0.02, 0.15, 0.45)
    ]
    assert [part["verdict"] for part in found] == ["clear", "likely", "within the noise"]


def test_what_is_within_the_noise_is_balanced_and_advises_to_look_again():
    result = verdicts(counts(0.92), counts(0.82, groups=2, spread=0.18))
    assert result["variance"]["verdict"] == "within the noise"
    assert result["kind"] == "balanced"
    assert "more validation groups" in " ".join(result["advice"])


def test_a_class_with_a_single_group_has_no_standard_error_and_no_sure_verdict():
    result = verdicts(counts(0.98), counts(0.5, groups=1, spread=0))
    assert result["standard_error"] is None
    assert result["variance"]["verdict"] == "within the noise"
    assert "single group" in " ".join(result["advice"])


def test_the_standard_error_comes_from_groups_and_not_from_samples():
    """The same recalls by group on ten times the samples are as uncertain as before."""
    few = verdicts(counts(0.98), counts(0.8, size=30, spread=0.2))["standard_error"]
    many = verdicts(counts(0.98), counts(0.8, size=300, spread=0.2))["standard_error"]
    assert few == pytest.approx(many, rel=0.1)


def test_the_standard_error_equals_the_textbooks_for_one_varying_class():
    """With the other recall at 1, F_med = 2r / (1 + r), so SE = 2 / (1 + r)^2 * sd / sqrt(G)."""
    shares = np.array([0.6, 0.7, 0.8, 0.9, 1.0] * 4)
    fixed = np.ones(20)
    total = np.full(40, 100)
    validation = GroupCounts(
        correct=np.rint(np.concatenate([fixed, shares]) * total).astype(int),
        total=total,
        label=np.repeat([0, 1], 20),
    )
    expected = 2 / (1 + 0.8) ** 2 * np.std(shares, ddof=1) / np.sqrt(20)
    result = verdicts(counts(1.0, spread=0), validation)
    assert result["standard_error"] == pytest.approx(expected, rel=0.08)


def rising_validation_loss(end):
    return np.concatenate([np.linspace(1.0, 0.4, 30), np.linspace(0.4, end, 30)])


def test_a_validation_loss_that_rises_while_training_still_falls_is_likely_variance():
    result = verdicts(
        counts(0.97),
        counts(0.95),
        train_loss=np.linspace(0.7, 0.1, EPOCHS),
        validation_loss=rising_validation_loss(0.9),
    )
    assert result["kind"] == "high variance"
    assert result["variance"]["verdict"] == "likely"
    assert result["variance"]["loss_ratio"] == pytest.approx(0.9 / 0.4, rel=0.05)


@pytest.mark.parametrize(
    ("train_loss", "end"),
    [(np.linspace(0.7, 0.1, EPOCHS), 0.55), (np.full(EPOCHS, 0.1), 0.9)],
    ids=["rises too little", "training stands still"],
)
def test_losses_alone_are_no_variance_unless_both_signs_are_there(train_loss, end):
    result = verdicts(
        counts(0.97),
        counts(0.95),
        train_loss=train_loss,
        validation_loss=rising_validation_loss(end),
    )
    assert result["variance"]["verdict"] == "no"


def test_one_bad_last_epoch_of_the_validation_loss_does_not_count():
    loss = np.append(np.full(EPOCHS - 1, 0.4), 5.0)
    result = verdicts(
        counts(0.97),
        counts(0.95),
        train_loss=np.linspace(0.7, 0.1, EPOCHS),
        validation_loss=loss,
    )
    assert result["variance"]["verdict"] == "no"


def test_a_clear_gap_stays_clear_when_the_losses_part():
    result = verdicts(
        counts(0.98),
        counts(0.75),
        train_loss=np.linspace(0.7, 0.1, EPOCHS),
        validation_loss=rising_validation_loss(0.9),
    )
    assert result["variance"]["verdict"] == "clear"


def test_a_steady_fall_is_seen_through_noise_and_a_plateau_is_not_called_one():
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.01, (200, 80))
    falling = sum(loss_falls(np.linspace(0.5, 0.4, 80) + row) for row in noise)
    level = sum(loss_falls(0.4 + row) for row in noise)
    assert falling >= 190
    assert level <= 12


def test_a_run_of_a_few_epochs_is_too_short_to_tell_whether_the_loss_falls():
    assert not loss_falls(np.linspace(1, 0, 7))
    assert loss_falls(np.linspace(1, 0, 8))


def test_bias_at_a_run_that_was_best_in_its_last_epoch_asks_for_more_epochs_too():
    advice = verdicts(counts(0.7), counts(0.7), best=EPOCHS - 1)["advice"]
    assert "more epochs" in " ".join(advice)


def test_bias_of_a_run_that_was_cut_asks_for_more_epochs_before_more_filters():
    advice = verdicts(counts(0.7), counts(0.7), cut=True)["advice"]
    assert "more epochs" in advice[0]
    assert "more filters" in advice[1]


def test_a_run_of_one_epoch_can_be_diagnosed():
    result = verdicts(
        counts(0.6),
        counts(0.6),
        train_f_med=np.array([0.6]),
        train_loss=np.array([0.7]),
        validation_loss=np.array([0.7]),
        best=0,
    )
    assert result["kind"] == "high bias"


@given(st.integers(0, 2**31 - 1), st.integers(1, 6), st.integers(1, 30))
def test_every_diagnosis_is_plain_and_the_same_for_the_same_seed(seed, groups, epochs):
    rng = np.random.default_rng(seed)

    def part():
        total = rng.integers(1, 40, 2 * groups)
        label = np.repeat([0, 1], groups)
        return GroupCounts(correct=rng.integers(0, total + 1), total=total, label=label)

    run = {
        "train_f_med": rng.random(epochs),
        "train_loss": rng.random(epochs),
        "validation_loss": rng.random(epochs),
        "best": int(rng.integers(epochs)),
        "train": part(),
        "validation": part(),
        "seed": seed,
    }
    result = diagnose(**run)
    assert result == diagnose(**run)
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    named = [name for name in ("bias", "variance") if result[name]["verdict"] in CERTAIN]
    assert result["kind"] == (" and ".join(f"high {name}" for name in named) or "balanced")
    assert result["advice"]


def test_the_smooth_score_is_the_median_of_the_eleven_epochs_around_the_best():
    scores = np.arange(100, dtype=float)
    scores[50] = 1_000
    assert smooth_best(scores, 50) == np.median(scores[45:56]) == 51


@pytest.mark.parametrize(
    ("best", "window"), [(0, slice(0, 6)), (2, slice(0, 8)), (19, slice(14, 20))]
)
def test_the_window_of_the_smooth_score_is_clipped_at_the_ends_of_the_run(best, window):
    scores = np.random.default_rng(0).random(20)
    assert smooth_best(scores, best) == np.median(scores[window])
