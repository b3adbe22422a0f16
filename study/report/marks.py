"""What figures and tables of trials share: names of the best and the reference, selection."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from study.records import StudyRecord
from study.report.markup import plotly_text
from study.report.style import INK
from study.summary import is_settled, leader, progress, reference, winner

SELECTED = "selected"
"""Name of the last trace of a figure: the page moves it to the trial that is chosen."""

SEARCH_BEST = "best of the search"
"""What the first of the ranking is called where it is not, or not yet, the winner."""


def best_called(record: StudyRecord) -> str:
    """Return what ``summary.winner`` is called: a winner only once the study has named one.

    Studies of versions that trained no finalists named the first of their ranking, and retested it.
    """
    at = progress(record)
    if is_settled(record):
        return "winner so far" if at == "running" else "winner"
    if at != "finished":
        return "best so far"
    return "winner" if record.final is None and record.retest is not None else SEARCH_BEST


def roles(record: StudyRecord) -> dict[int, list[str]]:
    """Return what the best trial, the first of the ranking and the reference are called."""
    best, first = winner(record), leader(record)
    found: dict[int, list[str]] = {}
    if best is not None:
        found[best.number] = [best_called(record)]
    if first is not None and first is not best:
        found[first.number] = [SEARCH_BEST]
    found.setdefault(reference_number(record), []).append("reference")
    return found


def reference_number(record: StudyRecord) -> int:
    """Return the trial of the reference network: trial 0, or a repeat that became a finalist."""
    found = reference(record)
    return 0 if found is None else found.number


def callouts(record: StudyRecord) -> dict[int, str]:
    """Return ``roles`` as they are written in a figure, by trial number."""
    return {number: " = ".join(names) for number, names in roles(record).items()}


def row_class(names: Sequence[str]) -> str | None:
    """Return the classes of a table's row for the roles of its trial."""
    kinds = {"reference": "reference", SEARCH_BEST: "leader"}
    return " ".join(kinds.get(name, "winner") for name in names) or None


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
