"""The manifest: made once, written, read back, described."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from study.dataset.manifest import COLUMNS, Manifest, ManifestRow, describe, make_manifest
from study.dataset.sources.opening import open_source
from study.dataset.sources.source import Source
from study.errors import DataError, SettingsError


def opened(root: Path) -> Source:
    return open_source(str(root), positive=None, cache=root.parent / "cache")


def manifest_of(*rows: str, kind: str = "grouped", grouping: str = "given") -> Manifest:
    """Make a manifest from lines such as ``benign g1 test``."""
    made = []
    for k, row in enumerate(rows):
        label, group, part = row.split()
        made.append(
            ManifestRow(path=f"{label}/{k}.png", label=label, group=group, part=part, sha256=f"{k}")
        )
    return Manifest(
        rows=tuple(made), kind=kind, positive="malignant", negative="benign", grouping=grouping
    )


def test_a_folder_without_groups_is_split_by_content(lesions: Path) -> None:
    source = opened(lesions)
    manifest = make_manifest(source, split="grouped", seed=0)
    assert manifest.grouping == "content"
    assert manifest.kind == "grouped"
    assert (manifest.positive, manifest.negative) == ("malignant", "benign")
    assert [row.path for row in manifest.rows] == [image.path for image in source.images]
    described = describe(manifest)
    assert described["leaking_groups"] == described["leaking_test_images"] == 0
    assert sum(part["groups"] for part in described["parts"].values()) == 14
    assert list(described["parts"]) == ["train", "validation", "test"]


def test_groups_are_numbered_by_their_first_path_in_natural_order(lesions: Path) -> None:
    """us2 comes before us10, so the groups follow the runs of three."""
    groups = {
        row.path: row.group for row in make_manifest(opened(lesions), split="grouped", seed=0).rows
    }
    assert [groups[f"benign/us{k}.png"] for k in (1, 3, 4, 10)] == [
        "group-001",
        "group-001",
        "group-002",
        "group-004",
    ]
    assert groups["malignant/us101.png"] == "group-009"


def test_exact_copies_belong_together_even_when_flat(
    lesions: Path, save: Callable[..., Path]
) -> None:
    flat = save(lesions / "benign" / "flat1.png", 0)
    for k in (1, 2):
        Image.new("L", (30, 20), 9).save(flat.with_name(f"flat{k}.png"))
    groups = {
        row.path: row.group for row in make_manifest(opened(lesions), split="grouped", seed=0).rows
    }
    assert groups["benign/flat1.png"] == groups["benign/flat2.png"]


def test_groups_given_by_folders_are_kept_and_others_count_singly(
    tmp_path: Path, save: Callable[..., Path]
) -> None:
    for label in ("a", "b"):
        for k in range(4):
            save(tmp_path / "set" / label / f"{label}{k % 2}" / f"{k}.png", k)
        save(tmp_path / "set" / label / "single.png", 9)
    manifest = make_manifest(opened(tmp_path / "set"), split="grouped", seed=0)
    assert manifest.grouping == "given"
    assert Counter(row.group for row in manifest.rows) == {
        "a0": 2, "a1": 2, "b0": 2, "b1": 2, "a/single.png": 1, "b/single.png": 1,
    }  # fmt: skip


def test_a_random_split_records_the_groups_that_it_divides(lesions: Path) -> None:
    manifest = make_manifest(opened(lesions), split="random", seed=0)
    described = describe(manifest)
    assert described["kind"] == "random"
    assert described["leaking_groups"] > 0
    assert described["leaking_test_images"] == described["parts"]["test"]["images"]
    assert described["leaking_test_groups"] == described["parts"]["test"]["groups"]
    assert described["ratio"] == "7:2:1"


def test_given_parts_are_the_default_where_there_are_any(
    tmp_path: Path, save: Callable[..., Path]
) -> None:
    for part in ("train", "test"):
        for k in range(12):
            for label in ("a", "b"):
                seed = k + 100 * (part == "test") + 1000 * (label == "b")
                save(tmp_path / "set" / part / label / f"{k}.png", seed)
    source = opened(tmp_path / "set")
    manifest = make_manifest(source, seed=0)
    assert manifest == make_manifest(source, split="given", seed=0)
    assert manifest.kind == "given"
    parts = Counter(row.part for row in manifest.rows)
    assert parts == {"train": 18, "validation": 6, "test": 24}
    assert all(("test" in row.path) == (row.part == "test") for row in manifest.rows)
    assert manifest.ratio == "7:2:1"
    half = make_manifest(source, ratio=(50, 50, 0), seed=0)
    assert Counter(row.part for row in half.rows)["validation"] == 12
    anew = make_manifest(source, split="grouped", seed=0)
    assert Counter(row.part for row in anew.rows) != parts


def test_splits_that_cannot_be_made_are_refused(lesions: Path) -> None:
    source = opened(lesions)
    with pytest.raises(SettingsError, match=r"--split: found 'gruoped' \(did you mean 'grouped'"):
        make_manifest(source, split="gruoped", seed=0)
    with pytest.raises(
        DataError, match="--split given: no parts are given; allowed: folders train, val"
    ):
        make_manifest(source, split="given", seed=0)


def test_a_random_split_needs_no_more_than_images(
    tmp_path: Path, save: Callable[..., Path]
) -> None:
    for label in "ab":
        for k in range(10):
            save(tmp_path / "set" / label / f"{label}{k % 2}" / f"{k}.png", k)
    with pytest.raises(DataError, match=r"set: class 'a' has too few groups"):
        make_manifest(opened(tmp_path / "set"), seed=0)
    manifest = make_manifest(opened(tmp_path / "set"), split="random", seed=0)
    assert Counter(row.part for row in manifest.rows) == {"train": 14, "validation": 4, "test": 2}


def test_a_single_image_never_joins_a_group_that_is_called_like_its_path(
    tmp_path: Path, save: Callable[..., Path]
) -> None:
    rows = ["path,label,group"]
    for k in range(8):
        save(tmp_path / f"{k}.png", k)
        rows.append(f"{k}.png,{'ab'[k % 2]},{'' if k == 0 else '0.png' if k == 2 else f'g{k}'}")
    (tmp_path / "t.csv").write_text("\n".join(rows))
    groups = [row.group for row in make_manifest(opened(tmp_path / "t.csv"), seed=0).rows]
    assert len(set(groups)) == 8


def test_the_same_seed_gives_the_same_manifest_and_another_seed_another(lesions: Path) -> None:
    source = opened(lesions)
    one, two, three = (make_manifest(source, split="grouped", seed=seed) for seed in (5, 5, 6))
    assert one == two
    assert one.digest == two.digest != three.digest


def test_the_digest_does_not_depend_on_the_order_of_rows() -> None:
    manifest = manifest_of("benign g1 train", "malignant g2 test")
    assert replace(manifest, rows=manifest.rows[::-1]).digest == manifest.digest
    moved = replace(manifest.rows[0], part="test")
    assert replace(manifest, rows=(moved, manifest.rows[1])).digest != manifest.digest


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    """Also names with commas, quotes, line breaks, and bytes that are not UTF-8."""
    rows = tuple(
        ManifestRow(path=path, label="benign", group='a "b", c', part="train", sha256="0")
        for path in ("x,y.png", 'q".png', "line\nbreak.png", "ä€.png", "\udcff.png", " s .png")
    )
    manifest = replace(manifest_of("benign a test"), rows=rows, ratio="70:20:10")
    manifest.write(tmp_path / "new" / "manifest.csv")
    assert Manifest.read(tmp_path / "new" / "manifest.csv") == manifest
    names = sorted(path.name for path in (tmp_path / "new").iterdir())
    assert names == ["manifest.csv", "manifest.json"]


def test_the_file_is_a_plain_table(tmp_path: Path) -> None:
    manifest_of("benign g1 train", "malignant g2 test").write(tmp_path / "manifest.csv")
    with (tmp_path / "manifest.csv").open(newline="") as file:
        header, first, _ = list(csv.reader(file))
    assert tuple(header) == COLUMNS == ("path", "label", "group", "part", "sha256")
    assert first == ["benign/0.png", "benign", "g1", "train", "0"]


def test_missing_damaged_and_changed_files_are_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "manifest.csv"
    manifest = manifest_of("benign g1 train", "malignant g2 test")

    def refused(match: str) -> None:
        with pytest.raises(DataError, match=match) as caught:
            Manifest.read(path)
        assert "\n" not in str(caught.value)

    refused("cannot be read")
    manifest.write(path)
    text = path.read_text()
    path.write_text(text.replace("g2,test", "g2,train"))
    refused("the split was changed after it had been written")
    for damaged in ("", "a,b\n", text[:-20], text + "x\n", text + '"'):
        path.write_text(damaged)
        refused("not a manifest, or damaged|the split was changed")
    path.write_text(text)
    for damaged in ("", "[]", "{}", json.dumps({"digest": "", "x": 1})):
        (tmp_path / "manifest.json").write_text(damaged)
        refused("not a manifest, or damaged")
    (tmp_path / "manifest.json").unlink()
    refused(r"manifest.json: cannot be read")


def test_the_description_counts_images_and_groups() -> None:
    described = describe(
        manifest_of(
            "benign g1 train",
            "benign g1 train",
            "malignant g2 train",
            "benign g1 test",
            "malignant g3 test",
            "malignant g4 validation",
        )
    )
    assert described["kind"] == "grouped"
    assert described["grouping"] == "given"
    assert described["parts"]["train"] == {
        "images": 3,
        "groups": 2,
        "classes": {"benign": {"images": 2, "groups": 1}, "malignant": {"images": 1, "groups": 1}},
    }
    assert described["parts"]["validation"]["classes"]["benign"] == {"images": 0, "groups": 0}
    assert described["leaking_groups"] == 1
    assert described["leaking_test_groups"] == 1
    assert described["leaking_test_images"] == 1
    json.dumps(described)


def test_the_ratio_can_be_chosen(lesions: Path) -> None:
    """8 and 6 lesions at 50:25:25; without a share there is no test part."""
    manifest = make_manifest(opened(lesions), ratio=(50, 25, 25), seed=0)
    assert manifest == make_manifest(opened(lesions), ratio=(2, 1, 1), seed=0)
    assert manifest.ratio == "2:1:1"
    parts = describe(manifest)["parts"]
    assert {part: held["groups"] for part, held in parts.items()} == {
        "train": 7, "validation": 4, "test": 3,
    }  # fmt: skip
    without = make_manifest(opened(lesions), ratio=(80, 20, 0), seed=0)
    assert {row.part for row in without.rows} == {"train", "validation"}


def test_a_ratio_is_refused_where_all_parts_are_given(
    tmp_path: Path, save: Callable[..., Path]
) -> None:
    for k, part in enumerate(("train", "val", "test")):
        for label in ("a", "b"):
            save(tmp_path / "set" / part / label / "x.png", k + 9 * (label == "b"))
    with pytest.raises(SettingsError, match="--ratio: the data give their parts"):
        make_manifest(opened(tmp_path / "set"), ratio=(80, 10, 10), seed=0)


def test_images_that_chain_into_one_group_count_singly(
    tmp_path: Path, save: Callable[..., Path]
) -> None:
    for k in range(30):
        save(tmp_path / "set" / "ab"[k % 2] / f"{k}.png", 0, noise=1 + k / 10)
    manifest = make_manifest(opened(tmp_path / "set"), split="grouped", seed=0)
    assert manifest.grouping == "copies"
    assert len({row.group for row in manifest.rows}) == 30


def test_the_real_set_is_split_into_lesions(real_data: Path, tmp_path: Path) -> None:
    """20 benign lesions as 13, 4, 3 and 28 malignant as 20, 5, 3; a random split leaks wholly."""
    source = open_source(str(real_data), positive=None, cache=tmp_path)
    described = describe(make_manifest(source, split="grouped", seed=0))
    held = {part: counts["classes"] for part, counts in described["parts"].items()}
    assert [held[part]["benign"]["groups"] for part in held] == [13, 4, 3]
    assert [held[part]["malignant"]["groups"] for part in held] == [20, 5, 3]
    assert described["leaking_groups"] == 0
    leaking = describe(make_manifest(source, split="random", seed=0))
    assert leaking["parts"]["test"]["images"] == 25
    assert leaking["leaking_test_images"] == 25
