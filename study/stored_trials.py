"""All trials of an Optuna study in a handful of queries, for whoever reads them once."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from optuna.distributions import BaseDistribution, json_to_distribution
from optuna.storages._rdb import models
from optuna.trial import FrozenTrial
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

_MODELS: tuple[Any, ...] = (
    models.TrialParamModel,
    models.TrialValueModel,
    models.TrialIntermediateValueModel,
    models.TrialUserAttributeModel,
    models.TrialSystemAttributeModel,
)


def stored_trials(engine: Engine, study_id: int) -> list[FrozenTrial]:
    """Return what ``Study.get_trials`` does, in the order of their numbers.

    Optuna makes an object of each stored value, some 40 microseconds each; with a hundred epochs
    in each of ten thousand trials that is most of a minute.
    """
    trial: Any = models.TrialModel
    param, value, step = _MODELS[:3]
    with Session(engine) as session:

        def by_trial(*columns: Any) -> dict[int, list[Sequence[Any]]]:
            owner = columns[0].class_
            query = (
                select(owner.trial_id, *columns)
                .join(trial, trial.trial_id == owner.trial_id)
                .where(trial.study_id == study_id)
                .order_by(*owner.__table__.primary_key)
            )
            found: defaultdict[int, list[Sequence[Any]]] = defaultdict(list)
            for key, *cells in session.execute(query):
                found[key].append(cells)
            return found

        params = by_trial(param.param_name, param.param_value, param.distribution_json)
        values = by_trial(value.objective, value.value, value.value_type)
        users, systems = (by_trial(owner.key, owner.value_json) for owner in _MODELS[3:])
        steps = by_trial(step.step, step.intermediate_value, step.intermediate_value_type)
        query = select(trial).where(trial.study_id == study_id).order_by(trial.trial_id)
        return [
            FrozenTrial(
                number=stored.number,
                state=stored.state,
                value=None,
                values=_values(values[stored.trial_id]),
                datetime_start=stored.datetime_start,
                datetime_complete=stored.datetime_complete,
                params={
                    name: _distribution(text).to_external_repr(number)
                    for name, number, text in params[stored.trial_id]
                },
                distributions={
                    name: _distribution(text) for name, _, text in params[stored.trial_id]
                },
                user_attrs=_attributes(users[stored.trial_id]),
                system_attrs=_attributes(systems[stored.trial_id]),
                intermediate_values={
                    at: step.stored_repr_to_intermediate_value(number, kind)
                    for at, number, kind in steps[stored.trial_id]
                },
                trial_id=stored.trial_id,
            )
            for stored in session.scalars(query)
        ]


def _values(rows: list[Sequence[Any]]) -> list[float] | None:
    stored = models.TrialValueModel.stored_repr_to_value
    return [stored(value, kind) for _, value, kind in sorted(rows, key=lambda row: row[0])] or None


def _attributes(rows: list[Sequence[Any]]) -> dict[str, Any]:
    return {name: json.loads(text) for name, text in rows}


@lru_cache(maxsize=256)
def _distribution(text: str) -> BaseDistribution:
    return json_to_distribution(text)
