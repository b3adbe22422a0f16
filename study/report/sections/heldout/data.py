"""What the held-out test is made from: the predictions of one network, and why some are missing."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from study import metrics
from study.errors import DataError
from study.evaluation.operating import Predictions, threshold_for_sensitivity
from study.records import StudyRecord
from study.report.section import Evidence
from study.report.stored import read_predictions
from study.summary import progress, winner

TARGET = 0.95
"""Sensitivity that the chosen threshold keeps on the validation images."""


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
    validation: Predictions | None
    test: Predictions | None
    missing: dict[str, str]
    """Part to why it has no predictions."""

    @property
    def cuts(self) -> list[Cut]:
        """The thresholds to judge: the fixed one, and the one chosen on validation images."""
        found = [Cut(name=f"threshold {metrics.THRESHOLD:g}", threshold=metrics.THRESHOLD)]
        if self.validation is not None:
            chosen = threshold_for_sensitivity(self.validation, TARGET)
            found.append(Cut(name=f"chosen: {threshold_words(chosen)}", threshold=chosen))
        return found

    @property
    def judged(self) -> str | None:
        """The part that carries curves and calibration: test, else validation, else None."""
        for part, data in (("test", self.test), ("validation", self.validation)):
            if data is not None and not data.few:
                return part
        return None


def held_out(evidence: Evidence) -> HeldOut:
    """Read the predictions of the network that was retested, or else of the best so far."""
    record, folder = evidence.record, evidence.folder
    retest, best = record.retest or {}, winner(record)
    trial = retest.get("number", None if best is None else best.number)
    data: dict[str, Predictions | None] = {"validation": None, "test": None}
    missing = {"validation": "there is no network yet", "test": "there is no retest"}
    if trial is not None:
        images = part_counts(record, "validation").get("images")
        path = folder.trial(trial) / "validation_predictions.npz"
        data["validation"], missing["validation"] = _read(path, images)
    if record.retest is not None:
        path = folder.test_predictions
        data["test"], missing["test"] = _read(path, retest.get("images"))
        if (test := data["test"]) is not None and (counted := retest.get("confusion")):
            same = metrics.binary_counts(test.label, test.probability) == counted
            if not same:
                data["test"], missing["test"] = None, f"{path.name} is of another retest"
    absent = {part: reason for part, reason in missing.items() if data[part] is None}
    return HeldOut(trial=trial, validation=data["validation"], test=data["test"], missing=absent)


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
    if progress(record) != "finished":
        return "the test part stays untouched until the search has ended"
    if winner(record) is None:
        return "no trial is complete, so that there is no network to test"
    return "the best network has not met the test part yet"
