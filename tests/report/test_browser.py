"""The page in a real browser: headless Chromium on the file itself."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from study.records import StudyRecord
from study.report.page import write_report
from study.summary import ranked

playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium or google-chrome found")

EVIL = "<img src=x onerror=alert(1)>"
Build = Callable[[StudyRecord], Any]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


@dataclass
class Visit:
    """An opened page and what the browser said meanwhile."""

    page: Any
    file: Path
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)

    @property
    def strange_requests(self) -> set[str]:
        return {url for url in self.requests if url not in (self.file.as_uri(), "data:,")}

    def bars(self) -> list[str]:
        """Return the numbers of the trials that are shown in the table, from top to bottom."""
        found: list[str] = self.page.eval_on_selector_all(
            "#trials-table tbody tr:not([hidden])", "rows => rows.map(r => r.dataset.trial)"
        )
        return found

    def drawn(self) -> list[Any]:
        """Return the validation curve of each of the six charts, as plotly holds it."""
        found: list[Any] = self.page.eval_on_selector_all(
            ".chart[data-score]", "charts => charts.map(c => Array.from(c.data[1].y))"
        )
        return found


def visit(browser: Any, study: Any, **context: Any) -> Visit:
    file = write_report(study.record, study_dir=study.study_dir, out_dir=study.out_dir)
    page = browser.new_context(viewport={"width": 1280, "height": 900}, **context).new_page()
    seen = Visit(page=page, file=file)
    page.on("request", lambda request: seen.requests.append(request.url))
    page.on("console", lambda message: seen.complaints.append(message.text))
    page.on("pageerror", lambda error: seen.complaints.append(str(error)))
    page.on("dialog", lambda dialog: (seen.dialogs.append(dialog.message), dialog.dismiss()))
    page.goto(file.as_uri())
    page.wait_for_function("document.querySelectorAll('.chart svg.main-svg').length > 0")
    return seen


@pytest.fixture(scope="module")
def opened(browser: Any, finished: Any) -> Visit:
    return visit(browser, finished, color_scheme="light")


@pytest.fixture
def seen(opened: Visit) -> Visit:
    """The page of the finished study as it is when it has just been opened."""
    page = opened.page
    page.set_viewport_size({"width": 1280, "height": 900})
    page.emulate_media(media="screen")
    page.fill("#filter", "")
    rank = page.locator('th[data-key="rank"]')
    while rank.get_attribute("aria-sort") != "ascending":
        rank.locator("button").click()
    page.select_option("#choice", index=0)
    return opened


def test_nothing_is_requested_and_nothing_complains(seen: Visit) -> None:
    """The page asks for itself only, and the console stays empty while it is used."""
    seen.page.click("#next")
    seen.page.click("#theme")
    seen.page.hover("#ranking-chart .bars path >> nth=2", force=True)
    seen.page.wait_for_timeout(200)
    assert seen.page.locator(".chart svg.main-svg").count() >= 8
    assert seen.strange_requests == set()
    assert seen.complaints == []


def test_a_heading_sorts(seen: Visit, record: StudyRecord) -> None:
    """A click sorts upwards, a second one downwards; trials without the figure stay last."""
    assert seen.bars() == [str(trial.number) for trial in ranked(record)]
    heading = seen.page.locator('th[data-key="validation_f_med"]')
    heading.locator("button").click()
    assert heading.get_attribute("aria-sort") == "ascending"
    upwards = seen.bars()
    heading.locator("button").press("Enter")
    assert heading.get_attribute("aria-sort") == "descending"
    assert seen.bars() == [*upwards[:-1][::-1], upwards[-1]]
    assert upwards[-1] == "11"
    assert seen.page.locator('th[aria-sort]:not([aria-sort="none"])').count() == 1


def test_the_filter_filters(seen: Visit, record: StudyRecord) -> None:
    """Words, equalities and comparisons must all hold; the number of rows is told."""
    seen.page.fill("#filter", "pruned")
    assert seen.bars() == ["10"]
    seen.page.fill("#filter", "filters>=32 state=complete")
    wanted = {
        str(t.number) for t in record.trials if t.variant["filters"] >= 32 and t.state == "complete"
    }
    assert set(seen.bars()) == wanted
    assert seen.page.inner_text("#shown") == f"{len(wanted)} of 12 shown"
    seen.page.fill("#filter", "no such trial")
    assert seen.bars() == []


def test_choosing_a_trial_redraws_six_charts(seen: Visit, record: StudyRecord) -> None:
    """The list, the buttons, a row and a bar each bring another trial's curves and facts."""
    before = seen.drawn()
    assert len(before) == 6
    seen.page.select_option("#choice", "4")
    after = seen.drawn()
    assert all(one != other for one, other in zip(before, after, strict=True))
    assert seen.page.inner_text("#trial-title") == "Trial 4"
    line = seen.page.evaluate(
        "document.querySelector('[data-score=f_med]').layout.shapes.map(s => s.x0)"
    )
    assert line == [record.trials[4].best_epoch]
    seen.page.locator('#trials-table tr[data-trial="7"] td').nth(2).click()
    assert seen.page.input_value("#choice") == "7"
    assert seen.page.locator("#trials-table tr[aria-current]").get_attribute("data-trial") == "7"
    seen.page.click("#previous")
    order = [trial.number for trial in ranked(record)]
    assert seen.page.input_value("#choice") == str(order[order.index(7) - 1])
    chart = seen.page.locator("#ranking-chart")
    chart.evaluate("chart => chart.scrollIntoView({ block: 'center', behavior: 'instant' })")
    box = chart.locator(".bars path").first.bounding_box()
    seen.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] - 8)
    chart.locator(".hoverlayer .hovertext").wait_for()
    seen.page.mouse.down()
    seen.page.mouse.up()
    assert seen.page.input_value("#choice") == str(order[0])


