"""The held-out test: what the one look at the test part says, and what it cannot say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import plotly.graph_objects as go

from study import metrics
from study.evaluation.operating import Predictions, brier
from study.records import StudyRecord
from study.report import words
from study.report.markup import Content, Markup, element, join
from study.report.section import Evidence, Section, chart, hidden
from study.report.sections.heldout.data import FOLDS, HeldOut, class_names, held_out
from study.report.sections.heldout.figures import (
    POINTS,
    precision_figure,
    precision_info,
    reliability_figure,
    reliability_info,
    roc_figure,
    roc_info,
    threshold_figure,
    threshold_info,
)
from study.report.sections.heldout.gallery import mistakes_html
from study.report.sections.heldout.scores import (
    bounds_words,
    level_words,
    scores_html,
    shows,
)
from study.report.sections.heldout.thresholds import (
    alike_words,
    choice_words,
    narrow_span,
    points_table,
)
from study.report.tables import facts_html


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A stretch of the section with the figures that it places."""

    body: Markup
    figures: Mapping[str, go.Figure] = field(default_factory=dict)


def section(evidence: Evidence) -> Section:
    """Return the tab of the retest."""
    record = evidence.record
    found = held_out(evidence)
    names = class_names(record.dataset)
    pieces = [
        Piece(body=scores_html(record)),
        _thresholds(found, names),
        _curves(record, found, names),
        _calibration(found, names),
        _mistakes(evidence),
    ]
    return Section(
        key="heldout",
        title="Held-out test",
        look_for=(
            "Look at the width of the intervals before you look at the scores, and at what kind of "
            f"mistake is made: a missed {names[0]} image costs more than a false alarm."
        ),
        shows=shows(record),
        body=join(*(piece.body for piece in pieces)),
        figures={name: figure for piece in pieces for name, figure in piece.figures.items()},
    )


def _thresholds(found: HeldOut, names: tuple[str, str]) -> Piece:
    title = element("h3", "Another threshold")
    cuts = found.cuts
    span, alike = narrow_span(found), alike_words(found)
    charts, figures = [], {}
    for part, data in found.parts:
        if data is None:
            of = f"{part} images" if part == FOLDS else f"{part} part"
            charts.append(hidden(f"No curve on the {of}: {found.missing[part]}."))
            continue
        info = threshold_info(data, part, cuts, span or (0.0, 1.0))
        name = f"heldout-threshold-{part}"
        figures[name] = threshold_figure(info, positive=names[0], negative=names[1])
        role = "only to compare" if part == "test" else "where the threshold is chosen"
        charts.append(
            chart(
                name,
                f"{part.capitalize()} images, {role}",
                f"Sensitivity and specificity over the threshold on the {part} images; the table "
                "below gives both at the thresholds that are marked",
                note=_thinned(len(info.threshold), info.points),
            )
        )
    if not figures:
        return Piece(body=join(title, *charts))
    return Piece(
        body=join(
            title,
            element("p", alike) if alike else None,
            element("p", choice_words(found, names)),
            element("div", *charts, class_="pair"),
            points_table(found, cuts, names),
        ),
        figures=figures,
    )


def _thinned(drawn: int, points: int) -> str | None:
    if points <= POINTS:
        return None
    return f"{drawn:,} of {points:,} thresholds are drawn."


def _few_words(record: StudyRecord, found: HeldOut, what: str) -> str:
    """Return why curves or calibration of the test part are hidden."""
    if found.test is None:
        return f"{what} of the test part: hidden, because there are no predictions to make it from."
    positive, negative = class_names(record.dataset)
    return (
        f"{what} of the test part: hidden, because {words.plural(found.test.groups(1), 'group')} "
        f"of {positive} and {found.test.groups(0):,} of {negative} are too few; "
        f"{metrics.FEW_GROUPS} in each class are needed."
    )


def _chose(found: HeldOut, names: tuple[str, str]) -> str:
    """Return what stands in when the test part cannot: other images, or why not even those."""
    if found.judged is not None:
        if found.source == FOLDS:
            return (
                " Shown instead: the out-of-fold predictions, by networks of the same variant on "
                "images that also chose among the finalists, so that they flatter it a little."
            )
        return (
            " Shown instead: the validation images, which chose the network, so that they flatter "
            "it."
        )
    data = found.choosing
    of = "out-of-fold predictions" if found.source == FOLDS else "validation part"
    if data is None:
        what = "are missing" if found.source == FOLDS else "it has no predictions"
        return f" The {of} cannot stand in: {'they ' if found.source == FOLDS else ''}{what}."
    return (
        f" The {of}, with {words.plural(data.groups(1), 'group')} of {names[0]} and "
        f"{data.groups(0):,} of {names[1]}, cannot stand in."
    )


