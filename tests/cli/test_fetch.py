"""``study data fetch`` as a user types it, with a server on the loopback."""

from __future__ import annotations

import io
import os
import pty
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from study.cli import fetch as command
from study.dataset.fetch import mendeley
from study.dataset.images import pixel_digest

Study = Callable[..., tuple[int, str, str]]
ARCHIVE = "/public-api/zip/wmy84gzngw/download/1"


class Repository(ThreadingHTTPServer):
    """Has an archive and nothing else; sends ``sent`` bytes of it and then waits."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.archive = b""
        self.sent: int | None = None
        self.asked = 0
        self.over = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Repository

    def do_GET(self) -> None:
        self.server.asked += 1
        if self.path != ARCHIVE:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.server.archive)))
        self.send_header("ETag", '"1"')
        self.end_headers()
        self.wfile.write(self.server.archive[: self.server.sent])
        if self.server.sent is not None:
            self.server.over.wait(30)

    def log_message(self, *_arguments: Any) -> None:
        pass


@pytest.fixture
def repository(monkeypatch: pytest.MonkeyPatch) -> Iterator[Repository]:
    for name in ("HTTP_PROXY", "ALL_PROXY", "http_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Repository() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield server
        server.over.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def drawn(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Put four drawn images in the place of the set, and return where they belong."""
    rng = np.random.default_rng(0)
    table, held = {}, io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for k in range(4):
            image = Image.fromarray(rng.integers(0, 256, (30, 40), dtype=np.uint8))
            file = io.BytesIO()
            image.save(file, "BMP")
            archive.writestr(f"x/{k}", file.getvalue())
            table[pixel_digest(image)] = Path("benign" if k < 2 else "malignant", f"us{k}.bmp")
    repository.archive = held.getvalue()
    monkeypatch.setattr(mendeley, "read_table", lambda: table)
    return sorted(map(str, table.values()))


def images_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.bmp"))


def test_the_folder_is_printed_and_the_licence_and_citation_are_said(
    study: Study, repository: Repository, drawn: list[str], tmp_path: Path
) -> None:
    line = ("data", "fetch", "mendeley", "--url", repository.url, "--cache", "cache")
    status, out, err = study(*line)
    assert status == 0, err
    folder = tmp_path / "cache" / "mendeley" / "breast-ultrasound"
    assert out == f"{folder}\n"
    assert images_in(folder) == drawn
    assert "CC BY 4.0" in err
    assert "10.17632/wmy84gzngw.1" in err
    assert f"Downloading the archive, {len(repository.archive):,} bytes" in err


def test_a_set_that_is_there_is_said_to_be_so_and_nothing_is_asked_for(
    study: Study, repository: Repository, drawn: list[str]
) -> None:
    line = ("data", "fetch", "mendeley", "--url", repository.url, "--cache", "cache")
    first, asked = study(*line), repository.asked
    status, out, err = study(*line)
    assert (status, out, repository.asked) == (0, first[1], asked)
    assert err.startswith("Already there: ")
    assert "CC BY 4.0" in err
    assert drawn


def test_without_an_option_the_cache_is_the_platforms(
    study: Study,
    repository: Repository,
    drawn: list[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    status, out, err = study("data", "fetch", "mendeley", "--url", repository.url)
    assert status == 0, err
    folder = mendeley.cached_folder(command.user_cache())
    assert out == f"{folder}\n"
    assert folder is not None
    assert folder.is_relative_to(tmp_path / "home" / "study")
    assert images_in(folder) == drawn


def test_a_failure_of_the_network_ends_with_one_line_and_status_1(
    study: Study, repository: Repository, tmp_path: Path
) -> None:
    """The archive is empty; the line names the address and the folder for doing it by hand."""
    line = ("data", "fetch", "mendeley", "--url", repository.url, "--cache", "a cache")
    status, out, err = study(*line)
    assert (status, out) == (1, "")
    last = err.splitlines()[-1]
    assert last.startswith("study: 250 of the 250 images could not be had (")
    assert "https://data.mendeley.com/datasets/wmy84gzngw/1" in last
    assert last.endswith(str(tmp_path / "a cache" / "mendeley"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["mendely"], "(did you mean 'mendeley'?); allowed: mendeley"),
        (["busi"], "no set of images 'busi' to fetch; allowed: mendeley"),
        (["mendeley", "--url", "data.mendeley.com"], "--url: found 'data.mendeley.com'"),
        (["mendeley", "--url", "file:///etc"], "--url: found 'file:///etc'"),
        (["mendeley", "--url", "http://["], "--url: found 'http://['"),
        (["mendeley", "--url", ""], "--url: found ''"),
        (["mendeley", "--cache", "taken"], "mendeley: cannot be written"),
    ],
)
def test_wrong_input_is_one_line_and_status_2(
    arguments: list[str], said: str, study: Study, tmp_path: Path
) -> None:
    (tmp_path / "taken").write_text("a file")
    status, out, err = study("data", "fetch", *arguments)
    assert (status, out) == (2, "")
    assert said in err.splitlines()[-1]
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_interrupted_it_keeps_the_part_and_prints_the_line_to_go_on_with(
    repository: Repository, tmp_path: Path
) -> None:
    repository.archive, repository.sent = bytes(100_000), 50_000
    options = ["data", "fetch", "mendeley", "--url", repository.url, "--cache", "my cache"]
    process = subprocess.Popen(
        [sys.executable, "-m", "study", *options],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    downloads = tmp_path / "my cache" / "mendeley" / "downloads"
    end = time.monotonic() + 30
    while not any(path.stat().st_size >= 40_000 for path in downloads.glob("*.part")):
        assert time.monotonic() < end, process.poll()
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    line = f"study data fetch mendeley --url {repository.url} --cache 'my cache'"
    assert err.splitlines()[-1].endswith(f"to go on: {line}")
    assert "Traceback" not in err
    assert any(path.stat().st_size >= 40_000 for path in downloads.glob("*.part"))


def test_on_a_terminal_a_bar_shows_how_far_it_is(repository: Repository, tmp_path: Path) -> None:
    repository.archive = bytes(100_000)
    options = ["data", "fetch", "mendeley", "--url", repository.url, "--cache", "cache"]
    leader, follower = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    with subprocess.Popen(
        [sys.executable, "-m", "study", *options],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=follower,
        env=environment,
    ) as process:
        os.close(follower)
        seen = b""
        while True:
            try:
                piece = os.read(leader, 4096)
            except OSError:  # the process has closed its end
                break
            if not piece:
                break
            seen += piece
        assert process.wait(timeout=20) == 1
    os.close(leader)
    assert b"the archive" in seen
    assert b"100.0/100.0 kB" in seen


def test_the_real_set_arrives_through_the_command(
    study: Study, repository: Repository, tmp_path: Path
) -> None:
    given = os.environ.get("STUDY_REAL_DATA")
    if not given:
        pytest.skip("STUDY_REAL_DATA does not name the folder of the breast-ultrasound images")
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for k, path in enumerate(sorted(Path(given).rglob("*.bmp"))):
            archive.write(path, f"{k % 7}/{k}")
    repository.archive = held.getvalue()
    line = ("data", "fetch", "mendeley", "--url", repository.url, "--cache", tmp_path)
    status, out, err = study(*line)
    assert status == 0, err
    folder = Path(out.strip())
    assert {p.name: len(list(p.iterdir())) for p in folder.iterdir() if p.is_dir()} == {
        "benign": 100,
        "malignant": 150,
    }
