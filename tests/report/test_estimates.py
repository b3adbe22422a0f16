"""The three numbers: what they are, what stands in their place, how far each is to be trusted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from study.cli.progress import final_lines
from study.records import StudyRecord
from study.report.cards import network_cards, retest_card
from study.report.estimates import numbers_html, sentence, three_numbers, trust
from study.report.final_network import final_origin
from study.report.section import Evidence
from study.summary import leader, reference, stale_retest, winner

Settle = Callable[..., StudyRecord]


def test_winner_and_reference_have_all_three_with_what_they_were_measured_on(
    named: StudyRecord,
) -> None:
    for trial in (winner(named), reference(named)):
        assert trial is not None
        search, corrected, across = three_numbers(named, trial)
        stored = (named.final or {})["estimates"][str(trial.number)]
        assert search.value == trial.validation_f_med
        assert search.on == "validation, augmented"
        assert corrected.value == stored["corrected_f_med"]["value"]
        assert corrected.on == "folds, plain"
        low, high = stored["corrected_f_med"]["low"], stored["corrected_f_med"]["high"]
        assert corrected.spread == f"{low:.2f} to {high:.2f}, 95 %"
        assert across.value == stored["cross_validated_f_med"]["mean"]
        assert across.on == "5 folds, plain"
        assert across.spread == f"± {stored['cross_validated_f_med']['standard_error']:.3f}, one SE"
        assert numbers_html(named, trial).count("<dd>") == 3


def test_skipped_finalists_leave_the_estimate_from_validation(
    record: StudyRecord, without_finalists: Settle
) -> None:
    study = without_finalists(record)
    best = winner(study)
    assert best is not None
    _, corrected, across = three_numbers(study, best)
    assert (corrected.value, corrected.on) == (0.71, "validation, plain")
    assert (across.value, across.spread) == (None, "no finalists")
    assert "on resampled validation groups, plain" in str(sentence(study, best))


@pytest.mark.parametrize(
    ("changes", "said"),
    [({}, "not computed"), ({"requested": 99}, "after the search"), ({"retest": None}, "after")],
)
def test_numbers_that_do_not_exist_say_why(
    changes: dict[str, Any], said: str, record: StudyRecord
) -> None:
    study = replace(record, **changes)
    best = winner(study)
    assert best is not None
    _, *others = three_numbers(study, best)
    assert [item.value for item in others] == [None, None]
    assert all(item.spread.startswith(said) for item in others)
    assert sentence(study, best) is None


def test_outdated_estimates_are_not_shown(named: StudyRecord) -> None:
    study = replace(named, final={**(named.final or {}), "complete": 3})
    best = winner(named)
    assert best is not None
    assert [item.value for item in three_numbers(study, best)[1:]] == [None, None]


def test_a_trial_that_is_neither_winner_nor_reference_has_its_search_score_only(
    named: StudyRecord,
) -> None:
    first = leader(named)
    assert first is not None
    assert [item.value is None for item in three_numbers(named, first)] == [False, True, True]


def test_each_number_has_one_sentence_on_how_far_to_trust_it(
    named: StudyRecord, record: StudyRecord, without_finalists: Settle
) -> None:
    told = dict(trust(named))
    assert list(told) == [
        *("Search (augmented)", "Corrected (plain)"),
        *("Cross-validated (plain)", "Retest (plain)"),
    ]
    assert (
        "which of 11 networks became finalists, and which epoch of each"
        in (told["Search (augmented)"])
    )
    assert "chosen on images that count in it" in told["Corrected (plain)"]
    assert "no other hospital or device" in told["Corrected (plain)"]
    assert "chosen among 5 finalists" in told["Cross-validated (plain)"]
    assert "nothing else has seen" in told["Retest (plain)"]
    assert [text.count(". ") for text in told.values()] == [0, 0, 0, 0]
    skipped = dict(trust(without_finalists(record)))
    assert "the 9 validation groups" in skipped["Corrected (plain)"]
    assert "Cross-validated (plain)" not in skipped
    assert not trust(replace(record, trials=[]))


def test_a_retest_of_an_earlier_network_is_told(named: StudyRecord, record: StudyRecord) -> None:
    """Another trial's, or of the same trial before its final network was trained."""
    assert stale_retest(named) is None
    earlier = replace(named, retest={**(named.retest or {}), "model_digest": "00"})
    assert stale_retest(earlier) == "The retest is that of an earlier network of trial 8."
    assert dict(trust(earlier))["Retest (plain)"].startswith("Of another network")
    other = replace(named, retest={**(named.retest or {}), "number": 1})
    assert stale_retest(other) == "The retest is that of trial 1, not of trial 8."
    assert stale_retest(replace(record, trials=[])) is None


def test_the_cards_carry_the_numbers_of_the_named_winner_and_its_network(
    record: StudyRecord, evidence_of: Callable[..., Evidence], settled: Settle
) -> None:
    study = settled(record)
    best, other = network_cards(evidence_of(study))
    assert 'href="#trial-8">Trial 8, rank 2 of 10' in best
    assert best.startswith('<article class="card"><h3>Winner ')
    assert "Cross-validated <span>5 folds, plain</span>" in best
    assert "trained anew on the images of training and validation" in best
    assert "Final network" not in other
    assert "best of its epochs" in other
    assert "of trial 8, trained anew, plain images" in retest_card(study)
    kept = settled(record, reached=(0.1, 0.2, 0.3))
    assert final_origin(kept) == "search"
    assert "the search&#x27;s own, at its best epoch" in network_cards(evidence_of(kept))[0]
    assert "of trial 8 as the search left it, plain images" in retest_card(kept)


def test_a_search_score_is_called_optimistic_where_it_decided_something(
    named: StudyRecord, record: StudyRecord, without_finalists: Settle
) -> None:
    """It takes a finalist, or the winner itself; the reference network is a finalist without it."""

    def said(study: StudyRecord, number: int) -> str:
        return three_numbers(study, study.trials[number])[0].spread

    final = named.final or {}
    assert said(named, final["winner"]) == "made it a finalist: optimistic"
    (line,) = [text for text in final_lines(named) if text.startswith("Of the winner")]
    assert "(augmented images, made it a finalist: optimistic)" in line
    assert said(named, final["reference"]) == "best of its epochs"
    conservative = replace(named, final={**final, "winner": final["reference"]})
    assert said(conservative, final["reference"]) == "best of its epochs"
    alone = without_finalists(record)
    best = winner(alone)
    assert best is not None
    assert said(alone, best.number) == "chose it: optimistic"
    assert "became finalists" in dict(trust(named))["Search (augmented)"]
