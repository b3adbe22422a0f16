"""Folders of exported models from anywhere: used where they are sound, else refused in a line."""

from __future__ import annotations

import copy
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from study.errors import ModelError
from study.model.exported import METADATA, MODEL, read_metadata
from study.model.exported import open_network as open_exported
from study.model.network import build_network
from study.protocol import Protocol
from study.variant import Variant

# Keras' own code calls NumPy in a way that NumPy 2 warns of.
pytestmark = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")

PROTOCOL = Protocol(image_width=12, image_height=10)
TINY = Variant(filters=2, blocks=1, dense_layers=0)
QUANTILES = [5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0]

SOUND: dict[str, Any] = {
    "schema_version": 2,
    "model": MODEL,
    "study": "a-study",
    "classes": ["benign", "malignant"],
    "positive": "malignant",
    "negative": "benign",
    "threshold": {"value": 0.4, "rule": "0.4", "source": "fixed"},
    "protocol": PROTOCOL.as_dict(),
    "training_images": {
        "images": 9,
        "groups": 3,
        "coloured": 0,
        **dict.fromkeys(
            ("width", "height", "aspect_ratio", "mean_grey", "grey_deviation"), QUANTILES
        ),
    },
}

FIELDS = [
    *((name,) for name in SOUND),
    ("threshold", "value"),
    *(("protocol", name) for name in SOUND["protocol"]),
    *(("protocol", "augmentation", name) for name in SOUND["protocol"]["augmentation"]),
    *(("training_images", name) for name in SOUND["training_images"]),
]

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=8) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)

Put = Callable[..., Path]


def put_into(folder: Path, document: Any, *, model: bytes = b"a network") -> Path:
    """Write a folder as an export would, with whatever metadata; the digest fits the model."""
    folder.mkdir(exist_ok=True)
    (folder / MODEL).write_bytes(model)
    if isinstance(document, dict):
        document = {"model_digest": hashlib.sha256(model).hexdigest(), **document}
    (folder / METADATA).write_text(json.dumps(document))
    return folder


@pytest.fixture
def put(tmp_path: Path) -> Put:
    return lambda document, **how: put_into(tmp_path / "exported", document, **how)


def refusal(folder: Path) -> str:
    """Return the one line with which a folder is refused."""
    with pytest.raises(ModelError) as caught:
        read_metadata(folder)
    line = str(caught.value)
    assert "\n" not in line
    assert len(line) < len(str(folder)) + 300
    return line


def test_sound_metadata_say_how_to_use_the_network(put: Put) -> None:
    folder = put(SOUND)
    metadata = read_metadata(folder)
    assert (metadata.negative, metadata.positive) == ("benign", "malignant")
    assert (metadata.study, metadata.threshold) == ("a-study", 0.4)
    assert metadata.protocol == PROTOCOL
    assert metadata.profile == SOUND["training_images"]
    assert metadata.document == json.loads((folder / METADATA).read_text())
    assert read_metadata(put({**SOUND, "training_images": None})).profile is None


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=JSON, field=st.sampled_from([(), *FIELDS]))
def test_any_value_in_any_field_is_refused_in_a_line_or_can_be_used(
    put: Put, value: Any, field: tuple[str, ...]
) -> None:
    document = value
    if field:
        *way, last = field
        document = place = copy.deepcopy(SOUND)
        for name in way:
            place = place[name]
        place[last] = value
    try:
        metadata = read_metadata(put(document))
    except ModelError as error:
        assert "\n" not in str(error)  # noqa: PT017
    else:
        assert 0 <= metadata.threshold <= 1
        assert all(isinstance(size, int) for size in metadata.protocol.image_shape)


