"""Which trials become finalists, and what their folds may cost."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from study.finalists.choose import (
    EPOCHS_OF_BEST,
    FEWEST_FOLDS,
    LARGEST_SHARE,
    FinalistSettings,
    choose_finalists,
    plan_finalists,
    reference_among,
)
from study.protocol import Protocol
from study.records import StudyRecord, TrialRecord
from study.variant import REFERENCE

PROTOCOL = Protocol()


def trial(number: int, macs: int, score: float, **facts: Any) -> TrialRecord:
    known: dict[str, Any] = {
        "state": "complete",
        "variant": {**REFERENCE.as_dict(), "filters": 100 + number}
        if number
        else REFERENCE.as_dict(),
        "seconds": 100.0,
        "epochs": 20,
        "best_epoch": 10,
        **facts,
    }
    return TrialRecord(
        number=number,
        params={},
        ledger_number=number,
        macs=macs,
        parameters=macs // 10,
        validation_f_med=score,
        **known,
    )


def study(*trials: TrialRecord, protocol: Protocol = PROTOCOL) -> StudyRecord:
    return StudyRecord(
        name="it",
        created="2026-11-23T08:00:00+00:00",
        command="study run",
        requested=len(trials),
        protocol=protocol,
        space={"name": "seed"},
        dataset={"name": "blobs", "positive": "malignant"},
        split={"kind": "grouped"},
        seed=0,
        versions={},
        machine={},
        trials=sorted(trials, key=lambda item: item.number),
    )


def numbers(record: StudyRecord, count: int) -> list[int]:
    return [item.number for item in choose_finalists(record, count)]


def test_each_band_of_capacity_sends_its_best() -> None:
    """Six near-copies at the top do not keep a small network out."""
    large = [trial(k, 1_000_000 + k, 0.9 + k / 1000) for k in range(1, 7)]
    small, middle = trial(7, 1_000, 0.5), trial(8, 31_000, 0.6)
    reference = trial(0, 900_000, 0.4)
    assert numbers(study(reference, *large, small, middle), 3) == [6, 8, 7, 0]


def test_an_empty_band_gives_its_place_to_the_next_best_overall() -> None:
    large = [trial(k, 1_000_000, 0.9 + k / 1000) for k in range(1, 5)]
    found = numbers(study(trial(0, 1_000_000, 0.95), *large, trial(9, 1_000, 0.1)), 4)
    assert found == [0, 4, 3, 9]


def test_a_variant_that_was_trained_twice_stands_once() -> None:
    twin = replace(trial(3, 1_000, 0.8), variant=trial(2, 1_000, 0.7).variant)
    assert numbers(study(trial(0, 1_000, 0.1), trial(2, 1_000, 0.7), twin), 5) == [3, 0]


def test_the_reference_stands_by_its_best_trial() -> None:
    again = replace(trial(5, 1_000, 0.9), variant=REFERENCE.as_dict())
    record = study(trial(0, 1_000, 0.1), again, trial(2, 1_000, 0.95))
    chosen = choose_finalists(record, 1)
    assert [item.number for item in chosen] == [2, 5]
    assert reference_among(record, chosen) == again


@pytest.mark.parametrize("state", ["pruned", "failed", "interrupted", "running"])
def test_only_complete_trials_are_finalists(state: str) -> None:
    record = study(trial(0, 1_000, 0.5), trial(1, 2_000, 0.9, state=state))
    assert numbers(record, 5) == [0]


def test_none_are_chosen_of_none() -> None:
    assert numbers(study(), 5) == []
    assert numbers(study(trial(0, 10, 0.5)), 0) == []


@given(
    st.lists(st.tuples(st.integers(1, 10**9), st.floats(0, 1)), min_size=1, max_size=30),
    st.integers(1, 8),
)
def test_as_many_as_asked_for_and_the_reference(drawn: list[tuple[int, float]], count: int) -> None:
    """The best overall is always one, none comes twice, and the ranking's order is kept."""
    record = study(*(trial(k, macs, score) for k, (macs, score) in enumerate(drawn)))
    found = numbers(record, count)
    assert len(found) == len(set(found))
    assert min(count, len(drawn)) <= len(found) <= count + 1
    assert 0 in found
    best = max(score for _, score in drawn)
    assert drawn[found[0]][1] == best
    scores = [drawn[number][1] for number in found]
    assert scores == sorted(scores, reverse=True)


def plan_of(record: StudyRecord, most_folds: int = 20, **settings: Any) -> Any:
    return plan_finalists(record, FinalistSettings(**settings), most_folds=most_folds)


