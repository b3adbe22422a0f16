"""The held-out test: what it claims, what it hides and why, from whatever files there are."""

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
from study.evaluation.final import FinalModel
from study.evaluation.intervals import retest_intervals
from study.evaluation.operating import Predictions
from study.evaluation.threshold import choose_threshold, parse_rule
from study.records import StudyRecord
from study.report.frames import trials_frame
from study.report.section import Evidence, Section
from study.report.sections.heldout.data import TARGET, Cut, held_out, threshold_words
from study.report.sections.heldout.figures import (
    POINTS,
    precision_info,
    roc_info,
    threshold_figure,
    threshold_info,
)
from study.report.sections.heldout.section import section
from study.summary import winner
from study.workspace import StudyFolder

EVIL = "<img src=x onerror=alert(1)>"


def draw_predictions(groups: tuple[int, int], *, frames: int = 5, seed: int = 0) -> Predictions:
    """Draw a fair network's probabilities of (positive, negative) groups."""
    rng = np.random.default_rng(seed)
    label = np.repeat([1, 0], [frames * groups[0], frames * groups[1]])
    group = np.arange(len(label)) // frames
    centre = np.where(label == 1, 1.2, -1.2) + rng.normal(0, 1, group.max() + 1)[group]
    probability = 1 / (1 + np.exp(-centre - rng.normal(0, 0.5, len(label))))
    return Predictions(label=label, probability=probability, group=group)


def save(path: Path, data: Predictions) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, label=data.label, probability=data.probability, group=data.group)


def with_retest(record: StudyRecord, data: Predictions) -> StudyRecord:
    """Return the study with the retest that belongs to these predictions."""
    best = winner(record)
    assert best is not None
    intervals = retest_intervals(data.label, data.probability, data.group, seed=0)
    answer: dict[str, Any] = {
        "number": best.number,
        "images": len(data.label),
        "confusion": metrics.binary_counts(data.label, data.probability),
        **metrics.binary_scores(data.label, data.probability),
        "auc": metrics.auc(data.label, data.probability) if intervals["auc"] else None,
        "intervals": intervals,
    }
    return replace(record, retest=json.loads(json.dumps(answer)))


def build(record: StudyRecord, folder: Path, *, images: bool = True) -> Section:
    return section(evidence(record, folder, images=images))


def evidence(record: StudyRecord, folder: Path, *, images: bool = True) -> Evidence:
    return Evidence(
        record=record, trials=trials_frame(record), folder=StudyFolder(folder), images=images
    )


def validation_path(record: StudyRecord, folder: Path) -> Path:
    best = winner(record)
    assert best is not None
    return StudyFolder(folder).trial(best.number) / "validation_predictions.npz"


@pytest.fixture
def tested(record: StudyRecord, tmp_path: Path) -> Callable[..., StudyRecord]:
    """Store predictions of the validation and the test part and return their study."""

    def make(
        test: tuple[int, int], validation: tuple[int, int] = (6, 4), **changes: Any
    ) -> StudyRecord:
        data = draw_predictions(test, seed=1)
        found = replace(with_retest(record, data), **changes)
        save(tmp_path / "test_predictions.npz", data)
        save(validation_path(found, tmp_path), draw_predictions(validation, seed=2))
        return found

    return make


def finite(value: Any) -> bool:
    if isinstance(value, dict):
        return all(finite(item) for item in value.values())
    if isinstance(value, list | tuple | np.ndarray):
        return all(finite(item) for item in value)
    return not isinstance(value, float) or bool(np.isfinite(value))


def assert_sound(found: Section) -> None:
    """Every figure is placed in the body, every place has its figure, and all is finite."""
    placed = re.findall(r'data-figure="([^"]*)"', found.body)
    assert sorted(placed) == sorted(found.figures)
    assert all(finite(figure.to_plotly_json()) for figure in found.figures.values())


