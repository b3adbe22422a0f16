"""What was tried again, turned down, or failed."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from statistics import fmean

from study.records import StudyRecord, TrialRecord
from study.report import words
from study.report.markup import Markup, element, join
from study.report.plain_table import Rows, plain_table, trial_links
from study.report.section import hidden
from study.report.verdict import in_words
from study.summary import counts

MOST_ROWS = 20
"""Most rows of the tables of repeats and of causes."""
ONE_BY_ONE = 10
"""Most failed trials that are listed singly."""


@dataclass(frozen=True, kw_only=True)
class Repeat:
    """A variant that more than one complete trial used."""

    numbers: list[int]
    words: str
    scores: list[float]
    """Validation F_med on the augmented set, in the order of the numbers."""


def repeats_info(record: StudyRecord) -> list[Repeat]:
    """Return the variants with more than one complete trial, the most repeated first."""
    same: dict[tuple[tuple[str, object], ...], list[tuple[TrialRecord, float]]] = {}
    for trial in record.trials:
        score = words.number(trial.validation_f_med)
        if trial.state == "complete" and score is not None:
            same.setdefault(tuple(sorted(trial.variant.items())), []).append((trial, score))
    found = [
        Repeat(
            numbers=[trial.number for trial, _ in trials],
            words=in_words(trials[0][0]),
            scores=[score for _, score in trials],
        )
        for trials in same.values()
        if len(trials) > 1
    ]
    return sorted(found, key=lambda item: (-len(item.scores), -fmean(item.scores)))


def noise(repeats: list[Repeat]) -> tuple[float, int] | None:
    """Return the standard deviation of a score between repeats, pooled, and its degrees of freedom.

    None without any repeat.
    """
    freedom = sum(len(item.scores) - 1 for item in repeats)
    if not freedom:
        return None
    squares = sum((s - fmean(item.scores)) ** 2 for item in repeats for s in item.scores)
    return math.sqrt(squares / freedom), freedom


def repeats_html(record: StudyRecord) -> Markup:
    """Return the repeats with the noise that they show, and how many suggestions were none."""
    found, said = repeats_info(record), []
    deviation = noise(found)
    if deviation is not None:
        few = ", and with so few repeats larger ones may not either" if deviation[1] < 10 else ""
        said.append(
            f"Between repeats, which differ only in their seeds, a score has a standard deviation "
            f"of {deviation[0]:.3f} ({words.plural(deviation[1], 'degree')} of freedom): "
            "differences between two trials up to about 2.8 times that "
            f"({1.96 * math.sqrt(2) * deviation[0]:.3f}) mean nothing{few}."
        )
    if len(found) > MOST_ROWS:
        said.append(f"The {MOST_ROWS} most repeated of {len(found):,} variants are listed.")
    note = element("p", " ".join([*said, _turned_down(record)]), class_="aside")
    if not found:
        return join(hidden("No variant has more than one complete trial."), note)
    rows = [
        (
            trial_links(item.numbers),
            f"{len(item.scores):,}",
            words.score(fmean(item.scores)),
            f"{min(item.scores):.3f} to {max(item.scores):.3f}",
            item.words,
        )
        for item in found[:MOST_ROWS]
    ]
    heads = ("Trials", "Count", "Mean F_med", "Range", "Variant")
    return join(plain_table(heads, rows, text=1), note)


def _turned_down(record: StudyRecord) -> str:
    """Return how many suggestions were turned down, and why."""
    reasons = (
        (record.infeasible, "because the network would be too large or too deep for the images"),
        (record.duplicates, "for repeating another trial's variant"),
    )
    said = [
        f"{words.plural(amount, 'suggestion was', 'suggestions were')} turned down {why}"
        for amount, why in reasons
        if amount
    ]
    if not said:
        return (
            "No suggestion was turned down for its size or for repeating another trial's variant."
        )
    return f"{'; '.join(said)}. Suggestions that were turned down are no trials."


def failures_table(trials: list[TrialRecord]) -> tuple[tuple[str, ...], Rows]:
    """Return headings and rows: a failed trial each, or where there are many, a cause each.

    Causes that differ only in their numbers are one.
    """
    if len(trials) <= ONE_BY_ONE:
        return ("Trial", "Attempts", "Variant", "Cause"), [
            (trial_links([t.number]), f"{t.attempts:,}", in_words(t), _cause(t)) for t in trials
        ]
    same: dict[str, list[TrialRecord]] = {}
    for trial in trials:
        same.setdefault(re.sub(r"\d[\d.,]*(e[+-]?\d+)?", "#", _cause(trial)), []).append(trial)
    groups = sorted(same.values(), key=len, reverse=True)[:MOST_ROWS]
    return ("Trials", "Count", "Attempts", "First of them", "Its cause"), [
        (
            trial_links([t.number for t in group]),
            f"{len(group):,}",
            f"{sum(t.attempts for t in group):,}",
            in_words(group[0]),
            _cause(group[0]),
        )
        for group in groups
    ]


def _cause(trial: TrialRecord) -> str:
    cause = trial.cause or "no cause on record"
    return cause if len(cause) <= 300 else f"{cause[:299]}…"


def failures_html(record: StudyRecord) -> Markup:
    """Return the failed trials or their causes, and how many succeeded when tried again."""
    failed = [trial for trial in record.trials if trial.state == "failed"]
    again = sum(bool(t.cause) for t in record.trials if t.state in ("complete", "pruned"))
    waiting = counts(record)["interrupted"]
    said = []
    if again:
        said.append(
            f"{words.plural(again, 'trial')} failed at the first attempt and not at the next."
        )
    if waiting:
        said.append(f"{words.plural(waiting, 'trial')} interrupted, to be run again.")
    note = element("p", " ".join(said), class_="aside") if said else None
    if not failed:
        return join(hidden("No trial failed."), note)
    heads, rows = failures_table(failed)
    return join(plain_table(heads, rows, text=2), note)
