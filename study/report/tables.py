"""The table of trials: its columns, its rows for the page, its file for a spreadsheet."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from study.records import StudyRecord, TrialRecord
from study.report import words
from study.report.frames import hyperparameter, hyperparameters
from study.report.marks import row_class
from study.report.markup import Content, Markup, element, join
from study.summary import best_so_far, ranked, repeats
from study.text import neutral

NOT_ON_PAPER = {
    "validation_f_med_smooth",
    "padding",
    "patience",
    "stopped_by",
    "attempts",
    "seed",
}
"""Keys of columns that are left out on paper, where the others have room to be read."""

ROWS = 100
"""Rows that the page holds as HTML, for printing and where no script runs."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column of the trials' table."""

    key: str
    label: str
    group: str
    """The heading above it: ``Trial``, ``F_med``, ``Hyperparameters``, ``Training``."""
    value: Callable[[TrialRecord], Any]
    write: Callable[[Any], str] = words.quantity
    numeric: bool = True
    help: str | None = None
    highest_first: bool = False
    """Whether the first click on its heading brings the highest value to the top."""


@dataclass(frozen=True, kw_only=True)
class TableInfo:
    """The table column by column, trials in ranked order."""

    columns: list[Column]
    numbers: list[int]
    """Trial number of each row."""
    texts: list[list[str]]
    """What a cell shows, by column and row."""
    values: list[list[Any]]
    constant: list[bool]
    """Per column: a hyperparameter with the same value in every trial."""


def columns(record: StudyRecord) -> list[Column]:
    """Return the columns of the table, from left to right."""
    ranks = {trial.number: rank for rank, trial in enumerate(ranked(record), 1)}
    same = repeats(record)
    trial_columns = [
        _column("rank", "Rank", "Trial", lambda t: ranks[t.number], words.count),
        _column("number", "Trial", "Trial", lambda t: t.number),
        _column("state", "State", "Trial", lambda t: t.state, numeric=False),
    ]
    score_columns = [
        _column(
            *("validation_f_med", "Valid. augmented", "F_med", best_so_far, words.score),
            help="Validation F_med on the fixed augmented set, best epoch: what ranks the trials",
        ),
        _column(
            *("validation_f_med_plain", "Valid. plain", "F_med"),
            *(lambda t: t.validation_f_med_plain, words.score),
            help="On the un-augmented validation images, at the same epoch",
        ),
        _column(
            *("validation_f_med_smooth", "Valid. smooth", "F_med"),
            *(lambda t: t.validation_f_med_smooth, words.score),
            help="Augmented, median of the 11 epochs around the best: less luck",
        ),
        _column(
            *("train_f_med", "Training", "F_med", lambda t: t.train_f_med, words.score),
            help="On the fixed augmented probe of the training part, at the same epoch",
        ),
        _column(
            *("gap", "Gap", "F_med", _gap, words.score),
            help="Training less validation, augmented, at the best epoch",
        ),
    ]
    repeated = _column(
        *("repeats", "Same variant", "F_med", lambda t: same.get(t.number)),
        lambda found: words.DASH if found is None else f"{found[0]} trials, mean {found[1]:.3f}",
        numeric=False,
        help="Complete trials of this same variant and the mean of their validation F_med",
    )
    names = hyperparameters(record)
    return [
        *trial_columns,
        *score_columns,
        *([repeated] if same else []),
        _column("diagnosis", "Diagnosis", "F_med", words.diagnosis_words, numeric=False),
        *(_hyperparameter_column(name, record) for name in names),
        _column("parameters", "Parameters", "Capacity", lambda t: t.parameters, words.count),
        _column("macs", "MACs", "Capacity", lambda t: t.macs, words.count),
        _column("best_epoch", "Best epoch", "Training", lambda t: t.best_epoch, words.count),
        _column("epochs", "Epochs", "Training", lambda t: t.epochs, words.count),
        _column("stopped_by", "Stopped by", "Training", _stopped_by, numeric=False),
        _column("seconds", "Time", "Training", lambda t: t.seconds, words.duration),
        _column("attempts", "Attempts", "Training", lambda t: t.attempts, words.count),
        _column("seed", "Seed", "Training", lambda t: t.seed, _plain),
    ]


def _column(
    key: str,
    label: str,
    group: str,
    value: Callable[[TrialRecord], Any],
    write: Callable[[Any], str] = words.quantity,
    *,
    numeric: bool = True,
    help: str | None = None,
) -> Column:
    return Column(
        key=key,
        label=label,
        group=group,
        value=value,
        write=write,
        numeric=numeric,
        help=help,
        highest_first=numeric and group == "F_med",
    )


def _hyperparameter_column(name: str, record: StudyRecord) -> Column:
    values = [hyperparameter(trial, name) for trial in record.trials]
    return Column(
        key=name,
        label=words.label(name),
        group="Hyperparameters",
        value=lambda trial: hyperparameter(trial, name),
        numeric=all(value is None or words.number(value) is not None for value in values),
    )


def _gap(trial: TrialRecord) -> float | None:
    if trial.train_f_med is None or trial.validation_f_med is None:
        return None
    return trial.train_f_med - trial.validation_f_med