def test_the_sentence_counts_the_mistakes_and_gives_the_interval(
    record: StudyRecord, tmp_path: Path
) -> None:
    assert build(record, tmp_path).shows == (
        "2 of 15 malignant images were missed and 3 of 10 benign ones called malignant; with "
        "3 + 2 groups the F_med may be anywhere between 0.20 and 0.93 (95 % interval)."
    )


def test_a_leaking_split_takes_the_claim_back(record: StudyRecord, tmp_path: Path) -> None:
    leaking = replace(record, split={**record.split, "leaking_groups": 4})
    assert build(leaking, tmp_path).shows.endswith(
        "and since the split leaks even that says little about new lesions."
    )


def test_a_retest_without_an_interval_claims_nothing(record: StudyRecord, tmp_path: Path) -> None:
    bare = replace(record, retest={**(record.retest or {}), "intervals": {}})
    assert "no figure can be claimed" in build(bare, tmp_path).shows


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"requested": 100}, "stays untouched until the search has ended"),
        ({"split": {"kind": "given", "parts": {}}}, "the data have no test part"),
        ({"trials": [], "requested": 0}, "no trial is complete"),
        ({}, "has not met the test part yet"),
    ],
)
def test_without_a_retest_the_reason_is_given(
    change: dict[str, Any], said: str, record: StudyRecord, tmp_path: Path
) -> None:
    found = build(replace(record, retest=None, **change), tmp_path)
    assert said in found.shows
    assert (found.shows + found.body).count(said) == 1
    assert "Nothing can be claimed" in found.shows
    assert "No retest" in found.body
    assert_sound(found)


def test_the_confusion_has_sums_and_recalls(record: StudyRecord, tmp_path: Path) -> None:
    body = build(record, tmp_path).body
    rows = [re.findall(r"<t[hd][^>]*>([^<]*)<", row) for row in re.findall("<tr>.*?</tr>", body)]
    assert ["is malignant", "13", "2 missed", "15", "0.867"] in rows
    assert ["is benign", "3 false alarms", "7", "10", "0.700"] in rows
    assert ["Sum", "16", "9", "25", "\N{EM DASH}"] in rows
    assert ["Sensitivity", "0.867", "0.23 to 1.00"] in rows


def test_an_auc_without_an_interval_is_not_shown(record: StudyRecord, tmp_path: Path) -> None:
    retest = record.retest or {}
    assert retest["auc"] == 0.88
    assert "0.880" not in build(record, tmp_path).body


def test_few_groups_hide_curves_and_calibration_with_the_reason(
    tested: Callable[..., StudyRecord], tmp_path: Path
) -> None:
    found = build(tested((3, 2)), tmp_path)
    assert set(found.figures) == {"heldout-threshold-validation", "heldout-threshold-test"}
    assert "3 groups of malignant and 2 of benign are too few" in found.body
    assert "with 6 of malignant and 4 of benign, cannot stand in" in found.body
    assert "AUC 0" not in found.body
    assert_sound(found)


def test_validation_stands_in_for_a_small_test_part_and_is_labelled(
    tested: Callable[..., StudyRecord], tmp_path: Path
) -> None:
    found = build(tested((3, 2), (14, 11), split={"parts": {}}), tmp_path)
    assert {"heldout-roc", "heldout-precision", "heldout-calibration"} <= set(found.figures)
    assert "which chose the network, so that they flatter it" in found.body
    assert "ROC, validation images: AUC" in found.body
    assert "No interval: one would not reckon with" in found.body
    assert "test images: AUC" not in found.body
    assert_sound(found)


def test_ten_groups_in_each_class_show_the_test_part_with_the_interval_of_its_auc(
    tested: Callable[..., StudyRecord], tmp_path: Path
) -> None:
    record = tested((14, 11), (14, 11), split={"parts": {}})
    low, high = (record.retest or {})["intervals"]["auc"]
    found = build(record, tmp_path)
    assert f"{low:.2f} to {high:.2f} (95 %)" in found.body
    assert "ROC, test images: AUC" in found.body
    assert "Brier score" in found.body
    assert "too few" not in found.body
    assert_sound(found)


