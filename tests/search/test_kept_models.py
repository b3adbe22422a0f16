"""Which networks stay on the disk."""

from __future__ import annotations

from study.records import TrialRecord
from study.search.kept_models import kept_models


def trial(number: int, macs: int) -> TrialRecord:
    return TrialRecord(
        number=number, state="complete", params={}, variant={}, ledger_number=number, macs=macs
    )


def test_the_best_three_and_trial_0_are_kept() -> None:
    """Of networks of one size."""
    trials = [trial(number, 1_000) for number in (5, 3, 8, 1, 0, 2)]
    assert kept_models(trials) == {5, 3, 8, 0}


def test_the_best_of_each_size_is_kept() -> None:
    """For a finalist may come from any band of capacity; sizes within half an octave are one."""
    large = [trial(number, 1_000_000) for number in range(1, 5)]
    small = [trial(7, 1_030), trial(8, 1_040), trial(9, 4_000)]
    assert kept_models([*large, *small]) == {0, 1, 2, 3, 7, 9}


def test_of_no_trial_only_that_of_trial_0_would_be_kept() -> None:
    assert kept_models([]) == {0}
