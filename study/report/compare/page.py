"""The page that compares studies: the same axes, the same ranking, differences with intervals."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from string import Template

from study.errors import SettingsError
from study.files import write_text
from study.report import words
from study.report.cautions import caution_list
from study.report.compare import differences, tables
from study.report.compare.figures import (
    MEASURES,
    BestSoFar,
    best_curve,
    best_figure,
    capacity_figure,
    capacity_points,
    letter,
    reached,
)
from study.report.compare.studies import Compared, comparison_cautions, fields_of
from study.report.library import COMPARISON, page_link
from study.report.markup import Content, Markup, element, join
from study.report.offline import asset, embedded, page_head
from study.report.section import Section, chart, hidden
from study.report.style import CONFIG, DARK
from study.summary import winner

LONGEST_FILE_NAME = 120
"""Characters of a comparison's name in full."""


def default_path(reports: Path, names: Sequence[str]) -> Path:
    """Return where a comparison lies unless the user says so: ``compare-A-B.html``.

    A digest tells names apart that read the same once they are joined, or that are cut.
    """
    whole = "-".join(names)
    digest = hashlib.sha256("/".join(names).encode(errors="surrogateescape")).hexdigest()[:6]
    if len(whole) > LONGEST_FILE_NAME:
        whole = f"{names[0][: LONGEST_FILE_NAME // 2]}-and-{len(names) - 1}-more-{digest}"
    elif any("-" in name for name in names):
        whole = f"{whole}-{digest}"
    return reports / f"{COMPARISON}{whole}.html"


def write_comparison(
    studies: Sequence[Compared], path: Path, *, reports: Path, now: datetime | None = None
) -> Path:
    """Write the page of two or more studies to ``path`` and return it.

    Links to the studies' own pages in ``reports`` where these exist. ``now`` is the time that the
    page gives as its own.

    Raises ``SettingsError`` when ``path`` cannot be written.
    """
    page = comparison_html(studies, path, reports=reports, now=now or datetime.now(UTC))
    try:
        write_text(path, page, errors="replace")
    except OSError as error:
        raise SettingsError(
            f"--out {path}: cannot be written ({error.strerror or error}); allowed: a file in a "
            "folder that you may write to, on a disk with room; name another one"
        ) from error
    return path


def comparison_html(
    studies: Sequence[Compared], path: Path, *, reports: Path, now: datetime
) -> str:
    """Return the whole page: cautions, tables, data of the charts, styles, scripts."""
    from plotly.offline import get_plotlyjs

    fields = fields_of(studies)
    sections = [
        tables.setups(studies, fields),
        tables.winners(studies),
        differences.section(studies),
        _capacity(studies),
        _search(studies),
    ]
    figures = {name: figure for item in sections for name, figure in item.figures.items()}
    scripts = {name: asset(f"{name}.js") for name in ("charts", "compare")}
    plotly_js = get_plotlyjs()
    stamp = now.isoformat(timespec="seconds")
    return Template(asset("compare.html")).substitute(
        head=page_head(
            f"Comparison of {' and '.join(study.name for study in studies)}",
            plotly_js,
            *scripts.values(),
        ),
        amount=len(studies),
        studies=_links(studies, path, reports),
        time=element("time", words.moment(stamp), datetime=stamp),
        nav=join(*(element("a", item.title, href=f"#{item.key}") for item in sections)),
        cautions=caution_list(comparison_cautions(studies, fields)),
        sections=join(*(_section_html(item) for item in sections)),
        json=embedded(
            {
                "figures": {name: figure.to_plotly_json() for name, figure in figures.items()},
                "config": CONFIG,
                "dark": DARK,
            }
        ),
        plotly=plotly_js,
        **scripts,
    )


def _section_html(item: Section) -> Markup:
    title = f"{item.key}-title"
    return element(
        "section",
        element("h2", item.title, id=title),
        element("p", item.look_for, class_="look"),
        element("p", item.shows, class_="shows"),
        item.body,
        id=item.key,
        aria_labelledby=title,
    )


