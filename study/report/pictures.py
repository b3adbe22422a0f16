"""Pictures inside a page: data URIs, names under them, heat laid over them."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor

from study.report.style import DARK, TRAIN

LARGEST = 128
"""Longest side of a picture of a gallery, pixels; larger ones are reduced."""

HEAT = DARK[TRAIN]
"""Colour of the heat: one hue that stands out on dark and on light greys."""

STRONGEST = 0.55
"""Opacity of the strongest heat, so that the picture stays visible below."""

_LETTERS = 60


def data_uri(image: Image.Image, kind: str, **settings: Any) -> str:
    """Return an image as a data URI; ``kind`` is ``PNG`` or ``JPEG``."""
    file = io.BytesIO()
    image.save(file, kind, **settings)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(file.getvalue()).decode()}"


def short_name(name: str) -> str:
    """Cut the middle out of a long name; what tells files apart is mostly at the end."""
    return name if len(name) <= _LETTERS else f"{name[:20]} ... {name[25 - _LETTERS :]}"


def picture(pixels: NDArray[np.uint8]) -> Image.Image:
    """Return an image of (height, width, channels) with one channel or three, 0 to 255."""
    return _reduced(Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels))


def overlaid(pixels: NDArray[np.uint8], heat: NDArray[np.uint8]) -> Image.Image:
    """Return an image with heat over it: the stronger (height, width), the less transparent."""
    below = picture(pixels).convert("RGBA")
    over = Image.new("RGBA", heat.shape[::-1], ImageColor.getrgb(HEAT))
    over.putalpha(Image.fromarray(np.rint(heat * STRONGEST).astype(np.uint8)))
    return Image.alpha_composite(below, over.resize(below.size)).convert("RGB")


def _reduced(image: Image.Image) -> Image.Image:
    image.thumbnail((LARGEST, LARGEST))
    return image
