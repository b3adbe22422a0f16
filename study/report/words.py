"""How figures and times are written for a reader: sensible digits, units, a dash for nothing."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from statistics import NormalDist
from typing import Any

from study.records import TrialRecord

DASH = "\N{EM DASH}"

HYPERPARAMETERS = {
    "filters": "Filters",
    "filter_size": "Filter size",
    "blocks": "Blocks",
    "padding": "Padding",
    "stride": "Stride",
    "pooling": "Pooling",
    "dense_width": "Dense width",
    "dense_layers": "Dense layers",
    "dropout": "Dropout",
    "batch_size": "Batch size",
    "optimizer": "Optimizer",
    "learning_rate": "Learning rate",
    "patience": "Patience",
}

SCORE_NAMES = {
    "f_med": "F_med",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
    "f1": "F1",
    "accuracy": "Accuracy",
    "loss": "Loss",
}


def label(name: str) -> str:
    """Return the heading of a hyperparameter, score or other field."""
    known = HYPERPARAMETERS | SCORE_NAMES
    return known.get(name) or name.replace("_", " ").capitalize()


def number(value: Any) -> float | None:
    """Return a finite number, or None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if math.isfinite(value) else None


def score(value: Any) -> str:
    """Write a score with three decimals."""
    found = number(value)
    return DASH if found is None else f"{found:.3f}"


def count(value: Any) -> str:
    """Write a count with thousands separators."""
    found = number(value)
    return DASH if found is None else f"{found:,.0f}"


def quantity(value: Any) -> str:
    """Write any other value: integers in full, other numbers with two significant digits."""
    found = number(value)
    if found is None:
        return DASH if value is None or isinstance(value, float) else str(value)
    return f"{found:,}" if isinstance(found, int) else f"{found:.2g}"


def plural(amount: int, noun: str, many: str | None = None) -> str:
    """Write an amount and its noun: ``1 image``, ``25 images``."""
    return f"{amount:,} {noun if amount == 1 else many or noun + 's'}"


def duration(seconds: Any) -> str:
    """Write a duration with its two largest units."""
    found = number(seconds)
    if found is None:
        return DASH
    if found < 60:
        return f"{found:.0f} s"
    minutes, rest = divmod(round(found), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes:02d} min"
    return f"{hours // 24} d {hours % 24} h"


def moment(text: Any) -> str:
    """Write an ISO 8601 time to the minute, in UTC; anything else as it is."""
    if not text:
        return DASH
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return str(text)
    found = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    return found.strftime("%Y-%m-%d %H:%M UTC")


def interval(bounds: Any) -> tuple[float, float] | None:
    """Return the ends of an interval given as ``[low, high]`` or ``{"low", "high"}``."""
    if isinstance(bounds, dict):
        bounds = [bounds.get("low"), bounds.get("high")]
    if not isinstance(bounds, list | tuple) or len(bounds) != 2:
        return None
    low, high = number(bounds[0]), number(bounds[1])
    return None if low is None or high is None else (low, high)


def diagnosis_words(trial: TrialRecord) -> str:
    """Return what a trial was diagnosed as, each fault with its verdict; empty when it was not.

    Like ``bias (clear), variance (likely)``, or ``balanced``.
    """
    found = trial.diagnosis or {}
    faults = [
        f"{name} ({part['verdict']})"
        for name in ("bias", "variance")
        if isinstance(part := found.get(name), dict) and part.get("verdict") in ("clear", "likely")
    ]
    return ", ".join(faults) or str(found.get("kind") or "")


def best_epoch(trial: TrialRecord) -> str:
    """Write the best epoch and how many there were."""
    if trial.best_epoch is None:
        return DASH
    return f"{count(trial.best_epoch)} of {count(trial.epochs)}"


def times(amount: int) -> str:
    """Write how often: ``once``, ``3 times``."""
    return "once" if amount == 1 else f"{amount:,} times"


def best_of(trials: int) -> float:
    """Return the expected best of that many equal scores, in standard deviations of their noise.

    Blom's approximation (1958) of the largest of K normal values: 1.55 at 10, 2.50 at 100.
    """
    if trials < 2:
        return 0.0
    return NormalDist().inv_cdf((trials - 0.375) / (trials + 0.25))
