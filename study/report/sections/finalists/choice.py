"""How the winner was chosen and its final network made: plain values and sentences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from study.evaluation.final import REFIT
from study.records import StudyRecord, TrialRecord
from study.report import words
from study.report.cautions import GUESSING
from study.report.estimates import finalists
from study.report.final_network import final_origin
from study.report.marks import roles
from study.report.verdict import in_words
from study.summary import counts, is_settled, progress, reference

FOLDS_BEST = "best of the folds"


@dataclass(frozen=True, kw_only=True)
class Finalist:
    """One network that was trained again over the folds."""

    number: int
    called: str
    """``winner``, ``reference``, ``best of the folds``, several of them, or empty."""
    words: str
    """The variant."""
    parameters: int | None
    macs: int | None
    search: float | None
    """The search's validation F_med, augmented."""
    search_plain: float | None
    mean: float | None
    """Cross-validated F_med, plain, pooled out of fold; None where not all folds were run."""
    within: bool
    """Whether it lies within one standard error of the best."""
    dropped: str | None
    """Why it did not end its folds."""

    @property
    def fall(self) -> float | None:
        """How far the cross-validated F_med lies below the search's."""
        return None if self.search is None or self.mean is None else self.search - self.mean


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The finalists, the least complex first, and how one of them was taken."""

    finalists: list[Finalist]
    rule: str
    """``one-se`` or ``best``."""
    winner: int
    best: int
    """The trial of the highest mean."""
    standard_error: float | None
    """Of that mean."""
    bar: float | None
    """The best mean less its standard error."""
    folds: int
    fold_seeds: int


def choice(record: StudyRecord) -> Choice | None:
    """Return how the winner was chosen, None where no finalists speak for the present trials."""
    entries, final = finalists(record), record.final or {}
    if not entries:
        return None
    trials, found = {trial.number: trial for trial in record.trials}, final["selection"]
    names = {number: list(called) for number, called in roles(record).items()}
    if found["best"] != final["winner"]:
        names.setdefault(found["best"], []).append(FOLDS_BEST)
    items = [_finalist(item, trials.get(item["number"]), names) for item in entries]
    return Choice(
        finalists=sorted(items, key=lambda item: (item.macs or 0, item.parameters or 0)),
        rule=str(found["rule"]),
        winner=final["winner"],
        best=found["best"],
        standard_error=words.number(found.get("standard_error")),
        bar=words.number(found.get("bar")),
        folds=int(found.get("folds") or 0),
        fold_seeds=int(found.get("fold_seeds") or 1),
    )


def _finalist(
    entry: dict[str, Any], trial: TrialRecord | None, names: dict[int, list[str]]
) -> Finalist:
    dropped = entry.get("dropped")
    return Finalist(
        number=entry["number"],
        called=", ".join(names.get(entry["number"], [])),
        words="" if trial is None else in_words(trial),
        parameters=entry.get("parameters"),
        macs=entry.get("macs"),
        search=words.number(entry.get("validation_f_med")),
        search_plain=None if trial is None else words.number(trial.validation_f_med_plain),
        mean=words.number(entry.get("mean")),
        within=bool(entry.get("within")),
        dropped=None if dropped is None else str(dropped),
    )


def chosen_words(record: StudyRecord) -> str | None:
    """Return why the winner was taken, in one sentence; None before it was named."""
    found = choice(record)
    if found is None:
        none = "It is the best of the search: there were no finalists."
        return none if is_settled(record) else None
    among = len(found.finalists)
    if among == 1:
        return "It is the only finalist."
    of = f"{among} finalists"
    best = f"It has the highest cross-validated F_med of {of}"
    if among == 2 and (only := _only_rival(record, found)):
        return only
    if found.rule != "one-se":
        return f"{best}."
    if found.standard_error is None:
        return f"{best}; without a standard error, a less complex one cannot be preferred."
    if found.winner == found.best:
        within = f"one standard error ({found.standard_error:.3f})"
        return f"{best}, and no less complex one lies within {within} of it."
    return (
        f"It is the least complex of {of} within one standard error "
        f"({found.standard_error:.3f}) of the best, trial {found.best}."
    )


def _only_rival(record: StudyRecord, found: Choice) -> str | None:
    """Return the reason where the reference network alone was there to be beaten."""
    known = reference(record)
    means = {item.number: item.mean for item in found.finalists}
    if known is None or known.number not in means or known.number == found.winner:
        return None
    own, other = means.get(found.winner), means[known.number]
    if own is None or other is None or other >= own:
        return None
    return (
        "It is the only finalist but the reference network, whose cross-validated F_med is lower."
    )


def nothing_yet(record: StudyRecord) -> str:
    """Say why no finalists speak for the study's trials, where no winner was named since."""
    state, at = counts(record), progress(record)
    again = "the study's command, given again, "
    if record.final is not None:
        then, now = record.final.get("complete"), state["complete"]
        return (
            f"Out of date: the finalists were chosen among {words.count(then)} complete trials, "
            f"and now there are {now:,}; when the search has ended, {again}chooses anew."
        )
    if at == "running":
        ended = state["complete"] + state["pruned"] + state["failed"]
        return (
            f"Not yet: finalists are chosen when the search has ended, and {ended:,} of "
            f"{words.plural(record.requested, 'trial')} have."
        )
    if not state["complete"]:
        return "No trial is complete, so that there is nothing to choose finalists from."
    if at == "unfinished":
        return f"Not yet: the search has not ended; {again}goes on with it."
    if record.retest is not None:
        return (
            "None: this study was made by a version without finalists, and its winner is the best "
            f"of the search; {again}trains them."
        )
    return (
        "Not yet: the search has ended, and the finalists are still trained or were interrupted; "
        f"{again}goes on with them."
    )


