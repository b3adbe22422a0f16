"""Near-copies, groups and clips that lie on both sides of a split are found."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from study.dataset import groups as groups_module
from study.dataset.audit.audit import audit_source
from study.dataset.audit.baselines import Baselines
from study.dataset.audit.result import Audit
from study.dataset.manifest import make_manifest
from study.dataset.sources.opening import open_source

Save = Callable[..., Path]
Audited = Callable[..., Audit]
Graded = Callable[[Audit], dict[str, str]]
Message = Callable[[Audit, str], str]


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


def test_a_random_split_leaks_and_the_audit_says_how_much(
    lesions: Path, audited: Audited, graded: Graded, message: Message
) -> None:
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


def test_given_groups_are_audited_for_near_copies_between_them(
    tmp_path: Path, save: Save, audited: Audited, graded: Graded, message: Message
) -> None:
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


def test_given_parts_that_divide_a_group_are_an_error(
    tmp_path: Path, save: Save, audited: Audited, graded: Graded, message: Message
) -> None:
    for part, seed in (("train", 0), ("val", 100), ("test", 200)):
        for label, offset in (("a", 0), ("b", 50)):
            for k in range(3):
                name = "shared" if k == 0 and label == "a" else f"{part}{k}{label}"
                save(tmp_path / "set" / part / label / name / "x.png", seed + offset + k)
    audit = audited(tmp_path / "set")
    assert audit.straddling_groups == 1
    assert graded(audit)["straddling-groups"] == "error"
    assert "have images of the same group in training" in message(audit, "straddling-groups")


def test_what_a_source_leaves_open_is_noted(
    tmp_path: Path, save: Save, audited: Audited, graded: Graded
) -> None:
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


def test_an_unreliable_grouping_is_a_warning_and_no_refusal(
    tmp_path: Path, save: Save, audited: Audited, graded: Graded, message: Message
) -> None:
    for k in range(30):
        save(tmp_path / "set" / "ab"[k % 2] / f"{k}.png", 0, noise=1 + k / 10)
    audit = audited(tmp_path / "set")
    assert audit.grouping == "copies"
    assert graded(audit)["unreliable-grouping"] == "warning"
    assert "30 of 30 images form one group even at a correlation of 0.99" in message(
        audit, "unreliable-grouping"
    )


def test_above_the_limit_a_sample_is_compared_across_parts(
    lesions: Path,
    monkeypatch: pytest.MonkeyPatch,
    audited: Audited,
    graded: Graded,
    message: Message,
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


def test_a_long_clip_that_had_to_be_cut_is_still_found_across_parts(
    tmp_path: Path, save: Save, audited: Audited, graded: Graded
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
    tmp_path: Path, save: Save, audited: Audited, graded: Graded
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


def test_images_that_chain_are_told_also_where_groups_are_given(
    tmp_path: Path, save: Save, audited: Audited, graded: Graded, message: Message
) -> None:
    for k in range(30):
        save(tmp_path / "set" / "ab"[k % 2] / f"p{k}" / "x.png", 0, noise=1 + k / 10)
    audit = audited(tmp_path / "set")
    found = graded(audit)
    assert found["unreliable-grouping"] == "note"
    assert found["near-copies-across-parts"] == "warning"
    assert "need not show the same scan" in message(audit, "near-copies-across-parts")
    assert "chain into one group" in audit.near_copies["in_words"]


def test_a_ratio_that_cannot_be_reached_is_noted(
    lesions: Path, graded: Graded, message: Message
) -> None:
    source = open_source(str(lesions), cache=lesions.parent)
    audit = audit_source(source, make_manifest(source, ratio=(98, 1, 1), seed=0))
    assert graded(audit)["ratio-missed"] == "note"
    assert "not quite 98:1:1" in message(audit, "ratio-missed")