@pytest.mark.parametrize(
    "field", ["study", "classes", "positive", "threshold", "protocol", "training_images"]
)
def test_a_missing_field_is_named(put: Put, field: str) -> None:
    document = {key: value for key, value in SOUND.items() if key != field}
    assert f"{METADATA}: damaged (no '{field}')" in refusal(put(document))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"positive": "benign"}, "damaged (classes: found "),
        ({"classes": ["malignant", "benign"]}, "damaged (classes: found "),
        ({"classes": {"benign": 1, "malignant": 2}}, "damaged (classes: found "),
        ({"positive": 1}, "damaged (positive: found 1; allowed: a name)"),
        ({"threshold": {"value": 1.5}}, "damaged (threshold: found 1.5; allowed: 0 to 1)"),
        ({"threshold": {"value": float("nan")}}, "damaged (threshold: found nan"),
        ({"threshold": {"value": True}}, "damaged (threshold: found True"),
        ({"threshold": 0.5}, "damaged ("),
        ({"protocol": {**SOUND["protocol"], "channels": 1.0}}, "not in whole numbers"),
        ({"protocol": {**SOUND["protocol"], "channels": True}}, "not in whole numbers"),
        ({"protocol": {**SOUND["protocol"], "fit": "x" * 10_000}}, "damaged (--fit: found "),
        ({"protocol": {**SOUND["protocol"], "a\nb": 1}}, "damaged ("),
        ({"protocol": {**SOUND["protocol"], "image_width": 10**400}}, "damaged ("),
        ({"training_images": {}}, "damaged (training_images, images: "),
        ({"schema_version": 1}, "found schema 1; this version reads 2"),
        ({"schema_version": 2.0}, "found schema 2.0; this version reads 2"),
        ({"schema_version": "2"}, "found schema 2; this version reads 2"),
        ({"schema_version": True}, "found schema True; this version reads 2"),
    ],
)
def test_a_wrong_field_is_named(put: Put, changes: dict[str, Any], words: str) -> None:
    assert words in refusal(put({**SOUND, **changes}))


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "[" * 100_000, "9" * 10_000, '"\udcff"', "{}"]
)
def test_what_is_no_metadata_is_damaged(put: Put, text: str) -> None:
    folder = put(SOUND)
    (folder / METADATA).write_bytes(text.encode(errors="surrogateescape"))
    assert f"{METADATA}: damaged (" in refusal(folder)


def test_another_network_than_the_exported_one_is_refused(put: Put) -> None:
    folder = put(SOUND)
    with (folder / MODEL).open("ab") as file:
        file.write(b"\0")
    assert "missing, or not the file that was exported" in refusal(folder)
    (folder / MODEL).unlink()
    assert "missing, or not the file that was exported" in refusal(folder)
    (folder / MODEL).mkdir()
    assert "missing, or not the file that was exported" in refusal(folder)
    (folder / MODEL).rmdir()
    (folder / MODEL).symlink_to("x" * 300)
    assert "cannot be read (File name too long)" in refusal(folder)


def test_what_is_no_export_is_refused_without_waiting(put: Put, tmp_path: Path) -> None:
    """A missing folder, a file, an empty folder, and a pipe, which nobody writes to."""
    assert "not an exported model" in refusal(tmp_path / "nowhere")
    (tmp_path / "file").write_text("text")
    assert "not an exported model" in refusal(tmp_path / "file")
    (tmp_path / "empty").mkdir()
    assert "not an exported model" in refusal(tmp_path / "empty")
    folder = put(SOUND)
    (folder / METADATA).unlink()
    os.mkfifo(folder / METADATA)
    assert "not a regular file" in refusal(folder)


@pytest.fixture
def open_network(put: Put, tmp_path: Path) -> Callable[[Any], Any]:
    """Export a network with sound metadata and open it."""

    def opened(network: Any) -> Any:
        network.save(tmp_path / "made.keras")
        folder = put(SOUND, model=(tmp_path / "made.keras").read_bytes())
        return open_exported(read_metadata(folder))

    return opened


def test_the_network_comes_back_with_its_weights(open_network: Callable[[Any], Any]) -> None:
    network = build_network(TINY, PROTOCOL.image_shape)
    images = np.random.default_rng(0).integers(0, 256, (3, *PROTOCOL.image_shape))
    expected = network.predict_on_batch(images.astype(np.float32))
    found = open_network(network).predict_on_batch(images.astype(np.float32))
    assert (found == expected).all()


def test_a_network_of_another_shape_is_refused(open_network: Callable[[Any], Any]) -> None:
    with pytest.raises(ModelError, match=r"takes \(None, 12, 12, 1\) and gives \(None, 1\), but"):
        open_network(build_network(TINY, (12, 12, 1)))
    image = keras.Input(PROTOCOL.image_shape)
    two = keras.Model(image, keras.layers.Dense(2)(keras.layers.Flatten()(image)))
    with pytest.raises(ModelError, match=r"gives \(None, 2\), but"):
        open_network(two)


def test_code_in_a_model_file_is_not_run(
    open_network: Callable[[Any], Any], put: Put, tmp_path: Path
) -> None:
    """A lambda layer, which holds bytecode, makes the file unloadable; so does plain rubbish."""
    mark = tmp_path / "run"
    name = str(mark)
    image = keras.Input(PROTOCOL.image_shape)
    layer = keras.layers.Lambda(lambda x: (open(name, "w").close(), x)[1])  # noqa: PTH123
    network = keras.Model(image, keras.layers.Dense(1)(keras.layers.Flatten()(layer(image))))
    mark.unlink()  # building the layer has run it
    with pytest.raises(ModelError, match="cannot be loaded as a Keras model"):
        open_network(network)
    assert not mark.exists()
    with pytest.raises(ModelError, match="cannot be loaded as a Keras model"):
        open_exported(read_metadata(put(SOUND)))
