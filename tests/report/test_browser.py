"""The page in a real browser: headless Chromium on the file itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from study.records import StudyRecord
from study.report.page import SECTIONS, write_report
from study.summary import best_so_far, ranked

EVIL = "<img src=x onerror=alert(1)>"
KEYS = [module.__name__.removesuffix(".section").rpartition(".")[2] for module in SECTIONS]
Build = Callable[[StudyRecord], Any]
Open = Callable[..., Any]


@pytest.fixture(scope="session")
def visit_report(visit: Open) -> Open:
    """Write a study's report and open it: ``visit_report(study, **context)``."""

    def opened(study: Any, **context: Any) -> Any:
        file = write_report(study.record, study_dir=study.study_dir, out_dir=study.out_dir)
        seen = visit(file, **context)
        if study.record.trials and not context.get("anchor"):
            drawn(seen)
        return seen

    return opened


def drawn(seen: Any) -> None:
    seen.page.wait_for_function("document.querySelectorAll('.chart svg.main-svg').length > 0")


def rows(seen: Any) -> list[str]:
    """Return the numbers of the trials that the table lists, from top to bottom."""
    found: list[str] = seen.page.eval_on_selector_all(
        "#trials-table tbody tr", "rows => rows.map(row => row.dataset.trial)"
    )
    return found


def curves(seen: Any) -> list[Any]:
    """Return the validation curve of each of the six charts, as plotly holds it."""
    found: list[Any] = seen.page.eval_on_selector_all(
        ".chart[data-score]", "charts => charts.map(chart => Array.from(chart.data[1].y))"
    )
    return found


@pytest.fixture(scope="module")
def opened(visit_report: Open, finished: Any) -> Any:
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
    drawn(opened)
    opened.requests.clear()
    opened.complaints.clear()
    return opened


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


def test_a_heading_sorts(seen: Any, record: StudyRecord) -> None:
    """The best score first, a second click the worst; trials without the figure stay last."""
    seen.open("ranking")
    assert rows(seen) == [str(trial.number) for trial in ranked(record)]
    heading = seen.page.locator('th[data-key="validation_f_med"]')
    heading.locator("button").click()
    assert heading.get_attribute("aria-sort") == "descending"
    downwards = rows(seen)
    scores = {str(trial.number): best_so_far(trial) for trial in record.trials}
    assert scores[downwards[0]] == max(filter(None, scores.values()))
    heading.locator("button").press("Enter")
    assert heading.get_attribute("aria-sort") == "ascending"
    assert rows(seen) == [*downwards[:-1][::-1], downwards[-1]]
    assert downwards[-1] == "11"
    assert seen.page.locator('th[aria-sort]:not([aria-sort="none"])').count() == 1
    seen.page.click('th[data-key="learning_rate"] button')
    rates = {str(trial.number): trial.variant["learning_rate"] for trial in record.trials}
    found = [rates[number] for number in rows(seen)]
    assert found == sorted(found)


def test_the_filter_filters(seen: Any, record: StudyRecord) -> None:
    """Words, equalities and comparisons must all hold; the number of rows is told."""
    seen.open("ranking")
    seen.page.fill("#filter", "pruned")
    assert rows(seen) == ["10"]
    seen.page.fill("#filter", "filters>=32 state=complete")
    wanted = {
        str(t.number) for t in record.trials if t.variant["filters"] >= 32 and t.state == "complete"
    }
    assert set(rows(seen)) == wanted
    assert seen.page.inner_text("#shown") == f"{len(wanted)} of 12 shown"
    seen.page.fill("#filter", "Filters >= 32 f_med>0.2 Valid.plain>0")
    assert set(rows(seen)) == wanted
    seen.page.fill("#filter", "no such trial")
    assert rows(seen) == []
    seen.page.fill("#filter", "filtres>3")
    assert seen.page.inner_text("#shown") == "no column called filtres"


