"""The first screen: four questions and their answers, the best networks, the retest, warnings."""

from __future__ import annotations

from collections.abc import Sequence

from study.errors import DataError, SettingsError
from study.evaluation.operating import Predictions
from study.evaluation.paired import paired_difference
from study.model.capacity import layers
from study.records import StudyRecord, TrialRecord
from study.report import words
from study.report.cards import network_cards, retest_card
from study.report.cautions import caution_list
from study.report.estimates import three_numbers, trust_html
from study.report.marks import best_called
from study.report.markup import Content, Markup, element, join
from study.report.ranking_figure import RankingInfo, ranking_figure, ranking_info
from study.report.score_interval import score_interval
from study.report.section import Evidence, Section, chart
from study.report.sections.complexity.section import would_bigger_help
from study.report.sections.finalists.choice import chosen_words
from study.report.stored import read_out_of_fold, read_predictions
from study.report.verdict import in_words, reading, retest_claim, shortcut_words
from study.summary import reference, stale_retest, winner
from study.variant import Variant

BARS = 30
"""Most bars of the first screen's ranking."""

OF_THE_RUN = ("Failures", "Unfinished", "Files left out")
"""Cautions that say what happened, and nothing against the figures."""


def section(evidence: Evidence) -> Section:
    """Return the tab that a reader sees first."""
    record = evidence.record
    info = ranking_info(evidence, most=BARS)
    others = [item for item in evidence.cautions if item.level != "danger"]
    return Section(
        key="summary",
        title="Summary",
        look_for=subject(record),
        shows=shows(record),
        body=join(
            _answers(evidence),
            element("div", _ranking(info), retest_card(record), class_="lead"),
            element("div", *network_cards(evidence), class_="cards"),
            trust_html(record),
            _layers(record),
            element("h3", "Before you believe a figure") if others else None,
            caution_list(others) if others else None,
        ),
        figures={"ranking-best": ranking_figure(info)} if info.bars else {},
    )


def _ranking(info: RankingInfo) -> Markup:
    if not info.bars:
        return element("p", "No trial has a score yet.", class_="empty")
    return chart(
        "ranking-best",
        f"Validation F_med of {info.which}",
        "Validation F_med of the best trials; the Ranking tab holds the same figures",
        note="Lines: 95 % interval of each score by itself."
        if any(bar.bounds for bar in info.bars)
        else None,
    )


def subject(record: StudyRecord) -> str:
    """Return what was studied, in one sentence."""
    data, classes = record.dataset, record.dataset.get("classes") or {}
    names = " and ".join(f"{n:,} {name}" for name, n in classes.items())
    groups = words.plural(int(data.get("groups") or 0), "group")
    return (
        f"{words.plural(record.requested, 'variant')} of a small CNN from the search space "
        f"“{record.space.get('name')}”, trained on the dataset “{data.get('name')}” "
        f"({names} images in {groups}) and ranked by validation F_med, the harmonic mean of "
        "sensitivity and specificity."
    )


def shows(record: StudyRecord) -> str:
    """Return who won, with its least flattered figure, in one sentence."""
    best = winner(record)
    if best is None:
        return "No trial is complete, so that there is no network to speak of yet."
    first = f"Trial {best.number} is the {best_called(record)}"
    retest = {} if stale_retest(record) else record.retest or {}
    value, bounds = (
        words.number(retest.get("f_med")),
        words.interval((retest.get("intervals") or {}).get("f_med")),
    )
    if value is not None:
        ends = "no interval" if bounds is None else f"{bounds[0]:.2f} to {bounds[1]:.2f}"
        return f"{first}, and its retest gave F_med {value:.3f} ({ends})."
    known = [item for item in three_numbers(record, best) if item.value is not None]
    if not known:
        return f"{first}."
    least = known[-1]
    return f"{first}, with F_med {words.score(least.value)} ({least.name.lower()}, {least.on})."


def _answers(evidence: Evidence) -> Markup:
    record = evidence.record
    titles = list(
        dict.fromkeys(
            item.title
            for item in evidence.cautions
            if item.level != "note" and item.title not in OF_THE_RUN
        )
    )
    best = winner(record)
    bounds = None if best is None else score_interval(evidence, best)
    short, *why = reading(record, bounds)
    apart = list(filter(None, [retest_claim(record), shortcut_words(record)]))
    why = [sentence for sentence in why if sentence not in apart]
    if titles:
        apart.append(f"Warnings below: {', '.join(_lower(title) for title in titles)}.")
    won, details = _won(evidence)
    bigger, _, change = would_bigger_help(evidence).partition(": ")
    rows: list[tuple[str, Content]] = [
        ("Which network won?", _answer(won, [], details)),
        ("Would a bigger one help?", _answer(f"{bigger.removesuffix('.')}.", [], change)),
        ("Can the number be believed?", _answer(short, apart, " ".join(why))),
        (
            "How is it repeated?",
            element("code", record.command or words.DASH),
        ),
    ]
    return element(
        "dl",
        *(element("div", element("dt", name), element("dd", text)) for name, text in rows),
        class_="answers",
    )


