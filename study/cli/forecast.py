"""How long a search will still take, from its trials so far."""

from __future__ import annotations

from datetime import UTC, datetime
from statistics import median

from study.records import StudyRecord, TrialRecord
from study.summary import counts


def time_left(record: StudyRecord, *, jobs: int, now: datetime | None = None) -> float | None:
    """Return the seconds until all planned trials have ended; None before one can tell.

    A trial to come is taken to last as long as the median of the complete and that of the pruned
    ones, weighted by how many there were: one slow trial moves it little, and neither kind hides
    the other. Before any has ended, running trials tell where they are too short for patience to
    end them. The workers are taken to be busy to the end.
    """
    at, most = now or datetime.now(UTC), record.protocol.epochs
    running = [t for t in record.trials if t.state == "running" and t.number < record.requested]
    kinds = [
        [t.seconds for t in record.trials if t.state == state and t.seconds]
        for state in ("complete", "pruned")
    ]
    if not any(kinds):
        kinds = [[seconds for t in running if (seconds := _foreseen(t, most, at)) is not None]]
    ended = [seconds for kind in kinds for seconds in kind]
    if not ended:
        return None
    typical = sum(len(kind) * median(kind) for kind in kinds if kind) / len(ended)
    rests = [_rest(trial, ended, most, at) if trial.started else typical for trial in running]
    done = counts(record)
    over = done["complete"] + done["pruned"] + done["failed"]
    waiting = max(0, record.requested - over - len(running))
    return max([(sum(rests) + waiting * typical) / max(1, jobs), *rests])


def _rest(trial: TrialRecord, ended: list[float], most_epochs: int, at: datetime) -> float:
    """Return the seconds that a running trial will still take.

    The median of what was left of those that lasted longer. Where none did, Laplace's rule of
    succession: the n + 1st is expected to last longer by one part in n + 1.
    """
    elapsed = _elapsed(trial, at)
    longer = [seconds - elapsed for seconds in ended if seconds > elapsed]
    rest = median(longer) if longer else elapsed / (len(ended) + 1)
    if trial.progress:
        per_epoch = elapsed / len(trial.progress)
        rest = min(rest, max(0, most_epochs - len(trial.progress)) * per_epoch)
    return rest


def _foreseen(trial: TrialRecord, most_epochs: int, at: datetime) -> float | None:
    """Return the seconds of a running trial that will be ended by the limit of epochs."""
    if not trial.progress or most_epochs > trial.variant.get("patience", 0):
        return None
    return _elapsed(trial, at) * most_epochs / len(trial.progress)


def _elapsed(trial: TrialRecord, at: datetime) -> float:
    if trial.started is None:
        return 0.0
    return max(0.0, (at - datetime.fromisoformat(trial.started)).total_seconds())
