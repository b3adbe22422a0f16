"""The table of trials: its columns, its rows for the page, its file for a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from study.records import SCORES, VIEWS, StudyRecord, TrialRecord
from study.report import words
from study.report.markup import Content, Markup, element, join
from study.summary import best_so_far, ranked, repeats, winner
from study.variant import variant_fields


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


@dataclass(frozen=True, kw_only=True)
class TableInfo:
    """The rows of the table as text, in ranked order, and what a reader should know of them."""

    columns: list[Column]
    numbers: list[int]
    """Trial number of each row."""
    cells: list[list[str]]
    values: list[list[Any]]
    constant: list[bool]
    """Per column: a hyperparameter with the same value in every trial."""


def hyperparameters(record: StudyRecord) -> list[str]:
    """Return every hyperparameter of the study: those that it searched first."""
    used = [name for trial in record.trials for name in (*trial.params, *trial.variant)]
    names = dict.fromkeys([*variant_fields(), *used])
    searched = {name for trial in record.trials for name in trial.params}
    present = {name for trial in record.trials for name in (*trial.variant, *trial.params)}
    kept = [name for name in names if name in present]
    return sorted(kept, key=lambda name: name not in searched)


def hyperparameter(trial: TrialRecord, name: str) -> Any:
    """Return the value that a trial used, None when it has none."""
    return trial.variant.get(name, trial.params.get(name))


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
        key=key, label=label, group=group, value=value, write=write, numeric=numeric, help=help
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


def _stopped_by(trial: TrialRecord) -> str | None:
    return trial.cause or trial.stopped_by


def table_info(record: StudyRecord) -> TableInfo:
    """Return the table of trials in ranked order."""
    found, trials = columns(record), ranked(record)
    values = [[column.value(trial) for column in found] for trial in trials]
    return TableInfo(
        columns=found,
        numbers=[trial.number for trial in trials],
        values=values,
        cells=[
            [column.write(value) or words.DASH for column, value in zip(found, row, strict=True)]
            for row in values
        ],
        constant=[
            column.group == "Hyperparameters"
            and len(values) > 1
            and len({row[index] for row in values}) == 1
            for index, column in enumerate(found)
        ],
    )


def table_html(info: TableInfo, *, winner: int | None) -> Markup:
    """Return the table with sortable headings and a link to each trial."""
    body = [
        element(
            "tr",
            *(
                _cell(info, index, row, number)
                for index, row in enumerate(zip(cells, values, strict=True))
            ),
            data_trial=number,
            class_=_role(number, winner),
        )
        for number, cells, values in zip(info.numbers, info.cells, info.values, strict=True)
    ]
    return element(
        "table",
        element("caption", "All trials, best first", class_="hidden"),
        element("thead", _groups(info), _headings(info)),
        element("tbody", *body),
        id="trials-table",
    )


def _role(number: int, winner: int | None) -> str | None:
    roles = [name for name, it in (("winner", winner), ("reference", 0)) if it == number]
    return " ".join(roles) or None


def _cell(info: TableInfo, index: int, pair: tuple[str, Any], number: int) -> Markup:
    text, value = pair
    column = info.columns[index]
    content: Content = text
    if column.key == "number":
        content = element("a", text, href="#trial", data_trial=number)
    kind = "n" if column.numeric else None
    kind = " ".join(filter(None, [kind, "constant" if info.constant[index] else None])) or None
    found = words.number(value)
    exact = None if found is None or text.replace(",", "") == str(value) else f"{found:.12g}"
    return element("td", content, class_=kind, data_v=exact)


def _groups(info: TableInfo) -> Markup:
    cells = []
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
    cells = [
        element(
            "th",
            element("button", column.label, type="button", title=column.help),
            scope="col",
            aria_sort="ascending" if column.key == "rank" else "none",
            data_key=column.key,
            data_kind="number" if column.numeric else "text",
            class_=" ".join(filter(None, ["n" * column.numeric, "constant" * constant])) or None,
        )
        for column, constant in zip(info.columns, info.constant, strict=True)
    ]
    return element("tr", *cells)


def trials_csv(record: StudyRecord) -> str:
    """Return the trials as CSV, best first, with every hyperparameter and score.

    A text that a spreadsheet would run as a formula gets a leading apostrophe.
    """
    names = hyperparameters(record)
    scores = [f"{view}_{score}" for view in VIEWS for score in SCORES]
    best = winner(record)
    head = ["rank", "number", "state", "winner", *names]
    head += ["validation_f_med", "validation_f_med_plain", "validation_f_med_smooth"]
    head += [f"best_epoch_{name}" for name in scores]
    head += ["parameters", "macs", "best_epoch", "epochs", "stopped_by", "seconds", "seed"]
    head += ["attempts", "diagnosis", "bias", "variance", "gap", "started", "ended"]
    head += ["worker", "cause"]
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(head)
    for rank, trial in enumerate(ranked(record), 1):
        found = trial.diagnosis or {}
        row = [rank, trial.number, trial.state, int(best is not None and best is trial)]
        row += [hyperparameter(trial, name) for name in names]
        row += [best_so_far(trial), trial.validation_f_med_plain, trial.validation_f_med_smooth]
        row += [trial.scores.get(name) for name in scores]
        row += [trial.parameters, trial.macs, trial.best_epoch, trial.epochs, trial.stopped_by]
        row += [trial.seconds, trial.seed, trial.attempts, found.get("kind")]
        row += [_verdict(found, "bias"), _verdict(found, "variance"), found.get("gap")]
        row += [trial.started, trial.ended, trial.worker, trial.cause]
        writer.writerow([neutral(value) for value in row])
    return file.getvalue()


def _verdict(diagnosis: dict[str, Any], name: str) -> Any:
    part = diagnosis.get(name)
    return part.get("verdict") if isinstance(part, dict) else None


def neutral(value: Any) -> Any:
    """Return a cell that a spreadsheet shows as it is and never runs as a formula."""
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return "'" + value
    return value


def facts_html(facts: list[tuple[str, Content]]) -> Markup:
    """Return names and values as a definition list."""
    rows = (element("div", element("dt", name), element("dd", value)) for name, value in facts)
    return element("dl", join(*rows), class_="facts")
