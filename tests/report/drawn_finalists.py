"""Finalists with drawn out-of-fold predictions, and a winner named among them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from study.evaluation.out_of_fold import FoldPredictions, OutOfFold
from study.evaluation.selection import Rule, Selection, select
from study.finalists.choose import choose_finalists, reference_among
from study.finalists.estimates import estimates_from_folds
from study.records import StudyRecord, TrialRecord
from study.summary import counts, leader
from study.workspace import StudyFolder

FOLDS, FRAMES = 5, 5


def draw_folds(number: int, groups: tuple[int, int] = (26, 17)) -> FoldPredictions:
    """Draw what a finalist says of all images of training and validation, five of each group.

    Groups of the positive class come first; what is hard in a group is hard for all finalists.
    Trial 1 is better than trial 8, which is better than the reference.
    """
    label = np.repeat([1, 0], [FRAMES * groups[0], FRAMES * groups[1]])
    group = np.arange(len(label)) // FRAMES
    hard = np.random.default_rng(1).normal(0, 1, group.max() + 1)[group]
    own = np.random.default_rng(number).normal(0, 0.5, len(label))
    margin = 0.4 + 0.35 * (4 * number % 5)
    probability = 1 / (1 + np.exp(-np.where(label == 1, margin, -margin) - hard - own))
    return FoldPredictions(probability=probability, label=label, group=group, fold=group % FOLDS)


def name_winner(
    record: StudyRecord,
    *,
    folder: StudyFolder | None = None,
    rule: Rule = "one-se",
    reached: tuple[float | None, ...] = (0.931,),
    refit: bool = True,
    dropped: dict[int, str] | None = None,
    notes: tuple[str, ...] = (),
) -> StudyRecord:
    """Return the study with a winner named among five finalists, from drawn predictions.

    ``reached`` holds the train F_med of each attempt at the final network, of which 0.85 or more
    will do. With a ``folder`` the predictions of the folds are stored there. The retest, if there
    is one, becomes that of the winner's final network.
    """
    gone = dropped or {}
    trials = choose_finalists(record, 5)
    running = [trial for trial in trials if trial.number not in gone]
    said = [draw_folds(trial.number) for trial in running]
    data = OutOfFold.from_predictions(
        [[item] for item in said],
        macs=[trial.macs or 0 for trial in running],
        parameters=[trial.parameters or 0 for trial in running],
        test_to_train=1 / 3,
    )
    if folder is not None:
        for trial, item in zip(running, said, strict=True):
            store_folds(folder, trial.number, item)
    chosen, reference = select(data, rule), reference_among(record, running)
    winner, learned = running[chosen.chosen], (reached[-1] or 0) >= 0.85
    model = f"trials/{winner.number}/refit-23-{len(reached) - 1}/model.keras"
    again = {
        "epochs": 23,
        "needed": 0.85,
        "attempts": [{"train_f_med": score, "cause": EVIL_CAUSE} for score in reached],
        "model": model if learned else None,
    }
    final = {
        "winner": winner.number,
        "reference": None if reference is None else reference.number,
        "selection": _selection(trials, running, chosen, gone),
        "refit": again if refit else None,
        "model": model if refit and learned else f"trials/{winner.number}/model.keras",
        "model_digest": "d4" * 32,
        "estimates": estimates_from_folds(data, running, winner, reference, rule, record),
        "notes": list(notes),
        "seconds": 3_600.0,
        "search_seconds": 14_400.0,
        "complete": counts(record)["complete"],
        "settings": {"finalists": 5, "folds": None, "fold_seeds": 1, "rule": rule, "refit": refit},
        "at": "2026-11-23T11:00:00+00:00",
    }
    origin = {"origin": "refit" if refit and learned else "search", "model_digest": "d4" * 32}
    retest = record.retest and {**record.retest, "number": winner.number, **origin}
    return replace(record, final=final, retest=retest)


EVIL_CAUSE = "ResourceExhausted: <img src=x onerror=alert(3)>"


def _selection(
    trials: list[TrialRecord],
    running: list[TrialRecord],
    chosen: Selection,
    dropped: dict[int, str],
) -> dict[str, Any]:
    place = {trial.number: at for at, trial in enumerate(running)}
    return {
        "rule": chosen.rule,
        "best": running[chosen.best].number,
        "standard_error": chosen.standard_error,
        "bar": chosen.bar,
        "fell_back": chosen.fell_back,
        "folds": FOLDS,
        "fold_seeds": 1,
        "finalists": [
            {
                "number": trial.number,
                "params": trial.params,
                "parameters": trial.parameters,
                "macs": trial.macs,
                "validation_f_med": trial.validation_f_med,
                "mean": chosen.means[place[trial.number]] if trial.number in place else None,
                "within": place.get(trial.number) in chosen.within,
                "dropped": dropped.get(trial.number),
            }
            for trial in trials
        ],
    }


def store_folds(folder: StudyFolder, number: int, said: FoldPredictions) -> None:
    """Store one fold seed's predictions as the finalists' stage does."""
    path = folder.out_of_fold(number)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        path,
        probability=said.probability[None],
        label=said.label,
        group=said.group,
        fold=said.fold[None],
    )


def skip_finalists(record: StudyRecord) -> StudyRecord:
    """Return the study with the best of its search named as the winner, for want of finalists."""
    best = leader(record)
    assert best is not None
    estimate = {"value": 0.71, "low": 0.42, "high": 0.9, "from": "validation"}
    entry = {"corrected_f_med": estimate, "cross_validated_f_med": None}
    final = {
        "winner": best.number,
        "reference": 0,
        "selection": {"rule": "best", "finalists": [], "best": best.number},
        "refit": None,
        "model": f"trials/{best.number}/model.keras",
        "model_digest": "e5" * 32,
        "estimates": {str(best.number): entry, "0": entry},
        "notes": ["No finalists: asked for none. The winner may be the luckiest trial."],
        "complete": counts(record)["complete"],
        "settings": {"finalists": 0, "folds": None, "fold_seeds": 1, "rule": "one-se"},
        "at": "2026-11-23T11:00:00+00:00",
    }
    return replace(record, final=final)
