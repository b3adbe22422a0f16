"""F_med against capacity: evidence -> info -> figure, and what figures of capacity share."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from study.report import words
from study.report.cautions import FEW_TRIALS as FEW_FOR_ZONES
from study.report.marks import SEARCH_BEST, add_selection, callouts, marker_size
from study.report.markup import plotly_text
from study.report.section import Evidence
from study.report.sections.complexity.trend import (
    FEW_TRIALS,
    Band,
    CapacityTrend,
    Floats,
    Zone,
    capacity_trend,
    too_little,
    zones,
)
from study.report.sections.complexity.trials import by_learning, known_trials, thinned
from study.report.style import (
    AXIS,
    CALLOUT,
    INK,
    LEGEND,
    SOFT,
    SURFACE,
    TRAIN,
    TRAIN_BAND,
    VALIDATION,
    VALIDATION_BAND,
    ZONE,
    layout,
)

MEASURES = {"parameters": "Trainable parameters", "macs": "Multiply-accumulates"}
UNITS = {"parameters": "parameters", "macs": "multiply-accumulates"}

HIGHEST_TRAIN = "train, highest of the run"
TRAIN_AT_BEST = "train at the best validation epoch, smoothed"
"""Names in the legend: bias is judged from the first; the second less validation is the gap."""

MOST_POINTS = 2_000
"""Most points of a figure; a trial with train and validation F_med is two."""


@dataclass(frozen=True, kw_only=True)
class CapacityInfo:
    """Train and validation F_med of the trials against one measure of capacity."""

    measure: str
    """``parameters`` or ``macs``."""
    complete: pd.DataFrame
    """``number``, ``capacity``, ``validation_f_med``, ``highest_train_f_med`` (or missing)."""
    never_learned: pd.DataFrame
    """Complete trials like these, of networks that never learned."""
    pruned: pd.DataFrame
    trend: CapacityTrend | None
    reason: str | None
    """Why there is no trend."""
    zones: list[Zone]
    """None where the trend has so few trials that differences are mostly noise."""
    target: float
    callouts: dict[int, str]


@lru_cache(maxsize=len(MEASURES))
def capacity_info(evidence: Evidence, measure: str) -> CapacityInfo:
    """Return the trials whose capacity and score are known, and the trend of the complete ones."""
    complete, never = by_learning(known_trials(evidence, "complete", measure))
    both = complete[np.isfinite(complete["train_f_med"])]
    scores = ("highest_train_f_med", "train_f_med", "validation_f_med")
    trend = capacity_trend(*(both[name].to_numpy() for name in ("capacity", *scores)))
    target = evidence.record.protocol.target_f_med
    return CapacityInfo(
        measure=measure,
        complete=complete,
        never_learned=never,
        pruned=known_trials(evidence, "pruned", measure),
        trend=trend,
        reason=_reason(evidence, both["capacity"].to_numpy(), len(never)),
        zones=zones(trend, target) if trend and trend.fitted >= FEW_FOR_ZONES else [],
        target=target,
        callouts=callouts(evidence.record),
    )


def _reason(evidence: Evidence, capacity: Floats, never: int) -> str | None:
    """Return why there is no trend, also where complete trials are not known in full."""
    complete = int((evidence.trials["state"] == "complete").sum())
    if never and complete - never < FEW_TRIALS:
        trials = words.plural(complete, "complete trial")
        learned = words.count(complete - never) if complete > never else "none"
        return f"of {trials} {learned} learned anything, and a trend needs {FEW_TRIALS}"
    complete -= never
    if len(capacity) < min(complete, FEW_TRIALS):
        return (
            f"both scores and the capacity are known of {len(capacity) or 'none'} of "
            f"{words.plural(complete, 'complete trial')}"
            f"{' that learned' if never else ''}, and a trend needs {FEW_TRIALS}"
        )
    return too_little(capacity)


def capacity_figure(info: CapacityInfo) -> go.Figure:
    """Draw the points, the trends with their bands and the zones; capacity is logarithmic."""
    figure = go.Figure(layout=layout())
    keep = set(info.callouts)
    pruned = thinned(info.pruned, MOST_POINTS // 5, keep)
    never = thinned(info.never_learned, MOST_POINTS // 5, keep)
    complete = thinned(info.complete, (MOST_POINTS - len(pruned) - len(never)) // 2, keep)
    figure.update_layout(legend=LEGEND, showlegend=True, hovermode="closest", margin={"l": 52})
    for column, name, color, symbol in (
        ("validation_f_med", "validation", VALIDATION, "circle"),
        ("highest_train_f_med", HIGHEST_TRAIN, TRAIN, "triangle-up"),
    ):
        points = complete[np.isfinite(complete[column])]
        add_points(figure, points, column, name, info.measure, color, symbol)
    if len(pruned):
        add_points(figure, pruned, "validation_f_med", "pruned", info.measure, SOFT, "circle-open")
    add_never_learned(figure, never, info.measure)
    if info.trend:
        _add_trends(figure, info.trend)
    for zone in info.zones:
        same = [other.width for other in info.zones if other.kind == zone.kind]
        _add_zone(figure, zone, info.trend, named=zone.width == max(same))
    figure.add_hline(
        y=info.target,
        line={"color": AXIS, "width": 1, "dash": "dot"},
        annotation={"text": f"target {info.target:.2f}", "font": {"size": 11, "color": INK}},
        annotation_position="top left",
    )
    add_callouts(figure, pd.concat([complete, never]), info.callouts)
    add_selection(figure, symbol="circle-open", size=17)
    shown = pd.concat([complete, never, pruned])
    scores = shown[["validation_f_med", "highest_train_f_med"]].to_numpy().ravel()
    set_axes(figure, shown["capacity"], scores[np.isfinite(scores)], info.measure)
    figure.update_yaxes(title_text="F_med, augmented")
    return figure


def add_points(
    figure: go.Figure,
    points: pd.DataFrame,
    column: str,
    name: str,
    measure: str,
    color: str,
    symbol: str,
) -> None:
    """Add the trials' ``column`` over their capacity, each point with its number."""
    figure.add_scatter(
        x=points["capacity"].tolist(),
        y=points[column].tolist(),
        customdata=points["number"].tolist(),
        name=name,
        legendgroup=name,
        mode="markers",
        marker={
            "symbol": symbol,
            "size": marker_size(len(points), 8),
            "color": color,
            "opacity": 0.75,
            "line": {"width": 1, "color": color if symbol.endswith("open") else SURFACE},
        },
        hovertemplate="<b>Trial %{customdata}</b><br>"
        f"{name} F_med %{{y:.3f}}<br>%{{x:,.0f}} {UNITS[measure]}<extra></extra>",
    )