def _answer(short: str, more: Sequence[str], folded: str) -> Markup:
    """Return a short answer, what must stand beside it, and the rest in a fold under it."""
    bold: Content = element("strong", short)
    if folded:
        text = element("p", f"{folded[:1].upper()}{folded[1:]}")
        bold = element("details", element("summary", bold), text)
    return join(bold, element("p", " ".join(more)) if more else None)


def _lower(title: str) -> str:
    return title[:1].lower() + title[1:]


def _won(evidence: Evidence) -> tuple[str, str]:
    """Return the winner in short, and why it was taken and how it compares."""
    record = evidence.record
    best, other = winner(record), reference(record)
    if best is None:
        return "None yet: no trial is complete.", ""
    called = best_called(record)
    found = f"Trial {best.number}: {in_words(best)}"
    if called != "winner":
        found = f"None yet; the {called} is trial {best.number}: {in_words(best)}"
    against = (
        "This is the reference network itself."
        if other is best
        else _against(evidence, best, other)
    )
    return f"{found}.", " ".join(filter(None, [chosen_words(record), against]))


def _against(evidence: Evidence, best: TrialRecord, other: TrialRecord | None) -> str:
    """Set the winner beside the reference, in the figure that is least flattered by the choice."""
    record = evidence.record
    name, value = "validation F_med (augmented)", best.validation_f_med
    against = None if other is None else other.validation_f_med
    across = three_numbers(record, best)[2].value
    other_across = None if other is None else three_numbers(record, other)[2].value
    if across is not None and other_across is not None:
        name, value, against = "cross-validated F_med (plain)", across, other_across
    if other is None or value is None or against is None or not other.macs:
        return f"Its {name} is {words.score(value)}."
    return (
        f"Its {name} is {words.score(value)}, the reference network's {words.score(against)}, with "
        f"{_times((best.macs or 0) / other.macs)} its multiply-accumulates; "
        f"{_paired(evidence, best, other)}."
    )


def _times(ratio: float) -> str:
    """Write a ratio: ``2.3 times``, or ``1/11 of`` for less than a half."""
    return f"1/{1 / ratio:,.0f} of" if 0 < ratio < 0.5 else f"{words.quantity(ratio)} times"


def _paired(evidence: Evidence, best: TrialRecord, other: TrialRecord) -> str:
    """Say whether the two differ by more than noise, on plain images that both were judged on."""
    on = "on the plain images of all folds, which chose among the finalists"
    pair = _both(evidence, best, other, folds=True)
    if pair is None:
        on = "on the plain images of the validation part, which chose it"
        pair = _both(evidence, best, other, folds=False)
    try:
        if pair is None:
            return "whether that is more than noise was not tested"
        found = paired_difference(*pair, seed=evidence.record.seed)
    except ValueError:
        return "whether that is more than noise was not tested"
    sign = "" if found.low > 0 or found.high < 0 else ", which does not exclude 0"
    return (
        f"{on}, the difference is "
        f"{found.difference:+.2f} ({found.low:+.2f} to {found.high:+.2f}, 95 %, "
        f"{found.groups[0]} + {found.groups[1]} groups){sign}"
    )


def _both(
    evidence: Evidence, best: TrialRecord, other: TrialRecord, *, folds: bool
) -> tuple[Predictions, Predictions] | None:
    """Return the predictions of both, out of fold or of the validation part; None without."""
    record, folder = evidence.record, evidence.folder
    if folds and None in (three_numbers(record, item)[2].value for item in (best, other)):
        return None  # files of an earlier stage do not speak for this one
    try:
        if folds:
            first, second = (
                read_out_of_fold(folder.out_of_fold(item.number)) for item in (best, other)
            )
        else:
            first, second = (
                read_predictions(folder.trial(item.number) / "validation_predictions.npz")
                for item in (best, other)
            )
    except DataError:
        return None
    return first, second


def _layers(record: StudyRecord) -> Markup | None:
    """Return the best network's layers as a table, folded; None where they are not known."""
    best = winner(record)
    if best is None:
        return None
    try:
        found = layers(Variant(**best.variant), record.protocol.image_shape)
    except (SettingsError, TypeError):
        return None
    rows = [
        element(
            "tr",
            element("th", layer.name, scope="row"),
            element("td", " x ".join(map(str, layer.output_shape))),
            element("td", words.count(layer.parameters) if layer.parameters else "", class_="n"),
            element("td", words.count(layer.macs) if layer.macs else "", class_="n"),
        )
        for layer in found
    ]
    total = element(
        "tr",
        element("th", "all", scope="row"),
        element("td"),
        element("td", words.count(best.parameters), class_="n"),
        element("td", words.count(best.macs), class_="n"),
    )
    heads = ("Layer", "Output (height x width x channels)", "Parameters", "Multiply-accumulates")
    head = element("tr", *(element("th", text, scope="col") for text in heads))
    table = element("table", element("thead", head), element("tbody", *rows, total), class_="plain")
    return element(
        "details",
        element("summary", f"Layers of trial {best.number}"),
        element("div", table, class_="scroll narrow"),
        element(
            "p",
            "Rescaling of the pixels to 0..1 is the first layer of the network; dropout follows "
            "every dense layer but the output.",
            class_="aside",
        ),
    )
