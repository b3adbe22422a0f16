"""The page of several studies: what differs, who won, by how much, on the same axes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from study import metrics
from study.errors import SettingsError
from study.protocol import Protocol
from study.records import StudyRecord, TrialRecord
from study.report import style
from study.report.compare.differences import PREDICTIONS, pairs_of
from study.report.compare.figures import (
    DRAWN,
    LOOKS,
    best_curve,
    best_figure,
    capacity_figure,
    capacity_points,
    letter,
    look,
    reached,
)
from study.report.compare.page import default_path, write_comparison
from study.report.compare.studies import Compared, comparison_cautions, differing, fields_of
from study.summary import winner
from study.workspace import StudyFolder

EVIL = "<img src=x onerror=alert(1)>"
Build = Callable[..., Compared]

DIGEST = "c3" * 32


def store_predictions(folder: StudyFolder, number: int, *, seed: int) -> float:
    """Store drawn predictions on 24 lesions of 3 frames and return their F_med."""
    rng = np.random.default_rng(seed)
    label, group = np.repeat([0, 1], 36), np.repeat(np.arange(24), 3)
    probability = np.clip(0.25 + 0.5 * label + rng.normal(0, 0.3, 24)[group], 0, 1)
    path = folder.trial(number) / PREDICTIONS
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, probability=probability, label=label, group=group)
    return metrics.binary_scores(label, probability)["f_med"]


@pytest.fixture
def build(tmp_path: Path, record: StudyRecord) -> Build:
    """Make a study whose split is named and whose winner's predictions are stored."""

    def make(name: str = "one", *, seed: int = 1, stored: bool = True, **changes: Any) -> Compared:
        folder = StudyFolder(tmp_path / "runs" / re.sub("[^a-z]", "", name))
        study = replace(record, split={**record.split, "digest": DIGEST})
        best = winner(study)
        assert best is not None
        if stored:
            score = store_predictions(folder, best.number, seed=seed)
            trials = [
                replace(trial, validation_f_med_plain=score) if trial is best else trial
                for trial in study.trials
            ]
            study = replace(study, trials=trials)
        return Compared(name=name, record=replace(study, **changes), folder=folder)

    return make


def body_of(studies: list[Compared], path: Path) -> str:
    """Write the page and return what a reader sees of it, without scripts."""
    text = write_comparison(studies, path, reports=path.parent).read_text(encoding="utf-8")
    return text[text.index("<body>") : text.index('<script type="application/json"')]


def titles(studies: list[Compared]) -> dict[str, str]:
    return {item.title: item.level for item in comparison_cautions(studies, fields_of(studies))}


def test_the_same_set_up_gives_no_danger(build: Build) -> None:
    """Two runs of one set-up may be compared; that their winners were chosen here is said."""
    studies = [build("one"), build("two")]
    assert [field.label for field in fields_of(studies) if field.differs] == []
    assert titles(studies) == {"Chosen here": "note", "Test part left out": "note"}


def test_what_differs_is_marked_and_warned_of(build: Build, record: StudyRecord) -> None:
    """Data, split, protocol and search are told apart, the gravest first."""
    other = build(
        "two",
        dataset={**record.dataset, "name": "phantom", "digest": "b2" * 32, "synthetic": True},
        split={**record.split, "digest": "d4" * 32, "kind": "random", "leaking_groups": 38},
        protocol=Protocol(epochs=60, quick=True),
        trials=record.trials[:3],
    )
    studies = [build("one"), other]
    fields = fields_of(studies)
    assert differing(fields, "protocol") == ["Epochs", "Quick"]
    assert differing(fields, "data") == ["Dataset", "Digest of the data"]
    assert "Digest of the split" in differing(fields, "split")
    found = comparison_cautions(studies, fields)
    assert [item.level for item in found] == sorted(
        (item.level for item in found), key=("danger", "warning", "note").index
    )
    assert {"Different data", "Different protocol", "The split leaks", "Synthetic data"} <= {
        item.title for item in found
    }
    assert "Unequal searches" in titles(studies)
    assert "B: images that belong together" in next(
        item.text for item in found if item.title == "The split leaks"
    )


