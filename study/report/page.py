"""The report: one HTML file that needs no network, and the table of trials beside it."""

from __future__ import annotations

import html
from datetime import UTC, datetime
from pathlib import Path
from string import Template

from study.errors import SettingsError
from study.files import write_text
from study.records import StudyRecord, TrialRecord
from study.report import words
from study.report.cautions import cautions
from study.report.markup import Markup, element, join
from study.report.offline import asset, embedded, policy
from study.report.payload import Curves, page_data
from study.report.provenance import data_html, provenance_html
from study.report.tables import table_html, table_info, trials_csv
from study.report.verdict import verdict_html
from study.summary import best_so_far, counts, progress, ranked, winner


def write_report(
    record: StudyRecord,
    *,
    study_dir: Path,
    out_dir: Path,
    now: datetime | None = None,
    curves: Curves | None = None,
) -> Path:
    """Write ``index.html`` and ``trials.csv`` into ``out_dir`` and return the page's path.

    Each file is replaced at once, so that a reader never sees half of one. ``study_dir`` holds
    the trials' histories; any of them may be missing or still growing. ``now`` is the time that
    the page gives as its own. ``curves``, handed in again each time, spares the histories of ended
    trials from being read anew.

    Raises ``SettingsError`` when ``out_dir`` cannot be written.
    """
    at = now or datetime.now(UTC)
    page = page_html(record, study_dir=study_dir, now=at, curves=curves)
    target = out_dir / "index.html"
    try:
        write_text(out_dir / "trials.csv", trials_csv(record), errors="replace")
        write_text(target, page, errors="replace")
    except OSError as error:
        raise SettingsError(
            f"report folder {out_dir}: cannot be written ({error.strerror or error}); allowed: a "
            "folder that you may write to, on a disk with room; name another one"
        ) from error
    return target


def page_html(
    record: StudyRecord, *, study_dir: Path, now: datetime, curves: Curves | None = None
) -> str:
    """Return the whole page: text, table, data of the charts, styles and scripts."""
    from plotly.offline import get_plotlyjs

    plotly_js = get_plotlyjs()
    theme_js, charts_js, page_js = (asset(f"{name}.js") for name in ("theme", "charts", "page"))
    return Template(asset("page.html")).substitute(
        title=html.escape(record.name),
        policy=policy(plotly_js, theme_js, charts_js, page_js),
        css=asset("page.css"),
        state=_state(record),
        header=_header(record, now),
        verdict=verdict_html(record),
        ranking_note=_ranking_note(record),
        table=table_html(table_info(record), winner=_number(winner(record))),
        data=data_html(record),
        provenance=provenance_html(record),
        version=html.escape(record.versions.get("study", "")),
        json=embedded(page_data(record, study_dir=study_dir, curves=curves)),
        plotly=plotly_js,
        charts=charts_js,
        script=page_js,
        theme=theme_js,
    )


def _state(record: StudyRecord) -> str:
    """Return the classes by which the page hides what would be empty."""
    scored = any(best_so_far(t) is not None for t in record.trials if t.state != "failed")
    missing = {"no-trials": not record.trials, "no-scores": not scored}
    return " ".join(name for name, yes in missing.items() if yes)


def _header(record: StudyRecord, now: datetime) -> Markup:
    state = counts(record)
    ended = state["complete"] + state["pruned"] + state["failed"]
    what = {"running": "Running", "finished": "Finished", "unfinished": "Unfinished"}
    found = progress(record)
    items = [
        element(
            "li",
            element("strong", caution.title),
            element("span", caution.text),
            class_=caution.level,
        )
        for caution in cautions(record)
    ]
    done = f"{ended} of {words.plural(record.requested, 'trial')} ended"
    parts = ", ".join(f"{n} {name}" for name, n in state.items() if n and name != "complete")
    updated = element(
        "time", words.moment(now.isoformat()), datetime=now.isoformat(timespec="seconds")
    )
    return join(
        element("h1", record.name),
        element("p", _subject(record), class_="subject"),
        element(
            "p",
            element("span", what[found], class_=f"badge {found}"),
            element("span", done + (f" ({parts})" if parts else "")),
            element(
                "progress", value=ended, max=max(record.requested, 1), aria_label="trials ended"
            )
            if found != "finished"
            else None,
            element("span", "updated ", updated),
            element("button", "Reload", type="button", id="reload") if found == "running" else None,
            element(
                "label",
                element("input", type="checkbox", id="auto-reload"),
                " every minute",
            )
            if found == "running"
            else None,
            class_="state",
        ),
        element("ul", *items, class_="cautions"),
    )


def _subject(record: StudyRecord) -> str:
    data, classes = record.dataset, record.dataset.get("classes") or {}
    names = " and ".join(f"{n:,} {name}" for name, n in classes.items())
    groups = words.plural(int(data.get("groups") or 0), "group")
    return (
        f"{words.plural(record.requested, 'variant')} of a small CNN from the search space "
        f"“{record.space.get('name')}”, trained on the dataset “{data.get('name')}” "
        f"({names} images in {groups}) and ranked by validation F_med, the harmonic mean of "
        "sensitivity and specificity."
    )


def _ranking_note(record: StudyRecord) -> Markup:
    state = counts(record)
    said = [
        "Bars: validation F_med on the fixed augmented set at the best epoch, which ranks the "
        "trials. Diamonds: the same network on the plain validation images."
    ]
    if state["pruned"] or state["running"] or state["interrupted"]:
        said.append("Hatched grey bars show the best epoch so far of trials that did not end.")
    without = [t.number for t in ranked(record) if best_so_far(t) is None or t.state == "failed"]
    if without:
        shown = ", ".join(str(number) for number in without[:12])
        more = f" and {len(without) - 12} more" if len(without) > 12 else ""
        said.append(f"No bar for trial {shown}{more}: failed or not begun.")
    return join(" ".join(said))


def _number(trial: TrialRecord | None) -> int | None:
    return None if trial is None else trial.number
