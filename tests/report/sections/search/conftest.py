"""Trials of a search, made from the scores of their epochs, and what a page draws on."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from study.records import StudyRecord, TrialRecord
from study.report.frames import trials_frame
from study.report.section import Evidence
from study.variant import Variant
from study.workspace import StudyFolder

BEGAN = datetime(2026, 11, 23, 8, tzinfo=UTC)


def clock(seconds: float | None) -> str | None:
    """Return a moment that many seconds after the search began."""
    return None if seconds is None else (BEGAN + timedelta(seconds=seconds)).isoformat()


def make_trial(
    number: int,
    state: str = "complete",
    progress: list[float] | None = None,
    *,
    start: float | None = 0,
    end: float | None = 60,
    **changes: Any,
) -> TrialRecord:
    """Return a trial with these scores of its epochs; every variant is another one."""
    progress = [0.5] if progress is None else progress
    known = [value for value in progress if math.isfinite(value)]
    scored = state in ("complete", "pruned") and known
    variant = Variant(filters=1 + number % 1000, dense_width=1 + number // 1000, patience=10)
    values: dict[str, Any] = {
        "params": {},
        "variant": variant.as_dict(),
        "ledger_number": number,
        "validation_f_med": max(known) if scored else None,
        "train_f_med": 0.6 if scored else None,
        "best_epoch": progress.index(max(known)) + 1 if scored else None,
        "epochs": len(progress),
        "progress": progress,
        "started": clock(start),
        "ended": None if state == "running" else clock(end),
        "seconds": None if start is None or end is None else float(end - start),
        "worker": "host:1",
    }
    return TrialRecord(number=number, state=state, **{**values, **changes})


@pytest.fixture(scope="session")
def make() -> Callable[..., TrialRecord]:
    """Return ``make_trial``."""
    return make_trial


@pytest.fixture(scope="session")
def evidence(record: StudyRecord) -> Callable[..., Evidence]:
    """Return what a page draws on for a finished study of these trials, without artifacts."""

    def show(trials: list[TrialRecord], **changes: Any) -> Evidence:
        found = replace(record, **{"trials": trials, "requested": len(trials), **changes})
        folder = StudyFolder(Path("/nowhere"))
        return Evidence(record=found, trials=trials_frame(found), folder=folder)

    return show


@pytest.fixture(scope="session")
def halving() -> dict[str, Any]:
    """Return the settings of a pruner that compares the trials at epochs 2 and 6."""
    return {
        "name": "halving",
        "min_resource": 2,
        "reduction_factor": 3,
        "min_early_stopping_rate": 0,
        "rungs": 2,
    }
