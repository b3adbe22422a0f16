"""Which networks stay on the disk."""

from __future__ import annotations

from study.records import TrialRecord
from study.search.kept_models import kept_models


def trial(number: int, macs: int) -> TrialRecord:
    return TrialRecord(
        number=number, state="complete", params={}, variant={}, ledger_number=number, macs=macs
    )


def test_the_best_twenty_and_trial_0_are_kept() -> None:
    """Of networks of one size: as many as there may be finalists."""
    trials = [trial(number, 1_000) for number in range(40, 0, -1)]
    assert kept_models(trials) == {*range(40, 20, -1), 0}


def test_the_best_of_each_size_is_kept() -> None:
    """For a finalist may come from any band of capacity; nearly equal sizes are one."""
    large = [trial(number, 1_000_000) for number in range(1, 31)]
    small = [trial(37, 1_030), trial(38, 1_040), trial(39, 4_000)]
    assert kept_models([*large, *small]) == {0, *range(1, 21), 37, 39}


def test_of_no_trial_only_that_of_trial_0_would_be_kept() -> None:
    assert kept_models([]) == {0}
