"""Out-of-fold predictions: pooled over seeds, whole groups, and refused where they are damaged."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from study.errors import DataError
from study.report.stored import read_out_of_fold


def stored(path: Path, **changes: Any) -> Path:
    """Write two fold seeds of eight images, the second of which scored one fold of two."""
    arrays = {
        "probability": np.linspace(0.1, 0.9, 16).reshape(2, 8),
        "label": np.array([1, 1, 1, 1, 0, 0, 0, 0]),
        "group": np.array([0, 0, 1, 1, 2, 2, 3, 3]),
        "fold": np.array([[0, 0, 1, 1, 0, 0, 1, 1], [0, 0, -1, -1, 0, 0, -1, -1]]),
    }
    np.savez_compressed(path, **{**arrays, **changes})
    return path


def test_seeds_are_pooled_and_images_without_a_score_left_out(tmp_path: Path) -> None:
    probability = np.linspace(0.1, 0.9, 16).reshape(2, 8)
    probability[1, [2, 3, 6, 7]] = np.nan
    found = read_out_of_fold(stored(tmp_path / "8.npz", probability=probability))
    assert len(found.label) == 12
    np.testing.assert_array_equal(found.probability[8:], probability[1, [0, 1, 4, 5]])
    assert (found.groups(1), found.groups(0)) == (2, 2)


@pytest.mark.parametrize(
    "changes",
    [
        {"fold": np.full((2, 8), -1)},
        {"fold": np.zeros((2, 7), dtype=int)},
        {"fold": np.zeros((2, 8))},
        {"probability": np.full((2, 8), 2.0)},
        {"probability": np.full((2, 8), np.nan)},
        {"label": np.array(["a"] * 8)},
        {"group": np.arange(3)},
    ],
)
def test_what_cannot_be_used_is_named(changes: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"8\.npz"):
        read_out_of_fold(stored(tmp_path / "8.npz", **changes))
    with pytest.raises(DataError, match="missing"):
        read_out_of_fold(tmp_path / "9.npz")


def test_a_header_with_a_bracket_left_open_is_damage(tmp_path: Path) -> None:
    """NumPy takes such a header apart by Python's tokenizer, which has an error of its own."""
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (2,\n"
    array = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
    path = tmp_path / "8.npz"
    with zipfile.ZipFile(path, "w") as file:
        for name in ("label", "probability", "group", "fold"):
            file.writestr(f"{name}.npy", array)
    with pytest.raises(DataError, match=r"8\.npz is damaged"):
        read_out_of_fold(path)
