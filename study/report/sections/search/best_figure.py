"""The best score so far, drawn as steps over the trials or over the compute."""

from __future__ import annotations

from typing import Any, Literal

import plotly.graph_objects as go

from study.report.marks import add_selection
from study.report.markup import plotly_text
from study.report.sections.search.best import BestInfo, drawn, steps
from study.report.style import AXIS, BAR, CALLOUT, EXTRA, LEGEND, SOFT, VALIDATION, layout

_MARKERS: dict[str, dict[str, Any]] = {
    "pruned": {"symbol": "circle-open", "color": SOFT, "size": 6},
    "complete": {"symbol": "circle", "color": BAR, "size": 6},
}
_BELOW = "triangle-down-open"


def best_figure(info: BestInfo, *, by: Literal["trials", "epochs"]) -> go.Figure:
    """Draw the best so far as steps over the trials that ended, or over the epochs trained."""
    figure = go.Figure(layout=layout())
    at = list(range(1, len(info.numbers) + 1)) if by == "trials" else info.epochs
    _add_trials(figure, info, at)
    _add_lines(figure, info, at)
    for place, number in enumerate(info.numbers):
        if number in info.references and info.scores[place] is not None:
            figure.add_annotation(
                x=at[place],
                y=info.scores[place],
                text=plotly_text(info.references[number]),
                ax=52,
                ay=26 if number == 0 else 48,
                **CALLOUT,
            )
    add_selection(figure, symbol="circle-open", size=15)
    title = "Trials that have ended" if by == "trials" else "Epochs trained by them, all workers"
    end = at[-1] if at else 1
    figure.update_xaxes(title_text=title, range=[-0.02 * end, 1.02 * end])
    top = [value for value in (*info.scores, *info.luck[-1:]) if value is not None]
    highest = max(top, default=1.0)
    room = max(0.06 * (highest - info.lowest), 0.01)
    figure.update_yaxes(title_text="Validation F_med", range=[info.lowest - room, highest + room])
    figure.update_layout(legend=LEGEND, showlegend=True, hovermode="closest", margin={"l": 52})
    return figure


def _add_trials(figure: go.Figure, info: BestInfo, at: list[int]) -> None:
    """Add a point a trial; one below the axis stands at its foot."""
    places, lowest = drawn(info), info.lowest
    for state, marker in _MARKERS.items():
        own = [place for place in places if info.states[place] == state]
        scores = [info.scores[place] or 0.0 for place in own]
        symbols = [_BELOW if score < lowest else marker["symbol"] for score in scores]
        figure.add_scatter(
            x=[at[place] for place in own],
            y=[max(score, lowest) for score in scores],
            text=[f"{score:.3f}" for score in scores],
            customdata=[info.numbers[place] for place in own],
            name=state,
            mode="markers",
            marker={**marker, "symbol": symbols},
            hovertemplate="Trial %{customdata}<br>validation F_med %{text}",
            visible=bool(own),
        )


def _add_lines(figure: go.Figure, info: BestInfo, at: list[int]) -> None:
    """Add the reference's score, what luck reaches, and the best so far as steps."""
    if info.reference is not None:
        figure.add_hline(y=info.reference, line={"color": AXIS, "width": 1, "dash": "dash"})
    if info.luck:
        known = [place for place, value in enumerate(info.luck) if value is not None]
        kept = known[:: max(len(known) // 300, 1)] + known[-1:]
        figure.add_scatter(
            x=[at[place] for place in kept],
            y=[info.luck[place] for place in kept],
            name="luck alone: 19 in 20 searches stay below",
            mode="lines",
            line={"color": EXTRA, "width": 2, "dash": "dot"},
            hovertemplate="luck alone: 19 in 20 stay below %{y:.3f}<extra></extra>",
        )
    corners = steps(info)
    if corners and corners[-1] != len(at) - 1:
        corners.append(len(at) - 1)
    figure.add_scatter(
        x=[at[place] for place in corners],
        y=[info.best[place] for place in corners],
        name="best so far",
        mode="lines",
        line={"color": VALIDATION, "width": 2.5, "shape": "hv"},
        hovertemplate="best so far %{y:.3f}<extra></extra>",
        visible=bool(corners),
    )
