"""What the figures of a nested study say and what can be claimed from them, in sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from study.evaluation.nested import had_a_choice
from study.records import StudyRecord
from study.report import words


def trials_words(found: Mapping[str, Any]) -> str:
    """Return how many trials the folds' searches came to, and the plan where it was another."""
    planned = int(found["trials"])
    ended = [int(fold["trials_ended"]) for fold in found["folds"]]
    low, high = min(ended), max(ended)
    span = words.plural(high, "trial") if low == high else f"{low:,} to {high:,} trials"
    return span if low == high == planned else f"{span} ({planned:,} planned)"


def missed(found: Mapping[str, Any], record: StudyRecord) -> str:
    """Return both kinds of error in a sentence."""
    confusion, data = found["confusion"], record.dataset
    tp, fp, tn, fn = (int(confusion[key]) for key in ("tp", "fp", "tn", "fn"))
    return (
        f"On the plain images of all outer folds, {words.plural(int(found['images']), 'image')} in "
        f"{words.plural(int(found['groups']), 'group')}, each judged once by a search that never "
        f"saw it: {fn:,} of {tp + fn:,} {data.get('positive')} images were missed (false "
        f"negatives) and {fp:,} of {tn + fp:,} {data.get('negative')} ones called "
        f"{data.get('positive')} (false positives)."
    )


def _scores(found: Mapping[str, Any]) -> list[float]:
    """Return the F_med of each fold's test part."""
    scores = (words.number(fold["f_med"]) for fold in found["folds"])
    return [value for value in scores if value is not None]


def spread(found: Mapping[str, Any]) -> str:
    """Return how far the folds lie apart."""
    values = _scores(found)
    if not values:
        return "No fold has a score."
    return (
        f"F_med of the folds lies between {min(values):.3f} and {max(values):.3f} (mean "
        f"{fmean(values):.3f}): so much depends on which lesions happen to be the test part."
    )


def above_every_fold(found: Mapping[str, Any]) -> str | None:
    """Return what it means that the pooled F_med is higher than any fold's; None where it is not.

    Counts of a network that finds one class only and of one that finds only the other add up to
    those of a passable one.
    """
    values = _scores(found)
    if not values or found["f_med"] <= max(values):
        return None
    blind = [str(at) for at, fold in enumerate(found["folds"], 1) if fold["f_med"] == 0]
    which = "fold" if len(blind) == 1 else "folds"
    none = f" In {which} {', '.join(blind)} the network found one class only." if blind else ""
    return (
        f"The pooled F_med, {found['f_med']:.3f}, is higher than that of any fold. Either the "
        "folds' networks err in opposite directions, or the few groups of each fold do so by "
        "chance. The pooled figure is then too high for one network, the mean of the folds, "
        f"{fmean(values):.3f}, too low; the truth most likely lies between them.{none}"
    )


def fall(found: Mapping[str, Any]) -> str:
    """Return how far the searches' own scores lie from those of their test parts."""
    pairs = [
        (own, test)
        for fold in found["folds"]
        if (own := words.number(fold["validation_f_med"])) is not None
        and (test := words.number(fold["f_med"])) is not None
    ]
    if not pairs:
        return ""
    own, test = (fmean(values) for values in zip(*pairs, strict=True))
    return (
        f"On average the searches promised {own:.3f} (validation, augmented) and their test parts "
        f"gave {test:.3f} (plain)."
    )


def openings(found: Mapping[str, Any]) -> str:
    """Return how often the test parts have been looked at."""
    uses = [int(fold["uses"] or 0) for fold in found["folds"]]
    if all(amount == 1 for amount in uses):
        return f"Each of the {len(uses)} test parts was opened once."
    often = ", ".join(
        f"fold {number} {words.times(amount)}"
        for number, amount in enumerate(uses, 1)
        if amount != 1
    )
    return (
        f"Test parts were opened more than once ({often}): figures that were looked at before may "
        "have had a say in what was done since, and the interval is too favourable."
    )


def agreement_words(found: Mapping[str, Any]) -> str:
    """Return whether the folds named the same network, and how far they differ in cost."""
    folds, networks = len(found["folds"]), int(found["agreement"]["networks"])
    if not had_a_choice(found):
        return (
            "A fold with fewer than two complete trials has no choice: whether the folds would "
            "name the same network cannot be told."
        )
    if networks == 1:
        return (
            f"All {folds} folds named the same network: the choice, among {trials_words(found)}, "
            "did not hang on which lesions were at hand."
        )
    costs = [cost for fold in found["folds"] if (cost := words.number(fold["macs"]))]
    ratio = max(costs) / min(costs) if costs else 1.0
    apart = (
        f"between {min(costs):,} and {max(costs):,} multiply-accumulates, a factor of {ratio:.2g}"
        if ratio > 1.0
        else "of the same cost"
    )
    return (
        f"The {folds} folds named {networks} different networks, {apart}: with other lesions the "
        "same search names another one, so that no single set of hyperparameters should be "
        "presented as the best."
    )


def claim(found: Mapping[str, Any], records: Sequence[StudyRecord]) -> list[str]:
    """Return what the pooled figure means and how it is written in a paper."""
    low, high = found["intervals"]["f_med"]
    folds, values = len(found["folds"]), _scores(found)
    each = f"; of the folds {min(values):.2f} to {max(values):.2f}" if values else ""
    return [
        "It estimates the procedure (search, choice of the winner, final training) on new lesions "
        "from the same source. No network has this score: each fold made its own.",
        f"Write: “F_med {found['f_med']:.2f} (95 % interval {low:.2f} to {high:.2f}{each}), nested "
        f"cross-validation with {folds} outer folds of whole groups, "
        f"{words.plural(int(found['images']), 'image')} in "
        f"{words.plural(int(found['groups']), 'group')}; in each fold a search of "
        f"{trials_words(found)}{_finalists(records)}.” Never the best fold, and none of the "
        "searches' own scores.",
        "The interval holds the chance in which lesions were at hand, not that of the searches: "
        "the folds share most of their training images, and another seed would move the figure, "
        "too.",
        "For a network to use, run the same line without --outer-folds and with another --name: "
        "it trains on more images, so that this figure is, if anything, a little low for it. Its "
        "own retest then speaks of that very network.",
        "Nothing here speaks for other hospitals, devices or patients than those of the data.",
    ]


def _finalists(records: Sequence[StudyRecord]) -> str:
    amounts = {
        len((record.final or {}).get("selection", {}).get("finalists") or []) for record in records
    }
    if amounts == {0}:
        return ", whose best trial was taken"
    low, high = min(amounts), max(amounts)
    said = words.plural(high, "finalist") if low == high else f"{low} to {high} finalists"
    return f" and {said} over inner folds"