def test_the_threshold_is_chosen_on_validation_and_judged_on_test(
    tested: Callable[..., StudyRecord], tmp_path: Path
) -> None:
    record = tested((3, 2))
    found = held_out(evidence(record, tmp_path))
    data, test = found.choosing, found.test
    assert data is not None
    assert test is not None
    fixed, chosen = found.cuts
    assert fixed.threshold == 0.5
    own = data.probability[data.label == 1]
    assert (own >= chosen.threshold).mean() >= 0.95 > (own > chosen.threshold).mean()
    right = int((test.probability[test.label == 1] >= chosen.threshold).sum())
    body = build(record, tmp_path).body
    assert f"({right} of 15)" in body
    assert "It was chosen on them, not on the test part" in body
    assert "A threshold may be worth having" in body
    cleared = int((data.probability[data.label == 0] < chosen.threshold).sum())
    assert f"malignant images and clears {cleared} of 20 benign ones." in body
    assert "No useful threshold" not in body
    assert "95 % interval" in body
    assert not re.search(r"\d%", body)


@pytest.mark.parametrize(("cleared", "useful"), [(0, False), (1, False), (2, True)])
def test_a_threshold_that_clears_hardly_any_image_is_not_recommended(
    cleared: int, useful: bool, tested: Callable[..., StudyRecord], tmp_path: Path
) -> None:
    """Below a tenth of the negative images cleared, all is called positive, and that is said."""
    record = tested((3, 2))
    label = np.repeat([1, 0], [30, 20])
    probability = np.concatenate([np.full(30, 0.4), np.full(20, 0.6)])
    probability[30 : 30 + cleared] = 0.1
    group = np.arange(50) // 5
    save(
        validation_path(record, tmp_path),
        Predictions(label=label, probability=probability, group=group),
    )
    body = build(record, tmp_path).body
    assert f"finds 30 of 30 malignant images and clears {cleared} of 20 benign ones" in body
    none = "No useful threshold here: it calls practically everything malignant."
    assert (none in body) is not useful
    assert ("A threshold may be worth having" in body) is useful


@pytest.mark.parametrize("groups", [(3, 2), (6, 4), (14, 11)])
def test_no_sentence_stands_twice(
    groups: tuple[int, int],
    tested: Callable[..., StudyRecord],
    record: StudyRecord,
    tmp_path: Path,
) -> None:
    """With and without a retest, whichever part carries the curves."""
    for study in (tested((3, 2), groups, split={"parts": {}}), replace(record, retest=None)):
        found = build(study, tmp_path)
        texts = [found.look_for, found.shows, *re.findall(r"<p[^>]*>([^<]*)</p>", found.body)]
        sentences = [part for text in texts for part in re.split(r"(?<=[.?!]) ", text)]
        assert len(sentences) > 5
        assert sorted(set(sentences)) == sorted(sentences)


def test_no_threshold_can_be_read_off_the_test_curve(
    tested: Callable[..., StudyRecord], tmp_path: Path
) -> None:
    figures = build(tested((14, 11), (14, 11), split={"parts": {}}), tmp_path).figures
    for name in ("heldout-threshold-test", "heldout-roc", "heldout-precision"):
        lines = [trace for trace in figures[name].data if trace.mode == "lines"]
        assert {trace.hoverinfo for trace in lines} == {"skip"}
    told = figures["heldout-threshold-validation"].data[0].hovertemplate
    assert "threshold %{x:.3f}" in told


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0.3119999, "0.311"),
        (0.5, "0.500"),
        (0.9996, "0.999"),
        (0.00123456, "0.001234"),
        (1, "1.000"),
    ],
)
def test_a_threshold_is_written_so_that_it_finds_as_many_when_typed(
    value: float, written: str
) -> None:
    assert threshold_words(value) == written
    assert float(written) <= value


