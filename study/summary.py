"""What a study found, in the order of merit: the ranking, the winner, the JSON document."""

from __future__ import annotations

import math
from collections import Counter
from statistics import fmean
from typing import Any

from study.records import StudyRecord, TrialRecord

STATES = ("complete", "pruned", "running", "interrupted", "failed")
"""States of a trial, in the order in which they are ranked."""

_RANK = {"complete": 0, "pruned": 1, "running": 2, "interrupted": 2, "failed": 3}


def ranked(record: StudyRecord) -> list[TrialRecord]:
    """Return the trials from best to worst.

    Complete trials first, by validation F_med on the augmented set, then fewer
    multiply-accumulates, then the lower number; pruned ones follow by their best epoch so far;
    then those that run or wait to run again, by number; failed ones are last.
    """

    def key(trial: TrialRecord) -> tuple[float, ...]:
        rank = _RANK.get(trial.state, 2)
        if rank > 1:
            return rank, trial.number
        score = best_so_far(trial)
        macs = math.inf if trial.macs is None else trial.macs
        return rank, math.inf if score is None else -score, macs, trial.number

    return sorted(record.trials, key=key)


def best_so_far(trial: TrialRecord) -> float | None:
    """Return the highest validation F_med of a trial's epochs, None before the first."""
    score = trial.validation_f_med
    if score is not None and math.isfinite(score):
        return score
    return max((value for value in trial.progress if math.isfinite(value)), default=None)


def leader(record: StudyRecord) -> TrialRecord | None:
    """Return the first of the ranking, or None: a pruned or failed trial never leads."""
    first = next(iter(ranked(record)), None)
    return first if first is not None and first.state == "complete" else None


def winner(record: StudyRecord) -> TrialRecord | None:
    """Return the trial that the study names: among the finalists, or else the leader.

    What was named before other trials were completed no longer counts.
    """
    if record.final is not None and is_settled(record):
        named = [trial for trial in record.trials if trial.number == record.final["winner"]]
        if named and named[0].state == "complete":
            return named[0]
    return leader(record)


def is_settled(record: StudyRecord) -> bool:
    """Tell whether a winner was named since the last trial was completed."""
    return record.final is not None and record.final["complete"] == counts(record)["complete"]


def search_role(record: StudyRecord, trial: TrialRecord) -> str:
    """Return what the search's score of a trial decided on, in words.

    ``best of its epochs``, ``chose it: optimistic`` or ``made it a finalist: optimistic``.
    """
    if trial is not winner(record):
        return "best of its epochs"
    if not ((record.final or {}).get("selection", {}).get("finalists") and is_settled(record)):
        return "chose it: optimistic"
    # The reference network is a finalist whatever its score.
    of_reference = trial is reference(record) and trial is not leader(record)
    return "best of its epochs" if of_reference else "made it a finalist: optimistic"


def reference(record: StudyRecord) -> TrialRecord | None:
    """Return the trial of the reference network that stands beside the winner, if it is complete.

    It is the best of those with trial 0's variant where finalists were trained, else trial 0.
    """
    number = (record.final or {}).get("reference") if is_settled(record) else None
    wanted = 0 if number is None else number
    found = [trial for trial in record.trials if trial.number == wanted]
    return found[0] if found and found[0].state == "complete" else None


def times_opened(record: StudyRecord) -> int:
    """Return how often the test part has been opened, also where no answer came of it."""
    return max(record.test_openings, int((record.retest or {}).get("uses") or 0))


def stale_retest(record: StudyRecord) -> str | None:
    """Say of which network the retest is, where it is not the winner's final one."""
    retest, best = record.retest or {}, winner(record)
    number = retest.get("number")
    if best is None or number is None:
        return None
    if number != best.number:
        return f"The retest is that of trial {number}, not of trial {best.number}."
    known = (record.final or {}).get("model_digest") if is_settled(record) else None
    if known and retest.get("model_digest") not in (None, known):
        return f"The retest is that of an earlier network of trial {number}."
    return None


def retest_answer(record: StudyRecord) -> dict[str, Any] | None:
    """Return the stored retest, with ``stale``: what ``stale_retest`` says; None without one."""
    return record.retest and {**record.retest, "stale": stale_retest(record)}


def estimates(record: StudyRecord, trial: TrialRecord) -> dict[str, Any]:
    """Return ``corrected_f_med`` and ``cross_validated_f_med`` of winner or reference, or None.

    The first is ``value``, ``low``, ``high`` (95 % interval) and ``from`` (``folds`` or
    ``validation``), the second ``mean``, ``standard_error`` and ``folds``.
    """
    found = (record.final or {}).get("estimates", {}) if is_settled(record) else {}
    own = found.get(str(trial.number), {})
    return {key: own.get(key) for key in ("corrected_f_med", "cross_validated_f_med")}


