"""The data: what there is of each class, how it is divided, and what speaks against it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go

from study.dataset.manifest import Manifest
from study.errors import DataError
from study.records import StudyRecord
from study.report import words
from study.report.audit.section import finding_title
from study.report.data_facts import data_html
from study.report.markup import Markup, element, join
from study.report.section import Evidence, Section, chart, hidden
from study.report.sections.heldout.gallery import samples_html
from study.report.style import AXIS, EXTRA, LEGEND, SOFT, SURFACE, TRAIN, VALIDATION, layout

MOST_BARS = 30
"""Sizes that have a bar of their own; more of them share bars."""

GRADES = ("error", "warning", "note")

SEVERAL = "several parts"

_PARTS = {
    "train": ("training", TRAIN, ""),
    "validation": ("validation", VALIDATION, "/"),
    "test": ("test", EXTRA, "x"),
    "undivided": ("not divided", AXIS, ""),
    SEVERAL: (SEVERAL, SOFT, "."),
}
"""Part to its name, colour and pattern."""


def section(evidence: Evidence) -> Section:
    """Return the tab of the data."""
    record = evidence.record
    sizes, figures = _sizes(evidence)
    return Section(
        key="data",
        title="Data",
        look_for=(
            "Look at how many groups, not images, each class has in each part, and whether "
            "anything but the disease tells the classes apart."
        ),
        shows=shows(record),
        body=join(
            data_html(record),
            element("h3", "Group sizes"),
            sizes,
            element("h3", "Samples before and after augmentation"),
            samples_html(evidence.folder.examples, record.dataset, images=evidence.images),
        ),
        figures=figures,
    )


def shows(record: StudyRecord) -> str:
    """Return the amounts, the smallest class of a part, leaks and the gravest finding."""
    data = record.dataset
    amounts = words.plural(int(data.get("images") or 0), "image")
    if data.get("groups") is not None:
        amounts += f" in {words.plural(int(data['groups']), 'group')}"
    return f"{amounts}; {'; '.join([*_smallest(record), _leaks(record), _gravest(record)])}."


def _smallest(record: StudyRecord) -> list[str]:
    held = [
        (int(counts.get("groups") or 0), int(counts.get("images") or 0), str(label), part)
        for part, amounts in (record.split.get("parts") or {}).items()
        for label, counts in (amounts.get("classes") or {}).items()
    ]
    if not held:
        return []
    groups, images, label, part = min(held)
    name = _PARTS.get(part, (part,))[0]
    return [
        f"the fewest are {words.plural(images, 'image')} in {words.plural(groups, 'group')} of "
        f"{label} for {name}"
    ]


def _leaks(record: StudyRecord) -> str:
    leaking = int(record.split.get("leaking_groups") or 0)
    if not leaking:
        return "no group lies in several parts"
    lie = "lies" if leaking == 1 else "lie"
    return f"the split leaks: {words.plural(leaking, 'group')} {lie} in several parts"


def _gravest(record: StudyRecord) -> str:
    if record.audit is None:
        return "no audit is stored"
    found = [one for one in record.audit.get("findings") or [] if one.get("grade") in GRADES]
    if not found:
        return "the audit found nothing to object to"
    worst = min(found, key=lambda one: GRADES.index(one["grade"]))
    article = "an" if worst["grade"] == "error" else "a"
    title = finding_title(str(worst.get("code")))
    return f"the audit's gravest finding is {article} {worst['grade']}: {title.lower()}"


@dataclass(frozen=True, kw_only=True)
class GroupSizes:
    """How many groups have how many images, by the part that they lie in."""

    labels: list[str]
    """Sizes in images: ``5``, or ``11 to 20`` where sizes share a bar."""
    groups: dict[str, list[int]]
    """Part to groups of each size; a group of several parts is under ``several parts``."""
    single: int
    """Groups of one image."""
    largest: int


def group_sizes(manifest: Manifest) -> GroupSizes:
    """Return the histogram of group sizes; above 30 images in a group, sizes share bars."""
    sizes = Counter(row.group for row in manifest.rows)
    parts: dict[str, str] = {}
    for row in manifest.rows:
        parts[row.group] = row.part if parts.get(row.group, row.part) == row.part else SEVERAL
    largest = max(sizes.values(), default=0)
    width = max(1, -(-largest // MOST_BARS))
    bars = -(-largest // width)
    counts: dict[str, Any] = {part: np.zeros(bars, dtype=int) for part in _PARTS}
    for group, size in sizes.items():
        counts.setdefault(parts[group], np.zeros(bars, dtype=int))[(size - 1) // width] += 1
    firsts = range(1, largest + 1, width)
    return GroupSizes(
        labels=[str(n) if width == 1 else f"{n} to {n + width - 1}" for n in firsts],
        groups={part: found.tolist() for part, found in counts.items() if found.any()},
        single=sum(size == 1 for size in sizes.values()),
        largest=largest,
    )


def group_sizes_figure(info: GroupSizes) -> go.Figure:
    """Draw a bar a size, stacked by part; pattern and colour tell the parts apart."""
    figure = go.Figure(layout=layout())
    for part, amounts in info.groups.items():
        name, color, pattern = _PARTS.get(part, ("another part", AXIS, ""))
        figure.add_bar(
            x=info.labels,
            y=amounts,
            name=name,
            marker={
                "color": color,
                "pattern": {
                    "shape": pattern,
                    "fillmode": "overlay",
                    "fgcolor": SURFACE,
                    "size": 6,
                    "solidity": 0.3,
                },
            },
            hovertemplate=f"%{{y}} groups of %{{x}} images, {name}<extra></extra>",
        )
    figure.update_layout(
        barmode="stack", bargap=0.25, legend={**LEGEND, "traceorder": "normal"}, showlegend=True
    )
    figure.update_xaxes(title_text="images in a group", type="category")
    figure.update_yaxes(title_text="groups", rangemode="tozero", tickformat=",d")
    return figure


def _sizes(evidence: Evidence) -> tuple[Markup, dict[str, go.Figure]]:
    path = evidence.folder.manifest
    try:
        info = group_sizes(Manifest.read(path))
    except DataError as error:
        told = str(error).replace(f"{path.parent}/", "")
        return hidden(f"Group sizes are hidden: {told}."), {}
    if not info.labels:
        return hidden(f"Group sizes are hidden: {path.name} names no image."), {}
    groups = sum(sum(amounts) for amounts in info.groups.values())
    told = (
        f"{info.single:,} of {words.plural(groups, 'group')} hold a single image, the largest "
        f"{words.plural(info.largest, 'image')}. Images of one group count as little more than one."
    )
    placed = chart(
        "group-sizes",
        "Images in a group, by part",
        f"How many groups have how many images, by part: {told}",
        note=told,
    )
    return placed, {"group-sizes": group_sizes_figure(info)}