@pytest.mark.parametrize("part", ["validation", "test"])
@pytest.mark.parametrize("harm", ["absent", "torn", "other", "size", "single", "text"])
def test_predictions_that_cannot_be_used_are_named_and_the_rest_is_shown(
    part: str, harm: str, tested: Callable[..., StudyRecord], tmp_path: Path
) -> None:
    record = tested((3, 2))
    path = tmp_path / "test_predictions.npz"
    if part == "validation":
        path = validation_path(record, tmp_path)
    whole = path.read_bytes()
    if harm == "absent":
        path.unlink()
    elif harm == "torn":
        path.write_bytes(whole[: len(whole) // 2])
    elif harm == "other":
        np.savez_compressed(path, label=np.array([0, 1]))
    elif harm == "size":
        save(path, draw_predictions((2, 2)))
    elif harm == "single":
        size = len(np.load(path)["label"])
        ones = np.ones(size, dtype=int)
        np.savez_compressed(path, label=ones, probability=ones * 0.5, group=ones)
    else:
        path.write_text("not an archive")
    found = build(record, tmp_path)
    other = {"validation": "test", "test": "validation"}[part]
    assert set(found.figures) == {f"heldout-threshold-{other}"}
    assert f"No curve on the {part} part: {path.name}" in found.body
    assert_sound(found)


def test_predictions_of_another_retest_are_not_shown(
    tested: Callable[..., StudyRecord], tmp_path: Path
) -> None:
    record = tested((3, 2))
    save(tmp_path / "test_predictions.npz", draw_predictions((3, 2), seed=9))
    assert "test_predictions.npz is of another retest" in build(record, tmp_path).body


def test_class_names_are_escaped_everywhere(
    tested: Callable[..., StudyRecord], record: StudyRecord, tmp_path: Path
) -> None:
    dataset = {**record.dataset, "positive": EVIL, "negative": "<b>fine</b>"}
    found = build(tested((14, 11), (14, 11), dataset=dataset, split={"parts": {}}), tmp_path)
    assert "<b>" not in found.body
    assert "<img src=x" not in found.body
    drawn = json.dumps([figure.to_plotly_json() for figure in found.figures.values()], default=list)
    assert "<img" not in drawn
    assert "<b>" not in drawn
    assert "&lt;" in drawn


def test_every_kind_of_study_builds(
    record: StudyRecord, running: StudyRecord, tmp_path: Path
) -> None:
    failed = [trial for trial in record.trials if trial.state == "failed"]
    pruned = [replace(trial, diagnosis=None) for trial in record.trials if trial.state == "pruned"]
    for trials in ([], failed, pruned, record.trials[:1]):
        assert_sound(build(replace(record, trials=trials, retest=None), tmp_path))
    assert_sound(build(running, tmp_path))


def test_many_images_are_thinned_and_the_page_says_so(
    tested: Callable[..., StudyRecord], tmp_path: Path
) -> None:
    data = draw_predictions((600, 500))
    info = threshold_info(data, "test", [])
    assert len(info.threshold) == POINTS < info.points
    assert (info.threshold[0], info.threshold[-1]) == (0, 1)
    found = build(tested((600, 500), split={"parts": {}}), tmp_path)
    assert f"{POINTS:,} of {info.points:,} thresholds are drawn" in found.body


def test_the_operating_point_lies_on_its_curve() -> None:
    data = draw_predictions((14, 11))
    cut = Cut(name="threshold 0.5", threshold=0.5)
    counts = metrics.binary_counts(data.label, data.probability)
    (mark,) = roc_info(data, "test", [cut]).marks
    assert mark.y == counts["tp"] / 70
    assert mark.x == pytest.approx(counts["fp"] / 55)
    (mark,) = precision_info(data, "test", [cut]).marks
    assert mark.y == pytest.approx(counts["tp"] / (counts["tp"] + counts["fp"]))


def test_a_threshold_that_calls_nothing_positive_has_no_precision() -> None:
    data = draw_predictions((14, 11))
    assert precision_info(data, "test", [Cut(name="all out", threshold=1.0)]).marks == []


def test_the_steps_are_drawn_as_they_are() -> None:
    info = threshold_info(draw_predictions((3, 2)), "validation", [])
    figure = threshold_figure(info, positive="malignant", negative="benign")
    assert [trace.line.shape for trace in figure.data] == ["vh", "vh"]
    assert figure.data[0].y == tuple(info.sensitivity)


@pytest.fixture
def refitted(
    record: StudyRecord, tmp_path: Path, settled: Callable[..., StudyRecord]
) -> Callable[..., StudyRecord]:
    """Store the folds of a winner whose final network has seen the validation images."""

    def make(**changes: Any) -> StudyRecord:
        data = draw_predictions((3, 2), seed=1)
        save(tmp_path / "test_predictions.npz", data)
        found = settled(with_retest(record, data), folder=StudyFolder(tmp_path), **changes)
        save(validation_path(found, tmp_path), draw_predictions((6, 4), seed=2))
        return found

    return make


def test_after_a_refit_the_threshold_comes_from_the_folds(
    refitted: Callable[..., StudyRecord], tmp_path: Path
) -> None:
    """They hold all images of training and validation; the page says whose predictions they are."""
    record = refitted()
    assert (record.retest or {})["origin"] == "refit"
    found = held_out(evidence(record, tmp_path))
    stored = np.load(StudyFolder(tmp_path).out_of_fold(8))
    assert found.choosing is not None
    np.testing.assert_array_equal(found.choosing.probability, stored["probability"][0])
    own = found.choosing.probability[found.choosing.label == 1]
    chosen = found.cuts[1].threshold
    assert (own >= chosen).mean() >= 0.95 > (own > chosen).mean()
    page = build(record, tmp_path)
    assert "On the out-of-fold images" in page.body
    assert "Out-of-fold predictions are those of networks of this variant" in page.body
    assert "On the validation images" not in page.body
    assert "Trial 8&#x27;s network, trained anew" in page.body
    assert "heldout-threshold-out-of-fold" in page.figures
    assert_sound(page)


def test_the_page_chooses_the_threshold_that_an_export_would_choose(
    refitted: Callable[..., StudyRecord], tmp_path: Path
) -> None:
    record = refitted()
    model = FinalModel(path=tmp_path / "model.keras", number=8, origin="refit", digest="d4")
    rule = parse_rule(f"sensitivity={TARGET}")
    exported = choose_threshold(rule, StudyFolder(tmp_path), model)
    assert held_out(evidence(record, tmp_path)).cuts[1].threshold == exported.value


def test_a_refit_without_its_folds_has_no_threshold_but_the_fixed_one(
    refitted: Callable[..., StudyRecord], tmp_path: Path
) -> None:
    """The validation images trained the network: they never stand in."""
    record = refitted()
    StudyFolder(tmp_path).out_of_fold(8).unlink()
    found = held_out(evidence(record, tmp_path))
    assert (found.choosing, len(found.cuts)) == (None, 1)
    page = build(record, tmp_path)
    assert "folds/8.npz is missing" in page.body
    assert "No threshold can be chosen without predictions of the out-of-fold images" in page.body
    assert "cannot stand in: they are missing" in page.body
    assert set(page.figures) == {"heldout-threshold-test"}
    assert_sound(page)


def test_the_searchs_own_network_falls_back_on_the_validation_images(
    refitted: Callable[..., StudyRecord], tmp_path: Path
) -> None:
    record = refitted(refit=False)
    assert (record.retest or {})["origin"] == "search"
    assert held_out(evidence(record, tmp_path)).source == "out-of-fold"
    StudyFolder(tmp_path).out_of_fold(8).write_bytes(b"torn")
    found = held_out(evidence(record, tmp_path))
    assert found.source == "validation"
    assert found.choosing is not None
    assert_sound(build(record, tmp_path))


def test_no_sentence_stands_twice_after_a_refit(
    refitted: Callable[..., StudyRecord], tmp_path: Path
) -> None:
    found = build(refitted(), tmp_path)
    texts = [found.look_for, found.shows, *re.findall(r"<p[^>]*>([^<]*)</p>", found.body)]
    sentences = [part for text in texts for part in re.split(r"(?<=[.?!]) ", text)]
    assert sorted(set(sentences)) == sorted(sentences)
    assert "they flatter it a little" in found.body
