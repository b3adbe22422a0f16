"""The folder of an exported model, read as what it may be: something from a stranger."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from study.dataset.images import file_digest
from study.dataset.profile import check_profile
from study.errors import ModelError, SettingsError, UnreadableImage, in_a_line
from study.protocol import Protocol

SCHEMA_VERSION = 2
MODEL, METADATA = "model.keras", "metadata.json"

_LARGEST = 2**26
"""Bytes above which ``metadata.json`` is none."""

_DAMAGE = (SettingsError, ValueError, TypeError, KeyError, AttributeError, RecursionError)
"""What fields of any other type or range raise where they are read."""


@dataclass(frozen=True, kw_only=True)
class Metadata:
    """What has to be known of an exported model to use it, checked."""

    folder: Path
    study: str
    positive: str
    negative: str
    threshold: float
    """Probability of the positive class from which an image is called positive, 0 to 1."""
    protocol: Protocol
    """Of its training: how images are decoded and fitted."""
    profile: dict[str, Any] | None
    """What the training images are like, as from ``dataset.profile.image_profile``."""
    document: dict[str, Any]
    """All of ``metadata.json``; no more than the fields above is checked."""


def read_metadata(folder: Path) -> Metadata:
    """Return the metadata of an exported model, after checking them and the network's digest.

    Raises ``ModelError`` when the folder is not an exported model, or was tampered with.
    """
    path = folder / METADATA
    document = _read_document(folder, path)
    if not isinstance(document, dict) or "schema_version" not in document:
        raise _damaged(path, "no 'schema_version'")
    schema = document["schema_version"]
    if type(schema) is not int or schema != SCHEMA_VERSION:
        raise ModelError(
            f"{path}: found schema {_short(schema)}; this version reads {SCHEMA_VERSION}; export "
            "the model again"
        )
    try:
        metadata, digest = _checked(folder, document), document["model_digest"]
    except KeyError as error:
        raise _damaged(path, f"no {_short(error)}") from error
    except _DAMAGE as error:
        told = isinstance(error, SettingsError | ValueError)
        raise _damaged(path, _short(str(error) if told else in_a_line(error))) from error
    _check_digest(folder / MODEL, digest)
    return metadata


def _read_document(folder: Path, path: Path) -> Any:
    try:
        if path.stat().st_size > _LARGEST:
            raise _damaged(path, "it is far too large")
        if not path.is_file():  # a pipe would block
            raise _damaged(path, "not a regular file")
        return json.loads(path.read_bytes())
    except OSError as error:
        raise ModelError(
            f"{folder}: not an exported model: {METADATA}: {error.strerror}; `study export NAME` "
            "makes one"
        ) from error
    except (ValueError, RecursionError) as error:
        raise _damaged(path, "it is not JSON") from error


def _check_digest(model: Path, digest: Any) -> None:
    try:
        same = model.is_file() and file_digest(model) == digest
    except UnreadableImage as error:
        raise ModelError(f"{model}: {error.cause}; make the file readable") from error
    except OSError as error:  # a link to where nobody may look
        raise ModelError(
            f"{model}: cannot be read ({error.strerror}); make the file readable"
        ) from error
    if not same:
        raise ModelError(
            f"{model}: missing, or not the file that was exported; export the model again"
        )


def _checked(folder: Path, document: dict[str, Any]) -> Metadata:
    """Return what is used of the metadata; one of ``_DAMAGE`` says what is wrong with them."""
    names = {key: document[key] for key in ("study", "positive", "negative")}
    for key, value in names.items():
        if not isinstance(value, str):
            raise ValueError(f"{key}: found {value!r}; allowed: a name")
    classes = document["classes"]
    if names["positive"] == names["negative"] or classes != sorted(names[k] for k in _CLASSES):
        raise ValueError(f"classes: found {classes!r}; allowed: the two that have a name")
    threshold = document["threshold"]["value"]
    if not is_probability(threshold):
        raise ValueError(f"threshold: found {threshold!r}; allowed: 0 to 1")
    protocol = Protocol.from_dict(document["protocol"])
    if not all(type(size) is int for size in protocol.image_shape):
        raise ValueError("protocol: the size of the images is not in whole numbers")
    profile = document["training_images"]
    if profile is not None:
        check_profile(profile)
    return Metadata(
        folder=folder,
        **names,
        threshold=float(threshold),
        protocol=protocol,
        profile=profile,
        document=document,
    )


_CLASSES = ("positive", "negative")


def is_probability(value: Any) -> bool:
    """Tell whether a value is a number from 0 to 1."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


def open_network(metadata: Metadata) -> Any:
    """Return the network of an exported model, in safe mode: nothing in its file is executed.

    Raises ``ModelError`` when it cannot be loaded, or does not take the images or give the one
    probability that the metadata speak of.
    """
    from study.model.load import load_network

    path = metadata.folder / MODEL
    network = load_network(path)
    shapes = getattr(network, "input_shape", None), getattr(network, "output_shape", None)
    expected = (None, *metadata.protocol.image_shape), (None, 1)
    if shapes != expected:
        raise ModelError(
            f"{path}: the network takes {_short(shapes[0])} and gives {_short(shapes[1])}, but "
            f"{METADATA} says {expected[0]} and {expected[1]}; export the model again"
        )
    return network


def _damaged(path: Path, cause: str) -> ModelError:
    return ModelError(f"{path}: damaged ({cause}); export the model again")


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else str(value)
    return text if len(text) <= 160 else text[:157] + "..."
