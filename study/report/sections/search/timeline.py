"""When the workers trained which trial."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd
import plotly.graph_objects as go

from study.report import words
from study.report.markup import Markup, plotly_text
from study.report.section import Evidence, chart, hidden
from study.report.style import AXIS, BAR, LEGEND, SOFT, SURFACE, TRAIN, VALIDATION, layout

BARS, ROWS = 2_000, 40
"""Most trials and workers that are drawn."""

_STATES: Mapping[str, tuple[str, str]] = {
    "complete": (VALIDATION, ""),
    "pruned": (SOFT, ""),
    "failed": (TRAIN, "x"),
    "running": (BAR, ""),
    "interrupted": (AXIS, "/"),
}
"""Colour and pattern of each."""
_PATTERN = {"fillmode": "overlay", "fgcolor": SURFACE, "fgopacity": 0.8, "size": 5}


@dataclass(frozen=True, kw_only=True)
class TimelineBar:
    """One trial's time on its worker."""

    number: int
    state: str
    row: int
    start: float
    """Seconds since the first trial of the study started."""
    length: float
    """Seconds."""
    score: float | None
    epochs: int


@dataclass(frozen=True, kw_only=True)
class TimelineInfo:
    """When the workers trained which trial."""

    workers: list[str]
    """A row each, in the order in which they began; shortened to what differs."""
    bars: list[TimelineBar]
    seconds: float
    """From the first start to the last moment on record."""
    busy: float | None
    """Share of the workers' presence in which they trained trials that have ended."""
    trials: int
    """Trials with a start and an end (or running), drawn or not."""
    present: int
    """Workers, drawn or not."""
    undated: int
    """Trials without a start or an end on record."""
    earlier: int
    """Attempts at all trials before the one that counts; none of them is drawn."""


def timeline_info(evidence: Evidence) -> TimelineInfo:
    """Return the time of at most ``ROWS`` workers, the busiest, and their ``BARS`` longest trials.

    Of a trial that was attempted more than once it is the attempt that counts. One that runs is
    drawn up to the last moment that any trial has on record.
    """
    frame = _dated(evidence.trials)
    span = float(frame["end"].max()) if len(frame) else 0.0
    at_work = frame["state"].eq("running")
    least = (span / 200 * at_work).astype(float)  # one that has just begun shows as well
    frame = frame.assign(length=(frame["end"] - frame["start"]).clip(lower=least))
    workers = frame.groupby("worker")
    names = workers["start"].min().sort_values(kind="stable").index
    kept = set(workers["length"].sum().nlargest(ROWS).index)
    rows = {name: row for row, name in enumerate(name for name in names if name in kept)}
    shown = frame[frame["worker"].isin(kept)].nlargest(BARS, "length")
    return TimelineInfo(
        workers=_shortened(list(rows)),
        bars=[
            TimelineBar(
                number=int(bar.number),
                state=str(bar.state),
                row=rows[bar.worker],
                start=float(bar.start),
                length=float(bar.length),
                score=words.number(bar.validation_f_med),
                epochs=int(bar.epochs),
            )
            for bar in shown.sort_values(["start", "number"]).itertuples()
        ],
        seconds=span,
        busy=_busy(frame[~at_work]),
        trials=len(frame),
        present=len(names),
        undated=len(evidence.trials) - len(frame),
        earlier=int(evidence.trials["attempts"].sum()) - len(evidence.trials),
    )


