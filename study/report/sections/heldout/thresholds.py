"""What another threshold than the fixed one does, in words and as a table."""

from __future__ import annotations

from study import metrics
from study.evaluation.operating import Recall, operating_point
from study.report import words
from study.report.markup import Markup, element, join
from study.report.sections.heldout.data import FOLDS, TARGET, Cut, HeldOut, threshold_words
from study.report.sections.heldout.scores import bounds_words, scrolling_table

USELESS = 0.1
"""Share of the negative images below which a threshold that clears no more is of no use."""


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
    where = (
        "It was chosen on them, not on the test part, which only tells how that choice turned out."
    )
    if found.source == FOLDS:
        where += f" {OUT_OF_FOLD}"
    if cleared.value < USELESS:
        none = f"No useful threshold here: it calls practically everything {positive}."
        return f"{does} {none} {where}"
    few = (
        f" With {words.plural(caught.groups, 'group')} of {positive} it hangs on a handful of "
        "lesions: expect another sensitivity on new ones."
        if caught.groups < metrics.FEW_GROUPS
        else ""
    )
    worth = "A threshold may be worth having that misses fewer and alarms more."
    return f"{worth} {does} {where}{few}"


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
