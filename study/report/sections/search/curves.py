"""Intermediate values: the validation F_med of the trials over their epochs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go

from study.records import TrialRecord
from study.report import words
from study.report.markup import Markup
from study.report.section import Evidence, chart, hidden
from study.report.sections.search.pruning import rungs
from study.report.style import AXIS, INK, LEGEND, SOFT, TRAIN, VALIDATION, layout
from study.summary import leader

CURVES, VALUES = 300, 20_000
"""Most trials whose epochs are drawn, and most values of all of them together."""

_LINES: Mapping[str, dict[str, Any]] = {
    "pruned": {"color": SOFT, "width": 1},
    "failed": {"color": TRAIN, "width": 1},
    "complete": {"color": VALIDATION, "width": 1},
    "running": {"color": INK, "width": 1.2, "dash": "dash"},
    "best": {"color": VALIDATION, "width": 3},
}
_KINDS = {"pruned": "pruned", "failed": "failed", "running": "running", "interrupted": "running"}


@dataclass(frozen=True, kw_only=True)
class Curve:
    """The validation F_med of one trial over its epochs, thinned for drawing."""

    number: int
    kind: str
    """``pruned``, ``failed``, ``complete``, ``running`` (or interrupted), ``best``."""
    epochs: list[int]
    scores: list[float | None]


@dataclass(frozen=True, kw_only=True)
class CurvesInfo:
    """The intermediate values of the trials that are drawn."""

    curves: list[Curve]
    rungs: list[int]
    """Epochs at which the pruner decides, as far as any trial went."""
    logarithmic: bool
    trials: int
    """Trials with at least one epoch, drawn or not."""
    values: int
    """All their epochs."""


def curves_info(evidence: Evidence) -> CurvesInfo:
    """Return at most ``CURVES`` trials and ``VALUES`` values of validation F_med by epoch."""
    by_number = {trial.number: trial for trial in evidence.record.trials if trial.progress}
    order = [number for number in evidence.trials["number"] if number in by_number]
    trials = [by_number[number] for number in _chosen(order, by_number)]
    longest = max((len(trial.progress) for trial in by_number.values()), default=0)
    found = rungs(evidence.record.search, longest)
    pruned = [len(t.progress) for t in by_number.values() if t.state == "pruned"]
    first = found[0] if found else float(np.median(pruned)) if pruned else math.inf
    logarithmic = longest > 8 * first
    lengths, total = [len(trial.progress) for trial in trials], VALUES - 2 * len(trials)
    most = next((m for m in range(longest, 2, -1) if np.minimum(lengths, m).sum() <= total), 2)
    best = leader(evidence.record)
    return CurvesInfo(
        curves=[
            _curve(
                trial,
                "best" if trial is best else _KINDS.get(trial.state, "complete"),
                _kept(trial.progress, most, logarithmic=logarithmic),
            )
            for trial in trials
        ],
        rungs=found,
        logarithmic=logarithmic,
        trials=len(by_number),
        values=sum(len(trial.progress) for trial in by_number.values()),
    )


def _chosen(order: list[int], by_number: Mapping[int, TrialRecord]) -> list[int]:
    """Return which trials are drawn: the references, the best, those at work, a spread."""
    if len(order) <= CURVES:
        return order
    at_work = [number for number in order if by_number[number].state == "running"]
    kept = {*(n for n in (0, 1) if n in by_number), *order[: CURVES // 3], *at_work[: CURVES // 6]}
    others = [number for number in order if number not in kept]
    spread = np.linspace(0, len(others) - 1, CURVES - len(kept)).round().astype(int)
    kept |= {others[index] for index in spread}
    return [number for number in order if number in kept]


def _kept(progress: list[float], most: int, *, logarithmic: bool) -> list[int]:
    """Return the places of at most one more than ``most`` values: a spread, and the highest."""
    if len(progress) <= most:
        return list(range(len(progress)))
    spread = (np.geomspace if logarithmic else np.linspace)(1, len(progress), max(most - 1, 1))
    known = [place for place, value in enumerate(progress) if math.isfinite(value)]
    peak = [max(known, key=progress.__getitem__)] if known else []
    return sorted({*(spread.round().astype(int) - 1).tolist(), *peak})


def _curve(trial: TrialRecord, kind: str, kept: list[int]) -> Curve:
    values = [trial.progress[place] for place in kept]
    return Curve(
        number=trial.number,
        kind=kind,
        epochs=[place + 1 for place in kept],
        scores=[round(value, 4) if math.isfinite(value) else None for value in values],
    )


def curves_figure(info: CurvesInfo) -> go.Figure:
    """Draw one trace a state, a gap between its trials, and the pruner's rungs as vertical lines.

    Every point carries the number of its trial.
    """
    figure = go.Figure(layout=layout())
    for kind in _LINES:
        if own := [curve for curve in info.curves if curve.kind == kind]:
            _add_curves(figure, kind, own)
    for epoch in info.rungs:
        figure.add_vline(x=epoch, line={"color": AXIS, "width": 1, "dash": "dot"}, layer="below")
    longest = max((curve.epochs[-1] for curve in info.curves), default=1)
    if info.logarithmic:
        figure.update_xaxes(type="log", range=[-0.05, math.log10(longest) + 0.05])
        figure.update_xaxes(tickvals=[step * 10**power for power in range(7) for step in (1, 2, 5)])
        figure.update_xaxes(title_text="Epoch, logarithmic")
    else:
        figure.update_xaxes(title_text="Epoch", range=[1 - 0.02 * longest, 1.02 * longest + 0.2])
    figure.update_yaxes(title_text="Validation F_med", rangemode="tozero")
    figure.update_layout(legend=LEGEND, showlegend=True, hovermode="closest", margin={"l": 52})
    return figure


def _add_curves(figure: go.Figure, kind: str, curves: list[Curve]) -> None:
    """Add the trials of one kind; those that were ended early have a mark at their end."""
    line, marker = _LINES[kind], None
    if kind in ("pruned", "failed"):
        marker = {
            "symbol": "x-thin-open" if kind == "failed" else "circle",
            "size": _with_gaps([[0] * (len(curve.epochs) - 1) + [6] for curve in curves], 0),
            "color": line["color"],
            "opacity": 1,
        }
    figure.add_scatter(
        x=_with_gaps([curve.epochs for curve in curves]),
        y=_with_gaps([curve.scores for curve in curves]),
        customdata=_with_gaps([[curve.number] * len(curve.epochs) for curve in curves]),
        name="not ended" if kind == "running" else kind,
        mode="lines+markers" if marker else "lines",
        line=line,
        opacity=0.55 if kind == "complete" and len(curves) > 20 else 1,
        marker=marker,
        hovertemplate="Trial %{customdata}<br>epoch %{x}, validation F_med %{y:.3f}",
    )


def _with_gaps(parts: list[list[Any]], gap: Any = None) -> list[Any]:
    """Return the parts one after the other, a gap between two of them."""
    return [value for part in parts for value in (*part, gap)][:-1]


def curves_html(info: CurvesInfo) -> Markup:
    """Return the place of the figure, and what it leaves out."""
    if not info.curves:
        return hidden("No epoch is on record: there are no intermediate values to draw.")
    said = ["Pruned trials end where their dot is."]
    if info.rungs:
        at = ", ".join(f"{epoch:,}" for epoch in info.rungs)
        said.append(f"Dotted lines: the epochs at which the pruner compares the trials ({at}).")
    if len(info.curves) < info.trials:
        said.append(
            f"{len(info.curves):,} of {info.trials:,} trials are drawn: the best, the references "
            "and a spread of the others."
        )
    shown = sum(len(curve.epochs) for curve in info.curves)
    if shown < info.values:
        said.append(f"{shown:,} of {info.values:,} values are drawn; the ledger holds all.")
    return chart(
        "search-epochs",
        "Intermediate values: validation F_med by epoch",
        f"Validation F_med over the epochs of {words.plural(len(info.curves), 'trial')}.",
        note=" ".join(said),
    )
