"""What a reader must know before believing any figure of the page."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from study import metrics
from study.errors import SpaceError
from study.protocol import Protocol
from study.records import StudyRecord
from study.report import words
from study.report.audit.section import LEVELS, finding_title
from study.report.estimates import finalists
from study.report.frames import hyperparameter
from study.report.markup import Markup, element
from study.space import Parameter, parse_space
from study.summary import counts, is_settled, progress, times_opened, winner
from study.variant import REFERENCE_SGD, Variant

FEW_TRIALS = 20
"""Below this many complete trials, differences between hyperparameters are mostly noise."""
NOT_AFFORDED = "is not enough all the same"
"""What the finalists' stage says where even the least that it trains costs too much."""
OVERRUN = "more than a third: "
"""What it says where the trainings took longer than planned for."""
GUESSING = 0.5
"""Highest F_med of a guess: one that says positive with probability p has 2 p (1 - p)."""
EDGE = 0.05
"""Share of a range next to a bound in which a winner is at the edge of the space."""


@dataclass(frozen=True, kw_only=True)
class Caution:
    """One entry of the list at the head of the page."""

    level: str
    """``danger``: the scores do not mean what they seem to; ``warning``; ``note``."""
    title: str
    text: str


def cautions(record: StudyRecord) -> list[Caution]:
    """Return what speaks against the study's figures, the gravest first, then plain notes."""
    found = [
        *_of_the_data(record),
        *_synthetic(record),
        *_cut(record),
        *_at_the_limit(record),
        *_retest_uses(record),
        *_finalists(record),
        *_validation_part(record),
        *_few_trials(record),
        *_edge(record),
        *_failed(record),
        _positive(record),
    ]
    return sorted(found, key=lambda item: ("danger", "warning", "note").index(item.level))


def _of_the_data(record: StudyRecord) -> list[Caution]:
    """Return the audit's errors and warnings; its notes stay in the section on the data."""
    if record.audit is None:  # a study from before there were audits
        return [*_leak(record), *_test_part(record), *_skipped(record)]
    return [
        Caution(
            level=LEVELS[finding["grade"]],
            title=_finding_title(finding),
            text=str(finding.get("message")),
        )
        for finding in record.audit.get("findings") or []
        if finding.get("grade") in ("error", "warning")
    ]


def _finding_title(finding: dict[str, Any]) -> str:
    """Return a finding's title; that of a shortcut says which, for there may be several."""
    title = finding_title(str(finding.get("code")))
    named = re.match(r"(.+?) alone tells? the classes", str(finding.get("message")))
    if finding.get("code") != "shortcut" or named is None:
        return title
    return f"{title}: {named[1][:1].lower()}{named[1][1:]}"


def _leak(record: StudyRecord) -> list[Caution]:
    groups = int(record.split.get("leaking_groups") or 0)
    if not groups:
        return []
    copies = int(record.split.get("leaking_test_images") or 0)
    images = record.split.get("parts", {}).get("test", {}).get("images") or 0
    test = (
        f" {copies:,} of the {words.plural(images, 'test image')} have near-copies in training or "
        "validation." * (copies > 0)
    )
    lie = "lies" if groups == 1 else "lie"
    return [
        Caution(
            level="danger",
            title="The split leaks",
            text=f"{words.plural(groups, 'group')} of images that belong together {lie} in more "
            f"than one part.{test} Validation and test scores reward recognising the same lesion "
            "again: they say little about new ones. A split that keeps groups together is the "
            "remedy.",
        )
    ]


def _synthetic(record: StudyRecord) -> list[Caution]:
    if not record.dataset.get("synthetic"):
        return []
    text = "The images are drawn by a program: no figure from them says anything about patients."
    return [Caution(level="warning", title="Synthetic data", text=text)]


def is_cut(protocol: Protocol) -> bool:
    """Tell whether there are fewer epochs, or samples of each, than the full protocol has."""
    full = Protocol()
    fewer = protocol.samples_per_epoch < full.samples_per_epoch
    return protocol.quick or fewer or protocol.epochs < full.epochs


def _cut(record: StudyRecord) -> list[Caution]:
    if not is_cut(record.protocol):
        return []
    text = (
        f"Not the full protocol: at most {words.plural(record.protocol.epochs, 'epoch')} of "
        f"{record.protocol.samples_per_epoch:,} samples. A first look; the order of the trials "
        "may change with the full budget."
    )
    return [Caution(level="warning", title="Cut budget", text=text)]


