"""Unpacking of zip archives that nobody has looked at."""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from study.errors import FetchError

_CHUNK = 1 << 16
_ENTRY = b"PK\x01\x02"
"""Begins every entry of a zip's directory."""


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """What an archive may hold, the archives inside it included."""

    entries: int = 10_000
    most_bytes: int = 500_000_000
    """Unpacked."""
    ratio: float = 200.0
    """Unpacked to packed bytes of one file of more than ``ratio_from`` bytes."""
    ratio_from: int = 1 << 20
    depth: int = 2
    """Archives inside archives."""


@dataclass
class _Spent:
    entries: int = 0
    bytes: int = 0


def unpack(
    archive: Path, scratch: Path, *, shown: str | None = None, bounds: Bounds | None = None
) -> Iterator[Path]:
    """Yield the files in a zip, and in the zips in it, one after the other.

    Each is written to ``scratch`` under a number and removed when the next is asked for: names
    inside the archive never become paths, so none of them leads anywhere. Folders, links and
    device files are passed over. Archives are told by their content. ``shown`` is what messages
    call the archive, else its file name.

    Raises ``FetchError`` when the archive is none, damaged, encrypted, or beyond its bounds.
    """
    yield from _files(
        archive, shown or archive.name, scratch, bounds or Bounds(), _Spent(), depth=0
    )


def is_archive(path: Path) -> bool:
    """Tell whether a file begins like a zip."""
    with path.open("rb") as file:
        return file.read(4) in (b"PK\x03\x04", b"PK\x05\x06")


def _files(
    archive: Path, shown: str, scratch: Path, bounds: Bounds, spent: _Spent, *, depth: int
) -> Iterator[Path]:
    if not is_archive(archive):
        raise FetchError(f"{shown}: not a zip archive ({_beginning(archive)})")
    if depth > bounds.depth:
        raise FetchError(f"{shown}: archives in archives more than {bounds.depth} deep; refused")
    # Before the directory is read, because every entry costs memory.
    spent.entries += _count_entries(archive)
    if spent.entries > bounds.entries:
        raise FetchError(f"{shown}: more than {bounds.entries:,} files in the archive; refused")
    place = scratch / f"{depth}"
    with _opened(archive, shown) as unpacked:
        for info in unpacked.infolist():
            kind = stat.S_IFMT(info.external_attr >> 16)
            # ZipInfo.is_dir stumbles over a name of no length.
            if info.filename.endswith("/") or kind not in (0, stat.S_IFREG):
                continue
            try:
                with place.open("wb") as file:
                    for chunk in _read(unpacked, info, shown, bounds, spent):
                        file.write(chunk)
                if is_archive(place):
                    inner = f"{shown}: {info.filename}"
                    yield from _files(place, inner, scratch, bounds, spent, depth=depth + 1)
                else:
                    yield place
            finally:
                place.unlink(missing_ok=True)


def _opened(archive: Path, shown: str) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(archive)
    except Exception as error:  # damage makes zipfile raise nearly anything
        raise FetchError(_damaged(shown, error)) from error


def _read(
    unpacked: zipfile.ZipFile, info: zipfile.ZipInfo, shown: str, bounds: Bounds, spent: _Spent
) -> Iterator[bytes]:
    """Yield the bytes of one file, counted as they come: what the archive says may be wrong."""
    if info.flag_bits & 0x1:
        raise FetchError(f"{shown}: {info.filename} is encrypted; unpack it by hand")
    size = 0
    most = max(bounds.ratio_from, bounds.ratio * info.compress_size)
    try:
        with unpacked.open(info) as file:
            while chunk := file.read(_CHUNK):
                size += len(chunk)
                spent.bytes += len(chunk)
                if size > most:
                    raise FetchError(
                        f"{shown}: {info.filename} unpacks to more than {bounds.ratio:g} times "
                        "its size; refused"
                    )
                if spent.bytes > bounds.most_bytes:
                    raise FetchError(
                        f"{shown}: unpacks to more than {bounds.most_bytes:,} bytes; refused"
                    )
                yield chunk
    except FetchError:
        raise
    except Exception as error:  # as above
        raise FetchError(_damaged(f"{shown}: {info.filename}", error)) from error


def _damaged(shown: str, error: Exception) -> str:
    return f"{shown}: damaged ({' '.join(str(error).split()) or type(error).__name__})"


def _count_entries(archive: Path) -> int:
    """Return how many entries the directory has at most."""
    count, tail = 0, b""
    with archive.open("rb") as file:
        while chunk := file.read(_CHUNK):
            count += (tail + chunk).count(_ENTRY)
            tail = chunk[-(len(_ENTRY) - 1) :]
    return count


def _beginning(path: Path) -> str:
    with path.open("rb") as file:
        begins = file.read(512).lstrip().lower()
    if not begins:
        return "it is empty"
    if begins.startswith((b"<!doctype html", b"<html")):
        return "it is a web page"
    return "it begins otherwise"
