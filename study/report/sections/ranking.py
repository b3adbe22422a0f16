"""The ranking: a bar a trial with its interval, and the table of all trials."""

from __future__ import annotations

from study import metrics
from study.records import StudyRecord
from study.report import words
from study.report.marks import roles
from study.report.markup import Markup, element, join
from study.report.ranking_figure import RankingInfo, ranking_figure, ranking_info
from study.report.section import Evidence, Section, chart
from study.report.tables import table_html
from study.summary import counts, is_settled, leader, winner

BARS = 200
"""Most bars of the figure."""


def section(evidence: Evidence) -> Section:
    """Return the tab with all trials."""
    info = ranking_info(evidence, most=BARS)
    table = table_html(evidence.table, roles=roles(evidence.record))
    return Section(
        key="ranking",
        title="Ranking",
        look_for=(
            "Look at the intervals: they tell how little a single score says; which network to "
            "take is said in Finalists, and which is the smallest within one standard error of "
            "the best by these scores in Complexity."
        ),
        shows=_shows(evidence.record, info),
        body=join(
            chart(
                "ranking",
                "Validation F_med of every trial"
                + (", with 95 % intervals" if any(bar.bounds for bar in info.bars) else ""),
                "Validation F_med of every trial, best first; the table below holds the figures",
                note=_note(evidence, info),
            )
            if info.bars
            else element("p", "No trial has a score yet.", class_="empty no-scores"),
            _tools(),
            element(
                "div",
                table,
                class_="scroll tall",
                tabindex="0",
                role="region",
                aria_label="Table of trials",
            ),
            element(
                "p",
                element("button", "Show more", type="button", id="more", hidden=True),
                class_="more",
            ),
        ),
        figures={"ranking": ranking_figure(info)} if info.bars else {},
    )


def _shows(record: StudyRecord, info: RankingInfo) -> str:
    complete = [bar for bar in info.bars if bar.state == "complete"]
    if not complete:
        return "No trial is complete, so that there is nothing to rank yet."
    first = complete[0]
    if first.bounds is None:
        return (
            f"Trial {first.number} leads with {first.score:.3f}; without the counts by group there "
            f"is no interval{_pruned(record)}{_named(record)}."
        )
    low, high = first.bounds
    inside = sum(bar.score >= low for bar in complete)
    of = words.plural(len(complete), "complete trial")
    return (
        f"Trial {first.number} leads with {first.score:.3f} (95 % interval {low:.2f} to "
        f"{high:.2f}); {inside} of {of} drawn here, itself included, lie in that interval"
        f"{_pruned(record)}{_named(record)}."
    )


def _pruned(record: StudyRecord) -> str:
    """Say that pruned trials, which are not complete, do not take part."""
    pruned = counts(record)["pruned"]
    if not pruned:
        return ""
    were = "was" if pruned == 1 else "were"
    return f"; {pruned:,} more {were} ended early for standing below others at the same epoch"


def _named(record: StudyRecord) -> str:
    """Say so where the winner is not the first of the ranking."""
    best = winner(record)
    if best is None or best is leader(record) or not is_settled(record):
        return ""
    return f"; the winner, named among the finalists, is trial {best.number}"


def _note(evidence: Evidence, info: RankingInfo) -> str:
    state = counts(evidence.record)
    few = fewest_groups(evidence.record) < metrics.FEW_GROUPS
    counting = (
        f"a group of images counts once, for a class has fewer than {metrics.FEW_GROUPS} of them"
        if few
        else "the images of a group are discounted for being right or wrong together"
    )
    said = [
        "Bars: validation F_med on the fixed augmented set at the best epoch, which ranks the "
        f"trials; lines: the interval of each by itself, in which {counting}. That epochs and "
        "trials were chosen by this score is not in it. All trials are judged on the same groups, "
        "so that the difference of two of them is less uncertain than their intervals look. "
        "Diamonds: the same network on the plain validation images."
    ]
    if state["pruned"] or state["running"] or state["interrupted"]:
        said.append("Hatched grey bars show the best epoch so far of trials that did not end.")
    without = len(evidence.record.trials) - info.scored
    if len(info.bars) < info.scored:
        said.append(f"Drawn are {info.which}.")
    if without:
        have = "and has" if without == 1 else "and have"
        said.append(f"{words.plural(without, 'trial')} failed or did not begin, {have} no bar.")
    return " ".join(said)


def fewest_groups(record: StudyRecord) -> int:
    """Return the number of groups of the validation part's smaller class."""
    classes = (record.split.get("parts", {}).get("validation") or {}).get("classes") or {}
    return min((int(item.get("groups") or 0) for item in classes.values()), default=0)


def _tools() -> Markup:
    return element(
        "div",
        element("label", "Filter", for_="filter"),
        element(
            "input",
            type="search",
            id="filter",
            placeholder="sgd filters>=32 state=complete",
            autocomplete="off",
            spellcheck="false",
            aria_describedby="shown",
        ),
        element("label", element("input", type="checkbox", id="varying"), " only what varies"),
        element("span", id="shown", role="status"),
        element("span", class_="grow"),
        element("a", "trials.csv", href="trials.csv", download=True),
        class_="tools",
    )
