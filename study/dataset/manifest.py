"""The manifest: the split of a dataset, written once, so that every trial sees the same."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from study import metrics
from study.dataset.groups import (
    SIDE,
    group_by_content,
    straddling,
    test_images_with_copies,
    thumbnail,
)
from study.dataset.images import read_image
from study.dataset.sources import Source
from study.dataset.split import PARTS, complete_given, split_grouped, split_random
from study.errors import DataError, SettingsError, near_miss
from study.files import write_text

COLUMNS = ("path", "label", "group", "part", "sha256")

KINDS = ("grouped", "random", "given")

# Names of files may hold bytes that are not UTF-8; they must survive.
_TEXT: dict[str, Any] = {"encoding": "utf-8", "errors": "surrogateescape", "newline": ""}


@dataclass(frozen=True, kw_only=True)
class ManifestRow:
    """One image: its path below the root, class, group, part, and the SHA-256 of its file."""

    path: str
    label: str
    group: str
    part: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """The division of all images into train, validation and test."""

    rows: tuple[ManifestRow, ...]
    kind: str
    """``grouped``, ``random`` over images, or ``given`` by the source's folders."""
    positive: str
    negative: str
    grouping: str
    """Where the groups come from: ``given`` by folders, ``content``, or ``none``."""
    notes: tuple[str, ...] = ()
    """Sentences on how the split came about."""

    @property
    def digest(self) -> str:
        """SHA-256 over the rows, whatever their order."""
        rows = sorted(json.dumps(astuple(row)) for row in self.rows)
        return hashlib.sha256("\n".join(rows).encode()).hexdigest()

    def write(self, path: Path) -> None:
        """Write the rows to ``path`` as CSV, and the rest beside it with the suffix ``.json``."""
        table = io.StringIO()
        writer = csv.writer(table, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(astuple(row) for row in self.rows)
        rest = {**asdict(self), "digest": self.digest}
        del rest["rows"]
        write_text(path.with_suffix(".json"), json.dumps(rest, indent=2) + "\n")
        write_text(path, table.getvalue())

    @classmethod
    def read(cls, path: Path) -> Manifest:
        """Read what :meth:`write` wrote.

        Raises ``DataError`` when a file is missing or damaged, or when the rows were changed.
        """
        try:
            with path.open(**_TEXT) as file:
                header, *rows = list(csv.reader(file, strict=True)) or [[]]
            rest = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
            if tuple(header) != COLUMNS:
                raise ValueError(f"its columns are not {', '.join(COLUMNS)}")
            digest = rest.pop("digest")
            manifest = cls(
                rows=tuple(ManifestRow(**dict(zip(COLUMNS, row, strict=True))) for row in rows),
                **{**rest, "notes": tuple(rest["notes"])},
            )
        except OSError as error:
            raise DataError(f"{error.filename}: cannot be read ({error.strerror})") from error
        except (ValueError, TypeError, KeyError, AttributeError, csv.Error) as error:
            raise DataError(f"{path}: not a manifest, or damaged: {error}") from error
        if manifest.digest != digest:
            raise DataError(
                f"{path}: the split was changed after it had been written; restore the file, "
                "or start a new study"
            )
        return manifest


def make_manifest(source: Source, *, split: str | None = None, seed: int) -> Manifest:
    """Divide a source's images into parts.

    ``split`` is ``grouped``, ``random`` or ``given``; None means given where the source has
    parts, else grouped. Where folders name groups, an image outside of them counts singly; where
    none do, images are grouped by content, ``group-001`` being that of the first path in natural
    order. A random split is made without regard to the groups, but records them.

    Raises ``SettingsError`` for another split, ``DataError`` when the images do not allow it.
    """
    kind = split or ("given" if source.has_parts else "grouped")
    if kind not in KINDS:
        raise SettingsError(
            f"--split: found {kind!r}{near_miss(kind, KINDS)}; allowed: {', '.join(KINDS)}"
        )
    groups, grouping, notes = _groups_of(source)
    labels = [image.label for image in source.images]
    given = [image.part for image in source.images if image.part]
    if kind == "given":
        if not given:
            raise DataError(
                f"--split given: {source.root} has no part folders; allowed: train, val or "
                "validation, test, each with class folders"
            )
        parts = complete_given(given, labels, groups, seed=seed)
        if "validation" not in given:
            notes.append("The data gives no validation part: it was cut from training, by groups.")
    else:
        if given:
            notes.append("The parts that the data gives were set aside.")
        if kind == "grouped":
            parts = split_grouped(labels, groups, seed=seed)
        else:
            split_grouped(labels, groups, seed=seed)  # refuses a class with too few groups
            parts = split_random(labels, names=[image.path for image in source.images], seed=seed)
    rows = (
        ManifestRow(path=image.path, label=image.label, group=group, part=part, sha256=image.sha256)
        for image, group, part in zip(source.images, groups, parts, strict=True)
    )
    return Manifest(
        rows=tuple(rows),
        kind=kind,
        positive=source.positive,
        negative=source.negative,
        grouping=grouping,
        notes=tuple(notes),
    )


def sorted_part(manifest: Manifest, part: str) -> list[ManifestRow]:
    """Return the rows of one part by path: the order in which its images are held in memory."""
    return sorted((row for row in manifest.rows if row.part == part), key=lambda row: row.path)


def describe(manifest: Manifest) -> dict[str, Any]:
    """Return the split as ``StudyRecord.split`` holds it: counts, leaks and notes."""
    groups = [row.group for row in manifest.rows]
    parts = [row.part for row in manifest.rows]
    described = {
        "kind": manifest.kind,
        "grouping": manifest.grouping,
        "parts": {part: _counts(manifest, part) for part in PARTS if part in set(parts)},
        "leaking_groups": straddling(groups, parts),
        "leaking_test_images": test_images_with_copies(groups, parts),
    }
    return {**described, "notes": _notes(manifest, described)}


def _counts(manifest: Manifest, part: str) -> dict[str, Any]:
    rows = [row for row in manifest.rows if row.part == part]
    classes = {}
    for label in sorted((manifest.negative, manifest.positive)):
        own = [row for row in rows if row.label == label]
        classes[label] = {"images": len(own), "groups": len({row.group for row in own})}
    return {"images": len(rows), "groups": len({row.group for row in rows}), "classes": classes}


def _notes(manifest: Manifest, described: dict[str, Any]) -> list[str]:
    notes = list(manifest.notes)
    if manifest.grouping == "content":
        notes.append(
            "Groups were found by content, which finds copies and frames of one scan, not patients."
        )
    pairs = {(row.group, row.label) for row in manifest.rows}
    mixed = len(pairs) - len({group for group, _ in pairs})
    if mixed:
        hold = "holds" if mixed == 1 else "hold"
        notes.append(
            f"{_number(mixed, 'group')} {hold} images of both classes: check the labels, and that "
            "no two patients share a folder name."
        )
    if manifest.kind == "random":
        notes.append("The split is random over images, as the article's.")
    leaking = described["leaking_groups"]
    if leaking:
        be = "is" if leaking == 1 else "are"
        notes.append(
            f"{_number(leaking, 'group')} {be} in more than one part: figures measured on such "
            f"images are too good ({described['leaking_test_images']} in the test part)."
        )
    test = described["parts"].get("test")
    if test is None:
        notes.append("There is no test part, so the winner cannot be retested.")
        return notes
    small = [
        _number(held["groups"], f"{label} group")
        for label, held in test["classes"].items()
        if held["groups"] < metrics.FEW_GROUPS
    ]
    if small:
        notes.append(
            f"The test part has {' and '.join(small)}; fewer than {metrics.FEW_GROUPS} in a class "
            "is too small for a verdict."
        )
    return notes


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _groups_of(source: Source) -> tuple[list[str], str, list[str]]:
    """Return the group of every image, where the groups come from, and notes."""
    single = [image.path for image in source.images if image.group is None]
    if len(single) < len(source.images):
        names = [image.group or image.path for image in source.images]
        notes = []
        if single:
            were = "is" if len(single) == 1 else "are"
            notes.append(
                f"{_number(len(single), 'image')} outside of any group's folder {were} counted "
                "singly."
            )
        return names, "given", notes
    order = sorted(range(len(source.images)), key=lambda k: _natural(source.images[k].path))
    thumbnails = np.empty((len(order), SIDE, SIDE), dtype=np.float32)
    digests = []
    for row, k in enumerate(order):
        image = read_image(source.root / source.images[k].path)
        thumbnails[row] = thumbnail(image)
        digests.append(hashlib.sha256(repr(image.size).encode() + image.tobytes()).hexdigest())
    found = group_by_content(thumbnails, digests)
    digits = max(3, len(str(len(order))))
    names = [""] * len(order)
    for k, group in zip(order, found.group, strict=True):
        names[k] = f"group-{group + 1:0{digits}d}"
    return names, "content" if found.reliable else "none", [found.note] if found.note else []


def _natural(path: str) -> tuple[list[int | str], str]:
    """Return a sort key by which ``us2`` comes before ``us10``."""
    words = re.split(r"([0-9]+)", path)
    return [int(word) if k % 2 else word for k, word in enumerate(words)], path
