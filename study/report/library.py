"""The page of all studies: one table, from which each study's own page opens."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from string import Template
from typing import Any
from urllib.parse import quote

from study.errors import SettingsError
from study.evaluation.nested import nested_listing, nested_words
from study.files import write_text
from study.report import words
from study.report.listing import Listed, read_listing
from study.report.markup import Content, Markup, element, join
from study.report.offline import asset, embedded, page_head
from study.report.style import DARK

COMPARISON = "compare-"
"""How the names of comparisons begin."""

_STATES = {
    "finished": "Finished",
    "running": "Running",
    "unfinished": "Unfinished",
    "unreadable": "Unreadable",
}


@dataclass(frozen=True, kw_only=True)
class LibraryInfo:
    """What the page lists."""

    runs: str
    studies: list[Listed]
    pages: frozenset[str]
    """Names of folders with a page, of a listed study or of another."""
    comparisons: list[str]
    """File names of pages that compare studies."""
    nested: list[dict[str, Any]]
    """Nested studies: ``evaluation.nested.nested_listing``."""


def write_index(runs: Path, reports: Path, *, now: datetime | None = None) -> Path:
    """Write ``index.html`` of all studies into ``reports`` and return its path.

    Lists the studies of ``runs`` with a link to each page that there is; a ledger that cannot be
    read is listed with the reason. ``now`` is the time that the page gives as its own.

    Raises ``SettingsError`` when ``reports`` cannot be written.
    """
    target = reports / "index.html"
    page = library_html(library_info(runs, reports), now=now or datetime.now(UTC))
    try:
        write_text(target, page, errors="replace")
    except OSError as error:
        raise SettingsError(
            f"--reports {reports}: the list of studies cannot be written "
            f"({error.strerror or error}); name a folder that you may write to"
        ) from error
    return target


def library_info(runs: Path, reports: Path) -> LibraryInfo:
    """Return the studies, newest first, the pages and the comparisons."""
    studies = sorted(read_listing(runs), key=lambda item: item.date, reverse=True)
    pages = (path.parent.name for path in reports.glob("*/index.html"))
    files = (path.name for path in reports.glob(f"{COMPARISON}*.html") if path.is_file())
    return LibraryInfo(
        runs=str(runs),
        studies=studies,
        pages=frozenset(name for name in pages if not name.startswith(".")),
        comparisons=sorted(files),
        nested=nested_listing(runs),
    )


def library_html(info: LibraryInfo, *, now: datetime) -> str:
    """Return the whole page; no chart, and therefore no plotly."""
    scripts = {name: asset(f"{name}.js") for name in ("charts", "index")}
    stamp = now.isoformat(timespec="seconds")
    return Template(asset("index.html")).substitute(
        head=page_head("Studies", *scripts.values()),
        summary=join(
            _summary(info), " Listed ", element("time", words.moment(stamp), datetime=stamp)
        ),
        studies=_studies(info),
        others=join(_nested(info), _comparisons(info), _strangers(info)),
        json=embedded({"dark": DARK}),
        **scripts,
    )


def _summary(info: LibraryInfo) -> str:
    found = info.studies
    said = [f"{words.plural(len(found), 'study', 'studies')} in {info.runs}"]
    for state in ("running", "unfinished", "unreadable"):
        if amount := sum(item.state == state for item in found):
            said.append(f"{amount} {state}")
    if amount := sum(item.name not in info.pages for item in found):
        said.append(f"{amount} without a page")
    return ", ".join(said) + "."


def _studies(info: LibraryInfo) -> Markup:
    if not info.studies:
        text = f"No study in {info.runs} yet; “study run --quick” makes one in a few minutes."
        return element("p", text, class_="empty")
    heads = (
        ("Study", "text", "ascending"),
        ("State", "text", "ascending"),
        ("Winner", "text", "ascending"),
        ("Validation F_med", "number", "descending"),
        ("Retest F_med", "number", "descending"),
        ("Data", "text", "ascending"),
        ("Split", "text", "ascending"),
        ("Trials", "number", "descending"),
        ("Date", "text", "descending"),
    )
    head = element("tr", *(_heading(*item) for item in heads), role="row")
    titles = [title for title, *_ in heads]
    rows = (_row(item, info, titles) for item in info.studies)
    return element(
        "table",
        element("caption", "All studies, newest first", class_="hidden"),
        element("thead", head, role="rowgroup"),
        element("tbody", *rows, role="rowgroup"),
        id="studies",
        role="table",  # which a narrow page lays out as cards
    )


def _heading(title: str, kind: str, first: str) -> Markup:
    """Return a heading that sorts; ``first`` is the order of the first click."""
    return element(
        "th",
        element("button", title, type="button"),
        scope="col",
        role="columnheader",
        aria_sort="descending" if title == "Date" else "none",
        data_kind=kind,
        data_first=first,
        class_="n" if kind == "number" else None,
    )


def _row(item: Listed, info: LibraryInfo, titles: Sequence[str]) -> Markup:
    ok = item.state != "unreadable"
    failed = f", {item.failed:,} failed" if item.failed else ""
    cells: list[tuple[Content, str | float | None]] = [
        (_name(item, info), item.name),
        (_state(item), _STATES.get(item.state, item.state)),
        (_winner(item), item.winner_words),
        (_validation(item), item.validation_f_med),
        (_retest(item), item.retest_f_med),
        (_marked(item.data, ["synthetic"] * item.synthetic), item.data),
        (_marked(item.split, _split_marks(item)), item.split),
        (f"{item.ended:,}/{item.requested:,}{failed}" if ok else words.DASH, item.ended * ok),
        (_date(item), item.date),
    ]
    return element(
        "tr",
        *(
            _cell(title, content, value)
            for title, (content, value) in zip(titles, cells, strict=True)
        ),
        role="row",
    )


def _cell(title: str, content: Content, value: str | float | None) -> Markup:
    number = title in ("Validation F_med", "Retest F_med", "Trials")
    return element(
        "td",
        element("div", content),
        role="cell",
        data_title=title,
        data_v=None if value is None or value == "" else str(value),
        class_="n" if number else "wide" if title in ("Study", "Winner") else None,
    )


def _name(item: Listed, info: LibraryInfo) -> Markup:
    if item.name in info.pages:
        return element("a", item.name, href=page_link(f"{item.name}/index.html"))
    unreadable = item.state == "unreadable"
    command = "" if unreadable else f": “study report {shlex.quote(item.name)}”"
    return join(element("strong", item.name), _mark(f"no page yet{command}"))


def page_link(path: str) -> str:
    """Return the relative address of a file below the folder of the page that links to it."""
    # The point keeps a name with a colon from being read as a scheme.
    return "./" + quote(os.fsencode(path))


def _state(item: Listed) -> Markup:
    title = _STATES.get(item.state, item.state)
    return element("span", title, class_=f"badge {item.state}")


def _winner(item: Listed) -> Content:
    if item.reason is not None:
        return element("span", item.reason, class_="reason")
    if item.winner is None:
        return "no complete trial"
    so_far = "" if item.state == "finished" else " so far"
    quick = [_mark("cut budget")] if item.quick else []
    return join(f"Trial {item.winner}{so_far}: {item.winner_words}", *quick)


def _validation(item: Listed) -> Content:
    corrected = item.corrected_f_med
    marks = [] if corrected is None else [_mark(f"corrected {corrected:.3f}")]
    return join(words.score(item.validation_f_med), *marks)


def _retest(item: Listed) -> Content:
    if item.retest_f_med is None:
        return words.DASH
    said = [words.score(item.retest_f_med)]
    if item.retest_low is not None and item.retest_high is not None:
        said.append(f"({item.retest_low:.2f} to {item.retest_high:.2f})")
    marks = []
    if item.retest_number != item.winner:
        marks.append(f"of trial {item.retest_number}")
    if item.retest_uses > 1:
        marks.append(f"test part used {words.times(item.retest_uses)}")
    level = f"{100 * item.retest_level:.0f} % interval; plain images of the test part"
    return join(element("span", " ".join(said), title=level), *map(_mark, marks))


def _split_marks(item: Listed) -> list[str]:
    return ["leaks"] if item.leaking_groups else []


def _marked(text: str, marks: Sequence[str]) -> Content:
    return join(text or words.DASH, *map(_mark, marks))


def _mark(text: str) -> Markup:
    return join(" ", element("span", text, class_="mark danger" if text == "leaks" else "mark"))


def _date(item: Listed) -> Content:
    if not item.date:
        return words.DASH
    exact = words.moment(item.date)
    return element("time", exact[:10], datetime=item.date, title=exact)


def _nested(info: LibraryInfo) -> Markup | None:
    if not info.nested:
        return None
    items = (element("li", _name_of(item, info), f": {nested_words(item)}") for item in info.nested)
    return join(element("h2", "Nested studies"), element("ul", *items))


def _name_of(item: dict[str, Any], info: LibraryInfo) -> Content:
    name = str(item["study"])
    if name not in info.pages:
        return element("strong", name)
    return element("a", name, href=page_link(f"{name}/index.html"))


def _comparisons(info: LibraryInfo) -> Markup | None:
    if not info.comparisons:
        return None
    items = (
        element("li", element("a", name.removesuffix(".html"), href=page_link(name)))
        for name in info.comparisons
    )
    return join(element("h2", "Comparisons"), element("ul", *items))


def _strangers(info: LibraryInfo) -> Markup | None:
    """Return the pages of studies whose ledgers are elsewhere."""
    known = {item.name for item in info.studies} | {str(item["study"]) for item in info.nested}
    names = sorted(info.pages - known)
    if not names:
        return None
    items = (
        element("li", element("a", name, href=page_link(f"{name}/index.html"))) for name in names
    )
    return join(
        element("h2", "Other pages"),
        element("p", f"Their ledgers are not in {info.runs}.", class_="aside"),
        element("ul", *items),
    )