def test_a_trial_without_history_empties_the_charts(seen: Visit) -> None:
    """A failed trial shows its cause, and no curve of the trial before."""
    seen.page.select_option("#choice", "11")
    assert seen.drawn() == [[]] * 6
    assert "out of memory" in seen.page.inner_text("#trial-notes")
    assert seen.complaints == []


def test_the_theme_toggles_with_the_charts(seen: Visit) -> None:
    """The button turns page and charts dark and back."""

    def colors() -> list[str]:
        chart = "document.querySelector('[data-score=f_med]').layout.font.color"
        found: list[str] = seen.page.evaluate(
            f"[getComputedStyle(document.body).backgroundColor, {chart}]"
        )
        return found

    light = colors()
    seen.page.click("#theme")
    dark = colors()
    assert all(one != other for one, other in zip(light, dark, strict=True))
    seen.page.click("#theme")
    assert colors() == light


def test_no_name_runs_as_a_script(browser: Any, record: StudyRecord, on_disk: Build) -> None:
    """A study, a class and a cause called like HTML are shown as they are and run nothing."""
    evil = replace(
        record,
        name=EVIL,
        dataset={**record.dataset, "negative": EVIL, "classes": {EVIL: 100, "malignant": 150}},
        trials=[
            replace(trial, cause=EVIL, diagnosis={"kind": EVIL, "advice": [EVIL]}, state="complete")
            for trial in record.trials
        ],
    )
    seen = visit(browser, on_disk(evil))
    seen.page.select_option("#choice", "3")
    seen.page.hover("#ranking-chart .bars path >> nth=1", force=True)
    seen.page.wait_for_timeout(200)
    assert seen.page.inner_text("h1") == EVIL
    assert EVIL in seen.page.inner_text("#trial-notes")
    assert seen.page.locator("img").count() == 0
    assert seen.dialogs == []
    assert seen.complaints == []
    assert seen.strange_requests == set()
    assert EVIL in seen.page.locator("#capacity-chart .legend").text_content()


def test_a_narrow_page_does_not_scroll_sideways(seen: Visit) -> None:
    """At 400 pixels the tables scroll inside their boxes, the page does not."""
    seen.page.set_viewport_size({"width": 400, "height": 800})
    seen.page.wait_for_timeout(300)
    assert seen.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert seen.page.evaluate("document.querySelector('.scroll.tall').scrollWidth") > 400


def test_long_names_do_not_widen_a_narrow_page(
    browser: Any, record: StudyRecord, on_disk: Build
) -> None:
    """Names without a space and a long command stay inside their boxes."""
    classes = {"b" * 90: 100, "malignant": 150}
    dataset = {**record.dataset, "name": "d" * 90, "classes": classes, "positive": "p" * 90}
    long = replace(record, name="a" * 120, command="study run " + "x" * 300, dataset=dataset)
    seen = visit(browser, on_disk(long))
    seen.page.set_viewport_size({"width": 400, "height": 800})
    assert seen.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_readers_choices_outlive_a_reload(
    browser: Any, running: StudyRecord, on_disk: Build
) -> None:
    """A running study's page comes back with the same trial, filter and order."""
    seen = visit(browser, on_disk(running))
    seen.page.fill("#filter", "running")
    seen.page.select_option("#choice", "4")
    seen.page.check("#auto-reload")
    with seen.page.expect_navigation():
        seen.page.click("#reload")
    seen.page.wait_for_function("document.querySelectorAll('.chart svg.main-svg').length > 0")
    assert seen.page.input_value("#choice") == "4"
    assert set(seen.bars()) == {"4", "5"}
    assert seen.page.is_checked("#auto-reload")
    assert seen.complaints == []


@pytest.mark.parametrize("trials", [0, 1])
def test_a_study_without_scores_has_no_errors(
    browser: Any, record: StudyRecord, on_disk: Build, trials: int
) -> None:
    """A study that has only begun, or only failed, opens without a complaint."""
    empty = replace(record, trials=record.trials[11:][:trials], retest=None)
    study = on_disk(empty)
    file = write_report(empty, study_dir=study.study_dir, out_dir=study.out_dir)
    page = browser.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(file.as_uri())
    page.wait_for_timeout(200)
    assert complaints == []
    assert page.locator("p.no-scores").is_visible()


def test_it_prints_in_light(browser: Any, record: StudyRecord, on_disk: Build) -> None:
    """A dark page is drawn light for the printer, with the table in full."""
    seen = visit(browser, on_disk(record), color_scheme="dark")
    ink = "document.querySelector('[data-score=f_med]').layout.font.color"
    assert seen.page.evaluate(ink) == "#e3e6e9"
    seen.page.emulate_media(media="print")
    seen.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert seen.page.evaluate(ink) == "#1c2024"
    assert not seen.page.locator("nav").is_visible()
