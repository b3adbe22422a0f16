"""The attempts at the planned trials of a study, and what they come to."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from study.records import TrialRecord

ERRORS_ALLOWED = 1
"""A trial that fails is tried once more, unless it would only fail again."""

ENDED = ("complete", "pruned", "failed")
"""States in which a planned trial stays."""

FAILURES = ("error", "diverged")
"""How an attempt may end by itself without a result; one that ``diverged`` would do so again."""

TURNED_DOWN = ("infeasible", "duplicate")
"""Marks of suggestions that were replaced; they are no trials."""

BUNDLES = ("plan", "result")
"""Attributes that hold several: what is known before the first epoch, and after the last."""


class Attempts:
    """Every attempt of a ledger by its planned trial, brought up to date by :meth:`update`.

    Attempts that have ended never change, so only running and new ones are looked at again.
    Suggestions that were turned down and attempts that gave way to another are counted apart.
    """

    def __init__(self) -> None:
        self.running: list[FrozenTrial] = []
        """In the order of their numbers; some may not have said which trial they want."""
        self.turned_down = {mark: Counter[int]() for mark in TURNED_DOWN}
        """Mark, then ordinal, then how many."""
        self._of: defaultdict[int, list[FrozenTrial]] = defaultdict(list)
        self._filed: set[int] = set()
        self._states: dict[int, str] = {}
        self._records: dict[int, TrialRecord] = {}

    def update(self, trials: Iterable[FrozenTrial]) -> None:
        """Take in all trials of an Optuna study as they stand now, in the order of numbers."""
        changed = {t.user_attrs["ordinal"] for t in self.running if "ordinal" in t.user_attrs}
        for ordinal in changed:
            self._of[ordinal] = [t for t in self._of[ordinal] if t.number in self._filed]
        fresh = [trial for trial in trials if trial.number not in self._filed]
        self.running = [trial for trial in fresh if trial.state == TrialState.RUNNING]
        for trial in fresh:
            ended = trial.state.is_finished()
            if ended:
                self._filed.add(trial.number)
            ordinal = trial.user_attrs.get("ordinal")
            mark = next((mark for mark in TURNED_DOWN if trial.user_attrs.get(mark)), None)
            if ordinal is None or trial.user_attrs.get("ended_by") == "conflict":
                continue
            if mark is None:
                self._of[ordinal].append(trial)
                changed.add(ordinal)
            elif ended:
                self.turned_down[mark][ordinal] += 1
        for ordinal in changed:
            self._of[ordinal].sort(key=lambda trial: trial.number)
            self._states.pop(ordinal, None)
            self._records.pop(ordinal, None)
            if not self._of[ordinal]:
                del self._of[ordinal]

    def by_ordinal(self) -> dict[int, list[FrozenTrial]]:
        """Return the attempts at each planned trial, oldest first."""
        return dict(self._of)

    def of(self, ordinal: int) -> list[FrozenTrial]:
        """Return the attempts at one planned trial, oldest first."""
        return self._of.get(ordinal, [])

    def of_worker(self, worker: str) -> list[FrozenTrial]:
        """Return the running attempts of one worker."""
        return [trial for trial in self.running if trial.user_attrs.get("worker") == worker]

    def state(self, ordinal: int) -> str | None:
        """Return the state of a planned trial; None before its first attempt."""
        if ordinal not in self._states and ordinal in self._of:
            self._states[ordinal] = state_of(self._of[ordinal])
        return self._states.get(ordinal)

    def open_ordinals(self, ordinals: Iterable[int]) -> list[int]:
        """Return those of the ordinals that have not ended and that nobody trains."""
        taken = (*ENDED, "running")
        return [k for k in ordinals if self.state(k) not in taken]

    def unfinished(self, ordinals: Iterable[int]) -> int:
        """Return how many of the ordinals have not ended, trained just now or not."""
        return sum(self.state(k) not in ENDED for k in ordinals)

    def records(self) -> list[TrialRecord]:
        """Return the planned trials that were begun, in the order of their numbers."""
        for ordinal in self._of.keys() - self._records.keys():
            self._records[ordinal] = record_of(ordinal, self._of[ordinal])
        return [self._records[ordinal] for ordinal in sorted(self._of)]


def state_of(attempts: list[FrozenTrial]) -> str:
    """Return the state of a planned trial from its attempts, oldest first."""
    if any(trial.state == TrialState.COMPLETE for trial in attempts):
        return "complete"
    if any(trial.state == TrialState.RUNNING for trial in attempts):
        return "running"
    if attempts[-1].state == TrialState.PRUNED:
        return "pruned"
    ends = [trial.user_attrs.get("ended_by") for trial in attempts]
    over = "diverged" in ends or ends.count("error") > ERRORS_ALLOWED
    return "failed" if over else "interrupted"


def record_of(ordinal: int, attempts: list[FrozenTrial]) -> TrialRecord:
    """Return a planned trial as it stands, from its attempts, oldest first."""
    state = state_of(attempts)
    counting = {"complete": TrialState.COMPLETE, "running": TrialState.RUNNING}.get(state)
    trial = next((t for t in attempts if t.state == counting), attempts[-1])
    own = attributes_of(trial)
    scores = own.get("scores", {})
    return TrialRecord(
        number=ordinal,
        state=state,
        params=own.get("params", trial.params),
        variant=own.get("variant", {}),
        ledger_number=trial.number,
        attempts=len(attempts),
        validation_f_med=scores.get("validation_f_med"),
        validation_f_med_plain=scores.get("validation_plain_f_med"),
        train_f_med=scores.get("train_f_med"),
        scores=scores,
        epochs=own.get("epochs", len(trial.intermediate_values)),
        progress=[trial.intermediate_values[k] for k in sorted(trial.intermediate_values)],
        cause=_cause(trial, attempts),
        **{
            key: own.get(key)
            for key in (
                "seed",
                "parameters",
                "macs",
                "validation_f_med_smooth",
                "best_epoch",
                "stopped_by",
                "seconds",
                "started",
                "ended",
                "worker",
                "diagnosis",
                "label",
            )
        },
    )


def attributes_of(trial: FrozenTrial) -> dict[str, Any]:
    """Return the attributes of one attempt, with those that were written in one go unpacked.

    A worker writes what it plans and what came of it as one attribute each (``BUNDLES``): every
    attribute is a transaction. Older ledgers have them one by one.
    """
    own = trial.user_attrs
    found: dict[str, Any] = {}
    for bundle in BUNDLES:
        found.update(own.get(bundle, {}))
    return {**found, **own}


def _cause(counting: FrozenTrial, attempts: list[FrozenTrial]) -> str | None:
    """Return why the attempt that counts failed, and why an earlier one did."""
    own: str | None = counting.user_attrs.get("cause")
    for trial in attempts:
        earlier = trial.user_attrs.get("cause")
        failed = trial.user_attrs.get("ended_by") in FAILURES
        if failed and earlier and trial.number < counting.number and earlier != own:
            return (
                f"first attempt: {earlier}" if own is None else f"{own} (first attempt: {earlier})"
            )
    return own
