"""A server on this machine only: what its address is, who may ask, and which files it gives out."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePath
from socketserver import BaseServer
from threading import Lock
from typing import Any
from urllib.parse import unquote

from study.errors import SettingsError, StudyError

HOST = "127.0.0.1"
NAMES = (HOST, "localhost", "[::1]")
"""Names by which this machine may be asked."""

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".csv": "text/csv; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".txt": "text/plain; charset=utf-8",
    ".md": "text/plain; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".jpg": "image/jpeg",
}

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
}

_IDLE_SECONDS = 30.0
"""After which a client that says nothing loses its thread."""


def check_port(port: int) -> None:
    """Raise ``SettingsError`` for a port that cannot be."""
    if not 0 <= port <= 65_535:
        raise SettingsError(f"--port: found {port}; allowed: 0 to 65535")


@contextmanager
def taking(port: int) -> Iterator[None]:
    """Turn a port that cannot be had into ``SettingsError``."""
    try:
        yield
    except OSError as error:
        raise SettingsError(
            f"--port: {port} cannot be used ({error.strerror or error}); name another one, or 0 "
            "for any that is free"
        ) from error


def is_own(host: str | None, port: int) -> bool:
    """Tell whether a request's ``Host`` names this server.

    Under another name a page from elsewhere, whose name leads to this machine (DNS rebinding),
    could read along.
    """
    name, colon, number = (host or "").lower().rpartition(":")
    if not colon or number.endswith("]"):  # without a port, which then is 80
        name, number = (host or "").lower(), "80"
    return name in NAMES and number == str(port)


def serve_until_stopped(server: BaseServer, address: str, said: str) -> int:
    """Print the address, serve until Ctrl-C or another signal to stop, and return 0."""
    from study.search.driver import interruptible

    with server, interruptible():
        try:
            print(address, flush=True)
            print(said, file=sys.stderr, flush=True)
            server.serve_forever()
        except KeyboardInterrupt:
            pass
    return 0


def file_of(root: Path, target: str) -> Path | None:
    """Return the file or folder below ``root`` that a request's target names.

    A folder counts only with an ``index.html``. None for whatever else: it is missing, hidden,
    spelled in a strange way, or lies outside, where a symbolic link may lead.
    """
    path = target.partition("?")[0].partition("#")[0]
    if not path.startswith("/"):
        return None
    *folders, last = (unquote(part, errors="surrogateescape") for part in path[1:].split("/"))
    parts = [*folders, *([last] if last else [])]
    if not all(_is_plain(part) for part in parts):
        return None
    place = root.joinpath(*parts)
    try:
        inside = root.resolve(strict=True)
        folder = place.is_dir()
        if folder is False and not last:
            return None
        found = (place / "index.html" if folder else place).resolve(strict=True)
        below = found.relative_to(inside).parts
        shown = found.is_file() and not any(part.startswith(".") for part in below)
    except (OSError, ValueError, RuntimeError):  # what a loop of links or a strange name raises
        return None
    return place if shown else None


def _is_plain(part: str) -> bool:
    """Tell whether a decoded part of a path is one plain name that is not hidden."""
    strange = any(mark in part for mark in ("/", "\\", "\0"))
    return not strange and bool(part) and not part.startswith(".") and PurePath(part).name == part


class ReportHandler(SimpleHTTPRequestHandler):
    """Gives out the files below the server's folder, to requests under this machine's names."""

    server: ReportServer
    server_version, sys_version = "study", ""
    timeout = _IDLE_SECONDS
    index_pages = ("index.html",)

    def do_GET(self) -> None:
        """Give out a file."""
        if self._is_own():
            if self.translate_path(self.path) in self.server.index_pages:
                self.server.bring_up_to_date()
            super().do_GET()

    def do_HEAD(self) -> None:
        """Say what a file would be given out as."""
        if self._is_own():
            super().do_HEAD()

    def do_POST(self) -> None:
        """Refuse: nothing can be changed here."""
        if self._is_own():
            self.send_error(HTTPStatus.METHOD_NOT_ALLOWED, "only GET and HEAD")

    do_PUT = do_DELETE = do_PATCH = do_OPTIONS = do_POST

    def _is_own(self) -> bool:
        hosts = self.headers.get_all("Host") or []
        if len(hosts) == 1 and is_own(hosts[0].strip(), self.server.server_port):
            return True
        self.send_error(HTTPStatus.FORBIDDEN, "this address only")
        return False

    def translate_path(self, path: str) -> str:
        """Return the file of a request; an empty name, which is no file, where it has none."""
        found = file_of(self.server.root, path)
        return "" if found is None else str(found)

    def list_directory(self, path: Any) -> None:  # noqa: ARG002 - the signature is the library's
        """Refuse to list a folder."""
        self.send_error(HTTPStatus.NOT_FOUND, "no such page")

    def guess_type(self, path: Any) -> str:
        """Return the type by the ending, from a table that no other program changes."""
        return TYPES.get(Path(path).suffix.lower(), "application/octet-stream")

    def end_headers(self) -> None:
        """Send what every answer carries, errors too."""
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing of requests."""


class ReportServer(ThreadingHTTPServer):
    """Serves one folder on this machine only.

    ``refresh`` is called before the folder's own page is given out, one call at a time.

    Raises ``SettingsError`` when the port cannot be had.
    """

    daemon_threads = True
    allow_reuse_port = False

    def __init__(self, root: Path, port: int, *, refresh: Callable[[], object]) -> None:
        self.root, self._refresh, self._refreshing = root, refresh, Lock()
        self.index_pages = (str(root), str(root / "index.html"))
        with taking(port):
            super().__init__((HOST, port), ReportHandler)

    def bring_up_to_date(self) -> None:
        """Write the folder's own page anew; where this fails, the one that is there must do."""
        with self._refreshing, suppress(StudyError):
            self._refresh()

    def handle_error(self, *_: Any) -> None:
        """Say nothing of a client that went away."""
