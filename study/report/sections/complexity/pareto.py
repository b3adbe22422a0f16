"""The Pareto front of validation F_med and cost: its trials, figure, table."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from study.metrics import FEW_GROUPS
from study.report import words
from study.report.estimates import finalists
from study.report.marks import add_selection, callouts
from study.report.markup import Markup, element, join
from study.report.section import Evidence, chart
from study.report.sections.complexity.figures import (
    MOST_POINTS,
    add_callout,
    add_callouts,
    add_never_learned,
    add_points,
    set_axes,
)
from study.report.sections.complexity.trend import Floats
from study.report.sections.complexity.trials import (
    by_learning,
    known_trials,
    never_learned_words,
    thinned,
)
from study.report.style import BAR, LEGEND, VALIDATION, ZONE, layout

MOST_ROWS = 30
"""Most rows of the table."""

_TITLES = {
    "Trial": None,
    **dict.fromkeys(("F_med", "F_med, plain", "Parameters", "Multiply-accumulates", "Gap"), "n"),
    "SE below best": "n",
    "": None,
}
"""Heading of each column and its class: numbers stand to the right."""


@dataclass(frozen=True, kw_only=True)
class FrontInfo:
    """The complete trials that no other dominates in validation F_med and cost, and the rest."""

    front: pd.DataFrame
    """By rising cost: ``capacity`` (multiply-accumulates) and the columns of ``trials_frame``."""
    dominated: pd.DataFrame
    never_learned: pd.DataFrame
    """Neither on the front nor dominated: nothing to choose, however cheap."""
    best: float
    """The highest validation F_med."""
    error: float | None
    """Its standard error over the validation groups; None where it cannot be had."""
    groups: list[int]
    """Validation groups of each class, from few to many; empty where they are not known."""
    smallest: int | None
    """The trial with the least cost within one standard error of the best."""
    callouts: dict[int, str]
    settled: bool
    """Whether finalists named the winner, which these scores then do not."""


def front_info(evidence: Evidence) -> FrontInfo | None:
    """Return the Pareto front of the complete trials that learned, None when there is none."""
    complete, never = by_learning(known_trials(evidence, "complete", "macs"))
    if complete.empty:
        return None
    score = complete["validation_f_med"].to_numpy()
    inside = pareto_front(complete["capacity"].to_numpy(), score)
    front = complete[inside].sort_values(["capacity", "number"])
    leading = int(complete["number"].iloc[int(np.argmax(score))])
    trial = next(item for item in evidence.record.trials if item.number == leading)
    error, best = validation_error(trial.diagnosis), float(score.max())
    close = front["validation_f_med"] >= best - (error or 0.0)
    return FrontInfo(
        front=front,
        dominated=complete[~inside],
        never_learned=never,
        best=best,
        error=error,
        groups=_groups(evidence),
        smallest=None if error is None else int(front["number"][close].iloc[0]),
        callouts=callouts(evidence.record),
        settled=bool(finalists(evidence.record)),
    )


def _groups(evidence: Evidence) -> list[int]:
    part = (evidence.record.split.get("parts") or {}).get("validation") or {}
    found = (words.number(item.get("groups")) for item in (part.get("classes") or {}).values())
    return sorted(int(groups) for groups in found if groups is not None)


def front_figure(info: FrontInfo) -> go.Figure:
    """Draw the front as steps through its trials, the others behind it."""
    figure = go.Figure(layout=layout())
    figure.update_layout(legend=LEGEND, showlegend=True, hovermode="closest", margin={"l": 52})
    named = set(info.callouts)
    front = thinned(info.front, MOST_POINTS // 2, named)
    never = thinned(info.never_learned, MOST_POINTS // 5, named)
    others = thinned(info.dominated, MOST_POINTS - len(front) - len(never), named)
    shown = pd.concat([front, others, never])
    if info.error is not None:
        _add_error_zone(figure, info.best, info.error)
    figure.add_scatter(
        x=[*front["capacity"].tolist(), float(shown["capacity"].max())],
        y=[*front["validation_f_med"].tolist(), info.best],
        mode="lines",
        line={"shape": "hv", "width": 2, "color": VALIDATION},
        legendgroup="front",
        showlegend=False,
        hoverinfo="skip",
    )
    add_points(figure, others, "validation_f_med", "dominated", "macs", BAR, "circle")
    add_points(figure, front, "validation_f_med", "Pareto front", "macs", VALIDATION, "diamond")
    add_never_learned(figure, never, "macs")
    add_callouts(figure, shown, info.callouts)
    if info.smallest is not None:
        _name_smallest(figure, info, shown["capacity"])
    add_selection(figure, symbol="circle-open", size=17)
    set_axes(figure, shown["capacity"], shown["validation_f_med"].to_numpy(), "macs")
    figure.update_yaxes(title_text="Validation F_med, augmented")
    return figure


def _name_smallest(figure: go.Figure, info: FrontInfo, capacity: pd.Series) -> None:
    """Name the smallest network within one standard error below its point, towards the middle."""
    row = info.front[info.front["number"] == info.smallest].iloc[0]
    left = row["capacity"] ** 2 < capacity.min() * capacity.max()
    aside = 50 if left else -50
    score = row["validation_f_med"]
    add_callout(figure, row["capacity"], score, "within 1 SE", False, aside)


def _add_error_zone(figure: go.Figure, best: float, error: float) -> None:
    """Shade the scores within one standard error of the best."""
    figure.add_shape(
        type="rect",
        x0=0,
        x1=1,
        xref="paper",
        y0=best - error,
        y1=best,
        fillcolor=ZONE,
        line={"width": 0},
        layer="below",
    )


def pareto_front(cost: Floats, score: Floats) -> NDArray[np.bool_]:
    """Tell which trials no other dominates: none costs as little and scores as high, one better.

    (n,) each, finite; lower cost and higher score are better. Equal trials are kept together.
    """
    frame = pd.DataFrame({"cost": cost, "score": score})
    best = frame.groupby("cost")["score"].max()  # by rising cost
    cheaper = best.cummax().shift(fill_value=-np.inf)
    known = frame["score"].eq(frame["cost"].map(best))
    return np.asarray(known & frame["score"].gt(frame["cost"].map(cheaper)), dtype=np.bool_)


def validation_error(diagnosis: dict[str, Any] | None) -> float | None:
    """Return the standard error over groups of a trial's validation F_med, augmented.

    The diagnosis holds that of the gap, sqrt(train^2 + validation^2), and that of the train
    F_med, both of the same draws. None where it is unknown or 0: groups that are all alike do not
    show how groups differ.
    """
    bias = (diagnosis or {}).get("bias")
    both = words.number((diagnosis or {}).get("standard_error"))
    train = words.number(bias.get("standard_error")) if isinstance(bias, dict) else None
    if both is None or train is None or both - train <= 1e-9:
        return None
    return math.sqrt(both**2 - train**2)


def front_chart(info: FrontInfo) -> Markup:
    """Return the place of the figure, with a note on which differences count."""
    total = len(info.front) + len(info.dominated) + len(info.never_learned)
    known = (
        "No standard error of the best score is known (its diagnosis has none, or its groups do "
        "not differ), so that the figure cannot tell which differences count."
    )
    if info.error is not None:
        known = (
            f"Differences below the noise do not count: the standard error of the best F_med over "
            f"the validation groups is {info.error:.3f} (SE, shaded), and the smallest network "
            f"within it is trial {info.smallest}. All are scored on the same groups, so that a "
            "difference between two may be surer than this; the best of many is also optimistic. "
            f"{_narrow(info.groups)}"
        )
        if info.settled:
            known += (
                " The winner was named on other scores than these, those of the folds (Finalists)."
            )
    if len(info.never_learned):
        known += f" {never_learned_words(len(info.never_learned), 'on the front')} (open squares)."
    if total > MOST_POINTS:
        known += f" {words.count(MOST_POINTS)} of {words.count(total)} trials are drawn."
    return chart(
        "pareto",
        "Pareto front: no network with fewer multiply-accumulates scores as high",
        f"Validation F_med against multiply-accumulates; {len(info.front)} of {total} complete "
        "trials are on the Pareto front, listed in the table below",
        note=known,
    )


def _narrow(groups: list[int]) -> str:
    """Say how the standard error goes with the wider intervals of the ranking."""
    wider = "The intervals in the ranking are wider: they are of 95 %, about two standard errors"
    if groups and groups[0] >= FEW_GROUPS:
        return f"{wider} to either side."
    few = "few groups"
    if groups:
        spread = f"{groups[0]}" if groups[0] == groups[-1] else f"{groups[0]} to {groups[-1]}"
        few = f"{spread} groups" if groups[-1] > 1 else "1 group"
    return (
        f"{wider} to either side, and allow for how few the groups are. This standard error, from "
        f'a bootstrap over {few} a class, does not and is too narrow, so that "within one '
        'standard error" is rather too strict.'
    )


def front_table(info: FrontInfo) -> Markup:
    """Return the Pareto front as a table, the least costly first."""
    rows = []
    for row in info.front.tail(MOST_ROWS).to_dict("records"):
        number = int(row["number"])
        below = words.DASH
        if info.error is not None:
            below = f"{(info.best - row['validation_f_med']) / info.error:.1f}"
        remarks = [info.callouts.get(number)]
        remarks.append("smallest within one standard error" if number == info.smallest else None)
        cells = (
            words.score(row["validation_f_med"]),
            words.score(row["validation_f_med_plain"]),
            words.count(row["parameters"]),
            words.count(row["capacity"]),
            words.score(row["gap"]),
            below,
        )
        rows.append(
            element(
                "tr",
                element("th", element("a", number, href=f"#trial-{number}"), scope="row"),
                *(element("td", cell, class_="n") for cell in cells),
                element("td", ", ".join(filter(None, remarks))),
            )
        )
    head = (element("th", title, scope="col", class_=align) for title, align in _TITLES.items())
    table = element(
        "table", element("thead", element("tr", *head)), element("tbody", *rows), class_="plain"
    )
    more = len(info.front) - len(rows)
    left = f"The {words.plural(more, 'less costly trial')} of the front are left out."
    return join(
        element("div", table, class_="scroll narrow"),
        element("p", left, class_="aside") if more else None,
    )
