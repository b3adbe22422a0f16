"""Groups by content: which images show the same scan, told from their thumbnails."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 32
"""Side of the square thumbnails, pixels."""

THRESHOLDS = (0.95, 0.98, 0.99)
"""Correlations above which two images belong together; the later ones cut chains."""

_BLOCK = 1024
_EDGES_HELD = 2_000_000
# Below this standard deviation, in grey levels, a thumbnail is flat but for noise.
_FLAT = 0.5

_Edges = tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]


_INDEX = np.int32
"""What scipy's graph routines take; not every version converts."""


@dataclass(frozen=True, kw_only=True)
class Grouping:
    """Images grouped by content."""

    group: NDArray[np.intp]
    """Group of every image, (n,), numbered from 0 by first appearance."""
    threshold: float
    """The strictest correlation that was needed."""
    reliable: bool
    """False: the chains could not be cut, so every image is a group of its own."""
    note: str | None
    """One sentence on what the user should know."""


def thumbnail(image: Image.Image) -> NDArray[np.float32]:
    """Return a greyscale (``L``) image as (32, 32), mean 0 and norm 1; all 0 where it is flat.

    The sum of products of two thumbnails is their correlation. Being square, they can be turned
    whatever the aspect ratio of the image.
    """
    small = image.resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    values: NDArray[np.float32] = np.asarray(small, dtype=np.float32)
    values = values - values.mean()
    if values.std() < _FLAT:
        return np.zeros_like(values)
    values /= np.linalg.norm(values)
    return values


def group_by_content(
    thumbnails: NDArray[np.float32], digests: Sequence[str] | None = None
) -> Grouping:
    """Group images whose thumbnails correlate above 0.95, also when flipped or turned by quarters.

    ``thumbnails`` is (n, 32, 32), each as from :func:`thumbnail`. Images with equal ``digests``
    (of their decoded pixels) belong together as well, flat ones only so. Belonging together is
    transitive, hence may chain: a group of more than 20 images and 2 % of all is cut again at
    0.98, then at 0.99; where one remains, grouping is unreliable and given up.

    Time grows with n squared, memory with n: 30,000 images need minutes and less than 1 GB.
    """
    n = len(thumbnails)
    first, second, correlation = _spanning_forest(thumbnails, digests or ())
    limit = max(20.0, 0.02 * n)
    needed = np.full(n, THRESHOLDS[0])
    group = np.zeros(n, dtype=np.intp)
    for stricter in (*THRESHOLDS[1:], None):
        kept = correlation > needed[first]
        group = _components(n, first[kept], second[kept])
        large = np.bincount(group)[group] > limit
        if not large.any():
            threshold = float(needed.max(initial=THRESHOLDS[0]))
            return Grouping(group=group, threshold=threshold, reliable=True, note=None)
        if stricter is not None:
            needed[large] = stricter
    return Grouping(
        group=np.arange(n, dtype=np.intp),
        threshold=THRESHOLDS[-1],
        reliable=False,
        note=(
            f"Grouping by content is unreliable here: {np.bincount(group).max()} of {n} images "
            f"form one group even at a correlation of {THRESHOLDS[-1]}, so every image counts "
            "singly and copies may be on both sides of the split; put the images of each patient "
            "or lesion into a sub-folder of their class folder."
        ),
    )


def straddling(group: Sequence[Any], part: Sequence[str]) -> int:
    """Return how many groups have images in more than one part; both of length n."""
    return len(set(group)) - sum(len(parts) == 1 for parts in _parts_of(group, part).values())


def test_images_with_copies(group: Sequence[Any], part: Sequence[str]) -> int:
    """Return how many images of the test part have a group mate in another part."""
    parts = _parts_of(group, part)
    pairs = zip(group, part, strict=True)
    return sum(here == "test" and len(parts[name]) > 1 for name, here in pairs)


