"""Which hyperparameters decide, and how the score changes along them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from study.report import words
from study.report.cautions import FEW_TRIALS
from study.report.markup import Markup, element, join
from study.report.optuna_study import Searched, optuna_study, searched
from study.report.section import Evidence, Section, chart, hidden
from study.report.sections.hyperparameters.importance import (
    ImportanceInfo,
    importance_figure,
    importance_info,
)
from study.report.sections.hyperparameters.landscape import (
    ContourInfo,
    SliceInfo,
    contour_figure,
    contour_info,
    slice_figure,
    slice_info,
)
from study.report.sections.hyperparameters.parallel import (
    ParallelInfo,
    parallel_figure,
    parallel_info,
)
from study.report.sections.hyperparameters.scales import Points, points_of
from study.summary import progress

CONTOUR_TRIALS = 30
"""Below this many complete trials, a map of two hyperparameters is mostly gaps."""
PAIRS = 3
MOST_POINTS, MOST_LINES = 500, 200
"""Trials drawn in a slice or contour, and across the parallel axes."""

TITLE = "Hyperparameters"
LOOK_FOR = (
    "Look for bars that end beyond the noise mark: only those hyperparameters have been seen to "
    "matter, and only their slices and contours deserve a conclusion."
)


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """The data of every figure of the section."""

    importance: ImportanceInfo
    parallel: ParallelInfo
    slices: list[SliceInfo]
    """The most important hyperparameter first."""
    contours: list[ContourInfo]
    pruned: int
    """Trials that were pruned, of which no figure holds any."""


def section(evidence: Evidence) -> Section:
    """Return the section; below ``FEW_TRIALS`` complete trials it says what is missing."""
    space = searched(evidence.record)
    points = points_of(evidence.trials, space.distributions)
    missing = _missing(evidence, points)
    if missing is not None:
        empty = hidden("Not shown: importance, the trials as lines, slices, contours.")
        return _section(missing, join(empty, _remarks(space, points)))
    names = list(points.scales)
    importance = importance_info(optuna_study(evidence.record, space.distributions), names)
    ordered = [bar.name for bar in importance.bars]
    pictures = Pictures(
        importance=importance,
        parallel=parallel_info(points, ordered[::-1], most=MOST_LINES),
        slices=[slice_info(points, name, most=MOST_POINTS) for name in ordered],
        contours=[
            info
            for one, two in contour_pairs(points, importance)
            if (info := contour_info(points, one, two, most=MOST_POINTS)) is not None
        ],
        pruned=int(evidence.trials["state"].eq("pruned").sum()),
    )
    return _section(shows(importance), _body(pictures, space, points), _figures(pictures))


def _section(shown: str, body: Markup, figures: dict[str, go.Figure] | None = None) -> Section:
    return Section(
        key="hyperparameters",
        title=TITLE,
        look_for=LOOK_FOR,
        shows=shown,
        body=body,
        figures=figures or {},
    )


def _missing(evidence: Evidence, points: Points) -> str | None:
    """Return why nothing can be said of the hyperparameters, None where something can."""
    complete = len(points.numbers)
    if complete < FEW_TRIALS:
        done = "No trial is" if not complete else f"{words.plural(complete, 'trial')} "
        done += "" if not complete else "is" if complete == 1 else "are"
        when = "Not yet: " if progress(evidence.record) == "running" else ""
        return (
            f"{when}{done} complete with a score; with fewer than {FEW_TRIALS}, differences "
            "between hyperparameters are mostly noise, so that none is shown."
        )
    if not points.scales:
        return (
            f"Nothing to compare: in the {complete:,} complete trials no searched hyperparameter "
            "has two different values."
        )
    if float(np.ptp(points.scores)) == 0:
        return (
            f"Nothing to compare: all {complete:,} complete trials have the same validation F_med "
            f"({words.score(float(points.scores[0]))})."
        )
    return None


def shows(info: ImportanceInfo) -> str:
    """Return which hyperparameters stand out from noise, in one sentence."""
    leading, rest = info.leading, len(info.bars) - len(info.leading)
    trials = words.plural(info.weighed, "complete trial")
    if not leading:
        first = info.bars[0]
        return (
            f"Nothing can be told apart from noise in {trials}: the largest importance, of "
            f"{_spoken(first.name)} ({first.value:.2f}, {_interval(info, 0)}), is below the "
            f"{first.noise:.2f} that shuffled scores reach."
        )
    told = [
        f"{_spoken(bar.name)} ({bar.value:.2f}, {_interval(info, info.bars.index(bar))})"
        for bar in leading
    ]
    sentence = f"{_listed(told)} {'stands' if len(told) == 1 else 'stand'} out from noise in "
    others = {0: "", 1: "; the other one does not"}.get(rest, f"; the other {rest} do not")
    sentence += f"{trials}{others}."
    return sentence[0].upper() + sentence[1:]


def _spoken(name: str) -> str:
    label = words.label(name)
    return label[0].lower() + label[1:] if label[1:2].islower() else label


def _interval(info: ImportanceInfo, place: int) -> str:
    bar = info.bars[place]
    return f"95 % interval {bar.low:.2f} to {bar.high:.2f}"


def _listed(items: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(items[:-1]), items[-1]]))


def contour_pairs(points: Points, info: ImportanceInfo) -> list[tuple[str, str]]:
    """Return the most important pairs of numeric hyperparameters, one of which stands out."""
    if len(points.numbers) < CONTOUR_TRIALS:
        return []
    bars = [bar for bar in info.bars if points.scales[bar.name].choices is None]
    pairs = [
        (one, two)
        for place, one in enumerate(bars)
        for two in bars[place + 1 :]
        if one.stands_out or two.stands_out
    ]
    pairs.sort(key=lambda pair: -(pair[0].value + pair[1].value))
    return [(one.name, two.name) for one, two in pairs[:PAIRS]]


def _figures(pictures: Pictures) -> dict[str, go.Figure]:
    figures = {
        "importance": importance_figure(pictures.importance),
        "parallel": parallel_figure(pictures.parallel),
    }
    for place, info in enumerate(pictures.slices):
        figures[f"slice-{place}"] = slice_figure(info)
    maps = [info.z[np.isfinite(info.z)] for info in pictures.contours]
    if maps:
        every = np.concatenate(maps)
        span = float(every.min()), float(every.max())
        for place, contour in enumerate(pictures.contours):
            figures[f"contour-{place}"] = contour_figure(contour, span)
    return figures


def _body(pictures: Pictures, space: Searched, points: Points) -> Markup:
    info = pictures.importance
    return join(
        _remarks(space, points),
        chart(
            "importance",
            "What separates the better half of the trials from the rest",
            shows(info),
            note=_importance_note(info, pruned=pictures.pruned),
        ),
        chart(
            "parallel",
            "Every trial across its hyperparameters",
            "A line a trial, from the least important hyperparameter to the most important one "
            "and to its validation F_med; the best quarter of the trials is on top.",
            note=_parallel_note(pictures.parallel),
        ),
        *_slices(pictures),
        *_contours(pictures, points),
    )


def _importance_note(info: ImportanceInfo, *, pruned: int) -> str:
    lot = (
        f" {info.weighed:,} of the {info.complete:,} complete trials, drawn by lot, are weighed."
        if info.weighed < info.complete
        else ""
    )
    were = words.plural(pruned, "trial was pruned and is", "trials were pruned and are")
    ended = f" {were} not part: what ends a trial early does not show." if pruned else ""
    return (
        "Importance (PED-ANOVA) is the share of what puts a trial into the better half by "
        "validation F_med that one hyperparameter explains by itself; what two do only together "
        "is not in it, and the shares need not sum to 1. Whiskers: 95 % intervals over random "
        "halves of the trials. Orange marks: with the scores shuffled, any bar passes its mark in "
        f"one study of twenty.{ended} A sampler that learns, such as TPE, "
        "looks more at regions that did well: the importance allows for it, but slices, contours "
        f"and lines are denser there and say less about the rest.{lot}"
    )


def _parallel_note(info: ParallelInfo) -> str | None:
    shown = len(info.numbers)
    said = ["A click on the legend hides or shows a quarter of the trials."]
    if shown < info.complete:
        said.append(
            f"{shown:,} of {info.complete:,} trials are drawn: the best, and others by lot."
        )
    return " ".join(said)


def _slices(pictures: Pictures) -> list[Markup]:
    figures = []
    for place, (info, bar) in enumerate(
        zip(pictures.slices, pictures.importance.bars, strict=True)
    ):
        told = "stands out" if bar.stands_out else "within noise"
        title = f"{words.label(bar.name)}: {bar.value:.2f}, {told}"
        figures.append(_small(f"slice-{place}", title, _spoken_slice(info)))
    shown = max((len(info.numbers), info.complete) for info in pictures.slices)
    less = (
        f" {shown[0]:,} of {shown[1]:,} trials are drawn: the best, and others by lot; medians "
        "are of all."
        if shown[0] < shown[1]
        else ""
    )
    note = (
        "Validation F_med of the complete trials, a point a trial. Line: median of bins with "
        f"equally many trials; band: their middle half.{less}"
    )
    return [
        element("h3", "Along each hyperparameter"),
        element("p", note, class_="aside"),
        element("div", *figures, class_="curves slices"),
    ]


def _spoken_slice(info: SliceInfo) -> str:
    label, best = _spoken(info.scale.name), int(np.argmax(info.median))
    return (
        f"Validation F_med against {label}: the median is highest, "
        f"{words.score(float(info.median[best]))}, near {info.scale.write(info.centres[best])}."
    )


def _small(name: str, caption: str, spoken: str) -> Markup:
    return element(
        "figure",
        element("figcaption", caption),
        element("div", class_="chart", data_figure=name, role="img", aria_label=spoken),
    )


def _contours(pictures: Pictures, points: Points) -> list[Markup]:
    head = element("h3", "Two at a time")
    if not pictures.contours:
        return [head, hidden(_no_contours(pictures, points))]
    figures = [
        _small(
            f"contour-{place}",
            f"{words.label(info.across.name)} and {_spoken(info.up.name)}",
            f"Smoothed validation F_med over {_spoken(info.across.name)} and "
            f"{_spoken(info.up.name)}, where trials are near.",
        )
        for place, info in enumerate(pictures.contours)
    ]
    note = (
        "Mean validation F_med of the trials near each place, for the most important pairs of "
        "numbers of which one stands out from noise. Blank: fewer than about two trials are near, "
        "and nothing is guessed."
    )
    return [
        head,
        element("p", note, class_="aside"),
        element("div", *figures, class_="curves contours"),
    ]


def _no_contours(pictures: Pictures, points: Points) -> str:
    complete = len(points.numbers)
    if complete < CONTOUR_TRIALS:
        return (
            f"No contours: {complete:,} trials are complete; below {CONTOUR_TRIALS} a map of two "
            "hyperparameters is mostly gaps."
        )
    if sum(scale.choices is None for scale in points.scales.values()) < 2:
        return "No contours: they need two hyperparameters that are numbers."
    if not any(points.scales[bar.name].choices is None for bar in pictures.importance.leading):
        return (
            "No contours: no hyperparameter that is a number stands out from noise, so that a map "
            "would show noise."
        )
    return "No contours: the trials lie too far apart for any place to have two of them near."


def _remarks(space: Searched, points: Points) -> Markup | None:
    """Return what was left out and why, None where nothing was."""
    said = []
    if space.unreadable is not None:
        said.append(
            f"The search space of this study cannot be read ({space.unreadable}); ranges are those "
            "of its trials, on linear axes."
        )
    if points.constant and len(points.numbers) >= FEW_TRIALS:
        names = _listed([words.label(name) for name in points.constant])
        said.append(f"Left out, without two different values in complete trials: {names}.")
    return element("p", " ".join(said), class_="aside") if said else None