def _at_the_limit(record: StudyRecord) -> list[Caution]:
    """Return a caution where the best network's training was ended by the number of epochs."""
    best = winner(record)
    if best is None or best.stopped_by != "epochs":
        return []
    complete = [trial for trial in record.trials if trial.state == "complete"]
    cut = sum(trial.stopped_by == "epochs" for trial in complete)
    text = (
        f"{cut} of {words.plural(len(complete), 'complete trial')} ended at the epoch limit "
        f"({record.protocol.epochs:,}), not by patience; bias may be lack of training, and more "
        "epochs may do what a larger network would."
    )
    return [Caution(level="warning", title="Training was cut", text=text)]


def _retest_uses(record: StudyRecord) -> list[Caution]:
    uses = times_opened(record)
    if record.retest is None and uses:
        text = (
            f"The test part has been opened {words.times(uses)}, but no answer is stored: the "
            "evaluation was interrupted. The next one counts as another use."
        )
        return [Caution(level="warning", title="Test part opened", text=text)]
    if uses < 2:
        return []
    text = (
        f"The test part has been used {uses} times. Each look after the first lets it take part "
        "in choosing the network, so that its interval is too favourable."
    )
    return [Caution(level="warning", title="Test part reused", text=text)]


def _finalists(record: StudyRecord) -> list[Caution]:
    """Return what is missing between the search and the retest, once the winner was named."""
    final = record.final
    if final is None or not is_settled(record):
        return []
    notes = " ".join(str(note) for note in final.get("notes") or [])
    if not final["selection"].get("finalists"):
        text = notes or "The winner is the best of the search on the images that ranked its trials."
        return [Caution(level="warning", title="No finalists", text=text)]
    found = []
    refit = final.get("refit")
    if refit is not None and not refit.get("model"):
        attempts = refit.get("attempts") or []
        seeds = words.plural(len(attempts), "seed")
        crashed = [a for a in attempts if a.get("train_f_med") is None]
        causes = dict.fromkeys(str(a["cause"]) for a in crashed if a.get("cause"))
        failed = f" Trainings failed: {'; '.join(causes)}." if causes else ""
        text = (
            f"Trained anew on training and validation, the winner did not learn these images with "
            f"any of {seeds}.{failed} The final network is the search's own, which has not seen "
            "the validation images and is of one lucky seed."
        )
        found.append(Caution(level="warning", title="Final network not retrained", text=text))
    found += _refit_guesses(refit)
    if notes:
        dear = NOT_AFFORDED in notes or OVERRUN in notes
        level = "warning" if dear else "note"
        found.append(Caution(level=level, title="Notes on the finalists", text=notes))
    return found


def _refit_guesses(refit: dict[str, Any] | None) -> list[Caution]:
    """Return a caution where the final network knows its own training images by a guess only."""
    if not refit or not refit.get("model") or not refit.get("attempts"):
        return []
    reached = words.number(refit["attempts"][-1].get("train_f_med"))
    if reached is None or reached >= GUESSING:
        return []
    text = (
        f"Trained anew, it has F_med {reached:.3f} on augmented samples of its own training "
        f"images, and guessing reaches {GUESSING:.2f}: it passed only because the folds' networks "
        "did no better."
    )
    return [Caution(level="warning", title="Final network has not learned", text=text)]


def _test_part(record: StudyRecord) -> list[Caution]:
    part = record.split.get("parts", {}).get("test")
    if not part or not part.get("images"):
        text = "The data have no test part: no retest is possible and no score here is unbiased."
        return [Caution(level="warning", title="No test part", text=text)]
    held = _few_groups(part)
    if held is None:
        return []
    text = (
        f"It holds {held}. Intervals from fewer than {metrics.FEW_GROUPS} groups in a class are "
        "wide, and rightly so."
    )
    return [Caution(level="warning", title="Small test part", text=text)]


def _validation_part(record: StudyRecord) -> list[Caution]:
    held = _few_groups(record.split.get("parts", {}).get("validation") or {})
    if held is None:
        return []
    chosen = "the finalists" if finalists(record) else "the best network"
    text = (
        f"It holds {held}, and it chose the best epoch of each network and {chosen}: with fewer "
        f"than {metrics.FEW_GROUPS} groups in a class that choice hangs on a handful of "
        "them, and another validation part might choose another network."
    )
    return [Caution(level="warning", title="Small validation part", text=text)]