def test_named_winners_stand_with_their_three_numbers(
    build: Build, named: StudyRecord, tmp_path: Path
) -> None:
    """Where finalists named the winner it is compared, not the first of the ranking."""
    studies = [build("one", final=named.final, stored=False), build("two")]
    body = body_of(studies, tmp_path / "page.html")
    trial = re.search(r"<th[^>]*>Trial</th><td>(\d+)</td><td>(\d+)</td>", body)
    assert trial is not None
    assert trial.groups() == ("8", "1")
    corrected = re.search(r"Corrected F_med, plain</th><td>(.*?)</td><td>(.*?)</td>", body)
    assert corrected is not None
    assert re.fullmatch(r"0\.\d{3} \(0\.\d\d to 0\.\d\d, 95 %; folds, plain\)", corrected[1])
    assert corrected[2] == "\N{EM DASH}"
    assert "± 0.099, one SE; 5 folds, plain" in body


def test_a_named_winner_is_drawn_though_many_trials_lead_it(named: StudyRecord) -> None:
    trials = [replace(named.trials[1], number=100 + at) for at in range(2 * DRAWN)]
    study = replace(named, trials=[*named.trials, *trials])
    study = replace(study, final={**(named.final or {}), "complete": 10 + len(trials)})
    (point,) = [it for it in capacity_points("one", study, "macs").points if it.wins]
    assert point.number == 8


def test_another_division_of_the_same_images_is_another_split(
    build: Build, record: StudyRecord
) -> None:
    other = build("two", split={**record.split, "digest": "d4" * 32})
    found = titles([build("one"), other])
    assert found["Different splits"] == "danger"
    assert "Different data" not in found


def test_a_ratio_that_leads_to_the_same_split_does_not_differ(
    build: Build, record: StudyRecord
) -> None:
    """Ledgers of older versions do not name it; the digest is what counts."""
    other = build("two", split={**record.split, "digest": DIGEST, "ratio": None})
    assert differing(fields_of([build("one"), other]), "split") == []


def test_a_shared_split_gives_a_difference(build: Build) -> None:
    """On the plain validation images of both winners, the same way round as the label says."""
    studies = [build("one", seed=1), build("two", seed=2)]
    (pair,) = pairs_of(studies)
    (mirrored,) = pairs_of(studies[::-1])
    assert (pair.label, pair.reason) == ("A \N{MINUS SIGN} B", None)
    assert pair.difference is not None
    assert mirrored.difference is not None
    plain = [best.validation_f_med_plain for study in studies if (best := winner(study.record))]
    assert [pair.difference.first, pair.difference.second] == pytest.approx(plain)
    assert pair.difference.difference == -mirrored.difference.difference != 0
    assert pair.difference.sound


def test_one_study_under_two_names_does_not_differ(build: Build) -> None:
    (pair,) = pairs_of([build("one"), build("two")])
    assert pair.difference is not None
    assert (pair.difference.low, pair.difference.high) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ({"split": {"digest": "d4" * 32}}, "divide the same images differently"),
        ({"split": {}}, "ledger of B does not name its split"),
        ({"trials": []}, "B has no complete trial"),
        ({"stored": False}, f"{PREDICTIONS} is missing"),
        (
            {"split": {"digest": "d4" * 32}, "dataset": {"digest": "b2" * 32}},
            "made on different images",
        ),
        (
            {"dataset": {"digest": "a1" * 32, "positive": "benign"}},
            "different positive classes",
        ),
    ],
)
def test_what_cannot_be_subtracted_says_why(
    build: Build, tmp_path: Path, how: dict[str, Any], reason: str
) -> None:
    """No shared split, no winner, no predictions: a reason in place of a figure."""
    studies = [build("one"), build("two", **how)]
    (pair,) = pairs_of(studies)
    assert pair.difference is None
    assert reason in str(pair.reason)
    html = body_of(studies, tmp_path / "page.html")
    assert str(pair.reason) in html
    assert 'data-figure="differences"' not in html


def test_torn_or_foreign_predictions_are_not_used(build: Build) -> None:
    """A file cut short, one of other images, and one of another network each give a reason."""
    one, two = build("one"), build("two", seed=2)
    best = winner(two.record)
    assert best is not None
    path = two.folder.trial(best.number) / PREDICTIONS
    whole = path.read_bytes()
    path.write_bytes(whole[:100])
    assert "is damaged" in str(pairs_of([one, two])[0].reason)
    label, group = np.repeat([0, 1], 36), np.repeat(np.arange(24), 3)
    np.savez(path, probability=np.full(72, 0.6), label=label, group=group)
    assert "not those of its winner" in str(pairs_of([one, two])[0].reason)
    np.savez(path, probability=np.full(70, 0.6), label=label[2:], group=group[2:])
    assert "not of the same images" in str(pairs_of([one, two])[0].reason)


