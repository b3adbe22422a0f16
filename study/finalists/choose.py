"""Which trials become finalists, and what training them again may cost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from study.evaluation.selection import Rule
from study.records import StudyRecord, TrialRecord
from study.summary import ranked

FINALISTS, FOLDS, FOLD_SEEDS = 5, 5, 1
FEWEST_FOLDS, MOST_FOLDS = 3, 20
"""One fold scores, one stops the training, the others train."""

LARGEST_SHARE = 1 / 3
"""Of the seconds that the search's trials took, which the finalists are planned for."""

EPOCHS_OF_BEST = 1.5
"""Most epochs of a fold run, in multiples of the best epoch that the search found."""


@dataclass(frozen=True, kw_only=True)
class FinalistSettings:
    """What was asked for; ``folds`` None means the default, fewer where that is needed."""

    finalists: int = FINALISTS
    folds: int | None = None
    fold_seeds: int = FOLD_SEEDS
    rule: Rule = "one-se"
    """See ``evaluation.selection.select``."""
    refit: bool = True


@dataclass(frozen=True, kw_only=True)
class Finalist:
    """A trial that is trained again over the folds."""

    number: int
    epochs: int
    """Most epochs of each of its fold runs."""
    seconds: float
    """Predicted for one of them."""


@dataclass(frozen=True, kw_only=True)
class FinalistPlan:
    """The fold runs that a study can afford."""

    finalists: tuple[Finalist, ...]
    """In the order of the search's ranking."""
    folds: int
    fold_seeds: int
    refit: bool = True
    """Whether the winner's final network is trained after them."""
    notes: tuple[str, ...] = ()
    """What had to be left out, a sentence each."""

    @property
    def seconds(self) -> float:
        """Predicted seconds of all fold runs, and of one final network, on one worker."""
        runs = [item.seconds for item in self.finalists]
        last = max(runs, default=0.0) if self.refit else 0.0
        return self.folds * self.fold_seeds * sum(runs) + last


def choose_finalists(record: StudyRecord, count: int) -> list[TrialRecord]:
    """Return the finalists, the best first; the reference network is one beside ``count``.

    The best few of a sampler are near-copies of each other, so ``count`` bands of
    multiply-accumulates, equal on a log scale over all trials with a score, send their best
    complete trial each; an empty band gives its place to the next best overall. A variant that was
    trained several times stands once, by its best trial.
    """
    complete = _candidates(record)
    if count == 0 or not complete:
        return []
    seen = [trial.macs for trial in record.trials if trial.macs and trial.best_epoch]
    numbers: dict[int, int] = {}
    for trial in complete:
        numbers.setdefault(_band(trial.macs or 1, min(seen), max(seen), count), trial.number)
    chosen = set(numbers.values())
    chosen.update([t.number for t in complete if t.number not in chosen][: count - len(chosen)])
    reference = reference_among(record, complete)
    if reference is not None:
        chosen.add(reference.number)
    return [trial for trial in complete if trial.number in chosen]


def reference_among(record: StudyRecord, trials: Sequence[TrialRecord]) -> TrialRecord | None:
    """Return the trial of the reference network's variant, None where there is none."""
    first = next((trial for trial in record.trials if trial.number == 0), None)
    return next((t for t in trials if first is not None and t.variant == first.variant), None)


def _candidates(record: StudyRecord) -> list[TrialRecord]:
    """Return the complete trials, best first, each variant once."""
    found: dict[tuple[tuple[str, object], ...], TrialRecord] = {}
    for trial in ranked(record):
        if trial.state == "complete" and trial.macs and trial.best_epoch:
            found.setdefault(tuple(sorted(trial.variant.items())), trial)
    return list(found.values())


def _band(macs: int, low: int, high: int, count: int) -> int:
    if low == high:
        return 0
    return min(count - 1, int(count * math.log(macs / low) / math.log(high / low)))


