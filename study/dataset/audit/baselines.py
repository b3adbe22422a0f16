"""Baselines: how well the class is told from a file's outside, and from its pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from study import metrics
from study.seeds import derive

PIXEL_SIZE = (40, 30)
"""Width and height to which images are stretched for the baselines on pixels."""

SHORTCUTS: Mapping[str, tuple[str, ...]] = {
    "size_only": ("width", "height", "aspect"),
    "width": ("width",),
    "height": ("height",),
    "aspect": ("aspect",),
    "mean_grey": ("mean_grey",),
    "file_size": ("file_size",),
    "file_format": ("file_format",),
}
"""Baselines that see no pixel in its place, and the columns that each of them sees."""

PIXEL_BASELINES = ("pixels_svm_random", "pixels_svm_grouped")
"""The SVM on pixels, under folds that ignore groups and under folds that keep them together."""

MOST_IMAGES = 1_000
"""Above this many images the baselines work on a sample."""

FOLDS = 5
SEEDS = 5
PERMUTATIONS = 20

_Labels = NDArray[np.int64]
_Features = NDArray[np.floating[Any]]


@dataclass(frozen=True, kw_only=True)
class BaselineInputs:
    """What the baselines see of n images."""

    pixels: NDArray[np.float32]
    """(n, 1200), grey levels 0..255 of the image at ``PIXEL_SIZE``, row by row; (n, 0) will do
    where the baselines on pixels are left out."""
    columns: Mapping[str, Sequence[Any] | NDArray[Any]]
    """As from :func:`shortcut_columns`, each of length n; those that are not known are absent."""
    labels: NDArray[np.int64]
    """(n,), 1 is the positive class."""
    groups: NDArray[np.intp]
    """(n,), any numbers."""


@dataclass(frozen=True, kw_only=True)
class Baselines:
    """How well simple features tell the class of images that the classifier has not seen."""

    f_med: dict[str, float | None]
    """By baseline; None where the feature is the same for all images, or not known for some, or
    where a class has fewer than two groups (for ``pixels_svm_random``, images)."""
    chance: dict[str, float]
    """For those of ``SHORTCUTS`` that have a figure: the highest of 20 with permuted labels."""
    images: int
    """How many images these are computed on."""


def shortcut_columns(
    *,
    width: Sequence[int],
    height: Sequence[int],
    mean_grey: Sequence[float],
    file_size: Sequence[int | None],
    file_format: Sequence[str],
) -> dict[str, Sequence[Any] | NDArray[Any]]:
    """Return the columns that ``SHORTCUTS`` names; ``aspect`` is width over height.

    ``file_size`` is absent where it is None for an image, as for images inside of an array file.
    """
    columns: dict[str, Sequence[Any] | NDArray[Any]] = {
        "width": width,
        "height": height,
        "aspect": np.asarray(width, dtype=np.float64) / np.asarray(height, dtype=np.float64),
        "mean_grey": mean_grey,
        "file_format": file_format,
    }
    if None not in file_size:
        columns["file_size"] = file_size
    return columns


def run_baselines(
    inputs: BaselineInputs, *, pixels: bool = True, most_images: int = MOST_IMAGES, seed: int = 0
) -> Baselines:
    """Score every baseline by cross-validation; see :func:`cross_validated_f_med`.

    ``pixels`` False leaves ``PIXEL_BASELINES`` out. Of more than ``most_images`` images a sample
    of both classes is taken, of whole groups where they are small against their class.
    """
    inputs = _sampled(inputs, most_images, seed)
    scores: dict[str, float | None] = {}
    chance: dict[str, float] = {}
    labels, groups = inputs.labels, inputs.groups
    for name, names in SHORTCUTS.items():
        features = _matrix(inputs.columns, names)
        scores[name] = None
        if features is None:
            continue
        scores[name] = cross_validated_f_med(features, labels, groups)
        permuted = permuted_f_meds(
            features, labels, groups, permutations=PERMUTATIONS, seed=derive(seed, "chance")
        )
        if scores[name] is not None and permuted:
            chance[name] = max(permuted)
    if pixels:
        for name, folds_by in zip(PIXEL_BASELINES, (None, groups), strict=True):
            scores[name] = cross_validated_f_med(inputs.pixels, labels, folds_by)
    return Baselines(f_med=scores, chance=chance, images=len(labels))


def cross_validated_f_med(
    features: _Features,
    labels: _Labels,
    groups: NDArray[np.intp] | None,
    *,
    folds: int = FOLDS,
    seeds: int = SEEDS,
) -> float | None:
    """Return the F_med of an SVM on images of folds that it was not fitted to, mean over seeds.

    ``features`` is (n, d), ``labels`` and ``groups`` are (n,). Predictions are pooled over the
    folds of a seed. With ``groups`` no group is divided between folds. None where a class has
    fewer than two groups (images, without ``groups``); with fewer than ``folds``, so many folds.
    """
    scores = []
    for seed in range(seeds):
        predicted = cross_validated_predictions(features, labels, groups, folds=folds, seed=seed)
        if predicted is None:
            return None
        confusion = metrics.confusion_matrix(labels, predicted, 2)
        scores.append(metrics.f_med(metrics.recalls(confusion)))
    return float(np.mean(scores))


def permuted_f_meds(
    features: _Features,
    labels: _Labels,
    groups: NDArray[np.intp],
    *,
    permutations: int,
    seed: int,
    folds: int = FOLDS,
) -> list[float]:
    """Return the F_med of grouped cross-validation under permuted labels, one a permutation.

    What lies above all of 20 of them is chance in fewer than one set of twenty.
    """
    rng = np.random.default_rng(seed)
    drawn = (permute_by_group(labels, groups, rng) for _ in range(permutations))
    scores = (
        cross_validated_f_med(features, shuffled, groups, folds=folds, seeds=1)
        for shuffled in drawn
    )
    return [score for score in scores if score is not None]


def permute_by_group(
    labels: _Labels, groups: NDArray[np.intp], rng: np.random.Generator
) -> _Labels:
    """Return labels (n,) permuted among groups: images of one group share one.

    A group has the class of most of its images, the positive one where they are equally many. The
    number of groups of each class stays as it was.
    """
    number, own = _group_classes(labels, groups)
    return rng.permutation(own)[number]


def cross_validated_predictions(
    features: _Features,
    labels: _Labels,
    groups: NDArray[np.intp] | None,
    *,
    folds: int = FOLDS,
    seed: int = 0,
) -> _Labels | None:
    """Return the class (n,) that an SVM tells each image when fitted to the other folds.

    Features are standardised on the training side; RBF kernel, C = 1, gamma = 1 / (d * variance),
    classes weighted to be equal. None where a class has fewer than two groups (or images).
    """
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    tests = _test_sides(labels, groups, folds, seed)
    if tests is None:
        return None
    predicted = np.empty_like(labels)
    for test in tests:
        train = np.ones(len(labels), dtype=bool)
        train[test] = False
        known = np.unique(labels[train])
        if len(known) == 1:  # grouped folds may leave the training side with one class
            predicted[test] = known[0]
            continue
        machine = make_pipeline(StandardScaler(), SVC(class_weight="balanced"))
        predicted[test] = machine.fit(features[train], labels[train]).predict(features[test])
    return predicted


def _test_sides(
    labels: _Labels, groups: NDArray[np.intp] | None, folds: int, seed: int
) -> list[NDArray[np.intp]] | None:
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    units = np.arange(len(labels)) if groups is None else _numbered(groups)
    folds = min(folds, *(len(np.unique(units[labels == label])) for label in (0, 1)))
    if folds < 2:
        return None
    kind, together = (StratifiedKFold, None) if groups is None else (StratifiedGroupKFold, units)
    maker = kind(folds, shuffle=True, random_state=seed)
    sides = maker.split(np.empty((len(labels), 0)), labels, together)
    return [test for _, test in sides if len(test)]


def _numbered(groups: NDArray[np.intp]) -> NDArray[np.intp]:
    """Number groups from 0 by first appearance: folds must not depend on how groups are called."""
    _, appeared, number = np.unique(groups, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(appeared)).astype(np.intp)[number]


def _group_classes(
    labels: _Labels, groups: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
    """Return the number of each image's group, (n,), and the class of each group, (G,)."""
    number = _numbered(groups)
    share = np.bincount(number, weights=labels) / np.bincount(number)
    return number, (share >= 0.5).astype(np.int64)


