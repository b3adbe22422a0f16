"""What the best score and the retest can and cannot claim, in words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from study.records import StudyRecord
from study.report.verdict import interval_infos, reading

Build = Callable[[StudyRecord], Any]


def test_the_reading_claims_the_interval_only(record: StudyRecord) -> None:
    """The best score is called optimistic, the retest's interval is what can be claimed."""
    text = " ".join(reading(record, (0.4, 0.95)))
    assert text.startswith("Only as far as the retest's interval.")
    assert "from 0.40 to 0.95, 95 %, with 6 + 3 groups" in text
    assert "best of 11 networks, 1 of which was ended early" in text
    assert "lies 1.5 to 1.6 standard deviations" in text
    assert "F_med between 0.20 and 0.93 (95 %), from 25 images in 5 groups that nothing" in text
    unpruned = replace(record, trials=record.trials[:10])
    assert "best of 10 networks, and of the epochs" in " ".join(reading(unpruned))
    untested = " ".join(reading(replace(record, retest=None, requested=99)))
    assert untested.startswith("Not as it stands")
    assert "untouched" in untested


def test_a_leak_or_a_second_look_takes_the_retest_its_claim(record: StudyRecord) -> None:
    leaking = " ".join(reading(replace(record, split={**record.split, "leaking_groups": 3})))
    assert leaking.startswith("No: the split leaks")
    assert "of the same lesions" in leaking
    assert "can be claimed" not in leaking
    again = " ".join(reading(replace(record, retest={**(record.retest or {}), "uses": 3})))
    assert "nothing had seen" not in again
    assert "looked at 3 times" in again


def test_the_reading_of_a_named_winner_rests_on_corrected_and_cross_validated_figures(
    named: StudyRecord, record: StudyRecord, without_finalists: Build
) -> None:
    """Each is said to be augmented or plain; without a retest the corrected one is the bound."""
    text = " ".join(reading(named))
    assert named.final is not None
    found = named.final["estimates"][str(named.final["winner"])]["corrected_f_med"]
    low, value, high = (found[key] for key in ("low", "value", "high"))
    figure = f"F_med is {value:.3f} ({low:.2f} to {high:.2f}, 95 %)"
    assert f"{figure}; cross-validated (5 folds, plain) it is" in text
    assert "The search's 0.910 (augmented) is optimistic" in text
    assert "that of one picked out of 11 networks, at the best of its epochs." in text
    assert text.startswith("Only as far as the retest's interval.")
    untested = " ".join(reading(replace(named, retest=None)))
    assert untested.startswith("Only as far as the interval of the corrected F_med")
    skipped = " ".join(reading(without_finalists(record)))
    assert "(on resampled validation groups, plain) F_med is 0.710 (0.42 to 0.90, 95 %)" in skipped
    assert "cross-validated" not in skipped


def test_a_retest_of_another_trial_is_told(record: StudyRecord) -> None:
    """A retest that was made before a better trial came does not pass for the winner's."""
    text = " ".join(reading(replace(record, retest={**(record.retest or {}), "number": 99})))
    assert "that of trial 99" in text


def test_scores_without_an_interval_are_kept(record: StudyRecord) -> None:
    """A score whose interval cannot be given is shown without one."""
    found = {info.label: info for info in interval_infos(record.retest or {})}
    assert found["AUC"].bounds is None
    assert found["F_med"].bounds == (0.197, 0.93)
