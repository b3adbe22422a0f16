"""The gap map: where in the plane of two hyperparameters validation falls behind training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from study.report import words
from study.report.marks import add_selection, marker_size
from study.report.markup import Markup, plotly_text
from study.report.section import Evidence, chart
from study.report.sections.complexity.figures import (
    MOST_POINTS,
    log_ticks,
)
from study.report.sections.complexity.trend import FEW_TRIALS
from study.report.sections.complexity.trials import (
    by_learning,
    known_trials,
    never_learned_words,
    thinned,
)
from study.report.style import AXIS, color_scale, layout
from study.training.diagnosis import GAP


@dataclass(frozen=True, kw_only=True)
class GapMapInfo:
    """The trials in the plane of the two searched hyperparameters that set most of the capacity."""

    names: tuple[str, str]
    correlations: tuple[float, float]
    """Rank correlation of each with the trainable parameters."""
    trials: pd.DataFrame
    """``gap``, ``validation_f_med``, and a column for each of the two names."""
    never_learned: int
    """Networks that are left out: train and validation F_med of 0 make no gap, but no merit."""


def gap_map_info(evidence: Evidence) -> GapMapInfo | str:
    """Return the map of the gap, or the reason why there is none."""
    trials, dead = by_learning(known_trials(evidence, "complete", "parameters", "gap"))
    also = f" {_left_out(len(dead))}" if len(dead) else ""
    if len(trials) < FEW_TRIALS:
        found = words.plural(len(trials), "complete trial has", "complete trials have")
        return f"No gap map: {found} a gap, and the map needs {FEW_TRIALS}.{also}"
    searched = dict.fromkeys(name for trial in evidence.record.trials for name in trial.params)
    ranks = rank_correlations(trials, [name for name in searched if name in trials])
    if len(ranks) < 2:
        return (
            "No gap map: it needs two numeric hyperparameters that the search varied, in networks "
            f"of different size; there {'is 1' if ranks else 'are none'}.{also}"
        )
    first, second = list(ranks)[:2]
    return GapMapInfo(
        names=(first, second),
        correlations=(ranks[first], ranks[second]),
        trials=trials,
        never_learned=len(dead),
    )


def _left_out(networks: int) -> str:
    return f"{never_learned_words(networks, 'in the map')}."


def gap_map_figure(info: GapMapInfo) -> go.Figure:
    """Draw a mark a trial: colour for the gap, size for validation F_med."""
    figure = go.Figure(layout=layout())
    trials = thinned(info.trials, MOST_POINTS, {0})
    columns = [trials[name].astype("float64") for name in info.names]
    titles = [plotly_text(words.label(name)) for name in info.names]
    score, gap = trials["validation_f_med"], trials["gap"]
    share = (score - score.min()) / max(float(score.max() - score.min()), 1e-9)
    figure.add_scatter(
        x=columns[0].tolist(),
        y=columns[1].tolist(),
        customdata=trials["number"].tolist(),
        text=[f"{value:.3f}" for value in score],
        mode="markers",
        marker={
            "size": (marker_size(len(trials), 8) + 10 * share).tolist(),
            "color": gap.tolist(),
            "cmin": float(gap.min()),
            "cmax": max(float(gap.max()), float(gap.min()) + GAP),
            "colorscale": color_scale(),
            "colorbar": _COLOR_BAR,
            "line": {"width": 1, "color": AXIS},
        },
        hovertemplate="<b>Trial %{customdata}</b><br>gap %{marker.color:.3f}<br>"
        f"validation F_med %{{text}}<br>{titles[0]} %{{x}}, {titles[1]} %{{y}}<extra></extra>",
    )
    add_selection(figure, symbol="circle-open", size=22)
    figure.update_xaxes(title_text=titles[0], title_standoff=20, **_scale(columns[0]))
    figure.update_yaxes(title_text=titles[1], automargin=True, **_scale(columns[1]))
    figure.update_layout(hovermode="closest", margin={"l": 60, "t": 12})
    return figure


_COLOR_BAR = {
    "title": {"text": "Gap: train less validation F_med", "side": "top", "font": {"size": 12}},
    "orientation": "h",
    "x": 0,
    "xanchor": "left",
    "y": 1.02,
    "yanchor": "bottom",
    "ypad": 2,
    "len": 0.6,
    "thickness": 10,
    "outlinewidth": 0,
    "tickcolor": AXIS,
}


def _scale(values: pd.Series) -> dict[str, Any]:
    """Return a logarithmic axis for values that span a factor of eight, else a linear one."""
    low, high = float(values.min()), float(values.max())
    if low <= 0 or high / low < 8:
        return {}
    return {"type": "log", "tickformat": "~g", "dtick": 1, **log_ticks(low / 1.5, high * 1.5)}


def rank_correlations(frame: pd.DataFrame, names: list[str]) -> dict[str, float]:
    """Return each number's rank correlation with the parameters, strongest first (Spearman 1904).

    Columns that are not numbers throughout, or always the same, are left out.
    """
    size = frame["parameters"].rank()
    found = {}
    for name in names:
        if all(words.number(value) is not None for value in frame[name]):
            ranks = frame[name].astype("float64").rank()
            if ranks.std() > 0 and size.std() > 0:
                found[name] = float(np.corrcoef(ranks, size)[0, 1])
    return dict(sorted(found.items(), key=lambda item: -abs(item[1])))


def gap_map_chart(info: GapMapInfo) -> Markup:
    """Return the place of the figure, with how to read it."""
    names = " and ".join(words.label(name) for name in info.names)
    ranks = " and ".join(f"{value:+.2f}" for value in info.correlations)
    note = (
        "Colour: the gap, as on the scale. Larger: a higher validation F_med. "
        f"{names} are the two searched numbers that go most with the parameters "
        f"(rank correlation {ranks})."
    )
    if info.never_learned:
        note += f" {_left_out(info.never_learned)}"
    if len(info.trials) > MOST_POINTS:
        note += f" {words.count(MOST_POINTS)} of {words.count(len(info.trials))} trials are drawn."
    return chart(
        "gap-map",
        f"Gap map: train less validation F_med over {names}",
        f"Trials by {names}; colour is the gap, size the validation F_med",
        note=note,
    )
