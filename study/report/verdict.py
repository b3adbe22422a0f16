"""The verdict in words: what the best score and the retest can and cannot claim."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from study.errors import SettingsError
from study.records import StudyRecord, TrialRecord
from study.report import words
from study.report.audit.section import baseline_infos
from study.report.cautions import GUESSING
from study.report.estimates import luck_left_out, sentence, three_numbers
from study.summary import (
    counts,
    estimates,
    leader,
    progress,
    stale_retest,
    times_opened,
    winner,
)
from study.variant import Variant

COIN = f"a coin reaches F_med {GUESSING:.2f}"


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
    best = winner(record)
    if best is None or best.validation_f_med is None:
        return ["No trial is complete, so that there is nothing to believe yet."]
    leaks = bool(record.split.get("leaking_groups"))
    found = [_in_short(record, best, leaks=leaks), *filter(None, [sentence(record, best)])]
    found.append(_of_the_best(best, record, bounds))
    if claim := retest_claim(record):
        found.append(claim)
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
    return [*found, *filter(None, [shortcut_words(record)])]


def _in_short(record: StudyRecord, best: TrialRecord, *, leaks: bool) -> str:
    if leaks:
        return "No: the split leaks, and none of these figures speaks for new lesions."
    retest = {} if stale_retest(record) else record.retest or {}
    bounds = words.interval((retest.get("intervals") or {}).get("f_med"))
    value, unjudged = words.number(retest.get("f_med")), ""
    where, least = "in the retest", "the retest's interval"
    if bounds is None:
        found = estimates(record, best)["corrected_f_med"] or {}
        value, bounds = words.number(found.get("value")), words.interval(found)
        where, least = "by the corrected F_med", "the interval of the corrected F_med"
        unjudged = "no figure here is of images without a say in the choice"
        if value is None:
            return f"Not as it stands: {unjudged}."
    if value is not None and value <= GUESSING:
        return f"No: {where} this network does no better than guessing ({COIN})."
    reach = f"Only as far as {least}"
    if unjudged and luck_left_out(record, best):
        reach = f"Not even as far as {least}, which leaves out the luck of training"
    said = [f"it does not exclude guessing ({COIN})"] if bounds and bounds[0] <= GUESSING else []
    said += [unjudged] * bool(unjudged)
    return f"{reach}: {'; '.join(said)}." if said else f"{reach}."


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
    leads, of_all = best is leader(record), words.plural(complete, "network")
    if pruned:
        were = "was" if pruned == 1 else "were"
        of_all = f"{words.plural(complete, 'complete network')}; {pruned:,} more {were} ended early"
        of_all += " for standing below others at the same epoch"
    if not leads or three_numbers(record, best)[1].value is not None:
        place = "the best" if leads else "one picked"
        return (
            f"The search's {score}{alone} is optimistic, at the best of its epochs and as that of "
            f"{place} out of {of_all}."
        )
    low, high = words.best_of(complete), words.best_of(complete + pruned)
    spread = f"{high:.1f}" if not pruned else f"{low:.1f} to {high:.1f}"
    return (
        f"{score}{alone} is optimistic, at the best of its epochs and as the best of {of_all}. The "
        f"best of as many equally good networks lies {spread} standard deviations of the score's "
        "noise too high."
    )


def validation_groups(record: StudyRecord) -> str:
    """Return on how many groups of each class the trials were judged: ``5 + 4 groups``."""
    part = record.split.get("parts", {}).get("validation") or {}
    classes = part.get("classes") or {}
    amounts = [int(item.get("groups") or 0) for item in classes.values()]
    return f"{' + '.join(map(str, amounts))} groups" if amounts else "groups that are not on record"


def retest_claim(record: StudyRecord) -> str | None:
    """Return what the retest gave and what can be claimed from it; None without a retest."""
    best, retest = winner(record), record.retest
    if best is None or not retest:
        return None
    claim = _of_the_retest(record, retest, leaks=bool(record.split.get("leaking_groups")))
    more = stale_retest(record) or _outside(record, best, retest)
    return f"{claim} {more}" if more else claim


def _of_the_retest(record: StudyRecord, retest: dict[str, Any], *, leaks: bool) -> str:
    level = words.number((retest.get("intervals") or {}).get("level")) or 0.95
    bounds = words.interval((retest.get("intervals") or {}).get("f_med"))
    size = f"{words.count(retest.get('images'))} images in {words.count(retest.get('groups'))}"
    gave = f"The retest gave F_med {words.score(retest.get('f_med'))}{_errors(record, retest)}"
    if bounds is None:
        return f"{gave}; on {size} groups it has no interval: claim no figure from it."
    interval = f"F_med between {bounds[0]:.2f} and {bounds[1]:.2f} ({100 * level:.0f} %)"
    if leaks:
        return f"{gave}; its interval, {interval}, holds for other images of the same lesions."
    uses = int(retest.get("uses") or 1)
    unseen = " that nothing had seen" if uses == 1 else f", looked at {words.times(uses)}"
    claim = f"what can be claimed is the interval: {interval}, from {size} groups{unseen}"
    return f"{gave}; {claim}."


def _errors(record: StudyRecord, retest: dict[str, Any]) -> str:
    """Return a retest's errors by class, in brackets; nothing where they are not on record."""
    cells = retest.get("confusion") or {}
    tp, fp, tn, fn = (words.number(cells.get(key)) for key in ("tp", "fp", "tn", "fn"))
    if tp is None or fp is None or tn is None or fn is None:
        return ""
    positive, negative = record.dataset.get("positive"), record.dataset.get("negative")
    return (
        f" ({fn:,.0f} of {tp + fn:,.0f} {positive} missed, {fp:,.0f} of {fp + tn:,.0f} {negative} "
        f"called {positive})"
    )


def _outside(record: StudyRecord, best: TrialRecord, retest: dict[str, Any]) -> str | None:
    """Say so where the retest's score is not in the interval of the corrected one."""
    bounds = words.interval(estimates(record, best)["corrected_f_med"] or {})
    value = words.number(retest.get("f_med"))
    if bounds is None or value is None or bounds[0] <= value <= bounds[1]:
        return None
    return f"That lies outside the corrected interval, {bounds[0]:.2f} to {bounds[1]:.2f}."


def shortcut_words(record: StudyRecord) -> str | None:
    """Set the best shortcut beside the network's least flattered figure, where it is better."""
    best = winner(record)
    if best is None:
        return None
    found = [info for info in baseline_infos(record.audit or {}) if info.is_shortcut]
    numbers = {item.name.lower(): item.value for item in three_numbers(record, best)[::-1]}
    name, value = next(((n, v) for n, v in numbers.items() if v is not None), ("", None))
    if not found or value is None:
        return None
    first = max(found, key=lambda info: info.f_med)
    if first.f_med <= value:
        return None
    return (
        f"{first.label} alone, which shows no tissue, gives a support-vector machine F_med "
        f"{first.f_med:.2f}, more than this network's {value:.2f} ({name})."
    )
