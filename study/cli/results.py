"""``study list``, ``study show``, ``study report``: what the studies found."""

from __future__ import annotations

import json
import sys
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from study.cli.options import AsJson, NoImages, Reports, Runs
from study.errors import LedgerError, SettingsError, near_miss

if TYPE_CHECKING:
    from study.evaluation.nested import NestedStudy
    from study.ledger import Ledger
    from study.records import StudyRecord
    from study.workspace import StudyFolder

DEFAULT_RUNS = Path("runs")

Name = Annotated[str, typer.Argument(help="Name of the study, as `study list` shows it.")]


def check_runs(runs: Path) -> None:
    """Raise ``SettingsError`` unless it is a folder; the default one need not exist yet."""
    if not runs.is_dir() and (runs.exists() or runs != DEFAULT_RUNS):
        found = "not a folder" if runs.exists() else "no such folder"
        raise SettingsError(f"--runs {runs}: {found}; name the one that `study run` wrote to")


def find_folder(runs: Path, name: str) -> StudyFolder:
    """Find a study by name; ``LedgerError`` with the near miss when there is none."""
    from study.workspace import study_folder, study_names

    check_runs(runs)
    names = study_names(runs)
    if name not in names:
        if (nested := find_nested(runs, name)) is not None:
            raise LedgerError(nested.in_a_line())
        hint = near_miss(name, names) or (
            f"; there are: {', '.join(names)}" if names else "; `study run` makes one"
        )
        raise LedgerError(f"no study {name!r} in {runs}{hint}")
    return study_folder(runs, name)


def find_nested(runs: Path, name: str) -> NestedStudy | None:
    """Find a nested study by name; None where that is the name of another study, or of none."""
    from study.evaluation.nested import nested_names, read_nested

    found = read_nested(runs, name) if name in nested_names(runs) else None
    return None if found is None else found[0]


def find_study(runs: Path, name: str) -> tuple[StudyFolder, Ledger]:
    """Open a study by name, without a look at what its ledger holds."""
    from study.ledger import Ledger

    folder = find_folder(runs, name)
    return folder, Ledger.open(folder.path)


def find_record(runs: Path, name: str) -> tuple[StudyFolder, StudyRecord]:
    """Read a study by name as it stands now."""
    from study.ledger import read_study

    folder = find_folder(runs, name)
    return folder, read_study(folder.path)


def list_studies(runs: Runs = DEFAULT_RUNS, as_json: AsJson = False) -> int:
    """List the studies: trials that ended of those planned, and the best validation F_med."""
    from study.evaluation.nested import nested_listing, nested_words
    from study.ledger import read_study
    from study.summary import counts, winner
    from study.workspace import study_folder, study_names

    check_runs(runs)
    rows = []
    for name in study_names(runs):
        try:
            record = read_study(study_folder(runs, name).path)
        except LedgerError as error:
            print(f"study: {error}", file=sys.stderr)
            continue
        best, state = winner(record), counts(record)
        rows.append(
            {
                "study": name,
                "created": record.created,
                "data": record.dataset["name"],
                "split": record.split["kind"],
                **{key: state[key] for key in ("complete", "pruned", "failed")},
                "requested": record.requested,
                "best": best.number if best else None,
                "validation_f_med": best.validation_f_med if best else None,
            }
        )
    nested = nested_listing(runs)
    if as_json:
        print(json.dumps({"studies": rows, "nested": nested}))
    elif not rows and not nested:
        print(f"No study in {runs}; `study run --quick` makes one.", file=sys.stderr)
    elif rows:
        _print_table(
            ["study", "created", "data", "split", "trials", "best", "validation F_med"],
            [
                [
                    row["study"],
                    str(row["created"])[:10],
                    row["data"],
                    row["split"],
                    f"{row['complete'] + row['pruned'] + row['failed']}/{row['requested']}",
                    row["best"],
                    row["validation_f_med"],
                ]
                for row in rows
            ],
        )
    for item in [] if as_json else nested:
        print(f"{item['study']}: {nested_words(item)}")
    return 0


def show(
    name: Name,
    runs: Runs = DEFAULT_RUNS,
    reports: Reports = Path("reports"),
    as_json: AsJson = False,
) -> int:
    """Show the ranking of a study, its winner and its retest."""
    from study.cli.progress import closing_lines
    from study.summary import document, ranked

    check_runs(runs)
    page = reports / name / "index.html"
    if (nested := find_nested(runs, name)) is not None:
        from study.cli.nested_results import show_nested

        return show_nested(runs, nested, page, as_json=as_json)
    _, record = find_record(runs, name)
    if as_json:
        seconds = sum(trial.seconds or 0.0 for trial in record.trials)
        report_path = str(page) if page.is_file() else None
        print(json.dumps(document(record, report=report_path, seconds=seconds), allow_nan=False))
        return 0
    columns = list(record.trials[0].params) if record.trials else []
    _print_table(
        ["trial", "state", "val F_med", "plain", "train", "epoch", "MACs", *columns],
        [
            [
                trial.number,
                trial.state,
                trial.validation_f_med,
                trial.validation_f_med_plain,
                trial.train_f_med,
                f"{trial.best_epoch or '-'}/{trial.epochs}",
                f"{trial.macs:,}" if trial.macs else None,
                *(trial.variant.get(column) for column in columns),
            ]
            for trial in ranked(record)
        ],
    )
    for line in closing_lines(record):
        print(line)
    for trial in record.trials:
        if trial.cause and trial.state in ("failed", "interrupted"):
            print(f"Trial {trial.number} {trial.state}: {trial.cause}")
    return 0


def report(
    name: Name,
    runs: Runs = DEFAULT_RUNS,
    reports: Reports = Path("reports"),
    no_images: NoImages = False,
    open_page: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
) -> int:
    """Write the report of a study anew."""
    from study.report.library import write_index
    from study.report.page import write_report

    check_runs(runs)
    if (nested := find_nested(runs, name)) is not None:
        from study.cli.nested_results import report_nested

        page = report_nested(runs, nested, reports, images=not no_images)
    else:
        folder, record = find_record(runs, name)
        page = write_report(
            record, study_dir=folder.path, out_dir=reports / name, images=not no_images
        )
    write_index(runs, reports)
    print(page)
    if open_page:
        webbrowser.open(page.resolve().as_uri())
    return 0


def _print_table(titles: list[str], rows: list[list[object]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in titles:
        table.add_column(title, no_wrap=title in ("study", "trial"))
    for row in rows:
        table.add_row(*(Text(_cell(value)) for value in row))
    # A pipe has no width: nothing is wrapped or cut there.
    Console(highlight=False, width=None if sys.stdout.isatty() else 400).print(table)


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.3g}" if isinstance(value, float) else str(value)
