"""The finalists' cross-validated F_med against their cost, beside the search's."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from study.report import words
from study.report.marks import add_selection, on_two_lines
from study.report.markup import plotly_text
from study.report.sections.complexity.figures import set_axes
from study.report.sections.finalists.choice import Choice, Finalist
from study.report.style import CALLOUT, LEGEND, PLAIN, SOFT, VALIDATION, ZONE, layout

SEARCH, FOLDS = "search: validation, augmented", "cross-validated, plain"


def drawn(found: Choice) -> list[Finalist]:
    """Return the finalists that have a cost and a score."""
    return [item for item in found.finalists if item.macs and _scores(item)]


def _scores(item: Finalist) -> list[float]:
    return [score for score in (item.search, item.mean) if score is not None]


def finalists_figure(found: Choice) -> go.Figure:
    """Draw a line a finalist from its search's score to its cross-validated one.

    The best has its standard error; shaded is what lies within it.
    """
    items = drawn(found)
    figure = go.Figure(layout=layout())
    if found.standard_error is not None and found.bar is not None:
        _add_band(figure, found.bar, found.standard_error)
    _add_falls(figure, items)
    _add_points(figure, SEARCH, items, [item.search for item in items])
    _add_points(figure, FOLDS, items, [item.mean for item in items])
    figure.data[-1].error_y = {
        "type": "data",
        "array": [found.standard_error or 0 if i.number == found.best else 0 for i in items],
        "color": PLAIN,
        "thickness": 1.5,
        "width": 5,
    }
    add_selection(figure, symbol="circle-open", size=17)
    scores = [score for item in items for score in _scores(item)]
    if found.standard_error is not None and found.bar is not None:
        scores += [found.bar, found.bar + 2 * found.standard_error]
    capacity = pd.Series([float(item.macs or 1) for item in items], dtype="float64")
    set_axes(figure, capacity, np.array(scores), "macs")
    low, tall = min(scores), max(max(scores) - min(scores), 0.2)
    _add_names(figure, items, low - 0.14 * tall, 0.13 * tall)
    figure.update_yaxes(title_text="F_med", range=[low - 0.48 * tall, max(scores) + 0.1 * tall])
    steps = 20 if tall < 0.3 else 10 if tall < 0.6 else 5  # none below 0, where there are names
    figure.update_yaxes(tickvals=[place / steps for place in range(steps + 1)])
    figure.update_layout(legend=LEGEND, showlegend=True, hovermode="closest", margin={"l": 52})
    return figure


def _add_band(figure: go.Figure, bar: float, error: float) -> None:
    """Shade the means within one standard error of the best."""
    figure.add_shape(
        type="rect",
        x0=0,
        x1=1,
        xref="paper",
        y0=bar,
        y1=bar + error,
        fillcolor=ZONE,
        line={"width": 0},
        layer="below",
    )


def _add_falls(figure: go.Figure, items: list[Finalist]) -> None:
    both = [item for item in items if item.fall is not None]
    figure.add_scatter(
        x=[x for item in both for x in (item.macs, item.macs, None)],
        y=[y for item in both for y in (item.search, item.mean, None)],
        mode="lines",
        line={"color": SOFT, "width": 1.5},
        hoverinfo="skip",
        showlegend=False,
    )


def _add_points(
    figure: go.Figure, name: str, items: list[Finalist], scores: list[float | None]
) -> None:
    of_folds = name == FOLDS
    figure.add_scatter(
        x=[item.macs for item in items],
        y=scores,
        customdata=[item.number for item in items],
        name=name,
        mode="markers",
        marker={
            "symbol": "diamond" if of_folds else "circle-open",
            "size": 11 if of_folds else 10,
            "color": PLAIN if of_folds else VALIDATION,
            "line": {"width": 0 if of_folds else 2},
        },
        hovertext=[_hover(item) for item in items],
        hoverinfo="text",
    )


def _add_names(figure: go.Figure, items: list[Finalist], top: float, step: float) -> None:
    """Name winner, reference and best below all points, in three rows, so that no names meet."""
    ends = figure.layout.xaxis.range
    for place, item in enumerate(item for item in items if item.called):
        at = math.log10(item.macs or 1)  # plotly's way on a logarithmic axis
        share = (at - ends[0]) / (ends[1] - ends[0])
        figure.add_annotation(
            x=at,
            y=min(_scores(item)),
            text=plotly_text(item.called.replace(", ", " = ")),
            ax=0,
            ayref="y",
            ay=top - step * (place % 3),
            xanchor="left" if share < 0.25 else "right" if share > 0.75 else "center",
            **CALLOUT,
        )


def _hover(item: Finalist) -> str:
    where = "within one standard error of the best" if item.within else "not within it"
    if item.mean is None:
        where = plotly_text(item.dropped or "not cross-validated")
    return (
        f"<b>Trial {item.number}</b> {plotly_text(item.called)}<br>{on_two_lines(item.words)}<br>"
        f"search {words.score(item.search)} augmented, {words.score(item.search_plain)} plain<br>"
        f"cross-validated {words.score(item.mean)} plain: {where}"
    )
