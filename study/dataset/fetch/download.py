"""Download of one file over HTTP: resumed, retried, checked, and limited."""

from __future__ import annotations

import hashlib
import json
import random
import re
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from study.dataset.fetch.request import (
    HEADERS,
    Failed,
    Limits,
    connection_cause,
    get,
    in_words,
    retry_after,
    shown,
)
from study.errors import FetchError
from study.files import write_text

if TYPE_CHECKING:
    from requests import Response, Session

OnProgress = Callable[[int, int | None], None]
"""Is told the bytes that are there and, where the server says so, the bytes in all."""

_CHUNK = 4096
"""Bytes; a transfer that is cut off loses less than one chunk of what came."""

_PASSING = frozenset({202, 408, 425, 429, *range(500, 600)})


def download(
    url: str,
    target: Path,
    *,
    sha256: str | None = None,
    limits: Limits | None = None,
    seed: int | None = None,
    sleep: Callable[[float], None] = time.sleep,
    on_progress: OnProgress | None = None,
    on_note: Callable[[str], None] | None = None,
) -> None:
    """Download a file to ``target``, going on where an earlier call was cut off.

    What has come so far lies beside the target, in ``<target>.part``; it is gone on with when the
    server says that the file is the same, or when ``sha256``, in hexadecimal, tells at the end.
    Between attempts the call sleeps twice as long each time, or as long as the server asks, plus
    a jitter drawn from ``seed``, or from the operating system so that clients do not march in step;
    ``on_note`` is told why.

    Raises ``FetchError`` when the server refuses, when every attempt failed, or when the file is
    larger than the limits allow. The part stays where another call can go on with it.
    """
    import requests

    limits = limits or Limits()
    part = _Part(target)
    jitter = random.Random(seed)
    answered = False
    with requests.Session() as session:
        session.headers.update(HEADERS)
        for number in range(1, limits.attempts + 1):
            try:
                part.path.parent.mkdir(parents=True, exist_ok=True)
                _attempt(session, url, part, sha256, limits, on_progress)
                break
            except Failed as failed:
                answered = answered or failed.answered
                most = limits.attempts if answered else limits.blind_attempts
                if failed.final or number >= most:
                    raise FetchError(f"{shown(url)}: {failed}") from failed
                wait = failed.wait
                if wait is None:
                    wait = min(limits.first_wait * 2 ** (number - 1), limits.longest_wait)
                if on_note is not None:
                    on_note(f"{shown(url)}: {failed}; trying again in {wait:.0f} s")
                sleep(wait * (1 + 0.25 * jitter.random()))
    part.finish(target)


class _Part:
    """The bytes that have come so far, and what the server said of the file they belong to."""

    def __init__(self, target: Path) -> None:
        self.path = target.with_name(target.name + ".part")
        self._note = target.with_name(target.name + ".part.json")

    @property
    def size(self) -> int:
        return self.path.stat().st_size if self.path.is_file() else 0

    def told(self) -> _Told:
        try:
            return _Told(**json.loads(self._note.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):  # missing, or cut off with the process
            return _Told()

    def begin(self, told: _Told) -> None:
        self.path.write_bytes(b"")
        write_text(self._note, json.dumps(asdict(told)))

    def discard(self) -> None:
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)

    def finish(self, target: Path) -> None:
        self.path.replace(target)
        self._note.unlink(missing_ok=True)


@dataclass(frozen=True, kw_only=True)
class _Told:
    """What tells one version of a file from another, and its size in bytes."""

    validator: str | None = None
    """An ETag, or a date, as ``If-Range`` takes it."""
    total: int | None = None


def _attempt(
    session: Session,
    url: str,
    part: _Part,
    sha256: str | None,
    limits: Limits,
    on_progress: OnProgress | None,
) -> None:
    """Bring the part to its end with one request, and check it."""
    offset, told = part.size, part.told()
    if offset and not (told.validator or sha256):
        offset = 0
    if not (offset and offset == told.total):
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        if offset and told.validator:
            headers["If-Range"] = told.validator
        response = get(session, url, headers, limits)
        try:
            _check_status(response, part, limits)
            if response.status_code == 206:
                _check_continues(response, part, offset, told)
            else:
                offset, told = 0, _told(response)
                part.begin(told)
            _receive(response, part, offset, told.total, limits, on_progress)
        finally:
            response.close()
    if sha256 is not None:
        with part.path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != sha256.lower():
            part.discard()
            said = f"its SHA-256 is {found}, expected {sha256.lower()}"
            # Whole and wrong, it would come again; pieced together, it may be our pieces.
            raise Failed(said, final=not offset, wait=0.0)


def _check_status(response: Response, part: _Part, limits: Limits) -> None:
    status = response.status_code
    if status in (200, 206):
        return
    said = f"the server answered {status} {response.reason or ''}".rstrip()
    if status == 416:  # the file has become shorter than the part
        part.discard()
        raise Failed(said, wait=0.0)
    wait = retry_after(response.headers.get("Retry-After"))
    if status in _PASSING and wait is not None and wait > limits.longest_wait:
        raise Failed(f"{said} and asks to come back in {wait:.0f} s", final=True)
    raise Failed(said, final=status not in _PASSING, wait=wait)


def _told(response: Response) -> _Told:
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        return _Told()  # sizes and ranges count the encoded bytes
    etag = response.headers.get("ETag", "")
    # RFC 9110, 13.1.5: If-Range takes strong validators only.
    strong = etag if etag and not etag.startswith("W/") else response.headers.get("Last-Modified")
    length = response.headers.get("Content-Length", "")
    return _Told(validator=strong, total=int(length) if length.isdecimal() else None)


def _check_continues(response: Response, part: _Part, offset: int, told: _Told) -> None:
    """Begin anew when the server sends another range, or a range of another version."""
    sent = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
    same = sent is not None and offset > 0 and int(sent[1]) == offset
    if sent is not None and told.total is not None and sent[2] != "*":
        same = same and int(sent[2]) == told.total
    now = _told(response).validator
    if not same or (now and told.validator and now != told.validator):
        part.discard()
        raise Failed("the file has changed while it was downloaded", wait=0.0)


def _receive(
    response: Response,
    part: _Part,
    offset: int,
    total: int | None,
    limits: Limits,
    on_progress: OnProgress | None,
) -> None:
    import requests

    done = offset
    tell = on_progress or (lambda _done, _total: None)
    tell(done, total)
    most = limits.most_bytes
    try:
        with part.path.open("ab") as file:
            chunks = response.iter_content(_CHUNK)
            while max(done, total or 0) <= most and (chunk := next(chunks, b"")):
                file.write(chunk)
                done += len(chunk)
                tell(done, total)
    except requests.exceptions.ContentDecodingError as error:
        part.discard()
        raise Failed(f"what came cannot be decoded ({in_words(error)})") from error
    except requests.RequestException as error:
        raise Failed(f"{connection_cause(error, limits)}, after {done:,} bytes") from error
    if max(done, total or 0) > most:
        part.discard()
        raise Failed(f"too large, at most {most:,} bytes are taken", final=True)
    if total is not None and done < total:
        raise Failed(f"the connection ended after {done:,} of {total:,} bytes")
    if total is not None and done > total:
        part.discard()
        raise Failed(f"{done:,} bytes came where {total:,} were announced")
