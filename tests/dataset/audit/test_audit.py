"""Faults that are drawn into single files of a set are found, graded and explained."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from study.dataset.audit.audit import audit_source
from study.dataset.audit.result import Audit
from study.dataset.manifest import make_manifest, undivided
from study.dataset.sources.opening import open_source
from study.errors import DataError

Save = Callable[..., Path]
Audited = Callable[..., Audit]
Graded = Callable[[Audit], dict[str, str]]
Message = Callable[[Audit, str], str]


def test_a_clean_set_has_plain_notes_and_a_small_test_part(
    lesions: Path, audited: Audited, graded: Graded
) -> None:
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


def test_exact_copies_are_told_from_contradicting_labels(
    lesions: Path, audited: Audited, graded: Graded, message: Message
) -> None:
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


def test_broken_mislabelled_and_animated_files_are_named(
    lesions: Path, audited: Audited, graded: Graded, message: Message
) -> None:
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


def test_a_pattern_and_columns_are_mentioned(
    lesions: Path, audited: Audited, graded: Graded, message: Message
) -> None:
    audit = audited(lesions, group_pattern=r"us(\d+)")
    assert graded(audit)["group-pattern"] == "note"
    rows = [f"{p.relative_to(lesions)},{p.parent.name},x" for p in lesions.glob("*/*.png")]
    (lesions / "table.csv").write_text("\n".join(["path,label,patient", *rows]))
    assert "'patient'" in message(audited(lesions / "table.csv"), "ignored-columns")


def test_colours_of_one_brightness_are_different_pixels(
    tmp_path: Path, save: Save, audited: Audited
) -> None:
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


def test_flat_images_show_nothing_and_contradict_nothing(
    lesions: Path, audited: Audited, graded: Graded
) -> None:
    for label in ("benign", "malignant"):
        Image.new("L", (30, 20)).save(lesions / label / "black.png")
    audit = audited(lesions)
    assert audit.label_conflicts == []
    assert graded(audit)["flat-images"] == "warning"


def test_different_bit_depths_are_told(
    lesions: Path, audited: Audited, graded: Graded, message: Message
) -> None:
    ramp = np.linspace(0, 1, 600).reshape(20, 30)
    for k, top in enumerate((4090, 4100)):
        Image.fromarray((ramp * top).astype(np.uint16)).save(lesions / "benign" / f"deep{k}.png")
    audit = audited(lesions)
    assert graded(audit)["mixed-depths"] == "warning"
    assert "1 as 12 bits and 1 as 16 bits" in message(audit, "mixed-depths")


def test_what_cannot_be_divided_is_audited_all_the_same(
    tmp_path: Path, save: Save, graded: Graded
) -> None:
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


def test_names_that_are_no_text_survive_the_audit(lesions: Path, audited: Audited) -> None:
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
