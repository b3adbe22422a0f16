"""The verdict: the best network, the reference beside it, the retest, and how to read them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from study.errors import SettingsError
from study.records import StudyRecord, TrialRecord
from study.report import words
from study.report.marks import leader
from study.report.markup import Markup, element, join
from study.report.score_interval import score_interval
from study.report.section import Evidence
from study.report.tables import facts_html
from study.summary import counts, progress, ranked, repeats, winner
from study.variant import Variant


def in_words(trial: TrialRecord) -> str:
    """Describe a trial's variant; one that this version does not know, by its values."""
    try:
        return Variant(**trial.variant).in_words()
    except (SettingsError, TypeError):
        return ", ".join(f"{key} {value}" for key, value in trial.variant.items())


@dataclass(frozen=True, kw_only=True)
class IntervalInfo:
    """One row of the interval chart."""

    label: str
    value: float
    bounds: tuple[float, float] | None


def interval_infos(retest: dict[str, Any]) -> list[IntervalInfo]:
    """Return the scores of a retest with their intervals."""
    names = (
        ("f_med", "F_med"),
        ("sensitivity", "Sensitivity"),
        ("specificity", "Specificity"),
        ("accuracy", "Accuracy"),
        ("auc", "AUC"),
    )
    bounds = retest.get("intervals") or {}
    return [
        IntervalInfo(label=label, value=value, bounds=words.interval(bounds.get(key)))
        for key, label in names
        if (value := words.number(retest.get(key))) is not None
    ]


def reading(record: StudyRecord, bounds: tuple[float, float] | None = None) -> list[str]:
    """Return sentences on what the best score and the retest can and cannot claim.

    The first one is the answer in short. ``bounds`` is the interval of the best score by itself.
    """
    best, retest = winner(record), record.retest
    if best is None or best.validation_f_med is None:
        return ["No trial is complete, so that there is nothing to believe yet."]
    leaks = bool(record.split.get("leaking_groups"))
    if leaks:
        found = ["No: the split leaks, and none of these figures speaks for new lesions."]
    elif retest and (retest.get("intervals") or {}).get("f_med"):
        found = ["Only as far as the retest's interval."]
    else:
        found = ["Not as it stands: no figure here is of images without a say in the choice."]
    found.append(_of_the_best(best, record, bounds))
    if retest:
        found.append(_of_the_retest(retest, leaks=leaks))
        if retest.get("number") is not None and retest["number"] != best.number:
            found.append(f"The retest is that of trial {retest['number']}, not of the best one.")
    elif not record.split.get("parts", {}).get("test", {}).get("images"):
        found.append("The data have no test part, so that no claim about new images is possible.")
    elif progress(record) == "finished":
        found.append("There is no retest yet.")
    else:
        found.append("The test part stays untouched until the search has ended.")
    return found


def _of_the_best(best: TrialRecord, record: StudyRecord, bounds: tuple[float, float] | None) -> str:
    score, state = words.score(best.validation_f_med), counts(record)
    complete, pruned = state["complete"], state["pruned"]
    alone = ""
    if bounds is not None:
        alone = (
            f" (by itself uncertain from {bounds[0]:.2f} to {bounds[1]:.2f}, 95 %, with "
            f"{validation_groups(record)})"
        )
    if complete + pruned == 1:
        return f"{score}{alone} is the only score, and optimistic as the best of its epochs."
    low, high = words.best_of(complete), words.best_of(complete + pruned)
    spread = f"{high:.1f}" if not pruned else f"{low:.1f} to {high:.1f}"
    were = "was" if pruned == 1 else "were"
    ended = f", {pruned:,} of which {were} ended early for scoring lower" if pruned else ""
    return (
        f"{score}{alone} is the best of {complete + pruned:,} networks{ended}, and of the epochs "
        f"of each, so it is optimistic: the best of as many equally good networks lies {spread} "
        "standard deviations of the score's noise too high."
    )


def validation_groups(record: StudyRecord) -> str:
    """Return on how many groups of each class the trials were judged: ``5 + 4 groups``."""
    part = record.split.get("parts", {}).get("validation") or {}
    classes = part.get("classes") or {}
    amounts = [int(item.get("groups") or 0) for item in classes.values()]
    return f"{' + '.join(map(str, amounts))} groups" if amounts else "groups that are not on record"


def _of_the_retest(retest: dict[str, Any], *, leaks: bool) -> str:
    level = words.number((retest.get("intervals") or {}).get("level")) or 0.95
    bounds = words.interval((retest.get("intervals") or {}).get("f_med"))
    size = f"{words.count(retest.get('images'))} images in {words.count(retest.get('groups'))}"
    if bounds is None:
        return f"The retest, on {size} groups, has no interval: claim no figure from it."
    interval = f"F_med between {bounds[0]:.2f} and {bounds[1]:.2f} ({100 * level:.0f} %)"
    if leaks:
        return f"The retest's interval, {interval}, holds for other images of the same lesions."
    uses = int(retest.get("uses") or 1)
    unseen = " that nothing had seen" if uses == 1 else f", looked at {words.times(uses)}"
    return f"What can be claimed is that interval: {interval}, from {size} groups{unseen}."


def network_cards(evidence: Evidence) -> list[Markup]:
    """Return the cards of the best trial and of the reference, or the one card of both."""
    record = evidence.record
    best = winner(record)
    reference = next((trial for trial in record.trials if trial.number == 0), None)
    title = leader(record).capitalize()
    same = best is not None and reference is not None and best.number == reference.number
    cards = [_trial_card(f"{title} = reference" if same else title, best, evidence)]
    if not same:
        cards.append(_trial_card("Reference network", reference, evidence))
    return cards


