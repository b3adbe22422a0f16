"""Packed files by MedMNIST's convention: read like any source, and nothing is unpickled."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from study.dataset.arrays import load_part
from study.dataset.manifest import make_manifest
from study.dataset.sources.opening import open_source
from study.dataset.sources.source import Source
from study.dataset.sources.stores import open_store
from study.errors import DataError, SettingsError, UnreadableImage
from study.protocol import Protocol

PARTS = {"train": 20, "val": 8, "test": 6}


def packed(path: Path, **changes: Any) -> Path:
    """Write a file with parts of 28x28 images; a change of None leaves an array out."""
    rng = np.random.default_rng(0)
    arrays: dict[str, Any] = {}
    for name, count in PARTS.items():
        arrays[f"{name}_images"] = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        arrays[f"{name}_labels"] = (np.arange(count) % 2).astype(np.uint8)[:, None]
    arrays = {key: value for key, value in (arrays | changes).items() if value is not None}
    np.savez_compressed(path, **arrays)
    return path


def opened(path: Path) -> Source:
    return open_source(str(path), cache=path.parent / "cache")


def test_parts_labels_and_pixels_are_those_of_the_file(tmp_path: Path) -> None:
    path = packed(tmp_path / "BreastMNIST.npz")
    source = opened(path)
    assert (source.name, source.root) == ("breastmnist", path.resolve())
    assert (source.classes, source.positive) == (("0", "1"), "1")
    assert [image.path for image in source.images][:2] == ["test/0", "test/1"]
    assert {image.part for image in source.images} == {"train", "validation", "test"}
    assert {image.group for image in source.images} == {None}
    facts = source.facts[0]
    assert (facts.width, facts.height, facts.format, facts.file_bytes) == (28, 28, "NPZ", None)
    manifest = make_manifest(source, seed=0)
    assert manifest.kind == "given"
    protocol = Protocol(image_width=28, image_height=28)
    part = load_part(manifest, source.root, "validation", protocol)
    with np.load(path) as stored:
        assert (part.images[..., 0] == stored["val_images"]).all()
        assert (part.labels == stored["val_labels"].ravel()).all()


def test_colour_and_labels_of_one_dimension_or_text(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    path = packed(
        tmp_path / "x.npz",
        train_images=rng.integers(0, 256, (4, 9, 7, 3), dtype=np.uint8),
        train_labels=np.array(["no", "yes", "no", "yes"]),
        val_images=None, val_labels=None, test_images=None, test_labels=None,
    )  # fmt: skip
    source = opened(path)
    assert source.classes == ("no", "yes")
    assert (source.facts[0].width, source.facts[0].mode) == (7, "RGB")
    colour = open_store(path).read("train/2", channels=3)
    with np.load(path) as stored:
        assert (np.asarray(colour) == stored["train_images"][2]).all()


def test_a_changed_row_is_noticed(tmp_path: Path) -> None:
    source = opened(packed(tmp_path / "x.npz"))
    manifest = make_manifest(source, seed=0)
    packed(tmp_path / "x.npz", val_images=np.zeros((8, 28, 28), np.uint8))
    with pytest.raises(DataError, match=r"x\.npz/val/0: the dataset has changed"):
        load_part(manifest, source.root, "validation", Protocol())
    with pytest.raises(UnreadableImage, match="is not in the file"):
        open_store(source.root).read("val/99")


IMAGES = np.zeros((20, 8, 8), np.uint8)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train_labels": None}, "has no array 'train_labels', found 'test_images'"),
        ({"val_images": None}, "has no array 'val_images'"),
        (dict.fromkeys([f"{p}_{w}" for p in PARTS for w in ("images", "labels")]), "found nothing"),
        ({"train_images": np.array([{}] * 20)}, "train_images cannot be read, it holds Python obj"),
        ({"train_labels": np.array([{}] * 20)}, "train_labels cannot be read, it holds Python obj"),
        ({"train_images": IMAGES / 2}, r"train_images is float64 (20, 8, 8); allowed: uint8"),
        ({"train_images": IMAGES[0]}, "train_images holds 8 images and train_labels 20 labels"),
        ({"train_images": np.zeros((20, 8, 8, 2), np.uint8)}, "allowed: uint8, (n, height, width)"),
        ({"train_images": IMAGES[:, :0]}, "train_images is uint8 (20, 0, 8)"),
        ({"train_images": IMAGES[:5]}, "train_images holds 5 images and train_labels 20 labels"),
        ({"train_labels": np.zeros((20, 14), int)}, "train_labels is int64 (20, 14); allowed: one"),
        ({"train_labels": np.zeros(20)}, "train_labels is float64 (20,); allowed: one whole"),
        ({"train_labels": np.arange(20)}, "20 classes ("),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_file_that_is_not_like_that_is_refused(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    path = packed(tmp_path / "x.npz", **changes)
    with pytest.raises(DataError) as caught:
        opened(path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_no_packed_file_is_refused_and_never_unpickled(tmp_path: Path) -> None:
    path, witness = tmp_path / "x.npz", tmp_path / "witness"

    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (witness,)

    for content in (b"", b"hello", pickle.dumps(Evil())):
        path.write_bytes(content)
        with pytest.raises(DataError, match="cannot be read"):
            opened(path)
    with path.open("wb") as file:
        np.savez(file, train_images=np.array([Evil()], dtype=object), train_labels=np.zeros(1, int))
    with pytest.raises(DataError, match="it holds Python objects"):
        opened(path)
    assert not witness.exists()
    whole = packed(tmp_path / "whole.npz").read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="cannot be read"):
        opened(path)
    damaged = bytearray(whole)
    damaged[300:400] = b"\0" * 100
    path.write_bytes(bytes(damaged))
    with pytest.raises(DataError, match="cannot be read"):
        opened(path)


def test_an_array_that_claims_too_much_is_refused(tmp_path: Path) -> None:
    """The header promises a hundred terabytes that are not there; then a file of zeros."""
    path = tmp_path / "x.npz"
    header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (100000000000, 32, 32), }"
    header += b" " * (117 - len(header)) + b"\n"
    with zipfile.ZipFile(path, "w") as archive:
        claimed = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
        archive.writestr("train_images.npy", claimed)
        archive.writestr("train_labels.npy", claimed)
    with pytest.raises(DataError, match="train_labels cannot be read, it is"):
        opened(path)
    packed(path, train_images=np.zeros((10_000, 64, 64), np.uint8))
    with pytest.raises(DataError, match="holds 10000 images and train_labels 20 labels"):
        opened(path)  # told from the headers, before the images are unpacked


def test_names_of_files_cannot_group_what_has_none(tmp_path: Path) -> None:
    path = packed(tmp_path / "x.npz")
    with pytest.raises(
        SettingsError, match=r"--group-pattern: the images of .* have no file names"
    ):
        open_source(str(path), cache=tmp_path, group_pattern="(.)")
