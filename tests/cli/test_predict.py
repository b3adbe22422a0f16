"""``study predict``: what it prints, where it writes, and what it refuses."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from PIL import Image

from study.dataset.images import fit_image, read_image
from study.dataset.profile import QUANTILES
from study.model.exported import METADATA, MODEL, SCHEMA_VERSION
from study.model.network import build_network
from study.protocol import Protocol
from study.variant import Variant

# Keras' own code calls NumPy in a way that NumPy 2 warns of.
pytestmark = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")

PROTOCOL = Protocol(image_width=12, image_height=10, fit="pad", resize_filter="box")
SMALL = Variant(filters=2, blocks=1, dense_layers=1, dense_width=3)
COLUMNS = ["path", "class", "probability", "warning"]

Outcome = tuple[int, str, str]
Study = Callable[..., Outcome]


def around(value: float) -> list[float]:
    return [value] * len(QUANTILES)


PROFILE = {
    "images": 100,
    "groups": 50,
    "coloured": 0,
    "width": around(20),
    "height": around(16),
    "aspect_ratio": around(1.25),
    "mean_grey": around(128),
    "grey_deviation": around(74),
}


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, bytes]:
    """Return a network, and the bytes of its file."""
    keras.utils.set_random_seed(3)
    found = build_network(SMALL, PROTOCOL.image_shape)
    path = tmp_path_factory.mktemp("network") / MODEL
    found.save(path)
    return found, path.read_bytes()


@pytest.fixture
def exported(tmp_path: Path, network: tuple[Any, bytes]) -> Path:
    """Return the folder ``model`` as ``study export`` writes it, as far as it is read."""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / MODEL).write_bytes(network[1])
    document = {
        "schema_version": SCHEMA_VERSION,
        "study": "a-study",
        "classes": ["-ill", "well"],
        "positive": "-ill",
        "negative": "well",
        "threshold": {"value": 0.0, "rule": "0"},
        "protocol": PROTOCOL.as_dict(),
        "training_images": PROFILE,
        "model_digest": hashlib.sha256(network[1]).hexdigest(),
    }
    (folder / METADATA).write_text(json.dumps(document))
    return folder


def put_image(path: Path, *, seed: int = 0, width: int = 20) -> Path:
    """Write an image like the training images: uniform grey levels, 20x16."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (16, width), dtype=np.uint8)
    Image.fromarray(pixels).save(path, format="PNG")
    return path


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def edit_metadata(exported: Path, **changes: Any) -> None:
    path = exported / METADATA
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.fixture
def refused(study: Study, exported: Path, tmp_path: Path) -> Callable[..., str]:
    """Return a function that lets a prediction fail at once, without a trace, for its one line."""
    put_image(tmp_path / "image.png")

    def run(*arguments: object) -> str:
        before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
        status, out, err = study("predict", *(arguments or (exported, "image.png")))
        assert (status, out) == (2, "")
        assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
        (line,) = err.splitlines()
        return line.removeprefix("study: ")

    return run


def test_each_image_has_a_row_with_the_network_s_probability(
    study: Study, exported: Path, network: tuple[Any, bytes], tmp_path: Path
) -> None:
    """Paths as they were given, in that order; probabilities to single precision."""
    names = ["b.png", "a.png", "c.png"]
    for seed, name in enumerate(names):
        put_image(tmp_path / name, seed=seed, width=20 + 4 * seed)
    pixels = [
        fit_image(read_image(tmp_path / name), width=12, height=10, resize_filter="box", fit="pad")
        for name in names
    ]
    expected = network[0].predict_on_batch(np.stack(pixels).astype(np.float32))[:, 0]
    status, out, err = study("predict", exported, *names)
    assert (status, err) == (0, "")
    assert out.startswith("path,class,probability,warning\n")
    assert [row["path"] for row in rows_of(out)] == names
    assert [np.float32(row["probability"]) for row in rows_of(out)] == expected.tolist()
    assert len(set(expected.tolist())) == 3