def network_words(record: StudyRecord) -> str | None:
    """Return how the final network was made, None before the winner was named."""
    origin, final = final_origin(record), record.final or {}
    refit = final.get("refit")
    if origin is None:
        return None
    if refit is None:
        asked = (final.get("settings") or {}).get("refit", True)
        why = "there are no folds to tell for how many epochs" if asked else "asked for, --refit no"
        return (
            "The final network is the search's own, at its best epoch, and has not seen the "
            f"validation images: it was not trained again ({why})."
        )
    tried = [_attempt(item) for item in refit.get("attempts") or []]
    many = words.plural(int(refit.get("epochs") or 0), "epoch")
    epochs = f"{many} (the median best epoch of its folds)"
    anew = f"trained anew on all images of training and validation for {epochs}"
    needed = (
        f"{words.score(refit.get('needed'))} was needed, the median of its folds' networks on "
        "their training images less 0.05"
    )
    reached = f"F_med on augmented samples of them: {', '.join(tried) or words.DASH}"
    if origin == REFIT:
        last = words.number((refit.get("attempts") or [{}])[-1].get("train_f_med"))
        which = "" if len(tried) < 2 else f" with seed {len(tried)} of those tried in turn"
        which += f" (F_med {words.score(last)} on augmented samples of its own training images"
        which += f"; before that {', '.join(tried[:-1])})" if tried[:-1] else ")"
        if last is not None and last < GUESSING:
            which += ", which is no better than guessing: it has not learned them"
        floor = f"the {words.score(refit.get('needed'))} that was needed"
        return (
            f"The final network was {anew}, and reached {floor}{which}. Needed was the median of "
            "its folds' networks on their training images less 0.05."
        )
    return (
        "The final network is the search's own, at its best epoch, which has not seen the "
        f"validation images: {anew}, the network did not learn them with any of "
        f"{words.plural(len(tried), 'seed')}. {reached}; {needed}."
    )


def _attempt(found: dict[str, Any]) -> str:
    score = words.number(found.get("train_f_med"))
    cause = found.get("cause") or "no cause on record"
    return f"failed ({cause})" if score is None else f"{score:.3f}"


def cost_words(record: StudyRecord) -> str | None:
    """Return how long the finalists took, beside the search; None where it is not known."""
    final = record.final or {}
    stage, search = words.number(final.get("seconds")), words.number(final.get("search_seconds"))
    if stage is None or not search or not is_settled(record):
        return None
    share = f"{100 * stage / search:.0f} %"
    return (
        f"Folds and final network took {words.duration(stage)}, {share} of the "
        f"{words.duration(search)} of the search's trials, both summed over the workers."
    )