def _links(studies: Sequence[Compared], path: Path, reports: Path) -> Markup:
    items = []
    for place, study in enumerate(studies):
        page = reports / study.name / "index.html"
        name: Content = study.name
        if page.is_file():
            name = element("a", name, href=page_link(os.path.relpath(page, path.parent)))
        items.append(element("li", element("strong", letter(place)), " ", name))
    return element("ul", *items, class_="letters")


def _capacity(studies: Sequence[Compared]) -> Section:
    infos = {
        name: [capacity_points(study.name, study.record, name) for study in studies]
        for name in MEASURES
    }
    drawn = max(sum(len(item.points) for item in found) for found in infos.values())
    left_out = max(sum(item.left_out for item in found) for found in infos.values())
    note = f"{drawn:,} of {drawn + left_out:,} trials are drawn." if left_out else None
    charts = (
        chart(
            f"capacity-{name}",
            f"F_med by {title.lower()}",
            f"Validation F_med of all trials against {title.lower()}, a colour and symbol a study",
            note=note,
        )
        for name, title in MEASURES.items()
    )
    empty = hidden("No trial has a score and a size yet.")
    return Section(
        key="capacity",
        title="Capacity",
        look_for="Whether the studies find their best scores at the same size of network. Large "
        "outlined marks are the winners, hollow ones pruned trials at their best epoch.",
        shows=_capacity_sentence(studies),
        body=element("div", *charts, class_="pair even") if drawn else empty,
        figures={f"capacity-{name}": capacity_figure(infos[name], name) for name in MEASURES}
        if drawn
        else {},
    )


def _capacity_sentence(studies: Sequence[Compared]) -> str:
    sizes = {
        letter(place): best.parameters
        for place, study in enumerate(studies)
        if (best := winner(study.record)) is not None and best.parameters
    }
    if not sizes:
        return "No study has a winner of known size."
    least, most = min(sizes, key=lambda k: sizes[k]), max(sizes, key=lambda k: sizes[k])
    if sizes[least] == sizes[most]:
        return f"All winners of known size have {sizes[most]:,} parameters."
    ratio = sizes[most] / sizes[least]
    apart = f"a factor of {ratio:.2g}" if ratio >= 1.1 else "next to the same"
    return (
        f"The winners have {sizes[least]:,} ({least}) to {sizes[most]:,} ({most}) parameters, "
        f"{apart}."
    )


def _search(studies: Sequence[Compared]) -> Section:
    curves = [best_curve(study.name, study.record) for study in studies]
    untimed = sum(curve.untimed for curve in curves)
    said = [
        "Time of all trials added up, those of pruned ones too; only complete trials raise a line."
    ]
    if untimed:
        said.append(f"{words.plural(untimed, 'trial')} without a recorded time count as none.")
    if len({str(sorted(study.record.machine.items(), key=str)) for study in studies}) > 1:
        said.append("The studies ran on different machines, so that times do not compare.")
    drawn = any(curve.best and curve.total for curve in curves)
    figure = chart(
        "best",
        "Best validation F_med so far",
        "Best validation F_med against training time, a line a study",
        note=" ".join(said),
    )
    return Section(
        key="search",
        title="Search",
        look_for="Which search got how far with the same training time, and whether its line "
        "still rises at its end.",
        shows=_search_sentence(curves),
        body=figure if drawn else hidden("No complete trial has a recorded time yet."),
        figures={"best": best_figure(curves)} if drawn else {},
    )


def _search_sentence(curves: Sequence[BestSoFar]) -> str:
    timed = [curve.total for curve in curves if curve.best and curve.total]
    if not timed:
        return "No study has a complete trial with a recorded time."
    least = min(timed)
    scores = (
        f"{letter(place)} {'none yet' if score is None else words.score(score)}"
        for place, score in enumerate(reached(curve, least) for curve in curves)
    )
    return (
        f"After {words.duration(least)} of training, all that the shortest search took, the best "
        f"so far: {', '.join(scores)}."
    )
