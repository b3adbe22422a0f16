"""The ranking as bars with intervals: data -> info -> figure."""

from __future__ import annotations

from dataclasses import dataclass

import plotly.graph_objects as go

from study.records import TrialRecord
from study.report import words
from study.report.cautions import GUESSING
from study.report.marks import (
    SEARCH_BEST,
    add_selection,
    callouts,
    marker_size,
    on_two_lines,
)
from study.report.markup import plotly_text
from study.report.score_interval import score_interval
from study.report.section import Evidence
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
from study.report.verdict import in_words
from study.summary import best_so_far, ranked


@dataclass(frozen=True, kw_only=True)
class RankingBar:
    """One trial that has a score."""

    number: int
    state: str
    score: float
    """Validation F_med on the augmented set; the best so far while it runs."""
    plain: float | None
    bounds: tuple[float, float] | None
    """95 % interval of the score, from the validation groups; None where it is not known."""
    callout: str
    """``winner`` (``best so far``), ``best of the search``, ``reference``, several, or empty."""
    words: str
    """The variant."""


@dataclass(frozen=True, kw_only=True)
class RankingInfo:
    """The trials that are drawn, best first, and how many have a score."""

    bars: list[RankingBar]
    scored: int
    extra: int = 0
    """Of the bars, those of winner and reference that are not among the best."""

    @property
    def which(self) -> str:
        """Which trials are drawn, in words."""
        best, trials = len(self.bars) - self.extra, words.plural(self.scored, "trial")
        if best == self.scored:
            return f"all {trials} with a score"
        added = [bar.callout for bar in self.bars[best:]]
        return " and the ".join([f"the best {best:,} of {trials} with a score", *added])


def ranking_info(evidence: Evidence, *, most: int) -> RankingInfo:
    """Return the bars of the best ``most`` trials, and of winner and reference anywhere."""
    record = evidence.record
    scored = [
        trial
        for trial in ranked(record)
        if best_so_far(trial) is not None and trial.state != "failed"
    ]
    names = callouts(record)
    extra = [trial for trial in scored[most:] if trial.number in names]
    return RankingInfo(
        bars=[_bar(evidence, trial, names) for trial in scored[:most] + extra],
        scored=len(scored),
        extra=len(extra),
    )


def _bar(evidence: Evidence, trial: TrialRecord, names: dict[int, str]) -> RankingBar:
    return RankingBar(
        number=trial.number,
        state=trial.state,
        score=best_so_far(trial) or 0.0,
        plain=words.number(trial.validation_f_med_plain),
        bounds=score_interval(evidence, trial),
        callout=names.get(trial.number, ""),
        words=in_words(trial),
    )


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
                customdata=[bar.number for bar in bars],
                name=kind,
                marker={
                    "color": color,
                    "pattern": {**_PATTERN, "shape": pattern},
                    # The fills are pale beside the page; the edge is what tells them from it.
                    "line": {"width": 1, "color": AXIS},
                },
                error_y=_whiskers(bars),
                hovertext=[_hover(bar) for bar in bars],
                hoverinfo="text",
                showlegend=kind in ("complete", "not complete"),
            )
    figure.add_scatter(
        x=names,
        y=[bar.plain for bar in info.bars],
        name="the same on plain images",
        mode="markers",
        marker={"symbol": "diamond", "size": marker_size(len(names), 6), "color": PLAIN},
        hoverinfo="skip",
    )
    _add_callouts(figure, info)
    add_selection(figure, symbol="triangle-down", size=11, lift=0.05)
    figure.update_xaxes(type="category", title_text="Trial, best first", showgrid=False)
    figure.update_xaxes(categoryorder="array", categoryarray=names, autotickangles=[0, 90])
    figure.update_xaxes(nticks=24, automargin=True)
    figure.update_xaxes(range=[-0.6, max(len(names), 6) - 0.4])
    _add_guessing(figure)
    figure.update_yaxes(range=[0, 1.24], tickvals=[0, 0.25, 0.5, 0.75, 1])
    figure.update_layout(barmode="overlay", bargap=0.18, hovermode="closest")
    figure.update_layout(legend=LEGEND, showlegend=True)
    return figure


def _add_guessing(figure: go.Figure) -> None:
    """Draw the highest F_med of a guess as a thin line across all bars."""
    figure.add_shape(
        type="line",
        x0=0,
        x1=1,
        xref="paper",
        y0=GUESSING,
        y1=GUESSING,
        line={"color": INK, "width": 1, "dash": "dot"},
        name="guessing",
        showlegend=True,
    )


def _add_callouts(figure: go.Figure, info: RankingInfo) -> None:
    last = max(len(info.bars), 6) - 1
    for place, bar in enumerate(info.bars):
        if bar.callout:
            # A name in the middle of an outer bar would leave the figure.
            side = "left" if place < 0.08 * last else "right" if place > 0.92 * last else "center"
            figure.add_annotation(
                x=place,  # plotly takes "8" on an axis of categories for the ninth one
                y=max(bar.score, bar.plain or 0, bar.bounds[1] if bar.bounds else 0),
                text=plotly_text(bar.callout),
                ay=_HEIGHTS.get(bar.callout, -16),
                ax=0,
                xanchor=side,
                **CALLOUT,
            )


_HEIGHTS = {"reference": -30, SEARCH_BEST: -44}
"""Of a name above its bar, pixels: names of neighbours must not meet."""

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


def _whiskers(bars: list[RankingBar]) -> dict[str, object]:
    above = [(bar.bounds[1] - bar.score) if bar.bounds else 0 for bar in bars]
    below = [(bar.score - bar.bounds[0]) if bar.bounds else 0 for bar in bars]
    ends = {"array": above, "arrayminus": below, "symmetric": False}
    return {"type": "data", **ends, "color": INK, "thickness": 1, "width": 0}


def _hover(bar: RankingBar) -> str:
    interval = f"<br>95 % interval {bar.bounds[0]:.2f} to {bar.bounds[1]:.2f}" if bar.bounds else ""
    return (
        f"<b>Trial {bar.number}</b> {plotly_text(bar.callout or bar.state)}<br>"
        f"{on_two_lines(bar.words)}<br>validation F_med {bar.score:.3f} augmented, "
        f"{words.score(bar.plain)} plain{interval}"
    )
