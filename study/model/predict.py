"""Predictions of an exported model: images are decoded and fitted as in training."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from study.dataset.images import PIXEL_LIMIT, decode_image, fit_image, read_image
from study.dataset.profile import appearance, unlike
from study.dataset.sources.folders import list_folder
from study.errors import DataError, ModelError, SettingsError, UnreadableImage, in_a_line
from study.model.exported import MODEL, Metadata, open_network

BATCH = 64
"""Most images that are held and classified at once."""

_MOST_VALUES = 2**24
"""Most pixel values of a batch; large images come in shorter ones."""

_GREY_MODES = ("1", "L", "LA", "I", "I;16", "I;16B", "I;16L", "F")
"""Pillow's modes without colour: no second look at the file is needed."""


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What a model says of one image; ``error`` alone where the image cannot be read."""

    path: str
    label: str | None = None
    """The class that the image is called."""
    probability: float | None = None
    """Of the positive class."""
    warning: str = ""
    """In what the image is unlike the training images; empty where it is like them."""
    error: str | None = None


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """An image as a network takes it, or why there is none."""

    path: str
    pixels: NDArray[np.uint8] | None = None
    """(height, width, channels), grey levels 0..255."""
    warning: str = ""
    error: str | None = None


def predict_files(
    metadata: Metadata,
    paths: Iterable[Path],
    *,
    threshold: float | None = None,
    network: Any = None,
) -> Iterator[Prediction]:
    """Classify image files, and all that lie below folders, in order.

    Arguments, order and errors are those of :func:`prepare_files` and :func:`classify`.
    """
    prepared = prepare_files(metadata, paths)
    return classify(metadata, prepared, threshold=threshold, network=network)


def classify(
    metadata: Metadata,
    images: Iterable[Prepared],
    *,
    threshold: float | None = None,
    network: Any = None,
) -> Iterator[Prediction]:
    """Classify images in order, at most ``BATCH`` at a time; what has an ``error`` is passed on.

    ``threshold`` replaces that of the metadata. ``network`` is as from ``open_network``; without
    one it is opened at the first image.

    Raises ``ModelError`` as ``open_network`` does, and when the network gives no probabilities.
    """
    level = metadata.threshold if threshold is None else threshold
    size = min(BATCH, max(1, _MOST_VALUES // int(np.prod(metadata.protocol.image_shape))))
    waiting = iter(images)
    while batch := list(islice(waiting, size)):
        pixels = [item.pixels for item in batch if item.pixels is not None]
        if pixels and network is None:
            network = open_network(metadata)
        chances = iter(_probabilities(metadata, network, np.stack(pixels)) if pixels else ())
        for item in batch:
            if item.pixels is None:
                yield Prediction(path=item.path, error=item.error)
                continue
            chance = next(chances)
            yield Prediction(
                path=item.path,
                label=metadata.positive if chance >= level else metadata.negative,
                probability=chance,
                warning=item.warning,
            )


def _probabilities(metadata: Metadata, network: Any, images: NDArray[np.uint8]) -> list[float]:
    """Return the probability of the positive class of images (n, height, width, channels)."""
    path = metadata.folder / MODEL
    try:
        found = np.asarray(network.predict_on_batch(images.astype(np.float32)), np.float64)
    except Exception as error:  # a network from elsewhere may fail in any way
        raise ModelError(f"{path}: the network fails ({in_a_line(error)})") from error
    if found.shape != (len(images), 1) or not ((found >= 0) & (found <= 1)).all():
        raise ModelError(
            f"{path}: the network's output is not a probability for each image; export the model "
            "again"
        )
    return [float(value) for value in found[:, 0]]


def prepare_files(metadata: Metadata, paths: Iterable[Path]) -> Iterator[Prepared]:
    """Decode image files, and all that lie below folders, and fit them as in training, in order.

    Files below a folder come sorted; they are told by their suffix as in training, and hidden ones
    are left out. A file or folder that cannot be read, or a folder without image files, gives an
    item with ``error``, and the rest go on.
    """
    for path in paths:
        try:
            if not path.is_dir():
                yield _prepare_file(metadata, path)
                continue
        except (OSError, ValueError) as error:  # too long for a name, or not a name at all
            yield Prepared(path=str(path), error=f"cannot be read ({_reason(error)})")
            continue
        files, unreadable = _below(path)
        yield from unreadable
        if not files and not unreadable:
            yield Prepared(path=str(path), error="no image files in this folder")
        yield from (_prepare_file(metadata, file) for file in files)


def _below(folder: Path) -> tuple[list[Path], list[Prepared]]:
    """Return the image files below a folder, sorted, and the folders that cannot be read."""
    found: list[Path] = []
    unreadable: list[Prepared] = []
    waiting, entered = [folder], set()
    while waiting:
        place = waiting.pop()
        try:
            status = place.stat()
            # Symbolic links may lead in circles, or to what is above the folder.
            above = place != folder and folder.resolve().is_relative_to(place.resolve())
            if above or (status.st_dev, status.st_ino) in entered:
                continue
            entered.add((status.st_dev, status.st_ino))
            folders, files = list_folder(place)
        except (OSError, DataError) as error:
            reason = _reason(error).removeprefix(f"{place}: ")
            unreadable.append(Prepared(path=str(place), error=reason))
            continue
        found += files
        waiting += folders
    return sorted(found), unreadable


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def _prepare_file(metadata: Metadata, path: Path) -> Prepared:
    channels = metadata.protocol.channels
    try:
        decoded = decode_image(path, channels=channels)
        # What the network sees is decoded as in training; whether there is colour is seen apart.
        grey = channels == 1 and decoded.mode not in _GREY_MODES
        shown = read_image(path, channels=3) if grey else decoded.image
    except UnreadableImage as error:
        return Prepared(path=str(path), error=error.cause)
    return _prepare(metadata, str(path), decoded.image, shown)


def prepare_array(metadata: Metadata, name: str, values: NDArray[Any]) -> Prepared:
    """Fit an image given as grey levels as in training: as if it had been stored in 8 bits.

    ``values`` is (height, width), (height, width, 1) or (height, width, 3), whole numbers or
    floats from 0 to 255, of any size; floats are rounded.

    Raises ``SettingsError`` for anything else, and for floats up to 1, which are shares.
    """
    image = _to_image(values)
    fitting = image.convert("L" if metadata.protocol.channels == 1 else "RGB")
    return _prepare(metadata, name, fitting, image)


def _to_image(values: NDArray[Any]) -> Image.Image:
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[..., 0]
    flat = values.ndim == 2 or (values.ndim == 3 and values.shape[2] == 3)
    if not flat or not values.size or values.dtype.kind not in "uif":
        raise SettingsError(
            f"images: found one of {values.dtype} {values.shape}; allowed: numbers, "
            "(height, width), (height, width, 1) or (height, width, 3)"
        )
    if values.shape[0] * values.shape[1] > PIXEL_LIMIT:
        raise SettingsError(
            f"images: found one of {values.shape[1]} x {values.shape[0]} pixels; at most "
            f"{PIXEL_LIMIT:,} pixels are allowed"
        )
    low, high = float(values.min()), float(values.max())
    if not (low >= 0 and high <= 255):
        raise SettingsError(
            f"images: found values from {low:g} to {high:g}; allowed: grey levels from 0 to 255"
        )
    if values.dtype.kind == "f" and 0 < high <= 1:
        raise SettingsError(
            f"images: found floats up to {high:g}; allowed: grey levels from 0 to 255; multiply "
            "shares by 255"
        )
    return Image.fromarray(np.ascontiguousarray(np.rint(values).astype(np.uint8)))


def _prepare(metadata: Metadata, name: str, image: Image.Image, shown: Image.Image) -> Prepared:
    protocol = metadata.protocol
    return Prepared(
        path=name,
        pixels=fit_image(
            image,
            width=protocol.image_width,
            height=protocol.image_height,
            resize_filter=protocol.resize_filter,
            fit=protocol.fit,
        ),
        warning="; ".join(unlike(metadata.profile, appearance(shown))),
    )
