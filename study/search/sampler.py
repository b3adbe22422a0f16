"""Which variant comes next: the fixed first trials, then what the sampler suggests."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler, PartialFixedSampler
from optuna.trial import Trial, TrialState

from study.errors import SettingsError, TrialError
from study.ledger import Ledger, distributions
from study.model.capacity import Capacity, capacity
from study.protocol import Protocol
from study.search.strategy import make_sampler
from study.seeds import derive
from study.space import Space
from study.variant import REFERENCE, REFERENCE_SGD, Variant

FIRST = (REFERENCE, REFERENCE_SGD)
"""Trials 0 and 1: the article's networks, whatever the space."""

MOST_SUGGESTIONS = 200
"""Suggestions that may be turned down for one trial."""

MOST_DUPLICATES = 20
"""Suggestions of a variant that has been tried, after which a trial repeats one."""


@dataclass(frozen=True, kw_only=True)
class Suggestion:
    """A variant to be trained, and the open Optuna trial that it belongs to."""

    trial: Trial
    ordinal: int
    variant: Variant
    capacity: Capacity


def ask(
    ledger: Ledger,
    ordinal: int,
    *,
    space: Space,
    protocol: Protocol,
    search: Mapping[str, Any],
    seed: int,
) -> Suggestion | None:
    """Take an ordinal and choose its variant; None when another worker took the ordinal first.

    The sampler's seed comes from the study's seed, the ordinal and the number of suggestions that
    were turned down for it, so a trial that is asked for again gets the same variant. A variant
    that was begun before is taken up again. A suggestion above the space's limit is told to
    Optuna as infeasible and replaced; one of a variant that another trial has or had is replaced
    as well, until ``MOST_DUPLICATES`` of them show that the space holds little else: then the
    variant is repeated, with the seeds of this ordinal.

    ``search`` is that of :func:`study.search.strategy.search_settings`.

    Raises ``TrialError`` when the space hardly holds a network that is small enough.
    """
    attempts = ledger.look()
    earlier = attempts.of(ordinal)
    begun = next((t.user_attrs["variant"] for t in earlier if "variant" in t.user_attrs), None)
    if begun is None and ordinal < len(FIRST):
        begun = FIRST[ordinal].as_dict()
    limit = _most_macs(space, protocol)
    infeasible, duplicates = (
        attempts.turned_down[mark][ordinal] for mark in ("infeasible", "duplicate")
    )
    for turned_down in range(infeasible + duplicates, MOST_SUGGESTIONS):
        own_seed = derive(seed, "sampler", ordinal, turned_down)
        sampler = _sampler(make_sampler(search, own_seed, ledger.intersection), space, begun)
        ledger.optuna_study.sampler = sampler
        trial = ledger.optuna_study.ask()
        if not ledger.claim(trial, ordinal):
            return None
        values = {
            name: _suggest(trial, name, distribution)
            for name, distribution in distributions(space).items()
            if begun is None or _holds(space, name, begun[name])
        }
        variant = space.variant(values) if begun is None else Variant(**begun)
        size, excess = _excess(variant, protocol, limit)
        if size is not None and (excess <= 0 or begun is not None):
            trial.set_user_attr("variant", variant.as_dict())
            again = begun is None and duplicates < MOST_DUPLICATES
            if not (again and ledger.is_taken(trial, variant.as_dict())):
                return Suggestion(trial=trial, ordinal=ordinal, variant=variant, capacity=size)
            duplicates += 1
            trial.set_user_attr("duplicate", True)
            # Neither good nor bad: a failed trial teaches the sampler nothing.
            ledger.optuna_study.tell(trial, state=TrialState.FAIL)
            continue
        trial.set_user_attr("infeasible", True)
        trial.set_constraint("macs", excess)
        ledger.optuna_study.tell(trial, state=TrialState.PRUNED)
    raise TrialError(
        f"trial {ordinal}: {MOST_SUGGESTIONS} suggestions of space {space.name} were too large, or "
        "did not fit the images"
    )


def _suggest(trial: Trial, name: str, distribution: BaseDistribution) -> Any:
    match distribution:
        case IntDistribution(low=low, high=high, log=log, step=step):
            return trial.suggest_int(name, low, high, log=log, step=step)
        case FloatDistribution(low=low, high=high, log=log):
            return trial.suggest_float(name, low, high, log=log)
        case CategoricalDistribution(choices=choices):
            return trial.suggest_categorical(name, choices)
    raise TypeError(f"{name}: {distribution}")


def _holds(space: Space, name: str, value: Any) -> bool:
    return any(item.name == name and item.contains(value) for item in space.parameters)


def _sampler(sampler: BaseSampler, space: Space, begun: dict[str, Any] | None) -> BaseSampler:
    if begun is None:
        return sampler
    names = [item.name for item in space.parameters if item.contains(begun[item.name])]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return PartialFixedSampler({name: begun[name] for name in names}, sampler)


def check_feasible(space: Space, protocol: Protocol) -> None:
    """Raise ``SettingsError`` unless the smallest network of the space fits images and limit."""
    values: dict[str, Any] = {}
    for item in space.parameters:
        if item.type != "choice":
            values[item.name] = item.low
        elif item.name == "padding":
            values[item.name] = max(item.choices, key=lambda choice: choice == "same")
        else:
            numbers = [choice for choice in item.choices if not isinstance(choice, str)]
            values[item.name] = min(numbers) if numbers else item.choices[0]
    limit = _most_macs(space, protocol)
    size, excess = _excess(space.variant(values), protocol, limit)
    if size is None or (excess > 0 and limit is not None):
        why = "is too deep for" if size is None else "is above max_macs_ratio for"
        raise SettingsError(
            f"--space {space.name}: even its smallest network {why} images of "
            f"{protocol.image_width}x{protocol.image_height}; change the space or --image-size"
        )


def _most_macs(space: Space, protocol: Protocol) -> float | None:
    if space.max_macs_ratio is None:
        return None
    return space.max_macs_ratio * capacity(REFERENCE, protocol.image_shape).macs


def _excess(
    variant: Variant, protocol: Protocol, limit: float | None
) -> tuple[Capacity | None, float]:
    """Return the capacity (None: the images are too small) and how far it is above the limit."""
    try:
        size = capacity(variant, protocol.image_shape)
    except SettingsError:
        return None, 1.0
    return size, 0.0 if limit is None else size.macs / limit - 1
