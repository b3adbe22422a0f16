"""The phantom as files: whole or absent, and read back as what was drawn."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from study.dataset.manifest import make_manifest
from study.dataset.phantom.drawing import draw_lesions, generate
from study.dataset.phantom.files import write_phantom
from study.dataset.sources.opening import open_source
from study.errors import SettingsError


def test_folder_and_table_hold_what_was_drawn(tmp_path: Path) -> None:
    write_phantom(tmp_path / "set", lesions=5, frames=2, seed=3)
    drawn = list(generate(lesions=5, frames=2, seed=3))
    with (tmp_path / "set" / "manifest.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(drawn) == 10
    truth = {lesion.name: lesion for lesion in draw_lesions(lesions=5, seed=3)}
    for row, image in zip(rows, drawn, strict=True):
        assert (np.asarray(Image.open(tmp_path / "set" / row["path"])) == image.pixels).all()
        lesion = truth[row["group"]]
        assert (row["label"], row["shape"], row["margin"]) == (
            lesion.label, lesion.shape, lesion.margin,
        )  # fmt: skip
        assert row["taller_than_wide"] == str(lesion.taller_than_wide)


def test_folder_and_table_are_the_same_source(tmp_path: Path) -> None:
    write_phantom(tmp_path / "set", lesions=10, frames=1)
    folder, table = (
        open_source(str(path), cache=tmp_path)
        for path in (tmp_path / "set", tmp_path / "set" / "manifest.csv")
    )
    assert folder.digest == table.digest
    assert folder.name == table.name == "set"
    assert table.ignored_columns == ("shape", "margin", "posterior", "taller_than_wide")
    assert make_manifest(folder, seed=0) == make_manifest(table, seed=0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lesions": 1}, "--lesions: found 1; allowed: a whole number from 2"),
        ({"frames": 0}, "--frames: found 0; allowed: a whole number from 1"),
        ({"seed": -1}, "--seed: found -1; allowed: a whole number from 0"),
    ],
)
def test_numbers_that_cannot_be_are_refused(
    tmp_path: Path, options: dict[str, int], message: str
) -> None:
    with pytest.raises(SettingsError, match=message):
        write_phantom(tmp_path / "set", **options)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_the_way_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes").touch()
    (tmp_path / "file").touch()
    for name in ("mine", "file"):
        with pytest.raises(SettingsError, match="exists and is not empty; name a new folder"):
            write_phantom(tmp_path / name, lesions=2, frames=1)
    with pytest.raises(SettingsError, match="cannot be written"):
        write_phantom(tmp_path / "file" / "set", lesions=2, frames=1)
    (tmp_path / "empty").mkdir()
    write_phantom(tmp_path / "empty", lesions=2, frames=1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "file", "mine"]
