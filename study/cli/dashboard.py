"""``study dashboard``: Optuna's dashboard on a snapshot of a study's ledger."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Callable, Iterable
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from study.cli.options import Runs
from study.cli.results import Name, find_study
from study.cli.server import HOST, check_port, is_own, serve_until_stopped, taking
from study.errors import SettingsError

if TYPE_CHECKING:
    from wsgiref.simple_server import WSGIServer

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]


def dashboard(
    name: Name,
    port: Annotated[int, typer.Option(help="Port on this machine; 0 takes any free one.")] = 8080,
    runs: Runs = Path("runs"),
) -> int:
    """Open optuna-dashboard on a read-only snapshot of a study, also while it runs.

    Needs `pip install optuna-dashboard`. Ends with Ctrl-C; started again, it takes a new snapshot.
    """
    check_port(port)
    folder, ledger = find_study(runs, name)
    ledger.close()
    try:
        from optuna_dashboard import wsgi
    except ImportError as error:
        raise SettingsError(
            "study dashboard: optuna-dashboard is not installed; run: pip install optuna-dashboard"
        ) from error
    from study.ledger import FILE_NAME

    with tempfile.TemporaryDirectory(
        prefix="study-dashboard-", ignore_cleanup_errors=True
    ) as scratch:
        snapshot = Path(scratch) / FILE_NAME
        copy_ledger(folder.path / FILE_NAME, snapshot)
        taken = datetime.now().astimezone()
        application = read_only(wsgi(f"sqlite:///{snapshot}"))
        server = _serving(application, port)
        said = f"A snapshot of study {name}, taken at {taken:%H:%M}; Ctrl-C ends it."
        return serve_until_stopped(server, f"http://{HOST}:{server.server_port}/", said)


def copy_ledger(ledger: Path, target: Path) -> None:
    """Copy a ledger as it stands at one moment, by SQLite's backup, beside whoever writes it."""
    source = sqlite3.connect(f"{ledger.resolve().as_uri()}?mode=ro", uri=True, timeout=60)
    with closing(source), closing(sqlite3.connect(target)) as copy:
        source.backup(copy)


def read_only(application: Application) -> Application:
    """Return an application that refuses what would change anything.

    It also refuses requests under a foreign name, by which a page of elsewhere could read along.
    """

    def guarded(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if not is_own(environ.get("HTTP_HOST"), int(environ["SERVER_PORT"])):
            return _refused(start_response, "this address only")
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return _refused(start_response, "a snapshot: nothing can be changed here")
        return application(environ, start_response)

    return guarded


def _refused(start_response: Any, why: str) -> Iterable[bytes]:
    body = f'{{"reason": "{why}"}}'.encode()
    head = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    start_response("403 Forbidden", head)
    return [body]


def _serving(application: Application, port: int) -> WSGIServer:
    """Return a server that listens on this machine only, and says nothing of requests."""
    from socketserver import ThreadingMixIn
    from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

    class Server(ThreadingMixIn, WSGIServer):
        daemon_threads = True

    class Handler(WSGIRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

    with taking(port):
        return make_server(HOST, port, application, Server, Handler)
