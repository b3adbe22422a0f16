"""What the held-out test is made from: the predictions of one network, and why some are missing."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from study import metrics
from study.errors import DataError
from study.evaluation.final import REFIT
from study.evaluation.operating import Predictions, threshold_for_sensitivity
from study.records import StudyRecord
from study.report.final_network import final_origin
from study.report.section import Evidence
from study.report.stored import read_out_of_fold, read_predictions
from study.summary import progress, times_opened, winner

TARGET = 0.95
"""Sensitivity that the chosen threshold keeps on the images that it is chosen on."""

VALIDATION, FOLDS = "validation", "out-of-fold"
"""What a threshold is chosen on: the validation images, or the finalists' out-of-fold ones."""


@dataclass(frozen=True, kw_only=True)
class Cut:
    """A threshold with its name, chosen without a look at the test part."""

    name: str
    threshold: float


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """The predictions of one network, as far as they can be read."""

    trial: int | None
    """Whose they are: the network that was retested, else the best so far."""
    source: str
    """``VALIDATION``, or ``FOLDS`` where the validation images trained the network, or its variant
    was a finalist."""
    choosing: Predictions | None
    """What thresholds are chosen on: never the test part."""
    test: Predictions | None
    missing: dict[str, str]
    """``source`` and ``test`` to why it has no predictions."""

    @property
    def cuts(self) -> list[Cut]:
        """The thresholds to judge: the fixed one, and the one chosen off the test part."""
        found = [Cut(name=f"threshold {metrics.THRESHOLD:g}", threshold=metrics.THRESHOLD)]
        if self.choosing is not None:
            chosen = threshold_for_sensitivity(self.choosing, TARGET)
            found.append(Cut(name=f"chosen: {threshold_words(chosen)}", threshold=chosen))
        return found

    @property
    def parts(self) -> list[tuple[str, Predictions | None]]:
        """What thresholds are chosen on, and the test part."""
        return [(self.source, self.choosing), ("test", self.test)]

    @property
    def judged(self) -> tuple[str, Predictions] | None:
        """What carries curves and calibration: test, else ``source``, else None."""
        for part, data in reversed(self.parts):
            if data is not None and not data.few:
                return part, data
        return None


def held_out(evidence: Evidence) -> HeldOut:
    """Read the predictions of the network that was retested, or else of the best so far."""
    record, folder = evidence.record, evidence.folder
    retest, best = record.retest or {}, winner(record)
    trial = retest.get("number", None if best is None else best.number)
    choosing, test = None, None
    source, missing = VALIDATION, {"test": "there is no retest"}
    why = "there is no network yet"
    if trial is not None:
        source, choosing, why = _choosing(evidence, trial)
    if record.retest is not None:
        path = folder.test_predictions
        test, missing["test"] = _read(path, retest.get("images"))
        if test is not None and (counted := retest.get("confusion")):
            same = metrics.binary_counts(test.label, test.probability) == counted
            if not same:
                test, missing["test"] = None, f"{path.name} is of another retest"
    missing[source] = why
    absent = {part for part, data in ((source, choosing), ("test", test)) if data is None}
    return HeldOut(
        trial=trial,
        source=source,
        choosing=choosing,
        test=test,
        missing={part: missing[part] for part in absent},
    )


def _choosing(evidence: Evidence, trial: int) -> tuple[str, Predictions | None, str]:
    """Return where predictions to choose on come from, the predictions, and why there are none.

    As for an export: those of the folds where the variant was a finalist, else those of the
    validation part, unless they trained the network.
    """
    record, folder = evidence.record, evidence.folder
    origin = (record.retest or {}).get("origin") or final_origin(record)
    if folder.out_of_fold(trial).is_file() or origin == REFIT:
        try:
            return FOLDS, read_out_of_fold(folder.out_of_fold(trial)), ""
        except DataError as error:
            if origin == REFIT:
                return FOLDS, None, f"folds/{error}"
    path = folder.trial(trial) / "validation_predictions.npz"
    data, why = _read(path, part_counts(record, "validation").get("images"))
    return VALIDATION, data, why


def _read(path: Path, images: int | None) -> tuple[Predictions | None, str]:
    try:
        return read_predictions(path, images=images), ""
    except DataError as error:
        return None, str(error)


def part_counts(record: StudyRecord, name: str) -> dict[str, Any]:
    """Return a part of ``StudyRecord.split``, empty where there is none."""
    found = (record.split.get("parts") or {}).get(name)
    return found if isinstance(found, dict) else {}


def class_names(dataset: dict[str, Any]) -> tuple[str, str]:
    """Return the positive and the negative class."""
    return str(dataset.get("positive")), str(dataset.get("negative"))


def threshold_words(value: float) -> str:
    """Write a threshold cut short, not rounded: what is typed must find as many."""
    digits = 3 if value >= 0.01 else 6
    return f"{math.floor(value * 10**digits) / 10**digits:.{digits}f}"


def untested(record: StudyRecord) -> str:
    """Return why there is no retest."""
    if not part_counts(record, "test").get("images"):
        return "the data have no test part"
    if times_opened(record):
        return "the test part has been opened, but no answer is stored"
    if progress(record) != "finished":
        return "the test part stays untouched until the search has ended"
    if winner(record) is None:
        return "no trial is complete, so that there is no network to test"
    return "the best network has not met the test part yet"
