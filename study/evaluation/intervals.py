"""Intervals for the scores of a small test part whose images come in groups.

Frames of one lesion are right or wrong together, so the images of a class count as fewer
independent ones: its effective size. With less than ten groups in a class the data cannot tell
how much fewer, and each group is taken to count once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from study import metrics

_CLASSES = {"positive": 1, "negative": 0}

_METHOD = (
    "Images are discounted to an effective number for the correlation within groups (design "
    "effect, one-way ANOVA ICC; 1 with fewer than {few} groups in a class). Sensitivity and "
    "specificity: Clopper-Pearson on the effective number (Korn and Graubard 1998). F_med and "
    "accuracy: percentiles of {draws} Beta draws of the recalls, widened to hold the estimate. "
    "AUC: {auc}."
)


@dataclass(frozen=True, kw_only=True)
class EffectiveSize:
    """How many independent images the images of one class are worth."""

    images: int
    groups: int
    icc: float
    """Intraclass correlation of correctness that was used, 0 to 1."""
    effective: float
    """Effective number of images, between 1 and ``images``."""


def effective_size(correct: NDArray[np.bool_], group: NDArray[np.int_]) -> EffectiveSize:
    """Return the effective number of images of one class, n / (1 + (m - 1) ICC).

    ``correct`` (n,) tells which of its images are classified rightly, ``group`` (n,) holds any
    whole numbers. m = sum(m_i^2) / sum(m_i) over the groups' sizes m_i. The ICC is the one-way
    ANOVA estimate for unequal group sizes (Donner 1986), floored at 0; it is taken as 1 when it
    is undefined (all images right or all wrong, or one image a group) or below ten groups.

    Raises ``ValueError`` when there is no image.
    """
    if len(correct) == 0:
        raise ValueError("effective size is undefined: the class has no image")
    _, index, sizes = np.unique(group, return_inverse=True, return_counts=True)
    right = np.bincount(index, weights=correct.astype(np.float64), minlength=len(sizes))
    return _counted_size(right, sizes)


def _counted_size(right: NDArray[Any], sizes: NDArray[np.int_]) -> EffectiveSize:
    """Return the effective size of one class from each group's right images and its size."""
    icc = _anova_icc(right, sizes) if len(sizes) >= metrics.FEW_GROUPS else 1.0
    images = int(sizes.sum())
    mean_size = float(np.sum(sizes**2) / images)
    return EffectiveSize(
        images=images,
        groups=len(sizes),
        icc=icc,
        effective=images / (1 + (mean_size - 1) * icc),
    )


def _anova_icc(right: NDArray[Any], sizes: NDArray[np.int_]) -> float:
    """Return the ICC of a 0/1 outcome from each group's sum and size, 1 when undefined."""
    groups, images = len(sizes), int(sizes.sum())
    if images == groups:
        return 1.0
    share = right / sizes
    between = np.sum(sizes * (share - right.sum() / images) ** 2) / (groups - 1)
    within = np.sum(right * (1 - share)) / (images - groups)
    typical = (images - np.sum(sizes**2) / images) / (groups - 1)
    spread = between + (typical - 1) * within
    if spread <= 0:
        return 1.0
    return max(0.0, float((between - within) / spread))


def recall_interval(recall: float, n_eff: float, level: float = 0.95) -> tuple[float, float]:
    """Return the Clopper-Pearson interval of a recall seen on ``n_eff`` independent images.

    Neither ``n_eff`` nor the number of right ones, recall * n_eff, need be whole (Korn and
    Graubard 1998, Survey Methodology 24:193).
    """
    from scipy.stats import beta  # here, because importing it takes most of a second

    tail = (1 - level) / 2
    right = recall * n_eff
    wrong = n_eff - right
    low = float(beta.ppf(tail, right, wrong + 1)) if recall > 0 else 0.0
    high = float(beta.ppf(1 - tail, right + 1, wrong)) if recall < 1 else 1.0
    return low, high


