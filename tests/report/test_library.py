"""The list of all studies, from real ledgers."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState, create_trial

from study.errors import SettingsError
from study.evaluation.nested import NestedStudy, note_nested
from study.ledger import FILE_NAME, Ledger
from study.records import StudyRecord
from study.report.library import library_info, page_link, write_index
from study.report.listing import read_listing
from study.summary import winner

EVIL = "<img src=x onerror=alert(1)>"
NOW = datetime(2026, 11, 24, 8, 30, tzinfo=UTC)
_STATES = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED}


def write_ledger(runs: Path, name: str, record: StudyRecord) -> Path:
    """Write a study made by hand as a real ledger and return its file."""
    folder = runs / name
    folder.mkdir(parents=True)
    keys = ("command", "requested", "space", "dataset", "split", "seed", "versions", "machine")
    setup = {key: getattr(record, key) for key in (*keys, "created", "search", "retest", "final")}
    ledger = Ledger.create(folder, name, {**setup, "protocol": record.protocol.as_dict()})
    for trial in record.trials:
        own = {"ordinal": trial.number, "variant": trial.variant, "scores": trial.scores}
        own |= {"ended": trial.ended, "macs": trial.macs, "ended_by": "diverged"}
        ledger.optuna_study.add_trial(
            create_trial(
                state=_STATES.get(trial.state, TrialState.FAIL),
                value=trial.validation_f_med if trial.state == "complete" else None,
                user_attrs=own,
            )
        )
    ledger.close()
    return folder / FILE_NAME


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, Path]:
    """Return the folders of runs and reports, which do not exist yet."""
    return tmp_path / "runs", tmp_path / "reports"


def index(places: tuple[Path, Path]) -> str:
    """Write the list and return its body."""
    text = write_index(*places, now=NOW).read_text(encoding="utf-8")
    return text[text.index("<body>") :]


def row(html: str, name: str) -> str:
    """Return the row of a study as text, tags left out."""
    (found,) = (part for part in html.split("<tr")[1:] if f">{name}<" in part)
    return " ".join(re.sub("<[^>]*>", " ", found.partition("</tr>")[0].partition(">")[2]).split())


def test_a_study_is_one_row(places: tuple[Path, Path], record: StudyRecord) -> None:
    """Winner in words, both scores with the interval, data, split, trials and date, with a link."""
    write_ledger(places[0], "first", record)
    page = places[1] / "first" / "index.html"
    page.parent.mkdir(parents=True)
    page.write_text("")
    html = index(places)
    assert 'href="./first/index.html"' in html
    text, best = row(html, "first"), winner(record)
    assert best is not None
    assert f"Finished Trial {best.number}: 3 x conv" in text
    assert f" {best.validation_f_med:.3f} 0.774 (0.20 to 0.93) mendeley grouped 12/12" in text
    assert text.endswith("12/12, 1 failed 2026-11-23")
    assert "no page yet" not in text


def test_the_row_of_a_named_winner_has_its_corrected_score(
    places: tuple[Path, Path], named: StudyRecord
) -> None:
    """The winner is the one that was named, though another trial leads the ranking."""
    write_ledger(places[0], "first", named)
    text, best = row(index(places), "first"), winner(named)
    assert best is not None
    corrected = (named.final or {})["estimates"]["8"]["corrected_f_med"]["value"]
    assert "Finished Trial 8: 3 x conv" in text
    assert f" {best.validation_f_med:.3f} corrected {corrected:.3f} 0.774 (0.20" in text
    assert "of trial" not in text


def test_what_is_missing_is_said(places: tuple[Path, Path], record: StudyRecord) -> None:
    """A study without a page, a page without a study, a comparison: each is told and linked."""
    write_ledger(places[0], "unseen", replace(record, retest=None))
    for name in ("elsewhere/index.html", ".hidden/index.html", "compare-a-b.html"):
        path = places[1] / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    html = index(places)
    assert "no page yet: “study report unseen”" in row(html, "unseen")
    assert "1 without a page" in html
    assert 'href="./unseen/index.html"' not in html
    assert '<a href="./elsewhere/index.html">elsewhere</a>' in html
    assert '<a href="./compare-a-b.html">compare-a-b</a>' in html
    assert "hidden/" not in html


def test_weak_scores_are_marked(places: tuple[Path, Path], record: StudyRecord) -> None:
    """A leaking split, drawn images, a cut budget, another trial's retest, a reused test part."""
    weak = replace(
        record,
        split={**record.split, "kind": "random", "leaking_groups": 38},
        dataset={**record.dataset, "synthetic": True},
        protocol=replace(record.protocol, quick=True),
        retest={**(record.retest or {}), "number": 99, "uses": 3},
    )
    write_ledger(places[0], "weak", weak)
    write_ledger(places[0], "strong", record)
    html = index(places)
    marks = ("leaks", "synthetic", "cut budget", "of trial 99", "test part used 3 times")
    assert [mark in row(html, "weak") for mark in marks] == [True] * 5
    assert [mark in row(html, "strong") for mark in marks] == [False] * 5


