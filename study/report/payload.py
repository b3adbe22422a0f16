"""What the page's scripts draw: the figures, and the facts and curves of every trial."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from study.records import SCORES, VIEWS, TrialRecord
from study.report import words
from study.report.curves import CurveInfo, curve_figure
from study.report.history import History, read_history
from study.report.marks import roles
from study.report.section import Evidence, Section
from study.report.style import AXIS, CONFIG, DARK, EXTRA, INK
from study.report.tables import ROWS, table_data
from study.report.verdict import in_words
from study.summary import progress, ranked
from study.workspace import StudyFolder

POINTS = 400
"""Most epochs drawn of one trial."""

FEWEST_POINTS = 25

ALL_POINTS = 100_000
"""Most epochs drawn of all trials together, so that the page stays small with many trials."""


OVERLAY = ((EXTRA, "solid"), (INK, "dot"), (EXTRA, "dash"), (INK, "dashdot"), (AXIS, "solid"))
"""Colour and dash of the trials that are laid over another one; as many as can be told apart."""

Curves = dict[int, tuple[tuple[int, int], dict[str, Any]]]
"""What was drawn of ended trials, by number; with the attempt and the points it holds for."""


def page_data(
    evidence: Evidence, sections: Sequence[Section], *, curves: Curves | None = None
) -> dict[str, Any]:
    """Return the figures, the template of a history's charts, and every trial, best first.

    What is known of the trials lies in lists of equal length, one a fact: that is half the size
    of a mapping a trial. Scores other than the loss are whole thousandths. ``curves`` is looked
    into before a history is read, and filled.
    """
    record = evidence.record
    curves = {} if curves is None else curves
    trials = ranked(record)
    points = points_of_each(len(trials))
    drawn = [_drawn(trial, evidence.folder, points, curves) for trial in trials]
    advice = Sentences()
    return {
        "running": progress(record) == "running",
        "figures": {
            name: figure.to_plotly_json()
            for item in sections
            for name, figure in item.figures.items()
        },
        "curve": _template("f_med"),
        "loss_axis": _template("loss")["layout"]["yaxis"],
        "config": CONFIG,
        "dark": DARK,
        "overlay": OVERLAY,
        "rows": ROWS,
        "numbers": [trial.number for trial in trials],
        "columns": table_data(evidence.table),
        "searched": sorted({name for trial in trials for name in trial.params}),
        "roles": {str(number): names for number, names in roles(record).items()},
        "words": [in_words(trial) for trial in trials],
        "labels": {name: words.label(name) for name in SCORES},
        "scores": _scores(trials),
        "diagnosis": [_diagnosis_numbers(trial) for trial in trials],
        "advice": [advice.places((trial.diagnosis or {}).get("advice")) for trial in trials],
        "notes": {
            str(trial.number): notes
            for trial, found in zip(trials, drawn, strict=True)
            if (notes := [*([trial.cause] if trial.cause else []), *found["notes"]])
        },
        "curves": [{key: found[key] for key in found if key != "notes"} for found in drawn],
        "sentences": advice.found,
    }


class Sentences:
    """Sentences that many trials share, each kept once."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self._places: dict[str, int] = {}

    def places(self, sentences: Any) -> list[int]:
        """Return where the sentences stand in ``found``, adding those that are new."""
        places = []
        for sentence in sentences if isinstance(sentences, list) else []:
            text = str(sentence)
            if text not in self._places:
                self._places[text] = len(self.found)
                self.found.append(text)
            places.append(self._places[text])
        return places


def points_of_each(trials: int) -> int:
    """Return how many epochs of each trial are drawn: 400, halved while the page would be large.

    Halving rather than sharing evenly: what was drawn before another trial came stays of use.
    """
    points = POINTS
    while points > FEWEST_POINTS and points * trials > ALL_POINTS:
        points //= 2
    return points


def _drawn(trial: TrialRecord, folder: StudyFolder, points: int, curves: Curves) -> dict[str, Any]:
    holds_for = trial.ledger_number, points
    kept, found = curves.get(trial.number, (None, {}))
    if kept == holds_for:
        return found
    path = folder.trial(trial.number) / "history.csv"
    found = _curves(read_history(path, trial, points=points))
    if trial.state in ("complete", "pruned", "failed"):
        curves[trial.number] = holds_for, found
    return found


def _curves(history: History) -> dict[str, Any]:
    every = history.epochs == list(range(1, len(history.epochs) + 1))
    return {
        "notes": list(history.notes),
        "best": history.best_epoch,
        "epochs": len(history.epochs) if every else history.epochs,
        **{
            name: [_shrunk(value, name.endswith("_loss")) for value in values]
            for name, values in history.curves.items()
        },
    }


def _template(score: str) -> dict[str, Any]:
    empty = CurveInfo(score=score, epochs=[], train=[], validation=[], plain=[], best_epoch=1)
    found: dict[str, Any] = curve_figure(empty).to_plotly_json()
    return found


def _scores(trials: Sequence[TrialRecord]) -> dict[str, list[float | None]]:
    """Return every score at the best epoch, by column of the history."""
    names = [f"{view}_{score}" for score in SCORES for view in VIEWS]
    return {
        name: [
            _shrunk(words.number(trial.scores.get(name)), name.endswith("_loss"))
            for trial in trials
        ]
        for name in names
    }


def _shrunk(value: float | None, is_loss: bool) -> float | None:
    if value is None:
        return None
    return float(f"{value:.4g}") if is_loss else round(1000 * value)


def _diagnosis_numbers(trial: TrialRecord) -> str:
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
    return f"{'; '.join(numbers)}." if numbers else ""
