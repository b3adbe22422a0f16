"""Simulated studies: correlated outcomes of lesions, a search among variants, and their folds."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from study import metrics
from study.evaluation.out_of_fold import OutOfFold
from study.evaluation.validation_counts import TrialCounts, ValidationCounts

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

GROUPS = ((2, 3), (4, 6), (20, 28))
"""Negative and positive groups of the validation part."""

VARIANTS = (1, 30, 100)

EQUAL, MEAN, SPREAD = 0.85, 0.80, 0.07
"""The recalls of equal variants; mean and standard deviation of those that differ."""

ICC = 0.7
"""Of the frames of a lesion, for one variant."""

SHARED, OWN = 0.5, 0.3
"""Shares of a lesion's difficulty that are common to all variants, and the variant's own; what is
left changes with each training."""

NOISE = 0.1
"""Share that changes between plain and augmented images, and between epochs."""

FRAMES, AUGMENTED = (4, 5, 6), 20
"""Plain frames of a lesion, one of these; augmented samples of a lesion."""

TRAINING, FOLDS, BANDS = 3.5, 5, 5
"""Training groups for one validation group; most folds; bands of capacity."""

RECALLS = np.linspace(0.4, 0.98, 117)


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One kind of study."""

    negative: int
    positive: int
    variants: int
    spread: float
    """Standard deviation of the true recalls, 0 where all are equal."""
    epochs: int = 1
    """Of each variant, all of its true recalls."""

    @property
    def name(self) -> str:
        kind = "spread" if self.spread else "equal"
        some = "1 variant" if self.variants == 1 else f"{self.variants} {kind} variants"
        epochs = f", {self.epochs} epochs" if self.epochs > 1 else ""
        return f"{self.negative} + {self.positive} groups, {some}{epochs}"


def cells() -> list[Cell]:
    """Return every kind of study; of one variant there is nothing to spread."""
    return [
        *(
            Cell(negative=negative, positive=positive, variants=variants, spread=spread)
            for negative, positive in GROUPS
            for variants in VARIANTS
            for spread in ((0.0, SPREAD) if variants > 1 else (SPREAD,))
        ),
        Cell(negative=4, positive=6, variants=30, spread=SPREAD, epochs=10),
    ]


def _thresholds(images: int) -> Floats:
    """Return the cumulative beta-binomial distribution of each of ``RECALLS``, (Q, images)."""
    from scipy.stats import betabinom

    a, b = (values * (1 - ICC) / ICC for values in (RECALLS, 1 - RECALLS))
    return np.stack([betabinom.cdf(k, images, a, b) for k in range(images)], axis=1)


class Lesions:
    """Draws the outcomes of variants on lesions: beta-binomial counts under a Gaussian copula."""

    def __init__(self) -> None:
        self._plain = {frames: _thresholds(frames) for frames in FRAMES}
        self._augmented = _thresholds(AUGMENTED)

    def plain(self, latent: Floats, recall: Integers, frames: Integers) -> Integers:
        """Return correct frames, (V, R), from normal latents and places in ``RECALLS``."""
        level = _normal_cdf(latent)
        correct = np.empty(latent.shape, dtype=np.int64)
        for count, thresholds in self._plain.items():
            own = frames == count
            correct[:, own] = _count(level[:, own], thresholds[recall[:, own]])
        return correct

    def augmented(self, latent: Floats, recall: Integers) -> Integers:
        """Return correct augmented samples, (V, R)."""
        return _count(_normal_cdf(latent), self._augmented[recall])


def _count(level: Floats, thresholds: Floats) -> Integers:
    return np.asarray((level[..., None] > thresholds).sum(axis=-1), dtype=np.int64)


def _normal_cdf(values: Floats) -> Floats:
    from scipy.special import ndtr

    return np.asarray(ndtr(values))


@dataclass(frozen=True, kw_only=True)
class Simulated:
    """One simulated study: what its search and its folds counted, and the truth."""

    search: ValidationCounts
    winner: int
    """The variant of the highest score in the search."""
    score: float
    """The winner's, on the augmented counts."""
    finalists: Integers
    """Variants that went into the folds."""
    folds: OutOfFold
    truth: Floats
    """(V,), true F_med."""


