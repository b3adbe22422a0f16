"""One trial: its training history, its diagnosis, everything that is known of it."""

from __future__ import annotations

from study.records import SCORES
from study.report import words
from study.report.markup import Markup, element, join
from study.report.section import Evidence, Section
from study.summary import leader

_LINES = (
    ("train", "training, augmented"),
    ("validation", "validation, augmented"),
    ("plain", "validation, plain"),
)


def section(evidence: Evidence) -> Section:
    """Return the tab that the page's script fills with the trial that is chosen."""
    return Section(
        key="trial",
        title="Trial",
        look_for=(
            "Look for the distance between training and validation, and for where validation "
            "stops to gain: the dashed line is the best epoch, whose network was kept."
        ),
        shows="",  # the script writes it anew for every trial
        body=join(
            element("p", _shows(evidence), class_="shows", id="trial-shows"),
            _tools(),
            element("p", id="trial-words", class_="variant", aria_live="polite"),
            element("ul", id="trial-notes", class_="notes"),
            element("div", *(_chart(name) for name in SCORES), class_="curves"),
            _details(),
        ),
    )


def _shows(evidence: Evidence) -> str:
    best = leader(evidence.record)
    if best is None:
        return "No trial is complete." if evidence.record.trials else "No trial has begun."
    epoch = words.best_epoch(best)
    return f"The best trial of the search is {best.number}; its best epoch was {epoch}."


def _tools() -> Markup:
    lines = (
        element("button", name, type="button", data_line=place, aria_pressed="true", class_=kind)
        for place, (kind, name) in enumerate(_LINES)
    )
    return element(
        "div",
        element("button", "Previous", type="button", id="previous"),
        element("select", id="choice", aria_label="Trial"),
        element("button", "Next", type="button", id="next"),
        element("button", "Overlay", type="button", id="overlay", aria_pressed="false"),
        element("span", id="overlaid", class_="overlaid", role="group", aria_label="Overlaid"),
        element("span", class_="grow"),
        element(
            "span",
            *lines,
            element("span", "best epoch", class_="best"),
            class_="legend",
            role="group",
            aria_label="Lines of the charts",
        ),
        class_="tools",
    )


def _chart(score: str) -> Markup:
    return element(
        "figure",
        element("figcaption", words.label(score)),
        element("div", class_="chart", data_score=score, role="img"),
    )


def _details() -> Markup:
    heads = ("Score", "Training, augm.", "Valid., augm.", "Valid., plain")
    head = element(
        "tr",
        *(
            element("th", text, scope="col", class_="n" if place else None)
            for place, text in enumerate(heads)
        ),
    )
    table = element(
        "table",
        element("thead", head),
        element("tbody", id="trial-scores"),
        class_="plain",
    )
    return element(
        "div",
        element(
            "div",
            element("h3", "Diagnosis"),
            element("p", id="diagnosis-title", class_="strong"),
            element("p", id="diagnosis-numbers"),
            element("ul", id="diagnosis-advice"),
            element("h3", "Scores at the best epoch"),
            element("div", table, class_="scroll"),
        ),
        element(
            "div",
            element("h3", "Hyperparameters"),
            element("dl", id="trial-variant", class_="facts"),
        ),
        element(
            "div",
            element("h3", "Result and capacity"),
            element("dl", id="trial-facts", class_="facts"),
        ),
        class_="details",
    )
