"""A record becomes an Optuna study whose values, ranges and numbers are those of the ledger."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState

from study.records import StudyRecord, TrialRecord
from study.report.optuna_study import ORDINAL, fits, optuna_study, searched
from study.variant import Variant

EVIL = "<img src=x onerror=alert(1)>"


def with_variant(trial: TrialRecord, **values: Any) -> TrialRecord:
    return replace(trial, variant={**trial.variant, **values})


def test_complete_and_pruned_trials_are_kept_with_their_scores(record: StudyRecord) -> None:
    """Ten complete trials keep their F_med, the pruned one its epochs, the failed one is gone."""
    study = optuna_study(record)
    kept = {trial.user_attrs[ORDINAL]: trial for trial in study.trials}
    assert sorted(kept) == list(range(11))
    assert [kept[k].value for k in range(10)] == [t.validation_f_med for t in record.trials[:10]]
    assert kept[10].state == TrialState.PRUNED
    assert list(kept[10].intermediate_values.values()) == record.trials[10].progress
    assert study.best_trial.user_attrs[ORDINAL] == (record.retest or {})["number"]


def test_the_ranges_are_those_of_the_space(record: StudyRecord) -> None:
    """The stored text gives type, range and logarithm of each hyperparameter."""
    found = searched(record)
    assert found.unreadable is None
    assert found.distributions == {
        "filters": IntDistribution(8, 96, log=True),
        "dropout": FloatDistribution(0.0, 0.6),
        "learning_rate": FloatDistribution(1e-4, 3e-2, log=True),
        "optimizer": CategoricalDistribution(("adam", "sgd")),
    }


def test_a_reference_outside_the_range_loses_that_value_alone(record: StudyRecord) -> None:
    """Trial 0 with 500 filters stays, with its other values, and the range is not widened."""
    outside = with_variant(record.trials[0], filters=500)
    study = optuna_study(replace(record, trials=[outside, *record.trials[1:]]))
    first = study.trials[0]
    assert first.user_attrs[ORDINAL] == 0
    assert set(first.params) == {"dropout", "learning_rate", "optimizer"}
    ranges = {trial.distributions["filters"] for trial in study.trials[1:]}
    assert ranges == {IntDistribution(8, 96, log=True)}


@pytest.mark.parametrize(
    "text", [None, "", "no = [toml", "[parameters.depth]\ntype='int'", 7], ids=str
)
def test_a_space_that_cannot_be_read_gives_way_to_the_trials(
    record: StudyRecord, text: Any
) -> None:
    """The ranges are then those of the trials, and the reason is told."""
    found = searched(replace(record, space={"name": "seed", "text": text}))
    assert found.unreadable
    rates = [t.variant["learning_rate"] for t in record.trials]
    assert found.distributions["learning_rate"] == FloatDistribution(min(rates), max(rates))
    assert found.distributions["optimizer"] == CategoricalDistribution(["adam", "sgd"])
    assert len(optuna_study(replace(record, space={}), found.distributions).trials) == 11


def test_values_that_are_no_plain_ones_are_left_out(record: StudyRecord) -> None:
    """NaN, a list and nothing at all never reach Optuna; odd text does."""
    values: list[Any] = [math.nan, [1], None, EVIL]
    trials = [
        replace(with_variant(trial, optimizer=value), params={"optimizer": value})
        for trial, value in zip(record.trials, values, strict=False)
    ]
    found = searched(replace(record, space={}, trials=trials))
    assert found.distributions["optimizer"] == CategoricalDistribution([EVIL])
    study = optuna_study(replace(record, space={}, trials=trials))
    assert [trial.params for trial in study.trials] == [{}, {}, {}, {"optimizer": EVIL}]


def test_what_fits_is_what_optuna_would_accept() -> None:
    """Steps, bounds, choices and types decide."""
    stepped = IntDistribution(2, 10, step=4)
    assert [value for value in range(12) if fits(stepped, value)] == [2, 6, 10]
    assert fits(FloatDistribution(0, 1), 1)
    assert not fits(FloatDistribution(0, 1), "1")
    assert not fits(FloatDistribution(0, 1), True)
    assert not fits(FloatDistribution(0, 1), math.inf)
    assert fits(CategoricalDistribution([3, 5]), 3)
    assert not fits(CategoricalDistribution([3, 5]), "3")


def test_a_study_without_trials_is_an_empty_one(record: StudyRecord) -> None:
    """Nothing begun, nothing in it; and a complete trial without a score is left out."""
    assert optuna_study(replace(record, trials=[])).trials == []
    bare = TrialRecord(
        number=0, state="complete", params={}, variant=Variant().as_dict(), ledger_number=0
    )
    assert optuna_study(replace(record, trials=[bare])).trials == []
