"""``study data``: audits as people and programs read them, and the phantom in a folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

Study = Callable[..., tuple[int, str, str]]
Draw = Callable[..., Path]

KEYS = {
    "images", "classes", "groups", "broken", "exact_duplicates", "label_conflicts",
    "straddling_groups", "baselines", "findings",
}  # fmt: skip
NO_FINALISTS = ("--finalists", 0)
BASELINES = {
    "size_only", "width", "height", "aspect", "mean_grey", "file_size", "file_format",
    "pixels_svm_random", "pixels_svm_grouped",
}  # fmt: skip


def test_an_audit_as_json_is_one_document_with_the_keys_of_the_contract(
    study: Study, draw: Draw
) -> None:
    draw()
    status, out, err = study("data", "audit", "images", "--json")
    assert (status, err) == (0, "")
    (line,) = out.splitlines()
    found = json.loads(line)
    assert found.keys() >= KEYS
    assert found["classes"] == {"benign": 36, "malignant": 36}
    assert (found["images"], found["groups"], found["straddling_groups"]) == (72, 24, 0)
    assert found["baselines"].keys() == BASELINES
    assert found["baselines"]["size_only"] is None
    assert found["baselines"]["pixels_svm_grouped"] > 0.9
    assert all(item.keys() == {"grade", "code", "message"} for item in found["findings"])


def test_an_audit_for_people_names_counts_findings_and_baselines(study: Study, draw: Draw) -> None:
    images = draw()
    (images / "benign" / "[bold]x.png").write_bytes(b"")
    status, out, err = study("data", "audit", "images", "--split", "random", "--seed", 3)
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == (
        "images: 72 images in 24 groups (given with the data); positive class malignant, negative "
        "benign"
    )
    assert any(line.startswith("train") and "(" in line for line in lines)
    findings = [line for line in lines if line.startswith(("Error:", "Warning:", "Note:"))]
    assert findings[0].startswith("Error: ")
    assert "in more than one part" in findings[0]
    assert "Left out: benign/[bold]x.png: the file is empty" in lines
    assert any(line.startswith("pixels, groups kept together") for line in lines)


def test_the_split_that_is_audited_is_the_one_that_run_takes(study: Study, draw: Draw) -> None:
    draw()
    options = ("--seed", 5, "--ratio", "50:25:25")
    _, out, _ = study("data", "audit", "images", "--json", *options)
    budgets = ("--epochs", 1, "--samples-per-epoch", 32, "--validation-samples", 36, "--trials", 1)
    status, ran, err = study("run", "--data", "images", "--json", *options, *budgets, *NO_FINALISTS)
    assert status == 0, err
    parts = json.loads(ran)["split"]["parts"]
    assert json.loads(out)["split"]["parts"] == parts
    assert parts["validation"]["groups"] == parts["test"]["groups"] == 6


def test_a_page_of_the_audit_is_written_whole(study: Study, draw: Draw, tmp_path: Path) -> None:
    draw()
    status, out, err = study("data", "audit", "images", "--json", "--html", "deep/audit.html")
    assert status == 0
    assert json.loads(out)["images"] == 72
    assert err == "Page: deep/audit.html\n"
    page = (tmp_path / "deep" / "audit.html").read_text()
    assert page.startswith("<!doctype html>")
    assert page.rstrip().endswith("</html>")
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["audit.html"]


def test_tables_and_packed_files_are_audited_and_run(
    study: Study, draw: Draw, tmp_path: Path
) -> None:
    images = draw()
    rows = [f"{p.relative_to(tmp_path)},{p.parts[-3]},{p.parts[-2]}" for p in images.rglob("*.png")]
    (tmp_path / "labels.csv").write_text("\n".join(["path,label,group", *rows]))
    rng = np.random.default_rng(0)
    arrays = {}
    for part, count in (("train", 24), ("val", 8), ("test", 8)):
        arrays[f"{part}_images"] = rng.integers(0, 256, (count, 30, 40), dtype=np.uint8)
        arrays[f"{part}_labels"] = np.arange(count) % 2
    np.savez(tmp_path / "mnist.npz", **arrays)
    for source, count in (("labels.csv", 72), ("mnist.npz", 40)):
        status, out, _ = study("data", "audit", source, "--json")
        assert (status, json.loads(out)["images"]) == (0, count)
        budgets = ("--epochs", 1, "--samples-per-epoch", 32, "--validation-samples", 36)
        status, out, err = study(
            *("run", "--data", source, "--trials", 1, "--json"), *budgets, *NO_FINALISTS
        )
        assert status == 0, err
        assert json.loads(out)["dataset"]["images"] == count
        assert json.loads(out)["retest"]["uses"] == 1


def test_the_phantom_is_drawn_into_a_folder_and_can_be_audited(
    study: Study, tmp_path: Path
) -> None:
    status, out, _ = study("data", "phantom", "drawn", "--lesions", 12, "--frames", 2, "--seed", 1)
    assert (status, out) == (0, "drawn\n")
    assert len(list((tmp_path / "drawn").glob("*/*/*.png"))) == 24
    status, out, _ = study("data", "audit", "drawn/manifest.csv", "--json")
    assert (status, json.loads(out)["groups"]) == (0, 12)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["audit", "nowhere"], "--data: 'nowhere' is not there; give a folder"),
        (["audit", "images", "--split", "grup"], "--split: found 'grup'"),
        (["audit", "images", "--seed", -1], "--seed: found -1; allowed: 0 to"),
        (["audit", "images", "--ratio", "1"], "--ratio: found '1'; allowed: three whole"),
        (["audit", "images", "--positive", "x"], "--positive: 'x' is not a class"),
        (["audit", "images/labels.txt"], "is a file, neither .csv nor .npz"),
        (["audit", "images", "--html", "images"], "--html images: is a folder; name a file"),
        (["audit", "images", "--html", "images/labels.txt"], "is no page; name a file that ends"),
        (["audit", "images", "--html", "images/labels.txt/x.html"], "cannot be written"),
        (["audit"], "Missing argument 'SRC'"),
        (["phantom", "images"], "images: exists and is not empty; name a new folder"),
        (["phantom", "new", "--lesions", 1], "--lesions: found 1; allowed: a whole number from 2"),
        (["adit", "images"], "No such command 'adit'"),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, list) else "",
)
def test_a_mistake_is_one_line_and_leaves_nothing_behind(
    study: Study, draw: Draw, tmp_path: Path, arguments: list[object], expected: str
) -> None:
    images = draw()
    (images / "benign" / "broken.png").touch()
    (images / "labels.txt").touch()
    before = sorted(tmp_path.rglob("*"))
    status, out, err = study("data", *arguments)
    assert (status, out) == (2, "")
    (line,) = err.splitlines()
    assert line.startswith("study: ")
    assert expected in line
    assert sorted(tmp_path.rglob("*")) == before


def test_broken_images_beyond_what_is_allowed_are_listed_and_end_with_status_2(
    study: Study, draw: Draw
) -> None:
    images = draw()
    (images / "benign" / "broken.png").touch()
    status, out, err = study("data", "audit", "images", "--strict", "--json")
    assert status == 2
    assert [item["path"] for item in json.loads(out)["broken"]] == ["benign/broken.png"]
    assert "and --strict allows none; the first is benign/broken.png" in err
    assert study("data", "audit", "images", "--json")[0] == 0
    for k in range(9):
        (images / "benign" / f"broken{k}.png").touch()
    status, out, err = study("data", "audit", "images", "--json")
    assert (status, len(json.loads(out)["broken"])) == (2, 10)
    assert "10 of 82 images cannot be read, more than 10%" in err
    assert json.loads(out)["findings"][0]["code"] == "broken-files"


def test_what_cannot_be_divided_is_audited_and_said(study: Study, draw: Draw) -> None:
    draw(groups=2)
    status, out, _ = study("data", "audit", "images", "--json", "--html", "page.html")
    assert status == 0
    found = json.loads(out)
    assert found["findings"][0]["code"] == "no-split"
    assert "too few groups" in found["findings"][0]["message"]
    assert found["baselines"]["pixels_svm_random"] is not None
    assert study("data", "audit", "images")[0] == 0


def test_folders_that_cannot_be_read_or_lead_in_circles(study: Study, draw: Draw) -> None:
    images = draw()
    (images / "benign" / "loop").symlink_to(images)
    (images / "malignant" / "self").symlink_to("self")
    status, out, _ = study("data", "audit", "images", "--json")
    assert (status, json.loads(out)["images"]) == (0, 72)
    if os.geteuid() == 0:
        return  # root reads everything
    (images / "benign").chmod(0)
    try:
        status, _, err = study("data", "audit", "images")
    finally:
        (images / "benign").chmod(0o755)
    assert (status, "the folder cannot be read" in err) == (2, True)


def test_names_that_are_not_utf_8_or_hold_markup_reach_no_terminal_raw(
    draw: Draw, tmp_path: Path
) -> None:
    images = draw()
    first, second = sorted((images / "benign" / "benign-00").iterdir())[:2]
    try:
        first.rename(first.with_name("\udcff<script>[red].png"))
    except (OSError, UnicodeEncodeError):
        pytest.skip("this file system allows UTF-8 names only")
    (images / "benign" / "\udcfe[bold].png").touch()
    Image.open(second).save(images / "malignant" / "\udcfd\x1b[31m.png")

    def audit(*options: str) -> subprocess.CompletedProcess[bytes]:
        command = [sys.executable, "-m", "study", "data", "audit", "images", *options]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=120)

    done = audit()
    assert (done.returncode, done.stderr) == (0, b"")
    text = done.stdout.decode("utf-8")
    assert "Left out: benign/?[bold].png: the file is empty" in text
    assert "\x1b" not in text
    done = audit("--json", "--html", "page.html")
    assert done.returncode == 0
    assert (
        json.loads(done.stdout)["label_conflicts"][0][1]["path"] == "malignant/\udcfd\x1b[31m.png"
    )
    assert "[red].png" in (tmp_path / "page.html").read_text("utf-8", errors="strict")


def test_the_real_set_is_audited_without_tensorflow(real_data: Path, tmp_path: Path) -> None:
    """Sizes alone give the class away; pixels do where frames of a lesion are on both sides."""
    code = (
        "import sys; from study.cli.main import main; "
        f"status = main(['data', 'audit', {str(real_data)!r}, '--json']); "
        "assert not {'tensorflow', 'keras', 'optuna'} & set(sys.modules); sys.exit(status)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["images"], found["groups"], found["straddling_groups"]) == (250, 48, 0)
    assert found["baselines"]["size_only"] == pytest.approx(0.80, abs=0.05)
    assert found["baselines"]["pixels_svm_random"] == pytest.approx(1.00, abs=0.05)
    assert found["baselines"]["pixels_svm_grouped"] == pytest.approx(0.67, abs=0.05)
