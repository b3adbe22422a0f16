"""Arrays: the images of one part, decoded once and held in memory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from study.dataset.images import fit_image
from study.dataset.manifest import Manifest, ManifestRow, sorted_part
from study.dataset.sources.stores import ImageStore, open_store
from study.errors import DataError, UnreadableImage
from study.protocol import Protocol


@dataclass(frozen=True)
class PartArrays:
    """Images of one part with n images in G groups, in the order of their paths."""

    images: NDArray[np.uint8]
    """(n, height, width, channels), 0 to 255: networks rescale by themselves."""
    labels: NDArray[np.int64]
    """(n,), 1 is the positive class."""
    groups: NDArray[np.int64]
    """(n,), 0 to G - 1, numbered by first appearance within the part."""
    group_names: tuple[str, ...]
    """(G,)"""
    paths: tuple[str, ...]
    """(n,), relative to the root."""


def load_part(
    manifest: Manifest, root: Path, part: str | tuple[str, ...], protocol: Protocol
) -> PartArrays:
    """Decode the images of one part, or of several, at the protocol's size, and no other image.

    ``root`` is that of the source: a folder, or a packed file.

    Raises ``DataError`` when the manifest has no such part, or when a file is missing, cannot be
    decoded, or differs from the one that the manifest was made with.
    """
    rows = sorted_part(manifest, part)
    if not rows:
        name = part if isinstance(part, str) else " or ".join(part)
        raise DataError(f"the split has no {name} part")
    store = open_store(root)
    images = np.empty((len(rows), *protocol.image_shape), dtype=np.uint8)
    for image, row in zip(images, rows, strict=True):
        image[...] = _load(store, root / row.path, row, protocol)
    names = tuple(dict.fromkeys(row.group for row in rows))
    number = {name: k for k, name in enumerate(names)}
    labels = np.array([row.label == manifest.positive for row in rows], dtype=np.int64)
    groups = np.array([number[row.group] for row in rows], dtype=np.int64)
    return PartArrays(
        images=images,
        labels=labels,
        groups=groups,
        group_names=names,
        paths=tuple(row.path for row in rows),
    )


def _load(
    store: ImageStore, place: Path, row: ManifestRow, protocol: Protocol
) -> NDArray[np.uint8]:
    try:
        same = store.digest(row.path) == row.sha256
    except UnreadableImage as error:
        raise DataError(
            f"{place}: the dataset has changed, this image {error.cause}; restore it, or start a "
            "new study"
        ) from error
    if not same:
        raise DataError(
            f"{place}: the dataset has changed, this image is not the one that the split was made "
            "with; restore it, or start a new study"
        )
    return fit_image(
        store.read(row.path, channels=protocol.channels),
        width=protocol.image_width,
        height=protocol.image_height,
        resize_filter=protocol.resize_filter,
        fit=protocol.fit,
    )
