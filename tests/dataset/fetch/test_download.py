"""Downloads from a real server that is cut off, stalls, lies, and asks for patience."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from study.dataset.fetch.download import download
from study.dataset.fetch.request import Limits, check_address
from study.errors import FetchError

BODY = bytes(range(256)) * 400
CHUNK = 4096
DIGEST = hashlib.sha256(BODY).hexdigest()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "downloads" / "file"


@pytest.fixture
def load(file: Path, hasty: Limits) -> Callable[..., list[float]]:
    """Return a function that downloads to ``file`` and gives the seconds slept between attempts."""

    def run(url: str, **options: Any) -> list[float]:
        slept: list[float] = []
        download(url, file, **{"limits": hasty, "sleep": slept.append, "seed": 0, **options})
        return slept

    return run


def left_beside(file: Path) -> set[str]:
    return {path.name for path in file.parent.iterdir()} - {file.name}


def test_a_file_arrives_as_it_is_and_nothing_is_left_beside_it(
    server: Any, answer: SimpleNamespace, file: Path, load: Callable[..., list[float]]
) -> None:
    told: list[tuple[int, int | None]] = []
    url = server.on("/file", answer.ranged(BODY))
    assert load(url, sha256=DIGEST, on_progress=lambda *sizes: told.append(sizes)) == []
    assert file.read_bytes() == BODY
    assert left_beside(file) == set()
    assert told == sorted(told)
    assert (told[0], told[-1]) == ((0, len(BODY)), (len(BODY), len(BODY)))


def test_the_request_looks_like_a_browsers(
    server: Any, answer: SimpleNamespace, load: Callable[..., list[float]]
) -> None:
    load(server.on("/file", answer.whole(BODY)))
    ((_, headers),) = server.seen
    assert headers["User-Agent"].startswith("Mozilla/5.0 ")
    assert headers["Accept-Encoding"] == "identity"


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.integers(1, 60_000), max_size=5), st.booleans())
def test_however_a_transfer_is_cut_up_the_bytes_are_those_of_the_file(
    server: Any,
    answer: SimpleNamespace,
    file: Path,
    load: Callable[..., list[float]],
    hasty: Limits,
    cuts: list[int],
    known: bool,
) -> None:
    """With a validator or a digest each attempt asks for what is lacking, and for no more."""
    server.seen.clear()
    etag = None if known else '"1"'
    url = server.on("/file", *(answer.cut(BODY, n, etag) for n in cuts), answer.ranged(BODY, etag))
    load(url, limits=replace(hasty, attempts=9), sha256=DIGEST if known else None)
    assert file.read_bytes() == BODY
    held = 0
    for asked, sent in zip(server.ranges("/file"), [*cuts, len(BODY)], strict=False):
        first = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        assert held - CHUNK < first <= held
        held = first + sent


def test_a_later_call_goes_on_where_an_earlier_one_gave_up(
    server: Any, answer: SimpleNamespace, file: Path, load: Callable[..., list[float]]
) -> None:
    url = server.on("/file", answer.cut(BODY, 2 * CHUNK), answer.status(404))
    with pytest.raises(FetchError, match="answered 404"):
        load(url)
    assert not file.exists()
    server.on("/file", answer.ranged(BODY))
    load(url)
    assert file.read_bytes() == BODY
    assert server.ranges("/file")[-1] == f"bytes={2 * CHUNK}-"


def test_a_whole_part_is_taken_without_another_request(
    server: Any, answer: SimpleNamespace, file: Path, load: Callable[..., list[float]]
) -> None:
    """Of a process that ended between the last byte and the file's name."""
    url = server.on("/file", answer.cut(BODY, 2 * CHUNK), answer.status(404))
    with pytest.raises(FetchError):
        load(url)
    file.with_name("file.part").write_bytes(BODY)
    server.seen.clear()
    load(url, sha256=DIGEST)
    assert (file.read_bytes(), server.seen) == (BODY, [])


@pytest.mark.parametrize("kind", ["changed", "ignores-range", "shorter", "no-validator", "lies"])
def test_a_part_that_does_not_belong_to_the_file_is_dropped(
    kind: str, server: Any, answer: SimpleNamespace, file: Path, load: Callable[..., list[float]]
) -> None:
    other = BODY[::-1]
    first = answer.cut(BODY, 50_000, None if kind == "no-validator" else '"1"')
    then = {
        "changed": [answer.ranged(other, '"2"')],
        "ignores-range": [answer.whole(other)],
        "shorter": [answer.status(416), answer.ranged(other, '"2"')],
        "no-validator": [answer.ranged(other, None)],
        # 206 for another version, although If-Range asked for the same one
        "lies": [answer.cut(other, 60_000, '"2"'), answer.ranged(other, '"2"')],
    }[kind]
    load(server.on("/file", first, *then))
    assert file.read_bytes() == other
    assert left_beside(file) == set()


@pytest.mark.parametrize("code", [408, 425, 429, 500, 502, 503])
def test_a_passing_failure_is_tried_again_with_waits_that_double(
    code: int, server: Any, answer: SimpleNamespace, load: Callable[..., list[float]]
) -> None:
    busy = [answer.status(code)] * 3
    notes: list[str] = []
    url = server.on("/file", *busy, answer.whole(BODY))
    slept = load(url, limits=Limits(), on_note=notes.append)
    assert len(slept) == len(notes) == 3
    assert notes[2].startswith(f"{url}: the server answered {code} ")
    assert notes[2].endswith("; trying again in 4 s")
    for wait, expected in zip(slept, (1, 2, 4), strict=True):
        assert expected <= wait <= 1.25 * expected


