"""The charts of one trial's training history: data -> info -> figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from study.report.history import Values
from study.report.style import AXIS, INK, PLAIN, TRAIN, VALIDATION, layout


@dataclass(frozen=True, kw_only=True)
class CurveInfo:
    """One chart of a training history."""

    score: str
    """One of ``records.SCORES``."""
    epochs: list[int]
    train: Values
    validation: Values
    plain: Values
    best_epoch: int | None


def loss_range(values: Sequence[float]) -> str:
    """Return where the axis of a loss begins: at 0 only if the lowest is under half the highest.

    ``page.js`` asks the same of the values that it fills in.
    """
    return "tozero" if values and min(values) < 0.5 * max(values) else "normal"


def curve_figure(info: CurveInfo) -> go.Figure:
    """Draw one chart of a history; with an empty history it is the page's template."""
    lines = (
        ("training", info.train, {"color": TRAIN, "width": 1.5}),
        ("validation", info.validation, {"color": VALIDATION, "width": 2}),
        (
            "validation, plain",
            info.plain,
            {"color": PLAIN, "width": 1.5, "dash": "dot"},
        ),
    )
    figure = go.Figure(layout=layout())
    for name, values, line in lines:
        figure.add_scatter(x=info.epochs, y=values, name=name, mode="lines", line=line)
        figure.data[-1].hovertemplate = "%{y:.3f}"
    figure.add_shape(
        type="line",
        x0=info.best_epoch,
        x1=info.best_epoch,
        y0=0,
        y1=1,
        yref="paper",
        line={"color": INK, "width": 1, "dash": "dash"},
        visible=info.best_epoch is not None,
    )
    figure.update_layout(hovermode="x unified", margin={"l": 40, "r": 10, "t": 8, "b": 38})
    figure.update_xaxes(title_text="Epoch", rangemode="tozero", hoverformat="d")
    figure.update_xaxes(spikecolor=AXIS, spikethickness=1, spikedash="solid")
    figure.update_xaxes(unifiedhovertitle_text="Epoch %{x}")
    if info.score == "loss":
        found = [value for _, values, _ in lines for value in values if value is not None]
        figure.update_yaxes(rangemode=loss_range(found), automargin=True)
    else:
        figure.update_yaxes(range=[0, 1.02], dtick=0.25)
    return figure
