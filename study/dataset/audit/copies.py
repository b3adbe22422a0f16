"""Copies: images that are the same, nearly the same, and on which sides of the split they lie."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from study.dataset.groups import near_copies_between
from study.dataset.sources.source import Source

HELD_OUT = {"test": ("train", "validation"), "validation": ("train",)}
"""Parts that figures are measured on, and those that must not hold copies of their images."""

SAMPLE = 15_000
"""Most images on either side of a comparison where there are too many to compare all."""


def exact_copies(source: Source) -> list[list[int]]:
    """Return the places of images with the same pixels, a list for each set, by first path.

    Flat images are left out: they show nothing that could be the same.
    """
    found: dict[str, list[int]] = defaultdict(list)
    for place, facts in enumerate(source.facts):
        if not facts.flat:
            found[facts.pixel_digest].append(place)
    return [places for places in found.values() if len(places) > 1]


def near_copies(source: Source, groups: Sequence[str], parts: Sequence[str]) -> dict[str, Any]:
    """Return what ``Audit.near_copies`` holds, for images in these groups and parts.

    Near-copies are pairs of thumbnails that correlate above the lowest threshold, whatever became
    of them in grouping. Where there are too many images to compare all, a sample of each held-out
    part is compared with a sample of training, each drawn evenly.
    """
    content, count = source.content, len(source.images)
    searched = content.kind == "content" or content.chained is not None
    joined = len(np.unique(content.pairs)) if searched else None
    pairs = content.pairs.tolist()
    torn = not searched or any(parts[i] != parts[j] for i, j in pairs)
    found: dict[str, Any] = {
        "sampled": not searched,
        "threshold": content.threshold,
        "chained": content.chained,
        "images": joined,
        "across_groups": sum(groups[i] != groups[j] for i, j in pairs) if searched else None,
        **{f"{part}_images": 0 for part in HELD_OUT},
        **{f"{part}_compared": parts.count(part) for part in HELD_OUT},
        "others_compared": count - parts.count("test"),
    }
    if torn:
        part, most = np.array(parts), count if searched else SAMPLE
        for held_out, others in HELD_OUT.items():
            own = _evenly(np.flatnonzero(part == held_out), most)
            rest = _evenly(np.flatnonzero(np.isin(part, others)), most)
            copied = near_copies_between(source.thumbnails[own], source.thumbnails[rest])
            found[f"{held_out}_images"] = int(copied.sum())
            found[f"{held_out}_compared"] = len(own)
            if held_out == "test" or not (part == "test").any():
                found["others_compared"] = len(rest)
    return found


def in_words(near: Mapping[str, Any], images: int) -> str:
    """Return what is known of near-copies, in one or two sentences."""
    part = next((part for part in HELD_OUT if near[f"{part}_compared"]), None)
    tested = (
        f"{near[f'{part}_images']:,} of {near[f'{part}_compared']:,} {part} images" if part else ""
    )
    others = " and ".join(
        "training" if name == "train" else name for name in HELD_OUT[part or "test"]
    )
    if near["sampled"]:
        told = (
            f" On a sample, {tested} have a near-copy among {near['others_compared']:,} {others} "
        )
        return "There are too many images to compare all." + (f"{told}images." if part else "")
    known = f"Of {images:,} images compared, {near['images']:,} have a near-copy"
    if near["chained"] is not None:
        known += (
            ", so many that they chain into one group: what is alike here need not be the same scan"
        )
    return (
        f"{known}; {tested} have one in {others.replace(' and ', ' or ')}." if part else f"{known}."
    )


def _evenly(places: NDArray[np.intp], most: int) -> NDArray[np.intp]:
    if len(places) <= most:
        return places
    return places[np.linspace(0, len(places) - 1, most).round().astype(np.intp)]
