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

from study.records import StudyRecord
from tests.report.sections.heldout.drawn_predictions import (
    EVIL,
    assert_sound,
    build,
    draw_predictions,
    save,
    validation_path,
)


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
    assert "with 6 groups of malignant and 4 of benign, cannot stand in" in found.body
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
