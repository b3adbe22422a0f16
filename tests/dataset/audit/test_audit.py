"""The audit: every fault that can be drawn into a set is found, graded and explained."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from study.dataset import groups as groups_module
from study.dataset.audit.audit import audit_source, measure_baselines
from study.dataset.audit.baselines import Baselines
from study.dataset.audit.result import GRADES, Audit
from study.dataset.manifest import make_manifest, undivided
from study.dataset.sources.opening import open_source
from study.errors import DataError

Save = Callable[..., Path]


def audited(
    data: Path, *, split: str | None = None, baselines: Baselines | None = None, **options: Any
) -> Audit:
    source = open_source(str(data), cache=data.parent / "cache", **options)
    return audit_source(source, make_manifest(source, split=split, seed=0), baselines)


def graded(audit: Audit) -> dict[str, str]:
    """Return the grade of each finding by its code, after checking what all must keep."""
    places = [GRADES.index(item.grade) for item in audit.findings]
    assert places == sorted(places)
    for item in audit.findings:
        assert item.message.endswith(".")
        assert "\n" not in item.message
    return {item.code: item.grade for item in audit.findings}


def message(audit: Audit, code: str) -> str:
    (found,) = (item.message for item in audit.findings if item.code == code)
    return found


def test_a_clean_set_has_plain_notes_and_a_small_test_part(lesions: Path) -> None:
    audit = audited(lesions)
    assert (audit.images, audit.groups, audit.grouping) == (42, 14, "content")
    assert audit.classes == {"benign": 24, "malignant": 18}
    assert (audit.positive, audit.negative) == ("malignant", "benign")
    assert audit.straddling_groups == 0
    assert audit.broken == audit.exact_duplicates == audit.label_conflicts == []
    assert audit.formats == {"PNG": 42}
    assert audit.sizes["benign"]["width"].median == 60
    near = audit.near_copies
    assert (near["sampled"], near["threshold"], near["chained"]) == (False, 0.95, None)
    assert (near["images"], near["across_groups"]) == (42, 0)
    assert near["test_images"] == near["validation_images"] == 0
    assert near["in_words"].startswith("Of 42 images compared, 42 have a near-copy; 0 of ")
    assert graded(audit) == {"small-test-part": "warning", "content-groups": "note"}
    assert json.loads(json.dumps(audit.as_dict(), allow_nan=False))["images"] == 42


def test_a_random_split_leaks_and_the_audit_says_how_much(lesions: Path) -> None:
    audit = audited(lesions, split="random")
    found = graded(audit)
    assert found["straddling-groups"] == "error"
    assert found["random-split"] == "warning"
    test = audit.split["parts"]["test"]
    assert (
        f"{test['groups']} of {test['groups']} test groups ({test['images']} of {test['images']} "
        "test images) have near-copies in training or validation"
    ) in message(audit, "straddling-groups")
    assert "--split grouped keeps groups together" in message(audit, "straddling-groups")


def test_exact_copies_are_told_from_contradicting_labels(lesions: Path) -> None:
    """A copy in another format is still a copy; one in the other class contradicts."""
    first = Image.open(lesions / "benign" / "us1.png")
    first.save(lesions / "benign" / "copy.bmp")
    Image.open(lesions / "benign" / "us4.png").save(lesions / "malignant" / "wrong.png")
    audit = audited(lesions)
    assert audit.exact_duplicates == [["benign/copy.bmp", "benign/us1.png"]]
    assert audit.label_conflicts == [
        [
            {"path": "benign/us4.png", "label": "benign"},
            {"path": "malignant/wrong.png", "label": "malignant"},
        ]
    ]
    found = graded(audit)
    assert found["label-conflicts"] == "error"
    assert found["exact-duplicates"] == "warning"
    assert found["mixed-groups"] == "note"
    assert "'benign/us4.png', 'malignant/wrong.png'" in message(audit, "label-conflicts")


def test_broken_mislabelled_and_animated_files_are_named(lesions: Path) -> None:
    (lesions / "benign" / "empty.png").touch()
    with Image.open(lesions / "benign" / "us1.png") as image:
        image.save(lesions / "benign" / "us1.jpg", format="PNG")
    frames = [Image.new("L", (30, 20), level) for level in (0, 90)]
    frames[0].save(lesions / "benign" / "clip.gif", save_all=True, append_images=frames[1:])
    audit = audited(lesions)
    assert audit.broken == [{"path": "benign/empty.png", "reason": "the file is empty"}]
    found = graded(audit)
    assert found["broken-files"] == "warning"
    assert found["mislabelled-files"] == found["animations"] == "note"
    assert "1 of 45 images cannot be read and is left out" in message(audit, "broken-files")
    assert "'benign/us1.jpg'" in message(audit, "mislabelled-files")
    assert "'benign/clip.gif'" in message(audit, "animations")


def test_given_groups_are_audited_for_near_copies_between_them(tmp_path: Path, save: Save) -> None:
    """Patient p0 of class a is in training twice under two names: first apart, then across."""
    root = tmp_path / "set"
    for label, offset in (("a", 0), ("b", 100)):
        for k in range(12):
            for frame in range(2):
                save(root / "train" / label / f"p{k + offset}" / f"{frame}.png", k + offset,
                     noise=frame)  # fmt: skip
        for part, first in (("val", 200), ("test", 400)):
            for k in range(3):
                save(root / part / label / f"p{k + offset + first}" / "0.png", k + offset + first)
    assert "near-copies-across-parts" not in graded(audited(root))
    save(root / "train" / "a" / "again" / "0.png", 0, noise=3)
    audit = audited(root)
    assert audit.grouping == "given"
    assert audit.near_copies["across_groups"] == 1
    assert graded(audit)["near-copies-across-groups"] == "warning"
    save(root / "test" / "a" / "hidden" / "0.png", 1, noise=3)
    audit = audited(root)
    assert graded(audit)["near-copies-across-parts"] == "error"
    assert message(audit, "near-copies-across-parts").startswith(
        "1 of 7 test images has a near-copy (thumbnails that correlate above 0.95) in training or "
    )
    assert audit.straddling_groups == 0


def test_given_parts_that_divide_a_group_are_an_error(tmp_path: Path, save: Save) -> None:
    for part, seed in (("train", 0), ("val", 100), ("test", 200)):
        for label, offset in (("a", 0), ("b", 50)):
            for k in range(3):
                name = "shared" if k == 0 and label == "a" else f"{part}{k}{label}"
                save(tmp_path / "set" / part / label / name / "x.png", seed + offset + k)
    audit = audited(tmp_path / "set")
    assert audit.straddling_groups == 1
    assert graded(audit)["straddling-groups"] == "error"
    assert "have images of the same group in training" in message(audit, "straddling-groups")


def test_what_a_source_leaves_open_is_noted(tmp_path: Path, save: Save) -> None:
    for label in "01":
        for k in range(8):
            folder = {0: ".", 1: "both"}.get(k, f"p{k}-{label}")
            save(tmp_path / "set" / "train" / label / folder / f"{k}.png", k + 50 * int(label))
    found = graded(audited(tmp_path / "set"))
    assert found == {
        "no-test-part": "warning",
        "ungrouped-images": "note",
        "mixed-groups": "note",
        "validation-cut": "note",
        "numbered-classes": "warning",
    }
    set_aside = graded(audited(tmp_path / "set", split="grouped"))
    assert set_aside["given-parts-set-aside"] == "note"


def test_a_pattern_and_columns_are_mentioned(lesions: Path) -> None:
    audit = audited(lesions, group_pattern=r"us(\d+)")
    assert graded(audit)["group-pattern"] == "note"
    rows = [f"{p.relative_to(lesions)},{p.parent.name},x" for p in lesions.glob("*/*.png")]
    (lesions / "table.csv").write_text("\n".join(["path,label,patient", *rows]))
    assert "'patient'" in message(audited(lesions / "table.csv"), "ignored-columns")


def test_an_unreliable_grouping_is_a_warning_and_no_refusal(tmp_path: Path, save: Save) -> None:
    for k in range(30):
        save(tmp_path / "set" / "ab"[k % 2] / f"{k}.png", 0, noise=1 + k / 10)
    audit = audited(tmp_path / "set")
    assert audit.grouping == "copies"
    assert graded(audit)["unreliable-grouping"] == "warning"
    assert "30 of 30 images form one group even at a correlation of 0.99" in message(
        audit, "unreliable-grouping"
    )


def test_above_the_limit_a_sample_is_compared_across_parts(
    lesions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(groups_module, "MOST_COMPARED", 20)
    audit = audited(lesions)
    assert audit.grouping == "copies"
    near = audit.near_copies
    parts = audit.split["parts"]
    assert (near["sampled"], near["images"], near["across_groups"]) == (True, None, None)
    assert near["test_compared"] == parts["test"]["images"]
    assert near["others_compared"] == parts["train"]["images"] + parts["validation"]["images"]
    assert near["test_images"] > 0
    assert graded(audit)["copies-sampled"] == "error"
    assert f"{near['test_images']} of {near['test_compared']} test images have a near-copy" in (
        message(audit, "copies-sampled")
    )
    without_test = open_source(str(lesions), cache=lesions.parent)
    random = make_manifest(without_test, split="random", ratio=(80, 20, 0), seed=0)
    leaking = audit_source(without_test, random)
    assert graded(leaking)["copies-sampled"] == "error"
    assert "validation images have a near-copy among 33 training images" in message(
        leaking, "copies-sampled"
    )
    monkeypatch.setattr("study.dataset.audit.copies.SAMPLE", 2)
    sampled = audited(lesions).near_copies
    assert (sampled["test_compared"], sampled["others_compared"]) == (2, 2)
    measured = Baselines(
        f_med={"pixels_svm_random": 0.56, "pixels_svm_grouped": 0.57}, chance={}, images=20
    )
    told = message(audited(lesions, baselines=measured), "pixels-baseline")
    assert "Groups are not known here" in told
    assert "little" not in told


def clip(root: Path, count: int, *, seed: int = 7) -> list[Image.Image]:
    """Draw frames of one scan that correlate among each other between .95 and .98."""
    rng = np.random.default_rng(seed)
    base = rng.normal(size=(32, 32))
    frames = []
    for _ in range(count):
        mixed = np.sqrt(0.966) * base + np.sqrt(0.034) * rng.normal(size=(32, 32))
        grey = np.clip(128 + 30 * mixed, 0, 255).astype(np.uint8)
        frames.append(Image.fromarray(grey))
    assert not root.exists()
    return frames


def test_a_long_clip_that_had_to_be_cut_is_still_found_across_parts(
    tmp_path: Path, save: Save
) -> None:
    """30 frames are too many for one group: they are cut apart, and some end in the test part."""
    root = tmp_path / "set"
    frames = clip(root, 30)
    for k in range(70):
        save(root / "ab"[k % 2] / f"single{k}.png", k)
    for k, frame in enumerate(frames):
        frame.save(root / "a" / f"clip{k}.png")
    audit = audited(root, split="random")
    assert audit.near_copies["images"] == 30
    found = graded(audit)
    assert found["near-copies-across-parts"] == "error"
    assert found["cut-groups"] == "warning"
    assert audit.near_copies["in_words"].startswith("Of 100 images compared, 30 have a near-copy")


def test_a_clip_under_two_given_names_is_found_across_given_parts(
    tmp_path: Path, save: Save
) -> None:
    root = tmp_path / "set"
    frames = clip(root, 30)
    for part, first, seed in (("train", 0, 0), ("val", 22, 200), ("test", 24, 400)):
        for k in range(6):
            save(root / part / "ab"[k % 2] / f"{part}{k}" / "x.png", seed + k)
        last = {"train": 22, "val": 24, "test": 30}[part]
        for k in range(first, last):
            place = root / part / "a" / f"clip-{part}"
            place.mkdir(exist_ok=True)
            frames[k].save(place / f"{k}.png")
    audit = audited(root)
    assert graded(audit)["near-copies-across-parts"] == "error"
    assert audit.near_copies["test_images"] == 6
    assert audit.near_copies["validation_images"] == 2


def test_images_that_chain_are_told_also_where_groups_are_given(tmp_path: Path, save: Save) -> None:
    for k in range(30):
        save(tmp_path / "set" / "ab"[k % 2] / f"p{k}" / "x.png", 0, noise=1 + k / 10)
    audit = audited(tmp_path / "set")
    found = graded(audit)
    assert found["unreliable-grouping"] == "note"
    assert found["near-copies-across-parts"] == "warning"
    assert "need not show the same scan" in message(audit, "near-copies-across-parts")
    assert "chain into one group" in audit.near_copies["in_words"]


def test_colours_of_one_brightness_are_different_pixels(tmp_path: Path, save: Save) -> None:
    for k in range(16):
        save(tmp_path / "set" / "ab"[k % 2] / f"{k}.png", k)
    grey = np.asarray(Image.open(tmp_path / "set" / "a" / "0.png"))
    for label, colour in (("a", (1, 2)), ("b", (2, 1))):
        pixels = np.zeros((*grey.shape, 3), np.uint8)
        pixels[..., 0] = grey // colour[0]
        pixels[..., 1] = grey // colour[1]
        Image.fromarray(pixels).save(tmp_path / "set" / label / "colour.png")
    Image.open(tmp_path / "set" / "a" / "2.png").convert("RGB").save(
        tmp_path / "set" / "a" / "grey-as-colour.bmp"
    )
    audit = audited(tmp_path / "set")
    assert audit.label_conflicts == []
    assert audit.exact_duplicates == [["a/2.png", "a/grey-as-colour.bmp"]]


def test_flat_images_show_nothing_and_contradict_nothing(lesions: Path) -> None:
    for label in ("benign", "malignant"):
        Image.new("L", (30, 20)).save(lesions / label / "black.png")
    audit = audited(lesions)
    assert audit.label_conflicts == []
    assert graded(audit)["flat-images"] == "warning"


def test_different_bit_depths_are_told(lesions: Path) -> None:
    ramp = np.linspace(0, 1, 600).reshape(20, 30)
    for k, top in enumerate((4090, 4100)):
        Image.fromarray((ramp * top).astype(np.uint16)).save(lesions / "benign" / f"deep{k}.png")
    audit = audited(lesions)
    assert graded(audit)["mixed-depths"] == "warning"
    assert "1 as 12 bits and 1 as 16 bits" in message(audit, "mixed-depths")


def test_a_ratio_that_cannot_be_reached_is_noted(lesions: Path) -> None:
    source = open_source(str(lesions), cache=lesions.parent)
    audit = audit_source(source, make_manifest(source, ratio=(98, 1, 1), seed=0))
    assert graded(audit)["ratio-missed"] == "note"
    assert "not quite 98:1:1" in message(audit, "ratio-missed")


def test_what_cannot_be_divided_is_audited_all_the_same(tmp_path: Path, save: Save) -> None:
    for label in "ab":
        save(tmp_path / "set" / label / "1.png", 0)
    source = open_source(str(tmp_path / "set"), cache=tmp_path)
    with pytest.raises(DataError, match="too few groups") as caught:
        make_manifest(source, seed=0)
    audit = audit_source(source, undivided(source), refusal=str(caught.value))
    assert audit.findings[0].code == "no-split"
    assert graded(audit)["label-conflicts"] == "error"
    assert audit.split["parts"]["undivided"]["images"] == 2
    assert audit.near_copies["in_words"] == "Of 2 images compared, 2 have a near-copy."


def test_a_shortcut_is_told_from_chance(lesions: Path) -> None:
    measured = Baselines(
        f_med={"size_only": 0.8, "width": 0.7, "mean_grey": 0.55, "pixels_svm_random": 1.0,
               "pixels_svm_grouped": 0.6, "file_format": None},
        chance={"size_only": 0.65, "width": 0.6, "mean_grey": 0.56},
        images=42,
    )  # fmt: skip
    audit = audited(lesions, baselines=measured)
    assert graded(audit)["shortcut"] == "warning"
    assert "Width and height alone tell the classes apart with F_med 0.80" in message(
        audit, "shortcut"
    )
    assert "reaches F_med 1.00 when images of a group may lie on both sides and 0.60" in message(
        audit, "pixels-baseline"
    )
    fair = replace(measured, f_med={"pixels_svm_random": 0.62, "pixels_svm_grouped": 0.6})
    assert "changes little" in message(audited(lesions, baselines=fair), "pixels-baseline")


def test_sizes_that_depend_on_the_class_are_found_in_files(tmp_path: Path, save: Save) -> None:
    for k in range(24):
        label = "ab"[k % 2]
        save(tmp_path / "set" / label / f"{k}.png", k, size=(60 + 10 * (k % 2) + k // 8, 45))
    source = open_source(str(tmp_path / "set"), cache=tmp_path)
    manifest = make_manifest(source, seed=0)
    measured = measure_baselines(source, manifest, pixels=False)
    assert measured.f_med["size_only"] == pytest.approx(1.0)
    assert measured.f_med["height"] is None
    assert "shortcut" in graded(audit_source(source, manifest, measured))


def test_names_that_are_no_text_survive_the_audit(lesions: Path) -> None:
    try:
        (lesions / "benign" / "us1.png").rename(lesions / "benign" / "\udcff<b>&amp;.png")
    except (OSError, UnicodeEncodeError):
        pytest.skip("this file system allows UTF-8 names only")
    shutil.copy(lesions / "benign" / "\udcff<b>&amp;.png", lesions / "benign" / "copy.png")
    audit = audited(lesions)
    assert audit.exact_duplicates[0][1] == "benign/\udcff<b>&amp;.png"
    assert json.loads(json.dumps(audit.as_dict()))["exact_duplicates"] == audit.exact_duplicates


def test_the_audit_loads_no_training_library() -> None:
    code = (
        "import sys, study.cli.main, study.dataset.audit.audit, study.report.audit.page; "
        "print([m for m in ('tensorflow', 'keras', 'optuna', 'sklearn') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_real_set_is_found_out(real_data: Path, tmp_path: Path) -> None:
    source = open_source(str(real_data), cache=tmp_path)
    manifest = make_manifest(source, seed=0)
    measured = measure_baselines(source, manifest)
    audit = audit_source(source, manifest, measured)
    assert (audit.images, audit.groups, audit.straddling_groups) == (250, 48, 0)
    for name, expected in (
        ("size_only", 0.80), ("pixels_svm_random", 1.00), ("pixels_svm_grouped", 0.67),
    ):  # fmt: skip
        assert audit.baselines[name] == pytest.approx(expected, abs=0.05), name
    assert graded(audit)["shortcut"] == "warning"
    leaking = audit_source(source, make_manifest(source, split="random", seed=0))
    assert graded(leaking)["straddling-groups"] == "error"
    assert leaking.split["leaking_test_images"] == 25
    assert np.isclose(
        leaking.split["leaking_test_groups"], leaking.split["parts"]["test"]["groups"]
    )
