"""Predictions of an exported model: the pixels of training, any file and folder, any number."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from PIL import Image

from study.dataset.arrays import load_part
from study.dataset.manifest import make_manifest
from study.dataset.sources.opening import open_source
from study.errors import ModelError, SettingsError
from study.model.exported import METADATA, MODEL, Metadata, read_metadata
from study.model.network import build_network
from study.model.predict import BATCH, Prepared, classify, predict_files, prepare_array
from study.model.predict import prepare_files as prepared_files
from study.protocol import FITS, RESIZE_FILTERS, Protocol
from study.variant import Variant

# Keras' own code calls NumPy in a way that NumPy 2 warns of.
pytestmark = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")

PROTOCOL = Protocol(image_width=12, image_height=10)
TINY = Variant(filters=2, blocks=1, dense_layers=0)


def described(protocol: Protocol = PROTOCOL, folder: Path = Path("nowhere")) -> Metadata:
    return Metadata(
        folder=folder,
        study="a-study",
        positive="malignant",
        negative="benign",
        threshold=0.5,
        protocol=protocol,
        profile=None,
        document={},
    )


def export(folder: Path, network: Any, protocol: Protocol = PROTOCOL) -> Metadata:
    """Write a network as ``study export`` would, with what is needed to use it."""
    folder.mkdir()
    network.save(folder / MODEL)
    document = {
        "schema_version": 2,
        "model_digest": hashlib.sha256((folder / MODEL).read_bytes()).hexdigest(),
        "study": "a-study",
        "classes": ["benign", "malignant"],
        "positive": "malignant",
        "negative": "benign",
        "threshold": {"value": 0.5},
        "protocol": protocol.as_dict(),
        "training_images": None,
    }
    (folder / METADATA).write_text(json.dumps(document))
    return read_metadata(folder)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Metadata:
    keras.utils.set_random_seed(1)
    network = build_network(TINY, PROTOCOL.image_shape)
    return export(tmp_path_factory.mktemp("model") / "exported", network)


def draw(path: Path, seed: int = 0, *, size: tuple[int, int] = (21, 17), mode: str = "L") -> Path:
    """Write noise around a grey level of its own."""
    rng = np.random.default_rng(seed)
    level = rng.integers(30, 220)
    values = rng.normal(level, 40, (size[1], size[0], 3)).clip(0, 255).astype(np.uint8)
    image = Image.fromarray(values if mode == "RGB" else values[..., 0]).convert(mode)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)
    return path


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("resize_filter", RESIZE_FILTERS)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_file_and_an_array_become_the_pixels_of_training(
    tmp_path: Path, fit: str, resize_filter: str, channels: int
) -> None:
    """To the last byte, for every filter and fit, whatever mode the file is stored in."""
    kinds = [("L", ".png"), ("RGB", ".jpg"), ("RGB", ".png"), ("P", ".gif"), ("CMYK", ".tif")]
    for label in ("benign", "malignant"):
        for number, (mode, suffix) in enumerate(kinds):
            place = tmp_path / "images" / label / f"group-{number}" / f"image{suffix}"
            image = draw(place, number, mode="RGB", size=(31, 17))
            Image.open(image).convert(mode).save(image)
    source = open_source(str(tmp_path / "images"), cache=tmp_path)
    protocol = Protocol(
        image_width=13, image_height=9, channels=channels, fit=fit, resize_filter=resize_filter
    )
    part = load_part(make_manifest(source, seed=0), source.root, "train", protocol)
    assert len(part.paths) >= 4
    metadata = described(protocol)
    files = [source.root / path for path in part.paths]
    for file, item, pixels in zip(files, prepared_files(metadata, files), part.images, strict=True):
        assert item.pixels is not None, item.error
        assert item.pixels.dtype == np.uint8
        assert item.pixels.tobytes() == pixels.tobytes()
        if file.suffix == ".png":
            stored = np.asarray(Image.open(file))
            assert prepare_array(metadata, "0", stored).pixels.tobytes() == pixels.tobytes()


def test_probabilities_are_the_network_s_and_keep_their_order(
    exported: Metadata, tmp_path: Path
) -> None:
    """More files than a batch, and broken ones among them: each has its own answer."""
    files = [draw(tmp_path / f"{k:03}.png", k) for k in range(2 * BATCH + 5)]
    for file in files[3:90:20]:
        file.write_bytes(b"no image")
    found = list(predict_files(exported, files))
    assert [item.path for item in found] == [str(file) for file in files]
    failed = [k for k, item in enumerate(found) if item.error]
    assert failed == list(range(3, 90, 20))
    kept = [k for k in range(len(files)) if k not in failed]
    pixels = [item.pixels for item in prepared_files(exported, files) if item.pixels is not None]
    network = keras.models.load_model(exported.folder / MODEL)
    expected = network.predict(np.stack(pixels).astype(np.float32), verbose=0)[:, 0]
    chances = [found[k].probability for k in kept]
    np.testing.assert_allclose(chances, expected, atol=1e-6)
    assert len({item.label for item in found if not item.error}) == 2
    for k in kept:
        assert found[k].label == ("malignant" if found[k].probability >= 0.5 else "benign")


def test_an_image_at_the_threshold_is_positive(exported: Metadata, tmp_path: Path) -> None:
    file = draw(tmp_path / "a.png")
    (first,) = predict_files(exported, [file])
    (at,) = predict_files(exported, [file], threshold=first.probability)
    (above,) = predict_files(exported, [file], threshold=np.nextafter(first.probability, 1))
    assert (at.label, above.label) == ("malignant", "benign")


@pytest.mark.parametrize(
    ("protocol", "held"),
    [(PROTOCOL, BATCH), (Protocol(image_width=1024, image_height=2048, channels=3), 2)],
)
def test_no_more_images_than_a_batch_are_held(protocol: Protocol, held: int) -> None:
    """Images come as they are needed, fewer at once where they are large."""
    asked = 0

    def endless() -> Iterator[Prepared]:
        nonlocal asked
        while True:
            asked += 1
            yield Prepared(path=str(asked), error="no image")

    found = classify(described(protocol), endless())
    assert [next(found).path for _ in range(2)] == ["1", "2"]
    assert asked == held


def names(items: Iterable[Any], root: Path) -> list[str]:
    return [Path(item.path).relative_to(root).as_posix() for item in items]


def test_a_folder_stands_for_all_images_below_it_sorted(tmp_path: Path) -> None:
    """Hidden files and other types are left out, and links in circles are not followed."""
    root = tmp_path / "folder"
    wanted = ["a/b/2.PNG", "a/b/3.jpg", "a/z.bmp", "c.tiff"]
    for number, name in enumerate(wanted):
        draw(root / name, number)
    for name in (".hidden.png", ".hidden/x.png", "__MACOSX/x.png"):
        draw(root / name)
    (root / "notes.txt").write_text("text")
    (root / "a" / "circle").symlink_to(root)
    (root / "a" / "again").symlink_to(root / "a")
    draw(tmp_path / "outside.png")
    (root / "a" / "up").symlink_to(tmp_path)
    found = list(prepared_files(described(), [root]))
    assert names(found, root) == wanted
    assert all(item.error is None for item in found)


def test_what_cannot_be_read_is_named_and_the_rest_go_on(
    exported: Metadata, tmp_path: Path
) -> None:
    good = draw(tmp_path / "mixed" / "good.png")
    (tmp_path / "mixed" / "broken.png").write_bytes(good.read_bytes()[:150])
    (tmp_path / "mixed" / "empty.jpg").write_bytes(b"")
    (tmp_path / "mixed" / "text.gif").write_text("text")
    (tmp_path / "nothing").mkdir()
    (tmp_path / "notes.txt").write_text("text")
    others = ["gone.png", "nothing", "notes.txt", "n" * 300 + ".png", "nul\0.png"]
    paths = [tmp_path / "mixed", *(tmp_path / name for name in others), good]
    found = list(predict_files(exported, paths))
    assert [item.path for item in found if item.error is None] == [str(good), str(good)]
    errors = {Path(item.path).name: item.error for item in found if item.error}
    assert errors.keys() == {"broken.png", "empty.jpg", "text.gif", *others}
    assert errors["empty.jpg"] == "the file is empty"
    assert errors["gone.png"] == "cannot be read (No such file or directory)"
    assert errors["nothing"] == "no image files in this folder"
    assert errors["notes.txt"].startswith("not an image")
    assert not any("\n" in error for error in errors.values())


def test_without_a_readable_image_the_network_stays_shut(tmp_path: Path) -> None:
    """A typing error in a path is told at once: there is no network to open here."""
    (item,) = predict_files(described(), [tmp_path / "gone.png"])
    assert item.error == "cannot be read (No such file or directory)"


def test_an_image_unlike_the_training_images_has_a_warning(
    exported: Metadata, tmp_path: Path
) -> None:
    flat = tmp_path / "flat.png"
    Image.new("L", (20, 20), 90).save(flat)
    usual, blank = predict_files(exported, [draw(tmp_path / "usual.png"), flat])
    assert usual.warning == ""
    assert blank.warning == "nearly one grey level (standard deviation 0.0)"
    assert blank.label is not None
    quantiles = {"width": [15] * 7, "height": [17] * 7, "aspect_ratio": [1.2] * 7}
    greys = {"mean_grey": [0, 50, 90, 128, 160, 200, 255], "grey_deviation": [35] * 7}
    profile = {"images": 9, "groups": 9, "coloured": 0, **quantiles, **greys}
    metadata = Metadata(**{**vars(exported), "profile": profile})
    files = [draw(tmp_path / "w.png", size=(61, 17)), draw(tmp_path / "c.png", mode="RGB")]
    wide, coloured = predict_files(metadata, files)
    assert wide.warning == (
        "width 61 px, training images 15 px; width / height 3.59, training images 1.20"
    )
    assert coloured.warning.endswith("in colour, training images are grey")


def test_a_network_without_probabilities_is_refused(tmp_path: Path) -> None:
    """Values beyond 0 and 1, and values that are no numbers."""
    file = draw(tmp_path / "a.png")
    for name, value in (("high", 7.0), ("nan", float("nan"))):
        image = keras.Input(PROTOCOL.image_shape)
        output = keras.layers.Dense(1, bias_initializer=keras.initializers.Constant(value))
        network = keras.Model(image, output(keras.layers.Flatten()(keras.layers.ReLU(0)(image))))
        metadata = export(tmp_path / name, network)
        with pytest.raises(ModelError, match="not a probability for each image"):
            list(predict_files(metadata, [file]))


def test_arrays_of_any_number_type_are_one_image() -> None:
    """Whole numbers and floats of the same grey levels give the same pixels, floats rounded."""
    levels = np.random.default_rng(0).integers(0, 256, (17, 21))
    expected = prepare_array(described(), "7", levels.astype(np.uint8))
    assert expected.path == "7"
    for values in (
        levels,
        levels.astype(np.float32),
        levels + 0.3 * (levels < 200),
        levels[..., None],
    ):
        assert prepare_array(described(), "7", values).pixels.tobytes() == expected.pixels.tobytes()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.zeros((5, 5, 4)), "found one of float64 (5, 5, 4); allowed: "),
        (np.zeros(5), "found one of float64 (5,); allowed: "),
        (np.zeros((0, 5)), "found one of float64 (0, 5); allowed: "),
        (np.zeros((5, 5), bool), "found one of bool (5, 5); allowed: "),
        (np.array([["a"]]), "found one of <U1 (1, 1); allowed: "),
        (np.full((5, 5), -1), "found values from -1 to -1; allowed: grey levels from 0 to 255"),
        (np.full((5, 5), 4095), "found values from 4095 to 4095; allowed: grey levels"),
        (np.full((5, 5), np.nan), "found values from nan to nan; allowed: grey levels"),
        (np.full((5, 5), 0.7), "found floats up to 0.7; allowed: grey levels from 0 to 255"),
        (np.broadcast_to(np.uint8(0), (10_000, 10_000)), "at most 50,000,000 pixels"),
    ],
)
def test_an_array_that_is_no_image_is_refused(values: Any, words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        prepare_array(described(), "0", values)
    assert words in str(caught.value)