def _dated(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the trials that have a ``start`` and an ``end``, seconds after the first start."""
    first, last = trials["started"].min(), trials[["started", "ended"]].max().max()
    end = trials["ended"].mask(trials["state"].eq("running"), last)
    frame = trials.assign(
        worker=trials["worker"].fillna("unknown worker").astype(str),
        start=(trials["started"] - first).dt.total_seconds(),
        end=(end - first).dt.total_seconds(),
    )
    return frame[frame["end"].ge(frame["start"])]


def _busy(frame: pd.DataFrame) -> float | None:
    """Return the trials' seconds as a share of the time between a worker's first and last one."""
    workers = frame.groupby("worker")
    present = workers["end"].max() - workers["start"].min()
    spent = frame["seconds"].fillna(frame["length"]).groupby(frame["worker"]).sum()
    total = float(present.sum())
    return float(spent.clip(upper=present).sum()) / total if total > 0 else None


def _shortened(names: list[str]) -> list[str]:
    """Return ``host:process`` without the host where there is only one, and never at length."""
    hosts = {name.rpartition(":")[0] for name in names}
    if len(hosts) == 1 and len(names) > 1:
        names = [name.rpartition(":")[2] for name in names]
    return [name if len(name) <= 24 else f"{name[:12]}…{name[-11:]}" for name in names]


def timeline_figure(info: TimelineInfo) -> go.Figure:
    """Draw a row a worker and a bar a trial, coloured by state."""
    figure = go.Figure(layout=layout())
    units = (("Hours", 3600), ("Minutes", 60))
    enough = (pair for pair in units if info.seconds > 2 * pair[1])
    unit, size = next(enough, ("Seconds", 1))
    for state in _STATES:
        if bars := [bar for bar in info.bars if bar.state == state]:
            _add_bars(figure, info, bars, size)
    every = -(-len(info.workers) // 16) or 1
    figure.update_xaxes(title_text=f"{unit} since the first trial started", rangemode="tozero")
    figure.update_yaxes(
        tickvals=list(range(0, len(info.workers), every)),
        ticktext=[plotly_text(name) for name in info.workers[::every]],
        range=[len(info.workers) - 0.4, -0.6],
        title_text="Worker",
        showgrid=False,
        automargin=True,
    )
    figure.update_layout(barmode="overlay", legend=LEGEND, showlegend=True, hovermode="closest")
    return figure


def _add_bars(figure: go.Figure, info: TimelineInfo, bars: list[TimelineBar], size: int) -> None:
    """Add the trials of one state, in units of ``size`` seconds."""
    color, pattern = _STATES[bars[0].state]
    figure.add_bar(
        orientation="h",
        base=[round(bar.start / size, 4) for bar in bars],
        x=[round(bar.length / size, 4) for bar in bars],
        y=[bar.row for bar in bars],
        width=0.8,
        customdata=[bar.number for bar in bars],
        name=bars[0].state,
        marker={
            "color": color,
            "line": {"color": SURFACE, "width": 1 if len(info.bars) <= 400 else 0},
            "pattern": {**_PATTERN, "shape": pattern},
        },
        hovertext=[_hover(bar, info.workers[bar.row]) for bar in bars],
        hoverinfo="text",
    )


def _hover(bar: TimelineBar, worker: str) -> str:
    score = "no score" if bar.score is None else f"validation F_med {bar.score:.3f}"
    return (
        f"<b>Trial {bar.number}</b> {bar.state}<br>{score}<br>"
        f"{words.plural(bar.epochs, 'epoch')} in {words.duration(bar.length)}<br>"
        f"worker {plotly_text(worker)}"
    )


def timeline_html(info: TimelineInfo) -> Markup:
    """Return the place of the figure, how busy the workers were, and what is not drawn."""
    if not info.bars:
        return hidden("No trial has both its start and its end on record: there is no timeline.")
    said = []
    if info.busy is not None:
        worker, average = ("a", ", on average") if info.present > 1 else ("the", "")
        said.append(
            f"Between its first and its last trial {worker} worker was training for "
            f"{100 * info.busy:.0f} % of the time{average}."
        )
    if info.earlier:
        earlier = words.plural(info.earlier, "earlier attempt is", "earlier attempts are")
        share = "" if info.busy is None else ", nor in that share"
        said.append(
            f"{earlier} not in the picture{share}: a trial that was tried again is drawn by the "
            "attempt that counts."
        )
    if any(bar.state == "running" for bar in info.bars):
        said.append("Trials that run are drawn up to the last moment on record.")
    if info.present > len(info.workers):
        said.append(f"The {ROWS} busiest of {info.present:,} workers are drawn.")
    if info.trials > len(info.bars):
        which = f"at most the {BARS:,} longest" if len(info.bars) == BARS else "those of these"
        said.append(f"{len(info.bars):,} of {info.trials:,} trials are drawn, {which}.")
    if info.undated:
        undated = words.plural(info.undated, "trial has", "trials have")
        said.append(f"{undated} no start or end on record.")
    return chart(
        "search-workers",
        "What the workers did",
        f"Timeline of {words.plural(info.present, 'worker')} and their trials.",
        note=" ".join(said),
    )