def test_good_images_are_predicted_and_bad_ones_named(
    study: Study, exported: Path, tmp_path: Path
) -> None:
    """Sorted, folders below included; hidden files and other kinds of files are left out."""
    folder = tmp_path / "images"
    for name in ("z.png", "b/2.png", "b/10.PNG", "a.png"):
        put_image(folder / name)
    for name in (".hidden.png", ".folder/1.png", "__MACOSX/1.png"):
        put_image(folder / name)
    (folder / "notes.txt").write_text("no image")
    (folder / "empty.png").touch()
    (folder / "c.png").write_text("no image")
    (folder / "cut.png").write_bytes(put_image(tmp_path / "whole.png").read_bytes()[:150])
    status, out, err = study("predict", exported, "images", "gone.png")
    assert status == 2
    assert [row["path"] for row in rows_of(out)] == [
        *("images/a.png", "images/b/10.PNG", "images/b/2.png", "images/z.png"),
    ]
    assert [line.partition(": ")[2].partition(": ")[0] for line in err.splitlines()] == [
        *("images/c.png", "images/cut.png", "images/empty.png", "gone.png"),
    ]
    assert all(line.startswith("study: ") for line in err.splitlines())
    assert "images/empty.png: the file is empty" in err
    assert "gone.png: cannot be read (No such file or directory)" in err


def test_a_folder_without_images_and_a_name_that_cannot_be_are_told(
    study: Study, exported: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    status, out, err = study("predict", exported, "empty", "x" * 300 + ".png")
    assert (status, rows_of(out)) == (2, [])
    first, second = err.splitlines()
    assert first == "study: empty: no image files in this folder"
    assert second.endswith(": cannot be read (File name too long)")


def test_names_are_safe_in_a_table_and_on_a_terminal(
    study: Study, exported: Path, tmp_path: Path
) -> None:
    """Cells that a spreadsheet would run begin with an apostrophe; each failure is one line."""
    names = ['=cmd("x").png', "+1.png", "@a.png", 'a"b,c.png', "new\nline.png", "ümläut.png"]
    for name in names:
        put_image(tmp_path / name)
    (tmp_path / "bad\n\x1b[31m.png").touch()
    status, out, err = study("predict", exported, *names, "bad\n\x1b[31m.png")
    assert status == 2
    assert [row["path"] for row in rows_of(out)] == [
        *('\'=cmd("x").png', "'+1.png", "'@a.png", *names[3:]),
    ]
    assert {row["class"] for row in rows_of(out)} == {"'-ill"}
    assert err == "study: bad??[31m.png: the file is empty\n"


@pytest.mark.skipif(os.name == "nt", reason="names are bytes elsewhere only")
def test_a_name_that_is_no_text_is_written_with_its_bytes(
    study: Study, exported: Path, tmp_path: Path
) -> None:
    raw = os.fsdecode(b"\xff.png")
    put_image(tmp_path / "images" / raw)
    out = tmp_path / "found.csv"
    assert study("predict", exported, "images", "--out", out)[0] == 0
    assert [row["path"] for row in rows_of(out.read_text())] == ["images/\\udcff.png"]
    status, printed, _ = study("predict", exported, "images", "--json")
    assert status == 0
    assert [item["path"] for item in json.loads(printed)["predictions"]] == ["images/" + raw]


def test_json_is_one_document(study: Study, exported: Path, tmp_path: Path) -> None:
    put_image(tmp_path / "=a.png")
    (tmp_path / "bad.png").touch()
    status, out, err = study("predict", exported, "=a.png", "bad.png", "--json")
    assert (status, err) == (2, "study: bad.png: the file is empty\n")
    found = json.loads(out)
    (prediction,) = found.pop("predictions")
    assert found == {
        "study": "a-study",
        "model_digest": hashlib.sha256((exported / MODEL).read_bytes()).hexdigest(),
        "positive": "-ill",
        "negative": "well",
        "threshold": 0.0,
        "failed": [{"path": "bad.png", "error": "the file is empty"}],
    }
    assert list(prediction) == COLUMNS
    assert (prediction["path"], prediction["class"]) == ("=a.png", "-ill")
    assert 0 < prediction["probability"] < 1


@pytest.mark.parametrize("as_json", [[], ["--json"]])
def test_a_file_gets_what_else_is_printed(
    study: Study, exported: Path, tmp_path: Path, as_json: list[str]
) -> None:
    """In folders that are made; an earlier file is replaced."""
    put_image(tmp_path / "a.png")
    _, printed, _ = study("predict", exported, "a.png", *as_json)
    out = tmp_path / "new" / "found.csv"
    for _ in range(2):
        status, rest, err = study("predict", exported, "a.png", "--out", out, *as_json)
        assert (status, rest, err) == (0, "", f"Predictions: {out}\n")
        assert out.read_text() == printed
        assert list(out.parent.iterdir()) == [out]
        out.write_text("older and longer" * 100)


def test_a_file_is_left_as_it_was_when_the_network_fails(
    refused: Callable[..., str], exported: Path, tmp_path: Path
) -> None:
    out = tmp_path / "found.csv"
    out.write_text("of an earlier day")
    keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)]).save(exported / MODEL)
    edit_metadata(
        exported, model_digest=hashlib.sha256((exported / MODEL).read_bytes()).hexdigest()
    )
    line = refused(exported, "image.png", "--out", out)
    assert "the network takes (None, 3) and gives (None, 1), but metadata.json says" in line
    assert out.read_text() == "of an earlier day"


