"""Zips that are loaded by hand, and the refusals that ask for one."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from study.dataset.fetch import mendeley
from study.dataset.fetch.request import Limits
from study.errors import DataError, FetchError

ARCHIVE = "/public-api/zip/wmy84gzngw/download/1"
LIST = "/public-api/datasets/wmy84gzngw/files"
Fetch = Callable[..., Path]
Contents = Callable[[Path], dict[str, bytes]]


def refusal(fetch: Fetch, **options: Any) -> str:
    with pytest.raises(FetchError) as caught:
        fetch(**options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_zip_loaded_by_hand_is_taken_before_the_network_is_asked(
    server: Any,
    fetch: Fetch,
    small_set: Any,
    contents: Contents,
    notes: list[str],
    tmp_path: Path,
    leftovers: Callable[[], set[str]],
) -> None:
    place = mendeley.home(tmp_path)
    place.mkdir()
    (place / "wmy84gzngw-1 (2).zip").write_bytes(small_set.zipped())
    assert contents(fetch()) == small_set.files
    assert server.seen == []
    assert leftovers() == {"wmy84gzngw-1 (2).zip"}
    assert notes == [f"{place / 'wmy84gzngw-1 (2).zip'}: 12 of the 12 images found in it"]


def test_a_bad_zip_loaded_by_hand_is_named_and_the_network_asked_for_the_rest(
    server: Any,
    answer: SimpleNamespace,
    fetch: Fetch,
    small_set: Any,
    contents: Contents,
    notes: list[str],
    tmp_path: Path,
    leftovers: Callable[[], set[str]],
) -> None:
    place = mendeley.home(tmp_path)
    place.mkdir()
    (place / "a.zip").write_bytes(small_set.zipped()[:-100])
    (place / "c.zip").mkdir()
    (place / "B.ZIP").write_bytes(small_set.zipped(leave_out=5))
    server.on(ARCHIVE, answer.whole(small_set.zipped()))
    assert contents(fetch()) == small_set.files
    assert notes[0] == f"{place / 'B.ZIP'}: 7 of the 12 images found in it"
    assert notes[1].startswith(f"passed over in {place}: a.zip: damaged")
    assert leftovers() == {"a.zip", "B.ZIP", "c.zip"}


def test_without_a_network_one_line_says_what_to_load_by_hand_and_where_to_put_it(
    fetch: Fetch, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        base_url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    said = refusal(fetch, base_url=base_url)
    assert "the connection is refused" in said
    page = "https://data.mendeley.com/datasets/wmy84gzngw/1"
    assert said.endswith(f"load the zip by hand from {page} into {mendeley.home(tmp_path)}")
    assert said.count("is refused") == 1
    assert mendeley.home(tmp_path).is_dir()
    assert mendeley.cached_folder(tmp_path) is None


@pytest.mark.parametrize("kind", ["incomplete", "html", "damaged", "other"])
def test_a_bad_archive_is_said_to_be_so_and_is_not_found_again_by_the_next_call(
    kind: str,
    server: Any,
    answer: SimpleNamespace,
    fetch: Fetch,
    small_set: Any,
    contents: Contents,
    zipped: Callable[..., bytes],
    tmp_path: Path,
) -> None:
    body, cause = {
        "incomplete": (small_set.zipped(leave_out=1), "1 of the 12 images could not be had"),
        "html": (b"<!doctype html><p>Are you human?", "the archive: not a zip archive (it is a"),
        "damaged": (small_set.zipped()[:-50], "the archive: damaged"),
        "other": (zipped({"a.txt": b"a", "b.bmp": b"BM"}), "12 of the 12 images could not be had"),
    }[kind]
    server.on(ARCHIVE, answer.ranged(body))
    said = refusal(fetch)
    assert cause in said
    assert "nothing was kept" in said
    assert not list(mendeley.home(tmp_path).rglob("*.part*"))
    server.on(ARCHIVE, answer.ranged(small_set.zipped(), '"2"'))
    assert contents(fetch()) == small_set.files


def test_the_files_together_are_held_to_the_limit_on_bytes(
    server: Any, answer: SimpleNamespace, fetch: Fetch, small_set: Any, hasty: Limits
) -> None:
    halves = {"a.zip": small_set.zipped(leave_out=6), "b.zip": small_set.zipped()}
    server.on(LIST, answer.whole(answer.listed("/files", halves)))
    for name, body in halves.items():
        server.on(f"/files/{name}", answer.whole(body))
    most = sum(map(len, halves.values())) - 1
    assert "/files/b.zip: too large" in refusal(fetch, limits=replace(hasty, most_bytes=most))


def test_a_cache_that_cannot_be_written_is_the_users_error(fetch: Fetch, tmp_path: Path) -> None:
    mendeley.home(tmp_path).write_text("a file")
    with pytest.raises(DataError, match="mendeley: cannot be written") as caught:
        fetch()
    assert caught.value.exit_status == 2
