"""The retest in numbers: its mistakes, its scores with intervals, one sentence on both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from study.records import StudyRecord
from study.report import words
from study.report.final_network import ORIGINS
from study.report.markup import Content, Markup, element, join
from study.report.section import hidden
from study.report.sections.heldout.data import class_names, part_counts, untested
from study.report.verdict import interval_infos
from study.summary import stale_retest


def shows(record: StudyRecord) -> str:
    """Return the mistakes of the retest and the interval of its F_med in one sentence."""
    retest = record.retest
    if retest is None:
        return f"Nothing can be claimed on new images: {untested(record)}."
    counted = retest.get("confusion")
    if not counted:
        return "The retest's confusion counts are not stored, so that its mistakes cannot be told."
    positive, negative = class_names(record.dataset)
    tp, fp, tn, fn = (int(counted.get(key) or 0) for key in ("tp", "fp", "tn", "fn"))
    was = "was" if fn == 1 else "were"
    told = (
        f"{fn:,} of {words.plural(tp + fn, f'{positive} image')} {was} missed and {fp:,} of "
        f"{tn + fp:,} {negative} {'one' if tn + fp == 1 else 'ones'} called {positive}; "
    )
    groups = _test_groups(record)
    held = "" if groups is None else f"with {groups[0]:,} + {groups[1]:,} groups "
    bounds = words.interval((retest.get("intervals") or {}).get("f_med"))
    claim = (
        "the F_med has no interval, so that no figure can be claimed"
        if bounds is None
        else f"the F_med may be anywhere between {bounds[0]:.2f} and {bounds[1]:.2f} "
        f"({level_words(retest)} interval)"
    )
    leak = (
        ", and since the split leaks even that says little about new lesions"
        if record.split.get("leaking_groups")
        else ""
    )
    return f"{told}{held}{claim}{leak}."


def _test_groups(record: StudyRecord) -> tuple[int, int] | None:
    """Return the groups of the positive and the negative class of the test part."""
    stored = ((record.retest or {}).get("intervals") or {}).get("groups")
    if isinstance(stored, dict) and {"positive", "negative"} <= set(stored):
        return int(stored["positive"]), int(stored["negative"])
    classes = part_counts(record, "test").get("classes") or {}
    found = [(classes.get(name) or {}).get("groups") for name in class_names(record.dataset)]
    return None if None in found else (int(found[0] or 0), int(found[1] or 0))


def scores_html(record: StudyRecord) -> Markup:
    """Return confusion and scores of the retest, or why there is none."""
    retest = record.retest
    if retest is None:
        return hidden("No retest, and so no mistakes and no scores of the test part.")
    intervals = retest.get("intervals") or {}
    rows, level = [], level_words(retest)
    for info in interval_infos(retest):
        if info.label == "AUC" and info.bounds is None:
            continue  # without groups enough for an interval the figure alone would mislead
        text = "no interval" if info.bounds is None else bounds_words(info.bounds)
        rows.append((info.label, words.score(info.value), text))
    origin = ORIGINS.get(str(retest.get("origin")))
    of = f"Trial {retest.get('number')}'s network, {origin}." if origin else None
    said = " ".join(filter(None, [of, stale_retest(record)]))
    method = intervals.get("method")
    how = element("summary", "How the intervals are made")
    return join(
        element("h3", "Mistakes and scores"),
        element("p", said) if said else None,
        element(
            "div",
            element("div", _confusion(retest, record.dataset)),
            element("div", scrolling_table(["Score", "Value", f"{level} interval"], rows)),
            class_="pair",
        ),
        element("details", how, element("p", str(method))) if method else None,
    )


def _confusion(retest: dict[str, Any], dataset: dict[str, Any]) -> Markup:
    """Return the counts with their sums and the recall of each class."""
    counted = retest.get("confusion") or {}
    if not counted:
        return hidden("The confusion counts are not stored.")
    positive, negative = class_names(dataset)
    tp, fp, tn, fn = (int(counted.get(key) or 0) for key in ("tp", "fp", "tn", "fn"))
    rows: list[tuple[Content, ...]] = [
        (f"is {positive}", f"{tp:,}", f"{fn:,} missed", f"{tp + fn:,}", _share(tp, tp + fn)),
        (
            f"is {negative}",
            words.plural(fp, "false alarm"),
            f"{tn:,}",
            f"{tn + fp:,}",
            _share(tn, tn + fp),
        ),
        ("Sum", f"{tp + fp:,}", f"{tn + fn:,}", f"{tp + fp + tn + fn:,}", words.DASH),
    ]
    heads = ["Truth", f"called {positive}", f"called {negative}", "Sum", "Recall"]
    aside = "Threshold 0.5, on the images as they are."
    return join(scrolling_table(heads, rows), element("p", aside, class_="aside"))


def _share(right: int, images: int) -> str:
    return words.score(right / images) if images else words.DASH


def level_words(retest: dict[str, Any]) -> str:
    """Write the level of a retest's intervals."""
    level = words.number((retest.get("intervals") or {}).get("level")) or 0.95
    return f"{100 * level:.0f} %"


def bounds_words(bounds: tuple[float, float]) -> str:
    """Write the ends of an interval."""
    return f"{bounds[0]:.2f} to {bounds[1]:.2f}"


def scrolling_table(heads: Sequence[str], rows: Sequence[Sequence[Content]]) -> Markup:
    """Return a table in a frame that scrolls; the first cell of a row is its heading."""
    return element("div", _plain(heads, rows), class_="scroll narrow")


def _plain(heads: Sequence[str], rows: Sequence[Sequence[Content]]) -> Markup:
    head = element("tr", *(element("th", text, scope="col") for text in heads))
    body = [
        element("tr", element("th", row[0], scope="row"), *(element("td", t) for t in row[1:]))
        for row in rows
    ]
    return element("table", element("thead", head), element("tbody", *body), class_="plain")
