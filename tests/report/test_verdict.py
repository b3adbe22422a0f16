"""What the best score and the retest can and cannot claim, in words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from study.records import StudyRecord
from study.report.estimates import trust
from study.report.verdict import interval_infos, reading, shortcut_words

Build = Callable[[StudyRecord], Any]


def test_the_reading_claims_the_interval_only(record: StudyRecord) -> None:
    """The best score is called optimistic, the retest's interval is what can be claimed."""
    text = " ".join(reading(record, (0.4, 0.95)))
    assert text.startswith("Only as far as the retest's interval: it does not exclude guessing (a")
    assert "from 0.40 to 0.95, 95 %, with 6 + 3 groups" in text
    assert "best of 10 complete networks; 1 more was ended early for standing below" in text
    assert "lies 1.5 to 1.6 standard deviations" in text
    assert "F_med between 0.20 and 0.93 (95 %), from 25 images in 5 groups that nothing" in text
    unpruned = replace(record, trials=record.trials[:10])
    assert "best of its epochs and as the best of 10 networks." in " ".join(reading(unpruned))
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
    assert "as that of one picked out of 10 complete networks; 1 more was ended early" in text
    assert text.startswith("Only as far as the retest's interval")
    untested = " ".join(reading(replace(named, retest=None)))
    assert untested.startswith("Only as far as the interval of the corrected F_med")
    skipped = " ".join(reading(without_finalists(record)))
    assert "(on resampled validation groups, plain) F_med is 0.710 (0.42 to 0.90, 95 %)" in skipped
    assert "cross-validated" not in skipped


def retested(record: StudyRecord, f_med: float, low: float, high: float) -> StudyRecord:
    found = record.retest or {}
    intervals = {**found["intervals"], "f_med": [low, high]}
    return replace(record, retest={**found, "f_med": f_med, "intervals": intervals})


def test_a_network_that_a_coin_equals_is_called_worthless(record: StudyRecord) -> None:
    """Its errors are counted; guessing is excluded only by an interval that lies above it."""
    text = " ".join(reading(retested(record, 0.5, 0.1, 0.9)))
    assert text.startswith("No: in the retest this network does no better than guessing (a coin")
    said = "F_med 0.500 (2 of 15 malignant missed, 3 of 10 benign called malignant); what can"
    assert said in text
    sound = reading(retested(record, 0.8, 0.6, 0.9))
    assert sound[0] == "Only as far as the retest's interval."


def changed_estimates(study: StudyRecord, *, error: float, low: float = 0.6) -> StudyRecord:
    final = study.final or {}
    across = {"mean": 0.8, "standard_error": error, "folds": 5}
    corrected = {"value": 0.7, "low": low, "high": 0.8, "from": "folds"}
    own = {"corrected_f_med": corrected, "cross_validated_f_med": across}
    return replace(study, final={**final, "estimates": {str(final["winner"]): own}})


def test_a_corrected_interval_narrower_than_the_spread_of_the_folds_is_not_offered(
    named: StudyRecord,
) -> None:
    untested = replace(named, retest=None)
    assert reading(changed_estimates(untested, error=0.09))[0].startswith("Only as far as")
    wide = changed_estimates(untested, error=0.11)
    assert reading(wide)[0].startswith("Not even as far as the interval of the corrected F_med, wh")
    told = dict(trust(wide))["Corrected (plain)"]
    assert "not the luck of training: the folds' own spread (± 0.110) does." in told
    alone = changed_estimates(untested, error=0.0, low=0.4)
    assert "does not exclude guessing" in reading(alone)[0]


def test_a_retest_outside_the_corrected_interval_is_told(named: StudyRecord) -> None:
    said = "That lies outside the corrected interval, 0.60 to 0.80."
    study = changed_estimates(named, error=0.01)
    assert said in " ".join(reading(retested(study, 0.55, 0.1, 0.9)))
    assert said not in " ".join(reading(retested(study, 0.65, 0.1, 0.9)))


def test_a_shortcut_that_beats_the_network_is_set_beside_it(record: StudyRecord) -> None:
    """Only what beats every permutation of the labels is a shortcut."""
    audit = {"baselines": {"height": 0.99, "mean_grey": 0.98}, "chance": {"height": 0.6}}
    said = "Height alone, which shows no tissue, gives a support-vector machine F_med 0.99, more"
    assert said in str(shortcut_words(replace(record, audit=audit)))
    weak = {"baselines": {"height": 0.62}, "chance": {"height": 0.6}}
    assert shortcut_words(replace(record, audit=weak)) is None
    assert shortcut_words(record) is None


def test_a_retest_of_another_trial_is_told(record: StudyRecord) -> None:
    """A retest that was made before a better trial came does not pass for the winner's."""
    text = " ".join(reading(replace(record, retest={**(record.retest or {}), "number": 99})))
    assert "that of trial 99" in text


def test_scores_without_an_interval_are_kept(record: StudyRecord) -> None:
    """A score whose interval cannot be given is shown without one."""
    found = {info.label: info for info in interval_infos(record.retest or {})}
    assert found["AUC"].bounds is None
    assert found["F_med"].bounds == (0.197, 0.93)
