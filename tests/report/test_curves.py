"""The charts of a training history."""

from __future__ import annotations

import pytest

from study.report.curves import CurveInfo, curve_figure


@pytest.mark.parametrize(
    ("validation", "begins"),
    [([0.698, 0.691], "normal"), ([0.7, 0.2], "tozero"), ([None, None], "normal"), ([], "normal")],
)
def test_the_axis_of_a_loss_shows_its_changes(validation: list[float | None], begins: str) -> None:
    """It begins at 0 only where the loss came at least half the way there."""
    info = CurveInfo(
        score="loss", epochs=[1, 2], train=[], validation=validation, plain=[], best_epoch=1
    )
    assert curve_figure(info).layout.yaxis.rangemode == begins