def test_the_page_says_it_all_without_the_test_part(build: Build, tmp_path: Path) -> None:
    """Tables, differences and their limits; no figure of a retest."""
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "index.html").write_text("")
    studies = [build("one"), build("two", seed=2), build("three", split={"digest": "d4" * 32})]
    html = body_of(studies, tmp_path / "page.html")
    assert '<a href="./one/index.html">one</a>' in html
    assert 'href="./two/index.html"' not in html
    assert html.count("<figure>") == 4
    assert "10,000 bootstrap draws" in html
    assert "chosen on these very images" in html
    assert "Test part left out" in html
    assert "0.774" not in html
    assert "not comparable, for these differ: split" in html


def test_few_groups_are_warned_of(build: Build, tmp_path: Path) -> None:
    """Below ten groups in a class the page says that the interval is too narrow, and how much."""
    studies = [build("one", seed=1), build("two", seed=2)]
    assert "Too few groups" not in body_of(studies, tmp_path / "page.html")
    for at, study in enumerate(studies):
        best = winner(study.record)
        assert best is not None
        path = study.folder.trial(best.number) / PREDICTIONS
        label, group = np.repeat([0, 1], 6), np.repeat(np.arange(4), 3)
        right = np.arange(12) % (3 + at) > 0
        np.savez(path, probability=np.where(right, label, 1 - label), label=label, group=group)
        best_trial = replace(best, validation_f_med_plain=None)
        record = replace(study.record, trials=[best_trial])
        studies[at] = replace(study, record=record)
    html = body_of(studies, tmp_path / "page.html")
    assert "Too few groups" in html
    assert "86 % of cases with 2 + 3" in html


def names_of_colors(figure: Any) -> set[str]:
    return set(re.findall(r"#[0-9a-f]{6,8}", json.dumps(figure.to_plotly_json())))


def test_studies_are_told_apart_by_colour_and_symbol(record: StudyRecord) -> None:
    """Six have a look of their own, later ones are grey; every colour has a dark counterpart."""
    assert len({color for color, *_ in LOOKS}) == len({symbol for _, symbol, _ in LOOKS}) == 6
    assert look(6) == look(25)
    assert [letter(place) for place in (0, 25, 26)] == ["A", "Z", "AA"]
    points = [capacity_points("it", record, "parameters")] * 8
    curves = [best_curve("it", record)] * 8
    for figure in (capacity_figure(points, "parameters"), best_figure(curves)):
        assert names_of_colors(figure) <= set(style.DARK)
        assert len(figure.data) == 8


def test_the_winner_is_drawn_and_failures_are_not(record: StudyRecord) -> None:
    """Complete and pruned trials at the size of their networks, the winner marked."""
    best = winner(record)
    assert best is not None
    for measure in ("parameters", "macs"):
        points = capacity_points("it", record, measure).points
        assert {point.number for point in points} == set(range(11))
        assert [point.number for point in points if point.wins] == [best.number]
        assert [point.number for point in points if point.pruned] == [10]
        assert points[0].size == getattr(best, measure)


def test_sizes_on_a_short_axis_are_written_in_full(record: StudyRecord) -> None:
    """Never as a bare 2 or 5 beside the powers of ten."""
    sizes = [replace(trial, parameters=20_000 + 5_000 * k) for k, trial in enumerate(record.trials)]
    points = capacity_points("it", replace(record, trials=sizes), "parameters")
    axis = capacity_figure([points], "parameters").layout.xaxis
    assert {20_000, 50_000, 100_000} <= set(axis.tickvals)
    assert (axis.tickformat, axis.dtick) == ("~s", None)


def test_thousands_of_trials_are_thinned(record: StudyRecord) -> None:
    """Of many trials a part is drawn, with the winner and the worst, and the rest is counted."""
    trials = [replace(record.trials[1], number=k, macs=k + 1) for k in range(10_000)]
    found = capacity_points("it", replace(record, trials=trials), "macs")
    assert len(found.points) == DRAWN
    assert found.left_out == 10_000 - DRAWN
    assert found.points[0].wins
    assert found.points[-1].number == 9_999


def finished_trial(number: int, state: str, score: float | None, **more: Any) -> TrialRecord:
    return TrialRecord(
        number=number,
        state=state,
        params={},
        variant={},
        ledger_number=number,
        validation_f_med=score,
        **more,
    )