@pytest.mark.parametrize(
    ("out", "words"),
    [
        ("model", "is a folder; name a file"),
        ("found.PNG", "is the name of an image; name a file ending in .csv"),
        ("image.png/found.csv", "cannot be written; name a folder"),
        ("x" * 300 + ".csv", "cannot be written (File name too long); name another file"),
        ("x" * 300 + "/found.csv", "cannot be written (File name too long); name another file"),
        ("model/metadata.json", "is in the exported model; name a file elsewhere"),
        ("model/new.csv", "is in the exported model; name a file elsewhere"),
    ],
)
def test_a_place_that_cannot_be_written_is_refused(
    refused: Callable[..., str], exported: Path, out: str, words: str
) -> None:
    line = refused(exported, "image.png", "--out", out)
    assert line.startswith("--out ")
    assert words in line


def test_a_threshold_replaces_the_model_s(study: Study, exported: Path, tmp_path: Path) -> None:
    put_image(tmp_path / "a.png")
    own = rows_of(study("predict", exported, "a.png")[1])[0]
    other = rows_of(study("predict", exported, "a.png", "--threshold", 1)[1])[0]
    assert (own["class"], other["class"]) == ("'-ill", "well")
    assert own["probability"] == other["probability"]
    _, out, _ = study("predict", exported, "a.png", "--threshold", 1, "--json")
    assert json.loads(out)["threshold"] == 1


@pytest.mark.parametrize("value", ["-0.1", "1.5", "nan", "inf"])
def test_a_threshold_that_is_no_probability_is_refused(
    refused: Callable[..., str], exported: Path, value: str
) -> None:
    line = refused(exported, "image.png", "--threshold", value)
    assert line == f"--threshold: found {value}; allowed: a probability, 0 to 1"


def test_a_folder_that_is_no_export_is_refused(refused: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for place in ("empty", "gone", "image.png"):
        line = refused(place, "image.png")
        assert line.startswith(f"{place}: not an exported model: metadata.json: ")
        assert line.endswith("; `study export NAME` makes one")


def test_a_folder_that_cannot_be_looked_at_is_refused(
    refused: Callable[..., str], tmp_path: Path
) -> None:
    """Its name is too long, or it lies in a folder that is closed to this user."""
    long = "m" * 300
    expected = f"{long}: cannot be read (File name too long); name a folder of `study export`"
    assert refused(long, "image.png") == expected
    if os.name != "posix" or os.geteuid() == 0:
        return  # nothing is closed to the superuser
    (tmp_path / "closed").mkdir(mode=0)
    try:
        line = refused("closed/model", "image.png")
    finally:
        (tmp_path / "closed").chmod(0o755)
    assert line.startswith("closed/model: cannot be read (Permission denied)")


def test_a_network_that_was_exchanged_is_refused(
    refused: Callable[..., str], exported: Path
) -> None:
    with (exported / MODEL).open("ab") as file:
        file.write(b"\0")
    assert refused().endswith("not the file that was exported; export the model again")


def test_metadata_of_an_earlier_version_are_refused(
    refused: Callable[..., str], exported: Path
) -> None:
    edit_metadata(exported, schema_version=1)
    assert refused().endswith("found schema 1; this version reads 2; export the model again")


def test_an_image_unlike_the_training_images_has_a_warning(
    study: Study, exported: Path, tmp_path: Path
) -> None:
    put_image(tmp_path / "usual.png")
    put_image(tmp_path / "wide.png", width=300)
    Image.new("L", (20, 16), 128).save(tmp_path / "blank.png")
    Image.new("RGB", (20, 16), (200, 0, 0)).save(tmp_path / "red.png")
    status, out, err = study("predict", exported, "usual.png", "wide.png", "blank.png", "red.png")
    assert (status, err) == (0, "")
    usual, wide, blank, red = (row["warning"] for row in rows_of(out))
    assert usual == ""
    assert wide.startswith("width 300 px, training images 20 px; width / height 18.75")
    assert blank == "nearly one grey level (standard deviation 0.0)"
    assert "in colour, training images are grey" in red
