"""The page in a real browser: headless Chromium on the file itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from study.records import StudyRecord
from study.report.page import write_report
from tests.report.visiting import KEYS

EVIL = "<img src=x onerror=alert(1)>"
Build = Callable[[StudyRecord], Any]
Open = Callable[..., Any]


def test_nothing_is_requested_and_nothing_complains(visit_report: Open, finished: Any) -> None:
    """The page asks for itself only, and the console stays empty, whatever tab is opened."""
    seen = visit_report(finished)
    for key in KEYS:
        seen.open(key)
        seen.page.wait_for_timeout(100)
        charts = seen.page.locator("section.panel.open .chart")
        if charts.count():
            charts.first.hover(force=True)
    seen.page.click("#theme")
    seen.page.wait_for_timeout(200)
    assert seen.strange_requests == set()
    assert seen.complaints == []


def test_the_first_screen_holds_verdict_ranking_and_retest(seen: Any) -> None:
    """Without scrolling: the answers, the bars, the retest with its interval."""
    for selector in (".answers", "[data-figure=ranking-best] svg.main-svg >> nth=0", ".retest"):
        box = seen.page.locator(selector).bounding_box()
        assert box["y"] + box["height"] <= 900, selector
    assert "F_med between" in seen.page.inner_text(".answers")


def test_one_tab_is_open_at_a_time(seen: Any) -> None:
    """By a click, by the keyboard and by the address; the one that is open is marked."""
    for key in KEYS:
        seen.open(key)
        shown = seen.page.locator("section.panel:visible")
        assert shown.count() == 1
        assert shown.get_attribute("data-key") == key
        assert seen.page.locator("nav [aria-current]").get_attribute("href") == f"#{key}"
        assert shown.locator("h2").count() == 1
    seen.page.focus('nav a[href="#search"]')
    seen.page.keyboard.press("Enter")
    seen.page.wait_for_selector("section.panel.search:visible")
    seen.page.go_back()
    seen.page.wait_for_selector("section.panel.provenance:visible")
    assert seen.page.locator("section.panel:visible").get_attribute("data-key") == KEYS[-1]


def test_every_link_inside_the_page_leads_somewhere(seen: Any) -> None:
    """A tab, a trial or a place that exists; the one other link is the table's file."""
    links = seen.page.eval_on_selector_all("a", "all => all.map(a => a.getAttribute('href'))")
    numbers = {trial.number for trial in finished_trials(seen)}
    for link in set(links) - {"trials.csv", "#content"}:
        assert link.startswith("#"), link
        name = link[1:]
        known = name in KEYS or seen.page.locator(f"[id='{name}']").count() == 1
        assert known or int(name.removeprefix("trial-")) in numbers, link


def finished_trials(seen: Any) -> list[Any]:
    table = seen.page.evaluate("page.data.numbers")
    return [type("Trial", (), {"number": number}) for number in table]


def test_a_link_to_a_trial_opens_that_trial(seen: Any) -> None:
    """Wherever it stands: on the cards, in the table, in the tables of the other tabs."""
    links = seen.page.eval_on_selector_all(
        "section.panel a[href^='#trial-']",
        "all => all.map(a => [a.closest('.panel').dataset.key, a.getAttribute('href')])",
    )
    assert {"summary", "ranking", "complexity", "search"} <= {key for key, _ in links}
    for key, link in dict(reversed(links)).items():
        seen.open(key)
        seen.page.locator(f"section.panel.open a[href='{link}']").first.click()
        seen.page.wait_for_url(f"**{link}")
        title = f"Trial {link.removeprefix('#trial-')}"
        seen.page.wait_for_selector(f"#trial-title:text-is('{title}')")
        assert seen.page.evaluate("document.activeElement.id") == "trial-title"


def test_it_is_used_by_keyboard_alone(seen: Any) -> None:
    """The skip link leads past the tabs; a box or a button that was pressed keeps the focus."""
    seen.open("ranking")
    assert seen.page.locator("a, button").first.get_attribute("class") == "skip"
    seen.page.focus(".skip")
    seen.page.keyboard.press("Enter")
    seen.page.keyboard.press("Tab")
    assert seen.page.evaluate("document.activeElement.closest('section.panel.open') !== null")
    box = seen.page.locator("#trials-table tbody tr:nth-child(2) input")
    box.focus()
    seen.page.keyboard.press("Space")
    assert box.is_checked()
    assert seen.page.evaluate("document.activeElement.type") == "checkbox"
    seen.open("trial")
    seen.page.focus("#next")
    for _ in range(12):
        seen.page.keyboard.press("Enter")
    assert seen.page.evaluate("document.activeElement.id") == "next"
    assert seen.page.get_attribute("#next", "aria-disabled") == "true"


