"""What a study found, in the order of merit."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from study.protocol import Protocol
from study.records import StudyRecord, TrialRecord
from study.summary import (
    STATES,
    best_so_far,
    counts,
    document,
    progress,
    ranked,
    repeats,
    winner,
)
from study.variant import REFERENCE, Variant


def trial(number: int, state: str = "complete", f_med: float | None = None, **more: Any) -> Any:
    values: dict[str, Any] = {
        "params": {"filters": 8 + number},
        "variant": Variant(filters=8 + number).as_dict(),
        "macs": 1000,
        "validation_f_med": f_med,
    }
    return TrialRecord(number=number, state=state, ledger_number=number, **{**values, **more})


def study_of(trials: list[TrialRecord], **changes: Any) -> StudyRecord:
    values: dict[str, Any] = {
        "name": "a-study",
        "created": "2026-11-23T08:00:00+00:00",
        "command": "study run",
        "requested": len(trials),
        "protocol": Protocol(),
        "space": {"name": "seed", "text": "", "digest": "00"},
        "dataset": {
            "name": "phantom",
            "digest": "11",
            "positive": "malignant",
            "negative": "benign",
            "classes": {"benign": 100, "malignant": 150},
            "images": 250,
            "groups": 48,
            "synthetic": True,
            "skipped": [["a.bmp", "broken"]],
        },
        "split": {
            "kind": "grouped",
            "parts": {"train": {"images": 175, "groups": 34}, "test": {"images": 25, "groups": 5}},
            "leaking_groups": 0,
        },
        "seed": 7,
        "versions": {},
        "machine": {},
        "trials": trials,
    }
    return StudyRecord(**{**values, **changes})


def test_complete_trials_rank_by_score_then_macs_then_number() -> None:
    """Complete trials come first; equal scores go to fewer MACs, then to the lower number."""
    record = study_of(
        [
            trial(0, f_med=0.8),
            trial(1, f_med=0.9, macs=900),
            trial(2, f_med=0.9, macs=500),
            trial(3, f_med=0.9, macs=500),
            trial(4, f_med=None),
            trial(5, f_med=0.9, macs=None),
        ]
    )
    assert [t.number for t in ranked(record)] == [2, 3, 1, 5, 0, 4]


def test_states_rank_complete_pruned_running_failed() -> None:
    """A pruned trial never ranks above a complete one, however good it was."""
    record = study_of(
        [
            trial(0, "failed"),
            trial(1, "interrupted"),
            trial(2, "running", progress=[0.99]),
            trial(3, "pruned", progress=[0.5, 0.97, 0.6]),
            trial(4, "pruned", 0.98),
            trial(5, f_med=0.1),
        ]
    )
    assert [t.number for t in ranked(record)] == [5, 4, 3, 1, 2, 0]
    found = winner(record)
    assert found is not None
    assert found.number == 5


@pytest.mark.parametrize("state", [state for state in STATES if state != "complete"])
def test_only_a_complete_trial_wins(state: str) -> None:
    """Without a complete trial there is no winner."""
    assert winner(study_of([trial(0, state, 0.9)])) is None


def test_no_trial_has_no_winner() -> None:
    """An empty study has an empty ranking and no winner."""
    assert winner(study_of([])) is None


scores = st.none() | st.floats(allow_nan=True, allow_infinity=True)


@given(
    st.lists(
        st.tuples(st.sampled_from(STATES), scores, st.none() | st.integers(1, 10**9)), max_size=12
    )
)
def test_a_ranking_is_a_permutation_and_a_document_is_json(
    drawn: list[tuple[str, float | None, int | None]],
) -> None:
    """Whatever the trials hold, each is ranked once and the document is strict JSON."""
    trials = [trial(i, state, f, macs=macs) for i, (state, f, macs) in enumerate(drawn)]
    record = study_of(trials)
    assert sorted(t.number for t in ranked(record)) == list(range(len(trials)))
    found = json.loads(json.dumps(document(record, report=None), allow_nan=False))
    assert [row["number"] for row in found["ranking"]] == [t.number for t in ranked(record)]
    complete = [best_so_far(t) for t in ranked(record) if t.state == "complete"]
    known = [value for value in complete if value is not None]
    assert known == sorted(known, reverse=True)


def test_the_document_says_what_was_found() -> None:
    """The document holds the counts, every hyperparameter, the winner and the retest."""
    retest = {"number": 1, "f_med": 0.7, "intervals": {"f_med": [0.2, math.nan]}}
    record = study_of([trial(0, f_med=0.8), trial(1, f_med=0.9), trial(2, "failed")], retest=retest)
    found = document(record, report="reports/a-study/index.html", seconds=12.5)
    assert found["study"] == "a-study"
    assert found["dataset"]["classes"] == {"benign": 100, "malignant": 150}
    assert found["dataset"]["skipped"] == 1
    assert found["split"]["parts"]["test"]["images"] == 25
    assert found["trials"] == {
        "requested": 3, "complete": 2, "pruned": 0, "running": 0, "interrupted": 0, "failed": 1,
        "infeasible": 0,
        "duplicates": 0,
    }  # fmt: skip
    assert found["ranking"][0]["params"] == {"filters": 9}
    assert set(found["ranking"][0]["variant"]) == set(REFERENCE.as_dict())
    assert found["winner"]["number"] == 1
    assert found["retest"]["intervals"]["f_med"] == [0.2, None]
    assert found["report"] == "reports/a-study/index.html"
    assert found["seconds"] == 12.5


def test_progress_tells_running_finished_and_unfinished() -> None:
    """A study is finished when as many trials as planned have ended by themselves."""
    assert progress(study_of([trial(0), trial(1, "failed")])) == "finished"
    assert progress(study_of([trial(0), trial(1, "running")])) == "running"
    assert progress(study_of([trial(0), trial(1, "interrupted")])) == "unfinished"
    assert progress(study_of([trial(0)], requested=100)) == "unfinished"
    assert counts(study_of([trial(0), trial(1)]))["complete"] == 2


def test_repeats_of_a_variant_share_their_mean() -> None:
    """Complete trials of one variant are counted together; a single one is not mentioned."""
    same = Variant(filters=8).as_dict()
    record = study_of(
        [
            trial(0, f_med=0.8, variant=same),
            trial(1, f_med=0.9, variant=same),
            trial(2, "pruned", 0.1, variant=same),
            trial(3, f_med=0.7),
        ]
    )
    assert repeats(record) == {0: (2, pytest.approx(0.85)), 1: (2, pytest.approx(0.85))}
