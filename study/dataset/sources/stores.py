"""Stores: how the images of a source are read, whether they are files or rows of an array."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from PIL import Image

from study.dataset.images import DecodedImage, decode_image, file_digest
from study.dataset.sources.packed import PackedStore
from study.errors import UnreadableImage


class ImageStore(Protocol):
    """Reads images by the path that a manifest gives them.

    Every method raises ``UnreadableImage`` when there is no such image or it cannot be read.
    """

    def decode(self, path: str, *, channels: int = 1) -> DecodedImage:
        """Return an image in 8 bits with one channel or three, and what its file says of it."""

    def read(self, path: str, *, channels: int = 1) -> Image.Image:
        """Return the image alone."""

    def digest(self, path: str) -> str:
        """Return the SHA-256 of the stored bytes."""

    def file_bytes(self, path: str) -> int | None:
        """Return the size of the image's file, None where it has none of its own."""


class FolderStore:
    """Images that are files below a folder."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def decode(self, path: str, *, channels: int = 1) -> DecodedImage:
        """Decode a file."""
        return decode_image(self._root / path, channels=channels)

    def read(self, path: str, *, channels: int = 1) -> Image.Image:
        """Decode a file."""
        return self.decode(path, channels=channels).image

    def digest(self, path: str) -> str:
        """Return the SHA-256 of a file."""
        return file_digest(self._root / path)

    def file_bytes(self, path: str) -> int | None:
        """Return the size of a file in bytes."""
        try:
            return (self._root / path).stat().st_size
        except OSError as error:
            raise UnreadableImage(self._root / path, str(error.strerror or error)) from error


def open_store(root: Path) -> ImageStore:
    """Return the store of a source's root: a folder, or a packed ``.npz`` file.

    Raises ``DataError`` when a packed file is missing or is none.
    """
    packed = root.suffix.lower() == ".npz" and not root.is_dir()
    return PackedStore(root) if packed else FolderStore(root)
