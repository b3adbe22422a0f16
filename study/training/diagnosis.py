"""Does one trial under-fit or over-fit, and is that more than noise?

Bias and variance are judged from scores taken on equal terms: in inference mode, on the fixed
augmented probe of the training part and on the fixed augmented validation set.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from study import metrics

GAP = 0.05
"""A gap between training and validation F_med up to this size is never called variance."""

LOSS_RATIO = 1.5
"""A validation loss that ends above this multiple of its minimum speaks of over-fitting."""

DRAWS = 1_000
SMOOTHING = 5
"""Epochs to either side of the best one in ``smooth_best``."""

_ENDING = 5
"""The validation loss at the end is the median of this many epochs: one epoch is noise."""


@dataclass(frozen=True, kw_only=True)
class GroupCounts:
    """Samples of one fixed set by group, at one epoch: (groups,) each.

    A group that holds images of several classes is one row for each of them.
    """

    correct: NDArray[np.int_]
    total: NDArray[np.int_]
    label: NDArray[np.int_]
    """The class of the group's images."""


def diagnose(
    *,
    train_f_med: NDArray[np.float64],
    train_loss: NDArray[np.float64],
    validation_loss: NDArray[np.float64],
    best: int,
    train: GroupCounts,
    validation: GroupCounts,
    seed: int,
    target: float = 0.90,
    cut: bool = False,
) -> dict[str, Any]:
    """Return the diagnosis of one trial, as plain values for JSON.

    The history's columns are (epochs,), ``best`` counts epochs from 0; ``train`` and
    ``validation`` are the counts on the probe and on the augmented validation set at that epoch;
    ``cut`` says that the run ended at the largest number of epochs, not by itself.

    Bias compares how far the run's highest training F_med stays below ``target`` with the
    standard error of the training F_med; variance compares the gap of training and validation
    F_med at the best epoch with its own. Both are ``no`` when there is nothing to explain (F_med
    at the target; a gap up to 0.05), else ``within the noise`` up to one standard error,
    ``likely`` up to two, ``clear`` above. A standard error that cannot be estimated, because a
    class has one group, leaves ``within the noise``. A validation loss that ends above 1.5 times
    its minimum while the training loss still falls makes variance at least ``likely``.

    ``kind`` counts what is clear or likely. Other keys: ``bias`` and ``variance`` (``verdict`` and
    its numbers), ``gap`` and its ``standard_error``, ``best_train_f_med``, ``target``, ``advice``
    (sentences).
    """
    rng = np.random.default_rng(seed)
    train_draws = _resampled_f_med(train, rng)
    validation_draws = _resampled_f_med(validation, rng)
    gap = _f_med(train) - _f_med(validation)
    gap_error = _standard_error(train_draws, validation_draws)
    bias = _bias(float(np.max(train_f_med)), target, _standard_error(train_draws))
    variance = _variance(gap, gap_error, train_loss, validation_loss)
    return {
        "kind": _kind(bias["verdict"], variance["verdict"]),
        "bias": bias,
        "variance": variance,
        "gap": gap,
        "standard_error": gap_error,
        "best_train_f_med": bias["best_train_f_med"],
        "target": target,
        "advice": _advice(bias, variance, cut=cut, ends_at_best=best == len(train_f_med) - 1),
    }


def smooth_best(validation_f_med: NDArray[np.float64], best: int) -> float:
    """Return the median F_med of the 11 epochs around the best one (from 0), fewer at the ends."""
    window = validation_f_med[max(0, best - SMOOTHING) : best + SMOOTHING + 1]
    return float(np.median(window))


def loss_falls(loss: NDArray[np.float64]) -> bool:
    """Tell whether a loss still falls at the end of a run, (epochs,).

    The mean of the last quarter of the epochs must lie below that of the quarter before by more
    than two standard errors of the difference, the epochs taken as independent. A run of less
    than eight epochs is too short to tell.
    """
    quarter = len(loss) // 4
    if quarter < 2:
        return False
    before, last = loss[-2 * quarter : -quarter], loss[-quarter:]
    error = np.sqrt((np.var(before, ddof=1) + np.var(last, ddof=1)) / quarter)
    return bool(np.mean(before) - np.mean(last) > 2 * error)


def _f_med(counts: GroupCounts) -> float:
    recalls = [
        counts.correct[counts.label == k].sum() / counts.total[counts.label == k].sum()
        for k in np.unique(counts.label)
    ]
    return metrics.f_med(recalls)