def test_folds_are_trained_for_half_as_long_again_as_the_best_epoch() -> None:
    many = [trial(k, 1_000 * k, 0.9, best_epoch=9) for k in range(2, 90)]
    found = plan_of(study(trial(0, 1_000, 0.5), *many), finalists=2)
    assert {item.epochs for item in found.finalists} == {14, 15}
    assert (found.folds, found.fold_seeds, found.notes) == (5, 1, ())
    short = plan_of(study(trial(0, 1_000, 0.5), protocol=replace(PROTOCOL, epochs=12)))
    assert [item.epochs for item in short.finalists] == [10], "and then ended at the best epoch"


def test_what_does_not_fit_into_a_third_of_the_search_is_left_out_and_said() -> None:
    """The last of the ranking go first, never the best or the reference."""
    few = [trial(k, 10**k, 0.5 + k / 100) for k in range(1, 8)]
    pruned = [trial(k, 10, 0.1, state="pruned") for k in range(8, 20)]
    record = study(trial(0, 10, 0.1), *few, *pruned)
    found = plan_of(record, finalists=5)
    allowed = LARGEST_SHARE * 2_000
    assert found.seconds <= allowed
    assert {0, 7} <= {item.number for item in found.finalists}
    assert not {2, 3, 4, 5} & {item.number for item in found.finalists}
    said = "Trials 2, 3, 4 and 5 are left out (lowest-ranked first; the best and the reference"
    assert said in found.notes[0]
    assert plan_of(study(*[trial(k, 10, 0.5) for k in range(100)]), finalists=5).notes == ()


def test_the_best_and_the_reference_are_trained_whatever_it_costs() -> None:
    record = study(trial(0, 10, 0.1, best_epoch=20), trial(1, 10, 0.9, best_epoch=20))
    found = plan_of(record)
    assert [item.number for item in found.finalists] == [1, 0]
    assert {item.epochs for item in found.finalists} == {20}
    assert found.folds == FEWEST_FOLDS
    assert "is not enough all the same" in found.notes[-1]
    assert "they take about 350 % of it" in found.notes[-1]
    asked = plan_of(record, folds=5)
    assert asked.folds == 5, "whoever asks for folds gets them"


def test_fold_seeds_go_one_by_one_and_their_number_is_said() -> None:
    """The runs of two seeds take the third that is allowed for, those of three do not."""
    pruned = [trial(k, 10, 0.1, state="pruned") for k in range(2, 70)]
    record = study(trial(0, 10, 0.1, best_epoch=20), trial(1, 10, 0.9, best_epoch=20), *pruned)
    found = plan_of(record, fold_seeds=3, folds=5, refit=False)
    assert (found.fold_seeds, found.folds) == (2, 5)
    assert found.seconds <= LARGEST_SHARE * 7_000 < 3 / 2 * found.seconds
    assert "there are 2 fold seeds instead of 3" in found.notes[-1]


def test_groups_may_allow_fewer_folds_only() -> None:
    many = [trial(k, 1_000 * k, 0.9) for k in range(1, 90)]
    found = plan_of(study(trial(0, 1_000, 0.5), *many), most_folds=4)
    assert found.folds == 4
    assert "4 folds instead of 5" in found.notes[0]


@given(
    st.lists(
        st.tuples(st.floats(0, 1), st.integers(1, 60), st.integers(0, 60), st.floats(1, 1000)),
        min_size=1,
        max_size=20,
    ),
    st.integers(1, 6),
    st.integers(1, 3),
)
def test_a_plan_keeps_its_promises(
    drawn: list[tuple[float, int, int, float]], count: int, seeds: int
) -> None:
    """Within the allowance, or down to the best and the reference; and never longer than said."""
    record = study(
        *(
            trial(k, 10 * (k + 1), score, best_epoch=best, epochs=best + more, seconds=seconds)
            for k, (score, best, more, seconds) in enumerate(drawn)
        )
    )
    found = plan_of(record, finalists=count, fold_seeds=seeds)
    by_number = {item.number: item for item in record.trials}
    for item in found.finalists:
        assert item.epochs <= -(-EPOCHS_OF_BEST * (by_number[item.number].best_epoch or 0) // 1)
    allowed = LARGEST_SHARE * sum(item.seconds or 0 for item in record.trials)
    if found.seconds > allowed:
        assert len(found.finalists) <= 2
        assert found.folds == FEWEST_FOLDS
        assert found.fold_seeds == 1
        assert "is not enough" in found.notes[-1]
