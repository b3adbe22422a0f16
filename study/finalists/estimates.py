"""What winner and reference are worth, in the two figures that come before the retest."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from study.evaluation.corrected import Corrected, corrected_from_folds, corrected_from_validation
from study.evaluation.out_of_fold import OutOfFold
from study.evaluation.selection import Rule, fold_scores, pooled_f_med, standard_error
from study.evaluation.validation_counts import read_validation_counts
from study.records import StudyRecord, TrialRecord
from study.seeds import derive
from study.workspace import StudyFolder


def estimates_from_validation(
    folder: StudyFolder, record: StudyRecord, winner: TrialRecord, reference: TrialRecord | None
) -> dict[str, Any]:
    """Return the estimates by trial number, from what the search's trials got right.

    The winner's takes off that it is the best of all trials and epochs, also of pruned ones up to
    their end; the reference's that its epoch is the best of its own.
    """
    trials = sorted(
        (t for t in record.trials if t.state in ("complete", "pruned")),
        # Equal scores are common in small draws: an order of merit would take those that the
        # groups left out have already made win.
        key=lambda t: (math.inf if t.macs is None else t.macs, t.number),
    )
    counts = read_validation_counts({t.number: folder.trial(t.number) for t in trials})
    seed = derive(record.seed, "corrected")
    found: dict[str, Any] = {}
    for trial in filter(None, (reference, winner)):
        only = None if trial is winner else trial.number
        estimate = counts and corrected_from_validation(counts, seed=seed, only=only)
        found[str(trial.number)] = _entry(estimate or None, None)
    return found


def estimates_from_folds(
    data: OutOfFold,
    finalists: Sequence[TrialRecord],
    winner: TrialRecord,
    reference: TrialRecord | None,
    rule: Rule,
    record: StudyRecord,
) -> dict[str, Any]:
    """Return the estimates by trial number, from the finalists' out-of-fold predictions."""
    means, scores = pooled_f_med(data), fold_scores(data)
    errors = standard_error(scores, data.test_to_train)
    seed = derive(record.seed, "corrected")
    found: dict[str, Any] = {}
    for place, trial in enumerate(finalists):
        of_winner = trial.number == winner.number
        if not of_winner and (reference is None or trial.number != reference.number):
            continue
        only = None if of_winner else place
        estimate = corrected_from_folds(data, rule, seed=seed, only=only)
        error = float(errors[place])
        across = {
            "mean": float(means[place]),
            "standard_error": error if math.isfinite(error) else None,
            "folds": int(data.fold.max()) + 1,
        }
        found[str(trial.number)] = _entry(estimate, across)
    return found


def _entry(estimate: Corrected | None, across: dict[str, Any] | None) -> dict[str, Any]:
    corrected = estimate and {
        "value": estimate.value,
        "low": estimate.low,
        "high": estimate.high,
        "from": estimate.source,
    }
    return {"corrected_f_med": corrected, "cross_validated_f_med": across}
