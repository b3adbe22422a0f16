"""F_med against capacity: evidence -> info -> figure, and what figures of capacity share."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from study.report import words
from study.report.marks import add_selection, callouts, marker_size
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

MOST_POINTS = 2_000
"""Most points of a figure; a trial with train and validation F_med is two."""


@dataclass(frozen=True, kw_only=True)
class CapacityInfo:
    """Train and validation F_med of the trials against one measure of capacity."""

    measure: str
    """``parameters`` or ``macs``."""
    complete: pd.DataFrame
    """``number``, ``capacity``, ``validation_f_med``, ``train_f_med`` (or missing)."""
    pruned: pd.DataFrame
    trend: CapacityTrend | None
    reason: str | None
    """Why there is no trend."""
    zones: list[Zone]
    target: float
    callouts: dict[int, str]


def capacity_info(evidence: Evidence, measure: str) -> CapacityInfo:
    """Return the trials whose capacity and score are known, and the trend of the complete ones."""
    complete = known_trials(evidence, "complete", measure)
    both = complete[np.isfinite(complete["train_f_med"])]
    values = (both[name].to_numpy() for name in ("capacity", "train_f_med", "validation_f_med"))
    trend = capacity_trend(*values)
    target = evidence.record.protocol.target_f_med
    return CapacityInfo(
        measure=measure,
        complete=complete,
        pruned=known_trials(evidence, "pruned", measure),
        trend=trend,
        reason=_reason(evidence, both["capacity"].to_numpy()),
        zones=zones(trend, target) if trend else [],
        target=target,
        callouts=callouts(evidence.record),
    )


def _reason(evidence: Evidence, capacity: Floats) -> str | None:
    """Return why there is no trend, also where complete trials are not known in full."""
    complete = int((evidence.trials["state"] == "complete").sum())
    if len(capacity) < min(complete, FEW_TRIALS):
        return (
            f"both scores and the capacity are known of {len(capacity) or 'none'} of "
            f"{words.plural(complete, 'complete trial')}, and a trend needs {FEW_TRIALS}"
        )
    return too_little(capacity)


def known_trials(evidence: Evidence, state: str, measure: str, *also: str) -> pd.DataFrame:
    """Return the trials of a state whose capacity, score and other columns are finite numbers."""
    frame = evidence.trials[evidence.trials["state"] == state]
    frame = frame.assign(capacity=frame[measure].astype("float64"))
    needed = frame[["capacity", "validation_f_med", *also]].to_numpy(dtype=np.float64)
    return frame[np.isfinite(needed).all(axis=1) & (frame["capacity"] > 0).to_numpy()]


def thinned(frame: pd.DataFrame, most: int, keep: set[int]) -> pd.DataFrame:
    """Return at most that many trials, evenly through the ranking, and those that must be kept."""
    if len(frame) <= most:
        return frame
    kept = frame["number"].isin(keep).to_numpy().copy()
    others = np.flatnonzero(~kept)
    room = max(most - int(kept.sum()), 0)
    kept[others[np.linspace(0, len(others) - 1, room).round().astype(int)]] = True
    return frame[kept]


def capacity_figure(info: CapacityInfo) -> go.Figure:
    """Draw the points, the trends with their bands and the zones; capacity is logarithmic."""
    figure = go.Figure(layout=layout())
    keep = set(info.callouts)
    pruned = thinned(info.pruned, MOST_POINTS // 5, keep)
    complete = thinned(info.complete, (MOST_POINTS - len(pruned)) // 2, keep)
    figure.update_layout(legend=LEGEND, showlegend=True, hovermode="closest", margin={"l": 52})
    for name, color, symbol in (
        ("validation", VALIDATION, "circle"),
        ("train", TRAIN, "triangle-up"),
    ):
        points = complete[np.isfinite(complete[f"{name}_f_med"])]
        add_points(figure, points, f"{name}_f_med", name, info.measure, color, symbol)
    if len(pruned):
        add_points(figure, pruned, "validation_f_med", "pruned", info.measure, SOFT, "circle-open")
    if info.trend:
        _add_trend(figure, info.trend.capacity, info.trend.train, TRAIN, "train")
        _add_trend(figure, info.trend.capacity, info.trend.validation, VALIDATION, "validation")
    for zone in info.zones:
        _add_zone(figure, zone, info.trend)
    figure.add_hline(
        y=info.target,
        line={"color": AXIS, "width": 1, "dash": "dot"},
        annotation={"text": f"target {info.target:.2f}", "font": {"size": 11, "color": INK}},
        annotation_position="top left",
    )
    add_callouts(figure, complete, info.callouts)
    add_selection(figure, symbol="circle-open", size=17)
    shown = pd.concat([complete, pruned])
    scores = shown[["validation_f_med", "train_f_med"]].to_numpy().ravel()
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


def _add_trend(figure: go.Figure, x: Any, band: Band, color: str, name: str) -> None:
    there, back = x.tolist(), x[::-1].tolist()
    shared = {"legendgroup": name, "showlegend": False, "hoverinfo": "skip", "mode": "lines"}
    figure.add_scatter(
        x=there + back,
        y=band.low.tolist() + band.high[::-1].tolist(),
        fill="toself",
        fillcolor=TRAIN_BAND if name == "train" else VALIDATION_BAND,
        line={"width": 0, "color": color},
        **shared,
    )
    dash = "dash" if name == "train" else "solid"
    figure.add_scatter(
        x=there,
        y=band.value.tolist(),
        line={"width": 2.5, "color": color, "dash": dash},
        name=f"{name}, smoothed",
        **shared,
    )


def _add_zone(figure: go.Figure, zone: Zone, trend: CapacityTrend | None) -> None:
    """Shade a zone and name it: bias at the foot, variance at the head of the figure."""
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
    """Name the trials at their validation F_med: the reference below, any other above."""
    for row in points[points["number"].isin(set(names))].itertuples():
        name = names[int(row.number)]
        add_callout(figure, row.capacity, row.validation_f_med, name, name != "reference")


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
