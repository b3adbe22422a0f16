"""The figures of a study: data -> a small named value ("info") -> a plotly figure, as in Optuna."""

from __future__ import annotations

import math
from dataclasses import dataclass

import plotly.graph_objects as go

from study.records import StudyRecord
from study.report import words
from study.report.markup import plotly_text
from study.report.style import (
    AXIS,
    BAR,
    CALLOUT,
    INK,
    LEGEND,
    PLAIN,
    SOFT,
    SURFACE,
    VALIDATION,
    layout,
)
from study.summary import best_so_far, progress, ranked, winner

_SYMBOLS = {
    "balanced": "circle",
    "high bias": "triangle-down",
    "high variance": "triangle-up",
    "high bias and high variance": "diamond",
    "no diagnosis": "x-open",
    "pruned": "circle-open",
}


@dataclass(frozen=True, kw_only=True)
class RankingBar:
    """One trial that has a score."""

    number: int
    state: str
    score: float
    """Validation F_med on the augmented set; the best so far while it runs."""
    plain: float | None
    callout: str
    """``winner`` (``best so far``), ``reference``, both, or empty."""
    words: str
    """The variant."""


@dataclass(frozen=True, kw_only=True)
class RankingInfo:
    """The trials with a score, best first, and the numbers of those without."""

    bars: list[RankingBar]
    without: list[int]


def ranking_info(record: StudyRecord, described: dict[int, str]) -> RankingInfo:
    """Return the bars of the ranking; ``described`` gives each trial's variant in words."""
    bars, without = [], []
    callouts = _callouts(record)
    for trial in ranked(record):
        score = best_so_far(trial)
        if score is None or trial.state == "failed":
            without.append(trial.number)
            continue
        bars.append(
            RankingBar(
                number=trial.number,
                state=trial.state,
                score=score,
                plain=words.number(trial.validation_f_med_plain),
                callout=callouts.get(trial.number, ""),
                words=described[trial.number],
            )
        )
    return RankingInfo(bars=bars, without=without)


def _callouts(record: StudyRecord) -> dict[int, str]:
    best = winner(record)
    names = {} if best is None else {best.number: leader(record)}
    names[0] = " = ".join(filter(None, [names.get(0), "reference"]))
    return names


def leader(record: StudyRecord) -> str:
    """Return what the best complete trial is called: a winner only once the study has ended."""
    return "winner" if progress(record) == "finished" else "best so far"


def ranking_figure(info: RankingInfo) -> go.Figure:
    """Draw a bar a trial; the best and the reference differ in pattern and carry their name."""
    names = [str(bar.number) for bar in info.bars]
    figure = go.Figure(layout=layout())
    for kind, (color, pattern) in _BARS.items():
        bars = [bar for bar in info.bars if _kind(bar) == kind]
        if bars:
            figure.add_bar(
                x=[str(bar.number) for bar in bars],
                y=[bar.score for bar in bars],
                name=kind,
                marker={"color": color, "pattern": {**_PATTERN, "shape": pattern}},
                hovertext=[_hover(bar) for bar in bars],
                hoverinfo="text",
                showlegend=kind in ("complete", "not complete"),
            )
    figure.add_scatter(
        x=names,
        y=[bar.plain for bar in info.bars],
        name="the same on plain images",
        mode="markers",
        marker={"symbol": "diamond", "size": _size(len(info.bars), 6), "color": PLAIN},
        hoverinfo="skip",
    )
    _add_selection(figure, symbol="triangle-down", size=11)
    for place, bar in enumerate(info.bars):
        if bar.callout:
            figure.add_annotation(
                x=place,  # plotly takes "8" on an axis of categories for the ninth one
                y=max(bar.score, bar.plain or 0),
                text=plotly_text(bar.callout),
                ay=-46 if bar.callout == "reference" else -30,
                ax=0,
                **CALLOUT,
            )
    figure.update_xaxes(type="category", title_text="Trial, best first", showgrid=False)
    figure.update_xaxes(categoryorder="array", categoryarray=names, autotickangles=[0, 90])
    figure.update_xaxes(nticks=24, automargin=True)
    figure.update_xaxes(range=[-0.6, max(len(names), 6) - 0.4])
    figure.update_yaxes(range=[0, 1.24], tickvals=[0, 0.25, 0.5, 0.75, 1])
    figure.update_layout(barmode="overlay", bargap=0.18, hovermode="closest")
    figure.update_layout(legend=LEGEND, showlegend=True)
    return figure


_BARS = {
    "best": (VALIDATION, ""),
    "reference": (AXIS, "x"),
    "complete": (BAR, ""),
    "not complete": (SOFT, "/"),
}
_PATTERN = {
    "fillmode": "overlay",
    "fgcolor": SURFACE,
    "fgopacity": 0.8,
    "size": 5,
    "solidity": 0.35,
}


def _kind(bar: RankingBar) -> str:
    if bar.callout:
        return "reference" if bar.callout == "reference" else "best"
    return "complete" if bar.state == "complete" else "not complete"


