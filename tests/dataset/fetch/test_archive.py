"""Archives: what they hold comes out; what attacks or is broken is refused with a line."""

from __future__ import annotations

import io
import stat
import struct
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from study.dataset.fetch.archive import Bounds, unpack
from study.errors import FetchError

Zipped = Callable[..., bytes]
SMALL = Bounds(entries=20, most_bytes=200_000, ratio=50, ratio_from=10_000)
quick = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def contents(archive: bytes, folder: Path, bounds: Bounds = SMALL) -> list[bytes]:
    """Unpack in ``folder/scratch`` and return what came, nothing being written beside it."""
    scratch = folder / "scratch"
    scratch.mkdir(exist_ok=True)
    file = folder / "a.zip"
    file.write_bytes(archive)
    before = {path for path in folder.rglob("*") if scratch not in path.parents}
    try:
        return [path.read_bytes() for path in unpack(file, scratch, bounds=bounds)]
    finally:
        assert {path for path in folder.rglob("*") if scratch not in path.parents} == before
        assert list(scratch.iterdir()) == []


def refusal(archive: bytes, folder: Path, bounds: Bounds = SMALL) -> str:
    with pytest.raises(FetchError) as caught:
        contents(archive, folder, bounds)
    assert "\n" not in str(caught.value)
    return str(caught.value)


names = st.one_of(
    st.text(min_size=1, max_size=20).filter(
        lambda name: "\0" not in name and name[-1] not in "/\\"
    ),
    st.sampled_from(
        ("../evil", "/etc/evil", "C:\\evil", "..\\evil", "a/../../evil", "CON", "a.zip", " ")
    ),
)


@quick
@given(files=st.dictionaries(names, st.binary(max_size=300).filter(lambda b: b[:2] != b"PK")))
def test_every_file_comes_out_whatever_its_name_and_none_lies_elsewhere(
    files: dict[str, bytes], zipped: Zipped, tmp_path: Path
) -> None:
    bounds = replace(SMALL, entries=1000)
    assert sorted(contents(zipped(files), tmp_path, bounds)) == sorted(files.values())


@quick
@given(data=st.data())
def test_a_damaged_archive_gives_files_or_the_error_of_a_download(
    data: st.DataObject, zipped: Zipped, tmp_path: Path
) -> None:
    archive = bytearray(zipped({"a": b"a" * 500, "b.zip": zipped({"c": b"c" * 500})}))
    places = st.integers(0, len(archive) - 1)
    for place, value in data.draw(st.dictionaries(places, st.integers(0, 255))).items():
        archive[place] = value
    del archive[data.draw(st.one_of(st.just(len(archive)), places)) :]
    with suppress(FetchError):
        contents(bytes(archive), tmp_path)


def test_links_folders_and_devices_are_passed_over(tmp_path: Path) -> None:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for name, kind in (("link", stat.S_IFLNK), ("tty", stat.S_IFCHR), ("pipe", stat.S_IFIFO)):
            info = zipfile.ZipInfo(name)
            info.create_system = 3
            info.external_attr = (kind | 0o777) << 16
            archive.writestr(info, "/etc/passwd")
        archive.mkdir("folder")
        archive.writestr("folder/file", b"kept")
    assert contents(held.getvalue(), tmp_path) == [b"kept"]


def test_zips_inside_zips_are_unpacked_two_deep_and_no_deeper(
    zipped: Zipped, tmp_path: Path
) -> None:
    two = zipped({"1.bin": zipped({"2.zip": zipped({"file": b"found"})})})
    assert contents(two, tmp_path) == [b"found"]
    assert "more than 2 deep" in refusal(zipped({"0.zip": two}), tmp_path)


def test_a_bomb_is_refused_by_its_ratio_and_by_the_size_in_all(
    zipped: Zipped, tmp_path: Path
) -> None:
    assert "more than 50 times its size" in refusal(zipped({"a": bytes(100_000)}), tmp_path)
    many = zipped({f"{k}": bytes(9_000) for k in range(20)} | {"z": zipped({"y": bytes(9_000)})})
    assert len(contents(many, tmp_path, replace(SMALL, entries=30))) == 21
    tight = replace(SMALL, entries=30, most_bytes=185_000)
    assert "more than 185,000 bytes" in refusal(many, tmp_path, tight)


def test_what_an_archive_says_of_its_sizes_is_not_believed(zipped: Zipped, tmp_path: Path) -> None:
    """The directory claims 10 bytes for a file of 300,000."""
    archive = bytearray(zipped({"a": bytes(300_000)}))
    for signature, place in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        struct.pack_into("<I", archive, archive.rindex(signature) + place, 10)
    assert "damaged" in refusal(bytes(archive), tmp_path)


def test_too_many_files_are_refused_also_when_spread_over_archives(
    zipped: Zipped, tmp_path: Path
) -> None:
    assert "more than 20 files" in refusal(zipped({f"{k}": b"" for k in range(21)}), tmp_path)
    ten = zipped({f"{k}": b"" for k in range(10)})
    assert "more than 20 files" in refusal(zipped({"a.zip": ten, "b.zip": ten}), tmp_path)


def test_an_encrypted_archive_is_refused(zipped: Zipped, tmp_path: Path) -> None:
    archive = bytearray(zipped({"secret.bmp": b"secret"}))
    for signature, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        archive[archive.index(signature) + place] |= 1
    assert "secret.bmp is encrypted" in refusal(bytes(archive), tmp_path)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "it is empty"),
        (b"\n<!DOCTYPE html><title>Just a moment</title>", "it is a web page"),
        (b"Rar!\x1a\x07", "not a zip archive"),
        (b"PK\x03\x04 and no more", "damaged"),
    ],
)
def test_what_is_no_archive_is_said_to_be_none(body: bytes, said: str, tmp_path: Path) -> None:
    assert said in refusal(body, tmp_path)


def test_a_file_changed_on_its_way_is_damaged(zipped: Zipped, tmp_path: Path) -> None:
    archive = zipped({"a.bmp": bytes(range(200))})
    place = archive.index(bytes(range(100, 110)))
    broken = archive[:place] + b"!" + archive[place + 1 :]
    assert "a.zip: a.bmp: damaged (Bad CRC-32" in refusal(broken, tmp_path)


def test_messages_call_the_archive_as_they_are_told(tmp_path: Path) -> None:
    (tmp_path / "3f2a").write_bytes(b"no")
    with pytest.raises(FetchError, match=r"^the archive: not a zip"):
        list(unpack(tmp_path / "3f2a", tmp_path, shown="the archive"))
