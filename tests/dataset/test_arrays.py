"""Arrays of a part: the right pixels, labels and groups, from unchanged files only."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from study.dataset.arrays import load_part
from study.dataset.images import fit_image, read_image
from study.dataset.manifest import Manifest, make_manifest
from study.dataset.sources.opening import open_source
from study.errors import DataError
from study.protocol import Protocol


@pytest.fixture
def manifest(lesions: Path, tmp_path: Path) -> Manifest:
    source = open_source(str(lesions), positive=None, cache=tmp_path)
    return make_manifest(source, split="grouped", seed=0)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_part_has_its_images_labels_and_groups(
    lesions: Path, manifest: Manifest, channels: int
) -> None:
    protocol = Protocol(channels=channels)
    part = load_part(manifest, lesions, "train", protocol)
    rows = [row for row in manifest.rows if row.part == "train"]
    assert part.images.shape == (len(rows), 30, 40, channels)
    assert part.images.dtype == np.uint8
    assert part.labels.dtype == part.groups.dtype == np.int64
    assert list(part.paths) == [row.path for row in rows]
    assert part.labels.tolist() == [int(row.label == "malignant") for row in rows]
    assert [part.group_names[k] for k in part.groups] == [row.group for row in rows]
    assert sorted(set(part.groups)) == list(range(len(part.group_names)))
    image = read_image(lesions / part.paths[3], channels=channels)
    assert (part.images[3] == fit_image(image, width=40, height=30)).all()


def test_only_the_files_of_the_part_are_opened(lesions: Path, manifest: Manifest) -> None:
    for row in manifest.rows:
        if row.part != "validation":
            (lesions / row.path).unlink()
    assert len(load_part(manifest, lesions, "validation", Protocol()).paths) > 0


def test_changed_and_missing_files_are_named(lesions: Path, manifest: Manifest) -> None:
    first, second = sorted(row.path for row in manifest.rows if row.part == "train")[:2]
    (lesions / second).write_bytes((lesions / first).read_bytes())
    with pytest.raises(DataError, match="the dataset has changed") as caught:
        load_part(manifest, lesions, "train", Protocol())
    assert second in str(caught.value)
    (lesions / first).unlink()
    with pytest.raises(DataError, match=r"the dataset has changed.*No such file") as caught:
        load_part(manifest, lesions, "train", Protocol())
    assert first in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_part_that_is_not_there_is_refused(lesions: Path, manifest: Manifest) -> None:
    with pytest.raises(DataError, match="the split has no tset part"):
        load_part(manifest, lesions, "tset", Protocol())