def test_a_ledger_that_cannot_be_read_is_a_line(
    places: tuple[Path, Path], record: StudyRecord
) -> None:
    """Torn, newer and foreign ledgers are listed with their reason beside those that are well."""
    write_ledger(places[0], "well", record)
    torn = write_ledger(places[0], "torn", record)
    torn.write_bytes(torn.read_bytes()[:5000])
    write_ledger(places[0], "newer", record)
    ledger = Ledger.open(places[0] / "newer")
    ledger.update(schema_version=99)
    ledger.close()
    (places[0] / "foreign").mkdir()
    Ledger.create(places[0] / "foreign", "foreign", {"requested": 2}).close()
    html = index(places)
    torn_row = unescape(row(html, "torn"))
    assert "torn no page yet Unreadable empty, damaged or not a study's ledger (Data" in torn_row
    assert "Unreadable written by a newer version of the program (schema 99" in row(html, "newer")
    foreign_row = unescape(row(html, "foreign"))
    assert "ledger (no 'protocol'); restore it from a copy, or remove the folder" in foreign_row
    assert "Finished Trial" in row(html, "well")
    assert "3 unreadable" in html


@pytest.mark.parametrize("trials", [0, 1])
def test_a_study_without_a_winner_is_listed(
    places: tuple[Path, Path], record: StudyRecord, trials: int
) -> None:
    """Nothing trained yet, or only a failure: no winner, no score."""
    empty = replace(record, trials=record.trials[11:][:trials], retest=None)
    write_ledger(places[0], "empty", replace(empty, requested=5))
    text = row(index(places), "empty")
    assert text.startswith(
        "empty no page yet: “study report empty” Unfinished no complete trial — —"
    )


def test_no_study_at_all_is_a_page(places: tuple[Path, Path]) -> None:
    assert "No study in " in index(places)
    assert not places[0].exists()


def test_names_are_escaped(places: tuple[Path, Path], record: StudyRecord) -> None:
    """A study, a class and a data set called like HTML stay text; a colon makes no scheme."""
    name = EVIL.replace("/", "")
    data = {**record.dataset, "name": EVIL}
    write_ledger(places[0], name, replace(record, dataset=data, space={"name": EVIL}))
    for folder in (name, "javascript:alert(1)"):
        (places[1] / folder).mkdir(parents=True)
        (places[1] / folder / "index.html").write_text("")
    html = index(places)
    assert "<img" not in html
    assert html.count("&lt;img") >= 2
    assert 'href="javascript:' not in html
    assert page_link("javascript:x") == "./javascript%3Ax"
    assert page_link("a b/\udcff") == "./a%20b/%FF"


def test_an_unchanged_ledger_is_not_read_again(
    places: tuple[Path, Path], record: StudyRecord
) -> None:
    """What was listed holds until the ledger's file changes."""
    path = write_ledger(places[0], "kept", record)
    before = read_listing(places[0])
    status, whole = path.stat(), path.read_bytes()
    path.write_bytes(bytes(len(whole)))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert read_listing(places[0]) == before
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 10**9))
    assert [item.state for item in read_listing(places[0])] == ["unreadable"]
    path.write_bytes(whole)
    assert read_listing(places[0]) == before


def test_a_trial_that_ends_is_seen(places: tuple[Path, Path], record: StudyRecord) -> None:
    """A ledger that somebody holds open and writes to is listed as it stands."""
    write_ledger(places[0], "growing", replace(record, requested=13))
    assert [item.ended for item in read_listing(places[0])] == [12]
    ledger = Ledger.open(places[0] / "growing")
    attributes = {"ordinal": 12, "ended_by": "diverged"}
    ledger.optuna_study.add_trial(create_trial(state=TrialState.FAIL, user_attrs=attributes))
    assert [item.ended for item in read_listing(places[0])] == [13]
    ledger.close()
    assert [item.ended for item in read_listing(places[0])] == [13]