def _curves(record: StudyRecord, found: HeldOut, names: tuple[str, str]) -> Piece:
    title = element("h3", "ROC and precision-recall")
    part, data = found.judged or (None, None)
    reason = (
        None
        if part == "test"
        else hidden(_few_words(record, found, "ROC, AUC and precision") + _chose(found, names))
    )
    if part is None or data is None:
        return Piece(body=join(title, reason))
    ranks, precise = (make(data, part, found.cuts) for make in (roc_info, precision_info))
    share = f"{100 * data.label.mean():.0f} %"
    body = element(
        "div",
        chart(
            "heldout-roc",
            f"ROC, {part} images: {_auc_words(record, data, part)}",
            f"ROC curve of the {part} images, with the operating points",
            note=_roc_note(part, _thinned(len(ranks.x), ranks.points)),
        ),
        chart(
            "heldout-precision",
            f"Precision and recall, {part} images",
            f"Precision against recall of the {part} images, with the operating points",
            note=f"The precision holds only where {share} of the images are {names[0]}, as here.",
        ),
        class_="pair",
    )
    figures = {
        "heldout-roc": roc_figure(ranks, positive=names[0], negative=names[1]),
        "heldout-precision": precision_figure(precise, positive=names[0]),
    }
    return Piece(body=join(title, reason, body), figures=figures)


def _auc_words(record: StudyRecord, data: Predictions, part: str) -> str:
    """Write the AUC with its interval, which only that of the test part has."""
    area = metrics.auc(data.label, data.probability)
    if part != "test":
        return f"AUC {area:.3f}, no interval"
    intervals = (record.retest or {}).get("intervals") or {}
    bounds = words.interval(intervals.get("auc"))
    if bounds is None:
        return "no AUC, because it has no interval"
    return f"AUC {area:.3f}, {bounds_words(bounds)} ({level_words(record.retest or {})})"


def _roc_note(part: str, thinned: str | None) -> str | None:
    """Return why validation has no interval, and how many points are drawn."""
    told = "No interval: one would not reckon with these images having chosen the network."
    return " ".join(filter(None, [told if part != "test" else None, thinned])) or None


def _calibration(found: HeldOut, names: tuple[str, str]) -> Piece:
    title = element("h3", "Calibration: does a probability mean what it says?")
    part, data = found.judged or (None, None)
    instead = f", and shown of the {part} images instead" if part else ""
    reason = (
        None
        if part == "test"
        else hidden(
            f"Calibration of the test part: hidden for the same reason as its ROC{instead}."
        )
    )
    if part is None or data is None:
        return Piece(body=join(title, reason))
    info = reliability_info(data, part)
    groups = len({int(group) for group in data.group})
    placed = chart(
        "heldout-calibration",
        f"Reliability diagram, {part} images: {words.plural(len(info.bins), 'bin')} of like size",
        f"Share of {names[0]} against the probability that was given, on the {part} images",
        note="On the dotted line a probability means what it says; intervals count groups.",
    )
    body = element("div", placed, element("div", _brier(data, groups)), class_="pair")
    figures = {"heldout-calibration": reliability_figure(info, positive=names[0])}
    return Piece(body=join(title, reason, body), figures=figures)


def _brier(data: Predictions, groups: int) -> Markup:
    parts = brier(data)
    share = float(data.label.mean())
    facts: list[tuple[str, Content]] = [
        ("Brier score, 0 is perfect", words.score(parts.score)),
        ("= miscalibration", words.score(parts.miscalibration)),
        ("- discrimination", words.score(parts.discrimination)),
        (f"+ uncertainty: saying {share:.2f} of every image", words.score(parts.uncertainty)),
    ]
    caveat = (
        f"With {words.plural(groups, 'group')} the miscalibration comes out too high, because the "
        "correction that it is measured against is fitted to these same images. Class weights and "
        "early stopping on F_med shift probabilities: neither aims at calibration."
    )
    return join(facts_html(facts), element("p", caveat, class_="aside"))


def _mistakes(evidence: Evidence) -> Piece:
    record = evidence.record
    title = element("h3", "Misclassified images")
    if record.retest is None:
        return Piece(body=join(title, hidden("No test image has been looked at.")))
    path = evidence.folder.explanations
    gallery = mistakes_html(path, record.retest, record.dataset, images=evidence.images)
    return Piece(body=join(title, gallery))
