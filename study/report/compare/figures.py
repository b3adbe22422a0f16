"""The figures of several studies on the same axes: data -> info -> figure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from study.records import StudyRecord, TrialRecord
from study.report import words
from study.report.markup import plotly_text
from study.report.sections.complexity.figures import log_ticks
from study.report.style import (
    AXIS,
    BAR,
    EXTRA,
    INK,
    LEGEND,
    PLAIN,
    SOFT,
    SURFACE,
    TRAIN,
    VALIDATION,
    layout,
)
from study.summary import best_so_far, ranked, winner

LOOKS = (
    (VALIDATION, "circle", "solid"),
    (TRAIN, "square", "dash"),
    (PLAIN, "diamond", "dot"),
    (EXTRA, "triangle-up", "dashdot"),
    (INK, "star", "longdash"),
    (BAR, "pentagon", "longdashdot"),
)
"""Colour, symbol and dash of the first studies; later ones are grey."""

GREY = (SOFT, "hexagon", "solid")

DRAWN = 1_500
"""Most points of one study."""

LONGEST_NAME = 26
"""Characters of a study's name in a legend."""

MEASURES = {"parameters": "Trainable parameters", "macs": "Multiply-accumulates"}


def look(place: int) -> tuple[str, str, str]:
    """Return colour, symbol and dash of the study at a place, counted from 0."""
    return LOOKS[place] if place < len(LOOKS) else GREY


