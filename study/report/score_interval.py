"""How uncertain a trial's validation F_med is by itself, from its counts by group."""

from __future__ import annotations

from study.errors import DataError
from study.evaluation.intervals import counted_f_med_interval
from study.records import TrialRecord
from study.report.section import Evidence
from study.report.stored import read_arrays
from study.seeds import derive


def score_interval(evidence: Evidence, trial: TrialRecord) -> tuple[float, float] | None:
    """Return the 95 % interval of the score at the best epoch; None without whole counts of it.

    It does not hold that the epoch and the trial were chosen for this very score.
    """
    if trial.best_epoch is None:
        return None
    path = evidence.folder.trial(trial.number) / "validation_counts.npz"
    try:
        found = read_arrays(path, ("augmented", "augmented_total", "plain_total", "label"))
        return counted_f_med_interval(
            found["augmented"][trial.best_epoch - 1],
            found["augmented_total"],
            found["label"],
            most=found["plain_total"],  # augmented samples are no more than their images
            seed=derive(evidence.record.seed, "ranking", trial.number),
        )
    except (DataError, ValueError, IndexError):
        return None
