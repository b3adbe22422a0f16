"""A real server on the loopback that answers as it is told, and a small set of drawn images."""

from __future__ import annotations

import hashlib
import io
import json
import re
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePosixPath
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from study.dataset.fetch import mendeley
from study.dataset.fetch.request import Limits
from study.dataset.images import pixel_digest

Answer = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        self.server.seen.append((self.path, dict(self.headers)))
        answers = self.server.answers.get(path, [status(404)])
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        answer(self)

    def reply(self, code: int, body: bytes = b"", /, **headers: object) -> None:
        """Send a status, headers (``_`` for ``-``) and a body, whose length is told."""
        self.send_response(code)
        named = {key.replace("_", "-"): value for key, value in headers.items()}
        for key, value in {"Content-Length": len(body), **named}.items():
            if value is not None:
                self.send_header(key, str(value))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: Any) -> None:
        pass


class Server(ThreadingHTTPServer):
    """Gives the n-th request of a path its n-th answer, and the last one from then on."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: dict[str, list[Answer]] = {}
        self.seen: list[tuple[str, dict[str, str]]] = []
        self.over = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}"

    def on(self, path: str, *answers: Answer) -> str:
        """Set the answers of a path and return its address."""
        self.answers[path] = list(answers)
        return self.url + path

    def ranges(self, path: str) -> list[str | None]:
        """Return what the requests of a path asked for, None for all of it."""
        return [headers.get("Range") for asked, headers in self.seen if asked == path]

    def handle_error(self, *_arguments: Any) -> None:
        """Clients of these tests go away without a word."""


def status(code: int, **headers: object) -> Answer:
    return lambda handler: handler.reply(code, b"said in words", **headers)


def whole(body: bytes, **headers: object) -> Answer:
    """Send all of a body, whatever range is asked for."""
    return lambda handler: handler.reply(200, body, **headers)


def ranged(body: bytes, etag: str | None = '"1"') -> Answer:
    """Send a body as a server does that knows ranges."""

    def answer(handler: Handler) -> None:
        asked = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))
        same = handler.headers.get("If-Range", etag) == etag
        if not asked or not same:
            handler.reply(200, body, ETag=etag)
        elif int(asked[1]) >= len(body):
            handler.reply(416, Content_Range=f"bytes */{len(body)}")
        else:
            first = int(asked[1])
            span = f"bytes {first}-{len(body) - 1}/{len(body)}"
            handler.reply(206, body[first:], ETag=etag, Content_Range=span)

    return answer


def cut(body: bytes, sent: int, etag: str | None = '"1"') -> Answer:
    """Announce a body, or the rest that is asked for, and hang up after some bytes of it."""

    def answer(handler: Handler) -> None:
        asked = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))
        first = int(asked[1]) if asked else 0
        span = f"bytes {first}-{len(body) - 1}/{len(body)}" if first else None
        announced = {"Content_Length": len(body) - first, "ETag": etag, "Content_Range": span}
        handler.reply(206 if first else 200, body[first : first + sent], **announced)
        handler.close_connection = True

    return answer


def stalled(body: bytes, sent: int, etag: str | None = '"1"') -> Answer:
    """Send some bytes of a body, and then nothing until the test is over."""

    def answer(handler: Handler) -> None:
        handler.reply(200, body[:sent], Content_Length=len(body), ETag=etag)
        handler.wfile.flush()
        handler.server.over.wait(30)
        handler.close_connection = True

    return answer


@pytest.fixture(scope="session")
def answer() -> SimpleNamespace:
    """Return the kinds of answers that the server can give."""
    return SimpleNamespace(
        status=status, whole=whole, ranged=ranged, cut=cut, stalled=stalled, listed=listed
    )


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (f"{scheme}_proxy" for scheme in ("http", "https", "all")):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield running
        running.over.set()
        running.shutdown()
        thread.join()


@pytest.fixture
def hasty() -> Limits:
    """Return limits that do not keep a test waiting."""
    return Limits(connect_seconds=2, read_seconds=0.3, first_wait=0.01, attempts=4)


@dataclass(frozen=True)
class SmallSet:
    """Drawn images by their place, the table that tells them, and archives of them."""

    files: dict[str, bytes] = field(default_factory=dict)
    table: dict[str, PurePosixPath] = field(default_factory=dict)

    def zipped(self, leave_out: int = 0) -> bytes:
        """Return an archive as repositories give it: a zip in a zip, names that say nothing."""
        names = list(self.files)[leave_out:]
        inner = zip_of({f"Originals/{k} ü.bmp": self.files[name] for k, name in enumerate(names)})
        return zip_of({"x/readme.txt": b"hello", "x/Originals.zip": inner})


def zip_of(files: dict[str, bytes], **options: Any) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED, **options) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return held.getvalue()


def listed(url: str, files: dict[str, bytes], **details: object) -> bytes:
    """Return the repository's list of files that lie at ``url/name``."""
    return json.dumps(
        [
            {
                "filename": name,
                "id": f"{k}",
                "folder_id": "root",
                "size": len(body),
                "status": "COMPLETED",
                "content_details": {
                    "sha256_hash": hashlib.sha256(body).hexdigest(),
                    "size": len(body),
                    "content_type": "application/zip",
                    "download_url": f"{url}/{name}",
                    **details,
                },
            }
            for k, (name, body) in enumerate(files.items())
        ]
    ).encode()


@pytest.fixture(scope="session")
def zipped() -> Callable[..., bytes]:
    """Return a function that makes a zip of contents by name."""
    return zip_of


@pytest.fixture(scope="session")
def small_set() -> SmallSet:
    drawn = SmallSet()
    rng = np.random.default_rng(0)
    for k in range(12):
        image = Image.fromarray(rng.integers(0, 256, (30 + k, 40), dtype=np.uint8))
        held = io.BytesIO()
        image.save(held, "BMP")
        place = PurePosixPath("benign" if k < 5 else "malignant", f"us{k + 1}.bmp")
        drawn.files[str(place)] = held.getvalue()
        drawn.table[pixel_digest(image)] = place
    return drawn


@pytest.fixture
def contents() -> Callable[[Path], dict[str, bytes]]:
    """Return a function that reads all images below a folder."""
    return lambda folder: {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.bmp")
    }


@pytest.fixture
def notes() -> list[str]:
    return []


@pytest.fixture
def fetch(
    tmp_path: Path, server: Server, hasty: Limits, small_set: SmallSet, notes: list[str]
) -> Callable[..., Path]:
    """Return a function that fetches the drawn set from the server into ``tmp_path``."""
    return lambda **options: mendeley.fetch(
        tmp_path,
        **{
            "base_url": server.url,
            "limits": hasty,
            "table": small_set.table,
            "on_note": notes.append,
            **options,
        },
    )


@pytest.fixture
def leftovers(tmp_path: Path) -> Callable[[], set[str]]:
    """Return a function that tells what lies in the set's folder beside the images and the lock."""
    whole = {"lock", "breast-ultrasound"}
    return lambda: {path.name for path in mendeley.home(tmp_path).iterdir()} - whole