def test_the_table_says_what_its_file_says(seen: Any) -> None:
    """What the script lists is what the page holds without it."""
    seen.open("ranking")
    cells = "rows => rows.map(row => [...row.cells].slice(1).map(cell => cell.textContent))"
    listed = seen.page.eval_on_selector_all("#trials-table tbody tr", cells)
    page = seen.page.context.browser.new_context(java_script_enabled=False).new_page()
    page.goto(seen.file.as_uri())
    written = page.locator("#trials-table tbody tr").evaluate_all(cells)
    assert listed == written
    assert page.locator("section.panel:visible").count() == len(KEYS)


def test_choosing_a_trial_redraws_six_charts(seen: Any, record: StudyRecord) -> None:
    """The list, the buttons, a row and a bar each bring another trial's curves and facts."""
    seen.open("trial")
    before = curves(seen)
    assert len(before) == 6
    seen.page.select_option("#choice", "4")
    seen.page.wait_for_url("**#trial-4")
    after = curves(seen)
    assert all(one != other for one, other in zip(before, after, strict=True))
    assert seen.page.inner_text("#trial-title") == "Trial 4"
    assert seen.page.inner_text("#trial-shows").startswith("Trial 4: at its best in epoch")
    line = seen.page.evaluate(
        "document.querySelector('[data-score=f_med]').layout.shapes.map(s => s.x0)"
    )
    assert line == [record.trials[4].best_epoch]
    seen.open("ranking")
    seen.page.locator('#trials-table tr[data-trial="7"] td').nth(3).click()
    chosen(seen, 7)
    seen.page.click("#previous")
    order = [trial.number for trial in ranked(record)]
    above = order[order.index(7) - 1]
    seen.page.wait_for_url(f"**#trial-{above}")
    seen.open("summary")
    box = seen.page.locator("[data-figure=ranking-best] .bars path").first.bounding_box()
    seen.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] - 8)
    seen.page.locator("[data-figure=ranking-best] .hoverlayer .hovertext").wait_for()
    seen.page.mouse.down()
    seen.page.mouse.up()
    chosen(seen, order[0])


def chosen(seen: Any, number: int) -> None:
    """Wait until a trial is chosen: its address comes first, its charts a moment later."""
    seen.page.wait_for_url(f"**#trial-{number}")
    seen.page.wait_for_function(
        "number => document.getElementById('choice').value == number", arg=number
    )


def test_a_finalist_opens_by_a_click_on_its_point(seen: Any) -> None:
    """The first point of the figure is that of the least complex finalist."""
    seen.open("finalists")
    point = seen.page.locator("[data-figure=finalists] .points path").first
    box = point.bounding_box()
    seen.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    seen.page.locator("[data-figure=finalists] .hoverlayer .hovertext").wait_for()
    seen.page.mouse.down()
    seen.page.mouse.up()
    chosen(seen, 8)


def test_a_trial_that_the_page_does_not_hold_is_said_to_be_missing(seen: Any) -> None:
    """And not another one shown in its place without a word."""
    seen.page.goto(seen.file.as_uri() + "#trial-4")
    seen.page.evaluate("location.hash = 'trial-9999'")
    said = seen.page.locator("#trial-shows")
    said.filter(has_text="There is no trial 9999 on this page. Trial 4: at its best").wait_for()
    seen.page.reload()
    said.filter(has_text="There is no trial 9999 on this page. Trial 4: at its best").wait_for()
    seen.page.evaluate("location.hash = 'trial-4'")
    said.filter(has_text="There is no").wait_for(state="detached")