def repeats(record: StudyRecord) -> dict[int, tuple[int, float]]:
    """Return, for complete trials whose variant was tried more than once, how often and its mean.

    Keyed by trial number; the mean is that of the validation F_med of its complete trials.
    """
    same: dict[tuple[tuple[str, Any], ...], list[TrialRecord]] = {}
    for trial in record.trials:
        if trial.state == "complete" and trial.validation_f_med is not None:
            same.setdefault(tuple(sorted(trial.variant.items())), []).append(trial)
    found = {}
    for trials in same.values():
        if len(trials) > 1:
            mean = fmean(t.validation_f_med for t in trials if t.validation_f_med is not None)
            found.update({trial.number: (len(trials), mean) for trial in trials})
    return found


def counts(record: StudyRecord) -> dict[str, int]:
    """Return how many trials are in each state."""
    found = Counter(trial.state for trial in record.trials)
    return {state: found[state] for state in STATES}


def progress(record: StudyRecord) -> str:
    """Return ``running``, ``finished`` or ``unfinished``: trials are missing and none runs."""
    state = counts(record)
    if state["running"]:
        return "running"
    ended = state["complete"] + state["pruned"] + state["failed"]
    return "finished" if ended >= record.requested else "unfinished"


def document(
    record: StudyRecord, *, report: str | None, seconds: float | None = None
) -> dict[str, Any]:
    """Return the study as plain JSON values: what ``study run`` and ``study show`` print.

    ``report`` is the path of the page, ``seconds`` the duration of the command. A figure that is
    not a finite number becomes None.
    """
    best, other = winner(record), reference(record)
    found: dict[str, Any] = _plain(
        {
            "study": record.name,
            "state": progress(record),
            "created": record.created,
            "command": record.command,
            "seed": record.seed,
            "dataset": _dataset(record),
            "protocol": record.protocol.as_dict(),
            "space": {key: record.space.get(key) for key in ("name", "digest")},
            "split": _split(record),
            "findings": list((record.audit or {}).get("findings", [])),
            "trials": {
                "requested": record.requested,
                **counts(record),
                "infeasible": record.infeasible,
                "duplicates": record.duplicates,
            },
            "ranking": [_entry(trial) for trial in ranked(record)],
            "winner": None if best is None else _winner(record, best),
            "reference": None if other is None else _winner(record, other),
            "selection": _selection(record),
            "retest": retest_answer(record),
            "test_openings": times_opened(record),
            "report": report,
            "seconds": seconds,
        }
    )
    return found


def _dataset(record: StudyRecord) -> dict[str, Any]:
    keys = ["name", "source", "digest", "positive", "negative"]
    keys += ["classes", "images", "groups", "synthetic"]
    return {
        **{key: record.dataset.get(key) for key in keys},
        "skipped": len(record.dataset.get("skipped") or []),
    }


def _split(record: StudyRecord) -> dict[str, Any]:
    parts = record.split.get("parts", {})
    return {
        "kind": record.split.get("kind"),
        "parts": {
            name: {key: part.get(key) for key in ("images", "groups", "classes")}
            for name, part in parts.items()
        },
        "leaking_groups": record.split.get("leaking_groups", 0),
        "leaking_test_images": record.split.get("leaking_test_images", 0),
    }


def _entry(trial: TrialRecord) -> dict[str, Any]:
    return {
        "number": trial.number,
        "state": trial.state,
        "validation_f_med": best_so_far(trial),
        "validation_f_med_plain": trial.validation_f_med_plain,
        "validation_f_med_smooth": trial.validation_f_med_smooth,
        "train_f_med": trial.train_f_med,
        "parameters": trial.parameters,
        "macs": trial.macs,
        "best_epoch": trial.best_epoch,
        "epochs": trial.epochs,
        "seconds": trial.seconds,
        "stopped_by": trial.stopped_by,
        "cause": trial.cause,
        "attempts": trial.attempts,
        "seed": trial.seed,
        "params": trial.params,
        "variant": trial.variant,
        "diagnosis": trial.diagnosis,
    }


def _winner(record: StudyRecord, trial: TrialRecord) -> dict[str, Any]:
    times, mean = repeats(record).get(trial.number, (1, trial.validation_f_med))
    return {
        **_entry(trial),
        **estimates(record, trial),
        "scores": trial.scores,
        "same_variant": {"trials": times, "mean_validation_f_med": mean},
    }


def _selection(record: StudyRecord) -> dict[str, Any] | None:
    """Return how the winner was named; None before it was."""
    if record.final is None or not is_settled(record):
        return None
    refit = record.final.get("refit")
    network = "search" if not (refit or {}).get("model") else "refit"
    keys = ("model", "model_digest", "notes")
    return {
        **record.final["selection"],
        "refit": refit,
        "network": network,
        **{key: record.final.get(key) for key in keys},
    }


def _plain(value: Any) -> Any:
    if hasattr(value, "item"):  # a NumPy scalar
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    return value if value is None or isinstance(value, bool | int | str) else str(value)