@pytest.mark.parametrize("kept", ["", "{", "[]", '{"version": 1}', '{"version": [], "studies": 3}'])
def test_a_torn_cache_is_made_again(
    places: tuple[Path, Path], record: StudyRecord, kept: str
) -> None:
    write_ledger(places[0], "it", record)
    before = read_listing(places[0])
    (cache,) = (places[0] / ".cache").glob("*.json")
    whole = cache.read_text()
    cache.write_text(kept)
    assert read_listing(places[0]) == before
    assert cache.read_text() == whole


def test_the_newest_study_comes_first(places: tuple[Path, Path], record: StudyRecord) -> None:
    """By the end of the last trial, by its making where none has ended; unreadable ones last."""
    later = replace(record, trials=[], created="2026-11-23T23:00:00+00:00")
    for name, study in (("a-old", record), ("b-later", later)):
        write_ledger(places[0], name, study)
    write_ledger(places[0], "c-torn", record).write_bytes(b"torn")
    found = [item.name for item in library_info(*places).studies]
    assert found == ["b-later", "a-old", "c-torn"]


def test_a_folder_that_cannot_be_written_is_one_line(
    places: tuple[Path, Path], record: StudyRecord
) -> None:
    write_ledger(places[0], "it", record)
    places[1].write_text("a file")
    with pytest.raises(SettingsError) as caught:
        write_index(*places)
    assert str(places[1]) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_browser_sorts_it_and_follows_its_links(
    places: tuple[Path, Path], record: StudyRecord, visit: Callable[..., Any]
) -> None:
    """Headings sort, what has no figure stays last; no complaint, request or sideways scroll."""
    lower = [replace(t, scores={**t.scores, "validation_f_med": 0.1}) for t in record.trials]
    write_ledger(places[0], "high", record)
    write_ledger(places[0], "low-" + "x" * 80, replace(record, trials=lower))
    write_ledger(places[0], EVIL.replace("/", ""), replace(record, trials=[], retest=None))
    for name in ("high", EVIL):
        (places[1] / name).mkdir(parents=True)
        (places[1] / name / "index.html").write_text("<title>there</title>")
    seen = visit(write_index(*places), color_scheme="light")

    def order() -> list[str]:
        found: list[str] = seen.page.eval_on_selector_all(
            "#studies tbody tr", "rows => rows.map(row => row.cells[0].dataset.v.slice(0, 3))"
        )
        return found

    heading = seen.page.locator("#studies th", has_text="Validation F_med")
    heading.locator("button").click()
    assert order() == ["hig", "low", "<im"]
    heading.locator("button").press("Enter")
    assert order() == ["low", "hig", "<im"]
    assert heading.get_attribute("aria-sort") == "ascending"
    color = "getComputedStyle(document.body).backgroundColor"
    light = seen.page.evaluate(color)
    seen.page.click("#theme")
    assert seen.page.evaluate(color) != light
    seen.page.set_viewport_size({"width": 400, "height": 800})
    assert seen.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert seen.complaints == []
    assert seen.strange_requests == set()
    seen.page.click(f"text={EVIL}")
    assert seen.page.title() == "there"


def test_a_nested_study_is_listed_with_its_pooled_figure(tmp_path: Path) -> None:
    """And its page is not taken for that of a stranger."""
    runs, reports = tmp_path / "runs", tmp_path / "reports"
    figures = {"f_med": 0.712, "intervals": {"f_med": [0.52, 0.85]}}
    for name, own in (("done", figures), ("begun", None)):
        note_nested(runs, NestedStudy(name=name, command="study run", folds=3, trials=4), own)
    (runs / "torn").mkdir()
    (runs / "torn" / "nested.json").write_text('{"study":')
    (reports / "done").mkdir(parents=True)
    (reports / "done" / "index.html").write_text("a page")
    text = re.sub(r"<[^>]+>", "", write_index(runs, reports, now=NOW).read_text())
    assert "done: nested, done-1of3 to done-3of3: pooled F_med 0.712 (95 % interval 0.52 to" in text
    assert "begun: nested, begun-1of3 to begun-3of3: not finished" in text
    assert "torn: nested, its record is damaged" in text
    assert "Other pages" not in text
