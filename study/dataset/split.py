"""Splits: which images are for training, which for validation, which for the retest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from study.errors import DataError

PARTS = ("train", "validation", "test")

RATIO = (70, 20, 10)
"""Shares of train, validation and test; the article's 7:2:1."""

_ENOUGH_GROUPS = 12
LEAST_GROUPS = 3
"""Groups of a class that validation and test get at least where there are a dozen or more."""

_ORDERS = 300


def split_grouped(
    labels: Sequence[str],
    groups: Sequence[str],
    *,
    ratio: tuple[int, int, int] = RATIO,
    least_groups: int = LEAST_GROUPS,
    seed: int,
) -> list[str]:
    """Return the part of every image such that no group is divided, stratified by class.

    The groups of each class are shared out by largest remainder, one at least for every part;
    from 12 groups on, validation and test get ``least_groups`` at least, at the cost of training
    (20 groups: 13, 4, 3). Groups of several classes are a stratum of their own where there are
    enough to give every part one, else each counts for the class of most of its images. Of several
    hundred random orders the one is taken whose numbers of images come closest to the ratio. A
    part with ratio 0 gets nothing. The result depends on the images' groups and classes, not on
    their order.

    Raises ``DataError`` when a class has fewer groups than there are parts.
    """
    part_of: dict[str, str] = {}
    wanted = sum(share > 0 for share in ratio)
    for stream, (label, sizes) in enumerate(_strata(labels, groups, wanted).items()):
        count = len(sizes)
        least = least_groups if count >= _ENOUGH_GROUPS else 1
        if count < wanted and _is_covered(label, labels, groups, wanted):
            least = 0
        shares = part_counts(count, ratio, least=least) if count or least else (0, 0, 0)
        if shares is None:
            raise DataError(_too_few(label, count, "groups", ratio) + _of_both(labels, groups))
        rng = np.random.default_rng((seed, stream))
        chosen = _closest_order(np.array(list(sizes.values())), shares, ratio, rng)
        part_of |= {name: PARTS[part] for name, part in zip(sizes, chosen, strict=True)}
    return [part_of[group] for group in groups]


def split_random(
    labels: Sequence[str],
    *,
    names: Sequence[str],
    ratio: tuple[int, int, int] = RATIO,
    seed: int,
) -> list[str]:
    """Return the part of every image, drawn image by image within each class, as the article did.

    It exists to reproduce the article: frames of one lesion end up in several parts. ``names``
    are unique and make the result independent of the images' order.

    Raises ``DataError`` when a class has fewer images than there are parts.
    """
    part_of: dict[str, str] = {}
    for stream, label in enumerate(sorted(set(labels))):
        own = sorted(n for n, here in zip(names, labels, strict=True) if here == label)
        shares = part_counts(len(own), ratio)
        if shares is None:
            raise DataError(_too_few(label, len(own), "images", ratio))
        order = np.random.default_rng((seed, stream)).permutation(len(own))
        parts = np.repeat(PARTS, shares)
        part_of |= {own[k]: str(part) for k, part in zip(order, parts, strict=True)}
    return [part_of[name] for name in names]


def grouped_folds(
    labels: Sequence[str], groups: Sequence[str], *, folds: int = 5, seed: int
) -> list[int]:
    """Return the fold (0 to ``folds`` - 1) of every image such that no group is divided.

    Stratified as by :func:`split_grouped`: the numbers of a class's groups in two folds differ by
    one at most, and its images are shared out as evenly as that allows. The result depends on the
    images' groups and classes, not on their order.

    Raises ``DataError`` when a class has fewer groups than there are folds.
    """
    fold_of: dict[str, int] = {}
    images = np.zeros(folds)
    for stream, (label, sizes) in enumerate(_strata(labels, groups, folds).items()):
        if len(sizes) < folds and not _is_covered(label, labels, groups, folds):
            raise DataError(
                f"class {label!r} has too few groups for {folds} folds: found {len(sizes)}; use "
                "fewer folds, or add images of other lesions or patients"
            )
        rng = np.random.default_rng((seed, stream))
        names = [list(sizes)[k] for k in rng.permutation(len(sizes))]
        own_groups, own_images = np.zeros(folds), np.zeros(folds)
        # Large groups first, so that small ones can even out what they leave.
        for name in sorted(names, key=lambda name: -sizes[name]):
            fold = int(np.lexsort((images, own_images, own_groups))[0])
            fold_of[name] = fold
            own_groups[fold] += 1
            own_images[fold] += sizes[name]
            images[fold] += sizes[name]
    return [fold_of[group] for group in groups]


