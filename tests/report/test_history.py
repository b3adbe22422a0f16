"""Histories are read as they lie on the disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from study.records import HISTORY_COLUMNS, TrialRecord
from study.report.history import CURVES, read_history


def trial(**changes: object) -> TrialRecord:
    values = {"number": 1, "state": "complete", "params": {}, "variant": {}, "ledger_number": 1}
    return TrialRecord(**{**values, **changes})  # type: ignore[arg-type]


def write(path: Path, rows: int, tail: str = "") -> Path:
    lines = [",".join(HISTORY_COLUMNS)]
    for epoch in range(1, rows + 1):
        cells = [epoch, 10 * epoch, *(epoch / 1000 for _ in CURVES)]
        lines.append(",".join(str(cell) for cell in cells))
    path.write_text("\n".join(lines) + "\n" + tail)
    return path


def test_every_column_is_read(tmp_path: Path) -> None:
    """A complete file gives every epoch of every curve and nothing to remark."""
    found = read_history(write(tmp_path / "h.csv", 5), trial(best_epoch=3))
    assert found.epochs == [1, 2, 3, 4, 5]
    assert set(found.curves) == set(CURVES)
    assert found.curves["validation_loss"] == [0.001, 0.002, 0.003, 0.004, 0.005]
    assert (found.best_epoch, found.recorded, found.notes) == (3, 5, ())


def test_a_torn_last_line_is_left_out(tmp_path: Path) -> None:
    """A line without its end is still being written, even where its numbers look whole."""
    path = write(tmp_path / "h.csv", 5, tail=",".join(["6"] * len(HISTORY_COLUMNS)))
    found = read_history(path, trial())
    assert found.epochs == [1, 2, 3, 4, 5]
    assert "last line" in found.notes[0]


def test_a_damaged_line_is_left_out(tmp_path: Path) -> None:
    """A line with too few cells is skipped and counted; a cell that is no number is a gap."""
    path = write(tmp_path / "h.csv", 3)
    good = ",".join(["4", "40", "nan", "", *["0.5"] * (len(CURVES) - 2)])
    path.write_text(path.read_text() + "5,50\n" + good + "\n")
    found = read_history(path, trial())
    assert found.epochs == [1, 2, 3, 4]
    assert found.curves["train_f_med"][-1] is None
    assert found.curves["train_sensitivity"][-1] is None
    assert found.curves["validation_loss"][-1] == 0.5
    assert any("damaged" in note for note in found.notes)


def test_a_missing_file_leaves_the_ledger(tmp_path: Path) -> None:
    """Without a file the ledger's validation F_med is drawn, and the reader is told."""
    found = read_history(tmp_path / "none.csv", trial(progress=[0.1, 0.4, float("nan"), 0.3]))
    assert found.curves == {"validation_f_med": [0.1, 0.4, None, 0.3]}
    assert found.best_epoch == 2
    assert "missing" in found.notes[0]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is empty or damaged: only"),
        ("\0\n\0", "is empty or damaged: only"),
        (",".join(HISTORY_COLUMNS) + "\n", "holds no epoch: only"),
        (None, "cannot be read ("),
    ],
)
def test_a_damaged_file_is_not_called_missing(tmp_path: Path, text: str | None, why: str) -> None:
    """Nor is a folder of its name; the ledger's validation F_med is drawn all the same."""
    path = tmp_path / "history.csv"
    if text is None:
        path.mkdir()
    else:
        path.write_text(text)
    found = read_history(path, trial(progress=[0.1, 0.4]))
    assert found.curves == {"validation_f_med": [0.1, 0.4]}
    (note,) = found.notes
    assert f"history.csv {why}" in note
    assert "missing" not in note


def test_a_folder_in_the_place_of_the_file_is_told_without_any_epoch(tmp_path: Path) -> None:
    assert "history.csv cannot be read" in read_history(tmp_path, trial()).notes[0]
    assert "history.csv is missing" in read_history(tmp_path / "none.csv", trial()).notes[0]


@pytest.mark.parametrize(
    "text", ["", "\n", "epoch,sec", ",".join(HISTORY_COLUMNS) + "\n", "\0\n\0"]
)
def test_a_file_without_epochs_is_no_error(tmp_path: Path, text: str) -> None:
    """A file that was only begun gives an empty history and a sentence."""
    path = tmp_path / "h.csv"
    path.write_text(text)
    found = read_history(path, trial())
    assert found.epochs == []
    assert found.notes


def test_long_histories_are_thinned_but_keep_the_best_epoch(tmp_path: Path) -> None:
    """At most the points asked for, with the first, the best and the last epoch among them."""
    found = read_history(write(tmp_path / "h.csv", 1000), trial(best_epoch=777), points=100)
    assert len(found.epochs) <= 100
    assert {1, 777, 1000} <= set(found.epochs)
    assert found.epochs == sorted(set(found.epochs))
    assert found.recorded == 1000
    assert "1,000" in found.notes[0]


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    """A file of an older version is drawn as far as it goes."""
    path = tmp_path / "h.csv"
    path.write_text("epoch,validation_f_med\n1,0.5\n2,0.6\n")
    found = read_history(path, trial())
    assert found.curves == {"validation_f_med": [0.5, 0.6]}
    assert "train_loss" in found.notes[0]
