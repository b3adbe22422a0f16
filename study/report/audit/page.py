"""The page of an audit: one HTML file that needs no network, to judge a set of images by."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from string import Template
from typing import Any

from PIL import Image

from study import __version__
from study.dataset.audit.result import GRADES, Audit, Spread
from study.dataset.manifest import Manifest
from study.dataset.sources.source import Source
from study.dataset.sources.stores import open_store
from study.errors import SettingsError
from study.files import write_text
from study.report import words
from study.report.audit.figures import (
    SizesInfo,
    baselines_figure,
    baselines_height,
    sizes_figure,
    sizes_info,
)
from study.report.audit.section import (
    LEVELS,
    BaselineInfo,
    baseline_infos,
    baselines_table,
    findings_html,
    left_out_html,
    shortcut_sentences,
)
from study.report.audit.strips import Thumbnails, copies_html, groups_html
from study.report.data_facts import GROUPING, parts_table
from study.report.markup import Content, Markup, element, join
from study.report.offline import asset, embedded, page_head
from study.report.style import CONFIG, DARK
from study.report.tables import facts_html

_PACKAGES = ("numpy", "pillow", "scikit-learn")

_SPLITS = {
    "grouped": "groups kept together",
    "random": "split at random over images",
    "given": "parts as the data give them",
}

_MEASURES = {
    "width": "Width, pixels",
    "height": "Height, pixels",
    "mean_grey": "Mean grey level, 0 to 255",
    "kilobytes": "File size, KiB",
}


def write_audit_page(
    audit: Audit,
    source: Source,
    manifest: Manifest,
    path: Path,
    *,
    seed: int | None = None,
    now: datetime | None = None,
) -> Path:
    """Write the page to ``path``, replacing it at once, and return that path.

    ``manifest`` has its rows in the order of the source's images. The page carries thumbnails of
    images that belong together, less than 3 MB of them. ``seed`` is that of the split, where
    known, ``now`` the time that the page gives as its own.

    Raises ``SettingsError`` when ``path`` cannot be written.
    """
    page = audit_page_html(audit, source, manifest, seed=seed, now=now or datetime.now(UTC))
    try:
        write_text(path, page, errors="replace")
    except OSError as error:
        raise SettingsError(
            f"--html {path}: cannot be written ({error.strerror or error}); allowed: a file in a "
            "folder that you may write to, on a disk with room; name another one"
        ) from error
    return path


def audit_page_html(
    audit: Audit, source: Source, manifest: Manifest, *, seed: int | None, now: datetime
) -> str:
    """Return the whole page: findings, tables, thumbnails, data of the charts, styles, scripts."""
    from plotly.offline import get_plotlyjs

    plotly_js = get_plotlyjs()
    charts_js, audit_js = (asset(f"{name}.js") for name in ("charts", "audit"))
    values = audit.as_dict()
    infos = baseline_infos(values)
    figures = {"sizes": sizes_figure(_sizes_info(source), positive=audit.positive).to_plotly_json()}
    if infos:
        figures["baselines"] = baselines_figure(infos).to_plotly_json()
    thumbnails = Thumbnails(read=_reader(source))
    # Contradictions and copies first, should the budget for thumbnails not last.
    copies = copies_html(values, source, manifest, thumbnails)
    groups = groups_html(audit, manifest, thumbnails)
    return Template(asset("audit.html")).substitute(
        head=page_head(f"Audit of {audit.dataset}", plotly_js, charts_js, audit_js),
        header=_header(audit, now),
        findings=findings_html(values["findings"]),
        parts=element("div", parts_table(audit.split, values), class_="scroll"),
        shortcuts=_shortcuts(values, infos),
        sizes=_sizes(audit),
        groups=groups,
        copies=copies,
        left_out=_left_out(audit),
        provenance=_provenance(audit, source, manifest, seed, now),
        json=embedded({"figures": figures, "config": CONFIG, "dark": DARK}),
        plotly=plotly_js,
        charts=charts_js,
        script=audit_js,
    )


def _reader(source: Source) -> Callable[[str], Image.Image]:
    store = open_store(source.root)
    return lambda path: store.read(path, channels=3)


def _sizes_info(source: Source) -> SizesInfo:
    pairs = zip(source.images, source.facts, strict=True)
    return sizes_info((item.path, item.label, seen.width, seen.height) for item, seen in pairs)


def verdict(audit: Audit) -> str:
    """Return in one sentence what the findings mean for a study on these data."""
    amounts = Counter(finding.grade for finding in audit.findings)
    errors, warnings, _ = (words.plural(amounts[grade], grade) for grade in GRADES)
    if amounts["error"]:
        more = f" and {warnings}" if amounts["warning"] else ""
        return f"{errors}{more}: scores measured on these data would not mean what they seem to."
    if amounts["warning"]:
        return f"No error, {warnings}: a study can run; read first where its scores are weak."
    return "No error, no warning: nothing was found that speaks against a study on these data."


def _header(audit: Audit, now: datetime) -> Markup:
    classes = " and ".join(f"{amount:,} {name}" for name, amount in audit.classes.items())
    subject = (
        f"{classes} images in {words.plural(audit.groups, 'group')}, "
        f"{_SPLITS.get(str(audit.split.get('kind')), 'split as said below')}. Positive is "
        f"{audit.positive}."
    )
    synthetic = " The images are drawn by a program." if audit.synthetic else ""
    worst = next((grade for grade in GRADES if any(f.grade == grade for f in audit.findings)), "")
    when = element(
        "time", words.moment(now.isoformat()), datetime=now.isoformat(timespec="seconds")
    )
    return join(
        element("h1", f"Audit of {audit.dataset}"),
        element("p", subject + synthetic + " Audited ", when, ".", class_="subject"),
        element("p", verdict(audit), class_=f"verdict {LEVELS.get(worst, 'note')}"),
    )


def _shortcuts(values: dict[str, Any], infos: list[BaselineInfo]) -> Markup:
    if not infos:
        text = "No baseline was measured." if not values["baselines"] else ""
        return join(*(element("p", said) for said in [text, *shortcut_sentences(values)] if said))
    chart = element(
        "div",
        id="baselines-chart",
        class_="chart",
        style=f"height: {baselines_height(infos)}px",
        role="img",
        aria_label="F_med of every baseline; the table holds the same figures",
    )
    caption = element("figcaption", "How well an SVM tells the classes from so little")
    return join(
        *(element("p", sentence) for sentence in shortcut_sentences(values)),
        element(
            "div",
            element("figure", caption, chart),
            element("div", element("div", baselines_table(infos), class_="scroll narrow")),
            class_="pair",
        ),
    )


def _sizes(audit: Audit) -> Markup:
    formats = ", ".join(f"{amount:,} {name}" for name, amount in audit.formats.items())
    chart = element(
        "div",
        id="sizes-chart",
        class_="chart tall",
        role="img",
        aria_label="Width and height of the images by class; the table gives their spread",
    )
    caption = element("figcaption", "Width and height; larger marks stand for more images")
    return join(
        element(
            "div",
            element("figure", caption, chart),
            element(
                "div",
                element("div", _spreads(audit), class_="scroll narrow"),
                element("p", f"Formats: {formats}.", class_="aside"),
            ),
            class_="pair",
        ),
    )


def _spreads(audit: Audit) -> Markup:
    heads = ("Median (range)", *audit.sizes)
    head = element("tr", *(element("th", text, scope="col") for text in heads))
    rows = (
        element(
            "tr",
            element("th", title, scope="row"),
            *(element("td", _spread(found.get(key))) for found in audit.sizes.values()),
        )
        for key, title in _MEASURES.items()
        if any(key in found for found in audit.sizes.values())
    )
    return element("table", element("thead", head), element("tbody", *rows), class_="plain")


def _spread(spread: Spread | None) -> str:
    if spread is None:
        return words.DASH
    return f"{_amount(spread.median)} ({_amount(spread.low)} to {_amount(spread.high)})"


def _amount(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 or value == round(value) else f"{value:.1f}"


def _left_out(audit: Audit) -> Markup | str:
    if not audit.broken:
        return ""
    files = [(found["path"], found["reason"]) for found in audit.broken]
    title = element("h2", "Files left out", id="left-out-title")
    return element("section", title, left_out_html(files), aria_labelledby="left-out-title")


def _provenance(
    audit: Audit, source: Source, manifest: Manifest, seed: int | None, now: datetime
) -> Markup:
    facts: list[tuple[str, Content]] = [
        ("Source", audit.source),
        ("Split", manifest.kind),
        ("Ratio asked for", manifest.ratio or words.DASH),
        ("Seed of the split", words.DASH if seed is None else str(seed)),
        ("Groups given by", source.groups_from or words.DASH),
        ("Groups used", GROUPING.get(manifest.grouping, manifest.grouping)),
        ("Positive class", audit.positive),
        ("Negative class", audit.negative),
        ("Images", f"{audit.images:,}"),
        ("Files left out", f"{len(audit.broken):,}"),
        ("Audited", words.moment(now.isoformat())),
        ("Version of study", __version__),
        ("Version of python", platform.python_version()),
        *((f"Version of {name}", _version(name)) for name in _PACKAGES),
        ("Digest of the data", element("code", source.digest)),
        ("Digest of the split", element("code", manifest.digest)),
    ]
    return facts_html(facts)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return words.DASH
