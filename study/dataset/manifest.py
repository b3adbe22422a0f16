"""The manifest: the split of a dataset, written once, so that every trial sees the same."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, astuple, dataclass, replace
from pathlib import Path
from typing import Any

from study.dataset.groups import shared_with_test, straddling, test_images_with_copies
from study.dataset.sources.source import Source
from study.dataset.split import (
    LEAST_GROUPS,
    PARTS,
    RATIO,
    complete_given,
    grouped_folds,
    split_grouped,
    split_random,
)
from study.errors import DataError, SettingsError, near_miss
from study.files import write_text
from study.seeds import derive

COLUMNS = ("path", "label", "group", "part", "sha256")

UNDIVIDED = "undivided"
"""The one part of images that no split can be made of."""

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
    """``grouped``, ``random`` over images, ``given`` by the source, ``nested``: ``outer_manifest``,
    or ``none``: undivided."""
    positive: str
    negative: str
    grouping: str
    """Where the groups come from: ``given``, ``content``, or ``copies`` (exact ones only)."""
    ratio: str | None = None
    """Shares of train, validation and test that were asked for, in lowest terms like ``7:2:1``;
    None where all parts are given."""

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
                **rest,
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


def make_manifest(
    source: Source,
    *,
    split: str | None = None,
    ratio: tuple[int, int, int] | None = None,
    seed: int,
) -> Manifest:
    """Divide a source's images into parts.

    ``split`` is ``grouped``, ``random`` or ``given``; None means given where the source has
    parts, else grouped. ``ratio`` is the shares of train, validation and test, 70:20:10 unless
    given; where parts are given it tells how much of training a missing validation part takes.
    Where the source gives groups, an image without one counts singly; where it does not, images
    are grouped by content, ``group-001`` being that of the first path in natural order. A random
    split is made without regard to the groups, but records them.

    Raises ``SettingsError`` for another split or ratio, ``DataError`` when the images do not
    allow it.
    """
    kind = split or ("given" if source.has_parts else "grouped")
    if kind not in KINDS:
        raise SettingsError(
            f"--split: found {kind!r}{near_miss(kind, KINDS)}; allowed: {', '.join(KINDS)}"
        )
    groups, grouping = _groups_of(source)
    try:
        parts = _parts(source, groups, kind, ratio, seed)
    except DataError as error:
        raise DataError(f"{source.root}: {error}") from error
    used = kind != "given" or not any(image.part == "validation" for image in source.images)
    return _manifest(
        source, groups, parts, kind=kind, grouping=grouping, ratio=_words(ratio) if used else None
    )


def outer_manifests(
    source: Source, *, folds: int, ratio: tuple[int, int, int] | None = None, seed: int
) -> list[Manifest]:
    """Return one manifest for each of several folds of whole groups: its test part is that fold.

    The other folds are training and validation, divided by groups in the shares that ``ratio``
    gives these two. Every image is in one test part.

    Raises ``DataError`` when the groups do not allow as many folds.
    """
    groups, grouping = _groups_of(source)
    labels = [image.label for image in source.images]
    try:
        fold_of = grouped_folds(labels, groups, folds=folds, seed=derive(seed, "outer"))
        parts = [
            complete_given(
                ["test" if own == fold else "train" for own in fold_of],
                labels,
                groups,
                ratio=ratio or RATIO,
                seed=derive(seed, "outer", fold),
            )
            for fold in range(folds)
        ]
    except DataError as error:
        raise DataError(f"{source.root}: {error}") from error
    return [
        _manifest(source, groups, own, kind="grouped", grouping=grouping, ratio=_words(ratio))
        for own in parts
    ]


def outer_manifest(manifests: Sequence[Manifest]) -> Manifest:
    """Return one manifest of all outer folds: the part ``outer-k`` is the test part of fold k.

    ``manifests`` are those of ``outer_manifests``, in order.
    """
    part = {
        row.path: f"outer-{at}"
        for at, manifest in enumerate(manifests, 1)
        for row in manifest.rows
        if row.part == "test"
    }
    rows = tuple(replace(row, part=part[row.path]) for row in manifests[0].rows)
    return replace(manifests[0], rows=rows, kind="nested")


def undivided(source: Source) -> Manifest:
    """Return a manifest of images that cannot be divided: all are in the part ``UNDIVIDED``."""
    groups, grouping = _groups_of(source)
    parts = [UNDIVIDED] * len(groups)
    return _manifest(source, groups, parts, kind="none", grouping=grouping, ratio=None)


def _manifest(
    source: Source,
    groups: list[str],
    parts: list[str],
    *,
    kind: str,
    grouping: str,
    ratio: str | None,
) -> Manifest:
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
        ratio=ratio,
    )


def _words(ratio: tuple[int, int, int] | None) -> str:
    shares = ratio or RATIO
    return ":".join(str(share // math.gcd(*shares)) for share in shares)


def _parts(
    source: Source,
    groups: list[str],
    kind: str,
    ratio: tuple[int, int, int] | None,
    seed: int,
) -> list[str]:
    labels = [image.label for image in source.images]
    if kind == "given":
        return _given_parts(source, labels, groups, ratio, seed)
    if kind == "random":
        names = [image.path for image in source.images]
        return split_random(labels, names=names, ratio=ratio or RATIO, seed=seed)
    # Who names a ratio gets it as it is; the default makes room for a test part worth having.
    least = LEAST_GROUPS if ratio is None else 1
    return split_grouped(labels, groups, ratio=ratio or RATIO, least_groups=least, seed=seed)


def _given_parts(
    source: Source,
    labels: list[str],
    groups: list[str],
    ratio: tuple[int, int, int] | None,
    seed: int,
) -> list[str]:
    given = [image.part for image in source.images if image.part]
    if not given:
        raise DataError(
            "--split given: no parts are given; allowed: folders train, val or "
            "validation, test, each with class folders; a table with a column part; train, val "
            "and test arrays"
        )
    if ratio is not None and "validation" in given:
        raise SettingsError(
            "--ratio: the data give their parts; leave the option out, or divide them anew with "
            "--split grouped"
        )
    return complete_given(given, labels, groups, ratio=ratio or RATIO, seed=seed)


def sorted_part(manifest: Manifest, part: str | tuple[str, ...]) -> list[ManifestRow]:
    """Return the rows of one part, or of several, by path: the order of images in memory."""
    parts = (part,) if isinstance(part, str) else part
    return sorted((row for row in manifest.rows if row.part in parts), key=lambda row: row.path)


def describe(manifest: Manifest) -> dict[str, Any]:
    """Return the split as ``StudyRecord.split`` holds it: its kind, counts and leaks."""
    groups = [row.group for row in manifest.rows]
    parts = [row.part for row in manifest.rows]
    return {
        "kind": manifest.kind,
        "grouping": manifest.grouping,
        "ratio": manifest.ratio,
        "parts": {
            part: _counts(manifest, part) for part in (*PARTS, UNDIVIDED) if part in set(parts)
        },
        "leaking_groups": straddling(groups, parts),
        "leaking_test_groups": len(shared_with_test(groups, parts)),
        "leaking_test_images": test_images_with_copies(groups, parts),
    }


def _counts(manifest: Manifest, part: str) -> dict[str, Any]:
    rows = [row for row in manifest.rows if row.part == part]
    classes = {}
    for label in sorted((manifest.negative, manifest.positive)):
        own = [row for row in rows if row.label == label]
        classes[label] = {"images": len(own), "groups": len({row.group for row in own})}
    return {"images": len(rows), "groups": len({row.group for row in rows}), "classes": classes}


def _groups_of(source: Source) -> tuple[list[str], str]:
    """Return the group of every image, and where the groups come from."""
    if any(image.group for image in source.images):
        given = {image.group for image in source.images}
        alone = (
            path if (path := image.path) not in given else f"{path} alone"
            for image in source.images
        )
        return [
            image.group or single for image, single in zip(source.images, alone, strict=True)
        ], "given"
    digits = max(3, len(str(len(source.images))))
    names = [f"group-{group + 1:0{digits}d}" for group in source.content.group]
    return names, source.content.kind
