"""What is written into a ledger comes back as it was, however it is read."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import Trial, TrialState

from study.ledger import Ledger, distributions, read_study
from study.protocol import Protocol
from study.space import find_space
from study.stored_trials import stored_trials
from study.variant import REFERENCE


def take(ledger: Ledger, ordinal: int) -> Trial:
    trial = ledger.optuna_study.ask()
    assert ledger.claim(trial, ordinal)
    return trial


def test_a_study_reads_as_it_was_written(
    ledger: Ledger, setup: dict[str, Any], tmp_path: Path
) -> None:
    trial = take(ledger, 1)
    trial.suggest_float("dropout", 0.0, 0.6)
    scores = {"validation_f_med": 0.75, "validation_plain_f_med": 0.7, "train_f_med": 0.9}
    for key, value in {
        "variant": REFERENCE.as_dict(),
        "scores": scores,
        "seed": 9,
        "parameters": 12,
        "macs": 2**33,
        "validation_f_med_smooth": 0.74,
        "best_epoch": 2,
        "epochs": 3,
        "stopped_by": "patience",
        "seconds": 1.5,
        "diagnosis": {"kind": "balanced", "advice": []},
    }.items():
        trial.set_user_attr(key, value)
    for epoch, score in ((1, 0.5), (2, 0.75), (3, 0.6)):
        trial.report(score, epoch)
    ledger.optuna_study.tell(trial, 0.75)
    ledger.update(retest={"number": 1, "uses": 1})
    reopened = Ledger.open(tmp_path)
    record = reopened.read()
    reopened.close()
    assert record == ledger.read()
    assert record.protocol == Protocol(epochs=7)
    for key in setup.keys() - {"protocol"}:
        assert getattr(record, key) == setup[key]
    (found,) = record.trials
    assert (found.number, found.state, found.progress) == (1, "complete", [0.5, 0.75, 0.6])
    assert (found.validation_f_med, found.validation_f_med_plain) == (0.75, 0.7)
    assert (found.train_f_med, found.macs, found.variant) == (0.9, 2**33, REFERENCE.as_dict())
    assert (found.params, found.best_epoch) == (trial.params, 2)
    assert record.retest == {"number": 1, "uses": 1}


def test_reading_a_study_gives_its_record(ledger: Ledger, tmp_path: Path) -> None:
    assert read_study(tmp_path) == ledger.read()


def test_attributes_are_read_whether_written_in_one_go_or_one_by_one(ledger: Ledger) -> None:
    trial = take(ledger, 0)
    trial.set_user_attr("plan", {"seed": 3, "macs": 5})
    trial.set_user_attr("parameters", 7)
    trial.set_user_attr("result", {"scores": {"validation_f_med": 0.5}, "epochs": 2})
    ledger.optuna_study.tell(trial, 0.5)
    (found,) = ledger.read().trials
    assert (found.seed, found.macs, found.parameters, found.epochs) == (3, 5, 7, 2)
    assert found.validation_f_med == 0.5


def test_trials_that_are_read_at_once_are_what_optuna_reads(ledger: Ledger) -> None:
    """Every state, parameter, attribute and number, also those that are none; of this study."""
    space = distributions(find_space("seed"))
    optuna_study, other = (
        ledger.optuna_study,
        optuna.create_study(storage=ledger._storage, study_name="other"),
    )
    other.tell(other.ask(space), 0.5)
    for number in range(6):
        trial = optuna_study.ask(space)
        trial.set_user_attr("ordinal", number)
        trial.set_user_attr("plan", {"params": {}, "names": ["ümläut", None, 0.25]})
        ledger._storage.set_trial_system_attr(trial._trial_id, "mark", [number])
        for epoch, score in enumerate((0.25, math.nan, math.inf, -math.inf), 1):
            trial.report(score, epoch)
        if number == 1:
            optuna_study.tell(trial, 0.1 + 0.2)
        elif number > 1:
            state = (TrialState.FAIL, TrialState.PRUNED)[number % 2]
            optuna_study.tell(trial, state=state)
    optuna_study.enqueue_trial({"filters": 8})
    found = stored_trials(ledger._storage.engine, ledger._study_id)
    assert list(map(repr, found)) == list(map(repr, optuna_study.get_trials()))
    assert found[1].value == 0.1 + 0.2
    assert len(found) == 7
    assert repr(ledger.read_once()) == repr(ledger.read())


def test_the_distributions_are_those_of_the_space() -> None:
    space = find_space("seed")
    found = distributions(space)
    assert list(found) == [item.name for item in space.parameters]
    assert found["filters"] == optuna.distributions.IntDistribution(8, 96, log=True)
    assert found["optimizer"] == optuna.distributions.CategoricalDistribution(("adam", "sgd"))
    assert found["dropout"] == optuna.distributions.FloatDistribution(0.0, 0.6)


def test_every_connection_writes_ahead_and_does_not_wait_for_the_disk(ledger: Ledger) -> None:
    """SQLite's default, a flush to the disk for each transaction, makes a trial twice as slow."""
    with ledger._storage.engine.connect() as connection:
        settings = ("journal_mode", "synchronous", "busy_timeout")
        found = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in settings]
    assert found == ["wal", 1, 60_000]
