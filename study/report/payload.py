"""What the page's script draws: the figures, and the facts and curves of every trial."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from study.records import SCORES, VIEWS, StudyRecord, TrialRecord
from study.report import words
from study.report.curves import CurveInfo, curve_figure
from study.report.figures import (
    capacity_figure,
    capacity_info,
    leader,
    ranking_figure,
    ranking_info,
)
from study.report.history import History, read_history
from study.report.style import CONFIG, DARK
from study.report.tables import hyperparameter, hyperparameters
from study.report.verdict import in_words
from study.summary import best_so_far, progress, ranked, winner

POINTS = 400
"""Most epochs drawn of one trial."""

FEWEST_POINTS = 50

ALL_POINTS = 60_000
"""Most epochs drawn of all trials together, so that the page stays small with many trials."""


Curves = dict[int, tuple[tuple[int, int], dict[str, Any]]]
"""What was drawn of ended trials, by number; with the attempt and the points it holds for."""


def page_data(
    record: StudyRecord, *, study_dir: Path, curves: Curves | None = None
) -> dict[str, Any]:
    """Return the figures, the template of a history's charts, and every trial, best first.

    Scores other than the loss are whole thousandths, which keeps the page small. ``curves`` is
    looked into before a history is read, and filled.
    """
    curves = {} if curves is None else curves
    trials = ranked(record)
    best = winner(record)
    described = {trial.number: in_words(trial) for trial in trials}
    names = hyperparameters(record)
    points = points_of_each(len(trials))
    found = []
    for rank, trial in enumerate(trials, 1):
        roles = [leader(record)] if trial is best else []
        roles += ["reference"] if trial.number == 0 else []
        found.append(
            {
                "option": _option(trial, roles),
                "words": described[trial.number],
                "facts": _facts(trial, f"{rank} of {len(trials)}"),
                "hyperparameters": [
                    [
                        words.label(name),
                        words.quantity(hyperparameter(trial, name)),
                        name in trial.params,
                    ]
                    for name in names
                ],
                **_drawn(trial, study_dir, points, curves),
            }
        )
    return {
        "running": progress(record) == "running",
        "figures": {
            "ranking": ranking_figure(ranking_info(record, described)).to_plotly_json(),
            "capacity": capacity_figure(capacity_info(record, described)).to_plotly_json(),
            "curve": _template("f_med"),
        },
        "loss_axis": _template("loss")["layout"]["yaxis"],
        "config": CONFIG,
        "dark": DARK,
        "trials": found,
    }


def points_of_each(trials: int) -> int:
    """Return how many epochs of each trial are drawn: 400, halved while the page would be large.

    Halving rather than sharing evenly: what was drawn before another trial came stays of use.
    """
    points = POINTS
    while points > FEWEST_POINTS and points * trials > ALL_POINTS:
        points //= 2
    return points


def _drawn(trial: TrialRecord, study_dir: Path, points: int, curves: Curves) -> dict[str, Any]:
    holds_for = trial.ledger_number, points
    kept, found = curves.get(trial.number, (None, {}))
    if kept == holds_for:
        return found
    path = study_dir / "trials" / str(trial.number) / "history.csv"
    found = _trial(trial, read_history(path, trial, points=points))
    if trial.state in ("complete", "pruned", "failed"):
        curves[trial.number] = holds_for, found
    return found


def _template(score: str) -> dict[str, Any]:
    empty = CurveInfo(score=score, epochs=[], train=[], validation=[], plain=[], best_epoch=1)
    found: dict[str, Any] = curve_figure(empty).to_plotly_json()
    return found


def _trial(trial: TrialRecord, history: History) -> dict[str, Any]:
    return {
        "number": trial.number,
        "score": best_so_far(trial),
        "parameters": trial.parameters,
        "diagnosis": _diagnosis(trial),
        "scores": [
            [
                words.label(name),
                *(words.score(trial.scores.get(f"{view}_{name}")) for view in VIEWS),
            ]
            for name in SCORES
        ],
        "notes": [*([trial.cause] if trial.cause else []), *history.notes],
        "best_epoch": history.best_epoch,
        "epochs": history.epochs,
        "curves": {
            name: [_shrunk(value, name.endswith("_loss")) for value in values]
            for name, values in history.curves.items()
        },
    }


def _option(trial: TrialRecord, roles: list[str]) -> str:
    state = [] if trial.state == "complete" else [trial.state]
    score = f"F_med {words.score(best_so_far(trial))}"
    return ", ".join([f"Trial {trial.number}", score, *roles, *state])


def _shrunk(value: float | None, is_loss: bool) -> float | None:
    if value is None:
        return None
    return float(f"{value:.4g}") if is_loss else round(1000 * value)


def _facts(trial: TrialRecord, rank: str) -> list[list[str]]:
    state = trial.state if trial.attempts == 1 else f"{trial.state}, attempt {trial.attempts}"
    return [
        ["State", state],
        ["Rank", rank],
        ["Validation F_med, augmented", words.score(best_so_far(trial))],
        ["Validation F_med, smooth", words.score(trial.validation_f_med_smooth)],
        ["Best epoch", words.best_epoch(trial)],
        ["Stopped by", str(trial.stopped_by or words.DASH)],
        ["Parameters", words.count(trial.parameters)],
        ["Multiply-accumulates", words.count(trial.macs)],
        ["Time", words.duration(trial.seconds)],
        ["Seed", words.DASH if trial.seed is None else str(trial.seed)],
    ]


def _diagnosis(trial: TrialRecord) -> dict[str, Any]:
    found = trial.diagnosis or {}
    numbers = []
    if (gap := words.number(found.get("gap"))) is not None:
        error = words.number(found.get("standard_error"))
        spread = "unknown" if error is None else f"{error:.3f}"
        numbers.append(f"Gap of training to validation F_med {gap:.3f} (standard error {spread})")
    if (highest := words.number(found.get("best_train_f_med"))) is not None:
        target = words.number(found.get("target"))
        aim = "" if target is None else f" (target {target:.2f})"
        numbers.append(f"highest training F_med {highest:.3f}{aim}")
    variance = found.get("variance")
    ratio = words.number(variance.get("loss_ratio")) if isinstance(variance, dict) else None
    if ratio is not None:
        numbers.append(f"validation loss ends at {ratio:.1f} times its minimum")
    return {
        "title": words.diagnosis_words(trial).capitalize() or "No diagnosis",
        "numbers": "; ".join(numbers),
        "advice": [str(sentence) for sentence in found.get("advice") or []],
    }