def test_nothing_moves_while_it_loads(browser: Any, finished: Any) -> None:
    """On a slow machine, too, each thing has its place before it is drawn."""
    file = write_report(finished.record, study_dir=finished.study_dir, out_dir=finished.out_dir)
    page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    slow = page.context.new_cdp_session(page)
    slow.send("Emulation.setCPUThrottlingRate", {"rate": 6})
    page.goto(file.as_uri())
    page.wait_for_function("document.querySelectorAll('.chart svg.main-svg').length > 0")
    shifted = page.evaluate(
        "new Promise(done => new PerformanceObserver(list => done(list.getEntries()"
        ".reduce((sum, entry) => sum + entry.value, 0))).observe({type: 'layout-shift', "
        "buffered: true}) ?? setTimeout(() => done(0), 500))"
    )
    assert shifted < 0.02


def test_the_theme_toggles_with_the_charts(seen: Any) -> None:
    """The button turns page and charts dark and back."""

    def colors() -> list[str]:
        chart = "document.querySelector('[data-figure=ranking-best]').layout.font.color"
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


def test_no_colour_of_a_figure_stays_light_on_a_dark_page(
    visit_report: Open, finished: Any
) -> None:
    """Every colour that a figure names has a dark one, on every tab."""
    seen = visit_report(finished, color_scheme="dark")
    for key in KEYS:
        seen.open(key)
    found = seen.page.evaluate(
        "[...document.querySelectorAll('.chart')].filter(chart => chart.data).flatMap(chart => "
        "JSON.stringify([chart.data, chart.layout]).match(/#[0-9a-f]{6,8}\\b/gi) ?? [])"
    )
    light = set(seen.page.evaluate("Object.keys(page.data.dark)"))
    dark = set(seen.page.evaluate("Object.values(page.data.dark)"))
    assert set(found) <= dark
    assert not set(found) & (light - dark)


def test_no_name_runs_as_a_script(visit_report: Open, record: StudyRecord, on_disk: Build) -> None:
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
    seen = visit_report(on_disk(evil))
    seen.page.hover("[data-figure=ranking-best] .bars path >> nth=1", force=True)
    for key in KEYS:
        seen.open(key)
        seen.page.wait_for_timeout(50)
    seen.page.goto(seen.file.as_uri() + "#trial-3")
    assert seen.page.inner_text("h1") == EVIL
    assert EVIL in seen.page.inner_text("#trial-notes")
    assert seen.page.locator("img").count() == 0
    assert seen.complaints == []
    assert seen.strange_requests == set()


@pytest.mark.parametrize("key", KEYS)
def test_a_narrow_page_does_not_scroll_sideways(seen: Any, key: str) -> None:
    """At 400 pixels the tables scroll inside their boxes, the page does not."""
    seen.page.set_viewport_size({"width": 400, "height": 800})
    seen.open(key)
    seen.page.wait_for_timeout(150)
    assert seen.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_row_of_tabs_that_is_cut_fades_there(seen: Any) -> None:
    """At 400 pixels more follow to the right of the first tab and before the last, none at 1280."""
    tabs = seen.page.locator("nav .tabs")
    seen.open(KEYS[0])
    seen.page.wait_for_function("!/cut/.test(document.querySelector('nav .tabs').className)")
    assert tabs.evaluate("one => getComputedStyle(one).maskImage") == "none"
    seen.page.set_viewport_size({"width": 400, "height": 800})
    for key, side in ((KEYS[0], "cut-right"), (KEYS[-1], "cut-left")):
        seen.open(key)
        seen.page.wait_for_selector(f"nav .tabs.{side}")
        assert "gradient" in tabs.evaluate("one => getComputedStyle(one).maskImage")


def test_long_names_do_not_widen_a_narrow_page(
    visit_report: Open, record: StudyRecord, on_disk: Build
) -> None:
    """Names without a space and a long command stay inside their boxes."""
    classes = {"b" * 90: 100, "malignant": 150}
    dataset = {**record.dataset, "name": "d" * 90, "classes": classes, "positive": "p" * 90}
    long = replace(record, name="a" * 120, command="study run " + "x" * 300, dataset=dataset)
    seen = visit_report(on_disk(long), width=400)
    for key in KEYS:
        seen.open(key)
        assert seen.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), key


@pytest.mark.parametrize("trials", [0, 1])
def test_a_study_without_scores_has_no_errors(
    visit_report: Open, record: StudyRecord, on_disk: Build, trials: int
) -> None:
    """A study that has only begun, or only failed, opens every tab without a complaint."""
    empty = replace(record, trials=record.trials[11:][:trials], retest=None)
    seen = visit_report(on_disk(empty), anchor="#summary")
    assert "No trial has a score yet." in seen.page.inner_text("section.panel.open")
    for key in KEYS:
        seen.open(key)
    assert seen.complaints == []
