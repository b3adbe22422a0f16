"""The threshold of an exported network: fixed, or chosen on predictions of images held out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from study.errors import LedgerError, SettingsError
from study.evaluation.final import SEARCH, FinalModel
from study.evaluation.operating import (
    OperatingPoint,
    Predictions,
    Recall,
    operating_point,
    threshold_curve,
    threshold_for_sensitivity,
)
from study.files import TORN
from study.metrics import FEW_GROUPS, THRESHOLD
from study.workspace import StudyFolder

FIXED, MAX_F_MED, SENSITIVITY = "fixed", "max-f-med", "sensitivity"
"""Kinds of rules."""

FOLDS, VALIDATION = "folds", "validation"
"""Where predictions come from: the finalists' folds, or the search's validation part."""


@dataclass(frozen=True, kw_only=True)
class ThresholdRule:
    """How a threshold is found."""

    kind: str
    """``FIXED``, ``MAX_F_MED`` or ``SENSITIVITY``."""
    text: str
    """As it was typed."""
    value: float | None = None
    """The threshold that is fixed, or the sensitivity that is to be kept."""


def parse_rule(text: str) -> ThresholdRule:
    """Read ``0.5`` (or another threshold), ``max-f-med`` or ``sensitivity=0.95``.

    Raises ``SettingsError`` for anything else.
    """
    word = text.strip().lower()
    if word == MAX_F_MED:
        return ThresholdRule(kind=MAX_F_MED, text=word)
    found = re.fullmatch(rf"({SENSITIVITY}=)?(\d*\.?\d+)", word, re.ASCII)
    value = float(found[2]) if found else 0.0
    if found and found[1] and 0 < value <= 1:
        return ThresholdRule(kind=SENSITIVITY, text=word, value=value)
    if found and not found[1] and 0 < value < 1:
        return ThresholdRule(kind=FIXED, text=word, value=value)
    raise SettingsError(
        f"--threshold: found {text!r}; allowed: a probability above 0 and below 1, such as "
        f"{THRESHOLD:g}; {MAX_F_MED}; or {SENSITIVITY}=S with S above 0 and at most 1, such as "
        f"{SENSITIVITY}=0.95"
    )


@dataclass(frozen=True, kw_only=True)
class ChosenThreshold:
    """A threshold, how it was found, and what it finds and misses on images held out."""

    value: float
    rule: str
    source: str
    """``FIXED``, or where the predictions that it was chosen on come from."""
    measured_on: str | None
    """Where the predictions of the operating point come from; None without any."""
    point: OperatingPoint | None
    notes: tuple[str, ...]
    """What a reader must know before believing the operating point."""

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; a recall with its 95 % interval."""
        point = self.point
        recalls = {
            "sensitivity": point.sensitivity if point else None,
            "specificity": point.specificity if point else None,
        }
        return {
            "value": self.value,
            "rule": self.rule,
            "source": self.source,
            "measured_on": self.measured_on,
            **{name: _described(recall) for name, recall in recalls.items()},
            "notes": list(self.notes),
        }


def _described(recall: Recall | None) -> dict[str, Any] | None:
    if recall is None:
        return None
    low, high = recall.interval()
    return {
        "value": recall.value,
        "low": low,
        "high": high,
        "images": recall.images,
        "groups": recall.groups,
        "effective_images": recall.effective,
    }


def choose_threshold(
    rule: ThresholdRule, folder: StudyFolder, model: FinalModel
) -> ChosenThreshold:
    """Find the threshold of a network, and judge it, on images that did not train it.

    Those are the out-of-fold predictions of its variant, all fold seeds pooled, or else the plain
    validation images where the network is the search's own: after a refit they trained it.

    Raises ``SettingsError`` when the rule needs predictions and there are none, ``LedgerError``
    when they are damaged.
    """
    held = _held_out(folder, model)
    if rule.kind == FIXED:
        value, source = float(rule.value or THRESHOLD), FIXED
    elif held is None:
        raise SettingsError(
            f"--threshold {rule.text}: the network was trained again on the validation images, and "
            f"there are no predictions of folds to choose on; take --threshold {THRESHOLD:g}"
            if model.origin != SEARCH
            else f"--threshold {rule.text}: trial {model.number} has no stored predictions of "
            f"validation images to choose on; take --threshold {THRESHOLD:g}"
        )
    else:
        source, data = held
        value = (
            threshold_for_max_f_med(data)
            if rule.kind == MAX_F_MED
            else threshold_for_sensitivity(data, float(rule.value or 0))
        )
    return ChosenThreshold(
        value=value,
        rule=rule.text,
        source=source,
        measured_on=held[0] if held else None,
        point=operating_point(held[1], value) if held else None,
        notes=tuple(_notes(rule, held)),
    )


