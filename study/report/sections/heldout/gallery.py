"""Galleries of images: the misclassified with what the network looked at, samples of the data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from study import metrics
from study.errors import DataError
from study.report import words
from study.report.markup import Markup, element, join
from study.report.pictures import LARGEST, data_uri, overlaid, picture, short_name
from study.report.section import hidden
from study.report.stored import read_arrays

MOST = 24
"""Most pictures of a gallery."""

LEFT_OUT = "Pictures are left out on request."

CAVEAT = (
    "The heat (Grad-CAM) shows where the network's last convolution reacted in favour of the class "
    "that it called, at that layer's coarse resolution; it does not show why. Heat outside of the "
    "lesion hints at a shortcut: something in the picture that goes with the class but is not the "
    "disease."
)

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """One image that the network called wrongly."""

    path: str
    group: str
    label: int
    """1 is the positive class."""
    probability: float
    """Of the positive class."""
    image: Pixels
    """(height, width, channels)"""
    heat: Pixels
    """(height, width), 0 to 255."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One image of the training part, as it is and as the network meets it."""

    path: str
    group: str
    label: str
    image: Pixels
    """(height, width, channels)"""
    augmented: Pixels
    """(variants, height, width, channels)"""


def read_mistakes(path: Path, retest: dict[str, Any]) -> list[Mistake]:
    """Return the misclassified images that the run stored, in the order in which to show them.

    Raises ``DataError`` when the file is missing, damaged, or of another retest.
    """
    names = ("path", "group", "label", "probability", "image", "heat")
    found = read_arrays(path, (*names, "misclassified", "images"))
    _check_rows(path, found, names)
    image, heat = found["image"], found["heat"]
    _check_pictures(path, image)
    if heat.dtype != np.uint8 or heat.shape != image.shape[:3]:
        raise DataError(f"{path.name} cannot be used: its heat does not fit its images")
    label, probability = _binary(path, found["label"]), found["probability"]
    if probability.dtype.kind != "f" or not ((probability >= 0) & (probability <= 1)).all():
        raise DataError(f"{path.name} cannot be used: a probability is not between 0 and 1")
    if ((probability >= metrics.THRESHOLD) == (label == 1)).any():
        raise DataError(f"{path.name} cannot be used: an image in it is called rightly")
    confusion = retest.get("confusion") or {}
    expected = (retest.get("images"), confusion.get("fn", 0) + confusion.get("fp", 0))
    if (_scalar(found["images"]), _scalar(found["misclassified"])) != expected:
        raise DataError(f"{path.name} is of another retest")
    return [
        Mistake(
            path=str(found["path"][k]),
            group=str(found["group"][k]),
            label=int(label[k]),
            probability=float(probability[k]),
            image=image[k],
            heat=heat[k],
        )
        for k in range(len(label))
    ]


def read_samples(path: Path, dataset: dict[str, Any]) -> list[Sample]:
    """Return the stored sample images before and after augmentation, by class.

    Raises ``DataError`` when the file is missing or damaged.
    """
    names = ("label", "path", "group", "image", "augmented")
    found = read_arrays(path, names)
    _check_rows(path, found, names)
    image, augmented = found["image"], found["augmented"]
    _check_pictures(path, image)
    if (
        augmented.dtype != np.uint8
        or augmented.ndim != 5
        or (augmented.shape[0], *augmented.shape[2:]) != image.shape
    ):
        raise DataError(f"{path.name} cannot be used: its augmented images do not fit")
    labels = found["label"]
    if labels.dtype.kind != "U":
        classes = [str(dataset.get(key)) for key in ("negative", "positive")]
        labels = np.array(classes)[_binary(path, labels)]
    samples = [
        Sample(
            path=str(found["path"][k]),
            group=str(found["group"][k]),
            label=str(labels[k]),
            image=image[k],
            augmented=augmented[k],
        )
        for k in range(len(labels))
    ]
    return sorted(samples, key=lambda one: one.label)


def _check_rows(path: Path, found: dict[str, NDArray[Any]], names: Sequence[str]) -> None:
    if any(found[name].ndim == 0 for name in names):
        raise DataError(f"{path.name} cannot be used: a column of it is a single value")
    if len({len(found[name]) for name in names}) != 1:
        raise DataError(f"{path.name} cannot be used: its columns differ in length")
    flat = [name for name in names if name in ("path", "group", "label", "probability")]
    if any(found[name].ndim != 1 for name in flat):
        raise DataError(f"{path.name} cannot be used: a column of it is a table")


def _check_pictures(path: Path, image: NDArray[Any]) -> None:
    if image.dtype != np.uint8 or image.ndim != 4 or image.shape[3] not in (1, 3):
        raise DataError(f"{path.name} cannot be used: its images are not grey or RGB")
    if 0 in image.shape[1:]:
        raise DataError(f"{path.name} cannot be used: its images have no pixels")


def _binary(path: Path, label: NDArray[Any]) -> NDArray[np.int64]:
    if label.dtype.kind not in "biu" or not set(np.unique(label).tolist()) <= {0, 1}:
        raise DataError(f"{path.name} cannot be used: a label is neither 0 nor 1")
    return label.astype(np.int64)


def _scalar(value: NDArray[Any]) -> int | None:
    return int(value) if value.ndim == 0 and value.dtype.kind in "iu" else None


