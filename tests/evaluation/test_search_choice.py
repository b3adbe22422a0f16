"""What a search would take on drawn groups, against a plain loop."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from study import metrics
from study.evaluation.search_choice import selected_counts
from study.evaluation.validation_counts import TrialCounts, ValidationCounts

SAMPLES = 3
"""Few, so that scores are often equal."""


def search(seed: int, trials: int, rows: int) -> ValidationCounts:
    """Return a search whose plain counts tell the configuration."""
    rng = np.random.default_rng(seed)
    epochs = rng.integers(1, 4, trials)
    first = np.cumsum(epochs) - epochs
    return ValidationCounts(
        trials=tuple(
            TrialCounts(
                number=k,
                augmented=rng.integers(0, SAMPLES + 1, (epochs[k], rows)),
                plain=np.repeat(first[k] + np.arange(epochs[k]), rows).reshape(-1, rows),
            )
            for k in range(trials)
        ),
        augmented_total=np.full(rows, SAMPLES),
        plain_total=np.full(rows, epochs.sum()),
        label=np.arange(rows) % 2,
    )


@given(st.integers(0, 2**32 - 1), st.integers(1, 400), st.integers(2, 6))
@settings(max_examples=25, deadline=None)
def test_a_drawing_selects_the_highest_f_med_and_of_equal_ones_the_first(
    seed: int, trials: int, rows: int
) -> None:
    counts = search(seed, trials, rows)
    times = counts.group_draws(4, np.random.default_rng(seed))
    augmented = np.concatenate([trial.augmented for trial in counts.trials])
    for drawing, found in zip(times, selected_counts(counts, times), strict=True):
        scores = []
        for row in augmented:
            recalls = [
                (row * drawing)[counts.label == k].sum()
                / (SAMPLES * drawing[counts.label == k].sum())
                for k in (0, 1)
            ]
            scores.append(metrics.f_med(recalls))
        chosen = int(found[0])
        assert scores[chosen] >= max(scores) - 1e-6
        assert not any((augmented[k] == augmented[chosen]).all() for k in range(chosen))


def test_drawings_without_an_augmented_sample_of_a_class_are_left_out() -> None:
    """Of one class only one of two groups was augmented: a fourth of the drawings misses it."""
    counts = search(0, 2, 4)
    total = np.array([SAMPLES, SAMPLES, 0, SAMPLES])
    partly = ValidationCounts(
        trials=counts.trials,
        augmented_total=total,
        plain_total=counts.plain_total,
        label=counts.label,
    )
    times = partly.group_draws(4_000, np.random.default_rng(0))
    assert (times[:, 0] > 0).all()
    assert 0.7 < len(times) / 4_000 < 0.8
