"""Copies: images that are the same, nearly the same, and on which sides of the split they lie."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from study.dataset.groups import near_copies_between
from study.dataset.sources.source import Source

SAMPLE = 15_000
"""Most images on either side of a comparison where there are too many to compare all."""


def exact_copies(source: Source) -> list[list[int]]:
    """Return the places of images with the same pixels, a list for each set, by first path."""
    found: dict[str, list[int]] = defaultdict(list)
    for place, facts in enumerate(source.facts):
        found[facts.pixel_digest].append(place)
    return [places for places in found.values() if len(places) > 1]


def near_copies(source: Source, groups: Sequence[str], parts: Sequence[str]) -> dict[str, Any]:
    """Return what ``Audit.near_copies`` holds, for images in these groups and parts.

    Where all pairs have been compared, sets of near-copies are counted, and how many of them lie
    across groups or parts. Where there are too many images for that, a sample of the test part
    (of validation where there is no test part) is compared with a sample of the rest, each drawn
    evenly.
    """
    content = source.content
    if content.kind == "copies" and content.chained is None and len(set(parts)) > 1:
        return _sampled(source.thumbnails, parts)
    members: dict[int, list[int]] = defaultdict(list)
    for place, number in enumerate(content.group):
        members[int(number)].append(place)
    sets = [places for places in members.values() if len(places) > 1]
    torn = [places for places in sets if _several(places, parts)]
    return {
        "sampled": False,
        "compared": len(source.images),
        "sets": len(sets),
        "images": sum(map(len, sets)),
        "across_groups": sum(_several(places, groups) for places in sets),
        "across_parts": len(torn),
        "test_images": sum(parts[place] == "test" for places in torn for place in places),
    }


def _several(places: Iterable[int], values: Sequence[str]) -> bool:
    return len({values[place] for place in places}) > 1


def _sampled(thumbnails: NDArray[np.float32], parts: Sequence[str]) -> dict[str, Any]:
    held_out = "test" if "test" in parts else "validation"
    own = np.array(parts) == held_out
    few, others = _evenly(np.flatnonzero(own)), _evenly(np.flatnonzero(~own))
    found = near_copies_between(thumbnails[few], thumbnails[others])
    return {
        "sampled": True,
        "compared": len(few) + len(others),
        "held_out": held_out,
        "held_out_compared": len(few),
        "sets": None,
        "images": None,
        "across_groups": None,
        "across_parts": None,
        "test_images": int(found.sum()),
    }


def _evenly(places: NDArray[np.intp]) -> NDArray[np.intp]:
    if len(places) <= SAMPLE:
        return places
    return places[np.linspace(0, len(places) - 1, SAMPLE).round().astype(np.intp)]
