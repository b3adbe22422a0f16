"""The verdict in words: what the best score and the retest can and cannot claim."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from study.errors import SettingsError
from study.records import StudyRecord, TrialRecord
from study.report import words
from study.report.estimates import sentence, three_numbers
from study.summary import counts, leader, progress, stale_retest, times_opened, winner
from study.variant import Variant


def in_words(trial: TrialRecord) -> str:
    """Describe a trial's variant; one that this version does not know, by its values."""
    try:
        return Variant(**trial.variant).in_words()
    except (SettingsError, TypeError):
        return ", ".join(f"{key} {value}" for key, value in trial.variant.items())


@dataclass(frozen=True, kw_only=True)
class IntervalInfo:
    """One row of the interval chart."""

    label: str
    value: float
    bounds: tuple[float, float] | None


def interval_infos(retest: dict[str, Any]) -> list[IntervalInfo]:
    """Return the scores of a retest with their intervals."""
    names = (
        ("f_med", "F_med"),
        ("sensitivity", "Sensitivity"),
        ("specificity", "Specificity"),
        ("accuracy", "Accuracy"),
        ("auc", "AUC"),
    )
    bounds = retest.get("intervals") or {}
    return [
        IntervalInfo(label=label, value=value, bounds=words.interval(bounds.get(key)))
        for key, label in names
        if (value := words.number(retest.get(key))) is not None
    ]


def reading(record: StudyRecord, bounds: tuple[float, float] | None = None) -> list[str]:
    """Return sentences on what the best score and the retest can and cannot claim.

    The first one is the answer in short. ``bounds`` is the interval of the best score by itself.
    """
    best, retest = winner(record), record.retest
    if best is None or best.validation_f_med is None:
        return ["No trial is complete, so that there is nothing to believe yet."]
    leaks = bool(record.split.get("leaking_groups"))
    found = [_in_short(record, best, leaks=leaks), *filter(None, [sentence(record, best)])]
    found.append(_of_the_best(best, record, bounds))
    if retest:
        found.append(_of_the_retest(retest, leaks=leaks))
        found += filter(None, [stale_retest(record)])
    elif not record.split.get("parts", {}).get("test", {}).get("images"):
        found.append("The data have no test part, so that no claim about new images is possible.")
    elif times_opened(record):
        found.append(
            f"The test part has been opened {words.times(times_opened(record))}, but no answer is "
            "stored: there is no retest yet."
        )
    elif progress(record) == "finished":
        found.append("There is no retest yet.")
    else:
        found.append("The test part stays untouched until the search has ended.")
    return found


def _in_short(record: StudyRecord, best: TrialRecord, *, leaks: bool) -> str:
    if leaks:
        return "No: the split leaks, and none of these figures speaks for new lesions."
    if record.retest and (record.retest.get("intervals") or {}).get("f_med"):
        return "Only as far as the retest's interval."
    if three_numbers(record, best)[1].value is not None:
        return (
            "Only as far as the interval of the corrected F_med: no figure here is of images "
            "without a say in the choice."
        )
    return "Not as it stands: no figure here is of images without a say in the choice."


def _of_the_best(best: TrialRecord, record: StudyRecord, bounds: tuple[float, float] | None) -> str:
    score, state = words.score(best.validation_f_med), counts(record)
    complete, pruned = state["complete"], state["pruned"]
    alone = " (augmented)"
    if bounds is not None:
        alone = (
            f" (augmented; by itself uncertain from {bounds[0]:.2f} to {bounds[1]:.2f}, 95 %, with "
            f"{validation_groups(record)})"
        )
    if complete + pruned == 1:
        return f"{score}{alone} is the only score, and optimistic as the best of its epochs."
    leads, of_all = best is leader(record), f"{complete + pruned:,} networks"
    if not leads or three_numbers(record, best)[1].value is not None:
        place = "the best" if leads else "one picked"
        return (
            f"The search's {score}{alone} is optimistic: that of {place} out of {of_all}, at the "
            "best of its epochs."
        )
    were = "was" if pruned == 1 else "were"
    ended = f", {pruned:,} of which {were} ended early for scoring lower" if pruned else ""
    low, high = words.best_of(complete), words.best_of(complete + pruned)
    spread = f"{high:.1f}" if not pruned else f"{low:.1f} to {high:.1f}"
    return (
        f"{score}{alone} is the best of {of_all}{ended}, and of the epochs of each, so it is "
        f"optimistic: the best of as many equally good networks lies {spread} standard deviations "
        "of the score's noise too high."
    )


def validation_groups(record: StudyRecord) -> str:
    """Return on how many groups of each class the trials were judged: ``5 + 4 groups``."""
    part = record.split.get("parts", {}).get("validation") or {}
    classes = part.get("classes") or {}
    amounts = [int(item.get("groups") or 0) for item in classes.values()]
    return f"{' + '.join(map(str, amounts))} groups" if amounts else "groups that are not on record"


def _of_the_retest(retest: dict[str, Any], *, leaks: bool) -> str:
    level = words.number((retest.get("intervals") or {}).get("level")) or 0.95
    bounds = words.interval((retest.get("intervals") or {}).get("f_med"))
    size = f"{words.count(retest.get('images'))} images in {words.count(retest.get('groups'))}"
    if bounds is None:
        return f"The retest, on {size} groups, has no interval: claim no figure from it."
    interval = f"F_med between {bounds[0]:.2f} and {bounds[1]:.2f} ({100 * level:.0f} %)"
    if leaks:
        return f"The retest's interval, {interval}, holds for other images of the same lesions."
    uses = int(retest.get("uses") or 1)
    unseen = " that nothing had seen" if uses == 1 else f", looked at {words.times(uses)}"
    return f"What can be claimed is that interval: {interval}, from {size} groups{unseen}."
