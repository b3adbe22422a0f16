"""Decoding of image files: one way for training, audit and prediction."""

from __future__ import annotations

import hashlib
import stat
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from study.errors import SettingsError, UnreadableImage, near_miss
from study.protocol import FITS, RESIZE_FILTERS

IMAGE_SUFFIXES = {
    ".bmp": "BMP",
    ".gif": "GIF",
    ".jpeg": "JPEG",
    ".jpg": "JPEG",
    ".pbm": "PPM",
    ".pgm": "PPM",
    ".png": "PNG",
    ".ppm": "PPM",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".webp": "WEBP",
}
"""Suffixes, in lower case, of the files that count as images, and the format each stands for."""

PIXEL_LIMIT = 50_000_000
"""Most pixels of one image; more is an accident or an attack."""

# Pillow also knows formats that start other programs (EPS) or read other files.
_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")


def file_digest(path: Path) -> str:
    """Return the SHA-256 of the file's bytes, in hexadecimal.

    Raises ``UnreadableImage`` when the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UnreadableImage(path, _cause(error)) from error


@dataclass(frozen=True, kw_only=True)
class DecodedImage:
    """The pixels of an image file, and what the file said of itself."""

    image: Image.Image
    """Upright, 8 bits, mode ``L`` or ``RGB``."""
    format: str
    """As Pillow names it: ``PNG``, ``JPEG``; told from the content."""
    mode: str
    """Pillow's mode of the stored pixels: ``1``, ``L``, ``P``, ``RGBA``, ``I;16``, ``CMYK``."""
    animated: bool
    """Whether more frames follow the one that was taken."""
    depth: int | None = None
    """Bits that values were read as where the file allows more than 8; None for other files."""


def read_image(path: Path, *, channels: int = 1, pixel_limit: int = PIXEL_LIMIT) -> Image.Image:
    """Decode an image file to 8 bits: the image of :func:`decode_image`.

    Raises ``UnreadableImage`` when the file is missing, empty, truncated, damaged, not an image,
    or has more than ``pixel_limit`` pixels.
    """
    return decode_image(path, channels=channels, pixel_limit=pixel_limit).image


def decode_image(path: Path, *, channels: int = 1, pixel_limit: int = PIXEL_LIMIT) -> DecodedImage:
    """Decode an image file to 8 bits, mode ``L`` with one channel or ``RGB`` with three.

    The format is told from the content, not from the suffix. The EXIF orientation is applied, the
    first frame of an animation is taken, transparency is composited on black. Values of more than
    8 bits are read as 8, 12 or 16 bits, the smallest depth that holds the image's largest value,
    because 12-bit scanners store 12 bits in files of 16; floats up to 1 are read as shares.

    Raises ``UnreadableImage`` as :func:`read_image`.
    """
    if channels not in (1, 3):
        raise SettingsError(f"channels: found {channels!r}; allowed: 1, 3")
    _check_file(path)
    # Pillow warns of damage that it then raises for, or that does not touch the pixels.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            # Opened by name, Pillow 13 maps the file and scrambles TIFFs with a turned orientation.
            with path.open("rb") as file, Image.open(file, formats=_FORMATS) as image:
                _check_pixels(path, image, pixel_limit)
                mode = image.mode
                pixels, depth = _convert(image, "L" if channels == 1 else "RGB")
                return DecodedImage(
                    image=pixels,
                    # A JPEG file of several pictures calls itself MPO.
                    format=str(image.format).replace("MPO", "JPEG"),
                    mode=mode,
                    animated=_is_animated(image),
                    depth=depth,
                )
        except UnreadableImage:
            raise
        except Exception as error:  # damaged files make Pillow's decoders raise nearly anything
            raise UnreadableImage(path, _cause(error)) from error


def pixel_digest(image: Image.Image) -> str:
    """Return the SHA-256 of a decoded image's size and pixels, whatever the file's format."""
    return hashlib.sha256(repr(image.size).encode() + image.tobytes()).hexdigest()


def _is_animated(image: Image.Image) -> bool:
    try:
        return bool(getattr(image, "is_animated", False))
    except Exception:  # damage behind the first frame, which has been read
        return True


