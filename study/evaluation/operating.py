"""Operating points: what a threshold finds and what it misses, and whether probabilities are true.

A threshold t calls an image positive when its probability is t or above. Truth is 1 for the
positive class throughout.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from study.evaluation.intervals import effective_size, recall_interval
from study.metrics import FEW_GROUPS

MOST_BINS = 5
"""Most bins of a reliability diagram; with fewer groups than ten a bin there are fewer."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """What a network said of the images of one part; both classes have an image."""

    label: NDArray[np.int64]
    """(n,), 1 is the positive class, 0 the negative one."""
    probability: Floats
    """(n,), of the positive class, 0 to 1."""
    group: NDArray[np.int64]
    """(n,), any whole numbers."""

    def __post_init__(self) -> None:
        """Raise ``ValueError`` when shapes or values are not these, or a class has no image."""
        shapes = {np.shape(values) for values in (self.label, self.probability, self.group)}
        if len(shapes) != 1 or np.ndim(self.label) != 1:
            raise ValueError("label, probability and group are not three columns of one length")
        if not set(np.unique(self.label).tolist()) <= {0, 1}:
            raise ValueError("a label is neither 0 nor 1")
        if not ((self.probability >= 0) & (self.probability <= 1)).all():
            raise ValueError("a probability is not between 0 and 1")
        if len(np.unique(self.label)) != 2:
            raise ValueError("a class has no image")

    def groups(self, label: int) -> int:
        """Return how many groups a class has."""
        return len(np.unique(self.group[self.label == label]))

    @property
    def few(self) -> bool:
        """Whether a class has too few groups to carry a curve, an AUC or a calibration."""
        return min(self.groups(0), self.groups(1)) < FEW_GROUPS


@dataclass(frozen=True, kw_only=True)
class ThresholdCurve:
    """Both recalls as steps over the threshold, each value held from the one before it."""

    threshold: Floats
    """(k,), ascending from 0 to 1: every probability that was given."""
    sensitivity: Floats
    """(k,), share of the positive class at or above the threshold."""
    specificity: Floats
    """(k,), share of the negative class below the threshold."""


def threshold_curve(data: Predictions) -> ThresholdCurve:
    """Return sensitivity and specificity at every threshold at which one of them changes."""
    threshold = np.unique(np.concatenate([data.probability, [0.0, 1.0]]))
    positive, negative = (np.sort(data.probability[data.label == k]) for k in (1, 0))
    return ThresholdCurve(
        threshold=threshold,
        sensitivity=1 - np.searchsorted(positive, threshold, side="left") / len(positive),
        specificity=np.searchsorted(negative, threshold, side="left") / len(negative),
    )


def threshold_for_sensitivity(data: Predictions, target: float) -> float:
    """Return the highest threshold that keeps the sensitivity at ``target`` or above.

    It is the k-th highest probability of the n positive images, with the least k for which
    k / n >= ``target``: any higher threshold finds fewer than k of them.

    Raises ``ValueError`` when the target is not above 0 and at most 1.
    """
    if not 0 < target <= 1:
        raise ValueError(f"a target must be above 0 and at most 1, found {target}")
    falling = np.sort(data.probability[data.label == 1])[::-1]
    shares = np.arange(1, len(falling) + 1) / len(falling)
    return float(falling[np.argmax(shares >= target)])


@dataclass(frozen=True, kw_only=True)
class Recall:
    """How many images of one class a threshold gets right, and what that says of others."""

    right: int
    images: int
    groups: int
    effective: float
    """How many independent images they are worth, see ``effective_size``."""

    @property
    def value(self) -> float:
        """The recall, 0 to 1."""
        return self.right / self.images

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Return ``recall_interval``, which presumes a threshold chosen on other images."""
        return recall_interval(self.value, self.effective, level)


@dataclass(frozen=True, kw_only=True)
class OperatingPoint:
    """What one threshold does to the images of a part."""

    threshold: float
    sensitivity: Recall
    specificity: Recall


def operating_point(data: Predictions, threshold: float) -> OperatingPoint:
    """Return both recalls at a threshold."""
    correct = (data.probability >= threshold) == (data.label == 1)
    recalls = [_recall(correct[data.label == k], data.group[data.label == k]) for k in (1, 0)]
    return OperatingPoint(threshold=threshold, sensitivity=recalls[0], specificity=recalls[1])


