"""Which hyperparameters decide, and how the score changes along them."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from study.report import words
from study.report.cautions import FEW_TRIALS
from study.report.markup import Markup, element, join
from study.report.optuna_study import Searched, optuna_study, searched
from study.report.section import Evidence, Section, hidden
from study.report.sections.hyperparameters.charts import Pictures, draw_figures, place_figures
from study.report.sections.hyperparameters.importance import ImportanceInfo, importance_info
from study.report.sections.hyperparameters.landscape import contour_info, slice_info
from study.report.sections.hyperparameters.notes import CONTOUR_TRIALS, remarks, shows
from study.report.sections.hyperparameters.parallel import parallel_info
from study.report.sections.hyperparameters.scales import Points, points_of
from study.summary import progress

PAIRS = 3
MOST_POINTS, MOST_LINES = 500, 200
"""Trials drawn in a slice or contour, and across the parallel axes."""

TITLE = "Hyperparameters"
LOOK_FOR = (
    "Look for bars that end beyond the noise mark: only those hyperparameters have been seen to "
    "matter, and only their slices and contours deserve a conclusion."
)


def section(evidence: Evidence) -> Section:
    """Return the section; below ``FEW_TRIALS`` complete trials it says what is missing."""
    space = searched(evidence.record)
    points = points_of(evidence.trials, space.distributions)
    missing = _missing(evidence, points)
    if missing is not None:
        empty = hidden("Not shown: importance, the trials as lines, slices, contours.")
        return _section(missing, join(empty, _aside(space, points)))
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
    return _section(
        shows(importance),
        join(_aside(space, points), place_figures(pictures, points)),
        draw_figures(pictures),
    )


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


def _aside(space: Searched, points: Points) -> Markup | None:
    said = remarks(space, points)
    return element("p", said, class_="aside") if said else None
