"""The report: one HTML file that needs no network, and the table of trials beside it."""

from __future__ import annotations

import html
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from string import Template

from study.errors import SettingsError
from study.files import write_text
from study.records import StudyRecord
from study.report import words
from study.report.cautions import Caution, caution_list
from study.report.frames import trials_frame
from study.report.markup import Markup, element, join
from study.report.offline import asset, embedded, page_head
from study.report.payload import Curves, page_data
from study.report.section import Evidence, Section
from study.report.sections import data, provenance, ranking, summary, trial
from study.report.sections.complexity import section as complexity
from study.report.sections.finalists import section as finalists
from study.report.sections.heldout import section as heldout
from study.report.sections.hyperparameters import section as hyperparameters
from study.report.sections.search import section as search
from study.report.tables import trials_csv
from study.summary import counts, progress
from study.workspace import StudyFolder

SECTIONS = (
    summary,
    ranking,
    trial,
    complexity,
    hyperparameters,
    search,
    finalists,
    heldout,
    data,
    provenance,
)
"""The tabs of the page, in their order."""


def write_report(
    record: StudyRecord,
    *,
    study_dir: Path,
    out_dir: Path,
    now: datetime | None = None,
    curves: Curves | None = None,
    images: bool = True,
) -> Path:
    """Write ``index.html`` and ``trials.csv`` into ``out_dir`` and return the page's path.

    Each file is replaced at once, so that a reader never sees half of one. ``study_dir`` holds
    the trials' artifacts; any of them may be missing or still growing. ``now`` is the time that
    the page gives as its own. ``curves``, handed in again each time, spares the histories of ended
    trials from being read anew. Without ``images`` the page holds no picture of the data.

    Raises ``SettingsError`` when ``out_dir`` cannot be written.
    """
    at = now or datetime.now(UTC)
    evidence = Evidence(
        record=record, trials=trials_frame(record), folder=StudyFolder(study_dir), images=images
    )
    page = page_html(evidence, now=at, curves=curves)
    target = out_dir / "index.html"
    try:
        write_text(out_dir / "trials.csv", trials_csv(evidence.trials), errors="replace")
        write_text(target, page, errors="replace")
    except OSError as error:
        raise SettingsError(
            f"report folder {out_dir}: cannot be written ({error.strerror or error}); allowed: a "
            "folder that you may write to, on a disk with room; name another one"
        ) from error
    return target


def page_html(evidence: Evidence, *, now: datetime, curves: Curves | None = None) -> str:
    """Return the whole page: text, table, data of the charts, styles and scripts."""
    from plotly.offline import get_plotlyjs

    record = evidence.record
    sections = [module.section(evidence) for module in SECTIONS]
    plotly_js = get_plotlyjs()
    scripts = {name: asset(f"{name}.js") for name in ("charts", "tabs", "table", "page")}
    return Template(asset("page.html")).substitute(
        head=page_head(record.name, plotly_js, *scripts.values()),
        nav=_navigation(sections),
        header=_header(record, now),
        dangers=_dangers(evidence.cautions),
        sections=join(*(_panel(item, opened=place == 0) for place, item in enumerate(sections))),
        version=html.escape(record.versions.get("study", "")),
        json=embedded(page_data(evidence, sections, curves=curves)),
        plotly=plotly_js,
        **scripts,
    )


def _navigation(sections: Sequence[Section]) -> Markup:
    return join(*(element("a", item.title, href=f"#{item.key}") for item in sections))


def _panel(item: Section, *, opened: bool) -> Markup:
    title = f"{item.key}-title"
    return element(
        "section",
        element("h2", item.title, id=title),
        element("p", item.look_for, class_="look") if item.look_for else None,
        element("p", item.shows, class_="shows") if item.shows else None,
        item.body,
        id=item.key,
        class_=f"panel {item.key}" + " open" * opened,
        aria_labelledby=title,
    )


def _header(record: StudyRecord, now: datetime) -> Markup:
    state = counts(record)
    ended = state["complete"] + state["pruned"] + state["failed"]
    what = {"running": "Running", "finished": "Finished", "unfinished": "Unfinished"}
    found = progress(record)
    running = found == "running"
    done = f"{ended:,} of {words.plural(record.requested, 'trial')} ended"
    parts = ", ".join(f"{n:,} {name}" for name, n in state.items() if n and name != "complete")
    stamp = now.isoformat(timespec="seconds")
    return join(
        element("h1", record.name),
        element(
            "p",
            element("span", what[found], class_=f"badge {found}"),
            element("span", done + (f" ({parts})" if parts else "")),
            element(
                "progress", value=ended, max=max(record.requested, 1), aria_label="trials ended"
            )
            if found != "finished"
            else None,
            element("span", "updated ", element("time", words.moment(stamp), datetime=stamp)),
            element("button", "Reload", type="button", id="reload") if running else None,
            element("label", element("input", type="checkbox", id="auto-reload"), " every minute")
            if running
            else None,
            class_="state",
        ),
    )


def _dangers(found: Sequence[Caution]) -> Markup | str:
    """Return what makes the scores mean something else: it stands above every tab."""
    dangers = [item for item in found if item.level == "danger"]
    return caution_list(dangers) if dangers else ""
