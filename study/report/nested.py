"""The page of a nested study: the pooled figures, and a link to the study of each outer fold."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from string import Template
from typing import Any

from study import metrics
from study.errors import SettingsError
from study.files import write_text
from study.records import StudyRecord
from study.report import words
from study.report.cards import interval_row
from study.report.cautions import Caution, caution_list, cautions
from study.report.library import page_link
from study.report.markup import Content, Markup, element, join
from study.report.nested_reading import (
    above_every_fold,
    agreement_words,
    claim,
    fall,
    missed,
    openings,
    spread,
    trials_words,
)
from study.report.offline import asset, embedded, page_head
from study.report.plain_table import plain_table
from study.report.sections.provenance import search_facts
from study.report.style import DARK
from study.report.tables import facts_html
from study.report.verdict import IntervalInfo, in_words, interval_infos

OF_ALL = ("Synthetic data", "Cut budget", "Few trials", "Positive class")
"""Titles of cautions that hold for every fold alike."""

OF_A_FOLD = (
    *("The split leaks", "Test part reused", "No finalists", "Final network not retrained"),
    *("Final network has not learned", "Training was cut", "Notes on the finalists"),
    *("Unfinished", "Failures"),
)
"""Titles of cautions that speak of the fold in which they were found."""

_THEMED = "page.onTheme(() => {});"


def write_nested(
    found: Mapping[str, Any], records: Sequence[StudyRecord], *, reports: Path
) -> Path:
    """Write the page of a nested study and return its path.

    ``found`` is the document of the nested study: ``evaluation.nested.NestedStudy.document``;
    ``records`` are the studies of the folds, in order.

    Raises ``SettingsError`` when the folder cannot be written.
    """
    target = reports / str(found["study"]) / "index.html"
    try:
        write_text(target, nested_html(found, records, now=datetime.now(UTC)), errors="replace")
    except OSError as error:
        raise SettingsError(
            f"report folder {target.parent}: cannot be written ({error.strerror or error}); "
            "allowed: a folder that you may write to, on a disk with room; name another one"
        ) from error
    return target


def nested_html(found: Mapping[str, Any], records: Sequence[StudyRecord], *, now: datetime) -> str:
    """Return the whole page; no chart, and therefore no plotly."""
    charts_js = asset("charts.js")
    stamp = now.isoformat(timespec="seconds")
    return Template(asset("nested.html")).substitute(
        head=page_head(str(found["study"]), charts_js, _THEMED),
        title=html.escape(str(found["study"])),
        subject=join(
            _subject(found, records[0]),
            element("time", words.moment(stamp), datetime=stamp),
        ),
        cautions=caution_list(nested_cautions(found, records)),
        pooled=_pooled(found, records[0]),
        folds=_folds(found, records),
        networks=_networks(found, records),
        claim=_claim(found, records),
        repeat=_repeat(found, records[0]),
        json=embedded({"config": {}, "dark": DARK, "figures": {}}),
        charts=charts_js,
        script=_THEMED,
    )


def nested_cautions(found: Mapping[str, Any], records: Sequence[StudyRecord]) -> list[Caution]:
    """Return what speaks against the pooled figures, the gravest first."""
    by_fold = [cautions(record) for record in records]
    said = [item for item in by_fold[0] if item.title in OF_ALL]
    for number, of_fold in enumerate(by_fold, 1):
        said += [
            Caution(level=item.level, title=f"Fold {number}: {item.title}", text=item.text)
            for item in of_fold
            if item.title in OF_A_FOLD or (item.level == "danger" and item.title not in OF_ALL)
        ]
    if (above := above_every_fold(found)) is not None:
        said.insert(0, Caution(level="warning", title="Pooled above every fold", text=above))
    groups = {key: int(part["groups"]) for key, part in found["classes"].items()}
    if min(groups.values()) < metrics.FEW_GROUPS:
        held = " and ".join(
            f"{words.plural(amount, 'group')} of {records[0].dataset.get(key)}"
            for key, amount in groups.items()
        )
        text = (
            f"All folds together hold {held}. Intervals from fewer than {metrics.FEW_GROUPS} "
            "groups in a class are wide, and rightly so."
        )
        said.append(Caution(level="warning", title="Few groups", text=text))
    return sorted(said, key=lambda item: ("danger", "warning", "note").index(item.level))


def _subject(found: Mapping[str, Any], record: StudyRecord) -> str:
    return (
        f"Nested cross-validation on the dataset “{record.dataset['name']}”: "
        f"{words.plural(len(found['folds']), 'whole search', 'whole searches')} of "
        f"{trials_words(found)}, each judged on an outer fold of groups that it never saw. "
        "Written "
    )


def _pooled(found: Mapping[str, Any], record: StudyRecord) -> Markup:
    low, high = found["intervals"]["f_med"]
    level = words.number(found["intervals"].get("level")) or 0.95
    return join(
        element(
            "p",
            element("strong", f"F_med {found['f_med']:.3f}"),
            f", {100 * level:.0f} % interval {low:.2f} to {high:.2f}",
            class_="number",
        ),
        element("p", missed(found, record)),
        element(
            "div",
            *(interval_row(info, level) for info in interval_infos(dict(found))),
            class_="intervals",
        ),
        element(
            "p",
            "The AUC pools probabilities of different networks, whose scales may differ."
            if found.get("auc") is not None
            else f"No AUC: that takes {metrics.FEW_GROUPS} groups in each class.",
            class_="aside",
        ),
        _method(found),
    )


def _method(found: Mapping[str, Any]) -> Markup | None:
    method = found["intervals"].get("method")
    if not method:
        return None
    own = "That the folds' searches share training images is not in them."
    title = element("summary", "How the intervals are made")
    return element("details", title, element("p", f"{method} {own}"))


def _folds(found: Mapping[str, Any], records: Sequence[StudyRecord]) -> Markup:
    infos = [_info(f"Fold {at}", fold) for at, fold in enumerate(found["folds"], 1)]
    whole = {"f_med": found["f_med"], "interval": found["intervals"]["f_med"]}
    rows = [info for info in [*infos, _info("Pooled", whole)] if info is not None]
    return join(
        element(
            "p",
            f"{spread(found)} {fall(found)} {openings(found)}",
            class_="shows",
        ),
        element("div", *(interval_row(info, 0.95) for info in rows), class_="intervals"),
        _fold_table(found, records),
    )


def _info(label: str, fold: Mapping[str, Any]) -> IntervalInfo | None:
    value = words.number(fold["f_med"])
    if value is None:
        return None
    return IntervalInfo(label=label, value=value, bounds=words.interval(fold["interval"]))


def _fold_table(found: Mapping[str, Any], records: Sequence[StudyRecord]) -> Markup:
    heads = ["Outer fold", "Search (augmented)", "Test part", "Images", "Groups", "Opened"]
    heads += ["Parameters", "MACs", "Network"]
    rows: list[list[Content]] = []
    for number, (fold, record) in enumerate(zip(found["folds"], records, strict=True), 1):
        place = page_link(f"../{fold['study']}/index.html")
        trial = next((item for item in record.trials if item.number == fold["winner"]), None)
        rows.append(
            [
                element("a", f"Fold {number}", href=place),
                words.score(fold["validation_f_med"]),
                words.score(fold["f_med"]),
                *(words.count(fold[key]) for key in ("images", "groups")),
                words.DASH if not fold["uses"] else words.times(int(fold["uses"])),
                *(words.count(fold[key]) for key in ("parameters", "macs")),
                words.DASH if trial is None else f"Trial {trial.number}: {in_words(trial)}",
            ]
        )
    return plain_table(heads, rows, text=1, spoken="Outer folds")


def _networks(found: Mapping[str, Any], records: Sequence[StudyRecord]) -> Markup:
    differing = found["agreement"]["differing"]
    sentence = element("p", agreement_words(found), class_="shows")
    if not differing:
        return sentence
    heads = ["Hyperparameter", *(f"Fold {at}" for at in range(1, len(records) + 1))]
    rows: list[list[Content]] = [
        [words.label(name), *(words.quantity(value) for value in values)]
        for name, values in differing.items()
    ]
    same = ", ".join(
        f"{words.label(name).lower()} {words.quantity(value)}"
        for name, value in found["agreement"]["same"].items()
    )
    return join(
        sentence,
        plain_table(heads, rows, spoken="Hyperparameters in which the folds differ"),
        element("p", f"The same in every fold: {same}.", class_="aside") if same else None,
    )


def _claim(found: Mapping[str, Any], records: Sequence[StudyRecord]) -> Markup:
    items = (element("li", text) for text in claim(found, records))
    return element("ul", *items, class_="said")


def _repeat(found: Mapping[str, Any], record: StudyRecord) -> Markup:
    keys = (("Data digest", "dataset"), ("Space digest", "space"))
    facts: list[tuple[str, Content]] = [
        *search_facts(record),
        ("Seed", str(record.seed)),
        *(
            (name, element("code", str(getattr(record, part).get("digest") or words.DASH)))
            for name, part in keys
        ),
        ("Digest of the outer folds", element("code", str(found["manifest_digest"]))),
        *((f"Version of {name}", str(version)) for name, version in record.versions.items()),
    ]
    return join(
        element("pre", element("code", found["command"]), tabindex="0"),
        element(
            "p",
            "The outer fold of each image is in manifest.csv in the folder of this study; the "
            "split, the protocol and the search space with its reasons are in the tab Provenance "
            "of each fold's page.",
            class_="aside",
        ),
        facts_html(facts),
    )
