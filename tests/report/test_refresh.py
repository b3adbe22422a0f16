"""The report of a running study is refreshed beside the search, and seldom enough."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from study.records import StudyRecord
from study.report import refresh as refresh_module
from study.report.frames import trials_frame
from study.report.page import write_report
from study.report.payload import (
    ALL_POINTS,
    FEWEST_POINTS,
    POINTS,
    Curves,
    page_data,
    points_of_each,
)
from study.report.refresh import ReportRefresh
from study.report.section import Evidence
from study.workspace import StudyFolder

OnDisk = Callable[[StudyRecord], Any]


@pytest.fixture
def refresh_of(request: pytest.FixtureRequest) -> Callable[..., ReportRefresh]:
    def make(study: Any, seconds: float = 0.0, errors: list[str] | None = None) -> ReportRefresh:
        made = ReportRefresh(
            partial(write_report, study_dir=study.study_dir, out_dir=study.out_dir),
            seconds=seconds,
            on_error=(errors if errors is not None else []).append,
        )
        request.addfinalizer(lambda: made.__exit__())
        return made

    return make


def wait_for(path: Path, before: int = 0) -> int:
    """Return when a file was written later than ``before``, nanoseconds; wait for it."""
    for _ in range(400):
        if path.is_file() and (found := path.stat().st_mtime_ns) > before:
            return found
        time.sleep(0.05)
    raise AssertionError(f"{path} was not written")


def test_a_tick_does_not_wait_for_the_report(
    running: StudyRecord, on_disk: OnDisk, refresh_of: Callable[..., ReportRefresh]
) -> None:
    study = on_disk(running)
    with refresh_of(study) as refresh:
        refresh.tick(running)
    assert "Running" in (study.out_dir / "index.html").read_text(encoding="utf-8")


@pytest.fixture
def always_due(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no cost of writing delay the next report."""
    monkeypatch.setattr(refresh_module, "LARGEST_SHARE", 1e9)


@pytest.mark.usefixtures("always_due")
def test_nothing_is_written_while_nothing_changes(
    running: StudyRecord, on_disk: OnDisk, refresh_of: Callable[..., ReportRefresh]
) -> None:
    study = on_disk(running)
    page = study.out_dir / "index.html"
    refresh = refresh_of(study)
    refresh.tick(running)
    first = wait_for(page)
    for _ in range(10):
        refresh.tick(replace(running, trials=list(running.trials)))
        time.sleep(0.05)
    assert page.stat().st_mtime_ns == first
    refresh.tick(replace(running, trials=running.trials[:-1]))
    assert wait_for(page, first) > first


def test_a_study_that_has_no_epoch_yet_is_not_drawn(
    running: StudyRecord, on_disk: OnDisk, refresh_of: Callable[..., ReportRefresh]
) -> None:
    study = on_disk(replace(running, trials=[]))
    with refresh_of(study) as refresh:
        refresh.tick(study.record)
    assert not study.out_dir.exists()


def test_a_report_that_costs_much_is_written_less_often(running: StudyRecord) -> None:
    """One that takes 0.2 s is not begun again before 4 s, though every 0.01 s was asked for."""
    written: list[float] = []

    def slow(*_: Any, **__: Any) -> None:
        written.append(time.monotonic())
        time.sleep(0.2)

    refresh = ReportRefresh(slow, seconds=0.01, on_error=print)
    end = time.monotonic() + 2.0
    while time.monotonic() < end:
        refresh.tick(replace(running, requested=running.requested + len(written)))
        time.sleep(0.02)
    refresh.__exit__()
    assert len(written) == 1


@pytest.mark.usefixtures("always_due")
def test_a_folder_that_cannot_be_written_is_told_once_and_the_search_goes_on(
    running: StudyRecord, on_disk: OnDisk, refresh_of: Callable[..., ReportRefresh]
) -> None:
    study, told = on_disk(running), []
    study.out_dir.parent.mkdir(parents=True)
    study.out_dir.write_text("a file")
    refresh = refresh_of(study, errors=told)
    for step in range(40):
        refresh.tick(replace(running, requested=step))
        time.sleep(0.02)
    assert len(told) == 1
    assert told[0].startswith("the search goes on without its report: report folder")
    assert "cannot be written" in told[0]


@pytest.mark.usefixtures("always_due")
def test_a_report_that_fails_in_any_way_is_told_once_and_the_search_goes_on(
    running: StudyRecord, on_disk: OnDisk, refresh_of: Callable[..., ReportRefresh]
) -> None:
    """Here the page meets a record that it does not understand; a later one is written."""
    study, told = on_disk(running), []
    refresh = refresh_of(study, errors=told)
    for step in range(20):
        refresh.tick(replace(running, requested=step, split={"parts": step}))
        time.sleep(0.02)
    assert len(told) == 1
    assert re.fullmatch(r"the search goes on without its report: \w+Error: .+", told[0])
    for step in range(20):
        refresh.tick(replace(running, requested=step))
        time.sleep(0.02)
    wait_for(study.out_dir / "index.html")


def data_of(study: Any, record: StudyRecord, curves: Curves | None = None) -> dict[str, Any]:
    evidence = Evidence(
        record=record, trials=trials_frame(record), folder=StudyFolder(study.study_dir)
    )
    return page_data(evidence, [], curves=curves)


def test_ended_trials_are_read_once_and_running_ones_each_time(
    running: StudyRecord, on_disk: OnDisk
) -> None:
    study, curves = on_disk(running), Curves()
    fresh = data_of(study, running)
    assert data_of(study, running, curves) == fresh
    ended = {t.number for t in running.trials if t.state == "complete"}
    assert set(curves) == ended
    for trial in running.trials:
        study.history(trial.number).unlink(missing_ok=True)
    again = data_of(study, running, curves)
    for number, before, after in zip(
        fresh["numbers"], fresh["curves"], again["curves"], strict=True
    ):
        assert (before == after) == (number in ended or not before["epochs"])


def test_another_attempt_is_read_anew(record: StudyRecord, on_disk: OnDisk) -> None:
    study, curves = on_disk(record), Curves()
    data_of(study, record, curves)
    study.history(1).unlink()
    trials = [replace(t, ledger_number=99) if t.number == 1 else t for t in record.trials]
    found = data_of(study, replace(record, trials=trials), curves)
    assert any("history.csv is missing" in note for note in found["notes"]["1"])


def test_the_page_is_the_same_with_and_without_what_was_kept(
    record: StudyRecord, on_disk: OnDisk, tmp_path: Path
) -> None:
    from datetime import UTC, datetime

    study, curves, at = on_disk(record), Curves(), datetime(2026, 11, 23, tzinfo=UTC)
    pages = [
        write_report(
            record,
            study_dir=study.study_dir,
            out_dir=tmp_path / str(turn),
            now=at,
            curves=curves if turn else None,
        ).read_bytes()
        for turn in range(3)
    ]
    assert pages[0] == pages[1] == pages[2]


def test_points_are_halved_seldom_so_that_what_was_kept_stays_of_use() -> None:
    found = [points_of_each(trials) for trials in range(1, 6000)]
    assert found == sorted(found, reverse=True)
    assert len(set(found)) == 5
    assert found[0] == POINTS
    assert all(n > 4000 or points * n <= ALL_POINTS for n, points in enumerate(found, 1))
    assert found[-1] == FEWEST_POINTS