def _trial_card(title: str, trial: TrialRecord | None, evidence: Evidence) -> Markup:
    record = evidence.record
    if trial is None:
        none = "No trial is complete." if title != "Reference network" else "Not begun."
        empty = element("p", none, class_="empty")
        return element("article", element("h3", title), empty, class_="card")
    times, mean = repeats(record).get(trial.number, (1, 0.0))
    repeated = f"{times} trials of this variant, mean {mean:.3f}" if times > 1 else None
    place = f"Trial {trial.number}, {trial.state}"
    if trial.state == "complete":
        rank = next(i for i, item in enumerate(ranked(record), 1) if item is trial)
        place = f"Trial {trial.number}, rank {rank} of {counts(record)['complete']}"
    scores = _scores(
        [
            ("Validation F_med, augmented", trial.validation_f_med, True),
            ("Validation F_med, plain", trial.validation_f_med_plain, False),
            ("Validation F_med, smooth", trial.validation_f_med_smooth, False),
            ("Training F_med, augmented", trial.train_f_med, False),
        ]
    )
    bounds = score_interval(evidence, trial)
    return element(
        "article",
        element("h3", title, " ", element("a", place, href=f"#trial-{trial.number}")),
        element("p", in_words(trial), class_="variant"),
        scores,
        facts_html(
            [
                *(
                    [("95 % interval, augmented", f"{bounds[0]:.2f} to {bounds[1]:.2f}")]
                    if bounds
                    else []
                ),
                ("Sens. / spec., augmented", _recalls(trial, "validation")),
                ("Sens. / spec., plain", _recalls(trial, "validation_plain")),
                ("Diagnosis", words.diagnosis_words(trial) or words.DASH),
                ("Parameters", words.count(trial.parameters)),
                ("Multiply-accumulates", words.count(trial.macs)),
                ("Best epoch", words.best_epoch(trial)),
                *([("Repeats", repeated)] if repeated else []),
            ]
        ),
        class_="card",
    )


def _recalls(trial: TrialRecord, view: str) -> str:
    names = (f"{view}_sensitivity", f"{view}_specificity")
    return " / ".join(words.score(trial.scores.get(name)) for name in names)


def _scores(rows: list[tuple[str, float | None, bool]]) -> Markup:
    return element(
        "dl",
        *(
            element(
                "div",
                element("dt", name),
                element("dd", words.score(value)),
                class_="main" if main else None,
            )
            for name, value, main in rows
        ),
        class_="scores",
    )


def retest_card(record: StudyRecord) -> Markup:
    """Return the card of the retest, or why there is none."""
    retest = record.retest
    if retest is None:
        reason = (
            "Not done: the test part is looked at once, after the search."
            if record.split.get("parts", {}).get("test", {}).get("images")
            else "Not possible: the data have no test part."
        )
        empty = element("p", reason, class_="empty")
        return element("article", element("h3", "Retest"), empty, class_="card")
    uses = int(retest.get("uses") or 1)
    intervals = retest.get("intervals") or {}
    level = words.number(intervals.get("level")) or 0.95
    size = (
        f"{words.plural(int(retest.get('images') or 0), 'image')} in "
        f"{words.plural(int(retest.get('groups') or 0), 'group')}; "
        f"test part used {words.times(uses)}; {100 * level:.0f} % intervals"
    )
    return element(
        "article",
        element("h3", "Retest ", element("span", f"of trial {retest.get('number')}, plain images")),
        element("p", size, class_="variant"),
        *(_interval_row(info, level) for info in interval_infos(retest)),
        _method(retest, intervals, record.dataset),
        element("p", element("a", "More in Held-out test", href="#heldout"), class_="aside worth"),
        class_="card retest",
    )


def _method(
    retest: dict[str, Any], intervals: dict[str, Any], dataset: dict[str, Any]
) -> Markup | None:
    """Return what the images are worth once their groups are reckoned with, and the method."""
    effective = retest.get("effective_images") or intervals.get("effective_images")
    if not isinstance(effective, dict):
        return None
    worth = " and ".join(
        f"{words.quantity(value)} independent {dataset.get(name)}"
        for name, value in effective.items()
    )
    said = element("p", f"For the intervals, worth {worth} images.", class_="aside worth")
    method = intervals.get("method")
    if not method:
        return said
    title = element("summary", "How the intervals are made")
    return join(said, element("details", title, element("p", str(method))))


def _interval_row(info: IntervalInfo, level: float) -> Markup:
    """Return one score as a dot on a scale from 0 to 1, its interval as a line."""
    marks = [element("line", x1="0", x2="100%", y1="9", y2="9", class_="track")]
    text = "no interval"
    if info.bounds is not None:
        low, high = info.bounds
        ends = {"x1": f"{100 * low:.1f}%", "x2": f"{100 * high:.1f}%"}
        marks.append(element("line", **ends, y1="9", y2="9", class_="range"))
        text = f"{low:.2f} to {high:.2f}"
    marks.append(element("circle", cx=f"{100 * info.value:.1f}%", cy="9", r="4.5"))
    spoken = f"{info.label} {info.value:.3f}, {100 * level:.0f} % interval {text}"
    return element(
        "div",
        element("span", info.label),
        element("strong", words.score(info.value)),
        element("svg", *marks, role="img", aria_label=spoken, height="18"),
        element("span", text, class_="bounds", title=f"{100 * level:.0f} % interval"),
        class_="interval",
    )
