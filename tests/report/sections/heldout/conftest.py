"""Studies with stored predictions of a test part."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from study.records import StudyRecord
from study.workspace import StudyFolder
from tests.report.sections.heldout.drawn_predictions import (
    draw_predictions,
    save,
    validation_path,
    with_retest,
)


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