def complete_given(
    parts: Sequence[str],
    labels: Sequence[str],
    groups: Sequence[str],
    *,
    ratio: tuple[int, int, int] = RATIO,
    seed: int,
) -> list[str]:
    """Return the given parts; a missing validation part is cut from training by groups.

    It takes the share of ``ratio`` that validation has beside training, 2 of 9 by default.
    A missing test part stays missing: then there is no retest.

    Raises ``DataError`` when the training part is missing, when a given part lacks a class, or
    when training has too few groups to be cut.
    """
    present = set(parts)
    if "train" not in present:
        raise DataError(
            f"the data has no training part, found: {', '.join(sorted(present))}; "
            "add a train folder with images of every class"
        )
    for part in (name for name in PARTS if name in present):
        held = {label for label, here in zip(labels, parts, strict=True) if here == part}
        missing = sorted(set(labels) - held)
        if missing:
            raise DataError(
                f"the {part} part has no readable image of class {missing[0]!r}; "
                "every given part needs images of every class: add some, or remove the part"
            )
    completed = list(parts)
    if "validation" not in present:
        rows = [k for k, part in enumerate(parts) if part == "train"]
        own_labels, own_groups = [labels[k] for k in rows], [groups[k] for k in rows]
        cut = split_grouped(own_labels, own_groups, ratio=(ratio[0], ratio[1], 0), seed=seed)
        for row, part in zip(rows, cut, strict=True):
            completed[row] = part
    return completed


def part_counts(
    count: int, ratio: tuple[int, int, int], *, least: int = 1
) -> tuple[int, int, int] | None:
    """Share out ``count`` things by largest remainder; None when a part would get nothing.

    Training gets one at least, validation and test ``least``, unless their ratio is 0.
    """
    floors = [min(1, ratio[0]), *(least if share else 0 for share in ratio[1:])]
    if count < sum(floors):
        return None
    total = sum(ratio)
    shares = [count * share // total for share in ratio]
    by_remainder = sorted(range(3), key=lambda part: (-(count * ratio[part] % total), part))
    for part in by_remainder[: count - sum(shares)]:
        shares[part] += 1
    for part in (1, 2, 0):
        while shares[part] < floors[part]:
            spare = [shares[k] - floors[k] for k in range(3)]
            donor = 0 if spare[0] > 0 else int(np.argmax(spare))
            shares[donor] -= 1
            shares[part] += 1
    return shares[0], shares[1], shares[2]


def _strata(
    labels: Sequence[str], groups: Sequence[str], parts: int
) -> dict[str | None, dict[str, int]]:
    """Return each class's groups, sorted, with their numbers of images.

    Under None are the groups of several classes, where there is one for each of the ``parts``.
    """
    counts: dict[str, Counter[str]] = {}
    for label, group in zip(labels, groups, strict=True):
        counts.setdefault(group, Counter())[label] += 1
    apart = sum(len(held) > 1 for held in counts.values()) >= parts
    found: dict[str | None, dict[str, int]] = {label: {} for label in sorted(set(labels))}
    total = Counter(labels)
    for name in sorted(counts):
        held = counts[name]
        # Of equal numbers the rarer class counts, which needs its groups more.
        label = max(sorted(held), key=lambda label: (held[label], -total[label]))
        stratum = None if apart and len(held) > 1 else label
        found.setdefault(stratum, {})[name] = held.total()
    return found


def _is_covered(
    label: str | None, labels: Sequence[str], groups: Sequence[str], parts: int
) -> bool:
    """Tell whether a class is in every part through groups of several classes."""
    mixed = _strata(labels, groups, parts).get(None, {})
    return any(own == label and group in mixed for own, group in zip(labels, groups, strict=True))


def _of_both(labels: Sequence[str], groups: Sequence[str]) -> str:
    pairs = Counter(group for _, group in set(zip(labels, groups, strict=True)))
    mixed = sum(count > 1 for count in pairs.values())
    if not mixed:
        return ""
    return (
        f" ({mixed} of {len(pairs)} groups hold images of both classes: are patients numbered anew "
        "in each class?)"
    )


def _closest_order(
    sizes: NDArray[np.int_],
    shares: tuple[int, int, int],
    ratio: tuple[int, int, int],
    rng: np.random.Generator,
) -> NDArray[np.int_]:
    """Return the part (0, 1, 2) of every group of one class."""
    part = np.repeat(np.arange(3), shares)
    wanted = np.array(ratio) / sum(ratio) * sizes.sum()
    best, least = part, np.inf
    for _ in range(_ORDERS):
        order = rng.permutation(part)
        images = np.bincount(order, weights=sizes, minlength=3)
        distance = float(np.abs(images - wanted).sum())
        if distance < least - 1e-9:
            best, least = order, distance
    return best


def _too_few(label: str | None, found: int, what: str, ratio: tuple[int, int, int]) -> str:
    names = [part for part, share in zip(PARTS, ratio, strict=True) if share]
    return (
        f"class {label!r} has too few {what} to be split: found {found}, needed {len(names)}, one "
        f"for each of {', '.join(names)}; add images of other lesions or patients"
    )