def _matrix(columns: Mapping[str, Any], names: Sequence[str]) -> NDArray[np.float64] | None:
    """Return columns side by side, words as one column a word; None where they tell nothing."""
    if any(name not in columns for name in names):
        return None
    parts = []
    for name in names:
        values: NDArray[Any] = np.asarray(columns[name])
        if values.dtype.kind == "U":
            values = values[:, None] == np.unique(values)
        parts.append(values.reshape(len(values), -1).astype(np.float64))
    matrix = np.concatenate(parts, axis=1)
    return None if (matrix == matrix[:1]).all() else matrix


def _sampled(inputs: BaselineInputs, most: int, seed: int) -> BaselineInputs:
    if len(inputs.labels) <= most:
        return inputs
    kept = _sample(inputs.labels, inputs.groups, most, np.random.default_rng(seed))
    return BaselineInputs(
        pixels=inputs.pixels[kept],
        columns={name: np.asarray(values)[kept] for name, values in inputs.columns.items()},
        labels=inputs.labels[kept],
        groups=inputs.groups[kept],
    )


def _sample(
    labels: _Labels, groups: NDArray[np.intp], most: int, rng: np.random.Generator
) -> NDArray[np.intp]:
    """Return the indices of at most ``most`` images, in order.

    The rarer class gets its share of the images, or a quarter if that is more. Groups are taken
    whole while the share of their class lasts; one that is larger than a tenth of it is thinned
    to that, or a few large groups would be all.
    """
    number, own = _group_classes(labels, groups)
    sizes = np.bincount(number)
    shuffled = rng.permutation(len(number))
    by_group = shuffled[np.argsort(number[shuffled], kind="stable")]
    members = np.split(by_group, np.cumsum(sizes)[:-1])
    images = np.bincount(own, weights=sizes, minlength=2).astype(int)
    rare = int(np.argmin(images))
    few = min(images[rare], max(most * images[rare] // len(labels), most // 4))
    kept: list[NDArray[np.intp]] = []
    for label, share in ((rare, few), (1 - rare, most - few)):
        largest = share if share >= images[label] else max(1, share // 10)
        room = share
        for group in rng.permutation(np.flatnonzero(own == label)):
            chosen = members[group][:largest]
            if len(chosen) <= room:
                kept.append(chosen)
                room -= len(chosen)
    return np.sort(np.concatenate(kept))
