"""Processes that fetch at once, or that were killed at it."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from study.dataset.fetch import mendeley

ARCHIVE = "/public-api/zip/wmy84gzngw/download/1"
Fetch = Callable[..., Path]
Contents = Callable[[Path], dict[str, bytes]]
FETCH = """
import json, sys
from pathlib import Path, PurePosixPath
from study.dataset.fetch import mendeley
cache, url, table = sys.argv[1:]
table = {digest: PurePosixPath(place) for digest, place in json.loads(table).items()}
note = lambda line: print(line, file=sys.stderr, flush=True)
print(mendeley.fetch(Path(cache), base_url=url, table=table, on_note=note))
"""


@pytest.fixture
def begin(tmp_path: Path, server: Any, small_set: Any) -> Iterator[Callable[[], Any]]:
    """Start fetching the drawn set in a process of its own; what is left ends with the test."""
    table = json.dumps({digest: str(place) for digest, place in small_set.table.items()})
    command = [sys.executable, "-c", FETCH, str(tmp_path), server.url, table]
    started: list[subprocess.Popen[str]] = []

    def start() -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        started.append(subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def wait_until(done: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def test_a_process_killed_in_mid_download_is_gone_on_with(
    server: Any,
    answer: SimpleNamespace,
    begin: Callable[[], Any],
    fetch: Fetch,
    small_set: Any,
    contents: Contents,
    tmp_path: Path,
    leftovers: Callable[[], set[str]],
) -> None:
    body = small_set.zipped()
    server.on(ARCHIVE, answer.stalled(body, 13_000))
    process = begin()
    downloads = mendeley.home(tmp_path) / "downloads"
    wait_until(lambda: any(path.stat().st_size for path in downloads.glob("*.part")))
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert mendeley.cached_folder(tmp_path, table=small_set.table) is None
    server.on(ARCHIVE, answer.ranged(body))
    assert contents(fetch()) == small_set.files
    asked = server.ranges(ARCHIVE)[-1]
    assert int(re.fullmatch(r"bytes=(\d+)-", asked)[1]) >= 4096  # type: ignore[index]
    assert leftovers() == set()


def test_two_processes_at_once_fetch_once(
    server: Any,
    answer: SimpleNamespace,
    begin: Callable[[], Any],
    small_set: Any,
    contents: Contents,
    tmp_path: Path,
) -> None:
    body = small_set.zipped()

    def slow(handler: Any) -> None:
        server.over.wait(1.5)
        answer.ranged(body)(handler)

    server.on(ARCHIVE, slow)
    first, second = begin(), begin()
    outcomes = [first.communicate(timeout=30), second.communicate(timeout=30)]
    assert (first.returncode, second.returncode) == (0, 0), outcomes
    folder = mendeley.cached_folder(tmp_path, table=small_set.table)
    assert folder is not None
    assert [out for out, _ in outcomes] == [f"{folder}\n"] * 2
    assert sorted(bool(err) for _, err in outcomes) == [False, True]
    assert "waiting" in "".join(err for _, err in outcomes)
    assert contents(folder) == small_set.files
    assert len(server.ranges(ARCHIVE)) == 1


def test_what_a_killed_process_was_unpacking_is_swept_away(
    server: Any,
    answer: SimpleNamespace,
    fetch: Fetch,
    small_set: Any,
    tmp_path: Path,
    leftovers: Callable[[], set[str]],
) -> None:
    left = mendeley.home(tmp_path) / ".images-abc" / "images"
    left.mkdir(parents=True)
    server.on(ARCHIVE, answer.whole(small_set.zipped()))
    fetch()
    assert leftovers() == set()
