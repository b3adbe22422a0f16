"""Pruners that a search needs in a form of its own."""

from __future__ import annotations

from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState


class SuccessiveHalving(optuna.pruners.SuccessiveHalvingPruner):
    """Optuna's, but for attempts that failed: they do not compete.

    An interrupted or failed trial is trained again under the same seeds. If the first attempt kept
    its place beside the second, every interruption would make the search harsher, and a study
    that was resumed would differ from one that never stopped.
    """

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        """Tell whether the trial is to be ended after the last value that it reported."""
        return super().prune(_WithoutFailed(study), trial)  # type: ignore[arg-type]


class _WithoutFailed:
    """An Optuna study, as a pruner sees it, without its failed trials."""

    def __init__(self, study: optuna.Study) -> None:
        self._study = study

    def __getattr__(self, name: str) -> Any:
        return getattr(self._study, name)

    def get_trials(self, *arguments: Any, **options: Any) -> list[FrozenTrial]:
        trials = self._study.get_trials(*arguments, **options)
        return [trial for trial in trials if trial.state != TrialState.FAIL]
