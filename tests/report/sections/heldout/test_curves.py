"""The curves of the held-out test, and their thinning."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from study import metrics
from study.records import StudyRecord
from study.report.sections.heldout.data import Cut
from study.report.sections.heldout.figures import (
    POINTS,
    precision_info,
    roc_info,
    threshold_figure,
    threshold_info,
)
from tests.report.sections.heldout.drawn_predictions import (
    build,
    draw_predictions,
)


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
