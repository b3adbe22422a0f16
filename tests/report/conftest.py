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

from study.evaluation.out_of_fold import FoldPredictions, OutOfFold
from study.evaluation.selection import Rule, Selection, select
from study.finalists.choose import choose_finalists, reference_among
from study.finalists.estimates import estimates_from_folds
from study.protocol import Protocol
from study.records import HISTORY_COLUMNS, SCORES, VIEWS, StudyRecord, TrialRecord
from study.report.frames import trials_frame
from study.report.section import Evidence
from study.summary import counts, leader
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
def settled() -> Callable[..., StudyRecord]:
    """Name a study's winner among drawn finalists: ``name_winner``."""
    return name_winner


@pytest.fixture(scope="session")
def without_finalists() -> Callable[[StudyRecord], StudyRecord]:
    """Name the best of a study's search as its winner: ``skip_finalists``."""
    return skip_finalists


@pytest.fixture(scope="session")
def named(record: StudyRecord) -> StudyRecord:
    """The finished study with a winner that is not the first of its ranking."""
    found = name_winner(record)
    first = leader(found)
    assert found.final is not None
    assert first is not None
    assert found.final["winner"] != first.number
    return found


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
    """The finished study with its histories and a named winner, for tests that only read."""
    study = Study(tmp_path_factory.mktemp("finished"), record)
    study.record = name_winner(record, folder=StudyFolder(study.study_dir))
    return study.with_histories()


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
