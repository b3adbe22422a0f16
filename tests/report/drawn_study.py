"""Studies made by hand, with drawn curves: complete, pruned, running and failed trials."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from study.protocol import Protocol
from study.records import HISTORY_COLUMNS, SCORES, VIEWS, StudyRecord, TrialRecord
from study.variant import Variant

SPACE = """
question = "How many filters does the network need?"

[parameters.filters]
type = "int"
low = 8
high = 96
log = true
why = "Filters set most of the capacity."

[parameters.dropout]
type = "float"
low = 0.0
high = 0.6
why = "Dropout trades bias for variance."

[parameters.learning_rate]
type = "float"
low = 1e-4
high = 3e-2
log = true
why = "The most influential setting."

[parameters.optimizer]
type = "choice"
choices = ["adam", "sgd"]
why = "The article compares them."

[fixed]
padding = "same"

[constraints]
max_macs_ratio = 3.0
"""


def draw_history(number: int, epochs: int) -> dict[str, np.ndarray]:
    """Return the columns of a history that looks like a training, (epochs,) each."""
    rng = np.random.default_rng(number)
    epoch = np.arange(1, epochs + 1)
    pace, ceiling = rng.uniform(8, 40), rng.uniform(0.78, 0.95)
    columns = {"epoch": epoch, "seconds": epoch * 11.5}
    lag = {"train": 0.0, "validation": rng.uniform(0.02, 0.16), "validation_plain": 0.05}
    for view in VIEWS:
        rise = (ceiling - lag[view]) * (1 - np.exp(-epoch / pace))
        noise = 0.008 if view == "train" else 0.018
        for score in SCORES:
            drawn = np.clip(rise + rng.normal(0, noise, epochs), 0, 1)
            if score == "loss":
                over = 0.002 * epoch * (view != "train") * (number % 3 == 1)
                drawn = (
                    0.75 * np.exp(-epoch / pace) + 0.12 + over + np.abs(rng.normal(0, 0.02, epochs))
                )
            columns[f"{view}_{score}"] = drawn
    return columns


def write_history(path: Path, columns: dict[str, np.ndarray]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(HISTORY_COLUMNS)
        rows = zip(*(columns[name] for name in HISTORY_COLUMNS), strict=True)
        writer.writerows([[f"{value:.6g}" for value in row] for row in rows])


def diagnose(number: int) -> dict[str, Any]:
    kinds = ("balanced", "high variance", "high bias", "high bias and high variance")
    kind = kinds[number % 4]
    verdicts = {name: "likely" if f"high {name}" in kind else "no" for name in ("bias", "variance")}
    return {
        "kind": kind,
        "bias": {"verdict": verdicts["bias"], "standard_error": 0.02},
        "variance": {"verdict": verdicts["variance"], "loss_ratio": 1.7},
        "gap": 0.081,
        "standard_error": 0.034,
        "best_train_f_med": 0.953,
        "target": 0.9,
        "advice": ["Validation falls behind training: try fewer filters or more dropout."],
    }


def make_trial(number: int, state: str = "complete", epochs: int = 120) -> TrialRecord:
    """Return a trial whose scores follow from its drawn history."""
    rng = np.random.default_rng(1000 + number)
    params: dict[str, Any] = {}
    if number:
        params = {
            "filters": int(np.exp(rng.uniform(np.log(8), np.log(96)))),
            "dropout": float(rng.uniform(0, 0.6)),
            "learning_rate": float(np.exp(rng.uniform(np.log(1e-4), np.log(3e-2)))),
            "optimizer": str(rng.choice(["adam", "sgd"])),
        }
    variant = Variant(**({"padding": "same", **params} if number else {}))
    base = TrialRecord(
        number=number,
        state=state,
        params=params,
        variant=variant.as_dict(),
        ledger_number=number,
        seed=4000 + number,
        parameters=variant.filters * 9 + variant.filters**2 * 18 + 64 * 15 * variant.filters,
        macs=variant.filters**2 * 9 * 180 + 1080 * variant.filters * 9,
        started="2026-11-23T08:00:00+00:00",
        worker="host-1",
    )
    if state in ("failed", "interrupted"):
        return replace(base, attempts=2, cause="ResourceExhausted: out of memory", stopped_by=None)
    history = draw_history(number, epochs)
    f_med = history["validation_f_med"]
    progress = [float(value) for value in f_med]
    if state == "running":
        return replace(base, progress=progress, epochs=epochs)
    best = int(np.argmax(f_med))
    return replace(
        base,
        progress=progress,
        validation_f_med=float(f_med[best]),
        validation_f_med_plain=float(history["validation_plain_f_med"][best]),
        validation_f_med_smooth=float(np.median(f_med[max(0, best - 5) : best + 6])),
        train_f_med=float(history["train_f_med"][best]),
        scores={name: float(history[name][best]) for name in HISTORY_COLUMNS[2:]},
        best_epoch=best + 1,
        epochs=epochs,
        stopped_by="patience" if state == "complete" else "pruned",
        seconds=epochs * 11.5,
        ended="2026-11-23T09:00:00+00:00",
        diagnosis=diagnose(number) if state == "complete" else None,
    )


def make_record(trials: list[TrialRecord], **changes: Any) -> StudyRecord:
    """Return a study of two classes with these trials, grouped and without any leak."""
    parts = {
        "train": (175, 34, 105, 20, 70, 14),
        "validation": (50, 9, 30, 6, 20, 3),
        "test": (25, 5, 15, 3, 10, 2),
    }
    values: dict[str, Any] = {
        "name": "mendeley-seed-3f9a1c",
        "created": "2026-11-23T07:59:30+00:00",
        "command": "study run --data mendeley --space seed --trials 100",
        "requested": len(trials),
        "protocol": Protocol(),
        "space": {"name": "seed", "text": SPACE, "digest": "5b" * 32},
        "dataset": {
            "name": "mendeley",
            "source": "a folder with one sub-folder per class",
            "digest": "a1" * 32,
            "positive": "malignant",
            "negative": "benign",
            "classes": {"benign": 100, "malignant": 150},
            "images": 250,
            "groups": 48,
            "synthetic": False,
            "skipped": [],
        },
        "split": {
            "kind": "grouped",
            "grouping": "content",
            "ratio": "70:20:10",
            "parts": {
                name: {
                    "images": images,
                    "groups": groups,
                    "classes": {
                        "malignant": {"images": mi, "groups": mg},
                        "benign": {"images": bi, "groups": bg},
                    },
                }
                for name, (images, groups, mi, mg, bi, bg) in parts.items()
            },
            "leaking_groups": 0,
            "leaking_test_groups": 0,
            "leaking_test_images": 0,
        },
        "seed": 7,
        "versions": {"study": "0.1.0", "python": "3.11.9", "tensorflow": "2.21.0"},
        "machine": {"system": "Linux", "processors": 2},
        "trials": trials,
    }
    return StudyRecord(**{**values, **changes})


RETEST = {
    "number": 3,
    "images": 25,
    "groups": 5,
    "confusion": {"tp": 13, "fp": 3, "tn": 7, "fn": 2},
    "sensitivity": 13 / 15,
    "specificity": 0.7,
    "f_med": 0.7745,
    "accuracy": 0.8,
    "auc": 0.88,
    "intervals": {
        "level": 0.95,
        "sensitivity": [0.231, 0.998],
        "specificity": [0.052, 0.994],
        "f_med": [0.197, 0.93],
        "accuracy": [0.37, 0.95],
        "auc": None,
        "method": "Images are discounted to an effective number.",
    },
    "effective_images": {"positive": 3.0, "negative": 2.0},
    "uses": 1,
    "at": "2026-11-23T12:00:00+00:00",
}


class Study:
    """A study on disk: its record, its folder, and where its report goes."""

    def __init__(self, folder: Path, record: StudyRecord) -> None:
        self.record = record
        self.study_dir = folder / "runs" / "it"
        self.out_dir = folder / "reports" / "it"

    def history(self, number: int) -> Path:
        return self.study_dir / "trials" / str(number) / "history.csv"

    def with_histories(self) -> Study:
        for trial in self.record.trials:
            if trial.epochs:
                write_history(self.history(trial.number), draw_history(trial.number, trial.epochs))
        return self


AUDIT: dict[str, Any] = {
    "findings": [
        {"grade": "error", "code": "straddling-groups", "message": "41 of 48 groups are torn."},
        {"grade": "warning", "code": "small-test-part", "message": "Two lesions are few."},
        {"grade": "note", "code": "content-groups", "message": "Found by content."},
    ],
    "baselines": {"width": 0.71, "file_format": None},
    "chance": {"width": 0.6},
    "exact_duplicates": [],
    "label_conflicts": [],
    "near_copies": {"in_words": "Of 250 images compared, 250 have a near-copy."},
}
"""What an audit found: an error, a warning and a note."""
