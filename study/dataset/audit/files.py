"""Findings about single images: copies, contradictions, broken and strange files, names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import PurePosixPath

from study.dataset.audit.result import Audit, Finding, number
from study.dataset.images import IMAGE_SUFFIXES
from study.dataset.sources.opening import MOST_UNREADABLE
from study.dataset.sources.source import Source, quoted


def file_findings(audit: Audit, source: Source) -> Iterator[Finding]:
    """Yield what is to be known of images one by one, and of the names of classes and columns."""
    yield from _copies(audit)
    yield from _broken(audit)
    yield from _strange(source)
    yield from _names(audit, source)


def _copies(audit: Audit) -> Iterator[Finding]:
    if audit.label_conflicts:
        first = [item["path"] for item in audit.label_conflicts[0]]
        yield Finding(
            grade="error",
            code="label-conflicts",
            message=f"{number(len(audit.label_conflicts), 'set')} of images with the same pixels "
            f"in both classes, such as {quoted(first[:2])}: one of the labels is wrong. Correct "
            "or remove them.",
        )
    if audit.exact_duplicates:
        images = sum(map(len, audit.exact_duplicates))
        yield Finding(
            grade="warning",
            code="exact-duplicates",
            message=f"{number(len(audit.exact_duplicates), 'set')} of exact copies within a class "
            f"({images:,} images), such as {quoted(audit.exact_duplicates[0][:2])}: copies bring "
            "nothing new and give one image more weight.",
        )


def _broken(audit: Audit) -> Iterator[Finding]:
    if not audit.broken:
        return
    count, total = len(audit.broken), len(audit.broken) + audit.images
    first = audit.broken[0]
    many = count > MOST_UNREADABLE * total
    limit = f", more than {MOST_UNREADABLE:.0%}, which `study run` refuses" if many else ""
    yield Finding(
        grade="error" if many else "warning",
        code="broken-files",
        message=f"{count:,} of {number(total, 'image')} cannot be read and "
        f"{'is' if count == 1 else 'are'} left out{limit}, such as {first['path']!r}: "
        f"{first['reason']}.",
    )


def _strange(source: Source) -> Iterator[Finding]:
    pairs = list(zip(source.images, source.facts, strict=True))
    flat = [image.path for image, facts in pairs if facts.flat]
    if flat:
        yield Finding(
            grade="warning",
            code="flat-images",
            message=f"{number(len(flat), 'image')} of one grey level, such as {flat[0]!r}: there "
            "is nothing to see.",
        )
    wrong = [
        image.path
        for image, facts in pairs
        if IMAGE_SUFFIXES.get(PurePosixPath(image.path).suffix.lower(), facts.format)
        != facts.format
    ]
    if wrong:
        yield Finding(
            grade="note",
            code="mislabelled-files",
            message=f"{number(len(wrong), 'file')} of another format than the suffix says, such "
            f"as {wrong[0]!r}; the content counts.",
        )
    animated = [image.path for image, facts in pairs if facts.animated]
    if animated:
        yield Finding(
            grade="note",
            code="animations",
            message=f"{number(len(animated), 'file')} with several frames, such as "
            f"{animated[0]!r}; only the first frame is used.",
        )
    depths = Counter(facts.depth for facts in source.facts if facts.depth is not None)
    if len(depths) > 1:
        held = " and ".join(f"{count:,} as {bits} bits" for bits, count in sorted(depths.items()))
        yield Finding(
            grade="warning",
            code="mixed-depths",
            message=f"Images of more than 8 bits were read by their greatest value, {held}: the "
            "same value is not the same brightness in both. Store all with one scale.",
        )


def _names(audit: Audit, source: Source) -> Iterator[Finding]:
    if all(name.isdecimal() for name in audit.classes):
        yield Finding(
            grade="warning",
            code="numbered-classes",
            message=f"The classes are called {quoted(sorted(audit.classes))} and "
            f"{audit.positive!r} is taken as positive. Check it, some sets number the disease 0; "
            f"--positive {audit.negative} turns it.",
        )
    if source.ignored_columns:
        yield Finding(
            grade="note",
            code="ignored-columns",
            message=f"Columns that mean nothing here: {quoted(source.ignored_columns)}.",
        )
