"""The table of trials and its file."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import pytest

from study.records import StudyRecord
from study.report.frames import trials_frame
from study.report.tables import table_data, table_html, table_info, trials_csv
from study.report.words import DASH, best_of, count, duration, interval, moment, quantity, score
from study.summary import ranked
from study.text import neutral
from study.variant import variant_fields


def rows_of(record: StudyRecord) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(trials_csv(trials_frame(record)))))


def test_the_table_holds_every_hyperparameter(record: StudyRecord) -> None:
    """Searched hyperparameters come first, those with one value are marked as constant."""
    info = table_info(record)
    keys = [column.key for column in info.columns]
    assert set(variant_fields()) <= set(keys)
    names = [column.key for column in info.columns if column.group == "Hyperparameters"]
    assert set(names[:4]) == {"filters", "dropout", "learning_rate", "optimizer"}
    constant = {key for key, same in zip(keys, info.constant, strict=True) if same}
    assert "batch_size" in constant
    assert "filters" not in constant
    assert info.numbers == [trial.number for trial in ranked(record)]


def test_the_file_holds_a_row_a_trial_with_all_scores(record: StudyRecord) -> None:
    """Every trial, hyperparameter and score at the best epoch is in trials.csv, in full digits."""
    rows = rows_of(record)
    assert len(rows) == len(record.trials)
    first = ranked(record)[0]
    assert set(variant_fields()) <= set(rows[0])
    assert float(rows[0]["validation_f_med"]) == first.validation_f_med
    assert (
        float(rows[0]["best_epoch_validation_plain_loss"]) == first.scores["validation_plain_loss"]
    )
    assert [int(row["rank"]) for row in rows] == list(range(1, len(rows) + 1))
    assert rows[-1]["state"] == "failed"
    assert rows[-1]["cause"].startswith("ResourceExhausted")
    assert rows[-1]["validation_f_med"] == ""


def test_formulas_are_neutralised(record: StudyRecord) -> None:
    """A text that a spreadsheet would run gets an apostrophe; a negative number does not."""
    for text in ("=1+1", "+1", "-1", "@x", "\tx"):
        assert neutral(text) == "'" + text
    assert neutral(-1.5) == -1.5
    bad = replace(record.trials[11], cause='=HYPERLINK("http://x")', worker="@host")
    row = rows_of(replace(record, trials=[*record.trials[:11], bad]))[-1]
    assert row["cause"].startswith("'=")
    assert row["worker"] == "'@host"


def test_repeats_are_shown_only_where_there_are_any(record: StudyRecord) -> None:
    """A variant that was tried twice shows how often and its mean."""
    assert "repeats" not in [column.key for column in table_info(record).columns]
    twin = replace(record.trials[2], number=12)
    info = table_info(replace(record, trials=[*record.trials, twin]))
    where = [column.key for column in info.columns].index("repeats")
    told = dict(zip(info.numbers, info.texts[where], strict=True))
    assert told[12].startswith("2 trials, mean 0.")
    assert told[0] == DASH


def test_cells_are_escaped(record: StudyRecord) -> None:
    """A cause with HTML in it is text in the table."""
    bad = replace(record.trials[11], cause="<script>alert(1)</script>")
    html = table_html(table_info(replace(record, trials=[bad])), roles={})
    assert "<script>" not in html
    assert "&lt;script&gt;" in html


def test_the_script_gets_the_numbers_behind_rounded_texts(record: StudyRecord) -> None:
    """Where a text says less than the number, or adds a unit, the number goes along."""
    info = table_info(record)
    data = {column["key"]: column for column in table_data(info)}
    first = ranked(record)[0]
    assert data["learning_rate"]["raw"][0] == pytest.approx(first.variant["learning_rate"])
    assert data["seconds"]["raw"][0] == first.seconds
    assert data["validation_f_med"]["raw"][-1] is None
    assert "raw" not in data["epochs"]
    assert "raw" not in data["state"]


def test_the_file_of_many_trials_keeps_every_column_s_kind(record: StudyRecord) -> None:
    """Whole numbers stay whole, times are ISO 8601, what is unknown is empty."""
    row, last = rows_of(record)[0], rows_of(record)[-1]
    assert row["seed"].isdigit()
    assert row["started"] == "2026-11-23T08:00:00+0000"
    assert last["best_epoch"] == last["gap"] == ""


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (score(0.97333), "0.973"),
        (score(None), DASH),
        (score(float("nan")), DASH),
        (count(1234567), "1,234,567"),
        (quantity(0.00034567), "0.00035"),
        (quantity("adam"), "adam"),
        (quantity(True), "True"),
        (duration(59.4), "59 s"),
        (duration(3599.7), "1 h 00 min"),
        (duration(200_000), "2 d 7 h"),
        (moment("2026-11-23T12:34:56+02:00"), "2026-11-23 10:34 UTC"),
        (moment("yesterday"), "yesterday"),
        (interval([0.2, 0.9]), (0.2, 0.9)),
        (interval({"low": 0.2, "high": 0.9}), (0.2, 0.9)),
        (interval(None), None),
        (interval([0.2, None]), None),
    ],
)
def test_figures_are_written_sensibly(found: object, expected: object) -> None:
    """Three decimals for scores, separators for counts, a dash for nothing."""
    assert found == expected


def test_the_best_of_many_is_as_optimistic_as_simulated() -> None:
    """The expected best of K normal values: 1.54, 2.25 and 2.51 at 10, 50 and 100."""
    assert best_of(1) == 0
    for trials, expected in ((10, 1.54), (50, 2.25), (100, 2.51)):
        assert best_of(trials) == pytest.approx(expected, abs=0.015)
