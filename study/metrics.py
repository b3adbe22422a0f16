"""Scores of a classifier, from the confusion counts of a whole set."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

THRESHOLD = 0.5
"""Probability of the positive class from which an image is called positive."""


FEW_GROUPS = 10
"""Fewer groups than this in a class do not carry a verdict on it."""


def confusion_matrix(truth: ArrayLike, predicted: ArrayLike, classes: int) -> NDArray[np.int64]:
    """Return the counts of true class (rows) against predicted class (columns), (K, K)."""
    pairs = np.asarray(truth, dtype=np.int64) * classes + np.asarray(predicted, dtype=np.int64)
    return np.bincount(pairs.ravel(), minlength=classes * classes).reshape(classes, classes)


def recalls(confusion: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the share of each class that is recognised, (K,).

    Raises ``ValueError`` when a class has no image: its recall is undefined, not 0.
    """
    totals = confusion.sum(axis=1)
    if (totals == 0).any():
        absent = ", ".join(str(k) for k in np.flatnonzero(totals == 0))
        raise ValueError(f"recall is undefined: no image of class {absent}")
    return np.asarray(np.diag(confusion) / totals)


def f_med(per_class: ArrayLike) -> float:
    """Return the harmonic mean of the per-class recalls, 0 when any of them is 0.

    With two classes: 2 * sensitivity * specificity / (sensitivity + specificity).
    """
    values = np.asarray(per_class, dtype=np.float64)
    if (values <= 0).any():
        return 0.0
    return float(len(values) / np.sum(1.0 / values))


def binary_scores(truth: ArrayLike, probability: ArrayLike) -> dict[str, float]:
    """Return F_med, sensitivity, specificity, F1, accuracy and log loss of a two-class set.

    ``truth`` is 1 for the positive class, ``probability`` is that of the positive class; both
    (n,). F1 is that of the positive class, 0 when nothing is called positive rightly. The loss is
    the mean binary cross-entropy in nats, probabilities clipped to [1e-7, 1 - 1e-7] as in Keras.
    """
    labels = np.asarray(truth, dtype=np.int64)
    chance = np.asarray(probability, dtype=np.float64)
    matrix = confusion_matrix(labels, chance >= THRESHOLD, 2)
    specificity, sensitivity = recalls(matrix)
    (_, fp), (fn, tp) = matrix
    clipped = np.clip(chance, 1e-7, 1 - 1e-7)
    loss = -np.mean(np.where(labels == 1, np.log(clipped), np.log1p(-clipped)))
    return {
        "f_med": f_med([specificity, sensitivity]),
        "sensitivity": float(sensitivity),
        "specificity": float(specificity),
        "f1": float(2 * tp / (2 * tp + fp + fn)) if tp else 0.0,
        "accuracy": float(np.trace(matrix) / matrix.sum()),
        "loss": float(loss),
    }


def binary_counts(truth: ArrayLike, probability: ArrayLike) -> dict[str, int]:
    """Return true and false positives and negatives at the threshold, as ``tp fp tn fn``."""
    matrix = confusion_matrix(truth, np.asarray(probability) >= THRESHOLD, 2)
    (tn, fp), (fn, tp) = matrix.tolist()
    return {"tp": tp, "fp": fp, "tn": tn, "fn": fn}


def auc(truth: ArrayLike, probability: ArrayLike) -> float:
    """Return the area under the ROC curve, from mean ranks (Mann-Whitney).

    Raises ``ValueError`` when a class is absent.
    """
    labels = np.asarray(truth, dtype=bool)
    values = np.asarray(probability, dtype=np.float64)
    positives = int(labels.sum())
    negatives = len(labels) - positives
    if not positives or not negatives:
        raise ValueError("AUC is undefined: a class has no image")
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return float((ranks[labels].sum() - positives * (positives + 1) / 2) / (positives * negatives))
