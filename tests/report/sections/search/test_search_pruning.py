"""What pruning saved: numbers by hand, the bound, the pruner's rungs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from study.records import TrialRecord
from study.report.section import Evidence
from study.report.sections.search.pruning import (
    Comparison,
    least_epochs,
    pruning_html,
    pruning_info,
    rungs,
)
from study.variant import Variant

Make = Callable[..., TrialRecord]
Show = Callable[..., Evidence]


def test_saved_epochs_by_hand(make: Make, evidence: Show, halving: dict[str, Any]) -> None:
    """A pruned trial would have gone on until its patience after its best epoch, or the limit."""
    trials = [
        make(0, progress=[0.2, 0.4, 0.8, 0.6]),
        make(1, progress=[0.1, 0.3, 0.5]),
        make(2, "pruned", [0.3, 0.35]),  # best at 2, patience 10: at least 12
        make(3, "pruned", [0.45, 0.2]),  # best at 1: at least 11
        make(4, "pruned", [0.0, 0.0], train_f_med=0.0),  # may never learn: 2
        make(5, "failed", [0.1] * 5),
        make(6, "running", [0.1] * 50),
    ]
    record = evidence(trials, search={"pruner": halving}).record
    info = pruning_info(record)
    assert (info.pruned, info.trained) == (3, 4 + 3 + 2 + 2 + 2 + 5)
    assert info.needed == 4 + 3 + 12 + 11 + 2 + 5
    assert info.percent == 51  # 19 of 37, rounded down
    assert info.comparisons == [Comparison(epoch=2, ended=3, best=0.45, weakest=0.3, final=0.4)]
    assert (info.compared, info.above_weakest, info.above_final) == (3, 2, 1)
    body = pruning_html(record, info)
    assert "at least 51 %" in body
    assert "2 (rung)" in body


@given(
    epochs=st.integers(1, 40),
    best=st.integers(1, 40),
    patience=st.integers(1, 100),
    most=st.integers(1, 60),
)
def test_the_bound_never_promises_too_much(
    make: Make, epochs: int, best: int, patience: int, most: int
) -> None:
    """It is at least what was trained, and else neither past the limit nor the patience."""
    variant = Variant(patience=patience).as_dict()
    trial = make(2, "pruned", [0.5] * epochs, variant=variant, best_epoch=best)
    found = least_epochs(trial, most)
    assert found >= epochs
    assert found == epochs or found <= min(most, best + patience)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, [2, 6]),
        ({"rungs": None}, [2, 6, 18, 54]),
        ({"min_early_stopping_rate": 1}, [6, 18]),
        ({"name": "hyperband", "min_resource": 5, "rungs": None}, [5, 15, 45]),
        ({"name": "median"}, []),
        ({"min_resource": "auto"}, []),
        ({"reduction_factor": 1}, []),
        ({"reduction_factor": None}, []),
    ],
)
def test_rungs_follow_from_the_pruner(
    halving: dict[str, Any], changes: dict[str, Any], expected: list[int]
) -> None:
    """They are those of successive halving up to the longest trial; others have none."""
    assert rungs({"pruner": {**halving, **changes}}, 100) == expected
    assert rungs({"pruner": None}, 100) == rungs({}, 100) == []