def test_best_so_far_counts_all_time_and_only_complete_trials(record: StudyRecord) -> None:
    """In the order in which trials ended; a pruned trial costs time and raises nothing."""
    trials = [
        finished_trial(0, "complete", 0.5, seconds=10.0, ended="2026-11-23T08:00:40+00:00"),
        finished_trial(1, "pruned", 0.9, seconds=5.0, ended="2026-11-23T08:00:10+00:00"),
        finished_trial(2, "complete", 0.4, seconds=20.0, ended="2026-11-23T08:00:20+00:00"),
        finished_trial(3, "failed", None, ended="2026-11-23T08:00:30+00:00"),
        finished_trial(4, "complete", float("nan"), seconds=7.0),
        finished_trial(5, "running", 0.99, seconds=7.0),
    ]
    curve = best_curve("it", replace(record, trials=trials))
    assert (curve.numbers, curve.best, curve.seconds) == ([2, 0], [0.4, 0.5], [25.0, 35.0])
    assert (curve.total, curve.untimed) == (42.0, 1)
    assert [reached(curve, at) for at in (24.9, 25.0, 99.0)] == [None, 0.4, 0.5]


def test_every_state_of_a_study_builds(
    build: Build, record: StudyRecord, running: StudyRecord, tmp_path: Path
) -> None:
    """Nothing begun, only failures, one trial, a running one: alone with its like, and together."""
    changes: list[dict[str, Any]] = [
        {"trials": []},
        {"trials": [record.trials[11]]},
        {"trials": [record.trials[0]]},
        {"trials": running.trials, "requested": 100},
        {"trials": [replace(record.trials[0], parameters=None, macs=None, seconds=None)]},
        {"dataset": {}, "split": {}, "machine": {}, "versions": {}, "space": {}},
    ]
    studies = [build(f"study{k}", stored=False, **how) for k, how in enumerate(changes)]
    for study in studies:
        html = body_of([study, study], tmp_path / "page.html")
        assert html.count("<section") == 5
        assert not re.search(r"\b(nan|None|inf)\b", html)
    assert "No study has a complete trial." in body_of(studies[:2], tmp_path / "page.html")
    assert body_of(studies, tmp_path / "page.html").count("<section") == 5


def test_the_page_is_found_by_its_name(tmp_path: Path) -> None:
    """Names of studies in full, unless no file system would take them; never one name for two."""
    assert default_path(tmp_path, ["a", "b"]) == tmp_path / "compare-a-b.html"
    long = default_path(tmp_path, ["x" * 100, *("y" * 100 for _ in range(4))])
    assert len(long.name) < 120
    assert "-and-4-more-" in long.name
    assert long != default_path(tmp_path, ["x" * 100, *("z" * 100 for _ in range(4))])
    alike = (["a-b", "c"], ["a", "b-c"], ["a", "b", "c"], ["a-", "b-c"], ["a", "-b-c"])
    assert len({default_path(tmp_path, names) for names in alike}) == len(alike)
    assert default_path(tmp_path, ["a-b", "c"]).name.startswith("compare-a-b-c-")


def test_a_page_that_cannot_be_written_is_one_line(build: Build, tmp_path: Path) -> None:
    studies = [build("one"), build("two")]
    (tmp_path / "file").write_text("")
    for target in (tmp_path / "file" / "page.html", tmp_path):
        with pytest.raises(SettingsError) as caught:
            write_comparison(studies, target, reports=tmp_path)
        assert str(target) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_browser_draws_it_without_a_request(
    build: Build, record: StudyRecord, tmp_path: Path, visit: Callable[..., Any]
) -> None:
    """Four charts in both themes; hostile names are text, in tables, legends and hover text."""
    evil = build(EVIL, seed=2, dataset={**record.dataset, "name": EVIL}, space={"name": EVIL})
    studies = [build("one"), evil, build("t" * 90, trials=record.trials[:5])]
    path = write_comparison(studies, tmp_path / "out" / "page.html", reports=tmp_path)
    seen = visit(path, color_scheme="light")
    page = seen.page
    page.wait_for_function("document.querySelectorAll('.chart svg.main-svg').length >= 8")
    charts = page.locator("[data-figure]")
    assert charts.count() == 4
    ink = "document.querySelector('[data-figure=best]').layout.font.color"
    light = page.evaluate(ink)
    page.click("#theme")
    assert page.evaluate(ink) != light
    assert EVIL[:20] in page.locator("[data-figure=best] .legend").text_content()
    chart = page.locator("[data-figure=capacity-macs]")
    chart.scroll_into_view_if_needed()
    box = chart.locator(".points path").first.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    chart.locator(".hoverlayer .hovertext").first.wait_for()
    assert page.locator("img").count() == 0
    page.set_viewport_size({"width": 400, "height": 800})
    page.wait_for_timeout(300)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert seen.complaints == []
    assert seen.strange_requests == set()
