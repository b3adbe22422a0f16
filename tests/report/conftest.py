"""Studies made by hand, with drawn curves, and a real browser to look at their pages."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from study.protocol import Protocol
from study.records import HISTORY_COLUMNS, SCORES, VIEWS, StudyRecord, TrialRecord
from study.report.frames import trials_frame
from study.report.section import Evidence
from study.variant import Variant
from study.workspace import StudyFolder

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


@pytest.fixture(scope="session")
def record() -> StudyRecord:
    """A finished study: complete, pruned and failed trials, and a retest of the best one."""
    trials = [make_trial(number) for number in range(10)]
    trials += [make_trial(10, "pruned", epochs=20), make_trial(11, "failed")]
    best = max(trials[:10], key=lambda trial: trial.validation_f_med or 0)
    return make_record(trials, retest={**RETEST, "number": best.number})


@pytest.fixture(scope="session")
def running() -> StudyRecord:
    """A study at work: two trials running, one to be run again, most to come."""
    trials = [make_trial(number) for number in range(4)]
    trials += [make_trial(4, "running", 30), make_trial(5, "running", 4)]
    trials += [make_trial(6, "interrupted")]
    return make_record(trials, requested=100)


@pytest.fixture
def on_disk(tmp_path: Path) -> Callable[[StudyRecord], Study]:
    """Return a study's record with drawn histories on the disk."""
    return lambda record: Study(tmp_path, record).with_histories()


@pytest.fixture
def evidence_of(tmp_path: Path) -> Callable[..., Evidence]:
    """Return what a page draws on; there are no artifacts unless a test adds some."""

    def make(record: StudyRecord, *, images: bool = True) -> Evidence:
        folder = StudyFolder(tmp_path / "artifacts")
        return Evidence(record=record, trials=trials_frame(record), folder=folder, images=images)

    return make


@pytest.fixture(scope="session")
def finished(record: StudyRecord, tmp_path_factory: pytest.TempPathFactory) -> Study:
    """The finished study with its histories, for tests that only read."""
    return Study(tmp_path_factory.mktemp("finished"), record).with_histories()


CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


@dataclass
class Visit:
    """An opened page and what the browser said meanwhile."""

    page: Any
    file: Path
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    @property
    def strange_requests(self) -> set[str]:
        """Addresses that are neither the page itself nor pictures inside it."""
        own = self.file.as_uri()
        return {url for url in self.requests if url.split("#")[0] != own and url[:5] != "data:"}

    def open(self, key: str) -> None:
        """Open a tab."""
        self.page.click(f'nav a[href="#{key}"]')
        self.page.wait_for_selector(f"section.panel.{key}.open")


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Headless Chromium; the test is skipped where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("no chromium or google-chrome found")
    with playwright.sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture(scope="session")
def visit(browser: Any) -> Callable[..., Visit]:
    """Open a file as a page of its own: ``visit(file, width=..., anchor=..., **context)``."""

    def opened(file: Path, *, width: int = 1280, anchor: str = "", **context: Any) -> Visit:
        size = {"width": width, "height": 900}
        page = browser.new_context(viewport=size, **context).new_page()
        seen = Visit(page=page, file=file)
        page.on("request", lambda request: seen.requests.append(request.url))
        page.on("console", lambda message: seen.complaints.append(message.text))
        page.on("pageerror", lambda error: seen.complaints.append(str(error)))
        page.on("dialog", lambda dialog: (seen.complaints.append("dialog"), dialog.dismiss()))
        page.goto(file.as_uri() + anchor)
        return seen

    return opened
