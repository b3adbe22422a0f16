"""Counts of trials, read from folders of which some are damaged."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from study.evaluation.validation_counts import FILE, TrialCounts, read_validation_counts

ROWS = 4
WHOLE: dict[str, Any] = {
    "augmented_total": np.array([300, 20, 20, 20]),
    "plain_total": np.array([5, 5, 5, 5]),
    "label": np.array([0, 0, 1, 1]),
}


def written(folder: Path, number: int, epochs: int = 3, **changes: Any) -> Path:
    """Write the counts of a trial as its training does, apart from the changes."""
    rng = np.random.default_rng(number)
    counts = {
        "augmented": rng.integers(0, 21, (epochs, ROWS), dtype=np.int32),
        "plain": rng.integers(0, 6, (epochs, ROWS), dtype=np.int32),
    }
    place = folder / str(number)
    place.mkdir()
    np.savez_compressed(place / FILE, **{**WHOLE, **counts, **changes})
    return place


def test_counts_come_back_as_they_were_written_in_as_few_bytes_as_hold_them(tmp_path: Path) -> None:
    folders = {7: written(tmp_path, 7), 2: written(tmp_path, 2, epochs=5)}
    found = read_validation_counts(folders)
    assert found is not None
    assert [trial.number for trial in found.trials] == [7, 2]
    assert found.skipped == 0
    for name in WHOLE:
        assert getattr(found, name).tolist() == WHOLE[name].tolist()
    for trial in found.trials:
        with np.load(folders[trial.number] / FILE) as stored:
            assert trial.augmented.tolist() == stored["augmented"].tolist()
            assert trial.plain.tolist() == stored["plain"].tolist()
        assert (trial.augmented.dtype, trial.plain.dtype) == (np.uint16, np.uint8)


@pytest.mark.parametrize(
    "changes",
    [
        {"plain": np.zeros((3, ROWS + 1), int)},
        {"plain": np.zeros((2, ROWS), int)},
        {"plain": np.full((3, ROWS), 6)},
        {"plain": np.full((3, ROWS), -1)},
        {"plain": np.zeros((3, ROWS))},
        {"plain": np.zeros((0, ROWS), int), "augmented": np.zeros((0, ROWS), int)},
        {"label": np.array([0, 0, 1, 2])},
        {"label": np.array([None, 0, 1, 1], dtype=object)},
        {"plain_total": np.array(5)},
    ],
    ids=lambda changes: ", ".join(f"{k} {v.shape} {v.dtype}" for k, v in changes.items()),
)
def test_a_trial_whose_counts_do_not_fit_together_is_skipped(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    folders = {0: written(tmp_path, 0), 1: written(tmp_path, 1, **changes)}
    found = read_validation_counts(folders)
    assert found is not None
    assert [trial.number for trial in found.trials] == [0]
    assert found.skipped == 1


def test_missing_and_torn_files_are_skipped_and_counted(tmp_path: Path) -> None:
    folders = {k: written(tmp_path, k) for k in range(4)}
    (folders[0] / FILE).unlink()
    (folders[1] / FILE).write_bytes((folders[1] / FILE).read_bytes()[:-40])
    (folders[2] / FILE).write_bytes(b"")
    found = read_validation_counts(folders)
    assert found is not None
    assert [trial.number for trial in found.trials] == [3]
    assert found.skipped == 3


def test_trials_of_other_rows_than_most_are_skipped(tmp_path: Path) -> None:
    other = np.array([4, 5, 5, 5])
    folders = {k: written(tmp_path, k) for k in (1, 2)}
    folders = {0: written(tmp_path, 0, plain_total=other, plain=np.ones((3, 4), int)), **folders}
    found = read_validation_counts(folders)
    assert found is not None
    assert [trial.number for trial in found.trials] == [1, 2]
    assert found.skipped == 1


def test_without_a_trial_that_can_be_read_there_are_no_counts(tmp_path: Path) -> None:
    assert read_validation_counts({}) is None
    assert read_validation_counts({0: tmp_path / "nowhere"}) is None


def test_one_trial_can_be_taken_out(tmp_path: Path) -> None:
    found = read_validation_counts({k: written(tmp_path, k) for k in (5, 6)})
    assert found is not None
    assert [trial.number for trial in found.of(6).trials] == [6]
    assert found.of(9).trials == ()


def test_counts_of_other_rows_are_refused(tmp_path: Path) -> None:
    found = read_validation_counts({0: written(tmp_path, 0)})
    assert found is not None
    wide = TrialCounts(number=4, augmented=np.ones((1, 5), int), plain=np.ones((1, 5), int))
    with pytest.raises(ValueError, match="trial 4: counts are not of these rows"):
        replace(found, trials=(wide,))
    with pytest.raises(ValueError, match="zeros and ones"):
        replace(found, label=np.array([0, 0, 1, 3]))
