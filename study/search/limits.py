"""What a trial may cost, and what a run of the search may."""

from __future__ import annotations

from dataclasses import dataclass

FLAT_TRIALS = 30
"""Ended trials over which a search has to find something better."""

FLAT_GAIN = 0.01
"""Validation F_med by which the best trial has to be better, after that many."""


@dataclass(frozen=True, kw_only=True)
class TrialLimits:
    """What one attempt at a trial may take; the driver ends those that take more."""

    seconds: float | None = None
    """Wall-clock time from the attempt's start."""
    memory_mb: int | None = None
    """Resident memory of its worker, in 10^6 bytes."""


@dataclass(frozen=True, kw_only=True)
class Budget:
    """When one run of the search ends."""

    trials: int
    """Planned trials of the study, in total."""
    seconds: float | None = None
    """Wall-clock time of this run."""
    stop_when_flat: bool = False
    """End when the last ``FLAT_TRIALS`` trials have hardly bettered the best."""
