"""The charts of the held-out test: thresholds, ROC, precision and recall, calibration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from study.evaluation.operating import (
    Predictions,
    ReliabilityBin,
    operating_point,
    precision_recall,
    reliability,
    roc,
    threshold_curve,
)
from study.report.markup import plotly_text
from study.report.sections.heldout.data import Cut
from study.report.style import AXIS, EXTRA, INK, LEGEND, SOFT, SURFACE, VALIDATION, layout

POINTS = 1_000
"""Most points drawn of one line."""

COLORS = {"validation": VALIDATION, "out-of-fold": VALIDATION, "test": EXTRA}


@dataclass(frozen=True, kw_only=True)
class Mark:
    """An operating point on a curve."""

    name: str
    x: float
    y: float


@dataclass(frozen=True, kw_only=True)
class LineInfo:
    """A curve of one part with operating points."""

    part: str
    """``validation``, ``out-of-fold`` or ``test``."""
    x: list[float]
    y: list[float]
    points: int
    """How many there were before thinning."""
    marks: list[Mark]
    base: tuple[float, float]
    """Where guessing lies: its ``y`` at ``x`` of 0 and of 1."""


@dataclass(frozen=True, kw_only=True)
class ThresholdInfo:
    """Both recalls of one part over the threshold."""

    part: str
    threshold: list[float]
    sensitivity: list[float]
    specificity: list[float]
    points: int
    cuts: list[Cut]
    span: tuple[float, float]
    """Ends of the axis of thresholds."""


@dataclass(frozen=True, kw_only=True)
class ReliabilityInfo:
    """What was said against what is, by bins of one part."""

    part: str
    bins: list[ReliabilityBin]


def threshold_info(
    data: Predictions, part: str, cuts: Sequence[Cut], span: tuple[float, float] = (0.0, 1.0)
) -> ThresholdInfo:
    """Return both recalls as steps, thinned where there are very many."""
    curve = threshold_curve(data)
    kept = _kept(len(curve.threshold))
    return ThresholdInfo(
        part=part,
        threshold=_values(curve.threshold[kept]),
        sensitivity=_values(curve.sensitivity[kept]),
        specificity=_values(curve.specificity[kept]),
        points=len(curve.threshold),
        cuts=list(cuts),
        span=span,
    )


def roc_info(data: Predictions, part: str, cuts: Sequence[Cut]) -> LineInfo:
    """Return sensitivity against false alarms, with the operating points."""
    curve = roc(data)
    kept = _kept(len(curve.sensitivity))
    marks = []
    for cut in cuts:
        found = operating_point(data, cut.threshold)
        x, y = 1 - found.specificity.value, found.sensitivity.value
        marks.append(Mark(name=cut.name, x=x, y=y))
    return LineInfo(
        part=part,
        x=_values(curve.false_alarms[kept]),
        y=_values(curve.sensitivity[kept]),
        points=len(curve.sensitivity),
        marks=marks,
        base=(0.0, 1.0),
    )


def precision_info(data: Predictions, part: str, cuts: Sequence[Cut]) -> LineInfo:
    """Return precision against sensitivity; a cut that calls nothing positive has no mark."""
    curve = precision_recall(data)
    kept = _kept(len(curve.recall))
    marks = []
    for cut in cuts:
        called = data.probability >= cut.threshold
        if called.any():
            right = float(data.label[called].mean())
            found = float(called[data.label == 1].mean())
            marks.append(Mark(name=cut.name, x=found, y=right))
    share = float(data.label.mean())
    return LineInfo(
        part=part,
        x=_values(curve.recall[kept]),
        y=_values(curve.precision[kept]),
        points=len(curve.recall),
        marks=marks,
        base=(share, share),
    )


def reliability_info(data: Predictions, part: str) -> ReliabilityInfo:
    """Return the bins of a reliability diagram."""
    return ReliabilityInfo(part=part, bins=reliability(data))


def _kept(points: int) -> NDArray[np.int64]:
    """Return the places of the points that are drawn; the first and the last always are."""
    return np.unique(np.linspace(0, points - 1, min(points, POINTS)).round().astype(np.int64))


def _values(values: NDArray[np.float64]) -> list[float]:
    return [float(value) for value in values.round(5)]


def threshold_figure(info: ThresholdInfo, *, positive: str, negative: str) -> go.Figure:
    """Draw sensitivity solid and specificity dashed, with a line at every cut.

    The test part does not tell its values under the pointer: no threshold is to be chosen there.
    """
    figure = go.Figure(layout=layout())
    for name, of, values, dash in (
        ("sensitivity", positive, info.sensitivity, "solid"),
        ("specificity", negative, info.specificity, "dash"),
    ):
        told = f"threshold %{{x:.3f}}: {name} %{{y:.3f}}<extra></extra>"
        figure.add_scatter(
            x=info.threshold,
            y=values,
            name=plotly_text(f"{name} ({_short(of)})"),
            mode="lines",
            line={"shape": "vh", "color": COLORS[info.part], "dash": dash, "width": 2},
            hovertemplate=None if info.part == "test" else told,
            hoverinfo="skip" if info.part == "test" else None,
        )
    low, high = info.span
    for place, cut in enumerate(sorted(info.cuts, key=lambda cut: cut.threshold)):
        figure.add_vline(x=cut.threshold, line={"color": INK, "width": 1, "dash": "dot"})
        lower = place == 0 and len(info.cuts) > 1
        left = cut.threshold < low + 0.6 * (high - low)
        figure.add_annotation(
            x=cut.threshold,
            y=0.03 + 0.09 * (not lower),
            text=plotly_text(cut.name),
            showarrow=False,
            xanchor="left" if left else "right",
            xshift=4 if left else -4,
            bgcolor=SURFACE,
            opacity=0.9,
            font={"size": 11, "color": INK},
        )
    figure.update_xaxes(title_text="threshold", range=[low, high])
    figure.update_yaxes(title_text="share called rightly", range=[-0.02, 1.02])
    figure.update_layout(legend=LEGEND, showlegend=True)
    return figure


def roc_figure(info: LineInfo, *, positive: str, negative: str) -> go.Figure:
    """Draw the ROC curve over the diagonal of a coin."""
    figure = _line_figure(info, shape="linear", base="guessing")
    figure.update_xaxes(
        title_text=plotly_text(f"1 - specificity ({_short(negative)} called wrong)")
    )
    figure.update_yaxes(title_text=plotly_text(f"sensitivity ({_short(positive)} found)"))
    return figure


def precision_figure(info: LineInfo, *, positive: str) -> go.Figure:
    """Draw the precision-recall curve over the share of the positive class."""
    figure = _line_figure(info, shape="hv", base="calling all positive")
    figure.update_xaxes(title_text=plotly_text(f"sensitivity ({_short(positive)} found)"))
    figure.update_yaxes(title_text="precision")
    return figure


def _line_figure(info: LineInfo, *, shape: str, base: str) -> go.Figure:
    figure = go.Figure(layout=layout())
    figure.add_scatter(
        x=[0, 1],
        y=list(info.base),
        name=base,
        mode="lines",
        line={"color": SOFT, "dash": "dot", "width": 1.5},
        hoverinfo="skip",
    )
    figure.add_scatter(
        x=info.x,
        y=info.y,
        name=f"{info.part} images",
        mode="lines",
        line={"color": COLORS[info.part], "width": 2, "shape": shape},
        hoverinfo="skip",
    )
    for mark, symbol in zip(info.marks, ("circle", "diamond"), strict=False):
        figure.add_scatter(
            x=[mark.x],
            y=[mark.y],
            name=plotly_text(mark.name),
            mode="markers",
            marker={"color": INK, "size": 10, "symbol": symbol},
            hovertemplate="%{fullData.name}<br>%{x:.3f}, %{y:.3f}<extra></extra>",
        )
    figure.update_xaxes(range=[-0.02, 1.02])
    figure.update_yaxes(range=[-0.02, 1.02])
    figure.update_layout(legend=LEGEND, showlegend=True)
    return figure


def reliability_figure(info: ReliabilityInfo, *, positive: str) -> go.Figure:
    """Draw each bin's share with its interval; on the diagonal a probability means what it says."""
    figure = go.Figure(layout=layout())
    figure.add_scatter(
        x=[0, 1],
        y=[0, 1],
        name="perfectly calibrated",
        mode="lines",
        line={"color": AXIS, "dash": "dot", "width": 1.5},
        hoverinfo="skip",
    )
    figure.add_scatter(
        x=[item.probability for item in info.bins],
        y=[item.share for item in info.bins],
        name=f"{info.part} images, 95 % interval",
        mode="markers",
        marker={"color": COLORS[info.part], "size": 9},
        error_y={
            "array": [max(0.0, item.bounds[1] - item.share) for item in info.bins],
            "arrayminus": [max(0.0, item.share - item.bounds[0]) for item in info.bins],
            "color": COLORS[info.part],
            "thickness": 1.5,
        },
        hovertext=[_bin_words(item, positive) for item in info.bins],
        hoverinfo="text",
    )
    figure.update_xaxes(
        title_text=plotly_text(f"probability of {_short(positive)} that the network gave"),
        range=[-0.02, 1.02],
    )
    figure.update_yaxes(
        title_text=plotly_text(f"share that is {_short(positive)}"), range=[-0.02, 1.02]
    )
    figure.update_layout(legend=LEGEND, showlegend=True)
    return figure


def _bin_words(item: ReliabilityBin, positive: str) -> str:
    low, high = item.bounds
    return (
        f"{item.images:,} images in {item.groups:,} groups<br>mean probability "
        f"{item.probability:.2f}<br>{plotly_text(positive)}: {item.share:.2f} "
        f"({low:.2f} to {high:.2f})"
    )


def _short(name: str) -> str:
    """Cut a long class name, for which an axis has no room."""
    return name if len(name) <= 24 else f"{name[:21]}..."