def _recall(correct: NDArray[np.bool_], group: NDArray[np.int64]) -> Recall:
    size = effective_size(correct, group)
    return Recall(
        right=int(correct.sum()),
        images=size.images,
        groups=size.groups,
        effective=size.effective,
    )


@dataclass(frozen=True, kw_only=True)
class RocCurve:
    """Sensitivity against the share of false alarms, one point a threshold, from (0, 0)."""

    false_alarms: Floats
    """(k,), 1 - specificity, never falling."""
    sensitivity: Floats
    """(k,), never falling."""


def roc(data: Predictions) -> RocCurve:
    """Return the ROC curve; points in the middle of a straight line are left out."""
    from sklearn.metrics import roc_curve  # here, because importing it takes half a second

    false_alarms, sensitivity, _ = roc_curve(data.label, data.probability)
    return RocCurve(false_alarms=false_alarms, sensitivity=sensitivity)


@dataclass(frozen=True, kw_only=True)
class PrecisionCurve:
    """Precision against recall (sensitivity), one point a threshold, recall never rising."""

    recall: Floats
    """(k,), from 1 downwards."""
    precision: Floats
    """(k,), share of the images called positive that are."""


def precision_recall(data: Predictions) -> PrecisionCurve:
    """Return the precision-recall curve at the thresholds that were seen.

    The point that scikit-learn adds at recall 0 and precision 1 belongs to no threshold and is
    left out.
    """
    from sklearn.metrics import precision_recall_curve  # here, because importing it is slow

    precision, recall, _ = precision_recall_curve(
        data.label, data.probability, drop_intermediate=True
    )
    return PrecisionCurve(recall=recall[:-1], precision=precision[:-1])


@dataclass(frozen=True, kw_only=True)
class ReliabilityBin:
    """Images of similar probability: what was said of them and what they are."""

    probability: float
    """Mean of theirs."""
    share: float
    """Of the positive class among them."""
    bounds: tuple[float, float]
    """95 % interval of the share; a group's images count together."""
    images: int
    groups: int


def reliability(data: Predictions) -> list[ReliabilityBin]:
    """Return quantile bins of the probabilities, ascending: at most 5, about 10 groups in each.

    Images of one probability stay in one bin, so that there may be fewer bins.
    """
    groups = len(np.unique(data.group))
    wanted = int(np.clip(groups // FEW_GROUPS, 2, MOST_BINS))
    edges = np.quantile(data.probability, np.linspace(0, 1, wanted + 1)[1:-1])
    place = np.searchsorted(edges, data.probability, side="left")
    return [_bin(data, place == k) for k in np.unique(place)]


def _bin(data: Predictions, held: NDArray[np.bool_]) -> ReliabilityBin:
    positive = data.label[held] == 1
    size = effective_size(positive, data.group[held])
    share = float(positive.mean())
    return ReliabilityBin(
        probability=float(data.probability[held].mean()),
        share=share,
        bounds=recall_interval(share, size.effective),
        images=size.images,
        groups=size.groups,
    )


@dataclass(frozen=True, kw_only=True)
class BrierScore:
    """The Brier score and its parts: score = miscalibration - discrimination + uncertainty."""

    score: float
    """Mean of (probability - truth)^2; 0 is perfect."""
    miscalibration: float
    """What a monotone correction of the probabilities would gain."""
    discrimination: float
    """What the corrected probabilities gain over the share of the positive class."""
    uncertainty: float
    """Score of saying that share s of every image: s (1 - s)."""


def brier(data: Predictions) -> BrierScore:
    """Return the Brier score, divided by isotonic regression and not by bins.

    Dimitriadis, Gneiting, Jordan 2021 (PNAS 118:e2016191118), who call it CORP. The correction is
    fitted to the images that it is judged on: with few of them the miscalibration comes out too
    high.
    """
    from sklearn.isotonic import IsotonicRegression  # here, because importing it is slow
    from sklearn.metrics import brier_score_loss

    score = float(brier_score_loss(data.label, data.probability))
    # Ranks, because values closer than the machine's epsilon come back as NaN.
    _, rank = np.unique(data.probability, return_inverse=True)
    corrected = IsotonicRegression(y_min=0, y_max=1).fit_transform(rank, data.label)
    best = float(np.mean((corrected - data.label) ** 2))
    share = float(data.label.mean())
    uncertainty = share * (1 - share)
    return BrierScore(
        score=score,
        miscalibration=max(0.0, score - best),
        discrimination=max(0.0, uncertainty - best),
        uncertainty=uncertainty,
    )