def test_the_jitter_follows_the_seed(
    server: Any, answer: SimpleNamespace, load: Callable[..., list[float]]
) -> None:
    def slept(seed: int) -> list[float]:
        return load(server.on("/file", answer.status(503), answer.whole(BODY)), seed=seed)

    assert slept(1) == slept(1) != slept(2)


def test_retry_after_is_honoured_as_seconds_and_as_a_date(
    server: Any, answer: SimpleNamespace, load: Callable[..., list[float]]
) -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=20), usegmt=True)
    waits = [answer.status(503, Retry_After=after) for after in ("7", soon)]
    first, second = load(server.on("/file", *waits, answer.whole(BODY)))
    assert 7 <= first <= 7 * 1.25
    assert 15 <= second <= 20 * 1.25


def test_a_server_that_asks_for_too_much_patience_is_left(
    server: Any, answer: SimpleNamespace, load: Callable[..., list[float]]
) -> None:
    url = server.on("/file", answer.status(503, Retry_After="3600"))
    with pytest.raises(FetchError, match="asks to come back in 3600 s"):
        load(url)
    assert len(server.seen) == 1


@pytest.mark.parametrize("code", [400, 401, 403, 404, 410, 451])
def test_a_refusal_is_final(
    code: int, server: Any, answer: SimpleNamespace, file: Path, load: Callable[..., list[float]]
) -> None:
    with pytest.raises(FetchError, match=rf"/file: the server answered {code}"):
        load(server.on("/file", answer.status(code)))
    assert len(server.seen) == 1
    assert not file.exists()


def test_a_stalling_server_is_tried_again_and_then_given_up(
    server: Any, answer: SimpleNamespace, file: Path, load: Callable[..., list[float]]
) -> None:
    url = server.on("/file", answer.stalled(BODY, 20_000))
    with pytest.raises(FetchError, match=r"no data for 0.3 s, after \d"):
        load(url)
    assert len(server.seen) == 4
    assert file.with_name("file.part").stat().st_size > 0


def test_an_address_that_nobody_listens_at_is_tried_twice(
    load: Callable[..., list[float]],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/file"
    slept: list[float] = []
    with pytest.raises(FetchError, match="the connection is refused"):
        load(url, sleep=slept.append)
    assert len(slept) == 1


def test_a_name_that_does_not_exist_is_said_to_be_so(load: Callable[..., list[float]]) -> None:
    with pytest.raises(FetchError, match="the server's name is not found"):
        load("http://study.invalid/file")


def test_a_proxy_that_does_not_answer_is_named_as_the_cause(
    server: Any,
    answer: SimpleNamespace,
    load: Callable[..., list[float]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{taken.getsockname()[1]}")
    monkeypatch.setenv("NO_PROXY", "")
    with pytest.raises(FetchError, match="the proxy that the environment names"):
        load(server.on("/file", answer.whole(BODY)))


def test_a_server_without_the_encryption_that_was_asked_for_is_refused_at_once(
    server: Any, load: Callable[..., list[float]]
) -> None:
    slept: list[float] = []
    with pytest.raises(FetchError, match="no safe connection"):
        load(server.url.replace("http:", "https:"), sleep=slept.append)
    assert slept == []


def test_wrong_bytes_are_an_error_and_leave_nothing(
    server: Any, answer: SimpleNamespace, file: Path, load: Callable[..., list[float]]
) -> None:
    with pytest.raises(FetchError, match=rf"SHA-256 is \w+, expected {DIGEST}"):
        load(server.on("/file", answer.whole(BODY[::-1])), sha256=DIGEST)
    assert list(file.parent.iterdir()) == []
    assert len(server.seen) == 1


@pytest.mark.parametrize("told", [True, False])
def test_a_file_beyond_the_limit_is_refused_whether_its_length_is_told_or_not(
    told: bool,
    server: Any,
    answer: SimpleNamespace,
    file: Path,
    load: Callable[..., list[float]],
    hasty: Limits,
) -> None:
    headers = {} if told else {"Content_Length": None, "Connection": "close"}
    url = server.on("/file", answer.whole(BODY, **headers))
    with pytest.raises(FetchError, match="too large, at most 50,000 bytes"):
        load(url, limits=replace(hasty, most_bytes=50_000))
    assert list(file.parent.iterdir()) == []


def test_redirects_are_followed_but_not_in_circles_nor_to_files(
    server: Any, answer: SimpleNamespace, file: Path, load: Callable[..., list[float]]
) -> None:
    server.on("/file", answer.whole(BODY))
    load(server.on("/moved", answer.status(302, Location="/file")))
    assert file.read_bytes() == BODY
    with pytest.raises(FetchError, match="more than 10 redirects"):
        load(server.on("/round", answer.status(302, Location="/round")))
    for place in ("file:///etc/passwd", "ftp://127.0.0.1/file", "http://["):
        with pytest.raises(FetchError, match=r"redirected: |Invalid IPv6"):
            load(server.on("/away", answer.status(307, Location=place)))


def test_no_way_leads_from_https_to_http() -> None:
    check_address("https://b.org/file", origin="http://a.org")
    with pytest.raises(FetchError, match="from https to http"):
        check_address("http://b.org/file", origin="https://a.org")


def test_a_password_in_an_address_is_not_shown() -> None:
    with pytest.raises(FetchError) as caught:
        check_address("ftp://me:secret@a.org/file")
    assert "secret" not in str(caught.value)
    assert "//a.org/file" in str(caught.value)