def plan_finalists(
    record: StudyRecord, settings: FinalistSettings, *, most_folds: int
) -> FinalistPlan:
    """Return the fold runs that cost at most a third of the search, as far as that is possible.

    ``most_folds`` is what the groups of the smaller class allow. To save time, the finalist that
    the search ranks last goes first, down to the best and the reference; then runs are ended at
    the search's best epoch instead of 1.5 times that; then there are fewer fold seeds, one by one;
    then fewer folds, unless their number was asked for. What is left is trained whatever it costs.

    The prediction takes each trial's own seconds an epoch and its patience into account, and one
    training of the final network, though up to three seeds may be tried for it.
    """
    chosen = choose_finalists(record, settings.finalists)
    reference = reference_among(record, chosen)
    folds = min(settings.folds or FOLDS, most_folds)
    notes = []
    if folds < (settings.folds or FOLDS):
        notes.append(
            f"{folds} folds instead of {settings.folds or FOLDS}: a class has no more groups."
        )
    plan = FinalistPlan(
        finalists=tuple(_finalist(trial, record, EPOCHS_OF_BEST) for trial in chosen),
        folds=folds,
        fold_seeds=settings.fold_seeds,
        refit=settings.refit,
    )
    allowed = allowed_seconds(record)
    keep = {chosen[0].number} if chosen else set()
    keep |= {reference.number} if reference else set()
    plan, left_out = _fewer(plan, allowed, keep)
    if left_out:
        notes.append(
            f"{_left_out(left_out)} left out (lowest-ranked first; the best and the reference "
            "always stay): all finalists would take more than a third of the search's time."
        )
    if plan.seconds > allowed:
        plan, note = _shorter(plan, chosen, record, settings, allowed)
        notes.append(note)
    return replace(plan, notes=tuple(notes))


def allowed_seconds(record: StudyRecord) -> float:
    """Return what the finalists are planned for: a share of the search's, over all workers."""
    return LARGEST_SHARE * sum(trial.seconds or 0.0 for trial in record.trials)


def several(finalists: int) -> str:
    """Write how many finalists: ``1 finalist``, ``5 finalists``."""
    return f"{finalists} finalist{'' if finalists == 1 else 's'}"


def _finalist(trial: TrialRecord, record: StudyRecord, factor: float) -> Finalist:
    best = trial.best_epoch or 1
    epochs = min(record.protocol.epochs, math.ceil(factor * best))
    patience = int(trial.variant.get("patience", epochs))
    return Finalist(
        number=trial.number,
        epochs=epochs,
        seconds=(trial.seconds or 0.0) / max(1, trial.epochs) * min(epochs, best + patience),
    )


def _fewer(plan: FinalistPlan, allowed: float, keep: set[int]) -> tuple[FinalistPlan, list[int]]:
    """Leave finalists out, the last first, until the rest can be afforded; return which."""
    finalists, left_out = list(plan.finalists), list[int]()
    for item in reversed(plan.finalists):
        if replace(plan, finalists=tuple(finalists)).seconds <= allowed:
            break
        if item.number not in keep:
            finalists.remove(item)
            left_out.append(item.number)
    return replace(plan, finalists=tuple(finalists)), left_out


def _left_out(numbers: Sequence[int]) -> str:
    if len(numbers) == 1:
        return f"Trial {numbers[0]} is"
    return f"Trials {_listed([str(number) for number in numbers])} are"


def _shorter(
    plan: FinalistPlan,
    chosen: Sequence[TrialRecord],
    record: StudyRecord,
    settings: FinalistSettings,
    allowed: float,
) -> tuple[FinalistPlan, str]:
    """End runs sooner, then make fewer of them; return the plan and a sentence on it."""
    numbers = {item.number for item in plan.finalists}
    short = tuple(_finalist(trial, record, 1.0) for trial in chosen if trial.number in numbers)
    plan = replace(plan, finalists=short)
    said = ["fold runs end at the search's best epoch"]
    while plan.seconds > allowed and plan.fold_seeds > 1:
        plan = replace(plan, fold_seeds=plan.fold_seeds - 1)
    if plan.fold_seeds < settings.fold_seeds:
        are = "is 1 fold seed" if plan.fold_seeds == 1 else f"are {plan.fold_seeds} fold seeds"
        said.append(f"there {are} instead of {settings.fold_seeds}")
    asked = plan.folds
    while plan.seconds > allowed and plan.folds > FEWEST_FOLDS and settings.folds is None:
        plan = replace(plan, folds=plan.folds - 1)
    if plan.folds < asked:
        said.append(f"there are {plan.folds} folds instead of {asked}")
    if plan.seconds > allowed:
        share = 100 * LARGEST_SHARE * plan.seconds / allowed if allowed else math.inf
        beyond = f"about {share:.0f} % of it" if math.isfinite(share) else "more"
        end = f"; a third of the search's time is not enough all the same, they take {beyond}"
    else:
        end = ", to take at most a third of the search's time"
    return plan, f"{_listed(said)}{end}.".capitalize()


def _listed(items: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(items[:-1]), items[-1]]))
