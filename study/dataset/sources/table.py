"""Tables: a CSV file that names images, their classes, and perhaps their groups and parts."""

from __future__ import annotations

import csv
import posixpath
from pathlib import Path, PureWindowsPath

from study.dataset.sources.source import Listed, Listing, quoted
from study.dataset.split import PARTS
from study.errors import DataError, near_miss

REQUIRED, OPTIONAL = ("path", "label"), ("group", "part")

_PARTS = {**{part: part for part in PARTS}, "val": "validation"}

_UTF_16 = (b"\xff\xfe", b"\xfe\xff")

_Row = dict[str, str]


def list_table(path: Path) -> Listing:
    """List the images of a CSV file with the columns ``path,label`` and perhaps ``group,part``.

    Paths are relative to the file's folder and stay inside it. A group may be missing in some
    rows; a part is given for all rows or for none: train, val or validation, test. Other columns
    are ignored. UTF-8, with or without a byte-order mark.

    Raises ``DataError``, with the line, when the table is not like that.
    """
    rows, ignored = _rows(path)
    images, line_of = [], dict[str, int]()
    for line, row in rows:
        image = _image(path, line, row)
        first = line_of.setdefault(image.path, line)
        if first != line:
            raise DataError(
                f"{path}, line {line}: {image.path!r} stands in line {first} already; list every "
                "image once"
            )
        images.append(image)
    _check_parts(path, rows, images)
    grouped = any(image.group for image in images)
    return Listing(
        name=path.parent.name if path.stem == "manifest" else path.stem,
        root=path.parent,
        images=tuple(images),
        classes=tuple(sorted({image.label for image in images})),
        groups_from="the column group" if grouped else None,
        ignored_columns=ignored,
    )


def _rows(path: Path) -> tuple[list[tuple[int, _Row]], tuple[str, ...]]:
    """Return the rows with their lines, and the names of the columns that mean nothing here."""
    try:
        # File names may hold bytes that are not UTF-8; they must survive.
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            if file.buffer.peek(2)[:2] in _UTF_16:  # type: ignore[attr-defined]
                raise DataError(f"{path}: is not UTF-8 but UTF-16; save it as UTF-8")
            reader = csv.reader(file, strict=True)
            header = [name.strip().lower() for name in next(reader, [])]
            _check_header(path, header)
            rows = []
            for values in reader:
                if not any(value.strip() for value in values):
                    continue
                if len(values) != len(header):
                    raise DataError(
                        f"{path}, line {reader.line_num}: {len(values)} values, but {len(header)} "
                        "columns; quote values that hold a comma"
                    )
                rows.append((reader.line_num, dict(zip(header, values, strict=True))))
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error
    except csv.Error as error:
        raise DataError(f"{path}, line {reader.line_num}: not valid CSV ({error})") from error
    if not rows:
        raise DataError(f"{path}: names no image; give one a line below the header")
    return rows, tuple(name for name in header if name not in REQUIRED + OPTIONAL)


def _check_header(path: Path, header: list[str]) -> None:
    missing = [name for name in REQUIRED if name not in header]
    if missing:
        hint = near_miss(missing[0], header)
        if len(header) == 1 and any(mark in header[0] for mark in ";\t"):
            hint = "; separate columns by commas"
        raise DataError(
            f"{path}: no column {quoted(missing)}, found {quoted(header) or 'none'}{hint}; needed: "
            "path, label; allowed beside them: group, part"
        )
    twice = [name for name in REQUIRED + OPTIONAL if header.count(name) > 1]
    if twice:
        raise DataError(f"{path}: two columns {twice[0]!r}; keep one of them")


def _image(path: Path, line: int, row: _Row) -> Listed:
    label, part = row["label"].strip(), row.get("part", "").strip()
    if not label:
        raise DataError(f"{path}, line {line}: the label is empty; name a class")
    if part and part.lower() not in _PARTS:
        raise DataError(
            f"{path}, line {line}: part: found {part!r}{near_miss(part.lower(), _PARTS)}; allowed: "
            "train, val or validation, test"
        )
    return Listed(
        path=_inside(path, line, row["path"]),
        label=label,
        group=row.get("group", "").strip() or None,
        part=_PARTS[part.lower()] if part else None,
    )


def _inside(path: Path, line: int, name: str) -> str:
    """Return the normal form of a path that leads to a place in the table's folder."""
    windows = PureWindowsPath(name)
    if name.startswith("/") or windows.drive or windows.root:
        raise DataError(
            f"{path}, line {line}: {name!r} is absolute; paths are relative to the table's folder"
        )
    if not name.strip() or "\0" in name:
        raise DataError(f"{path}, line {line}: the path is empty or no path; name an image")
    if name != name.strip() and not (path.parent / name).exists():
        name = name.strip()
    if "\\" in name and not (path.parent / name).exists():
        name = name.replace("\\", "/")  # written on Windows
    inside = posixpath.normpath(name)
    if inside == ".." or inside.startswith("../"):
        raise DataError(
            f"{path}, line {line}: {name!r} leads out of the table's folder; move the table to a "
            "folder that holds all images"
        )
    return inside


def _check_parts(path: Path, rows: list[tuple[int, _Row]], images: list[Listed]) -> None:
    without = [line for (line, _), image in zip(rows, images, strict=True) if not image.part]
    if without and len(without) < len(images):
        raise DataError(
            f"{path}, line {without[0]}: the part is empty, and so in {len(without)} of "
            f"{len(images)} rows; give every row a part, or none"
        )
