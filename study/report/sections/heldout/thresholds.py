"""What another threshold than the fixed one does, in words and as a table."""

from __future__ import annotations

import numpy as np

from study import metrics
from study.evaluation.operating import OperatingPoint, Predictions, Recall, operating_point
from study.report import words
from study.report.markup import Markup, element, join
from study.report.sections.heldout.data import FOLDS, TARGET, Cut, HeldOut, threshold_words
from study.report.sections.heldout.scores import bounds_words, scrolling_table

USELESS = 0.1
"""Share of the negative images below which a threshold that clears no more is of no use."""

ALIKE = 0.05
"""Probabilities of which nine in ten lie this close together hardly tell images apart."""

OUT_OF_FOLD = (
    "Out-of-fold predictions are those of networks of this variant, each on the images of training "
    "and validation that it was neither trained nor stopped on; the network itself has been "
    "trained on images of these parts, so that its own predictions of them would flatter it."
)


def choice_words(found: HeldOut, names: tuple[str, str]) -> str:
    """Return what another threshold costs and gains, and where it was chosen."""
    positive, negative = names
    if found.choosing is None:
        return f"No threshold can be chosen without predictions of the {found.source} images."
    point = operating_point(found.choosing, found.cuts[1].threshold)
    caught, cleared = point.sensitivity, point.specificity
    does = (
        f"On the {found.source} images {threshold_words(point.threshold)} is the highest threshold "
        f"that keeps the sensitivity at {TARGET:g} or above: it finds {caught.right:,} of "
        f"{caught.images:,} {positive} images and clears {cleared.right:,} of "
        f"{cleared.images:,} {negative} ones."
    )
    turned = _disagreement(found, point, names)
    where = (
        "It was chosen on them, not on the test part, which only tells how that choice turned out."
    )
    if found.source == FOLDS:
        where += f" {OUT_OF_FOLD}"
    if cleared.value < USELESS:
        none = f"No useful threshold here: there it calls practically everything {positive}."
        return f"{does} {none}{turned} {where}"
    few = (
        f" With {words.plural(caught.groups, 'group')} of {positive} it hangs on a handful of "
        "lesions: expect another sensitivity on new ones."
        if caught.groups < metrics.FEW_GROUPS
        else ""
    )
    worth = "A threshold may be worth having that misses fewer and alarms more."
    return f"{worth} {does}{turned} {where}{few}"


def _disagreement(found: HeldOut, chosen: OperatingPoint, names: tuple[str, str]) -> str:
    """Return how far the test part contradicts what the chosen threshold promised, if it does."""
    if found.test is None:
        return ""
    point = operating_point(found.test, chosen.threshold)
    caught, cleared = point.sensitivity, point.specificity
    if _holds(caught, chosen.sensitivity) and _holds(cleared, chosen.specificity):
        return ""
    return (
        f" The {found.source} and the test images disagree: on the test images it finds "
        f"{caught.right:,} of {caught.images:,} {names[0]} and clears {cleared.right:,} of "
        f"{cleared.images:,} {names[1]} ones, and an interval there does not hold the share here."
    )


def _holds(kept: Recall, promised: Recall) -> bool:
    low, high = kept.interval()
    return low <= promised.value <= high


def narrow_span(found: HeldOut) -> tuple[float, float] | None:
    """Return what the axis of thresholds must hold where nearly all probabilities are alike.

    Nine in ten of those of each part, which lie within ``ALIKE``, and the thresholds to judge;
    None where they spread.
    """
    ends = [_nine_in_ten(data) for _, data in found.parts if data is not None]
    if not ends or any(high - low >= ALIKE for low, high in ends):
        return None
    at = [*(end for both in ends for end in both), *(cut.threshold for cut in found.cuts)]
    room = max(0.2 * (max(at) - min(at)), 0.002)
    return max(min(at) - room, 0.0), min(max(at) + room, 1.0)


def alike_words(found: HeldOut) -> str | None:
    """Return that a network hardly tells images apart, from how alike its probabilities are."""
    said = []
    for part, data in found.parts:
        if data is None:
            continue
        low, high = _nine_in_ten(data)
        if high - low < ALIKE:
            said.append(f"between {low:.3f} and {high:.3f} on the {part} images")
    if not said:
        return None
    return (
        f"Nine in ten of the probabilities lie {' and '.join(said)}: the network hardly tells "
        "images apart, and a small step of the threshold turns many calls over."
    )


def _nine_in_ten(data: Predictions) -> tuple[float, float]:
    low, high = np.quantile(data.probability, [0.05, 0.95])
    return float(low), float(high)


def points_table(found: HeldOut, cuts: list[Cut], names: tuple[str, str]) -> Markup:
    """Return what each cut does: no interval where it was chosen."""
    rows = []
    for cut in cuts:
        row: list[str] = [cut.name]
        for part, data in found.parts:
            if data is None:
                row += [words.DASH, words.DASH]
                continue
            point = operating_point(data, cut.threshold)
            for recall in (point.sensitivity, point.specificity):
                row.append(_recall_words(recall, interval=part == "test"))
        rows.append(tuple(row))
    heads = ["Threshold"]
    for part, _ in found.parts:
        name = part.capitalize()
        heads += [f"{name}: {names[0]} found", f"{name}: {names[1]} cleared"]
    chose = "the threshold was" if found.source == FOLDS else "network and threshold were"
    on = "On out-of-fold images" if found.source == FOLDS else "On validation"
    aside = (
        "Each recall with the images called rightly, of all of the class; on the test part with "
        f"its 95 % interval. {on} there is none, because {chose} chosen there."
    )
    return join(scrolling_table(heads, rows), element("p", aside, class_="aside"))


def _recall_words(recall: Recall, *, interval: bool) -> str:
    told = f"{recall.value:.3f} ({recall.right:,} of {recall.images:,})"
    return f"{told}, {bounds_words(recall.interval())}" if interval else told
