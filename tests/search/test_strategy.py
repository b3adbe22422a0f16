"""Samplers and pruners: known by name, with nothing left to the library's defaults."""

from __future__ import annotations

import inspect
import json

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState

from study.errors import SettingsError
from study.protocol import Protocol
from study.search.strategy import (
    DEFAULT_PRUNER,
    DEFAULT_SAMPLER,
    PRUNERS,
    SAMPLERS,
    make_pruner,
    make_sampler,
    search_settings,
)


def test_settings_are_plain_and_name_the_defaults() -> None:
    settings = search_settings()
    assert json.loads(json.dumps(settings)) == settings
    assert settings["sampler"]["name"] == DEFAULT_SAMPLER
    assert (settings["pruner"] or {"name": None})["name"] == DEFAULT_PRUNER
    assert search_settings(pruner=None)["pruner"] is None


@pytest.mark.parametrize("name", SAMPLERS)
def test_every_sampler_can_be_made(name: str) -> None:
    kind = type(make_sampler(search_settings(name), seed=1)).__name__
    assert kind == {"tpe": "TPESampler", "random": "RandomSampler"}[name]


@pytest.mark.parametrize("name", PRUNERS)
def test_every_pruner_can_be_made_and_ends_a_hopeless_trial(name: str) -> None:
    """Others rise to .8; one that sinks from .01 is ended, one that leads from the start is not."""
    settings = search_settings(pruner=name)
    pruner = make_pruner(settings, Protocol())
    for start, hopeless in ((0.01, True), (0.9, False)):
        optuna_study = optuna.create_study(direction="maximize", pruner=pruner, study_name="s")
        for other in range(30):
            trial = optuna_study.ask()
            for epoch in range(1, 101):
                trial.report(0.8 * epoch / 100 + 0.001 * other, epoch)
                if trial.should_prune():
                    break
            optuna_study.tell(trial, 0.8)
        trial = optuna_study.ask()
        ended = False
        for epoch in range(1, 101):
            trial.report(start + (0.0005 if start > 0.5 else -0.0005) * epoch, epoch)
            ended = ended or trial.should_prune()
        assert ended == hopeless, start


def test_interrupted_attempts_leave_the_halving_as_it_was() -> None:
    """The attempt that comes after has the same scores; only one of the two may compete."""
    scores = [0.5, 0.6, 0.4, 0.55, 0.45, 0.65, 0.3, 0.52, 0.7, 0.61, 0.58, 0.66]

    def ends(interrupted: tuple[int, ...]) -> list[bool]:
        pruner = make_pruner(search_settings(pruner="halving"), Protocol())
        optuna_study = optuna.create_study(direction="maximize", pruner=pruner)
        ended = []
        for number, score in enumerate(scores):
            for left in reversed(range(1 + interrupted.count(number))):
                trial = optuna_study.ask()
                pruned = False
                for epoch in range(1, 12):
                    trial.report(score + epoch / 1000, epoch)
                    pruned = trial.should_prune()
                    if pruned:
                        break
                if left:
                    optuna_study.tell(trial, state=TrialState.FAIL)
                elif pruned:
                    optuna_study.tell(trial, state=TrialState.PRUNED)
                else:
                    optuna_study.tell(trial, score)
            ended.append(pruned)
        return ended

    whole = ends(())
    assert len(set(whole)) == 2, "nothing, or all, was pruned"
    assert ends((1, 5, 5, 8)) == whole


def test_who_has_passed_the_last_rung_is_trained_to_its_end() -> None:
    """It leads at the two rungs and sinks afterwards, below all that were ever seen."""
    rules = search_settings(pruner="halving")
    rungs = rules["pruner"].pop("rungs")
    for kept in ({"rungs": rungs}, {}):
        pruner = make_pruner({"pruner": rules["pruner"] | kept}, Protocol())
        optuna_study = optuna.create_study(direction="maximize", pruner=pruner)
        for score in [*np.linspace(0.3, 0.6, 30), 0.7]:
            trial = optuna_study.ask()
            pruned = []
            for epoch in range(1, 200):
                trial.report(score if epoch <= 6 or score < 0.7 else 0.1, epoch)
                pruned.append(trial.should_prune())
                if pruned[-1]:
                    break
            optuna_study.tell(trial, score)
        assert (len(pruned), any(pruned)) == ((199, False) if kept else (18, True))


def test_without_a_pruner_nothing_is_pruned() -> None:
    for search in ({}, search_settings(pruner=None)):
        assert isinstance(make_pruner(search, Protocol()), optuna.pruners.NopPruner)


@pytest.mark.parametrize(
    ("sampler", "pruner", "message"),
    [
        ("tp", "median", r"--sampler: found 'tp' \(did you mean 'tpe'\?\); allowed: tpe, random"),
        ("tpe", "medain", r"--pruner: found 'medain' \(did you mean 'median'\?\); allowed"),
    ],
)
def test_an_unknown_name_is_refused(sampler: str, pruner: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        search_settings(sampler, pruner)


def test_what_decides_the_search_is_not_left_to_defaults() -> None:
    """Optuna 5 changed two of them: whoever reads the ledger has to see what was used."""
    signature = inspect.signature(optuna.samplers.TPESampler)
    assert {"multivariate", "constant_liar", "n_startup_trials"} <= set(signature.parameters)
    written = search_settings()["sampler"]
    assert {"multivariate", "constant_liar", "n_startup_trials"} <= set(written)
