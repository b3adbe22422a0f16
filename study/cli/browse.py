"""``study browse`` and ``study compare``: all studies in a page, several beside each other."""

from __future__ import annotations

import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from study.cli.options import Reports, Runs
from study.cli.results import check_runs, find_record
from study.errors import SettingsError

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
    check_runs(runs)
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
    server = ReportServer(reports.resolve(), port, refresh=lambda: write_index(runs, reports))
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
    from study.report.compare.studies import Compared
    from study.report.library import write_index

    found = ((name, *find_record(runs, name)) for name in names)
    studies = [Compared(name=name, record=record, folder=folder) for name, folder, record in found]
    page = write_comparison(studies, out or default_path(reports, names), reports=reports)
    if page.resolve().parent == reports.resolve():
        write_index(runs, reports)
    print(page)
    if open_page:
        webbrowser.open(page.resolve().as_uri())
    return 0
