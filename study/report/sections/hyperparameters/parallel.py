"""Parallel coordinates: every trial a line across its hyperparameters to its score.

Drawn by hand: Optuna's are a trace a trial in computed colours, which a dark page cannot exchange,
and escape no name; plotly's own compile code, which the page's policy forbids.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from study.report import words
from study.report.markup import plotly_text
from study.report.sections.hyperparameters.scales import Numbers, Points, Scale, axis_name, thinned
from study.report.style import AXIS, INK, LEGEND, SEQUENTIAL, SURFACE, layout

QUARTERS = ("last quarter", "third", "second", "best quarter")


@dataclass(frozen=True, kw_only=True)
class ParallelInfo:
    """A line a trial across the axes; the last axis is the score."""

    scales: list[Scale]
    numbers: list[int]
    quarters: list[int]
    """Of each trial among all that are complete: 0 is the last quarter, 3 the best."""
    units: Numbers
    """(trials, axes), 0 to 1."""
    texts: list[list[str]]
    """What each trial has on each axis."""
    complete: int
    """Trials that could be drawn; there may be more of them than lines."""


def parallel_info(points: Points, names: list[str], *, most: int) -> ParallelInfo:
    """Return the trials that have every named hyperparameter, at most ``most`` of them."""
    score = Scale(
        name="f_med", low=float(points.scores.min()), high=float(points.scores.max()) or 1.0
    )
    columns = {**{name: points.columns[name] for name in names}, "f_med": points.scores}
    whole = np.flatnonzero(np.isfinite(np.column_stack(list(columns.values()))).all(axis=1))
    shown = whole[thinned(len(whole), most)]
    scales = [*(points.scales[name] for name in names), score]
    ranks = pd.Series(points.scores).rank(pct=True, method="average").to_numpy()
    values = [column[shown] for column in columns.values()]
    lines = list(zip(*values, strict=True))
    return ParallelInfo(
        scales=scales,
        numbers=[int(number) for number in points.numbers[shown]],
        quarters=[min(int(4 * rank), 3) for rank in ranks[shown]],
        units=np.column_stack([s.unit(v) for s, v in zip(scales, values, strict=True)]),
        texts=[
            [
                s.write(v) if s is not score else words.score(v)
                for s, v in zip(scales, line, strict=True)
            ]
            for line in lines
        ],
        complete=len(whole),
    )


def parallel_figure(info: ParallelInfo) -> go.Figure:
    """Draw a trace a quarter of the trials, the best on top."""
    figure = go.Figure(layout=layout())
    labels = [axis_name(scale) for scale in info.scales]
    across = [*range(len(labels)), None]
    for quarter, title in enumerate(QUARTERS):
        rows = [row for row, it in enumerate(info.quarters) if it == quarter]
        figure.add_scatter(
            x=across * len(rows),
            y=[place for row in rows for place in (*info.units[row].tolist(), None)],
            customdata=[n for row in rows for n in [info.numbers[row]] * len(across)],
            text=[
                f"{label}: {plotly_text(text)}"
                for row in rows
                for label, text in zip([*labels, ""], [*info.texts[row], ""], strict=True)
            ],
            hovertemplate="<b>Trial %{customdata}</b><br>%{text}<extra></extra>",
            mode="lines",
            line={"color": SEQUENTIAL[quarter + 1], "width": 1.8 if quarter == 3 else 1.1},
            opacity=0.85 if quarter == 3 else 0.7,
            name=title,
        )
    for place, scale in enumerate(info.scales):
        _add_axis(figure, place, scale)
    figure.update_xaxes(tickvals=list(range(len(labels))), ticktext=labels, showgrid=False)
    figure.update_xaxes(range=[-0.35, len(labels) - 0.65], showline=False, ticks="")
    figure.update_xaxes(automargin=True, fixedrange=True, autotickangles=[0, 45, 90])
    figure.update_xaxes(ticklabeloverflow="allow")
    figure.update_yaxes(visible=False, range=[-0.09, 1.09], fixedrange=True)
    figure.update_layout(showlegend=True, hovermode="closest", margin={"l": 16, "r": 16})
    figure.update_layout(legend={**LEGEND, "traceorder": "reversed"})
    return figure


def _add_axis(figure: go.Figure, place: int, scale: Scale) -> None:
    line = {"color": AXIS, "width": 1}
    figure.add_shape(type="line", x0=place, x1=place, y0=0, y1=1, line=line, layer="below")
    if scale.choices is None:
        write = words.score if scale.name == "f_med" else scale.write
        ends = {0.0: write(scale.low), 1.0: write(scale.high)}
    else:
        ends = {float(scale.unit(np.array(k))): text for k, text in enumerate(scale.choices)}
    for height, text in ends.items():
        figure.add_annotation(
            x=place,
            y=height,
            text=plotly_text(text),
            showarrow=False,
            yshift={0.0: -9, 1.0: 9}.get(height, 0),
            bgcolor=SURFACE,
            opacity=0.9,
            font={"size": 11, "color": INK},
        )
