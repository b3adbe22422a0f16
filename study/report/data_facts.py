"""The facts of a dataset and its parts, for a study's page and for an audit's."""

from __future__ import annotations

from typing import Any

from study.records import StudyRecord
from study.report import words
from study.report.audit.section import audit_html, left_out_html
from study.report.markup import Content, Markup, element, join
from study.report.tables import facts_html

GROUPING = {
    "given": "given with the data",
    "content": "by content: copies and frames, not patients",
    "copies": "exact copies only",
    "none": "no: every image counts singly",
}
"""Where groups come from, in words."""


def data_html(record: StudyRecord) -> Markup:
    """Return the dataset's facts, the parts by class, what the audit found, files left out."""
    data, split = record.dataset, record.split
    facts: list[tuple[str, Content]] = [
        ("Dataset", str(data.get("name"))),
        ("Source", str(data.get("source") or words.DASH)),
        ("Images", words.count(data.get("images"))),
        ("Groups", words.count(data.get("groups"))),
        ("Positive class", str(data.get("positive"))),
        ("Negative class", str(data.get("negative"))),
        ("Split", str(split.get("kind") or words.DASH)),
        ("Groups found", GROUPING.get(str(split.get("grouping")), words.DASH)),
        ("Groups in several parts", words.count(split.get("leaking_groups") or 0)),
        ("Digest", element("code", str(data.get("digest") or words.DASH))),
    ]
    explained = "A group holds images that must stay together: one lesion, one patient, one clip."
    return join(
        element("div", parts_table(split, data), class_="scroll"),
        element("p", explained, class_="aside"),
        facts_html(facts),
        left_out_html([(str(path), str(reason)) for path, reason in data.get("skipped") or []]),
        audit_html(record),
    )


def parts_table(split: dict[str, Any], data: dict[str, Any]) -> Markup:
    """Return images and groups by class and part.

    ``split`` is as in ``StudyRecord``; ``data`` has ``classes`` (name to images), ``images`` and
    ``groups``.
    """
    names = {"train": "Training", "validation": "Validation", "test": "Test"}
    names["undivided"] = "Not divided"
    parts = {n: p for n in names if (p := _part(split, n))}
    classes = data.get("classes") or {}
    rows = []
    for name, images in classes.items():
        cells = [_amount(part.get("classes", {}).get(name, {})) for part in parts.values()]
        rows.append(_row(str(name), cells, words.plural(int(images), "image")))
    total = _amount(data)
    rows.append(_row("All classes", [_amount(part) for part in parts.values()], total))
    heads = ["Class", *(names[name] for name in parts), "Total"]
    head = element("tr", *(element("th", text, scope="col") for text in heads))
    return element("table", element("thead", head), element("tbody", *rows), class_="plain")


def _part(split: dict[str, Any], name: str) -> dict[str, Any]:
    found = split.get("parts", {}).get(name) or {}
    return found if isinstance(found, dict) else {}


def _amount(part: dict[str, Any]) -> str:
    images = words.plural(int(part.get("images") or 0), "image")
    groups = part.get("groups")
    return images if groups is None else f"{images} in {words.plural(int(groups), 'group')}"


def _row(name: str, cells: list[str], total: str) -> Markup:
    values = (element("td", text) for text in (*cells, total))
    return element("tr", element("th", name, scope="row"), *values)
