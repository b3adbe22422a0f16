"""``study browse`` and ``study compare``: all studies in a page, several beside each other."""

from __future__ import annotations

import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from study.cli.options import Reports, Runs
from study.cli.results import find_study
from study.errors import LedgerError, SettingsError, StudyError, in_a_line

if TYPE_CHECKING:
    from study.report.compare.studies import Compared

Names = Annotated[
    list[str],
    typer.Argument(
        help="Names of two or more studies, as `study list` shows them.", metavar="NAME..."
    ),
]


def browse(
    runs: Runs = Path("runs"),
    reports: Reports = Path("reports"),
    serve: Annotated[
        bool, typer.Option("--serve", help="Serve the reports on this machine instead, to Ctrl-C.")
    ] = False,
    port: Annotated[
        int | None, typer.Option(help="Port with --serve [default: 0, any free one].")
    ] = None,
) -> int:
    """Write the list of all studies anew and open it in the browser."""
    if port is not None and not serve:
        raise SettingsError("--port: means nothing without --serve; name both or neither")
    from study.report.library import write_index

    if serve:
        return _serve(runs, reports, port or 0)
    page = write_index(runs, reports)
    print(page)
    webbrowser.open(page.resolve().as_uri())
    return 0


def _serve(runs: Path, reports: Path, port: int) -> int:
    from study.cli.server import HOST, ReportServer, check_port, serve_until_stopped
    from study.report.library import write_index

    check_port(port)
    write_index(runs, reports)
    server = ReportServer(reports.resolve(), port)
    address = f"http://{HOST}:{server.server_port}/"
    return serve_until_stopped(
        server, address, f"Serves {reports} to this machine; Ctrl-C ends it."
    )


def compare(
    names: Names,
    out: Annotated[
        Path | None, typer.Option(help="The page [default: compare-NAMES.html in the reports].")
    ] = None,
    runs: Runs = Path("runs"),
    reports: Reports = Path("reports"),
    open_page: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
) -> int:
    """Compare studies in one page: set-ups, winners, capacity, and differences with intervals."""
    if len(set(names)) < len(names) or len(names) < 2:
        raise SettingsError(
            f"study compare: found {', '.join(names)}; allowed: two or more studies, each once"
        )
    from study.report.compare.page import default_path, write_comparison

    studies = [_read(runs, name) for name in names]
    page = write_comparison(studies, out or default_path(reports, names), reports=reports)
    print(page)
    if open_page:
        webbrowser.open(page.resolve().as_uri())
    return 0


def _read(runs: Path, name: str) -> Compared:
    from study.report.compare.studies import Compared

    folder, ledger = find_study(runs, name)
    try:
        return Compared(name=name, record=ledger.read_once(), folder=folder)
    except StudyError:
        raise
    except Exception as error:
        raise LedgerError(f"study {name}: its ledger cannot be read: {in_a_line(error)}") from error
    finally:
        ledger.close()
