"""What training images are like in size, colour and grey levels, and which images are unlike."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageChops, ImageStat

from study.dataset.manifest import Manifest, sorted_part
from study.dataset.sources.stores import open_store
from study.errors import DataError

QUANTILES = (0.0, 0.01, 0.05, 0.5, 0.95, 0.99, 1.0)
"""Which quantiles of each measure a profile holds."""

NEARLY_CONSTANT = 2.0
"""Standard deviation of grey levels below which an image shows nothing."""

COLOURED = 4.0
"""Mean difference between the highest and the lowest of red, green and blue, from which an image
counts as coloured: grey levels that were stored as JPEG in colour reach about 1."""

SHARE = 0.5
"""How far beyond the range of the training images is still alike, as a share of the distance from
the 5th to the 95th percentile."""

FEW = 3.0
"""With G groups every tolerance grows by the factor 1 + FEW / G: few groups show little of a range.
Of whole lesions left out, phantom and real ultrasound, this and ``SHARE`` warn of at most 2.3 % of
the images where 10 lesions are kept, and of at most 0.5 % where 24 or more are."""


@dataclass(frozen=True, kw_only=True)
class Appearance:
    """What can be seen of one image without knowing what it shows."""

    width: int
    """Pixels, as stored."""
    height: int
    mean_grey: float
    """0 to 255."""
    grey_deviation: float
    """Standard deviation of the grey levels, 0 to 127.5."""
    coloured: bool

    @property
    def aspect_ratio(self) -> float:
        """Width over height."""
        return self.width / self.height


@dataclass(frozen=True, kw_only=True)
class _Measure:
    """How one measure is compared and written."""

    words: str
    unit: str = ""
    digits: int = 0
    least: float
    """The smallest tolerance, after ``scale``."""
    low: float
    """The lowest and the highest value that can be."""
    high: float
    scale: Callable[[float], float] = float

    def write(self, value: float) -> str:
        return f"{value:,.{self.digits}f}"


def _side(words: str) -> _Measure:
    return _Measure(
        words=words, unit=" px", digits=0, least=math.log(3 / 2), low=1, high=1e8, scale=math.log
    )


_MEASURES = {
    "width": _side("width"),
    "height": _side("height"),
    "aspect_ratio": _Measure(
        words="width / height", digits=2, least=math.log(4 / 3), low=1e-8, high=1e8, scale=math.log
    ),
    "mean_grey": _Measure(words="mean grey level", least=10.0, low=0, high=255),
    "grey_deviation": _Measure(
        words="standard deviation of grey levels", least=5.0, low=0, high=128
    ),
}


def appearance(image: Image.Image) -> Appearance:
    """Return what is seen of a decoded image, mode ``L`` or ``RGB``, at its full size."""
    grey = ImageStat.Stat(image.convert("L"))
    return Appearance(
        width=image.width,
        height=image.height,
        mean_grey=grey.mean[0],
        grey_deviation=grey.stddev[0],
        coloured=image.mode == "RGB" and _chroma(image) >= COLOURED,
    )


def _chroma(image: Image.Image) -> float:
    red, green, blue = image.split()
    highest = ImageChops.lighter(ImageChops.lighter(red, green), blue)
    lowest = ImageChops.darker(ImageChops.darker(red, green), blue)
    return float(ImageStat.Stat(ImageChops.difference(highest, lowest)).mean[0])


def image_profile(
    manifest: Manifest, root: Path, *, parts: Sequence[str] = ("train", "validation")
) -> dict[str, Any]:
    """Return what the images of some parts are like, as JSON values, from decoding each once.

    ``parts``, ``images`` and ``groups`` (counts), ``coloured`` (how many are), ``modes`` (Pillow's
    mode of the stored pixels to images), ``quantiles_at`` and, at these, the quantiles of
    ``width`` and ``height`` (pixels), ``aspect_ratio`` (width over height), ``mean_grey`` (0..255)
    and ``grey_deviation`` (the standard deviation of an image's grey levels). ``root`` is that of
    the source: a folder, or a packed file.

    Raises ``DataError`` when the parts are empty, or an image has changed or cannot be decoded.
    """
    rows = sorted_part(manifest, tuple(parts))
    if not rows:
        raise DataError(f"the split has no {' or '.join(parts)} part")
    store, seen, modes = open_store(root), [], Counter[str]()
    for row in rows:
        if store.digest(row.path) != row.sha256:
            raise DataError(
                f"{root / row.path}: the dataset has changed, this image is not the one that the "
                "split was made with; restore it, or start a new study"
            )
        decoded = store.decode(row.path, channels=3)
        seen.append(appearance(decoded.image))
        modes[decoded.mode] += 1
    return {
        "parts": list(parts),
        "images": len(rows),
        "groups": len({row.group for row in rows}),
        "coloured": sum(item.coloured for item in seen),
        "modes": dict(modes.most_common()),
        "quantiles_at": list(QUANTILES),
        **{name: _quantiles([getattr(item, name) for item in seen]) for name in _MEASURES},
    }


def _quantiles(values: Sequence[float]) -> list[float]:
    return [float(f"{value:.6g}") for value in np.quantile(values, QUANTILES)]


def check_profile(profile: Any) -> None:
    """Raise ``ValueError``, which names the field, unless it is like ``image_profile``'s."""
    if not isinstance(profile, dict):
        raise ValueError("training_images is no table")
    for name, least in (("images", 1), ("groups", 1), ("coloured", 0)):
        value = profile.get(name)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= 10**12:
            raise ValueError(f"training_images, {name}: no count")
    for name, measure in _MEASURES.items():
        values = profile.get(name)
        if (
            not isinstance(values, list)
            or len(values) != len(QUANTILES)
            or not all(_between(value, measure.low, measure.high) for value in values)
            or values != sorted(values)
        ):
            raise ValueError(f"training_images, {name}: not {len(QUANTILES)} quantiles")


def _between(value: Any, low: float, high: float) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and low <= value <= high


def unlike(profile: Mapping[str, Any] | None, seen: Appearance) -> list[str]:
    """Return in what an image is unlike the training images; nothing where it is like them.

    Each is a few words with the image's value and the training images' range. What counts is a
    distance from that range which images of the same kind rarely have. ``profile`` is as from
    ``image_profile``; without one only nearly constant images are told.
    """
    blank = seen.grey_deviation < NEARLY_CONSTANT
    found = []
    if blank:
        found.append(f"nearly one grey level (standard deviation {seen.grey_deviation:.1f})")
    if profile is None:
        return found
    for name, measure in _MEASURES.items():
        if not (blank and name == "grey_deviation"):
            found += _outside(measure, getattr(seen, name), profile[name], profile["groups"])
    if seen.coloured and profile["coloured"] == 0:
        found.append("in colour, training images are grey")
    if not seen.coloured and profile["coloured"] == profile["images"]:
        found.append("grey, training images are in colour")
    return found


def _outside(measure: _Measure, value: float, quantiles: Sequence[float], groups: int) -> list[str]:
    lowest, low, high, highest = (
        measure.scale(quantiles[QUANTILES.index(at)]) for at in (0.0, 0.05, 0.95, 1.0)
    )
    tolerance = max(measure.least, SHARE * (high - low)) * (1 + FEW / groups)
    if lowest - tolerance <= measure.scale(value) <= highest + tolerance:
        return []
    ends = dict.fromkeys(measure.write(value) for value in (quantiles[0], quantiles[-1]))
    return [
        f"{measure.words} {measure.write(value)}{measure.unit}, training images "
        f"{' to '.join(ends)}{measure.unit}"
    ]
