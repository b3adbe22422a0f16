"""Findings: what the figures of an audit mean to whoever is going to train on the images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from study import metrics
from study.dataset.audit.copies import HELD_OUT
from study.dataset.audit.files import file_findings
from study.dataset.audit.result import GRADES, Audit, Finding, is_shortcut, number
from study.dataset.groups import THRESHOLDS
from study.dataset.manifest import UNDIVIDED, Manifest
from study.dataset.sources.source import Source

NOTICEABLE = 0.1
"""Difference of two baselines' F_med from which it is spoken of."""

_NEGLIGIBLE = 0.01
"""Share of sampled test images with a near-copy below which the sample is no more than noted."""

_FAR_FROM_RATIO = 0.10
"""Difference between the share that a part was to get and got that is worth a note."""

_OUTSIDE: Mapping[str, str] = {
    "size_only": "Width and height",
    "mean_grey": "The mean grey level",
    "file_size": "The size of the file",
    "file_format": "The format of the file",
    "width": "The width",
    "height": "The height",
    "aspect": "The aspect ratio",
}
"""Baselines that see nothing of what an image shows, and what they see."""


def find(audit: Audit, source: Source, manifest: Manifest) -> list[Finding]:
    """Return what the user should know, the gravest first."""
    found = [
        *_leaks(audit),
        *_near_copies(audit),
        *file_findings(audit, source),
        *_groups(audit, source, manifest),
        *_split(audit, source),
        *_shortcuts(audit),
        *_pixels(audit),
    ]
    return sorted(found, key=lambda item: GRADES.index(item.grade))


_REWARD = (
    "Scores on such images reward recognising the same lesion again and say little about new ones"
)


def _leaks(audit: Audit) -> Iterator[Finding]:
    if not audit.straddling_groups:
        return
    split, test = audit.split, audit.split["parts"].get("test")
    mates = {"content": "near-copies", "copies": "exact copies"}.get(
        audit.grouping, "images of the same group"
    )
    tested = (
        f": {split['leaking_test_groups']:,} of {number(test['groups'], 'test group')} "
        f"({split['leaking_test_images']:,} of {number(test['images'], 'test image')}) have "
        f"{mates} in training or validation"
        if test
        else ""
    )
    remedy = "" if split["kind"] == "grouped" else "; --split grouped keeps groups together"
    be = "is" if audit.straddling_groups == 1 else "are"
    yield Finding(
        grade="error",
        code="straddling-groups",
        message=f"{audit.straddling_groups:,} of {number(audit.groups, 'group')} {be} in more than "
        f"one part{tested}. {_REWARD}{remedy}.",
    )


def _near_copies(audit: Audit) -> Iterator[Finding]:
    near = audit.near_copies
    if near["sampled"]:
        grave = any(near[f"{p}_images"] > _NEGLIGIBLE * near[f"{p}_compared"] for p in HELD_OUT)
        yield Finding(
            grade="error" if grave else "note",
            code="copies-sampled",
            message=f"{near['in_words']} {_REWARD if grave else 'More may be there'}; only exact "
            "copies are kept together, so give groups: sub-folders, a column group, or "
            "--group-pattern.",
        )
        return
    elsewhere = sum(near[f"{part}_images"] for part in HELD_OUT)
    told = audit.grouping == "content" and near["threshold"] == THRESHOLDS[0]
    told |= audit.split["kind"] == "random" and audit.straddling_groups > 0
    if elsewhere and not told:
        counts = {part: near[f"{part}_images"] for part in HELD_OUT}
        said = " and ".join(
            f"{count:,} of {number(near[f'{part}_compared'], f'{part} image')}"
            for part, count in counts.items()
            if count
        )
        have = "has a near-copy" if elsewhere == 1 else "have near-copies"
        doubt = near["chained"] is not None
        yield Finding(
            grade="warning" if doubt else "error",
            code="near-copies-across-parts",
            message=f"{said} {have} (thumbnails that correlate above {THRESHOLDS[0]}) in training"
            f"{' or validation' if counts['test'] else ''}, whatever the groups are. "
            + (
                "So many images are alike here that they need not show the same scan: look at them."
                if doubt
                else f"{_REWARD}."
            ),
        )
    elif audit.grouping == "given" and near["across_groups"]:
        yield Finding(
            grade="warning",
            code="near-copies-across-groups",
            message=f"{number(near['across_groups'], 'pair')} of near-copies with images of "
            "different groups, though none across parts under this split; check whether these "
            "groups are one lesion or patient.",
        )


