"""Samplers and pruners by name, with every argument written down."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from study.errors import SettingsError, near_miss
from study.protocol import Protocol

if TYPE_CHECKING:
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler
    from optuna.search_space import IntersectionSearchSpace

SAMPLERS: Mapping[str, str] = {
    "tpe": "tree-structured Parzen estimator, all hyperparameters together",
    "random": "every trial drawn on its own",
}
"""Name to one line of help."""

PRUNERS: Mapping[str, str] = {
    "median": "ends a trial whose best score so far is below the median of others at that epoch",
    "halving": "successive halving: only the best third goes on at 2 epochs, and again at 6",
    "hyperband": "successive halving from several first rungs at once",
    "patient": "as median, but not before the score has stood still for 10 epochs",
}
"""Name to one line of help."""

DEFAULT_SAMPLER, DEFAULT_PRUNER = "tpe", "halving"
"""By the replays in ``tests/benchmarks``: what the search finds is no worse for the pruning."""

_SAMPLER_ARGUMENTS: Mapping[str, Mapping[str, Any]] = {
    "tpe": {"n_startup_trials": 10, "multivariate": True, "constant_liar": True},
    "random": {},
}
_MEDIAN = {"n_startup_trials": 2, "n_warmup_steps": 5, "interval_steps": 1, "n_min_trials": 1}
_PRUNER_ARGUMENTS: Mapping[str, Mapping[str, Any]] = {
    "median": _MEDIAN,
    "halving": {
        "min_resource": 2,
        "reduction_factor": 3,
        "min_early_stopping_rate": 0,
        "rungs": 2,
    },
    "hyperband": {"min_resource": 5, "reduction_factor": 3},
    "patient": {"patience": 10, **_MEDIAN},
}
_HYPERBAND_EPOCHS = 270
"""Most epochs that Hyperband's brackets are laid out for; hardly any trial lasts longer."""


def search_settings(
    sampler: str = DEFAULT_SAMPLER, pruner: str | None = DEFAULT_PRUNER
) -> dict[str, Any]:
    """Return the settings of a search as the ledger keeps them; None means no pruner.

    ``{"sampler": {"name", ...arguments}, "pruner": {"name", ...arguments} or None}``. Optuna's
    defaults change between versions, so that none is left to it.

    Raises ``SettingsError`` for an unknown name.
    """
    for option, name, known, none in (
        ("--sampler", sampler, SAMPLERS, ""),
        ("--pruner", pruner, PRUNERS, "; or --no-pruning for none"),
    ):
        if name is not None and name not in known:
            raise SettingsError(
                f"{option}: found {name!r}{near_miss(name, known)}; allowed: "
                f"{', '.join(known)}{none}"
            )
    return {
        "sampler": {"name": sampler, **_SAMPLER_ARGUMENTS[sampler]},
        "pruner": None if pruner is None else {"name": pruner, **_PRUNER_ARGUMENTS[pruner]},
    }


def make_sampler(
    search: Mapping[str, Any], seed: int, intersection: IntersectionSearchSpace | None = None
) -> BaseSampler:
    """Return the sampler of a search; ``{}``, of a ledger without settings, means the default.

    ``intersection``, handed in again each time, spares the sampler from looking through all trials.
    """
    import optuna

    settings = dict(search.get("sampler") or search_settings()["sampler"])
    name = settings.pop("name")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        if name == "random":
            return optuna.samplers.RandomSampler(seed=seed)
        if intersection is None:
            return optuna.samplers.TPESampler(seed=seed, **settings)
        from study.search.samplers import SeededTPESampler

        return SeededTPESampler(intersection, seed=seed, **settings)


def make_pruner(search: Mapping[str, Any], protocol: Protocol) -> BasePruner:
    """Return the pruner of a search, one that never prunes where there is none.

    Its steps are epochs. A pruner only ends trials: it changes neither samples nor patience.
    """
    import optuna

    from study.search.pruners import SuccessiveHalving

    settings = dict(search.get("pruner") or {"name": None})
    name = settings.pop("name")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        match name:
            case None:
                return optuna.pruners.NopPruner()
            case "median":
                return optuna.pruners.MedianPruner(**settings)
            case "patient":
                patience = settings.pop("patience")
                median = optuna.pruners.MedianPruner(**settings)
                return optuna.pruners.PatientPruner(median, patience=patience)
            case "halving":
                return SuccessiveHalving(**settings)
            case _:
                most = min(protocol.epochs, _HYPERBAND_EPOCHS)
                return optuna.pruners.HyperbandPruner(max_resource=most, **settings)
