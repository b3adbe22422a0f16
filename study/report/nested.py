"""The page of a nested study: the pooled figures, and a link to the study of each outer fold."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Any

from study.errors import SettingsError
from study.files import write_text
from study.records import StudyRecord
from study.report import words
from study.report.cautions import caution_list, cautions
from study.report.library import page_link
from study.report.markup import Markup, element, join
from study.report.offline import asset, embedded, policy
from study.report.plain_table import plain_table
from study.report.style import DARK
from study.report.verdict import in_words, interval_infos
from study.summary import winner

OF_ALL = ("Synthetic data", "Quick budget")
"""Titles of cautions that hold for every fold alike."""

_THEMED = "page.onTheme(() => {});"


def write_nested(
    found: Mapping[str, Any], records: Sequence[StudyRecord], *, reports: Path
) -> Path:
    """Write the page of a nested study and return its path.

    ``found`` is what ``evaluation.nested.pool_retests`` returned, with ``study``, ``command`` and
    ``trials``; ``records`` are the studies of the folds.

    Raises ``SettingsError`` when the folder cannot be written.
    """
    target = reports / str(found["study"]) / "index.html"
    try:
        write_text(target, nested_html(found, records), errors="replace")
    except OSError as error:
        raise SettingsError(
            f"report folder {target.parent}: cannot be written ({error.strerror or error}); "
            "allowed: a folder that you may write to, on a disk with room; name another one"
        ) from error
    return target


def nested_html(found: Mapping[str, Any], records: Sequence[StudyRecord]) -> str:
    """Return the whole page."""
    scripts = {"theme": asset("theme.js"), "charts": asset("charts.js")}
    of_all = [
        item for item in cautions(records[0]) if item.title in ("Synthetic data", "Quick budget")
    ]
    return Template(asset("nested.html")).substitute(
        title=html.escape(str(found["study"])),
        policy=policy(*scripts.values(), _THEMED),
        css=asset("page.css"),
        subject=html.escape(_subject(found, records[0])),
        cautions=caution_list(of_all) if of_all else "",
        sections=join(_pooled(found), _folds(records), _repeat(found)),
        json=embedded({"config": {}, "dark": DARK, "figures": {}}),
        **scripts,
    )


def _subject(found: Mapping[str, Any], record: StudyRecord) -> str:
    return (
        f"Nested cross-validation on the dataset “{record.dataset['name']}”: "
        f"{words.plural(len(found['folds']), 'whole search', 'whole searches')} of "
        f"{words.plural(int(found['trials']), 'trial')}, each judged on the fold of lesions that "
        "it never saw."
    )


def _pooled(found: Mapping[str, Any]) -> Markup:
    low, high = found["intervals"]["f_med"]
    rows = [
        (info.label, words.score(info.value), _bounds(info.bounds))
        for info in interval_infos(dict(found))
    ]
    size = (
        f"{words.plural(int(found['images']), 'image')} in "
        f"{words.plural(int(found['groups']), 'group')}, each in one test part"
    )
    return element(
        "section",
        element("h2", "What the procedure is worth"),
        element(
            "p",
            element("strong", f"F_med {found['f_med']:.3f}"),
            f", 95 % interval {low:.2f} to {high:.2f}, on {size}.",
            class_="number",
        ),
        element(
            "p",
            "This estimates the procedure (search, selection, final training), not one network: "
            "each fold names its own. That the folds' searches share training images is not in "
            "the interval.",
            class_="aside",
        ),
        plain_table(["Score", "Pooled", "95 % interval"], rows, text=1, spoken="Pooled scores"),
        id="pooled",
    )


def _bounds(bounds: tuple[float, float] | None) -> str:
    return "no interval" if bounds is None else f"{bounds[0]:.2f} to {bounds[1]:.2f}"


def _folds(records: Sequence[StudyRecord]) -> Markup:
    rows = []
    for number, record in enumerate(records, 1):
        retest, best = record.retest or {}, winner(record)
        link = element("a", f"Fold {number}", href=page_link(f"../{record.name}/index.html"))
        rows.append(
            (
                link,
                words.score(words.number(retest.get("f_med"))),
                words.count(retest.get("images")),
                words.count(retest.get("groups")),
                words.count(None if best is None else best.macs),
                words.DASH if best is None else in_words(best),
            )
        )
    values = [value for r in records if (value := words.number((r.retest or {}).get("f_med")))]
    spread = f"from {min(values):.3f} to {max(values):.3f}" if values else "unknown"
    heads = ["Outer fold", "F_med", "Images", "Groups", "MACs", "Winner"]
    return element(
        "section",
        element("h2", "Fold by fold"),
        element(
            "p",
            f"F_med {spread}: how much depends on which lesions happen to be the test part.",
            class_="shows",
        ),
        plain_table(heads, rows, text=1, spoken="Outer folds"),
        id="folds",
    )


def _repeat(found: Mapping[str, Any]) -> Markup:
    return element(
        "section",
        element("h2", "How it is repeated"),
        element("p", element("code", found["command"])),
        id="repeat",
    )