def _few_groups(part: dict[str, Any]) -> str | None:
    """Return a part's groups in words where a class has too few, else None."""
    classes = part.get("classes") or {}
    groups = {name: int(item.get("groups") or 0) for name, item in classes.items()}
    if not groups or min(groups.values()) >= metrics.FEW_GROUPS:
        return None
    return " and ".join(f"{words.plural(n, 'group')} of {name}" for name, n in groups.items())


def _few_trials(record: StudyRecord) -> list[Caution]:
    complete = counts(record)["complete"]
    if complete >= FEW_TRIALS:
        return []
    done = "No trial is" if not complete else f"{words.plural(complete, 'trial')} "
    done += "" if not complete else "is" if complete == 1 else "are"
    text = (
        f"{done} complete. With fewer than {FEW_TRIALS}, differences between hyperparameters are "
        "mostly noise."
    )
    return [Caution(level="warning", title="Few trials", text=text)]


def _edge(record: StudyRecord) -> list[Caution]:
    """Return a caution where the best network lies next to a bound of what was searched."""
    best, text = winner(record), record.space.get("text")
    if best is None or not isinstance(text, str) or best.number == 0:
        return []
    if best.number == 1 and best.variant == REFERENCE_SGD.as_dict():
        return []  # a reference network, like trial 0: not from the space
    try:
        space = parse_space(text, name=str(record.space.get("name")), where="the stored space")
    except SpaceError:
        return []
    found = [said for p in space.parameters if (said := _near(p, hyperparameter(best, p.name)))]
    if not found:
        return []
    text = (
        f"{', '.join(found)}: better values may lie outside. By chance alone a value lies this "
        "near a bound in one case of ten, and more often where there are few values."
    )
    return [Caution(level="warning", title="Winner at the edge of the space", text=text)]


def _near(parameter: Parameter, value: Any) -> str | None:
    """Return a value with its range, in words, where it is at the edge; None elsewhere."""
    low, high, found = parameter.low, parameter.high, words.number(value)
    if low is None or high is None or found is None or not low <= found <= high:
        return None
    ends = (low, high, found)
    first, last, own = map(math.log, ends) if parameter.log else ends
    place = (own - first) / (last - first)
    limits = next(item.metadata for item in fields(Variant) if item.name == parameter.name)
    # Beyond a bound that no network may pass, as a dropout of 0, nothing better can lie.
    below, above = low > limits["low"], high < limits["high"]
    if not ((below and place <= EDGE) or (above and place >= 1 - EDGE)):
        return None
    label = words.label(parameter.name)
    return f"{label} {words.quantity(found)} of {words.quantity(low)} to {words.quantity(high)}"


def _failed(record: StudyRecord) -> list[Caution]:
    state = counts(record)
    if progress(record) == "unfinished":
        ended = state["complete"] + state["pruned"] + state["failed"]
        text = f"{ended} of {record.requested} trials have ended and none is running."
        found = [Caution(level="warning", title="Unfinished", text=text)]
    else:
        found = []
    if state["failed"]:
        text = f"{words.plural(state['failed'], 'trial')} failed; the table gives the cause."
        found.append(Caution(level="warning", title="Failures", text=text))
    return found


def _positive(record: StudyRecord) -> Caution:
    data = record.dataset
    positive, negative = data.get("positive"), data.get("negative")
    text = (
        f"Positive is {positive}, negative {negative}. Sensitivity is the recall of {positive}, "
        f"specificity that of {negative}; a missed {positive} is a false negative (type II error)."
    )
    return Caution(level="note", title="Positive class", text=text)


def _skipped(record: StudyRecord) -> list[Caution]:
    skipped = record.dataset.get("skipped") or []
    if not skipped:
        return []
    text = f"{words.plural(len(skipped), 'file')} could not be used; see Data."
    return [Caution(level="warning", title="Files left out", text=text)]


def caution_list(found: Sequence[Caution]) -> Markup:
    """Return cautions as a list, each with its title."""
    items = (
        element("li", element("strong", item.title), element("span", item.text), class_=item.level)
        for item in found
    )
    return element("ul", *items, class_="cautions")
