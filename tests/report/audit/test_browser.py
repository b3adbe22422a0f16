"""The audit's page in a real browser: headless Chromium on the file itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from study.dataset.audit.result import Finding

EVIL = "<img src=x onerror=alert(1)>"

Open = Callable[..., Any]


@pytest.fixture
def visit_audit(visit: Open, tmp_path: Path) -> Open:
    def opened(found: Any, **context: Any) -> Any:
        file = tmp_path / "page" / "audit.html"
        found.write(file)
        seen = visit(file, **context)
        seen.page.wait_for_function("document.querySelectorAll('.chart svg.main-svg').length > 0")
        return seen

    return opened


def test_a_browser_draws_it_without_a_request(visit_audit: Open, leaking: Any) -> None:
    """Both charts and every thumbnail are drawn, in light and dark, and nothing complains."""
    seen = visit_audit(leaking)
    page = seen.page
    assert page.locator("#baselines-chart .bars path").count() == 5
    assert page.locator("#sizes-chart .scatterlayer path.point").count() == 21
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    pictures = page.locator(".strip img")
    widths = pictures.evaluate_all("all => all.map(image => image.naturalWidth)")
    assert len(widths) > 60
    assert min(widths) > 0
    color = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(f"[{color}, document.getElementById('sizes-chart').layout.font.color]")
    page.click("#theme")
    dark = page.evaluate(f"[{color}, document.getElementById('sizes-chart').layout.font.color]")
    assert all(one != other for one, other in zip(light, dark, strict=True))
    page.hover("#baselines-chart .bars path >> nth=0", force=True)
    page.wait_for_timeout(100)
    assert seen.complaints == []
    assert seen.strange_requests == set()


def test_a_sound_set_opens_without_a_complaint(visit_audit: Open, sound: Any) -> None:
    """A page with one chart and no thumbnail is a page like any other."""
    seen = visit_audit(sound, color_scheme="dark")
    assert seen.page.locator("#baselines-chart").count() == 0
    assert seen.page.locator("#sizes-chart .scatterlayer path.point").count() == 2
    assert seen.complaints == []


def test_a_narrow_page_does_not_scroll_sideways(visit_audit: Open, leaking: Any) -> None:
    seen = visit_audit(leaking)
    seen.page.set_viewport_size({"width": 400, "height": 800})
    seen.page.wait_for_timeout(200)
    assert seen.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_no_name_runs_as_a_script(
    visit_audit: Open, audited: Callable[..., Any], draw: Callable[..., None], tmp_path: Path
) -> None:
    """Classes, groups and files called like HTML, or not in UTF-8, are shown as text."""
    root = tmp_path / "names"
    for at, label in enumerate(("<b onclick=alert(2)>benign", EVIL)):
        for lesion in range(6):
            for frame in range(2):
                name = f"{EVIL}{frame}.png" if lesion else f"{EVIL}{frame}\udcff.png"
                draw(root / label / f"<i>{lesion}{label}" / name, 100 * at + lesion, noise=frame)
    found = audited(root, split="random")
    evil = replace(
        found.audit,
        dataset=EVIL,
        source=EVIL,
        findings=[Finding(grade="error", code=EVIL, message=EVIL)],
        broken=[{"path": f"{EVIL}\udcfe", "reason": EVIL}],
    )
    seen = visit_audit(replace(found, audit=evil))
    page = seen.page
    assert page.inner_text("h1") == f"Audit of {EVIL}"
    assert page.locator("img:not(.strip img)").count() == 0
    assert page.locator("main b, main i").count() == 0
    assert EVIL in page.locator("#sizes-chart .legend").text_content()
    chart = page.locator("#sizes-chart")
    chart.scroll_into_view_if_needed()
    box = chart.locator(".points path").last.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    chart.locator(".hoverlayer .hovertext").wait_for()
    assert EVIL in chart.locator(".hoverlayer").text_content()
    assert seen.complaints == []
    assert seen.strange_requests == set()
