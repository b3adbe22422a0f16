"""What pruning saved at least, and where the trials stood that it ended."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from study.attempts import ENDED
from study.records import StudyRecord, TrialRecord
from study.report import words
from study.report.markup import Content, Markup, element, join
from study.report.plain_table import plain_table
from study.report.section import hidden
from study.report.tables import facts_html
from study.summary import best_so_far, leader

EPOCHS_COMPARED = 8
"""Most epochs at which pruned trials are compared with complete ones, a row each."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The trials that were pruned at one epoch, beside the complete ones at that epoch.

    Scores are the best validation F_med up to that epoch.
    """

    epoch: int
    ended: int
    best: float | None
    """Of those that ended here."""
    weakest: float | None
    """The lowest of the complete trials."""
    final: float | None
    """Of the trial that came out best in the end."""


@dataclass(frozen=True, kw_only=True)
class PruningInfo:
    """What pruning saved, and what it may have cost."""

    pruned: int
    trained: int
    """Epochs of all trials that have ended, pruned or not."""
    needed: int
    """At least as many the same trials would have taken to their own ends."""
    comparisons: list[Comparison]
    """By epoch."""
    compared: int
    """Pruned trials whose epoch a complete trial has reached too."""
    above_weakest: int
    """Of these, ended although ahead of the weakest complete trial at that epoch."""
    above_final: int
    """Ended although ahead of the final best at that epoch."""

    @property
    def percent(self) -> int:
        """The share saved, whole percents, rounded down."""
        return 100 * (self.needed - self.trained) // self.needed if self.needed else 0


def pruning_info(record: StudyRecord) -> PruningInfo:
    """Return how many epochs pruning saved at least, and what stood where trials were ended."""
    pruned = [trial for trial in record.trials if trial.state == "pruned"]
    trained = sum(trial.epochs for trial in record.trials if trial.state in ENDED)
    saved = sum(least_epochs(trial, record.protocol.epochs) - trial.epochs for trial in pruned)
    longest = max((trial.epochs for trial in pruned), default=0)
    weakest = leading = np.full(longest + 1, np.nan)
    for trial in record.trials:
        if trial.state == "complete":
            weakest = np.fmin(weakest, _best_by_epoch(trial, longest))
    first = leader(record)
    if first is not None:
        leading = _best_by_epoch(first, longest)
    ends: list[tuple[int, float]] = []
    for trial in pruned:
        score = best_so_far(trial)
        ends.append((trial.epochs, math.nan if score is None else score))
    known = [(at, score) for at, score in ends if not np.isnan([weakest[at], score]).any()]
    return PruningInfo(
        pruned=len(pruned),
        trained=trained,
        needed=trained + saved,
        comparisons=[
            Comparison(
                epoch=epoch,
                ended=amount,
                best=max((s for at, s in ends if at == epoch and s == s), default=None),
                weakest=words.number(float(weakest[epoch])),
                final=words.number(float(leading[epoch])),
            )
            for epoch, amount in sorted(Counter(at for at, _ in ends).items())
        ],
        compared=len(known),
        above_weakest=sum(score > weakest[at] for at, score in known),
        above_final=sum(bool(score > leading[at]) for at, score in known),
    )


def least_epochs(trial: TrialRecord, most: int) -> int:
    """Return how many epochs a pruned trial would have taken at least, had it gone on.

    Not before its patience after its best epoch so far, nor more than ``most``, the protocol's
    limit. Where the training F_med may still have been 0 throughout, only what it took: such a
    trial may have been stopped as one that never learns.
    """
    patience = words.number(trial.variant.get("patience"))
    learned = words.number(trial.train_f_med)
    score = words.number(trial.validation_f_med) if learned is None else learned
    if patience is None or not score:
        return trial.epochs
    return max(trial.epochs, min((trial.best_epoch or 1) + int(patience), most))


def rungs(search: Mapping[str, Any], longest: int) -> list[int]:
    """Return the epochs, up to ``longest``, at which a pruner by rungs compares the trials.

    Empty for one that has no rungs or whose settings cannot be read.
    """
    settings = search.get("pruner")
    if not isinstance(settings, Mapping) or settings.get("name") not in ("halving", "hyperband"):
        return []
    first, factor = settings.get("min_resource"), settings.get("reduction_factor")
    skipped, most = settings.get("min_early_stopping_rate", 0), settings.get("rungs")
    if not (isinstance(first, int) and isinstance(factor, int) and isinstance(skipped, int)):
        return []
    if first < 1 or factor < 2 or not 0 <= skipped < 32:
        return []
    at, found = first * factor**skipped, list[int]()
    while at <= longest and (not isinstance(most, int) or len(found) < most):
        found.append(at)
        at *= factor
    return found


def _best_by_epoch(trial: TrialRecord, longest: int) -> np.ndarray:
    """Return the best score up to each epoch, at its number, (longest + 1,).

    NaN at 0, before the first score and after the trial's end.
    """
    values = np.asarray(trial.progress[:longest], dtype=float)
    found = np.full(longest + 1, np.nan)
    found[1 : len(values) + 1] = np.fmax.accumulate(np.where(np.isfinite(values), values, np.nan))
    return found


def pruning_html(record: StudyRecord, info: PruningInfo) -> Markup:
    """Return what was saved as facts, and the pruned trials beside those that went on."""
    if not info.pruned:
        pruner = record.search.get("pruner")
        name = pruner.get("name") if isinstance(pruner, dict) else None
        none = f"No trial was pruned (the pruner is {name})" if name else "The search has no pruner"
        return hidden(f"{none}; {words.plural(info.trained, 'epoch')} trained.")
    facts: list[tuple[str, Content]] = [
        ("Trials pruned", f"{info.pruned:,} of {len(record.trials):,}"),
        ("Epochs trained by ended trials", words.count(info.trained)),
        ("At least, without pruning", words.count(info.needed)),
        ("Share saved", f"at least {info.percent} %"),
    ]
    note = (
        "A lower bound: a trial that was ended is taken to have gone on only until its patience "
        f"after its best epoch so far, at most to epoch {record.protocol.epochs:,}; one that had "
        "learned nothing yet, not at all. It holds for these variants: without pruning, the "
        "search would have gone on to others."
    )
    check = "No complete trial reached the epochs at which trials were pruned: nothing to compare."
    if info.compared:
        check = (
            f"Of {words.plural(info.compared, 'pruned trial')}, {info.above_weakest:,} stood above "
            f"the weakest complete trial at the same epoch, and {info.above_final:,} above the "
            "one that came out best in the end. The reference networks are never pruned, however "
            "weak; the more pruned trials stood above the final best, the less the order at "
            "that epoch says about the end."
        )
    return join(
        facts_html(facts),
        element("p", note, class_="aside"),
        element("p", check),
        _comparisons_html(record, info.comparisons),
    )


def _comparisons_html(record: StudyRecord, comparisons: list[Comparison]) -> Markup:
    most = sorted(comparisons, key=lambda row: (-row.ended, row.epoch))[:EPOCHS_COMPARED]
    at = set(rungs(record.search, comparisons[-1].epoch))
    rows = [
        (
            f"{row.epoch:,}" + " (rung)" * (row.epoch in at),
            f"{row.ended:,}",
            *(words.score(value) for value in (row.best, row.weakest, row.final)),
        )
        for row in sorted(most, key=lambda row: row.epoch)
    ]
    caption = "Best validation F_med up to the epoch."
    if len(comparisons) > len(most):
        caption += (
            f" The {EPOCHS_COMPARED} epochs at which most trials were ended, of "
            f"{len(comparisons):,}."
        )
    heads = ("Ended at epoch", "Trials", "Best of them", "Weakest complete", "Final best")
    return join(element("p", caption, class_="aside"), plain_table(heads, rows))
