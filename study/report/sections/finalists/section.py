"""The tab on the finalists: who they were, how the winner was taken, its final network."""

from __future__ import annotations

from statistics import fmean

import plotly.graph_objects as go

from study.records import StudyRecord
from study.report import words
from study.report.markup import Content, Markup, element, join
from study.report.plain_table import plain_table
from study.report.section import Evidence, Section, chart, hidden
from study.report.sections.finalists.choice import (
    Choice,
    Finalist,
    choice,
    chosen_words,
    cost_words,
    network_words,
    nothing_yet,
)
from study.report.sections.finalists.figure import drawn, finalists_figure
from study.report.tables import facts_html
from study.summary import is_settled, leader, reference

RULES = {
    "one-se": "the least complex finalist within one standard error of the best",
    "best": "the highest cross-validated F_med",
}

CHOSEN_HERE = (
    "The finalists were chosen by the search on validation images that also score here, so that "
    "their cross-validated figures are still a little too good; how the choice among them flatters "
    "the winner is taken off in the corrected figure, that they were chosen is not."
)

FEWEST_PICKED = 3
"""Fewer finalists have no mean of which to speak."""

ERROR = (
    "Standard error of the best: from the scores of its folds and fold seeds, widened because "
    "folds share training images (Nadeau and Bengio 2003)."
)


def section(evidence: Evidence) -> Section:
    """Return the tab; where there are no finalists it says why, and what is lost."""
    record = evidence.record
    found = choice(record)
    body, figures = _nothing(record), dict[str, go.Figure]()
    if found is not None:
        body, figures = _body(record, found), _figures(found)
    return Section(
        key="finalists",
        title="Finalists",
        look_for=(
            "Look how far each network falls from the search's score to the cross-validated one: "
            "that is the luck of having been picked, and the step from augmented to plain images."
        ),
        shows=shows(record),
        body=body,
        figures=figures,
    )


def shows(record: StudyRecord) -> str:
    """Return who won and how far the finalists fell, or why there is none, in one sentence."""
    found = choice(record)
    if found is None:
        if is_settled(record):
            return "No finalists were trained, so that the luck of the search stays in its score."
        return nothing_yet(record)
    why = (chosen_words(record) or "").removeprefix("It ").removesuffix(".")
    return f"Trial {found.winner} wins: it {why}{_falls(record, found)}."


def _falls(record: StudyRecord, found: Choice) -> str:
    """Return how far the winner fell from the search to the folds, and all that were picked.

    The reference network was picked by nobody, and its search score is that of its epoch alone.
    """
    said, own = "", next((i for i in found.finalists if i.number == found.winner), None)
    if own is not None and own.fall is not None:
        way = "falls" if own.fall >= 0 else "rises"
        said = (
            f"; trial {own.number} {way} by {abs(own.fall):.3f} from the search's "
            f"{words.score(own.search)} (augmented) to {words.score(own.mean)} (cross-validated, "
            "plain)"
        )
    known = reference(record)
    unpicked = None if known is None or known is leader(record) else known.number
    picked = [i.fall for i in found.finalists if i.fall is not None and i.number != unpicked]
    if len(picked) < FEWEST_PICKED:
        return said
    mean = fmean(picked)
    way = "fall" if mean >= 0 else "rise"
    return f"{said}, the {len(picked)} that the search picked {way} by {abs(mean):.3f} on average"


def _nothing(record: StudyRecord) -> Markup:
    if not is_settled(record):
        return hidden("No finalists are shown before they speak for all complete trials.")
    return join(_notes(record), _network(record))


def _figures(found: Choice) -> dict[str, go.Figure]:
    return {"finalists": finalists_figure(found)} if drawn(found) else {}


def _body(record: StudyRecord, found: Choice) -> Markup:
    placed = chart(
        "finalists",
        "Cross-validated F_med against multiply-accumulates, beside the search's",
        "Scatter of the finalists' search score and cross-validated F_med against "
        "multiply-accumulates; the table below holds the same figures",
        note=_note(found),
    )
    return join(
        placed if drawn(found) else hidden("No finalist has a known cost and a score to draw."),
        _table(found),
        element("p", CHOSEN_HERE, class_="aside"),
        _notes(record),
        element("h3", "How the winner was taken"),
        facts_html(_facts(found)),
        element("p", ERROR, class_="aside") if found.standard_error is not None else None,
        _network(record),
        element("p", cost_words(record)) if cost_words(record) else None,
    )


def _note(found: Choice) -> str:
    if found.standard_error is None:
        return (
            "The best has no standard error: fewer than two of its folds have images of both "
            "classes."
        )
    return (
        f"Bar and shade: one standard error ({found.standard_error:.3f}) of the best, trial "
        f"{found.best}. Networks in the shade lie within one standard error of it, and the rule "
        f"takes {RULES.get(found.rule, found.rule)}."
    )


def _table(found: Choice) -> Markup:
    heads = ["Trial", "Parameters", "Multiply-accumulates", "Search, augmented", "Search, plain"]
    heads += ["Cross-validated, plain", "Within one SE", "Network", "Remark"]
    return element(
        "div",
        plain_table(heads, [_row(item) for item in found.finalists], text=2, spoken="Finalists"),
        class_="finalists-table",
    )


def _row(item: Finalist) -> list[Content]:
    known = item.mean is not None
    remark = ", ".join(filter(None, [item.called, item.dropped and f"dropped: {item.dropped}"]))
    return [
        element("a", item.number, href=f"#trial-{item.number}"),
        words.count(item.parameters),
        words.count(item.macs),
        words.score(item.search),
        words.score(item.search_plain),
        words.score(item.mean),
        ("yes" if item.within else "no") if known else words.DASH,
        item.words,
        remark,
    ]


def _facts(found: Choice) -> list[tuple[str, Content]]:
    seeds = words.plural(found.fold_seeds, "fold seed")
    return [
        ("Rule", RULES.get(found.rule, found.rule)),
        ("Folds", f"{words.plural(found.folds, 'fold')}, {seeds}"),
        ("Best of the folds", element("a", f"trial {found.best}", href=f"#trial-{found.best}")),
        ("Its standard error", words.score(found.standard_error)),
        ("A finalist must reach", words.score(found.bar)),
        ("Winner", element("a", f"trial {found.winner}", href=f"#trial-{found.winner}")),
    ]


def _notes(record: StudyRecord) -> Markup | None:
    """Return what the stage said of what it had to leave out."""
    notes = [str(note) for note in (record.final or {}).get("notes") or []]
    if len(notes) < 2:
        return element("p", notes[0]) if notes else None
    return element("ul", *(element("li", note) for note in notes), class_="said")


def _network(record: StudyRecord) -> Markup | None:
    said = network_words(record)
    return join(element("h3", "The final network"), element("p", said)) if said else None
