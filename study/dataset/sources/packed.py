"""Packed sources: ``.npz`` files by MedMNIST's convention, an array of images for each part."""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from study.dataset.images import PIXEL_LIMIT, DecodedImage
from study.dataset.sources.source import Listed, Listing, quoted
from study.errors import DataError, UnreadableImage

PACKED_PARTS = {"train": "train", "val": "validation", "test": "test"}
"""Names before ``_images`` and ``_labels``, and the parts that they stand for."""

PACKED_LIMIT = 4 * 2**30
"""Most bytes that one array may take in memory."""

_DAMAGE = (OSError, ValueError, KeyError, EOFError, MemoryError, zipfile.BadZipFile, zlib.error)


def list_packed(path: Path) -> Listing:
    """List the images of an ``.npz`` file: ``train_images``, ``train_labels``, ``val_...``.

    Images are uint8, (n, height, width), or with three channels, (n, height, width, 3); labels
    are whole numbers or texts, (n,) or (n, 1). The parts are given by the file, groups are not.
    Nothing is unpickled.

    Raises ``DataError`` when the file is not like that.
    """
    store = PackedStore(path)
    images: list[Listed] = []
    for name, part in store.parts():
        labels = _labels(path, name, store.array(f"{name}_labels"))
        count = store.shape(f"{name}_images")[:1]
        if count != (len(labels),):
            raise DataError(
                f"{path}: {name}_images holds {count[0] if count else 0} images and {name}_labels "
                f"{len(labels)} labels; each image needs one"
            )
        store.images(name)
        digits = len(str(len(labels)))
        images += [
            Listed(path=f"{name}/{k:0{digits}d}", label=label, group=None, part=part)
            for k, label in enumerate(labels)
        ]
    classes = tuple(sorted({image.label for image in images}))
    return Listing(name=path.stem, root=path, images=tuple(images), classes=classes)


class PackedStore:
    """The images of a packed file, each named ``part/row``."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._arrays: dict[str, NDArray[Any]] = {}
        self._file = self._open()

    def _open(self) -> np.lib.npyio.NpzFile:
        try:
            with zipfile.ZipFile(self._path) as archive:
                large = [i.filename for i in archive.infolist() if i.file_size > PACKED_LIMIT]
            if large:
                raise DataError(
                    f"{self._path}: {large[0]} takes more than {PACKED_LIMIT // 2**30} GiB; pack "
                    "fewer or smaller images"
                )
            found = np.load(self._path, allow_pickle=False)
        except _DAMAGE as error:
            cause = getattr(error, "strerror", None) or "not a file that numpy.savez wrote"
            raise DataError(f"{self._path}: cannot be read ({cause})") from error
        assert isinstance(found, np.lib.npyio.NpzFile)  # it is a zip file
        return found

    def parts(self) -> list[tuple[str, str]]:
        """Return the parts that the file holds, as it names them and as they are called here."""
        keys = set(self._file.files)
        held = [name for name in PACKED_PARTS if {f"{name}_images", f"{name}_labels"} & keys]
        wanted = [f"{name}_{what}" for name in held or ["train"] for what in ("images", "labels")]
        missing = [key for key in wanted if key not in keys]
        if missing:
            found = quoted(sorted(keys)) if keys else "nothing"
            raise DataError(
                f"{self._path}: has no array {quoted(missing)}, found {found}; needed are "
                "train_images and train_labels, and the same for val and test where there are any"
            )
        return [(name, PACKED_PARTS[name]) for name in held]

    def shape(self, key: str) -> tuple[int, ...]:
        """Return the shape that an array says it has, without reading it."""
        try:
            with zipfile.ZipFile(self._path) as archive, archive.open(f"{key}.npy") as file:
                version = np.lib.format.read_magic(file)
                read = {
                    (1, 0): np.lib.format.read_array_header_1_0,
                    (2, 0): np.lib.format.read_array_header_2_0,
                }[version]
                return tuple(read(file)[0])
        except _DAMAGE as error:
            raise DataError(f"{self._path}: {key} cannot be read, it is damaged") from error

    def array(self, key: str) -> NDArray[Any]:
        """Return one array of the file."""
        if key not in self._arrays:
            try:
                self._arrays[key] = self._file[key]
            except _DAMAGE as error:
                cause = "it is damaged"
                if "pickle" in str(error):
                    cause = "it holds Python objects"
                elif isinstance(error, MemoryError):
                    cause = "it is too large for this machine's memory, or damaged"
                raise DataError(
                    f"{self._path}: {key} cannot be read, {cause}; save it as a plain array"
                ) from error
        return self._arrays[key]

    def images(self, name: str) -> NDArray[np.uint8]:
        """Return the images of one part, (n, height, width) or (n, height, width, 3)."""
        pixels = self.array(f"{name}_images")
        flat = pixels.ndim == 3 or (pixels.ndim == 4 and pixels.shape[3] in (1, 3))
        if not flat or pixels.dtype != np.uint8 or 0 in pixels.shape[1:3]:
            raise DataError(
                f"{self._path}: {name}_images is {pixels.dtype} {pixels.shape}; allowed: uint8, "
                "(n, height, width) or (n, height, width, 3)"
            )
        if pixels.shape[1] * pixels.shape[2] > PIXEL_LIMIT:
            raise DataError(
                f"{self._path}: {name}_images holds images of {pixels.shape[2]} x "
                f"{pixels.shape[1]} pixels; at most {PIXEL_LIMIT:,} pixels are allowed"
            )
        return pixels[..., 0] if pixels.ndim == 4 and pixels.shape[3] == 1 else pixels

    def _row(self, path: str) -> NDArray[np.uint8]:
        name, _, row = path.partition("/")
        try:
            return np.asarray(self.images(name)[int(row)])
        except (DataError, ValueError, IndexError) as error:
            raise UnreadableImage(f"{self._path}: {path}", "is not in the file") from error

    def decode(self, path: str, *, channels: int = 1) -> DecodedImage:
        """Return a row of an array as an image."""
        stored = Image.fromarray(np.ascontiguousarray(self._row(path)))
        pixels = stored.convert("L" if channels == 1 else "RGB")
        return DecodedImage(image=pixels, format="NPZ", mode=stored.mode, animated=False)

    def read(self, path: str, *, channels: int = 1) -> Image.Image:
        """Return a row of an array as an image."""
        return self.decode(path, channels=channels).image

    def digest(self, path: str) -> str:
        """Return the SHA-256 of the row's shape and bytes."""
        row = self._row(path)
        return hashlib.sha256(repr(row.shape).encode() + row.tobytes()).hexdigest()

    def file_bytes(self, path: str) -> None:
        """Return None: a row has no file."""


def _labels(path: Path, name: str, labels: NDArray[Any]) -> list[str]:
    single = labels.ndim == 1 or (labels.ndim == 2 and labels.shape[1] == 1)
    if not single or labels.dtype.kind not in "biuU":
        raise DataError(
            f"{path}: {name}_labels is {labels.dtype} {labels.shape}; allowed: one whole number "
            "or text for each image, (n,) or (n, 1)"
        )
    return [str(label) for label in labels.ravel().tolist()]
