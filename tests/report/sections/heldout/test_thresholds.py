"""Another threshold than the fixed one: what it is chosen on, and what the page says of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from study.evaluation.final import FinalModel
from study.evaluation.operating import Predictions
from study.evaluation.threshold import choose_threshold, parse_rule
from study.records import StudyRecord
from study.report.sections.heldout.data import (
    TARGET,
    VALIDATION,
    HeldOut,
    held_out,
    threshold_words,
)
from study.report.sections.heldout.thresholds import alike_words, choice_words, narrow_span
from study.workspace import StudyFolder
from tests.report.sections.heldout.drawn_predictions import (
    assert_sound,
    build,
    evidence,
    save,
    validation_path,
)


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
    none = "No useful threshold here: there it calls practically everything malignant."
    assert (none in body) is not useful
    assert ("A threshold may be worth having" in body) is useful


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


@pytest.mark.parametrize(("spread", "alike"), [(0.02, True), (0.3, False)])
def test_probabilities_that_are_all_alike_are_said_and_drawn_close_up(
    spread: float, alike: bool, tested: Callable[..., StudyRecord], tmp_path: Path
) -> None:
    """Of a network that gives every image nearly one half, all curves would be one step."""
    record = tested((3, 2))
    low = np.linspace(0.5 - spread, 0.5 + spread, 50)
    label = np.tile([1, 0], 25)
    group = np.arange(50) // 5
    where = validation_path(record, tmp_path)
    save(where, Predictions(label=label, probability=low, group=group))
    found = HeldOut(
        trial=0,
        source=VALIDATION,
        choosing=Predictions(label=label, probability=low, group=group),
        test=None,
        missing={},
    )
    span, said = narrow_span(found), alike_words(found)
    assert (span is not None) is alike
    assert ("the network hardly tells images apart" in (said or "")) is alike
    if span:
        assert 0.4 < span[0] < min(cut.threshold for cut in found.cuts)
        assert max(cut.threshold for cut in found.cuts) < span[1] < 0.6
    part = build(record, tmp_path)
    assert ("hardly tells images apart" in part.body) is alike


@pytest.mark.parametrize(("test_probability", "disagree"), [(0.3, True), (0.9, False)])
def test_a_test_part_that_contradicts_the_choice_is_said(
    test_probability: float, disagree: bool
) -> None:
    """On validation the threshold finds all; on the test part none, or all as well."""
    label, group = np.repeat([1, 0], 30), np.arange(60) // 3
    chosen_on = Predictions(label=label, probability=np.repeat([0.8, 0.2], 30), group=group)
    probability = np.repeat([test_probability, 0.2], 30)
    found = HeldOut(
        trial=0,
        source=VALIDATION,
        choosing=chosen_on,
        test=Predictions(label=label, probability=probability, group=group),
        missing={},
    )
    said = choice_words(found, ("malignant", "benign"))
    told = (
        "The validation and the test images disagree: on the test images it finds 0 of 30 "
        "malignant and clears 30 of 30 benign ones"
    )
    assert (told in said) is disagree
