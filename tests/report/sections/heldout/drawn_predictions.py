"""Drawn predictions of a test part, the study that they belong to, and its section."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from study import metrics
from study.evaluation.intervals import retest_intervals
from study.evaluation.operating import Predictions
from study.records import StudyRecord
from study.report.frames import trials_frame
from study.report.section import Evidence, Section
from study.report.sections.heldout.section import section
from study.summary import winner
from study.workspace import StudyFolder

EVIL = "<img src=x onerror=alert(1)>"


def draw_predictions(groups: tuple[int, int], *, frames: int = 5, seed: int = 0) -> Predictions:
    """Draw a fair network's probabilities of (positive, negative) groups."""
    rng = np.random.default_rng(seed)
    label = np.repeat([1, 0], [frames * groups[0], frames * groups[1]])
    group = np.arange(len(label)) // frames
    centre = np.where(label == 1, 1.2, -1.2) + rng.normal(0, 1, group.max() + 1)[group]
    probability = 1 / (1 + np.exp(-centre - rng.normal(0, 0.5, len(label))))
    return Predictions(label=label, probability=probability, group=group)


def save(path: Path, data: Predictions) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, label=data.label, probability=data.probability, group=data.group)


def with_retest(record: StudyRecord, data: Predictions) -> StudyRecord:
    """Return the study with the retest that belongs to these predictions."""
    best = winner(record)
    assert best is not None
    intervals = retest_intervals(data.label, data.probability, data.group, seed=0)
    answer: dict[str, Any] = {
        "number": best.number,
        "images": len(data.label),
        "confusion": metrics.binary_counts(data.label, data.probability),
        **metrics.binary_scores(data.label, data.probability),
        "auc": metrics.auc(data.label, data.probability) if intervals["auc"] else None,
        "intervals": intervals,
    }
    return replace(record, retest=json.loads(json.dumps(answer)))


def build(record: StudyRecord, folder: Path, *, images: bool = True) -> Section:
    return section(evidence(record, folder, images=images))


def evidence(record: StudyRecord, folder: Path, *, images: bool = True) -> Evidence:
    return Evidence(
        record=record, trials=trials_frame(record), folder=StudyFolder(folder), images=images
    )


def validation_path(record: StudyRecord, folder: Path) -> Path:
    best = winner(record)
    assert best is not None
    return StudyFolder(folder).trial(best.number) / "validation_predictions.npz"


def finite(value: Any) -> bool:
    if isinstance(value, dict):
        return all(finite(item) for item in value.values())
    if isinstance(value, list | tuple | np.ndarray):
        return all(finite(item) for item in value)
    return not isinstance(value, float) or bool(np.isfinite(value))


def assert_sound(found: Section) -> None:
    """Every figure is placed in the body, every place has its figure, and all is finite."""
    placed = re.findall(r'data-figure="([^"]*)"', found.body)
    assert sorted(placed) == sorted(found.figures)
    assert all(finite(figure.to_plotly_json()) for figure in found.figures.values())