def mistakes_html(
    path: Path, retest: dict[str, Any], dataset: dict[str, Any], *, images: bool
) -> Markup:
    """Return the gallery of misclassified images, or why there is none."""
    confusion = retest.get("confusion") or {}
    wrong = int(confusion.get("fn") or 0) + int(confusion.get("fp") or 0)
    if confusion and not wrong:
        return hidden("No test image was called wrongly.")
    if not images:
        return hidden(LEFT_OUT)
    try:
        mistakes = read_mistakes(path, retest)
    except DataError as error:
        said = [str(line) for line in retest.get("warnings") or []]
        return hidden(" ".join([f"No pictures: {error}.", *said]))
    if not mistakes:
        return hidden(f"No pictures: {path.name} holds none.")
    shown = _of_many_groups(mistakes, MOST // 2)  # two pictures each
    extent = f"{len(shown)} of " if len(shown) < wrong else ""
    told = (
        f"{extent}{words.plural(wrong, 'misclassified image')}, each plain and with the heat over "
        "it: the more orange, the stronger the reaction. Missed ones come first, and among them "
        "those of which the network was surest."
    )
    if len(shown) < len(mistakes):
        told += " Every group has one here before any has a second."
    return join(
        element("p", told, _reduced(shown[0].image)),
        element("p", CAVEAT, class_="aside"),
        element("ul", *(_mistake(one, dataset) for one in shown), class_="gallery"),
    )


def _of_many_groups(mistakes: Sequence[Mistake], most: int) -> list[Mistake]:
    """Return at most that many in their order: the first of every group before any second."""
    seen: dict[str, int] = {}
    turns = []
    for one in mistakes:
        seen[one.group] = seen.get(one.group, 0) + 1
        turns.append(seen[one.group])
    kept = sorted(range(len(mistakes)), key=lambda place: turns[place])[:most]
    return [mistakes[place] for place in sorted(kept)]


def _near_threshold(probability: float) -> str:
    """Write a probability with as many digits as tell it from the threshold."""
    digits = 3 if f"{probability:.3f}" != f"{metrics.THRESHOLD:.3f}" else 4
    return f"{probability:.{digits}f}"


def _mistake(one: Mistake, dataset: dict[str, Any]) -> Markup:
    positive, negative = (str(dataset.get(key)) for key in ("positive", "negative"))
    truth, called = (positive, negative) if one.label else (negative, positive)
    reaction = None if one.heat.any() else element("span", "no reaction anywhere", class_="path")
    return element(
        "li",
        element(
            "figure",
            element(
                "div",
                _img(picture(one.image), f"{one.path}, plain"),
                _img(overlaid(one.image, one.heat), f"{one.path}, with the heat over it"),
                class_="views",
            ),
            element(
                "figcaption",
                element("span", f"{truth}, called {called}", class_="strong"),
                element("span", f"probability of {positive}: {_near_threshold(one.probability)}"),
                element("span", _group(one.group)),
                reaction,
                element("span", short_name(one.path), class_="path", title=one.path),
            ),
        ),
    )


def samples_html(path: Path, dataset: dict[str, Any], *, images: bool) -> Markup:
    """Return sample images of each class before and after augmentation, or why there are none."""
    if not images:
        return hidden(LEFT_OUT)
    try:
        samples = read_samples(path, dataset)
    except DataError as error:
        return hidden(f"No sample images: {error}.")
    shown = _some_of_each(samples)
    if not shown:
        return hidden(f"No sample images: {path.name} holds none.")
    told = (
        "Each image as the network meets it: first as it is, then as training draws it anew "
        "every time, turned, shifted, sheared, zoomed and flipped at random as the protocol has it."
    )
    return join(
        element("p", told, _reduced(shown[0].image)),
        element("ul", *(_sample(one) for one in shown), class_="gallery samples"),
    )


def _some_of_each(samples: Sequence[Sample]) -> list[Sample]:
    """Return as many samples of every class as a gallery has room for, at least one."""
    names = list(dict.fromkeys(one.label for one in samples))
    if not names:
        return []
    each = max(1, MOST // (1 + len(samples[0].augmented)) // len(names))
    return [one for name in names for one in [s for s in samples if s.label == name][:each]]


def _sample(one: Sample) -> Markup:
    views = [("as it is", one.image)]
    views += [(f"augmented, {k}", pixels) for k, pixels in enumerate(one.augmented, 1)]
    return element(
        "li",
        element(
            "figure",
            element(
                "div",
                *(
                    _img(picture(pixels), f"{one.label}, {one.path}, {name}")
                    for name, pixels in views
                ),
                class_="views",
            ),
            element(
                "figcaption",
                element("span", one.label, class_="strong"),
                element("span", _group(one.group)),
                element("span", short_name(one.path), class_="path", title=one.path),
            ),
        ),
    )


def _group(name: str) -> str:
    short = short_name(name)
    return short if name.lower().startswith("group") else f"group {short}"


def _reduced(image: Pixels) -> str | None:
    if max(image.shape[:2]) <= LARGEST:
        return None
    return f" Reduced to {LARGEST} pixels; the network sees more."


def _img(image: Image.Image, alt: str) -> Markup:
    width, height = image.size
    uri = data_uri(image, "PNG", optimize=True)
    return element("img", src=uri, alt=alt, width=width, height=height)