def threshold_for_max_f_med(data: Predictions) -> float:
    """Return the middle of the plateau of thresholds with the highest F_med.

    F_med changes only at the probabilities that were given: between two of them it is level.
    Neighbouring stretches of the same F_med are one plateau. Of several plateaus the widest is
    taken, of equally wide ones the lowest, which misses fewest of the positive class. Where every
    threshold gives 0, the answer is 0.5.
    """
    curve = threshold_curve(data)
    total = curve.sensitivity + curve.specificity
    product = 2 * curve.sensitivity * curve.specificity
    f_med = np.divide(product, total, out=np.zeros_like(total), where=total > 0)
    # The k-th entry holds for thresholds above the one before it, up to its own.
    low, high, level = curve.threshold[:-1], curve.threshold[1:], f_med[1:]
    best = np.flatnonzero(np.isclose(level, level.max(), rtol=0, atol=1e-12))
    runs = np.split(best, np.flatnonzero(np.diff(best) > 1) + 1)
    bounds = [(float(low[run[0]]), float(high[run[-1]])) for run in runs]
    start, end = max(bounds, key=lambda ends: ends[1] - ends[0])
    middle = start + (end - start) / 2
    return middle if middle > start else end  # between neighbouring floats there is no middle


def _held_out(folder: StudyFolder, model: FinalModel) -> tuple[str, Predictions] | None:
    """Return the predictions to judge a network's threshold on and where they come from."""
    folds = folder.out_of_fold(model.number)
    if model.in_folds and folds.is_file():  # of an earlier answer they would be of other folds
        return FOLDS, read_predictions(folds)
    plain = folder.trial(model.number) / "validation_predictions.npz"
    if model.origin == SEARCH and plain.is_file():
        return VALIDATION, read_predictions(plain)
    return None


def read_predictions(path: Path) -> Predictions:
    """Read predictions: ``probability`` (S, n) or (n,), ``label`` and ``group`` (n,).

    Seeds are pooled; an image keeps its group in all of them, so that intervals count it once.
    With ``fold``, of the shape of ``probability``, images of a fold below 0 were not scored.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in ("probability", "label", "group")}
            fold = arrays["fold"] if "fold" in arrays else np.zeros(found["probability"].shape)
        probability = np.atleast_2d(found["probability"].astype(np.float64))
        scored = np.atleast_2d(fold) >= 0
        _, group = np.unique(found["group"], return_inverse=True)
        shape = probability.shape
        return Predictions(
            label=np.broadcast_to(found["label"].astype(np.int64), shape)[scored],
            probability=probability[scored],
            group=np.broadcast_to(group.astype(np.int64), shape)[scored],
        )
    except TORN as error:
        raise LedgerError(
            f"{path}: damaged, a threshold cannot be judged on it ({error}); restore it from a copy"
        ) from error


def _notes(rule: ThresholdRule, held: tuple[str, Predictions] | None) -> list[str]:
    if held is None:
        return ["No stored predictions tell what this threshold finds and misses."]
    source, data = held
    found = {
        FOLDS: "Measured on out-of-fold predictions: those of networks of this variant that were "
        "trained on the other folds, not of the exported network itself.",
        VALIDATION: "Measured on the validation images, which also chose the best epoch and the "
        "network: new images will be recognised less well.",
    }
    notes = [found[source]]
    if rule.kind != FIXED:
        notes.append(
            "The threshold was chosen on the predictions that it is measured on: its sensitivity "
            "and specificity are optimistic."
        )
    if data.few:
        hanging = "these figures hang" if rule.kind == FIXED else "the threshold hangs"
        notes.append(
            f"A class has fewer than {FEW_GROUPS} groups ({data.groups(1)} of the positive class, "
            f"{data.groups(0)} of the negative one): {hanging} on a handful of them."
        )
    return notes
