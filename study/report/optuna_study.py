"""A study's record as an Optuna study in memory, for what Optuna can say of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.trial import FrozenTrial, TrialState

from study.errors import SpaceError
from study.ledger import distributions
from study.records import StudyRecord, TrialRecord
from study.report.frames import hyperparameter
from study.space import parse_space
from study.summary import best_so_far

ORDINAL = "ordinal"
"""User attribute with a trial's own number: Optuna counts those that it is given anew."""

_STATES = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED}


@dataclass(frozen=True, kw_only=True)
class Searched:
    """The hyperparameters that a study searched, and the values that each may take."""

    distributions: Mapping[str, BaseDistribution]
    unreadable: str | None = None
    """Why the stored space could not be read; the ranges are then those of the trials."""


def searched(record: StudyRecord) -> Searched:
    """Return what a study searched: from its space's text, or else from its trials."""
    name, text = str(record.space.get("name")), record.space.get("text")
    try:
        if not isinstance(text, str):
            return _seen(record, "the ledger holds none")
        return Searched(
            distributions=distributions(parse_space(text, name=name, where="the stored space"))
        )
    except SpaceError as error:
        return _seen(record, str(error))


def _seen(record: StudyRecord, reason: str) -> Searched:
    names = dict.fromkeys(name for trial in record.trials for name in trial.params)
    found: dict[str, BaseDistribution] = {}
    for name in names:
        values = [value for t in record.trials if _plain(value := hyperparameter(t, name))]
        if not values:
            continue
        if all(isinstance(value, int | float) for value in values):
            found[name] = FloatDistribution(float(min(values)), float(max(values)))
        else:
            found[name] = CategoricalDistribution(sorted(set(values), key=str))
    return Searched(distributions=found, unreadable=reason)


def _plain(value: Any) -> bool:
    """Tell whether a value is text or a finite number."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, str) or (number and math.isfinite(value))


def optuna_study(
    record: StudyRecord, space: Mapping[str, BaseDistribution] | None = None
) -> optuna.Study:
    """Return the complete and pruned trials as an Optuna study in memory, to be maximised.

    The value is the validation F_med on the augmented set; a complete trial without one is left
    out. ``space`` is by default what ``searched`` finds. A value outside its range, as the
    reference networks may have, is left out and its trial kept: were the range widened to it, one
    network that no sampler drew would squeeze all others into a corner of the range, and were the
    trial dropped, the other hyperparameters would lose it.
    """
    known = searched(record).distributions if space is None else space
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    found = optuna.create_study(
        storage=optuna.storages.InMemoryStorage(), direction="maximize", study_name=record.name
    )
    found.add_trials([trial for t in record.trials if (trial := _frozen(t, known)) is not None])
    return found


def _frozen(trial: TrialRecord, space: Mapping[str, BaseDistribution]) -> FrozenTrial | None:
    state, score = _STATES.get(trial.state), best_so_far(trial)
    if state is None or (state == TrialState.COMPLETE and score is None):
        return None
    values = {name: hyperparameter(trial, name) for name in space}
    params = {name: value for name, value in values.items() if fits(space[name], value)}
    pruned = state == TrialState.PRUNED
    steps = {k: v for k, v in enumerate(trial.progress, 1) if math.isfinite(v)} if pruned else {}
    return optuna.trial.create_trial(
        state=state,
        value=None if pruned else score,
        params=params,
        distributions={name: space[name] for name in params},
        user_attrs={ORDINAL: trial.number},
        intermediate_values=steps,
    )


def fits(distribution: BaseDistribution, value: Any) -> bool:
    """Tell whether a distribution may suggest a value."""
    if not _plain(value):
        return False
    if isinstance(distribution, CategoricalDistribution):
        return value in distribution.choices
    return not isinstance(value, str) and bool(distribution._contains(float(value)))