# Its name begins like a test's; pytest must not collect it where it is imported.
test_images_with_copies.__test__ = False  # type: ignore[attr-defined]


def _parts_of(group: Sequence[Any], part: Sequence[str]) -> dict[Any, set[str]]:
    parts: dict[Any, set[str]] = {}
    for name, here in zip(group, part, strict=True):
        parts.setdefault(name, set()).add(here)
    return parts


def _spanning_forest(thumbnails: NDArray[np.float32], digests: Sequence[str]) -> _Edges:
    """Return edges (i, j, correlation) that join at any threshold what all similar pairs join.

    A maximum spanning forest does so with fewer than n edges (single linkage), so that pairs
    need not be kept: thirty thousand look-alikes would be half a billion.
    """
    n = len(thumbnails)
    held = [_copies(digests)]
    for edges in _similar_pairs(thumbnails):
        held.append(edges)
        if sum(len(ends) for ends, _, _ in held) > _EDGES_HELD:
            held = [_thin(n, held)]
    return _thin(n, held)


def _copies(digests: Sequence[str]) -> _Edges:
    seen: dict[str, int] = {}
    pairs = [(seen.setdefault(digest, i), i) for i, digest in enumerate(digests)]
    ends = np.array([pair for pair in pairs if pair[0] < pair[1]], dtype=np.intp).reshape(-1, 2)
    return ends[:, 0], ends[:, 1], np.ones(len(ends))


def _similar_pairs(thumbnails: NDArray[np.float32]) -> Iterator[_Edges]:
    """Yield the pairs i < j above the lowest threshold, a block of the matrix at a time."""
    n = len(thumbnails)
    flat = thumbnails.reshape(n, -1)
    for top in range(0, n, _BLOCK):
        turned = [view.reshape(len(view), -1) for view in _eight_views(thumbnails[top:][:_BLOCK])]
        # The eight moves are a group, so the best of them is symmetric: half the matrix will do.
        for left in range(top, n, _BLOCK):
            others = flat[left : left + _BLOCK].T  # (1024 pixels, images)
            best = turned[0] @ others  # (images, images)
            for view in turned[1:]:
                np.maximum(best, view @ others, out=best)
            rows, columns = np.nonzero(best > THRESHOLDS[0])
            upper = rows + top < columns + left
            rows, columns = rows[upper], columns[upper]
            yield rows + top, columns + left, best[rows, columns].astype(np.float64)


def _eight_views(images: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    turns = [np.rot90(images, k, axes=(1, 2)) for k in range(4)]
    return turns + [turn[:, :, ::-1] for turn in turns]


def _thin(n: int, held: list[_Edges]) -> _Edges:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import minimum_spanning_tree

    first, second, correlation = (np.concatenate(column) for column in zip(*held, strict=True))
    # Sparse matrices add up what is given twice: keep the highest of equal pairs.
    order = np.lexsort((-correlation, second, first))
    first, second, correlation = first[order], second[order], correlation[order]
    new = np.ones(len(first), dtype=bool)
    new[1:] = (first[1:] != first[:-1]) | (second[1:] != second[:-1])
    # A stored 0 would count as no edge; 2 - correlation never is 0.
    ends = (first[new].astype(_INDEX), second[new].astype(_INDEX))
    length = coo_array((2.0 - correlation[new], ends), shape=(n, n))
    tree = minimum_spanning_tree(length.tocsr()).tocoo()
    return tree.row.astype(np.intp), tree.col.astype(np.intp), 2.0 - tree.data


def _components(n: int, first: NDArray[np.intp], second: NDArray[np.intp]) -> NDArray[np.intp]:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    ends = (first.astype(_INDEX), second.astype(_INDEX))
    joined = coo_array((np.ones(len(first)), ends), shape=(n, n))
    _, label = connected_components(joined.tocsr(), directed=False)
    _, appeared, number = np.unique(label, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(appeared)).astype(np.intp)[number]