def _stopped_by(trial: TrialRecord) -> str | None:
    return trial.cause or trial.stopped_by


def _plain(value: Any) -> str:
    return words.DASH if value is None else str(value)


def table_info(record: StudyRecord) -> TableInfo:
    """Return the table of trials in ranked order."""
    found, trials = columns(record), ranked(record)
    values = [[column.value(trial) for trial in trials] for column in found]
    return TableInfo(
        columns=found,
        numbers=[trial.number for trial in trials],
        values=values,
        texts=[
            [column.write(value) or words.DASH for value in cells]
            for column, cells in zip(found, values, strict=True)
        ],
        constant=[
            column.group == "Hyperparameters" and len(trials) > 1 and len(set(cells)) == 1
            for column, cells in zip(found, values, strict=True)
        ],
    )


def table_data(info: TableInfo) -> list[dict[str, Any]]:
    """Return the columns for the page's script.

    ``raw`` holds the numbers to sort and filter by, where the text does not tell them in full.
    """
    found = []
    for column, texts, values, constant in zip(
        info.columns, info.texts, info.values, info.constant, strict=True
    ):
        entry: dict[str, Any] = {
            "key": column.key,
            "label": column.label,
            "group": column.group,
            "numeric": column.numeric,
            "constant": constant,
            "screen": column.key in NOT_ON_PAPER,
            "text": texts,
        }
        numbers = [words.number(value) for value in values]
        if column.numeric and any(
            number is not None and text.replace(",", "") != str(number)
            for number, text in zip(numbers, texts, strict=True)
        ):
            entry["raw"] = [None if n is None else float(f"{n:.9g}") for n in numbers]
        found.append(entry)
    return found


def table_html(info: TableInfo, *, roles: Mapping[int, Sequence[str]]) -> Markup:
    """Return the table with sortable headings and its first ``ROWS`` rows."""
    body = [
        element(
            "tr",
            element("td"),
            *(_cell(info, index, row) for index in range(len(info.columns))),
            data_trial=number,
            class_=row_class(roles.get(number, [])),
        )
        for row, number in enumerate(info.numbers[:ROWS])
    ]
    return element(
        "table",
        element("caption", "All trials, best first", _left_out(info), class_="hidden"),
        element("thead", _groups(info), _headings(info)),
        element("tbody", *body),
        id="trials-table",
    )


def _left_out(info: TableInfo) -> Markup | None:
    """Return what the caption adds on paper."""
    names = [
        column.label
        for column, constant in zip(info.columns, info.constant, strict=True)
        if column.key in NOT_ON_PAPER and not constant
    ]
    said = f". Left out on paper: {', '.join(names)}; all columns: trials.csv"
    return element("span", said, class_="paper") if names else None


def _cell(info: TableInfo, index: int, row: int) -> Markup:
    text, column = info.texts[index][row], info.columns[index]
    content: Content = text
    if column.key == "number":
        content = element("a", text, href=f"#trial-{text}")
    return element("td", content, class_=_kind(column, constant=info.constant[index]))


def _kind(column: Column, *, constant: bool) -> str | None:
    """Return the classes of a cell or heading: ``table.js`` gives its cells the same."""
    kinds = {"n": column.numeric, "constant": constant, "screen": column.key in NOT_ON_PAPER}
    return " ".join(name for name, holds in kinds.items() if holds) or None


def _groups(info: TableInfo) -> Markup:
    cells = [element("td")]
    names = [column.group for column in info.columns]
    for name in dict.fromkeys(names):
        where = [index for index, group in enumerate(names) if group == name]
        constant = all(info.constant[index] for index in where)
        span = len(where)
        varying = sum(not info.constant[index] for index in where)
        cells.append(
            element(
                *("th", name),
                scope="colgroup",
                colspan=span,
                data_all=span,
                data_varying=varying,
                class_="constant" if constant else None,
            )
        )
    return element("tr", *cells, class_="groups")


def _headings(info: TableInfo) -> Markup:
    overlay = element("th", element("span", "Overlay", class_="hidden"), scope="col")
    cells = [
        element(
            "th",
            element("button", column.label, type="button", title=column.help),
            scope="col",
            aria_sort="ascending" if column.key == "rank" else "none",
            data_key=column.key,
            data_first="descending" if column.highest_first else "ascending",
            class_=_kind(column, constant=constant),
        )
        for column, constant in zip(info.columns, info.constant, strict=True)
    ]
    return element("tr", overlay, *cells)


def trials_csv(trials: pd.DataFrame) -> str:
    """Return ``trials_frame`` as CSV: every hyperparameter and score, in full digits.

    A text that a spreadsheet would run as a formula gets a leading apostrophe.
    """
    file = trials.rename(columns=neutral)
    for name in file.select_dtypes(["object", "str"]):
        file[name] = file[name].map(neutral)
    written: str = file.to_csv(index=False, lineterminator="\n", date_format="%Y-%m-%dT%H:%M:%S%z")
    return written


def facts_html(facts: list[tuple[str, Content]]) -> Markup:
    """Return names and values as a definition list."""
    rows = (element("div", element("dt", name), element("dd", value)) for name, value in facts)
    return element("dl", join(*rows), class_="facts")
