"""The score over one hyperparameter (slices) and over two of them (contours).

Drawn by hand: Optuna's contours join trials across regions where there are none, its slices have
no middle, and neither escapes a name.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from study.report.marks import add_selection
from study.report.markup import plotly_text
from study.report.sections.hyperparameters.scales import (
    Numbers,
    Points,
    Scale,
    axis_name,
    set_axis,
    thinned,
)
from study.report.style import INK, SURFACE, VALIDATION, VALIDATION_BAND, color_scale, layout

GRID = 36
"""Cells of a contour's map along each side."""


@dataclass(frozen=True, kw_only=True)
class SliceInfo:
    """One hyperparameter against the score, and the middle of the score along it."""

    scale: Scale
    numbers: list[int]
    x: Numbers
    y: Numbers
    centres: Numbers
    """Median value of each bin, or the places of choices."""
    median: Numbers
    low: Numbers
    high: Numbers
    """Quartiles of the score in each bin."""
    span: tuple[float, float]
    """Range of the scores' axis, the same for all slices."""
    complete: int


def slice_info(points: Points, name: str, *, most: int) -> SliceInfo:
    """Return a slice; the bins hold equally many of all trials, at least five of them."""
    x, y, scale = points.columns[name], points.scores, points.scales[name]
    known = np.flatnonzero(np.isfinite(x))
    if scale.choices is None:
        amount = min(max(len(known) // 10, 3), 12)
        order = known[np.argsort(x[known], kind="stable")]
        bins = [part for part in np.array_split(order, amount) if len(part)]
    else:
        bins = [known[x[known] == place] for place in np.unique(x[known])]
    quartiles = np.array([np.quantile(y[part], [0.25, 0.5, 0.75]) for part in bins])
    shown = known[thinned(len(known), most)]
    room = 0.06 * max(float(np.ptp(y)), 0.02)
    return SliceInfo(
        scale=scale,
        numbers=[int(number) for number in points.numbers[shown]],
        x=x[shown],
        y=y[shown],
        centres=np.array([np.median(x[part]) for part in bins]),
        low=quartiles[:, 0],
        median=quartiles[:, 1],
        high=quartiles[:, 2],
        span=(float(y.min()) - room, float(y.max()) + room),
        complete=len(known),
    )


def slice_figure(info: SliceInfo) -> go.Figure:
    """Draw the trials as points, the median as a line, the middle half as a band."""
    figure = go.Figure(layout=layout())
    choice = info.scale.choices is not None
    if choice:
        bounds = {
            "array": (info.high - info.median).tolist(),
            "arrayminus": (info.median - info.low).tolist(),
        }
        figure.add_scatter(
            x=info.centres.tolist(),
            y=info.median.tolist(),
            error_y={"type": "data", "color": VALIDATION, "thickness": 2, "width": 9, **bounds},
            mode="markers",
            marker={"symbol": "line-ew", "size": 34, "line": {"width": 2.5, "color": VALIDATION}},
            hoverinfo="skip",
        )
    else:
        plain = {"mode": "lines", "hoverinfo": "skip"}
        figure.add_scatter(x=info.centres.tolist(), y=info.low.tolist(), line={"width": 0}, **plain)
        fill = {"fill": "tonexty", "fillcolor": VALIDATION_BAND, "line": {"width": 0}}
        figure.add_scatter(x=info.centres.tolist(), y=info.high.tolist(), **fill, **plain)
        line = {"color": VALIDATION, "width": 2.5}
        figure.add_scatter(x=info.centres.tolist(), y=info.median.tolist(), line=line, **plain)
    aside = np.random.default_rng(0).uniform(0.08, 0.3, len(info.x)) if choice else 0
    figure.add_scatter(
        x=(info.x + aside).tolist(),
        y=info.y.tolist(),
        customdata=info.numbers,
        text=[plotly_text(info.scale.write(value)) for value in info.x],
        hovertemplate=_hover(axis_name(info.scale)),
        mode="markers",
        marker={"size": 5 if len(info.x) > 120 else 6, "color": INK, "opacity": 0.55},
    )
    add_selection(figure, symbol="circle-open", size=13)
    set_axis(figure, "x", info.scale)
    figure.update_yaxes(range=list(info.span), nticks=6)
    figure.update_layout(hovermode="closest", margin={"t": 8})
    return figure


def _hover(label: str) -> str:
    # Braces in a name would be read as a place to fill in.
    label = label.replace("%{", "% {")
    return f"<b>Trial %{{customdata}}</b><br>{label}: %{{text}}<br>F_med %{{y:.3f}}<extra></extra>"


@dataclass(frozen=True, kw_only=True)
class ContourInfo:
    """A smoothed map of the score over two hyperparameters, where there are trials."""

    across: Scale
    up: Scale
    x: Numbers
    y: Numbers
    """Values along each side, (GRID,)."""
    z: Numbers
    """(y, x); NaN where the trials near weigh less than two."""
    numbers: list[int]
    points: Numbers
    """(trials drawn, 3): value across, value up, score."""
    complete: int


def contour_info(points: Points, across: str, up: str, *, most: int) -> ContourInfo | None:
    """Return the mean score around each place, weighed by a Gaussian of the distance.

    The kernel's width is Scott's (1992) for two dimensions on an even spread of trials,
    0.29 n^(-1/6) of a side. None where the two have too few trials in common for any place.
    """
    one, two = points.scales[across], points.scales[up]
    x, y = points.columns[across], points.columns[up]
    known = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
    if len(known) < 2:
        return None
    width = 0.29 * len(known) ** (-1 / 6)
    side = np.linspace(0, 1, GRID)
    near_x = np.exp(-(((side[:, None] - one.unit(x[known])) / width) ** 2) / 2)
    near_y = np.exp(-(((side[:, None] - two.unit(y[known])) / width) ** 2) / 2)
    weight = near_y @ near_x.T
    total = (near_y * points.scores[known]) @ near_x.T
    z = np.where(weight >= 2, total / np.maximum(weight, 1), np.nan)
    if not np.isfinite(z).any():
        return None
    shown = known[thinned(len(known), most)]
    return ContourInfo(
        across=one,
        up=two,
        x=_along(one, side),
        y=_along(two, side),
        z=z,
        numbers=[int(number) for number in points.numbers[shown]],
        points=np.column_stack([x[shown], y[shown], points.scores[shown]]),
        complete=len(known),
    )


def _along(scale: Scale, side: Numbers) -> Numbers:
    found: Numbers
    if scale.log:
        found = scale.low * (scale.high / scale.low) ** side
    else:
        found = scale.low + (scale.high - scale.low) * side
    return found


def contour_figure(info: ContourInfo, span: tuple[float, float]) -> go.Figure:
    """Draw the map in colours from ``span``'s low to its high score, and the trials on it."""
    figure = go.Figure(layout=layout())
    step = max(span[1] - span[0], 1e-3) / 8
    figure.add_contour(
        x=info.x.tolist(),
        y=info.y.tolist(),
        z=[[None if np.isnan(value) else float(value) for value in row] for row in info.z],
        zmin=span[0],
        zmax=span[1],
        colorscale=color_scale(),
        contours={"start": span[0], "end": span[1], "size": step},
        line={"width": 0.5, "color": SURFACE},
        colorbar={
            "title": {"text": "F_med"},
            "thickness": 10,
            "outlinewidth": 0,
            "nticks": 5,
            "tickformat": ".2f",
        },
        connectgaps=False,
        hoverinfo="skip",
    )
    left, up = axis_name(info.across), axis_name(info.up)
    texts = [
        f"{left}: {plotly_text(info.across.write(x))}<br>{up}: {plotly_text(info.up.write(y))}"
        f"<br>F_med {score:.3f}"
        for x, y, score in info.points
    ]
    figure.add_scatter(
        x=info.points[:, 0].tolist(),
        y=info.points[:, 1].tolist(),
        customdata=info.numbers,
        text=texts,
        hovertemplate="<b>Trial %{customdata}</b><br>%{text}<extra></extra>",
        mode="markers",
        marker={"size": 6, "color": INK, "line": {"width": 1, "color": SURFACE}},
    )
    add_selection(figure, symbol="circle-open", size=13)
    set_axis(figure, "x", info.across)
    set_axis(figure, "y", info.up)
    figure.update_layout(hovermode="closest", margin={"l": 56, "t": 8})
    return figure
