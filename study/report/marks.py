"""What the figures of trials share: names of the best and the reference, hover text, selection."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go

from study.records import StudyRecord
from study.report.markup import plotly_text
from study.report.style import INK
from study.summary import progress, winner

SELECTED = "selected"
"""Name of the last trace of a figure: the page moves it to the trial that is chosen."""


def leader(record: StudyRecord) -> str:
    """Return what the best complete trial is called: a winner only once the study has ended."""
    return "winner" if progress(record) == "finished" else "best so far"


def callouts(record: StudyRecord) -> dict[int, str]:
    """Return what the best trial and the reference are called in a figure, by trial number."""
    best = winner(record)
    names = {} if best is None else {best.number: leader(record)}
    names[0] = " = ".join(filter(None, [names.get(0), "reference"]))
    return names


def on_two_lines(described: str) -> str:
    """Return a variant in words, escaped for plotly, on two lines for a narrow page."""
    parts = plotly_text(described).split(", ")
    return ", ".join(parts[:3]) + "<br>" * (len(parts) > 3) + ", ".join(parts[3:])


def marker_size(marks: int, largest: int) -> int:
    """Return the size of a marker, pixels: smaller where there are hundreds of them."""
    return largest if marks <= 120 else largest - 3


def add_selection(figure: go.Figure, *, symbol: str, size: int, lift: float = 0.0) -> None:
    """Add the empty trace with which the page marks the selected trial, ``lift`` above it."""
    marker: dict[str, Any] = {"symbol": symbol, "size": size, "color": INK}
    figure.add_scatter(
        x=[None],
        y=[None],
        mode="markers",
        marker={**marker, "line": {"width": 2, "color": INK}},
        hoverinfo="skip",
        showlegend=False,
        name=SELECTED,
        cliponaxis=False,
        meta=lift,
    )
