"""The searched hyperparameters as axes, and the complete trials as points on them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, CategoricalDistribution

from study.report import words
from study.report.markup import plotly_text

Numbers = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Scale:
    """The axis of one hyperparameter."""

    name: str
    low: float
    high: float
    """Of its range, or of its trials where they go beyond; of choices, first and last place."""
    log: bool = False
    choices: tuple[str, ...] | None = None
    """As text, in the order of their places 0, 1, ..."""

    def unit(self, values: Numbers) -> Numbers:
        """Return the place of values on the axis, 0 to 1."""
        low, high = self.low, self.high
        if self.log:
            values, low, high = np.log(values), np.log(low), np.log(high)
        found: Numbers = (values - low) / (high - low)
        return found

    def write(self, value: float) -> str:
        """Write one value as plain text."""
        if self.choices is not None:
            return self.choices[round(value)]
        whole = abs(value) >= 100 or value == round(value)
        return words.quantity(round(value) if whole else float(value))


@dataclass(frozen=True, kw_only=True)
class Points:
    """The complete trials with a score, best first."""

    numbers: NDArray[np.int64]
    scores: Numbers
    scales: dict[str, Scale]
    """Of each hyperparameter that has two different values."""
    columns: dict[str, Numbers]
    """Per hyperparameter: the values, or the places of choices; NaN where there is none."""
    constant: list[str]
    """Hyperparameters with fewer than two different values."""


def points_of(trials: pd.DataFrame, space: Mapping[str, BaseDistribution]) -> Points:
    """Return the complete trials of ``trials_frame`` on the axes of a space."""
    done = trials[(trials["state"] == "complete") & np.isfinite(trials["validation_f_med"])]
    scales, columns, constant = {}, {}, []
    for name, distribution in space.items():
        column = done[name] if name in done else pd.Series([None] * len(done), dtype=object)
        found = _values(column, distribution)
        known = found[np.isfinite(found)]
        if len(np.unique(known)) < 2:
            constant.append(name)
            continue
        columns[name], scales[name] = found, _scale(name, distribution, known)
    return Points(
        numbers=done["number"].to_numpy(dtype=np.int64),
        scores=done["validation_f_med"].to_numpy(dtype=np.float64),
        scales=scales,
        columns=columns,
        constant=constant,
    )


def _values(column: pd.Series, distribution: BaseDistribution) -> Numbers:
    if isinstance(distribution, CategoricalDistribution):
        places = {choice: float(place) for place, choice in enumerate(distribution.choices)}
        return np.array([places.get(v, np.nan) for v in column.tolist()], dtype=np.float64)
    found = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    unusable = ~np.isfinite(found) | (bool(getattr(distribution, "log", False)) & (found <= 0))
    return np.where(unusable, np.nan, found)


def _scale(name: str, distribution: BaseDistribution, known: Numbers) -> Scale:
    if isinstance(distribution, CategoricalDistribution):
        choices = tuple(str(choice) for choice in distribution.choices)
        return Scale(name=name, low=0.0, high=len(choices) - 1.0, choices=choices)
    return Scale(
        name=name,
        low=min(float(distribution.low), float(known.min())),  # type: ignore[attr-defined]
        high=max(float(distribution.high), float(known.max())),  # type: ignore[attr-defined]
        log=bool(getattr(distribution, "log", False)),
    )


def thinned(amount: int, most: int, seed: int = 0) -> NDArray[np.intp]:
    """Return which of the trials to draw, in their order: all, or the best and others by lot."""
    if amount <= most:
        return np.arange(amount)
    others = np.random.default_rng(seed).choice(np.arange(1, amount), most - 1, replace=False)
    return np.concatenate([[0], np.sort(others)])


def axis_name(scale: Scale) -> str:
    """Return the title of an axis, escaped for plotly."""
    return plotly_text(words.label(scale.name))


def set_axis(figure: go.Figure, letter: str, scale: Scale) -> None:
    """Title and range the ``x`` or ``y`` axis of a figure."""
    update = figure.update_xaxes if letter == "x" else figure.update_yaxes
    update(title_text=axis_name(scale))
    if scale.choices is not None:
        texts = [plotly_text(text) for text in scale.choices]
        update(tickvals=list(range(len(texts))), ticktext=texts, range=[-0.5, scale.high + 0.5])
        return
    ends = np.array([scale.low, scale.high])
    ends = np.log10(ends) if scale.log else ends
    room = 0.04 * (ends[1] - ends[0])
    update(range=[float(ends[0] - room), float(ends[1] + room)], type="linear")
    if scale.log:
        ticks = _log_ticks(scale.low, scale.high)
        update(type="log", tickvals=ticks, ticktext=[f"{tick:g}" for tick in ticks])


def _log_ticks(low: float, high: float) -> list[float]:
    """Return powers of ten, and twice and five times these where there are few, in a range."""
    powers = [10.0**power for power in range(math.floor(math.log10(low)), 16) if 10**power <= high]
    steps = (1, 2, 5) if high / low < 60 else (1,)
    return [step * power for power in powers for step in steps if low <= step * power <= high]
