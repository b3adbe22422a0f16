"""Findings: what the figures of an audit mean to whoever is going to train on the images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from study import metrics
from study.dataset.audit.result import GRADES, Audit, Finding
from study.dataset.groups import MOST_COMPARED, THRESHOLDS
from study.dataset.images import IMAGE_SUFFIXES
from study.dataset.manifest import Manifest
from study.dataset.sources.source import Source, quoted

_OUTSIDE: Mapping[str, str] = {
    "size_only": "Width and height",
    "mean_grey": "The mean grey level",
    "file_size": "The size of the file",
    "file_format": "The format of the file",
}
"""Baselines that see nothing of what an image shows, and what they see."""


def find(audit: Audit, source: Source, manifest: Manifest) -> list[Finding]:
    """Return what the user should know, the gravest first."""
    found = [
        *_leaks(audit),
        *_copies(audit),
        *_files(audit, source),
        *_groups(audit, source, manifest),
        *_split(audit, source),
        *_baselines(audit),
        *_names(audit, source),
    ]
    return sorted(found, key=lambda item: GRADES.index(item.grade))


def _leaks(audit: Audit) -> Iterator[Finding]:
    split, near = audit.split, audit.near_copies
    test = split["parts"].get("test")
    reward = (
        "Scores on such images reward recognising the same lesion again and say little about new "
        "ones"
    )
    if audit.straddling_groups:
        tested = (
            f": {split['leaking_test_groups']} of {_number(test['groups'], 'test group')} "
            f"({split['leaking_test_images']} of {_number(test['images'], 'test image')}) have "
            f"{_mates(audit)} in training or validation"
            if test
            else ""
        )
        remedy = "" if split["kind"] == "grouped" else "; --split grouped keeps groups together"
        yield Finding(
            grade="error",
            code="straddling-groups",
            message=f"{_share(audit.straddling_groups, audit.groups, 'group')} in more than one "
            f"part{tested}. {reward}{remedy}.",
        )
    if audit.grouping == "given" and near["across_parts"]:
        tested = (
            f"; {near['test_images']} of {_number(test['images'], 'test image')} have one in "
            "another part"
            if test
            else ""
        )
        yield Finding(
            grade="error",
            code="near-copies-across-parts",
            message=f"{_number(near['across_parts'], 'set')} of near-copies (thumbnails that "
            f"correlate above {THRESHOLDS[0]}) in more than one part, whatever the groups that "
            f"are given{tested}. {reward}.",
        )
    elif audit.grouping == "given" and near["across_groups"]:
        yield Finding(
            grade="warning",
            code="near-copies-across-groups",
            message=f"{_number(near['across_groups'], 'set')} of near-copies with images of "
            "different groups, though none across parts under this split; check whether these "
            "groups are one lesion or patient.",
        )
    if near["sampled"]:
        yield Finding(
            grade="warning" if near["test_images"] else "note",
            code="copies-sampled",
            message=f"Above {MOST_COMPARED:,} images near-copies are not searched among all, and "
            f"only exact copies are: of {near['held_out_compared']:,} {near['held_out']} images, "
            f"{near['test_images']:,} have a near-copy among "
            f"{near['compared'] - near['held_out_compared']:,} others.",
        )


def _mates(audit: Audit) -> str:
    return {"content": "near-copies", "copies": "exact copies"}.get(
        audit.grouping, "images of the same group"
    )


def _copies(audit: Audit) -> Iterator[Finding]:
    if audit.label_conflicts:
        first = audit.label_conflicts[0]
        sets = len(audit.label_conflicts)
        yield Finding(
            grade="error",
            code="label-conflicts",
            message=f"{_number(sets, 'set')} of images with the same pixels in both classes, such "
            f"as {quoted([item['path'] for item in first][:2])}: one of the labels is wrong. "
            "Correct or remove them.",
        )
    if audit.exact_duplicates:
        images = sum(map(len, audit.exact_duplicates))
        yield Finding(
            grade="warning",
            code="exact-duplicates",
            message=f"{_number(len(audit.exact_duplicates), 'set')} of exact copies within a class "
            f"({images} images), such as {quoted(audit.exact_duplicates[0][:2])}: copies bring "
            "nothing new and give one image more weight.",
        )


def _files(audit: Audit, source: Source) -> Iterator[Finding]:
    if audit.broken:
        first, total = audit.broken[0], len(audit.broken) + audit.images
        yield Finding(
            grade="warning",
            code="broken-files",
            message=f"{len(audit.broken)} of {_number(total, 'image')} cannot be read and "
            f"{'is' if len(audit.broken) == 1 else 'are'} left out, such as {first['path']!r}: "
            f"{first['reason']}.",
        )
    pairs = list(zip(source.images, source.facts, strict=True))
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
            message=f"{_number(len(wrong), 'file')} of another format than the suffix says, such "
            f"as {wrong[0]!r}; the content counts.",
        )
    animated = [image.path for image, facts in pairs if facts.animated]
    if animated:
        yield Finding(
            grade="note",
            code="animations",
            message=f"{_number(len(animated), 'file')} with several frames, such as "
            f"{animated[0]!r}; only the first frame is used.",
        )


def _groups(audit: Audit, source: Source, manifest: Manifest) -> Iterator[Finding]:
    if audit.grouping == "copies" and source.content.chained is not None:
        yield Finding(
            grade="warning",
            code="unreliable-grouping",
            message=f"Grouping by content is unreliable here: {source.content.chained} of "
            f"{audit.images} images form one group even at a correlation of {THRESHOLDS[-1]}, so "
            "only exact copies are kept together and near-copies may be on both sides of the "
            "split. Name the patient or lesion: by sub-folders, a column group, or "
            "--group-pattern.",
        )
    if audit.grouping == "content":
        yield Finding(
            grade="note",
            code="content-groups",
            message=f"The {_number(audit.groups, 'group')} were found by content, which finds "
            "copies and frames of one scan, not patients. Where patients are known, give them.",
        )
    if source.groups_from and source.groups_from.startswith("file names"):
        yield Finding(
            grade="note",
            code="group-pattern",
            message=f"{_number(audit.groups, 'group')} from {source.groups_from}.",
        )
    single = [image.path for image in source.images if image.group is None]
    if audit.grouping == "given" and single:
        yield Finding(
            grade="note",
            code="ungrouped-images",
            message=f"{_number(len(single), 'image')} without a group, such as {single[0]!r}, "
            "where others have one; each counts as a group of its own.",
        )
    labels = Counter(group for group, _ in {(row.group, row.label) for row in manifest.rows})
    mixed = sorted(group for group, count in labels.items() if count > 1)
    if mixed:
        yield Finding(
            grade="note",
            code="mixed-groups",
            message=f"{_number(len(mixed), 'group')} with images of both classes, such as "
            f"{mixed[0]!r}; check the labels, and that no two patients share a name.",
        )


def _split(audit: Audit, source: Source) -> Iterator[Finding]:
    kind, parts = audit.split["kind"], audit.split["parts"]
    if kind == "random":
        yield Finding(
            grade="warning",
            code="random-split",
            message="The split is random over images, as the article's, whatever belongs together.",
        )
    given = {image.part for image in source.images if image.part}
    if given and kind != "given":
        yield Finding(
            grade="note",
            code="given-parts-set-aside",
            message="The data give parts of their own, which this split sets aside.",
        )
    if kind == "given" and "validation" not in given:
        yield Finding(
            grade="note",
            code="validation-cut",
            message="The data give no validation part: it was cut from training, by groups.",
        )
    if "test" not in parts:
        yield Finding(
            grade="warning",
            code="no-test-part",
            message="There is no test part: the winner cannot be retested, and no score is "
            "unbiased.",
        )
        return
    small = [
        _number(held["groups"], f"{label} group")
        for label, held in parts["test"]["classes"].items()
        if held["groups"] < metrics.FEW_GROUPS
    ]
    if small:
        yield Finding(
            grade="warning",
            code="small-test-part",
            message=f"The test part has {' and '.join(small)}. Fewer than {metrics.FEW_GROUPS} in "
            "a class do not carry a verdict: intervals are wide, and rightly so.",
        )


def _baselines(audit: Audit) -> Iterator[Finding]:
    told = [name for name in _OUTSIDE if _beats_chance(audit, name)]
    told += [
        name
        for name in ("width", "height", "aspect")
        if _beats_chance(audit, name) and "size_only" not in told
    ]
    for name in told:
        subject = _OUTSIDE.get(name, f"The {name}")
        yield Finding(
            grade="warning",
            code="shortcut",
            message=f"{subject} alone {'tell' if ' and ' in subject else 'tells'} the classes "
            f"apart with F_med {audit.baselines[name]:.2f} (an SVM, groups kept together; at most "
            f"{audit.chance[name]:.2f} when labels are exchanged between groups): how the images "
            "were made depends on the class, and a network may learn that instead of what they "
            "show.",
        )
    random, grouped = (audit.baselines.get(f"pixels_svm_{kind}") for kind in ("random", "grouped"))
    if random is not None and grouped is not None:
        inflated = random - grouped > 0.1
        meaning = (
            "the difference is what a random split would add to every score"
            if inflated
            else "a random split would hardly flatter here"
        )
        yield Finding(
            grade="note",
            code="pixels-baseline",
            message=f"An SVM on pixels reaches F_med {random:.2f} when images of a group may lie "
            f"on both sides and {grouped:.2f} when groups are kept together: {meaning}.",
        )


def _beats_chance(audit: Audit, name: str) -> bool:
    score = audit.baselines.get(name)
    return score is not None and name in audit.chance and score > max(audit.chance[name], 0.5)


def _names(audit: Audit, source: Source) -> Iterator[Finding]:
    if all(name.isdecimal() for name in audit.classes):
        yield Finding(
            grade="note",
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


def _share(count: int, total: int, noun: str) -> str:
    return f"{count} of {_number(total, noun)} {'is' if count == 1 else 'are'}"


def _number(count: Any, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