def simulate(cell: Cell, lesions: Lesions, rng: np.random.Generator) -> Simulated:
    """Draw a study of a cell; its first groups are validation, the others training."""
    validation = np.array([cell.negative, cell.positive])
    training = np.ceil(TRAINING * validation).astype(np.int64)
    label = np.repeat([0, 1, 0, 1], [*validation, *training])
    recall, truth = _qualities(cell, rng)
    frames = rng.choice(FRAMES, size=len(label))
    stable = _mixed(rng.standard_normal(len(label)), OWN / (SHARED + OWN), rng, cell.variants)
    held = slice(0, validation.sum())
    search = _searched(cell, lesions, stable[:, held], recall, label[held], frames[held], rng)
    scores = np.array(
        [_f_med(t.augmented, search.augmented_total, label[held]).max() for t in search.trials]
    )
    macs = rng.permutation(cell.variants) + 1
    chosen = _finalists(scores, macs)
    trained = _mixed(stable[chosen], 1 - SHARED - OWN, rng)
    folds = OutOfFold(
        correct=lesions.plain(trained, recall[chosen][:, label], frames)[:, None, :],
        total=frames,
        label=label,
        group=np.arange(len(label)),
        fold=_folds(label, rng)[None, :],
        macs=macs[chosen],
        parameters=macs[chosen],
        test_to_train=1 / (FOLDS - 2),
    )
    winner = int(np.argmax(scores))
    return Simulated(
        search=search,
        winner=winner,
        score=float(scores[winner]),
        finalists=chosen,
        folds=folds,
        truth=truth,
    )


def _mixed(
    latent: Floats, share: float, rng: np.random.Generator, copies: int | None = None
) -> Floats:
    """Return normal latents (..., R) of which a share of the variance is drawn anew."""
    shape = latent.shape if copies is None else (copies, *latent.shape)
    fresh = rng.standard_normal(shape)
    return np.asarray(math.sqrt(1 - share) * latent + math.sqrt(share) * fresh)


def _searched(
    cell: Cell,
    lesions: Lesions,
    stable: Floats,
    recall: Integers,
    label: Integers,
    frames: Integers,
    rng: np.random.Generator,
) -> ValidationCounts:
    """Return the counts of a search; an epoch, and a view of an image, adds its own noise."""
    latent = np.repeat(_mixed(stable, 1 - SHARED - OWN, rng), cell.epochs, axis=0)
    if cell.epochs > 1:
        latent = _mixed(latent, NOISE, rng)
    places = np.repeat(recall[:, label], cell.epochs, axis=0)
    shape = (cell.variants, cell.epochs, -1)
    plain = lesions.plain(latent, places, frames).reshape(shape)
    augmented = lesions.augmented(_mixed(latent, NOISE, rng), places).reshape(shape)
    return ValidationCounts(
        trials=tuple(
            TrialCounts(number=k, augmented=augmented[k], plain=plain[k])
            for k in range(cell.variants)
        ),
        augmented_total=np.full(len(frames), AUGMENTED),
        plain_total=frames,
        label=label,
    )


def _qualities(cell: Cell, rng: np.random.Generator) -> tuple[Integers, Floats]:
    """Return the place in ``RECALLS`` of each variant's recalls, (V, 2), and its F_med, (V,)."""
    wanted = np.full((cell.variants, 2), EQUAL)
    if cell.spread:
        wanted = rng.normal(MEAN, cell.spread, size=(cell.variants, 2))
    step = RECALLS[1] - RECALLS[0]
    place = np.clip(np.rint((wanted - RECALLS[0]) / step), 0, len(RECALLS) - 1).astype(np.int64)
    return place, np.array([metrics.f_med(pair) for pair in RECALLS[place]])


def _f_med(correct: Integers, total: Integers, label: Integers) -> Floats:
    recalls = [correct[:, label == k].sum(axis=1) / total[label == k].sum() for k in (0, 1)]
    return np.array([metrics.f_med(pair) for pair in zip(*recalls, strict=True)])


def _finalists(score: Floats, macs: Integers) -> Integers:
    """Return the best variant of each band of capacity, and variant 0, the reference network."""
    bands = np.array_split(np.argsort(macs), min(BANDS, len(macs)))
    return np.unique([0, *(band[np.argmax(score[band])] for band in bands)])


def _folds(label: Integers, rng: np.random.Generator) -> Integers:
    """Return the fold of each group, stratified by class."""
    folds = min(FOLDS, int(np.bincount(label).min()))
    fold = np.empty(len(label), dtype=np.int64)
    for k in (0, 1):
        own = rng.permutation(np.flatnonzero(label == k))
        fold[own] = np.arange(len(own)) % folds
    return fold