def retest_intervals(
    truth: NDArray[np.int_],
    probability: NDArray[np.float64],
    group: NDArray[np.int_],
    *,
    seed: int,
    level: float = 0.95,
    draws: int = 10_000,
) -> dict[str, Any]:
    """Return the intervals of a test part's scores, as plain values for JSON.

    ``truth`` is 1 for the positive class, ``probability`` is that of the positive class, ``group``
    holds any whole numbers; all (n,). Keys: ``level``; ``sensitivity``, ``specificity``,
    ``f_med``, ``accuracy``, ``auc``, each [low, high]; ``effective_images``, ``icc``, ``groups``,
    each by ``positive`` and ``negative``; ``method``, in words. ``auc`` is None below ten groups
    in a class, and where every resample has the same AUC (a perfect one), which says nothing of
    its uncertainty. The accuracy is that of a population with the test part's share of classes.

    Raises ``ValueError`` when a class has no image.
    """
    truth = np.asarray(truth, dtype=np.int64)
    probability = np.asarray(probability, dtype=np.float64)
    group = np.asarray(group)
    scores = metrics.binary_scores(truth, probability)
    correct = (probability >= metrics.THRESHOLD) == (truth == 1)
    sizes = {
        name: effective_size(correct[truth == label], group[truth == label])
        for name, label in _CLASSES.items()
    }
    rng = np.random.default_rng(seed)
    sensitivity = _recall_draws(scores["sensitivity"], sizes["positive"].effective, draws, rng)
    specificity = _recall_draws(scores["specificity"], sizes["negative"].effective, draws, rng)
    share = float(np.mean(truth == 1))
    f_med = 2 * sensitivity * specificity / (sensitivity + specificity)
    accuracy = share * sensitivity + (1 - share) * specificity
    auc, auc_method = _auc_interval(truth, probability, group, level, draws, rng)
    return {
        "level": level,
        "sensitivity": list(
            recall_interval(scores["sensitivity"], sizes["positive"].effective, level)
        ),
        "specificity": list(
            recall_interval(scores["specificity"], sizes["negative"].effective, level)
        ),
        "f_med": _percentiles(f_med, level, scores["f_med"]),
        "accuracy": _percentiles(accuracy, level, scores["accuracy"]),
        "auc": auc,
        "effective_images": {name: size.effective for name, size in sizes.items()},
        "icc": {name: size.icc for name, size in sizes.items()},
        "groups": {name: size.groups for name, size in sizes.items()},
        "method": _METHOD.format(few=metrics.FEW_GROUPS, draws=f"{draws:,}", auc=auc_method),
    }


def counted_f_med_interval(
    correct: NDArray[np.int_],
    total: NDArray[np.int_],
    label: NDArray[np.int_],
    *,
    seed: int,
    most: NDArray[np.int_] | None = None,
    level: float = 0.95,
    draws: int = 2_000,
) -> tuple[float, float]:
    """Return the interval of an F_med from the counts of each group, as in ``retest_intervals``.

    ``correct`` and ``total`` (G,) are the right and all samples of a group, ``label`` (G,) its
    class; a group without samples does not count. ``most`` (G,) holds the images that the samples
    of a group were made from, where an image was seen more than once: a class is then worth no
    more independent images than it has.

    Raises ``ValueError`` when a class has no sample, or counts do not fit together.
    """
    correct, total, label = (np.asarray(array, dtype=np.int64) for array in (correct, total, label))
    if not correct.shape == total.shape == label.shape or (correct > total).any():
        raise ValueError("counts of groups do not fit together")
    images = total if most is None else np.asarray(most, dtype=np.int64)
    if images.shape != total.shape:
        raise ValueError("counts of groups do not fit together")
    rng, recalls, drawn = np.random.default_rng(seed), [], []
    for k in (1, 0):
        chosen = (label == k) & (total > 0)
        if not images[chosen].sum() > 0:
            raise ValueError(f"F_med is undefined: no sample of class {k}")
        recalls.append(float(correct[chosen].sum() / total[chosen].sum()))
        size = _counted_size(correct[chosen].astype(np.float64), total[chosen])
        n_eff = min(size.effective, float(images[chosen].sum()))
        drawn.append(_recall_draws(recalls[-1], n_eff, draws, rng))
    values = 2 * drawn[0] * drawn[1] / (drawn[0] + drawn[1])
    low, high = _percentiles(values, level, metrics.f_med(recalls))
    return low, high


