"""Pruners that a search needs in a form of its own."""

from __future__ import annotations

from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState


class SuccessiveHalving(optuna.pruners.SuccessiveHalvingPruner):
    """Optuna's, with an end to the rungs, and without attempts that failed among the competitors.

    Whoever has passed ``rungs`` rungs is trained to its end: otherwise one trial in a hundred would
    be, which is too few to compare networks of different size. None is Optuna's own rule.

    An interrupted or failed trial is trained again under the same seeds. If the first attempt kept
    its place beside the second, every interruption would make the search harsher, and a study
    that was resumed would differ from one that never stopped.
    """

    def __init__(self, *, rungs: int | None = None, **settings: Any) -> None:
        super().__init__(**settings)
        self._rungs = rungs

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        """Tell whether the trial is to be ended after the last value that it reported."""
        passed = sum(name.startswith("completed_rung_") for name in trial.system_attrs)
        if self._rungs is not None and passed >= self._rungs:
            return False
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
