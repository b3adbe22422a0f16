"""What another threshold than the fixed one does, in words and as a table."""

from __future__ import annotations

from study import metrics
from study.evaluation.operating import Recall, operating_point
from study.report import words
from study.report.markup import Markup, element, join
from study.report.sections.heldout.data import TARGET, Cut, HeldOut, threshold_words
from study.report.sections.heldout.scores import bounds_words, scrolling_table

USELESS = 0.1
"""Share of the negative images below which a threshold that clears no more is of no use."""


def choice_words(found: HeldOut, names: tuple[str, str]) -> str:
    """Return what another threshold costs and gains, and where it was chosen."""
    positive, negative = names
    if found.validation is None:
        return "No threshold can be chosen without the predictions of the validation images."
    point = operating_point(found.validation, found.cuts[1].threshold)
    caught, cleared = point.sensitivity, point.specificity
    does = (
        f"On the validation images {threshold_words(point.threshold)} is the highest threshold "
        f"that keeps the sensitivity at {TARGET:g} or above: it finds {caught.right:,} of "
        f"{caught.images:,} {positive} images and clears {cleared.right:,} of "
        f"{cleared.images:,} {negative} ones."
    )
    where = (
        "It was chosen on them, not on the test part, which only tells how that choice turned out."
    )
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
    """Return what each cut does: on validation without an interval, for it was chosen there."""
    rows = []
    for cut in cuts:
        row: list[str] = [cut.name]
        for part, data in (("validation", found.validation), ("test", found.test)):
            if data is None:
                row += [words.DASH, words.DASH]
                continue
            point = operating_point(data, cut.threshold)
            for recall in (point.sensitivity, point.specificity):
                row.append(_recall_words(recall, interval=part == "test"))
        rows.append(tuple(row))
    heads = ["Threshold"]
    for part in ("Validation", "Test"):
        heads += [f"{part}: {names[0]} found", f"{part}: {names[1]} cleared"]
    aside = (
        "Each recall with the images called rightly, of all of the class; on the test part with "
        "its 95 % interval. On validation there is none, because network and threshold were "
        "chosen there."
    )
    return join(scrolling_table(heads, rows), element("p", aside, class_="aside"))


def _recall_words(recall: Recall, *, interval: bool) -> str:
    told = f"{recall.value:.3f} ({recall.right:,} of {recall.images:,})"
    return f"{told}, {bounds_words(recall.interval())}" if interval else told