def letter(place: int) -> str:
    """Return the letter of the study at a place: A to Z, then AA, BB."""
    return chr(ord("A") + place % 26) * (place // 26 + 1)


def short(name: str) -> str:
    """Return a name that fits a legend."""
    return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"


@dataclass(frozen=True, kw_only=True)
class CapacityPoint:
    """A trial: the size of its network and its validation F_med on the augmented set."""

    number: int
    size: float
    score: float
    pruned: bool
    wins: bool


@dataclass(frozen=True, kw_only=True)
class StudyPoints:
    """The trials of one study that have a size and a score."""

    name: str
    points: list[CapacityPoint]
    left_out: int
    """Trials that are not drawn, because there are too many."""


def capacity_points(name: str, record: StudyRecord, measure: str) -> StudyPoints:
    """Return the complete and pruned trials of a study, every few of them where there are many.

    ``measure`` is ``parameters`` or ``macs``. The winner is always among them.
    """
    best = winner(record)
    found = []
    for trial in ranked(record):
        size, score = words.number(getattr(trial, measure)), best_so_far(trial)
        if trial.state in ("complete", "pruned") and size and score is not None:
            found.append(
                CapacityPoint(
                    number=trial.number,
                    size=size,
                    score=score,
                    pruned=trial.state == "pruned",
                    wins=best is not None and trial.number == best.number,
                )
            )
    spread = np.linspace(0, len(found) - 1, min(len(found), DRAWN)).astype(int).tolist()
    kept = {*spread, *(k for k, point in enumerate(found) if point.wins)}
    points = [found[k] for k in sorted(kept)]
    return StudyPoints(name=name, points=points, left_out=len(found) - len(points))


def capacity_figure(studies: Sequence[StudyPoints], measure: str) -> go.Figure:
    """Draw a point a trial, hollow where it was pruned, large where it is the best of its study."""
    figure = go.Figure(layout=layout())
    for place, study in enumerate(studies):
        color, symbol, _ = look(place)
        figure.add_scatter(
            x=[point.size for point in study.points],
            y=[point.score for point in study.points],
            name=_legend(place, study.name),
            mode="markers",
            marker={
                "color": color,
                "symbol": [symbol + "-open" * point.pruned for point in study.points],
                "size": [15 if point.wins else 7 for point in study.points],
                "line": {
                    "color": [_outline(point, color) for point in study.points],
                    "width": [2 if point.wins else 1 for point in study.points],
                },
            },
            hovertext=[_point_words(place, point, measure) for point in study.points],
            hoverinfo="text",
            showlegend=True,
        )
    sizes = [math.log10(point.size) for study in studies for point in study.points] or [4.0]
    span = max(max(sizes) - min(sizes) + 0.3, 1.2)
    middle = (max(sizes) + min(sizes)) / 2
    low, high = middle - span / 2, middle + span / 2
    figure.update_xaxes(
        type="log",
        title_text=MEASURES[measure],
        range=[low, high],
        tickformat="~s",
        **(log_ticks(10**low, 10**high) if span < 1.8 else {"dtick": 1}),
    )
    _finish(figure)
    figure.update_layout(legend_itemsizing="constant")  # the first mark may be a large one
    return figure


def _outline(point: CapacityPoint, color: str) -> str:
    return INK if point.wins else color if point.pruned else SURFACE


def _point_words(place: int, point: CapacityPoint, measure: str) -> str:
    what = "winner of its study" if point.wins else "pruned, best so far" if point.pruned else ""
    unit = "parameters" if measure == "parameters" else "multiply-accumulates"
    return (
        f"<b>{letter(place)}, trial {point.number}</b> {what}<br>{point.size:,.0f} {unit}<br>"
        f"validation F_med {point.score:.3f} augmented"
    )


def _legend(place: int, name: str) -> str:
    return plotly_text(f"{letter(place)} {short(name)}")


def _finish(figure: go.Figure) -> None:
    figure.update_yaxes(title_text="Validation F_med, augmented", range=[-0.03, 1.04], dtick=0.25)
    figure.update_layout(legend=LEGEND, showlegend=True, hovermode="closest", margin={"l": 52})


@dataclass(frozen=True, kw_only=True)
class BestSoFar:
    """How the best score of one study rose with the time that its trials took."""

    name: str
    seconds: list[float]
    """Training time of all trials up to each gain, those that ran side by side added up."""
    best: list[float]
    numbers: list[int]
    """The trial that brought each gain."""
    total: float
    """Seconds of all trials."""
    untimed: int
    """Trials that ended without a recorded time, which count as none."""


def best_curve(name: str, record: StudyRecord) -> BestSoFar:
    """Return the gains of a study's complete trials, in the order in which trials ended.

    The time of pruned trials counts, though none of them can win.
    """
    ended = [trial for trial in record.trials if trial.state in ("complete", "pruned", "failed")]
    seconds, best, numbers = [], [], []
    spent, highest = 0.0, -math.inf
    for trial in sorted(ended, key=_when):
        spent += words.number(trial.seconds) or 0.0
        score = words.number(trial.validation_f_med)
        if trial.state == "complete" and score is not None and score > highest:
            highest = score
            seconds.append(spent)
            best.append(score)
            numbers.append(trial.number)
    return BestSoFar(
        name=name,
        seconds=seconds,
        best=best,
        numbers=numbers,
        total=spent,
        untimed=sum(words.number(trial.seconds) is None for trial in ended),
    )


def _when(trial: TrialRecord) -> tuple[bool, str, int]:
    return trial.ended is None, trial.ended or "", trial.number


def reached(curve: BestSoFar, seconds: float) -> float | None:
    """Return the best score after that much training, None before the first complete trial."""
    before = [score for at, score in zip(curve.seconds, curve.best, strict=True) if at <= seconds]
    return before[-1] if before else None


def best_figure(curves: Sequence[BestSoFar]) -> go.Figure:
    """Draw a staircase a study, with a mark at each gain."""
    longest = max((curve.total for curve in curves), default=0.0)
    unit, name = (3600.0, "Hours") if longest >= 7200 else (60.0, "Minutes")
    if longest < 120:
        unit, name = 1.0, "Seconds"
    figure = go.Figure(layout=layout())
    for place, curve in enumerate(curves):
        color, symbol, dash = look(place)
        figure.add_scatter(
            x=[second / unit for second in [*curve.seconds, curve.total]],
            y=[*curve.best, *curve.best[-1:]],
            name=_legend(place, curve.name),
            mode="lines+markers",
            line={"color": color, "dash": dash, "shape": "hv", "width": 2},
            marker={"symbol": symbol, "color": color, "size": [8] * len(curve.best) + [0]},
            hovertext=[
                f"<b>{letter(place)}, trial {number}</b><br>best so far {score:.3f} after "
                f"{words.duration(second)} of training"
                for number, score, second in zip(
                    curve.numbers, curve.best, curve.seconds, strict=True
                )
            ],
            hoverinfo="text",
            showlegend=True,
        )
    _finish(figure)
    figure.update_xaxes(title_text=f"{name} of training, all workers", rangemode="tozero")
    return figure


@dataclass(frozen=True, kw_only=True)
class DifferenceRow:
    """One pair of winners: F_med of the first less that of the second."""

    label: str
    difference: float
    low: float
    high: float
    sound: bool
    """Whether there were groups enough for the interval."""


def differences_figure(rows: Sequence[DifferenceRow]) -> go.Figure:
    """Draw a dot and its interval a pair, hollow and grey where it comes from too few groups."""
    figure = go.Figure(layout=layout())
    for sound, title in ((True, "enough groups"), (False, "too few groups: wider in truth")):
        found = [row for row in rows if row.sound == sound]
        color = VALIDATION if sound else AXIS
        if found:
            figure.add_scatter(
                x=[row.difference for row in found],
                y=[row.label for row in found],
                name=title,
                mode="markers",
                marker={
                    "size": 11,
                    "color": color,
                    "symbol": "circle" if sound else "circle-open",
                    "line": {"width": 2, "color": color},
                },
                error_x={
                    "type": "data",
                    "symmetric": False,
                    "array": [row.high - row.difference for row in found],
                    "arrayminus": [row.difference - row.low for row in found],
                    "color": color,
                    "thickness": 2,
                    "width": 5,
                },
                hovertext=[
                    f"{plotly_text(row.label)}: {row.difference:+.3f} ({row.low:+.2f} to "
                    f"{row.high:+.2f})"
                    for row in found
                ],
                hoverinfo="text",
            )
    line = {"color": INK, "width": 1, "dash": "dot"}
    figure.add_shape(type="line", x0=0, x1=0, y0=0, y1=1, yref="paper", line=line)
    reach = 1.08 * max([0.05, *(max(abs(row.low), abs(row.high)) for row in rows)])
    figure.update_xaxes(title_text="Difference of plain F_med", range=[-reach, reach])
    labels = [row.label for row in rows]
    figure.update_yaxes(type="category", autorange="reversed", automargin=True, showgrid=False)
    figure.update_yaxes(categoryorder="array", categoryarray=labels)
    figure.update_layout(legend=LEGEND, showlegend=True, hovermode="closest")
    return figure
