"""The whole way from a repository's server to folders of classes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from study.dataset.fetch import mendeley
from study.dataset.fetch.request import Limits
from study.dataset.images import pixel_digest, read_image

ARCHIVE = "/public-api/zip/wmy84gzngw/download/1"
LIST = "/public-api/datasets/wmy84gzngw/files"
Fetch = Callable[..., Path]
Contents = Callable[[Path], dict[str, bytes]]


def test_listed_files_are_downloaded_by_their_own_addresses(
    server: Any,
    answer: SimpleNamespace,
    fetch: Fetch,
    small_set: Any,
    contents: Contents,
    tmp_path: Path,
    leftovers: Callable[[], set[str]],
) -> None:
    """An archive and a bare image; what the files are called does not matter."""
    name, image = next(iter(small_set.files.items()))
    files = {"../../Originals.zip": small_set.zipped(leave_out=1), "scan.bin": image}
    server.on(LIST, answer.whole(answer.listed("/files", files)))
    for file, body in files.items():
        server.on(f"/files/{file}".replace("/files/../..", ""), answer.ranged(body))
    folder = fetch()
    assert contents(folder) == small_set.files
    assert name in contents(folder)
    assert server.seen[0][0] == f"{LIST}?folder_id=root&version=1"
    assert ARCHIVE not in [path for path, _ in server.seen]
    assert leftovers() == set()
    assert mendeley.cached_folder(tmp_path, table=small_set.table) == folder


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"{}",
        b"<html>Just a moment</html>",
        b'[{"filename": "a"}]',
        b'[{"filename": "a", "content_details": {"download_url": "/a", "sha256_hash": "?"}}]',
        b'[{"filename": "a", "content_details": {"download_url": 3, "sha256_hash": null}}]',
        b"[" * 100_000,
        b"\xff\xfe",
        b'"' + b"x" * 1_100_000 + b'"',
    ],
    ids=lambda body: repr(body[:20]),
)
def test_where_the_list_is_not_understood_the_archive_is_taken(
    body: bytes,
    server: Any,
    answer: SimpleNamespace,
    fetch: Fetch,
    small_set: Any,
    contents: Contents,
) -> None:
    server.on(LIST, answer.whole(body))
    server.on(ARCHIVE, answer.ranged(small_set.zipped()))
    assert contents(fetch()) == small_set.files


@pytest.mark.parametrize("kind", ["missing", "wrong-digest", "wrong-bytes", "ftp", "incomplete"])
def test_where_the_listed_files_fail_the_archive_is_taken(
    kind: str,
    server: Any,
    answer: SimpleNamespace,
    fetch: Fetch,
    small_set: Any,
    contents: Contents,
) -> None:
    body = small_set.zipped(leave_out=3 if kind == "incomplete" else 0)
    details = {
        "wrong-digest": {"sha256_hash": "0" * 64},
        "ftp": {"download_url": "ftp://127.0.0.1/a.zip"},
    }
    listed = answer.listed("/files", {"a.zip": body}, **details.get(kind, {}))
    server.on(LIST, answer.whole(listed))
    sent = {"missing": answer.status(404), "wrong-bytes": answer.whole(body[::-1])}
    server.on("/files/a.zip", sent.get(kind, answer.whole(body)))
    server.on(ARCHIVE, answer.whole(small_set.zipped()))
    assert contents(fetch()) == small_set.files


def test_the_archive_comes_through_a_bad_day_of_the_server(
    server: Any,
    answer: SimpleNamespace,
    fetch: Fetch,
    small_set: Any,
    contents: Contents,
    hasty: Limits,
) -> None:
    """Busy, cut off, stalled, and cut off again: every byte is asked for once but for chunks."""
    body = small_set.zipped()
    server.on(LIST, answer.status(500))
    bad = [answer.status(503, Retry_After="0"), answer.cut(body, 5_000), answer.status(500)]
    server.on(ARCHIVE, *bad, answer.cut(body, 4_096), answer.ranged(body))
    assert contents(fetch(limits=replace(hasty, attempts=6))) == small_set.files
    assert server.ranges(ARCHIVE) == [None, None, "bytes=4096-", "bytes=4096-", "bytes=8192-"]


def test_the_folder_says_whose_images_these_are(
    server: Any, answer: SimpleNamespace, fetch: Fetch, small_set: Any
) -> None:
    server.on(ARCHIVE, answer.whole(small_set.zipped()))
    text = (fetch() / "README.txt").read_text(encoding="utf-8")
    for said in ("Breast Ultrasound Image", "Rodrigues", "10.17632/wmy84gzngw.1", "CC BY 4.0"):
        assert said in text
    assert "https://data.mendeley.com/datasets/wmy84gzngw/1" in text


def test_what_is_there_is_not_fetched_again(
    server: Any, answer: SimpleNamespace, fetch: Fetch, small_set: Any
) -> None:
    server.on(ARCHIVE, answer.whole(small_set.zipped()))
    folder = fetch()
    server.seen.clear()
    assert fetch() == folder
    assert server.seen == []


def test_a_removed_image_is_noticed_and_fetched_again(
    server: Any,
    answer: SimpleNamespace,
    fetch: Fetch,
    small_set: Any,
    contents: Contents,
    tmp_path: Path,
    leftovers: Callable[[], set[str]],
) -> None:
    server.on(ARCHIVE, answer.whole(small_set.zipped()))
    folder = fetch()
    (folder / "benign" / "us2.bmp").unlink()
    assert mendeley.cached_folder(tmp_path, table=small_set.table) is None
    assert contents(fetch()) == small_set.files
    assert leftovers() == set()


def test_the_table_names_100_benign_and_150_malignant_images_in_order() -> None:
    places = list(mendeley.read_table().values())
    assert Counter(str(place.parent) for place in places) == {"benign": 100, "malignant": 150}
    order = [(place.parent, int(re.sub(r"\D", "", place.name))) for place in places]
    assert order == sorted(order)
    assert all(re.fullmatch(r"us\d+\.bmp", place.name) for place in places)
    assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in mendeley.read_table())


def test_the_real_set_is_told_by_its_pixels_however_it_is_packed(
    real_data: Path,
    server: Any,
    answer: SimpleNamespace,
    zipped: Callable[..., bytes],
    tmp_path: Path,
) -> None:
    """Names that say nothing, classes mixed, a zip in a zip, and files that do not belong."""
    paths = sorted(real_data.rglob("*.bmp"))
    half = {f"all/{k:03d}": path.read_bytes() for k, path in enumerate(paths[::2])}
    rest = {f"__MACOSX/../{k}.dat": path.read_bytes() for k, path in enumerate(paths[1::2])}
    half["all/more.bin"] = zipped({**rest, "._us1.bmp": b"\0\5\x16\7", "Thumbs.db": b"\xd0\xcf"})
    server.on(ARCHIVE, answer.ranged(zipped(half)))
    folder = mendeley.fetch(tmp_path, base_url=server.url)
    for label, count in (("benign", 100), ("malignant", 150)):
        found = list((folder / label).iterdir())
        assert len(found) == count
        for path in found:
            assert path.read_bytes() == (real_data / label / path.name).read_bytes()
    digests = {pixel_digest(read_image(path)) for path in folder.rglob("*.bmp")}
    assert digests == set(mendeley.read_table())
