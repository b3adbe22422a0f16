"""The tables of a comparison: set-ups and winners, a column a study."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from study.records import StudyRecord, TrialRecord
from study.report import words
from study.report.compare.figures import letter
from study.report.compare.studies import Compared, Field, differing, fields_of
from study.report.estimates import three_numbers
from study.report.markup import Markup, element, join
from study.report.section import Section
from study.report.verdict import in_words
from study.summary import counts, winner


def side_scroll(table: Markup, label: str) -> Markup:
    """Return a table in a box that scrolls sideways, also by keyboard."""
    return element("div", table, class_="scroll", tabindex="0", role="region", aria_label=label)


def _table(studies: Sequence[Compared], rows: Sequence[Markup], first: str) -> Markup:
    names = (
        element("th", element("strong", letter(place)), " ", study.name, scope="col")
        for place, study in enumerate(studies)
    )
    head = element("tr", element("th", first, scope="col"), *names)
    table = element("table", element("thead", head), element("tbody", *rows), class_="plain side")
    return side_scroll(table, first)


def setups(studies: Sequence[Compared], fields: Sequence[Field]) -> Section:
    """Return the part of the page on what differs."""
    shown = [field for field in fields if field.main or field.differs]
    same = [field for field in fields if field not in shown]
    title = element("summary", f"{words.plural(len(same), 'more field')}, the same in all studies")
    folded = element("details", title, _table(studies, [_field(field) for field in same], "Same"))
    return Section(
        key="setups",
        title="Set-ups",
        look_for="Rows marked ≠ differ. Scores measure the same thing only where data, split and "
        "protocol are the same.",
        shows=_setup_sentence(fields),
        body=join(
            _table(studies, [_field(field) for field in shown], "Field"), folded if same else None
        ),
    )


def _setup_sentence(fields: Sequence[Field]) -> str:
    kinds = {"data": "data", "split": "split", "protocol": "protocol", "search": "search"}
    apart = [name for kind, name in kinds.items() if differing(fields, kind)]
    alike = [name for name in kinds.values() if name not in apart]
    if not apart:
        return "Data, split, protocol and search are the same in all studies."
    said = f"These differ: {', '.join(apart)}"
    return f"{said}; the same in all: {', '.join(alike)}." if alike else f"{said}."


def _field(field: Field) -> Markup:
    mark = [element("span", "≠", aria_hidden="true"), element("span", "differs: ", class_="hidden")]
    return element(
        "tr",
        element("th", *(mark if field.differs else []), field.label, scope="row"),
        *(element("td", value) for value in field.values),
        class_="differs" if field.differs else None,
    )


_ROWS: tuple[tuple[str, Callable[[TrialRecord], str]], ...] = (
    ("Network", in_words),
    ("Validation F_med, augmented (ranks trials)", lambda t: words.score(t.validation_f_med)),
    ("Validation F_med, plain", lambda t: words.score(t.validation_f_med_plain)),
    ("Validation F_med, smooth", lambda t: words.score(t.validation_f_med_smooth)),
    ("Training F_med, augmented", lambda t: words.score(t.train_f_med)),
    ("Sensitivity / specificity, plain", lambda t: _recalls(t)),
    ("Parameters", lambda t: words.count(t.parameters)),
    ("Multiply-accumulates", lambda t: words.count(t.macs)),
    ("Best epoch", words.best_epoch),
    ("Training time", lambda t: words.duration(t.seconds)),
    ("Diagnosis", lambda t: words.diagnosis_words(t) or words.DASH),
)


def _recalls(trial: TrialRecord) -> str:
    names = ("validation_plain_sensitivity", "validation_plain_specificity")
    return " / ".join(words.score(trial.scores.get(name)) for name in names)


def winners(studies: Sequence[Compared]) -> Section:
    """Return the part of the page on the winners."""
    best = [winner(study.record) for study in studies]
    rows = [row("Trial", [words.DASH if t is None else str(t.number) for t in best])]
    rows += [
        row(label, [words.DASH if t is None else value(t) for t in best]) for label, value in _ROWS
    ]
    pairs = [(study.record, trial) for study, trial in zip(studies, best, strict=True)]
    for place, label in ((1, "Corrected F_med, plain"), (2, "Cross-validated F_med, plain")):
        rows.append(row(label, [_estimate(record, trial, place) for record, trial in pairs]))
    fields = fields_of(studies)
    apart = [kind for kind in ("data", "split", "protocol") if differing(fields, kind)]
    chosen = (
        f"{state['complete']:,} complete, {state['pruned']:,} pruned, {state['failed']:,} failed"
        for state in (counts(study.record) for study in studies)
    )
    rows.append(row("Best of trials", list(chosen)))
    return Section(
        key="winners",
        title="Winners",
        look_for="Each study's winner: taken among its finalists where it has trained any, "
        "else the first of its ranking, by validation F_med on the augmented set.",
        shows=_winners_sentence(best, apart),
        body=_table(studies, rows, "Winner"),
    )


def row(label: str, values: Sequence[str]) -> Markup:
    """Return a row of a table with its heading."""
    cells = (element("td", value) for value in values)
    return element("tr", element("th", label, scope="row"), *cells)


def _estimate(record: StudyRecord, trial: TrialRecord | None, place: int) -> str:
    """Write one of the three numbers with its interval or standard error."""
    if trial is None:
        return words.DASH
    found = three_numbers(record, trial)[place]
    if found.value is None:
        return words.DASH
    return f"{found.value:.3f} ({found.spread}; {found.on})"


def _winners_sentence(best: Sequence[TrialRecord | None], apart: Sequence[str]) -> str:
    scored = [
        (score, place, trial)
        for place, trial in enumerate(best)
        if trial is not None and (score := words.number(trial.validation_f_med)) is not None
    ]
    without = [letter(place) for place, trial in enumerate(best) if trial is None]
    none = f" {', '.join(without)}: no complete trial." if without else ""
    if not scored:
        return "No study has a complete trial."
    high, low = max(scored, key=lambda s: s[0]), min(scored, key=lambda s: s[0])
    if len(scored) == 1:
        return f"Only {letter(high[1])} has a winner, with validation F_med {high[0]:.3f}.{none}"
    weak = f"; not comparable, for these differ: {', '.join(apart)}" if apart else ""
    return (
        f"By the search's score, highest is {letter(high[1])} (trial {high[2].number}, "
        f"{high[0]:.3f}), lowest "
        f"{letter(low[1])} (trial {low[2].number}, {low[0]:.3f}), both optimistic{weak}.{none}"
    )
