"""The data's tab: its sentence, the histogram of group sizes, and what is missing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from study.dataset.manifest import Manifest, ManifestRow
from study.records import StudyRecord
from study.report.frames import trials_frame
from study.report.section import Evidence, Section
from study.report.sections.data import (
    MOST_BARS,
    SEVERAL,
    GroupSizes,
    group_sizes,
    group_sizes_figure,
    section,
)
from study.workspace import StudyFolder

EVIL = "<img src=x onerror=alert(1)>"


def manifest_of(rows: list[tuple[str, str]]) -> Manifest:
    """Return a manifest of (group, part) an image."""
    return Manifest(
        rows=tuple(
            ManifestRow(path=f"{k}.png", label="benign", group=group, part=part, sha256="0" * 64)
            for k, (group, part) in enumerate(rows)
        ),
        kind="grouped",
        positive="malignant",
        negative="benign",
        grouping="content",
    )


def build(record: StudyRecord, folder: Path, *, images: bool = True) -> Section:
    found = Evidence(
        record=record, trials=trials_frame(record), folder=StudyFolder(folder), images=images
    )
    return section(found)


def findings(*grades: str) -> dict[str, Any]:
    found = [
        {"grade": grade, "code": f"a-{grade}-of-code", "message": "It is so."} for grade in grades
    ]
    return {"findings": found, "images": 250}


def test_the_sentence_counts_the_data_and_names_the_smallest_class_of_a_part(
    record: StudyRecord, tmp_path: Path
) -> None:
    assert build(record, tmp_path).shows == (
        "250 images in 48 groups; the fewest are 10 images in 2 groups of benign for test; no "
        "group lies in several parts; no audit is stored."
    )


@pytest.mark.parametrize(
    ("grades", "said"),
    [
        (("note", "error", "warning"), "the audit's gravest finding is an error: a error of code"),
        (("note", "warning"), "the audit's gravest finding is a warning: a warning of code"),
        ((), "the audit found nothing to object to"),
    ],
)
def test_the_sentence_names_the_gravest_finding(
    grades: tuple[str, ...], said: str, record: StudyRecord, tmp_path: Path
) -> None:
    assert said in build(replace(record, audit=findings(*grades)), tmp_path).shows


@pytest.mark.parametrize(("groups", "said"), [(1, "1 group lies in"), (7, "7 groups lie in")])
def test_the_sentence_says_that_a_split_leaks(
    groups: int, said: str, record: StudyRecord, tmp_path: Path
) -> None:
    leaking = replace(record, split={**record.split, "leaking_groups": groups})
    assert f"the split leaks: {said} several parts" in build(leaking, tmp_path).shows


def test_groups_are_counted_by_size_and_part_and_straddling_ones_apart() -> None:
    rows = [("a", "train")] * 5 + [("b", "test")] * 5 + [("c", "train")]
    rows += [("d", "train"), ("d", "test"), ("d", "validation")]
    assert group_sizes(manifest_of(rows)) == GroupSizes(
        labels=["1", "2", "3", "4", "5"],
        groups={"train": [1, 0, 0, 0, 1], "test": [0, 0, 0, 0, 1], SEVERAL: [0, 0, 1, 0, 0]},
        single=1,
        largest=5,
    )


def test_many_sizes_share_bars() -> None:
    rows = [("small", "train")] + [("large", "train")] * 95
    found = group_sizes(manifest_of(rows))
    assert found.labels[:2] == ["1 to 4", "5 to 8"]
    assert found.labels[-1] == "93 to 96"
    assert found.groups["train"] == [1, *[0] * 22, 1]


@given(st.lists(st.integers(0, 200), max_size=300), st.integers(1, 3))
def test_every_group_is_in_one_bar(members: list[int], parts: int) -> None:
    names = ("train", "validation", "test")
    rows = [(str(group), names[k % parts]) for k, group in enumerate(members)]
    found = group_sizes(manifest_of(rows))
    assert sum(sum(amounts) for amounts in found.groups.values()) == len(set(members))
    assert len(found.labels) <= MOST_BARS
    assert all(len(amounts) == len(found.labels) for amounts in found.groups.values())


def test_the_figure_stacks_the_parts() -> None:
    rows = [("a", "train"), ("b", "undivided"), ("c", "something else")]
    info = group_sizes(manifest_of(rows))
    figure = group_sizes_figure(info)
    assert [bar.y for bar in figure.data] == [tuple(found) for found in info.groups.values()]
    assert figure.layout.barmode == "stack"


def test_the_histogram_is_placed_and_told_in_words(record: StudyRecord, tmp_path: Path) -> None:
    manifest_of([("a", "train")] * 3 + [("b", "test")]).write(tmp_path / "manifest.csv")
    found = build(record, tmp_path)
    assert set(found.figures) == {"group-sizes"}
    assert 'data-figure="group-sizes"' in found.body
    assert "1 of 2 groups hold a single image, the largest 3 images" in found.body


def test_a_manifest_that_cannot_be_read_hides_the_histogram_with_the_reason(
    record: StudyRecord, tmp_path: Path
) -> None:
    path = tmp_path / "manifest.csv"
    assert "Group sizes are hidden: manifest.csv: cannot be read" in build(record, tmp_path).body
    manifest_of([("a", "train")] * 3).write(path)
    path.write_text(path.read_text(encoding="utf-8").replace("train", "test"), encoding="utf-8")
    found = build(record, tmp_path)
    assert "the split was changed after it had been written" in found.body
    assert str(tmp_path) not in found.body
    assert found.figures == {}
    manifest_of([]).write(path)
    assert "names no image" in build(record, tmp_path).body


def test_sample_images_are_shown_unless_they_are_to_stay_in_the_house(
    record: StudyRecord, tmp_path: Path
) -> None:
    np.savez_compressed(
        tmp_path / "examples.npz",
        label=np.array([0, 1]),
        path=np.array(["a.png", "b.png"]),
        group=np.array(["a", "b"]),
        image=np.zeros((2, 30, 40, 1), np.uint8),
        augmented=np.zeros((2, 3, 30, 40, 1), np.uint8),
    )
    assert build(record, tmp_path).body.count("data:image/png") == 8
    kept = build(record, tmp_path, images=False)
    assert "data:image" not in kept.body
    assert "left out on request" in kept.body


def test_names_from_outside_are_escaped(record: StudyRecord, tmp_path: Path) -> None:
    dataset = {**record.dataset, "positive": EVIL, "classes": {EVIL: 150, "benign": 100}}
    assert EVIL not in build(replace(record, dataset=dataset), tmp_path).body


def test_every_kind_of_study_builds(
    record: StudyRecord, running: StudyRecord, tmp_path: Path
) -> None:
    for study in (
        running,
        replace(record, trials=[]),
        replace(record, split={}, dataset={"classes": {}}),
        replace(record, audit={}),
    ):
        assert build(study, tmp_path).shows.endswith(".")
