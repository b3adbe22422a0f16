"""Where the figures of the tab on hyperparameters stand, with what is said of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from study.report import words
from study.report.markup import Markup, element, join
from study.report.section import chart, hidden
from study.report.sections.hyperparameters.importance import ImportanceInfo, importance_figure
from study.report.sections.hyperparameters.landscape import (
    ContourInfo,
    SliceInfo,
    contour_figure,
    slice_figure,
)
from study.report.sections.hyperparameters.notes import (
    importance_note,
    no_contours,
    parallel_note,
    shows,
    slices_note,
    spoken,
)
from study.report.sections.hyperparameters.parallel import ParallelInfo, parallel_figure
from study.report.sections.hyperparameters.scales import Points


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


def draw_figures(pictures: Pictures) -> dict[str, go.Figure]:
    """Draw every figure, by the name under which ``place_figures`` puts it."""
    found = {
        "importance": importance_figure(pictures.importance),
        "parallel": parallel_figure(pictures.parallel),
    }
    for place, info in enumerate(pictures.slices):
        found[f"slice-{place}"] = slice_figure(info)
    maps = [info.z[np.isfinite(info.z)] for info in pictures.contours]
    if maps:
        every = np.concatenate(maps)
        span = float(every.min()), float(every.max())
        for place, contour in enumerate(pictures.contours):
            found[f"contour-{place}"] = contour_figure(contour, span)
    return found


def place_figures(pictures: Pictures, points: Points) -> Markup:
    """Return the places of all figures, with their notes."""
    info = pictures.importance
    return join(
        chart(
            "importance",
            "What separates the better half of the trials from the rest",
            shows(info),
            note=importance_note(info, pruned=pictures.pruned),
        ),
        chart(
            "parallel",
            "Every trial across its hyperparameters",
            "A line a trial, from the least important hyperparameter to the most important one "
            "and to its validation F_med; the best quarter of the trials is on top.",
            note=parallel_note(pictures.parallel),
        ),
        *_slices(pictures),
        *_contours(pictures, points),
    )


def _slices(pictures: Pictures) -> list[Markup]:
    figures = []
    for place, (info, bar) in enumerate(
        zip(pictures.slices, pictures.importance.bars, strict=True)
    ):
        told = "stands out" if bar.stands_out else "within noise"
        title = f"{words.label(bar.name)}: {bar.value:.2f}, {told}"
        figures.append(_small(f"slice-{place}", title, _spoken_slice(info)))
    return [
        element("h3", "Along each hyperparameter"),
        element("p", slices_note(pictures.slices), class_="aside"),
        element("div", *figures, class_="curves slices"),
    ]


def _spoken_slice(info: SliceInfo) -> str:
    label, best = spoken(info.scale.name), int(np.argmax(info.median))
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
        return [head, hidden(no_contours(pictures.importance, points))]
    figures = [
        _small(
            f"contour-{place}",
            f"{words.label(info.across.name)} and {spoken(info.up.name)}",
            f"Smoothed validation F_med over {spoken(info.across.name)} and "
            f"{spoken(info.up.name)}, where trials are near.",
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
