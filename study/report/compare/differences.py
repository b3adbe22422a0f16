"""The differences of the winners of studies that share a split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from study.errors import DataError
from study.evaluation.operating import Predictions
from study.evaluation.paired import PairedDifference, paired_difference
from study.metrics import FEW_GROUPS
from study.report import words
from study.report.compare.figures import DifferenceRow, differences_figure, letter
from study.report.compare.studies import Compared
from study.report.compare.tables import row, side_scroll
from study.report.markup import Content, Markup, element, join
from study.report.section import Section
from study.report.stored import read_predictions
from study.summary import winner

PREDICTIONS = "validation_predictions.npz"

SAME = 1e-6
"""Largest difference between an F_med of stored predictions and the ledger's."""

ROW, FRAME = 34, 96
"""Height of a row of the chart of differences, and of what is around the rows; pixels."""


@dataclass(frozen=True, kw_only=True)
class Pair:
    """The winners of two studies; places count from 0."""

    first: int
    second: int
    difference: PairedDifference | None
    """F_med of the first less that of the second, on the plain validation images."""
    reason: str | None
    """Why there is no difference to show."""

    @property
    def label(self) -> str:
        """The letters of both: as in a subtraction."""
        return f"{letter(self.first)} \N{MINUS SIGN} {letter(self.second)}"


def pairs_of(studies: Sequence[Compared]) -> list[Pair]:
    """Return every pair, with the difference of the winners where the two share a split.

    The predictions are those on the validation part; those on the test part are never read.
    """
    stored = [_predictions(place, study) for place, study in enumerate(studies)]
    return [_pair(a, b, studies, stored) for a, b in combinations(range(len(studies)), 2)]


def _pair(a: int, b: int, studies: Sequence[Compared], stored: Sequence[Predictions | str]) -> Pair:
    reason = _not_shared(a, b, studies)
    if reason is not None:
        return Pair(first=a, second=b, difference=None, reason=reason)
    one, other = stored[a], stored[b]
    for found in (one, other):
        if isinstance(found, str):
            return Pair(first=a, second=b, difference=None, reason=found)
    assert not isinstance(one, str)
    assert not isinstance(other, str)
    try:
        difference = paired_difference(one, other)
    except ValueError as error:
        return Pair(first=a, second=b, difference=None, reason=f"the stored {error}")
    for place, score in ((a, difference.first), (b, difference.second)):
        best = winner(studies[place].record)
        known = None if best is None else words.number(best.validation_f_med_plain)
        if known is not None and abs(known - score) > SAME:
            reason = (
                f"the stored predictions of {letter(place)} give F_med {score:.3f}, its ledger "
                f"says {known:.3f}: they are not those of its winner"
            )
            return Pair(first=a, second=b, difference=None, reason=reason)
    return Pair(first=a, second=b, difference=difference, reason=None)


def _not_shared(a: int, b: int, studies: Sequence[Compared]) -> str | None:
    """Return why the winners of two studies have no images in common to be compared on."""
    one, other = studies[a].record, studies[b].record
    for place, record in ((a, one), (b, other)):
        if winner(record) is None:
            return f"{letter(place)} has no complete trial"
        if not record.split.get("digest"):
            return f"the ledger of {letter(place)} does not name its split"
    if one.split["digest"] != other.split["digest"]:
        if one.dataset.get("digest") != other.dataset.get("digest"):
            return "they were made on different images"
        return (
            "they divide the same images differently, so that the validation images of one may "
            "be training images of the other"
        )
    if one.dataset.get("positive") != other.dataset.get("positive"):
        return "they have different positive classes"
    return None


def _predictions(place: int, study: Compared) -> Predictions | str:
    """Return the winner's predictions, or why there are none."""
    best = winner(study.record)
    if best is None:
        return f"{letter(place)} has no complete trial"
    try:
        return read_predictions(study.folder.trial(best.number) / PREDICTIONS)
    except DataError as error:
        return f"of trial {best.number} of {letter(place)}, {error}"


def section(studies: Sequence[Compared]) -> Section:
    """Return the part of the page on the differences of the winners."""
    pairs = pairs_of(studies)
    shown = [pair for pair in pairs if pair.difference is not None]
    rows = [_difference_row(pair) for pair in shown]
    body: list[Content] = []
    if shown:
        body = [_differences_chart(len(rows)), _differences_table(studies, shown), _few(shown)]
        alone = " Each interval stands alone: of many, some miss by chance." * (len(shown) > 1)
        body.append(element("p", _METHOD + alone, class_="aside"))
    if len(shown) < len(pairs):
        body += [element("h3", "Pairs without a difference"), _reasons(pairs)]
    return Section(
        key="difference",
        title="Difference",
        look_for="How far the winners, as the search left them, lie apart on the same plain "
        "validation images; an interval that holds 0 does not tell which is better.",
        shows=_differences_sentence(shown),
        body=join(*body),
        figures={"differences": differences_figure(rows)} if rows else {},
    )