def _resampled_f_med(counts: GroupCounts, rng: np.random.Generator) -> NDArray[np.float64] | None:
    """Return F_med of bootstrap samples of the groups within each class, (DRAWS,).

    A class of G groups is drawn G - 1 times: the variance of its recall then comes out right on
    average, where G draws give (G - 1) / G of it, half for two groups (McCarthy and Snowden 1985,
    Vital and Health Statistics 2:95). None when a class has one group.
    """
    recalls = []
    for k in np.unique(counts.label):
        members = np.flatnonzero(counts.label == k)
        groups = len(members)
        if groups < 2:
            return None
        times = rng.multinomial(groups - 1, np.full(groups, 1 / groups), size=DRAWS)
        recalls.append((times @ counts.correct[members]) / (times @ counts.total[members]))
    values = np.array(recalls)  # (classes, DRAWS)
    safe = np.where(values > 0, values, 1.0)
    return np.where((values > 0).all(axis=0), len(values) / np.sum(1 / safe, axis=0), 0.0)


def _standard_error(*draws: NDArray[np.float64] | None) -> float | None:
    """Return the standard error of a sum or difference of independent scores."""
    known = [values for values in draws if values is not None]
    if len(known) < len(draws):
        return None
    return float(np.sqrt(sum(np.var(values, ddof=1) for values in known)))


def _verdict(excess: float, error: float | None, smallest: float = 0.0) -> str:
    """Return how sure it is that ``excess`` is more than noise."""
    if not excess > smallest:
        return "no"
    if error is None or excess <= error:
        return "within the noise"
    return "clear" if excess > 2 * error else "likely"


def _bias(best_train_f_med: float, target: float, error: float | None) -> dict[str, Any]:
    shortfall = target - best_train_f_med
    return {
        "verdict": _verdict(shortfall, error),
        "best_train_f_med": best_train_f_med,
        "shortfall": shortfall,
        "standard_error": error,
    }


def _variance(
    gap: float,
    error: float | None,
    train_loss: NDArray[np.float64],
    validation_loss: NDArray[np.float64],
) -> dict[str, Any]:
    minimum = float(np.min(validation_loss))
    ending = float(np.median(validation_loss[-_ENDING:]))
    ratio = ending / minimum if minimum > 0 else None
    falls = loss_falls(train_loss)
    losses_part = bool(ratio is not None and ratio > LOSS_RATIO and falls)
    verdict = _verdict(gap, error, GAP)
    if losses_part and verdict != "clear":
        verdict = "likely"
    return {
        "verdict": verdict,
        "gap": gap,
        "standard_error": error,
        "loss_ratio": ratio if ratio is not None and np.isfinite(ratio) else None,
        "train_loss_falls": falls,
        "losses_part": losses_part,
    }


def _kind(bias: str, variance: str) -> str:
    found = [
        name
        for name, verdict in (("high bias", bias), ("high variance", variance))
        if verdict in ("clear", "likely")
    ]
    return " and ".join(found) or "balanced"


def _advice(
    bias: dict[str, Any], variance: dict[str, Any], *, cut: bool, ends_at_best: bool
) -> list[str]:
    """Return what to try next, in sentences that name the hyperparameters as the page does."""
    biased = bias["verdict"] in ("clear", "likely")
    varies = variance["verdict"] in ("clear", "likely")
    advice = []
    if biased:
        if cut or ends_at_best:
            ended = "The run ended at its largest number of epochs, not by patience"
            ended = ended if cut else "The best epoch was the last"
            advice.append(f"{ended}: more epochs may do what a larger network would.")
        advice.append(
            "Training F_med stays below the target: try more filters, a larger filter size or a "
            "larger dense width."
        )
    if varies:
        advice.append(
            "Validation falls behind training: try fewer filters, a smaller filter size, a "
            "smaller dense width or more dropout."
        )
    if biased and varies:
        advice.append(
            "The two ask for opposite changes: reach the target in training first, then raise "
            "dropout, which costs no filters."
        )
    if bias["verdict"] == "within the noise":
        advice.append(
            f"Training F_med is below the target by {_against(bias['shortfall'], bias)}: repeat "
            "with other seeds before raising filters or dense width."
        )
    if variance["verdict"] == "within the noise":
        advice.append(
            f"The gap to validation is {_against(variance['gap'], variance)}: more validation "
            "groups or folds would tell; leave filters, dense width and dropout as they are."
        )
    return advice or ["Neither bias nor variance shows: no hyperparameter asks to be changed."]


def _against(value: float, part: dict[str, Any]) -> str:
    error = part["standard_error"]
    if error is None:
        return f"{value:.2f}, of unknown standard error because a class has a single group"
    return f"{value:.2f}, within one standard error ({error:.2f})"