def add_never_learned(figure: go.Figure, trials: pd.DataFrame, measure: str) -> None:
    """Add open marks for networks that never learned, at their capacity and validation F_med."""
    if len(trials):
        column, name = "validation_f_med", "never learned"
        add_points(figure, trials, column, name, measure, AXIS, "square-open")


def _add_trends(figure: go.Figure, trend: CapacityTrend) -> None:
    """Draw the lines, thin where zones are not supported; the one that sets the gap is dotted."""
    width = 2.5 if trend.fitted >= FEW_FOR_ZONES else 1.0
    line: dict[str, Any]
    for name, band, line, fill in (
        (HIGHEST_TRAIN, trend.highest_train, {"color": TRAIN, "dash": "dash"}, TRAIN_BAND),
        ("validation", trend.validation, {"color": VALIDATION, "dash": "solid"}, VALIDATION_BAND),
    ):
        _add_band(figure, trend.capacity, band, fill, name)
        _add_line(figure, trend.capacity, band, {**line, "width": width}, f"{name}, smoothed")
        figure.data[-1].update(legendgroup=name, showlegend=False)
    line = {"color": TRAIN, "dash": "dot", "width": min(width, 1.5)}
    _add_line(figure, trend.capacity, trend.train, line, TRAIN_AT_BEST)


