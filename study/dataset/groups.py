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

MOST_COMPARED = 30_000
"""Images above which near-copies are not searched among all pairs."""

_BLOCK = 1024
_EDGES_HELD = 2_000_000
# Below this standard deviation, in grey levels, a thumbnail is flat but for noise.
_FLAT = 0.5

_Edges = tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]


_INDEX = np.int32
"""What scipy's graph routines take; not every version converts."""


@dataclass(frozen=True, kw_only=True)
class Grouping:
    """Images grouped by content.

    Where near-copies chain into groups that cannot be cut, or were not searched because there
    are too many images, only exact copies are together.
    """

    group: NDArray[np.intp]
    """Group of every image, (n,), numbered from 0 by first appearance."""
    threshold: float | None
    """The strictest correlation that was needed; None where near-copies are not together."""
    chained: int | None
    """Images in the greatest group that could not be cut; None where there was none."""
    pairs: NDArray[np.intp]
    """(e, 2), pairs of near-copies at the lowest correlation, whatever was cut or given up: fewer
    than n, but enough to join all that all such pairs join. Only exact copies where near-copies
    were not searched."""

    @property
    def kind(self) -> str:
        """``content``: near-copies are together; ``copies``: only exact ones."""
        return "copies" if self.threshold is None else "content"


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
    transitive, hence may chain: a group of more than 20 different images and 2 % of all is cut
    again at 0.98, then at 0.99; where one remains, near-copies are given up. Above
    ``MOST_COMPARED`` images only exact copies are joined.

    Time grows with n squared, memory with n: 30,000 images need minutes and less than 1 GB.
    """
    n = len(thumbnails)
    exact = _copies(digests or ())
    if n > MOST_COMPARED:
        group = _components(n, *exact[:2])
        return Grouping(group=group, threshold=None, chained=None, pairs=_columns(exact))
    first, second, correlation = _spanning_forest(thumbnails, exact)
    pairs = np.column_stack([first, second])
    limit = max(20.0, 0.02 * n)
    # Exact copies chain nothing: each content counts once.
    weight = np.ones(n)
    weight[exact[1]] = 0.0
    needed = np.full(n, THRESHOLDS[0])
    group = np.zeros(n, dtype=np.intp)
    for stricter in (*THRESHOLDS[1:], None):
        kept = correlation > needed[first]
        group = _components(n, first[kept], second[kept])
        size = np.bincount(group, weights=weight)
        large = size[group] > limit
        if not large.any():
            threshold = float(needed.max(initial=THRESHOLDS[0]))
            return Grouping(group=group, threshold=threshold, chained=None, pairs=pairs)
        if stricter is not None:
            needed[large] = stricter
    alone = _components(n, *exact[:2])
    return Grouping(group=alone, threshold=None, chained=int(size.max()), pairs=pairs)


def near_copies_between(
    first: NDArray[np.float32], second: NDArray[np.float32]
) -> NDArray[np.bool_]:
    """Return for each of the ``first`` thumbnails whether one of the ``second`` is a near-copy.

    (n, 32, 32) and (m, 32, 32) give (n,): correlation above 0.95, also when flipped or turned.
    """
    flat = second.reshape(len(second), SIDE * SIDE)
    found = np.zeros(len(first), dtype=bool)
    for top in range(0, len(first), _BLOCK):
        views = [view.reshape(len(view), -1) for view in _eight_views(first[top:][:_BLOCK])]
        for left in range(0, len(flat), _BLOCK):
            others = flat[left : left + _BLOCK].T
            for view in views:
                found[top : top + _BLOCK] |= (view @ others > THRESHOLDS[0]).any(axis=1)
    return found


def straddling(group: Sequence[Any], part: Sequence[str]) -> int:
    """Return how many groups have images in more than one part; both of length n."""
    return len(set(group)) - sum(len(parts) == 1 for parts in _parts_of(group, part).values())


def shared_with_test(group: Sequence[Any], part: Sequence[str]) -> set[Any]:
    """Return the groups that have images in the test part and in another; both of length n."""
    parts = _parts_of(group, part)
    return {name for name, held in parts.items() if "test" in held and len(held) > 1}


def test_images_with_copies(group: Sequence[Any], part: Sequence[str]) -> int:
    """Return how many images of the test part have a group mate in another part."""
    shared = shared_with_test(group, part)
    return sum(here == "test" and name in shared for name, here in zip(group, part, strict=True))


# Its name begins like a test's; pytest must not collect it where it is imported.
test_images_with_copies.__test__ = False  # type: ignore[attr-defined]


def _parts_of(group: Sequence[Any], part: Sequence[str]) -> dict[Any, set[str]]:
    parts: dict[Any, set[str]] = {}
    for name, here in zip(group, part, strict=True):
        parts.setdefault(name, set()).add(here)
    return parts


def _spanning_forest(thumbnails: NDArray[np.float32], exact: _Edges) -> _Edges:
    """Return edges (i, j, correlation) that join at any threshold what all similar pairs join.

    A maximum spanning forest does so with fewer than n edges (single linkage), so that pairs
    need not be kept: thirty thousand look-alikes would be half a billion.
    """
    n = len(thumbnails)
    held = [exact]
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


def _columns(edges: _Edges) -> NDArray[np.intp]:
    return np.column_stack(edges[:2])


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
