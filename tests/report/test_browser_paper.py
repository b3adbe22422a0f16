"""The page on paper."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from study.records import StudyRecord
from tests.report.visiting import KEYS

Build = Callable[[StudyRecord], Any]


Open = Callable[..., Any]


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


PAPER = 1032
"""Pixels between the margins of a landscape A4 sheet."""


def print_it(page: Any) -> None:
    """Show the page as on paper."""
    page.emulate_media(media="print")
    page.wait_for_selector("html.printing")


def test_charts_are_drawn_for_the_paper_whatever_the_screen(
    visit_report: Open, finished: Any
) -> None:
    """From a telephone they are as wide as their places on the sheet, and afterwards as before."""
    width = "all => all.map(chart => chart.querySelector('svg.main-svg')?.clientWidth)"
    narrow = visit_report(finished, width=400)
    shown = narrow.page.locator("section.panel.open .chart")
    before = shown.evaluate_all(width)
    narrow.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    drawn = narrow.page.locator(".chart").evaluate_all(width)
    sheet = visit_report(finished, width=PAPER).page
    print_it(sheet)
    places = sheet.locator(".chart").evaluate_all("all => all.map(chart => chart.clientWidth)")
    assert len(drawn) > 10
    assert drawn == pytest.approx(places, abs=1)
    narrow.page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert shown.evaluate_all(width) == before
    assert max(before) < 400


def test_nothing_is_wider_than_the_paper(visit_report: Open, finished: Any) -> None:
    """The table of all trials included; what is folded on the screen is open."""
    sheet = visit_report(finished, width=PAPER).page
    folds = sheet.locator("details:not([open])")
    closed = folds.count()
    print_it(sheet)
    assert sheet.evaluate("document.documentElement.scrollWidth") <= PAPER
    wide = "all => all.filter(one => one.scrollWidth > one.clientWidth + 1).length"
    assert sheet.locator(".scroll, pre").evaluate_all(wide) == 0
    kept = sheet.locator(".worth + details:not([open])")
    assert folds.count() == kept.count() == 1  # said once, under the held-out test
    sheet.emulate_media(media="screen")
    sheet.wait_for_selector("html:not(.printing)")
    assert folds.count() == closed > 0


def test_headings_of_the_table_stand_on_every_sheet(visit_report: Open, finished: Any) -> None:
    """A button would leave its place empty on all sheets but the first."""
    sheet = visit_report(finished, width=PAPER).page
    print_it(sheet)
    display = "all => all.map(one => getComputedStyle(one).display)"
    assert set(sheet.locator("#trials-table th button").evaluate_all(display)) == {"contents"}


def test_the_table_is_legible_on_paper(visit_report: Open, finished: Any) -> None:
    """At least 7 points; columns that few read make room, and the page says which."""
    sheet = visit_report(finished, width=PAPER).page
    told = sheet.locator("#trials-table caption")
    assert told.locator(".paper").evaluate("one => getComputedStyle(one).display") == "none"
    print_it(sheet)
    sizes = sheet.locator("#trials-table td").evaluate_all(
        "all => all.map(one => parseFloat(getComputedStyle(one).fontSize))"
    )
    assert min(sizes) >= 7 / 0.75 - 0.01
    for key in ("validation_f_med_smooth", "stopped_by", "attempts", "seed"):
        assert not sheet.locator(f'th[data-key="{key}"]').is_visible()
    seen = sheet.locator("#trials-table thead tr:last-child th:visible").count()
    assert sheet.locator("#trials-table tbody tr").first.locator("td:visible").count() == seen
    said = told.inner_text()
    assert "Left out on paper: Valid. smooth, Padding, Stopped by, Attempts, Seed;" in said
    assert said.endswith("all columns: trials.csv")


def test_a_picture_and_its_caption_stay_together_on_paper(
    visit_report: Open, finished: Any
) -> None:
    """Chromium would break a grid between them."""
    sheet = visit_report(finished, width=PAPER).page
    sheet.evaluate(
        """document.querySelector('#content').insertAdjacentHTML('beforeend', `<ul class="gallery">
        <li><figure><div class="views"><img width=9 height=9></div></figure></li></ul>`)"""
    )
    style = "one => [getComputedStyle(one).display, getComputedStyle(one).breakInside]"
    assert sheet.locator(".gallery").last.evaluate(style)[0] == "grid"
    print_it(sheet)
    assert sheet.locator(".gallery").last.evaluate(style)[0] == "block"
    assert sheet.locator(".gallery li").last.evaluate(style) == ["inline-block", "avoid"]
    facts = sheet.locator(".details > div").first
    assert facts.evaluate(style)[1] == "avoid"
