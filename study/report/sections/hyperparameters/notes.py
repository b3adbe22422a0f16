"""What the tab on hyperparameters says of its figures: sentences computed from the trials."""

from __future__ import annotations

from collections.abc import Sequence

from study.report import words
from study.report.cautions import FEW_TRIALS
from study.report.optuna_study import Searched
from study.report.sections.hyperparameters.importance import ImportanceInfo
from study.report.sections.hyperparameters.landscape import SliceInfo
from study.report.sections.hyperparameters.parallel import ParallelInfo
from study.report.sections.hyperparameters.scales import Points

CONTOUR_TRIALS = 30
"""Below this many complete trials, a map of two hyperparameters is mostly gaps."""


def shows(info: ImportanceInfo) -> str:
    """Return which hyperparameters stand out from noise, in one sentence."""
    leading, rest = info.leading, len(info.bars) - len(info.leading)
    trials = words.plural(info.weighed, "complete trial")
    if not leading:
        first = info.bars[0]
        return (
            f"Nothing can be told apart from noise in {trials}: the largest importance, of "
            f"{spoken(first.name)} ({first.value:.2f}, {_interval(info, 0)}), is below the "
            f"{first.noise:.2f} that shuffled scores reach."
        )
    told = [
        f"{spoken(bar.name)} ({bar.value:.2f}, {_interval(info, info.bars.index(bar))})"
        for bar in leading
    ]
    sentence = f"{_listed(told)} {'stands' if len(told) == 1 else 'stand'} out from noise in "
    others = {0: "", 1: "; the other one does not"}.get(rest, f"; the other {rest} do not")
    sentence += f"{trials}{others}."
    return sentence[0].upper() + sentence[1:]


def spoken(name: str) -> str:
    """Write a hyperparameter's name within a sentence."""
    label = words.label(name)
    return label[0].lower() + label[1:] if label[1:2].islower() else label


def _interval(info: ImportanceInfo, place: int) -> str:
    bar = info.bars[place]
    return f"95 % interval {bar.low:.2f} to {bar.high:.2f}"


def _listed(items: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(items[:-1]), items[-1]]))


def importance_note(info: ImportanceInfo, *, pruned: int) -> str:
    """Say what bars, whiskers and marks are, and what they do not hold."""
    lot = (
        f" {info.weighed:,} of the {info.complete:,} complete trials, drawn by lot, are weighed."
        if info.weighed < info.complete
        else ""
    )
    were = words.plural(pruned, "trial was pruned and is", "trials were pruned and are")
    ended = f" {were} not part: what ends a trial early does not show." if pruned else ""
    return (
        "Importance (PED-ANOVA) is the share of what puts a trial into the better half by "
        "validation F_med that one hyperparameter explains by itself; what two do only together "
        "is not in it, and the shares need not sum to 1. Whiskers: 95 % intervals over random "
        "halves of the trials. Orange marks: with the scores shuffled, any bar passes its mark in "
        f"one study of twenty.{ended} A sampler that learns, such as TPE, "
        "looks more at regions that did well: the importance allows for it, but slices, contours "
        f"and lines are denser there and say less about the rest.{lot}"
    )


def parallel_note(info: ParallelInfo) -> str | None:
    """Say how to read the lines, and how many are drawn."""
    shown = len(info.numbers)
    said = ["A click on the legend hides or shows a quarter of the trials."]
    if shown < info.complete:
        said.append(
            f"{shown:,} of {info.complete:,} trials are drawn: the best, and others by lot."
        )
    return " ".join(said)


def slices_note(slices: Sequence[SliceInfo]) -> str:
    """Say what the points, line and band of every slice are."""
    shown = max((len(info.numbers), info.complete) for info in slices)
    less = (
        f" {shown[0]:,} of {shown[1]:,} trials are drawn: the best, and others by lot; medians "
        "are of all."
        if shown[0] < shown[1]
        else ""
    )
    return (
        "Validation F_med of the complete trials, a point a trial. Line: median of bins with "
        f"equally many trials; band: their middle half.{less}"
    )


def no_contours(info: ImportanceInfo, points: Points) -> str:
    """Say why there is no map of two hyperparameters."""
    complete = len(points.numbers)
    if complete < CONTOUR_TRIALS:
        return (
            f"No contours: {complete:,} trials are complete; below {CONTOUR_TRIALS} a map of two "
            "hyperparameters is mostly gaps."
        )
    if sum(scale.choices is None for scale in points.scales.values()) < 2:
        return "No contours: they need two hyperparameters that are numbers."
    if not any(points.scales[bar.name].choices is None for bar in info.leading):
        return (
            "No contours: no hyperparameter that is a number stands out from noise, so that a map "
            "would show noise."
        )
    return "No contours: the trials lie too far apart for any place to have two of them near."


def remarks(space: Searched, points: Points) -> str | None:
    """Return what was left out and why, None where nothing was."""
    said = []
    if space.unreadable is not None:
        said.append(
            f"The search space of this study cannot be read ({space.unreadable}); ranges are those "
            "of its trials, on linear axes."
        )
    if points.constant and len(points.numbers) >= FEW_TRIALS:
        names = _listed([words.label(name) for name in points.constant])
        said.append(f"Left out, without two different values in complete trials: {names}.")
    return " ".join(said) if said else None
