"""Drawn studies as fixtures, and a real browser to look at their pages."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from study.records import StudyRecord
from study.report.frames import trials_frame
from study.report.page import write_report
from study.report.section import Evidence
from study.summary import leader
from study.workspace import StudyFolder
from tests.report.drawn_finalists import name_winner, skip_finalists
from tests.report.drawn_study import RETEST, Study, make_record, make_trial
from tests.report.visiting import Visit


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


@pytest.fixture(scope="session")
def visit_report(visit: Callable[..., Any]) -> Callable[..., Any]:
    """Write a study's report and open it: ``visit_report(study, **context)``."""

    def opened(study: Any, **context: Any) -> Any:
        file = write_report(study.record, study_dir=study.study_dir, out_dir=study.out_dir)
        seen = visit(file, **context)
        if study.record.trials and not context.get("anchor"):
            seen.wait_until_drawn()
        return seen

    return opened


@pytest.fixture(scope="session")
def opened(visit_report: Callable[..., Any], finished: Any) -> Any:
    return visit_report(finished, color_scheme="light")


@pytest.fixture
def seen(opened: Any) -> Any:
    """The page of the finished study as it is when it has just been opened."""
    page = opened.page
    page.set_viewport_size({"width": 1280, "height": 900})
    page.emulate_media(media="screen")
    page.evaluate("() => { sessionStorage.clear(); localStorage.clear(); }")
    page.goto(opened.file.as_uri() + "?" + page.url)  # not only another place on the page
    page.goto(opened.file.as_uri())
    opened.wait_until_drawn()
    opened.requests.clear()
    opened.complaints.clear()
    return opened
