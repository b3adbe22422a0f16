"""How the search went: how the best was found, what pruning saved, what was repeated or failed."""

from __future__ import annotations

import plotly.graph_objects as go

from study.records import StudyRecord
from study.report import words
from study.report.markup import element, join
from study.report.section import Evidence, Section
from study.report.sections.search.best import BestInfo, best_html, best_info
from study.report.sections.search.best_figure import best_figure
from study.report.sections.search.curves import curves_figure, curves_html, curves_info
from study.report.sections.search.pruning import PruningInfo, pruning_html, pruning_info
from study.report.sections.search.repeats import failures_html, repeats_html
from study.report.sections.search.timeline import timeline_figure, timeline_html, timeline_info
from study.summary import counts, leader, progress


def section(evidence: Evidence) -> Section:
    """Return the tab on how the search went."""
    record = evidence.record
    best, pruning = best_info(evidence), pruning_info(record)
    curves, timeline = curves_info(evidence), timeline_info(evidence)
    figures: dict[str, go.Figure] = {}
    if best.scored:
        figures["search-trials"] = best_figure(best, by="trials")
        figures["search-compute"] = best_figure(best, by="epochs")
    if curves.curves:
        figures["search-epochs"] = curves_figure(curves)
    if timeline.bars:
        figures["search-workers"] = timeline_figure(timeline)
    return Section(
        key="search",
        title="Search",
        look_for="Look whether the best score was still rising when the search ended, whether it "
        "rises above the line of luck alone (of searches over equally good networks, 19 in 20 stay "
        "below), and whether pruning ended trials that stood better than those it kept.",
        shows=_shows(record, best, pruning),
        body=join(
            best_html(best),
            curves_html(curves),
            timeline_html(timeline),
            element("h3", "What pruning saved"),
            pruning_html(record, pruning),
            element("h3", "Repeats and suggestions turned down"),
            repeats_html(record),
            element("h3", "Failures"),
            failures_html(record),
        ),
        figures=figures,
    )


def _shows(record: StudyRecord, best: BestInfo, pruning: PruningInfo) -> str:
    """Return in one sentence when the best came, what pruning saved and what failed."""
    if not best.numbers:
        return "No trial has ended yet, so that there is nothing to tell of the search."
    first, ended = leader(record), len(best.numbers)
    if first is None or first.number not in best.numbers or best.best[-1] is None:
        lacks = "is complete" if first is None else "has a score"
        said = [f"{words.plural(ended, 'trial')} ended and none {lacks}"]
    else:
        place = best.numbers.index(first.number)
        said = [
            f"the best, trial {first.number}, was number {place + 1:,} of {ended:,} to end, after "
            f"{best.epochs[place]:,} of {words.plural(best.epochs[-1], 'epoch')}"
        ]
    if pruning.pruned:
        saved = f"at least {pruning.percent} %" if pruning.percent else "less than 1 % for certain"
        said.append(f"pruning saved {saved} of the epochs")
    if failed := counts(record)["failed"]:
        said.append(f"{words.plural(failed, 'trial')} failed")
    text = "; ".join(said)
    if progress(record) != "finished":
        return f"So far, {text}."
    return f"{text[0].upper()}{text[1:]}."
