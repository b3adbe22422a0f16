"""The trials in a real browser: the table, the charts of one, several laid over one another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from study.records import StudyRecord
from study.summary import best_so_far, ranked
from tests.report.visiting import KEYS

Build = Callable[[StudyRecord], Any]


Open = Callable[..., Any]


def curves(seen: Any) -> list[Any]:
    """Return the validation curve of each of the six charts, as plotly holds it."""
    found: list[Any] = seen.page.eval_on_selector_all(
        ".chart[data-score]", "charts => charts.map(chart => Array.from(chart.data[1].y))"
    )
    return found


def test_a_heading_sorts(seen: Any, record: StudyRecord) -> None:
    """The best score first, a second click the worst; trials without the figure stay last."""
    seen.open("ranking")
    assert seen.rows() == [str(trial.number) for trial in ranked(record)]
    heading = seen.page.locator('th[data-key="validation_f_med"]')
    heading.locator("button").click()
    assert heading.get_attribute("aria-sort") == "descending"
    downwards = seen.rows()
    scores = {str(trial.number): best_so_far(trial) for trial in record.trials}
    assert scores[downwards[0]] == max(filter(None, scores.values()))
    heading.locator("button").press("Enter")
    assert heading.get_attribute("aria-sort") == "ascending"
    assert seen.rows() == [*downwards[:-1][::-1], downwards[-1]]
    assert downwards[-1] == "11"
    assert seen.page.locator('th[aria-sort]:not([aria-sort="none"])').count() == 1
    seen.page.click('th[data-key="learning_rate"] button')
    rates = {str(trial.number): trial.variant["learning_rate"] for trial in record.trials}
    found = [rates[number] for number in seen.rows()]
    assert found == sorted(found)


def test_the_filter_filters(seen: Any, record: StudyRecord) -> None:
    """Words, equalities and comparisons must all hold; the number of rows is told."""
    seen.open("ranking")
    seen.page.fill("#filter", "pruned")
    assert seen.rows() == ["10"]
    seen.page.fill("#filter", "filters>=32 state=complete")
    wanted = {
        str(t.number) for t in record.trials if t.variant["filters"] >= 32 and t.state == "complete"
    }
    assert set(seen.rows()) == wanted
    assert seen.page.inner_text("#shown") == f"{len(wanted)} of 12 shown"
    seen.page.fill("#filter", "Filters >= 32 f_med>0.2 Valid.plain>0")
    assert set(seen.rows()) == wanted
    seen.page.fill("#filter", "no such trial")
    assert seen.rows() == []
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
    seen.wait_until_drawn()
    assert seen.page.input_value("#choice") == "4"
    assert set(seen.rows()) == {"4", "5"}
    assert seen.page.is_checked('#trials-table tr[data-trial="4"] input')
    assert seen.page.is_checked("#auto-reload")
    assert seen.page.locator("section.panel:visible").get_attribute("data-key") == "ranking"
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
    assert len(seen.rows()) == 100
    seen.page.click("#more")
    assert len(seen.rows()) == 200
    seen.page.fill("#filter", "seed=619")
    assert seen.rows() == ["619"]
    seen.page.click('#trials-table tr[data-trial="619"] a')
    seen.page.wait_for_url("**#trial-619")
    assert seen.page.input_value("#choice") == "619"


def test_the_axis_of_the_loss_goes_to_zero_where_the_loss_does(seen: Any) -> None:
    """As ``curves.loss_range`` has it; a loss that hardly moves is drawn close up."""
    seen.page.goto(seen.file.as_uri() + "#trial-4")
    chart = "document.querySelector('[data-score=loss]')"
    for numbers, begins in (([0.7, 0.2], "tozero"), ([0.698, 0.691], "normal")):
        seen.page.evaluate(
            f"""() => {{
            const place = page.data.numbers.indexOf(4), curves = page.data.curves[place];
            for (const view of ["train", "validation", "validation_plain"]) {{
              curves[view + "_loss"] = {numbers};
            }}
            curves.epochs = 2;
            document.querySelector("[data-line]").click();
            }}"""
        )
        assert seen.page.evaluate(f"{chart}.layout.yaxis.rangemode") == begins
        low = seen.page.evaluate(f"{chart}._fullLayout.yaxis.range[0]")
        assert (low == 0) is (begins == "tozero")
