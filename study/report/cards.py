"""The cards of the first screen: the best network, the reference beside it, the retest."""

from __future__ import annotations

from typing import Any

from study.records import StudyRecord, TrialRecord
from study.report import words
from study.report.estimates import numbers_html
from study.report.final_network import ORIGINS, SHORT, final_origin
from study.report.marks import best_called, reference_number
from study.report.markup import Content, Markup, element, join
from study.report.score_interval import score_interval
from study.report.section import Evidence
from study.report.tables import facts_html
from study.report.verdict import IntervalInfo, in_words, interval_infos
from study.summary import counts, ranked, repeats, times_opened, winner


def network_cards(evidence: Evidence) -> list[Markup]:
    """Return the cards of the best trial and of the reference, or the one card of both."""
    record = evidence.record
    best, number = winner(record), reference_number(record)
    reference = next((trial for trial in record.trials if trial.number == number), None)
    title = best_called(record).capitalize()
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
    place = f"Trial {trial.number}, {trial.state}"
    if trial.state == "complete":
        rank = next(i for i, item in enumerate(ranked(record), 1) if item is trial)
        place = f"Trial {trial.number}, rank {rank} of {counts(record)['complete']}"
    return element(
        "article",
        element("h3", title, " ", element("a", place, href=f"#trial-{trial.number}")),
        element("p", in_words(trial), class_="variant"),
        numbers_html(record, trial),
        facts_html(_facts(evidence, trial)),
        class_="card",
    )


def _facts(evidence: Evidence, trial: TrialRecord) -> list[tuple[str, Content]]:
    record, bounds = evidence.record, score_interval(evidence, trial)
    times, mean = repeats(record).get(trial.number, (1, 0.0))
    wins = trial is winner(record)
    facts: list[tuple[str, Content | None]] = [
        ("Search, 95 % interval, augmented", None if bounds is None else _ends(bounds)),
        ("Search, validation F_med, plain", words.score(trial.validation_f_med_plain)),
        ("Search, validation F_med, smooth", words.score(trial.validation_f_med_smooth)),
        ("Training F_med, augmented", words.score(trial.train_f_med)),
        ("Sens. / spec., augmented", _recalls(trial, "validation")),
        ("Sens. / spec., plain", _recalls(trial, "validation_plain")),
        ("Diagnosis", words.diagnosis_words(trial) or words.DASH),
        ("Parameters", words.count(trial.parameters)),
        ("Multiply-accumulates", words.count(trial.macs)),
        ("Best epoch", words.best_epoch(trial)),
        (
            "Final network",
            ORIGINS.get(final_origin(record) or "") if wins else None,
        ),
        ("Repeats", f"{times} trials of this variant, mean {mean:.3f}" if times > 1 else None),
    ]
    return [(name, value) for name, value in facts if value is not None]


def _ends(bounds: tuple[float, float]) -> str:
    return f"{bounds[0]:.2f} to {bounds[1]:.2f}"


def _recalls(trial: TrialRecord, view: str) -> str:
    names = (f"{view}_sensitivity", f"{view}_specificity")
    return " / ".join(words.score(trial.scores.get(name)) for name in names)


def retest_card(record: StudyRecord) -> Markup:
    """Return the card of the retest, or why there is none."""
    retest = record.retest
    if retest is None:
        reason = (
            f"No answer is stored, though the test part has been opened {words.times(opened)}."
            if (opened := times_opened(record))
            else "Not done: the test part is looked at once, after the search."
            if record.split.get("parts", {}).get("test", {}).get("images")
            else "Not possible: the data have no test part."
        )
        empty = element("p", reason, class_="empty")
        return element("article", element("h3", "Retest"), empty, class_="card")
    number, uses = retest.get("number"), int(retest.get("uses") or 1)
    intervals, origin = retest.get("intervals") or {}, SHORT.get(str(retest.get("origin")), "")
    level = words.number(intervals.get("level")) or 0.95
    size = (
        f"{words.plural(int(retest.get('images') or 0), 'image')} in "
        f"{words.plural(int(retest.get('groups') or 0), 'group')}; "
        f"test part used {words.times(uses)}; {100 * level:.0f} % intervals"
    )
    return element(
        "article",
        element("h3", "Retest ", element("span", f"of trial {number}{origin}, plain images")),
        element("p", size, class_="variant"),
        *(interval_row(info, level) for info in interval_infos(retest)),
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


def interval_row(info: IntervalInfo, level: float) -> Markup:
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