def _lines(described: str) -> str:
    """Return a variant in words on two lines, for a narrow page."""
    parts = plotly_text(described).split(", ")
    return ", ".join(parts[:3]) + "<br>" * (len(parts) > 3) + ", ".join(parts[3:])


def _hover(bar: RankingBar) -> str:
    return (
        f"<b>Trial {bar.number}</b> {plotly_text(bar.callout or bar.state)}<br>"
        f"{_lines(bar.words)}<br>validation F_med {bar.score:.3f} augmented, "
        f"{words.score(bar.plain)} plain"
    )


@dataclass(frozen=True, kw_only=True)
class CapacityPoint:
    """One trial: how large its network is and how well it does."""

    number: int
    kind: str
    """The diagnosis's kind, ``no diagnosis`` or ``pruned``."""
    parameters: int
    score: float
    callout: str
    words: str


@dataclass(frozen=True, kw_only=True)
class CapacityInfo:
    """The trials whose capacity and score are known, complete or pruned."""

    points: list[CapacityPoint]


def capacity_info(record: StudyRecord, described: dict[int, str]) -> CapacityInfo:
    """Return validation F_med against trainable parameters."""
    callouts = _callouts(record)
    points = []
    for trial in ranked(record):
        score = best_so_far(trial)
        if score is None or not trial.parameters or trial.state not in ("complete", "pruned"):
            continue
        kind = str((trial.diagnosis or {}).get("kind") or "no diagnosis")
        points.append(
            CapacityPoint(
                number=trial.number,
                kind="pruned" if trial.state == "pruned" else kind,
                parameters=trial.parameters,
                score=score,
                callout=callouts.get(trial.number, ""),
                words=described[trial.number],
            )
        )
    return CapacityInfo(points=points)


def capacity_figure(info: CapacityInfo) -> go.Figure:
    """Draw a point a trial, its shape after the diagnosis, parameters on a logarithmic axis."""
    figure = go.Figure(layout=layout())
    kinds = [kind for kind in _SYMBOLS if any(point.kind == kind for point in info.points)]
    others = sorted({point.kind for point in info.points} - set(_SYMBOLS))
    for kind in (*kinds, *others):
        points = [point for point in info.points if point.kind == kind]
        figure.add_scatter(
            x=[point.parameters for point in points],
            y=[point.score for point in points],
            customdata=[point.number for point in points],
            name=plotly_text(kind.replace("high ", "")),
            mode="markers",
            marker={
                "symbol": _SYMBOLS.get(kind, "square-open"),
                "size": _size(len(info.points), 9),
                "color": SOFT if kind == "pruned" else VALIDATION,
                "line": {"width": 1, "color": SURFACE if kind in _SYMBOLS else VALIDATION},
            },
            hovertext=[
                f"<b>Trial {point.number}</b> {plotly_text(point.callout)}<br>"
                f"{_lines(point.words)}<br>{point.parameters:,} parameters<br>"
                f"validation F_med {point.score:.3f} augmented"
                for point in points
            ],
            hoverinfo="text",
        )
    _add_selection(figure, symbol="circle-open", size=17)
    for point in info.points:
        if point.callout:
            figure.add_annotation(
                x=math.log10(point.parameters),  # plotly's way on a logarithmic axis
                y=point.score,
                text=plotly_text(point.callout),
                ay=30 if point.callout == "reference" else -26,
                ax=0,
                **CALLOUT,
            )
    _set_capacity_axes(figure, info)
    figure.update_layout(legend=LEGEND, showlegend=True, hovermode="closest")
    figure.update_layout(margin={"l": 52})
    return figure


def _set_capacity_axes(figure: go.Figure, info: CapacityInfo) -> None:
    """Give both axes room around the points, and a sensible range where there is only one."""
    sizes = [math.log10(point.parameters) for point in info.points] or [4.0]
    scores = [point.score for point in info.points] or [0.5]
    span = max(max(sizes) - min(sizes) + 0.3, 1.2)
    middle = (max(sizes) + min(sizes)) / 2
    figure.update_xaxes(
        type="log",
        title_text="Trainable parameters",
        range=[middle - span / 2, middle + span / 2],
        dtick="D2" if span < 1.8 else 1,
        minor={"ticks": "outside", "ticklen": 3, "showgrid": False},
    )
    figure.update_yaxes(
        title_text="Validation F_med, augmented",
        range=[max(min(scores) - 0.1, -0.05), max(scores) + 0.12],
    )


def _size(marks: int, largest: int) -> int:
    """Return the size of a marker, pixels: smaller where there are hundreds of them."""
    return largest if marks <= 120 else largest - 3


def _add_selection(figure: go.Figure, *, symbol: str, size: int) -> None:
    """Add the empty trace with which the page marks the selected trial."""
    figure.add_scatter(
        x=[None],
        y=[None],
        mode="markers",
        marker={"symbol": symbol, "size": size, "color": INK, "line": {"width": 2, "color": INK}},
        hoverinfo="skip",
        showlegend=False,
        name="selected",
        cliponaxis=False,
    )