def test_trials_are_laid_over_one_another(seen: Any) -> None:
    """From the table and from the trial itself; each is named, and can be taken away again."""
    seen.open("ranking")
    seen.page.check('#trials-table tr[data-trial="2"] input')
    seen.page.check('#trials-table tr[data-trial="5"] input')
    seen.page.goto(seen.file.as_uri() + "#trial-4")
    names = "document.querySelector('[data-score=loss]').data.map(line => line.name)"
    own = seen.page.evaluate(names)[:3]
    assert seen.page.evaluate(names) == [*own, "trial 2, validation", "trial 5, validation"]
    seen.page.click("#overlay")
    seen.page.select_option("#choice", "3")
    seen.page.wait_for_url("**#trial-3")
    assert len(seen.page.evaluate(names)) == 6
    seen.page.click('button[aria-label="Remove trial 2 from the overlay"]')
    assert seen.page.evaluate(names)[3:] == ["trial 5, validation", "trial 4, validation"]
    seen.open("ranking")
    for number in (6, 7, 8):
        seen.page.check(f'#trials-table tr[data-trial="{number}"] input')
    assert seen.page.is_disabled('#trials-table tr[data-trial="9"] input')
    assert seen.page.is_enabled('#trials-table tr[data-trial="8"] input')


def test_a_trial_without_history_empties_the_charts(seen: Any) -> None:
    """A failed trial shows its cause, and no curve of the trial before."""
    seen.open("trial")
    seen.page.select_option("#choice", "11")
    seen.page.wait_for_url("**#trial-11")
    assert curves(seen) == [[]] * 6
    assert "out of memory" in seen.page.inner_text("#trial-notes")
    assert seen.complaints == []


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


def test_the_readers_choices_outlive_a_reload(
    visit_report: Open, running: StudyRecord, on_disk: Build
) -> None:
    """A running study's page comes back with the same tab, trial, overlay, filter and order."""
    seen = visit_report(on_disk(running))
    seen.page.goto(seen.file.as_uri() + "#trial-4")
    seen.page.click("#overlay")
    seen.open("ranking")
    seen.page.fill("#filter", "running")
    seen.page.check("#auto-reload")
    with seen.page.expect_navigation():
        seen.page.click("#reload")
    drawn(seen)
    assert seen.page.input_value("#choice") == "4"
    assert set(rows(seen)) == {"4", "5"}
    assert seen.page.is_checked('#trials-table tr[data-trial="4"] input')
    assert seen.page.is_checked("#auto-reload")
    assert seen.page.locator("section.panel:visible").get_attribute("data-key") == "ranking"
    assert seen.complaints == []


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


def test_of_many_trials_the_table_lists_a_hundred_at_a_time(
    visit_report: Open, record: StudyRecord, on_disk: Build
) -> None:
    """The filter looks at all of them; a trial far down can be opened all the same."""
    pruned = replace(record.trials[10], epochs=0, progress=[0.1])
    many = [replace(pruned, number=number, seed=number) for number in range(12, 620)]
    study = on_disk(replace(record, trials=[*record.trials, *many], requested=620))
    seen = visit_report(study)
    seen.open("ranking")
    assert len(rows(seen)) == 100
    seen.page.click("#more")
    assert len(rows(seen)) == 200
    seen.page.fill("#filter", "seed=619")
    assert rows(seen) == ["619"]
    seen.page.click('#trials-table tr[data-trial="619"] a')
    seen.page.wait_for_url("**#trial-619")
    assert seen.page.input_value("#choice") == "619"


def test_it_prints_in_light_with_every_section(
    visit_report: Open, record: StudyRecord, on_disk: Build
) -> None:
    """A dark page is drawn light for the printer, all tabs one below the other."""
    seen = visit_report(on_disk(record), color_scheme="dark")
    ink = "document.querySelector('[data-figure=ranking-best]').layout.font.color"
    assert seen.page.evaluate(ink) == "#e3e6e9"
    seen.page.emulate_media(media="print")
    seen.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert seen.page.evaluate(ink) == "#1c2024"
    assert seen.page.locator("section.panel:visible").count() == len(KEYS)
    charts = seen.page.locator(".chart")
    assert seen.page.locator(".chart:has(svg.main-svg)").count() == charts.count()
    assert not seen.page.locator("nav").is_visible()
    seen.page.evaluate("dispatchEvent(new Event('afterprint'))")
    seen.page.emulate_media(media="screen")
    assert seen.page.locator("section.panel:visible").count() == 1