_METHOD = (
    "95 % percentile interval of 10,000 bootstrap draws of the groups, stratified by class, the "
    "same draw for both networks. It holds the chance of which lesions were seen; it does not "
    "hold that both winners were chosen on these very images, which makes both scores, and the "
    "difference, too good to be repeated on others."
)


def _reasons(pairs: Sequence[Pair]) -> Markup:
    """Return each reason once, with the pairs that it holds for."""
    reasons: dict[str, list[str]] = {}
    for pair in pairs:
        if pair.reason is not None:
            reasons.setdefault(pair.reason, []).append(pair.label)
    items = (
        element("li", element("strong", ", ".join(labels)), f": {reason}.")
        for reason, labels in reasons.items()
    )
    return element("ul", *items)


def _differences_chart(rows: int) -> Markup:
    caption = "Plain validation F_med of the first less that of the second"
    height = f"height: {FRAME + ROW * rows}px"
    spoken = "Differences of the winners with intervals; the table holds the same figures"
    place = element(
        "div",
        class_="chart",
        data_figure="differences",
        style=height,
        role="img",
        aria_label=spoken,
    )
    return element("figure", element("figcaption", caption), place)


def _difference_row(pair: Pair) -> DifferenceRow:
    found = pair.difference
    assert found is not None
    return DifferenceRow(
        label=pair.label,
        difference=found.difference,
        low=found.low,
        high=found.high,
        sound=found.sound,
    )


def _differences_table(studies: Sequence[Compared], pairs: Sequence[Pair]) -> Markup:
    heads = ["Pair", "Trials", "First", "Second", "Difference", "95 % interval"]
    heads += ["Groups, negative + positive", "Only first right", "Only second right", "Reading"]
    rows = []
    for pair in pairs:
        found = pair.difference
        assert found is not None
        numbers = (_number(studies[place]) for place in (pair.first, pair.second))
        cells = [
            " and ".join(numbers),
            words.score(found.first),
            words.score(found.second),
            _signed(found.difference, 3),
            f"{_signed(found.low, 2)} to {_signed(found.high, 2)}",
            f"{found.groups[0]} + {found.groups[1]}",
            words.plural(found.disagreements[0], "image"),
            words.plural(found.disagreements[1], "image"),
            _reading(pair),
        ]
        rows.append(row(pair.label, cells))
    head = element("tr", *(element("th", text, scope="col") for text in heads))
    table = element("table", element("thead", head), element("tbody", *rows), class_="plain")
    return side_scroll(table, "Table of differences")


def _number(study: Compared) -> str:
    best = winner(study.record)
    return words.DASH if best is None else str(best.number)


def _signed(value: float, digits: int) -> str:
    """Write a difference with its sign; one that rounds to nothing has none."""
    text = f"{value:+.{digits}f}"
    return text[1:] if not float(text) else text.replace("-", "\N{MINUS SIGN}")


def _reading(pair: Pair) -> str:
    found = pair.difference
    assert found is not None
    if found.disagreements == (0, 0):
        return "both call every image the same"
    if not _decided(pair):
        return "undecided"
    return f"{letter(pair.first if found.difference > 0 else pair.second)} is higher"


def _decided(pair: Pair) -> bool:
    """Tell whether the interval leaves 0 out."""
    found = pair.difference
    return found is not None and not found.low <= 0 <= found.high


def _few(pairs: Sequence[Pair]) -> Markup | None:
    """Return the warning on intervals from few groups, with what was simulated."""
    few = [pair for pair in pairs if pair.difference is not None and not pair.difference.sound]
    if not few:
        return None
    text = (
        f"{', '.join(pair.label for pair in few)}: fewer than {FEW_GROUPS} groups in a class. "
        "Intervals from so few are too narrow: of two equally good networks, simulated with five "
        "images a group, 95 % intervals held the true difference of 0 in about 86 % of cases with "
        "2 + 3 groups and in 91 % with 9 + 9. One that only just leaves 0 out decides nothing."
    )
    note = element("strong", "Too few groups")
    items = element("li", note, element("span", text), class_="warning")
    return element("ul", items, class_="cautions")


def _differences_sentence(pairs: Sequence[Pair]) -> str:
    if not pairs:
        return "No two of these studies share a split and its predictions: nothing to subtract."
    undecided = sum(not _decided(pair) for pair in pairs)
    if len(pairs) == 1:
        found = pairs[0].difference
        assert found is not None
        amount = (
            f"{pairs[0].label} is {_signed(found.difference, 3)} ({_signed(found.low, 2)} to "
            f"{_signed(found.high, 2)})"
        )
        if undecided:
            return f"{amount}: these validation images do not tell which network is better."
        weight = "" if found.sound else ", from too few groups to rely on"
        return f"{amount}: {_reading(pairs[0])} on the images that both were chosen on{weight}."
    return (
        f"Of {len(pairs)} pairs on the same split, {undecided} cannot be told apart by these "
        "validation images."
    )