def _recall_draws(
    recall: float, n_eff: float, draws: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return draws of a recall from its posterior under Jeffreys' prior, (draws,)."""
    right = recall * n_eff
    return rng.beta(right + 0.5, n_eff - right + 0.5, size=draws)


def _percentiles(
    values: NDArray[np.float64], level: float, estimate: float | None = None
) -> list[float]:
    """Return the central interval of the draws, widened to hold the estimate.

    At recalls of 0 and 1 all draws lie to one side of the estimate (Brown, Cai, DasGupta 2001,
    Statistical Science 16:101, widen Jeffreys' interval there for the same reason).
    """
    tail = (1 - level) / 2
    low, high = (float(value) for value in np.quantile(values, [tail, 1 - tail]))
    if estimate is not None:
        low, high = min(low, estimate), max(high, estimate)
    return [low, high]


def _auc_interval(
    truth: NDArray[np.int64],
    probability: NDArray[np.float64],
    group: NDArray[np.int_],
    level: float,
    draws: int,
    rng: np.random.Generator,
) -> tuple[list[float] | None, str]:
    """Return the AUC's interval from a bootstrap over groups, and what was done, in words."""
    order = np.argsort(probability, kind="stable")
    truth, probability = truth[order], probability[order]
    _, index = np.unique(group[order], return_inverse=True)
    held = np.zeros((int(index.max()) + 1, 2), dtype=bool)  # (groups, classes)
    held[index, truth] = True
    if held.sum(axis=0).min() < metrics.FEW_GROUPS:
        return None, f"no interval below {metrics.FEW_GROUPS} groups in each class"
    # Strata keep every class in every resample; a group with images of both is drawn whole.
    stratum = held @ np.array([1, 2])
    rows = max(1, 4_000_000 // len(truth))  # so that memory does not grow with the images
    values = np.concatenate(
        [
            _weighted_auc(truth, probability, times_drawn(stratum, count, rng)[:, index])
            for count in [rows] * (draws // rows) + [draws % rows]
        ]
    )
    if values.min() == values.max():
        return None, "no interval, because every resample of the groups has the same AUC"
    return _percentiles(values, level), f"percentiles of {draws:,} bootstrap samples of the groups"


def times_drawn(
    stratum: NDArray[np.int_], count: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Return how often each group is drawn from its stratum, in each of ``count`` resamples.

    ``stratum`` (groups,) holds any whole numbers; the result is (count, groups).
    """
    times = np.zeros((count, len(stratum)), dtype=np.int64)
    for name in np.unique(stratum):
        members = np.flatnonzero(stratum == name)
        times[:, members] = rng.multinomial(
            len(members), np.full(len(members), 1 / len(members)), size=count
        )
    return times


def _weighted_auc(
    truth: NDArray[np.int64], probability: NDArray[np.float64], weights: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the AUC under each row of weights (count, n); probabilities ascend."""
    positive, negative = weights * truth, weights * (1 - truth)
    below = np.pad(np.cumsum(negative, axis=1), ((0, 0), (1, 0)))
    first = np.searchsorted(probability, probability, side="left")
    after = np.searchsorted(probability, probability, side="right")
    wins = (below[:, first] + below[:, after]) / 2  # ties count half
    pairs = positive.sum(axis=1) * negative.sum(axis=1)
    return np.asarray(np.sum(positive * wins, axis=1) / pairs)
