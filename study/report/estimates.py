"""The three numbers of a network before its retest, and how far each of them can be trusted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from study.records import StudyRecord, TrialRecord
from study.report import words
from study.report.markup import Markup, element
from study.summary import (
    counts,
    estimates,
    is_settled,
    progress,
    search_role,
    stale_retest,
    winner,
)


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """One F_med of a network."""

    name: str
    """``Search``, ``Corrected`` or ``Cross-validated``."""
    on: str
    """The images that it is measured on, augmented or plain."""
    value: float | None
    spread: str
    """Its interval or standard error; without a value, why there is none."""


def three_numbers(record: StudyRecord, trial: TrialRecord) -> list[Estimate]:
    """Return the search's score, the corrected one and the cross-validated one of a trial."""
    found = estimates(record, trial)
    return [
        Estimate(
            name="Search",
            on="validation, augmented",
            value=words.number(trial.validation_f_med),
            spread=search_role(record, trial),
        ),
        _corrected(record, found["corrected_f_med"] or {}),
        _cross_validated(record, found["cross_validated_f_med"] or {}),
    ]


def _corrected(record: StudyRecord, found: dict[str, Any]) -> Estimate:
    value, bounds = words.number(found.get("value")), words.interval(found)
    on = {"folds": "folds, plain", "validation": "validation, plain"}.get(str(found.get("from")))
    spread = _absent(record)
    if value is not None:
        spread = "no interval" if bounds is None else f"{bounds[0]:.2f} to {bounds[1]:.2f}, 95 %"
    return Estimate(name="Corrected", on=on or "plain", value=value, spread=spread)


def _cross_validated(record: StudyRecord, found: dict[str, Any]) -> Estimate:
    mean, error = words.number(found.get("mean")), words.number(found.get("standard_error"))
    folds = words.number(found.get("folds"))
    spread = _absent(record)
    if mean is not None:
        spread = "no standard error" if error is None else f"± {error:.3f}, one SE"
    elif is_settled(record) and not finalists(record):
        spread = "no finalists"
    on = "plain" if folds is None else f"{words.plural(int(folds), 'fold')}, plain"
    return Estimate(name="Cross-validated", on=on, value=mean, spread=spread)


def _absent(record: StudyRecord) -> str:
    if is_settled(record):
        return "not computed"
    old = record.final is not None or record.retest is not None
    return "not computed" if progress(record) == "finished" and old else "after the search"


def finalists(record: StudyRecord) -> list[dict[str, Any]]:
    """Return the finalists that the present winner was named among; none where they do not hold."""
    found = (record.final or {}).get("selection", {}).get("finalists")
    return found if found and is_settled(record) else []


def numbers_html(record: StudyRecord, trial: TrialRecord) -> Markup:
    """Return the three numbers side by side."""
    return element(
        "dl",
        *(
            element(
                "div",
                element("dt", item.name, " ", element("span", item.on)),
                element("dd", words.score(item.value)),
                element("dd", item.spread, class_="spread"),
            )
            for item in three_numbers(record, trial)
        ),
        class_="numbers",
    )


def sentence(record: StudyRecord, trial: TrialRecord) -> str | None:
    """Return corrected and cross-validated F_med in a sentence, None where there is neither."""
    _, corrected, across = three_numbers(record, trial)
    said = []
    if corrected.value is not None:
        how = "on resampled folds" if "folds" in corrected.on else "on resampled validation groups"
        said.append(
            f"with the luck of the selection taken off ({how}, plain) F_med is "
            f"{corrected.value:.3f} ({corrected.spread})"
        )
    if across.value is not None:
        said.append(f"cross-validated ({across.on}) it is {across.value:.3f} ({across.spread})")
    return _begun("; ".join(said)) + "." if said else None


def _begun(text: str) -> str:
    return text[:1].upper() + text[1:]


def trust(record: StudyRecord) -> list[tuple[str, str]]:
    """Return the name of each number on the cards, and one sentence on how far to trust it."""
    best = winner(record)
    if best is None:
        return []
    _, corrected, across = three_numbers(record, best)
    found = [("Search (augmented)", _of_the_search(record))]
    if corrected.value is not None:
        found.append(("Corrected (plain)", _of_the_corrected(record, best)))
    if across.value is not None:
        among = words.plural(len(finalists(record)), "finalist")
        text = (
            "The mean of networks that were trained on fewer images than the final one, and of a "
            f"variant that was chosen among {among} by this very mean."
        )
        found.append(("Cross-validated (plain)", text))
    if record.retest is not None:
        found.append(("Retest (plain)", _of_the_retest(record)))
    return found


def _of_the_search(record: StudyRecord) -> str:
    state = counts(record)
    networks = state["complete"] + state["pruned"]
    if networks == 1:
        return "The best of its network's epochs, and optimistic for that."
    chosen = "became finalists" if finalists(record) else "to take"
    return (
        f"It decided which of {networks:,} networks {chosen}, and which epoch of each, so that it "
        "is optimistic; that of the reference network decided on its epoch alone."
    )


def _of_the_corrected(record: StudyRecord, best: TrialRecord) -> str:
    corrected = three_numbers(record, best)[1]
    found = estimates(record, best)["cross_validated_f_med"] or {}
    error = words.number(found.get("standard_error"))
    other = "" if error is None else f": the folds' own spread (± {error:.3f}) does"
    luck = f"its interval holds which groups were at hand, not the luck of training{other}"
    if "folds" in corrected.on:
        return (
            "The selection among the finalists is repeated on resampled groups and judged on those "
            "left out; it knows no other hospital or device, and the finalists were chosen on "
            f"images that count in it; {luck}."
        )
    groups = (record.split.get("parts", {}).get("validation") or {}).get("groups")
    held = "validation groups" if not groups else words.plural(int(groups), "validation group")
    return (
        f"The choice of trial and epoch is repeated on resamples of the {held} and judged on those "
        f"left out; it knows no other hospital or device, and hangs on these few; {luck}."
    )


def _of_the_retest(record: StudyRecord) -> str:
    uses = int((record.retest or {}).get("uses") or 1)
    unseen = "nothing else has seen" if uses == 1 else f"have been looked at {words.times(uses)}"
    groups = (record.retest or {}).get("groups")
    few = "so few groups" if groups is None else words.plural(int(groups), "group")
    of = "Of another network" if stale_retest(record) else "Of this very network"
    return f"{of}, on images that {unseen}; the width of its interval is all that {few} allow."


def luck_left_out(record: StudyRecord, trial: TrialRecord) -> bool:
    """Tell whether the folds' standard error exceeds half the width of the corrected interval.

    That interval resamples groups with the trained networks as they are.
    """
    found = estimates(record, trial)
    error = words.number((found["cross_validated_f_med"] or {}).get("standard_error"))
    bounds = words.interval(found["corrected_f_med"] or {})
    return error is not None and bounds is not None and error > (bounds[1] - bounds[0]) / 2


def trust_html(record: StudyRecord) -> Markup | None:
    """Return these sentences, folded; None where there is no network yet."""
    found = trust(record)
    if not found:
        return None
    items = (element("li", element("strong", name), ": ", text) for name, text in found)
    title = element("summary", "How far to trust each of these numbers")
    return element("details", title, element("ul", *items), class_="trust")