def _add_band(figure: go.Figure, x: Floats, band: Band, color: str, name: str) -> None:
    figure.add_scatter(
        x=x.tolist() + x[::-1].tolist(),
        y=band.low.tolist() + band.high[::-1].tolist(),
        mode="lines",
        fill="toself",
        fillcolor=color,
        line={"width": 0},
        legendgroup=name,
        showlegend=False,
        hoverinfo="skip",
    )


def _add_line(figure: go.Figure, x: Floats, band: Band, line: dict[str, Any], name: str) -> None:
    values = band.value.tolist()
    figure.add_scatter(x=x.tolist(), y=values, mode="lines", line=line, name=name, hoverinfo="skip")


def _add_zone(figure: go.Figure, zone: Zone, trend: CapacityTrend | None, *, named: bool) -> None:
    """Shade a zone and name the widest: bias at the foot, variance at the head of the figure."""
    foot = zone.kind == "bias"
    figure.add_shape(
        type="rect",
        x0=zone.low,
        x1=zone.high,
        y0=0,
        y1=1,
        yref="paper",
        fillcolor=ZONE,
        line={"width": 0},
        layer="below",
    )
    if not named:
        return
    ends = (trend.capacity[0], trend.capacity[-1]) if trend else (zone.low, zone.high)
    side = "center"
    if (zone.low <= ends[0]) != (zone.high >= ends[1]):
        side = "left" if zone.low <= ends[0] else "right"
    place = {"left": zone.low, "right": zone.high, "center": math.sqrt(zone.low * zone.high)}
    figure.add_annotation(
        x=math.log10(place[side]),
        xanchor=side,
        y=0.01 if foot else 0.99,
        yref="paper",
        yanchor="bottom" if foot else "top",
        text=f"{zone.kind} zone" + ("" if zone.beyond_noise else " (partly noise)"),
        showarrow=False,
        font={"size": 12, "color": INK},
    )


def add_callouts(figure: go.Figure, points: pd.DataFrame, names: dict[int, str]) -> None:
    """Name the trials at their validation F_med: one that is the best of something above."""
    two = SEARCH_BEST in names.values()
    for row in points[points["number"].isin(set(names))].itertuples():
        name = names[int(row.number)]
        above = SEARCH_BEST in name if two else name != "reference"
        add_callout(figure, row.capacity, row.validation_f_med, name, above)


def add_callout(
    figure: go.Figure, capacity: float, score: float, name: str, above: bool, aside: int = 0
) -> None:
    """Name one point, ``aside`` pixels to its right."""
    figure.add_annotation(
        x=math.log10(capacity),  # plotly's way on a logarithmic axis
        y=score,
        text=plotly_text(name),
        ay=-26 if above else 30,
        ax=aside,
        **CALLOUT,
    )


def set_axes(figure: go.Figure, capacity: pd.Series, scores: Any, measure: str) -> None:
    """Give both axes room around the points, and a sensible range where there is only one."""
    sizes = np.log10(capacity.to_numpy(dtype=np.float64))
    low, high = (float(sizes.min()), float(sizes.max())) if len(sizes) else (4.0, 4.0)
    span = max(high - low + 0.3, 1.2)
    ends = [(high + low - span) / 2, (high + low + span) / 2]
    few = {"dtick": 1, "minor": {"ticks": "outside", "ticklen": 3, "showgrid": False}}
    ticks = log_ticks(10 ** ends[0], 10 ** ends[1]) if span < 1.8 else few
    figure.update_xaxes(
        type="log", title_text=MEASURES[measure], range=ends, tickformat="~s", **ticks
    )
    least, most = (float(scores.min()), float(scores.max())) if len(scores) else (0.4, 0.6)
    tall = max(most - least, 0.2)
    figure.update_yaxes(range=[least - 0.2 * tall, most + 0.32 * tall])


def log_ticks(low: float, high: float) -> dict[str, Any]:
    """Return the labels of a logarithmic axis at 1, 2, 5, 10 and so on; none for a wide one."""
    if high / low > 1_000:
        return {}
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    labels = [step * 10.0**power for power in powers for step in (1, 2, 5)]
    return {"tickmode": "array", "tickvals": [value for value in labels if low <= value <= high]}
