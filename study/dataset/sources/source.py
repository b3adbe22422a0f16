"""A source: the images of a dataset, and what is known of each before any split."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import astuple, dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from study.dataset.groups import Grouping, group_by_content

_DISEASE = r"malign|cancer|carcinoma|tumou?r|positive|abnormal"
_HEALTH = r"(?<!ab)normal|(?<!un)healthy|benign|negative"
_NEGATED = rf"\b(?:no|non|not|without)(?:[^a-z]*)(?:{_DISEASE})"


@dataclass(frozen=True, kw_only=True)
class Listed:
    """One image that a folder, a table or a packed file names, readable or not."""

    path: str
    """Relative to the source's root, with forward slashes."""
    label: str
    group: str | None
    part: str | None
    """``train``, ``validation``, ``test``, or None where the source gives no parts."""


@dataclass(frozen=True, kw_only=True)
class Listing:
    """What a source names, before any image has been opened."""

    name: str
    root: Path
    """The folder that paths are relative to, or the packed file."""
    images: tuple[Listed, ...]
    classes: tuple[str, ...]
    """Sorted; a class may be without images."""
    groups_from: str | None = None
    """Words for what gives the groups; None where nothing does."""
    ignored_columns: tuple[str, ...] = ()
    synthetic: bool = False


@dataclass(frozen=True, kw_only=True)
class SourceImage:
    """One readable image of a source."""

    path: str
    """Relative to the source's root, with forward slashes."""
    label: str
    group: str | None
    part: str | None
    """``train``, ``validation``, ``test``, or None where the source gives no parts."""
    sha256: str
    """Of the file's bytes, or of the array's where there is no file."""


@dataclass(frozen=True, kw_only=True)
class ImageFacts:
    """What decoding an image once has shown."""

    width: int
    height: int
    format: str
    """As Pillow names it, ``NPZ`` for an image of a packed file."""
    mode: str
    """Pillow's mode of the stored pixels."""
    animated: bool
    """Whether it has more frames than the first, which is used."""
    file_bytes: int | None
    """None where the image has no file of its own."""
    mean_grey: float
    """0 to 255."""
    depth: int | None
    """Bits that the stored values were read as, where they may be more than 8; else None."""
    flat: bool
    """Whether it shows nothing: one grey level, but for noise."""
    pixel_digest: str
    """SHA-256 of size and decoded pixels: equal for exact copies in whatever format."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """A set of readable images in two classes."""

    name: str
    """Lower-case letters, digits and hyphens."""
    root: Path
    """The folder that paths are relative to, or the packed file."""
    images: tuple[SourceImage, ...]
    """Sorted by path."""
    facts: tuple[ImageFacts, ...]
    """Of each image, in the same order."""
    thumbnails: NDArray[np.float32]
    """(n, 32, 32), as from :func:`study.dataset.groups.thumbnail`, in the same order."""
    classes: tuple[str, ...]
    """The two classes, sorted."""
    positive: str
    synthetic: bool
    skipped: tuple[tuple[str, str], ...]
    """Path and reason of every image that cannot be decoded, sorted."""
    groups_from: str | None
    """Words for what gives the groups, such as ``sub-folders``; None where nothing does."""
    ignored_columns: tuple[str, ...] = ()
    """Columns of a table that have no meaning here."""

    @property
    def negative(self) -> str:
        """The class that is not the positive one."""
        return next(name for name in self.classes if name != self.positive)

    @property
    def has_parts(self) -> bool:
        """Whether the source divides the images into train, validation and test."""
        return any(image.part for image in self.images)

    @property
    def digest(self) -> str:
        """SHA-256 over all images' path, class, group, part and content; not over the root."""
        rows = sorted(json.dumps(astuple(image)) for image in self.images)
        return hashlib.sha256("\n".join(rows).encode()).hexdigest()

    @cached_property
    def content(self) -> Grouping:
        """Which images show the same, numbered from 0 by first path in natural order."""
        order = sorted(range(len(self.images)), key=lambda k: natural(self.images[k].path))
        found = group_by_content(
            self.thumbnails[order], [self.facts[k].pixel_digest for k in order]
        )
        group = np.empty_like(found.group)
        group[order] = found.group
        return replace(found, group=group, pairs=np.array(order, dtype=np.intp)[found.pairs])


def natural(path: str) -> tuple[list[int | str], str]:
    """Return a sort key by which ``us2`` comes before ``us10``."""
    words = re.split(r"([0-9]+)", path)
    return [int(word) if k % 2 else word for k, word in enumerate(words)], path


def quoted(names: Iterable[str]) -> str:
    """Return names in quotes for a message, ten at most."""
    every = [repr(name) for name in names]
    return ", ".join(every[:10]) + (f" and {len(every) - 10} more" if len(every) > 10 else "")


def positive_class(classes: tuple[str, ...]) -> str:
    """Return the class that a source calls positive when nobody says.

    The last in sorted order; the first where that one is named after a disease and the last is
    named after its absence (``cancer`` and ``normal``, ``tumour`` and ``no tumour``).
    """
    first, last = sorted(classes)[0], sorted(classes)[-1]
    return first if _is_disease(first) and _is_health(last) else last


def _is_health(name: str) -> bool:
    words = name.lower().replace("_", " ")
    return bool(re.search(_HEALTH, words) or re.search(_NEGATED, words))


def _is_disease(name: str) -> bool:
    return bool(re.search(_DISEASE, name.lower())) and not _is_health(name)
