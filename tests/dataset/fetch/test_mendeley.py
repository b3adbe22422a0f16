"""The whole way from a repository's server, or a zip loaded by hand, to folders of classes."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from study.dataset.fetch import mendeley
from study.dataset.fetch.request import Limits
from study.dataset.images import pixel_digest, read_image
from study.errors import DataError, FetchError

ARCHIVE = "/public-api/zip/wmy84gzngw/download/1"
LIST = "/public-api/datasets/wmy84gzngw/files"
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
def notes() -> list[str]:
    return []


@pytest.fixture
def fetch(tmp_path: Path, server: Any, hasty: Limits, small_set: Any, notes: list[str]) -> Fetch:
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


def left_in(tmp_path: Path) -> set[str]:
    """Return what lies in the set's folder beside the images and the lock."""
    return {path.name for path in mendeley.home(tmp_path).iterdir()} - {
        "lock",
        "breast-ultrasound",
    }


def test_listed_files_are_downloaded_by_their_own_addresses(
    server: Any,
    answer: SimpleNamespace,
    fetch: Fetch,
    small_set: Any,
    contents: Contents,
    tmp_path: Path,
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
    assert left_in(tmp_path) == set()
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
) -> None:
    server.on(ARCHIVE, answer.whole(small_set.zipped()))
    folder = fetch()
    (folder / "benign" / "us2.bmp").unlink()
    assert mendeley.cached_folder(tmp_path, table=small_set.table) is None
    assert contents(fetch()) == small_set.files
    assert left_in(tmp_path) == set()


def test_a_zip_loaded_by_hand_is_taken_before_the_network_is_asked(
    server: Any,
    fetch: Fetch,
    small_set: Any,
    contents: Contents,
    notes: list[str],
    tmp_path: Path,
) -> None:
    place = mendeley.home(tmp_path)
    place.mkdir()
    (place / "wmy84gzngw-1 (2).zip").write_bytes(small_set.zipped())
    assert contents(fetch()) == small_set.files
    assert server.seen == []
    assert left_in(tmp_path) == {"wmy84gzngw-1 (2).zip"}
    assert notes == [f"{place / 'wmy84gzngw-1 (2).zip'}: 12 of the 12 images found in it"]


def test_a_bad_zip_loaded_by_hand_is_named_and_the_network_asked_for_the_rest(
    server: Any,
    answer: SimpleNamespace,
    fetch: Fetch,
    small_set: Any,
    contents: Contents,
    notes: list[str],
    tmp_path: Path,
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
    assert left_in(tmp_path) == {"a.zip", "B.ZIP", "c.zip"}


def refusal(fetch: Fetch, **options: Any) -> str:
    with pytest.raises(FetchError) as caught:
        fetch(**options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


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


def test_a_process_killed_in_mid_download_is_gone_on_with(
    server: Any,
    answer: SimpleNamespace,
    begin: Callable[[], Any],
    fetch: Fetch,
    small_set: Any,
    contents: Contents,
    tmp_path: Path,
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
    assert left_in(tmp_path) == set()


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
    server: Any, answer: SimpleNamespace, fetch: Fetch, small_set: Any, tmp_path: Path
) -> None:
    left = mendeley.home(tmp_path) / ".images-abc" / "images"
    left.mkdir(parents=True)
    server.on(ARCHIVE, answer.whole(small_set.zipped()))
    fetch()
    assert left_in(tmp_path) == set()


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