def _check_file(path: Path) -> None:
    try:
        status = path.stat()
    except OSError as error:
        raise UnreadableImage(path, _cause(error)) from error
    if not stat.S_ISREG(status.st_mode):  # a pipe would block
        raise UnreadableImage(path, "not a regular file")
    if status.st_size == 0:
        raise UnreadableImage(path, "the file is empty")


def _check_pixels(path: Path, image: Image.Image, limit: int) -> None:
    width, height = image.size
    if width * height > limit:
        raise UnreadableImage(
            path, f"too large: {width} x {height} pixels; at most {limit:,} pixels are allowed"
        )


def _cause(error: Exception) -> str:
    text = " ".join(str(error).split())
    if isinstance(error, UnidentifiedImageError):
        return "not an image, damaged, or of an unknown format (BMP, GIF, JPEG, PNG, TIFF, WebP)"
    if isinstance(error, Image.DecompressionBombError):
        return "too large: " + text
    if isinstance(error, OSError) and error.strerror:
        return f"cannot be read ({error.strerror})"
    if any(word in text for word in ("truncated", "Truncated", "incomplete", "not enough data")):
        return "the file is truncated"
    return f"damaged or not supported ({text or type(error).__name__})"


def _convert(image: Image.Image, mode: str) -> tuple[Image.Image, int | None]:
    upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith(("I", "F")):
        levels, depth = _to_eight_bits(np.asarray(upright))
        return Image.fromarray(levels).convert(mode), depth
    if upright.has_transparency_data:
        opaque = upright.convert("RGBA")
        black = Image.new("RGBA", opaque.size, (0, 0, 0, 255))
        return Image.alpha_composite(black, opaque).convert("RGB").convert(mode), None
    if upright.mode not in ("1", "L", "P", "RGB"):
        upright = upright.convert("RGB")
    return upright.convert(mode), None


def _to_eight_bits(values: NDArray[Any]) -> tuple[NDArray[np.uint8], int | None]:
    levels = np.nan_to_num(values.astype(np.float64), posinf=0.0, neginf=0.0).clip(min=0.0)
    highest = float(levels.max())
    if np.issubdtype(values.dtype, np.floating) and highest <= 1.0:
        return np.rint(levels * 255.0).astype(np.uint8), None
    depth = next((bits for bits in (8, 12, 16) if highest < 2.0**bits), None)
    full = highest if depth is None else 2.0**depth - 1
    return np.rint(levels * (255.0 / full)).astype(np.uint8), depth


def fit_image(
    image: Image.Image,
    *,
    width: int,
    height: int,
    resize_filter: str = "bilinear",
    fit: str = "stretch",
) -> NDArray[np.uint8]:
    """Return the pixels of an ``L`` or ``RGB`` image at a new size, (height, width, channels).

    ``stretch`` ignores the aspect ratio, ``pad`` keeps it and adds black borders, ``crop`` keeps
    it and cuts what stands out, both centred. Every filter but ``nearest`` averages over the
    source area when it shrinks. An image that has the size already is returned as it is.

    Raises ``SettingsError`` when the filter or the fit is unknown.
    """
    if resize_filter not in RESIZE_FILTERS:
        raise SettingsError(_unknown("resize filter", resize_filter, RESIZE_FILTERS))
    if fit not in FITS:
        raise SettingsError(_unknown("fit", fit, FITS))
    method = Image.Resampling[resize_filter.upper()]
    if fit == "crop":
        fitted = ImageOps.fit(image, (width, height), method)
    elif fit == "pad":
        fitted = _pad(image, width, height, method)
    else:
        fitted = image.resize((width, height), method)
    pixels = np.asarray(fitted, dtype=np.uint8)
    return pixels.reshape(height, width, -1).copy()


def _pad(image: Image.Image, width: int, height: int, method: Image.Resampling) -> Image.Image:
    scale = min(width / image.width, height / image.height)
    inner = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    canvas = Image.new(image.mode, (width, height))
    canvas.paste(image.resize(inner, method), ((width - inner[0]) // 2, (height - inner[1]) // 2))
    return canvas


def _unknown(what: str, found: str, allowed: tuple[str, ...]) -> str:
    return f"{what}: found {found!r}{near_miss(found, allowed)}; allowed: {', '.join(allowed)}"