def _groups(audit: Audit, source: Source, manifest: Manifest) -> Iterator[Finding]:
    content, near = source.content, audit.near_copies
    if content.chained is not None:
        so = (
            "so near-copies between the groups that are given cannot be told from images that are "
            "merely alike."
            if audit.grouping == "given"
            else "so only exact copies are kept together and near-copies may be on both sides of "
            "the split. Name the patient or lesion: by sub-folders, a column group, or "
            "--group-pattern."
        )
        yield Finding(
            grade="note" if audit.grouping == "given" else "warning",
            code="unreliable-grouping",
            message=f"Grouping by content is unreliable here: {content.chained:,} of "
            f"{audit.images:,} images form one group even at a correlation of {THRESHOLDS[-1]}, "
            f"{so}",
        )
    elif audit.grouping == "content" and near["threshold"] != THRESHOLDS[0]:
        yield Finding(
            grade="warning",
            code="cut-groups",
            message=f"Groups of more than 20 near-copies were cut at a correlation of "
            f"{near['threshold']}, so long clips of one scan may be divided. Name the patient or "
            "lesion: by sub-folders, a column group, or --group-pattern.",
        )
    if audit.grouping == "content":
        yield Finding(
            grade="note",
            code="content-groups",
            message=f"The {number(audit.groups, 'group')} were found by content, which finds "
            "copies and frames of one scan, not patients. Where patients are known, give them.",
        )
    if source.groups_from and source.groups_from.startswith("file names"):
        yield Finding(
            grade="note",
            code="group-pattern",
            message=f"{number(audit.groups, 'group')} from {source.groups_from}.",
        )
    single = [image.path for image in source.images if image.group is None]
    if audit.grouping == "given" and single:
        yield Finding(
            grade="note",
            code="ungrouped-images",
            message=f"{number(len(single), 'image')} without a group, such as {single[0]!r}, "
            "where others have one; each counts as a group of its own.",
        )
    labels = Counter(group for group, _ in {(row.group, row.label) for row in manifest.rows})
    mixed = sorted(group for group, count in labels.items() if count > 1)
    if mixed:
        yield Finding(
            grade="note",
            code="mixed-groups",
            message=f"{number(len(mixed), 'group')} with images of both classes, such as "
            f"{mixed[0]!r}; check the labels, and that no two patients share a name.",
        )


def _split(audit: Audit, source: Source) -> Iterator[Finding]:
    kind, parts = audit.split["kind"], audit.split["parts"]
    if UNDIVIDED in parts:
        return
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
    elif audit.split["ratio"]:
        yield from _ratio(audit)
    if "test" not in parts:
        yield Finding(
            grade="warning",
            code="no-test-part",
            message="There is no test part: the winner cannot be retested, and no score is "
            "unbiased.",
        )
        return
    small = [
        f"{number(held['groups'], 'group')} of {label!r}"
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


def _ratio(audit: Audit) -> Iterator[Finding]:
    asked = [int(share) for share in audit.split["ratio"].split(":")]
    reached = [
        audit.split["parts"].get(part, {}).get("images", 0)
        for part in ("train", "validation", "test")
    ]
    far = max(
        abs(share / sum(asked) - images / audit.images)
        for share, images in zip(asked, reached, strict=True)
    )
    if far > _FAR_FROM_RATIO:
        yield Finding(
            grade="note",
            code="ratio-missed",
            message=f"The parts hold {', '.join(f'{n:,}' for n in reached)} images, not quite "
            f"{audit.split['ratio']}: no group is divided, every part needs groups of each class, "
            "and test and validation some more than one where there are enough.",
        )


def _shortcuts(audit: Audit) -> Iterator[Finding]:
    told = [
        name for name in _OUTSIDE if is_shortcut(audit.baselines.get(name), audit.chance.get(name))
    ]
    if "size_only" in told:
        told = [name for name in told if name not in ("width", "height", "aspect")]
    for name in told:
        subject = _OUTSIDE[name]
        yield Finding(
            grade="warning",
            code="shortcut",
            message=f"{subject} alone {'tell' if ' and ' in subject else 'tells'} the classes "
            f"apart with F_med {audit.baselines[name]:.2f} (an SVM, groups kept together; at most "
            f"{audit.chance[name]:.2f} when labels are exchanged between groups). Find out why: a "
            "network may learn how images of each class were made instead of what they show.",
        )


def _pixels(audit: Audit) -> Iterator[Finding]:
    random, grouped = (audit.baselines.get(f"pixels_svm_{kind}") for kind in ("random", "grouped"))
    if random is None or grouped is None:
        return
    if audit.grouping == "copies":
        said = (
            f"{random:.2f} when only exact copies are kept together. Groups are not known here, so "
            "nothing is known of new lesions or patients."
        )
    elif audit.groups == audit.images:
        said = f"{grouped:.2f}; every group is a single image."
    else:
        meaning = (
            "the difference is recognition of groups already seen, which a random split would "
            "take for skill"
            if random - grouped >= NOTICEABLE
            else "keeping groups together changes little for it"
        )
        said = (
            f"{random:.2f} when images of a group may lie on both sides and {grouped:.2f} when "
            f"groups are kept together: {meaning}."
        )
    yield Finding(
        grade="note", code="pixels-baseline", message=f"An SVM on pixels reaches F_med {said}"
    )
