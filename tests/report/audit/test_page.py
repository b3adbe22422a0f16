"""The audit's page: what it says, what it shows, and that a browser draws it without a word."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from study.dataset.audit.result import Finding
from study.errors import SettingsError
from study.report.audit.figures import SIZES_DRAWN, sizes_figure, sizes_info
from study.report.audit.page import verdict
from study.report.audit.section import baseline_infos, copies_sentences, shortcut_sentences
from study.report.audit.strips import BUDGET, Thumbnails, gather

EVIL = "<img src=x onerror=alert(1)>"
Build = Callable[..., Any]
BASELINES: dict[str, float | None] = {
    "size_only": 0.8,
    "width": 0.7,
    "aspect": 0.4,
    "file_format": None,
    "pixels_svm_random": 1.0,
    "pixels_svm_grouped": 0.67,
}
CHANCE = {"size_only": 0.62, "width": 0.71, "aspect": 0.3}


def without_plotly(html: str) -> str:
    scripts = re.findall(r"<script>(.*?)</script>", html, flags=re.DOTALL)
    return html.replace(max(scripts, key=len), "")


def section(html: str, name: str) -> str:
    found = re.search(rf'<section id="{name}".*?</section>', html, flags=re.DOTALL)
    assert found is not None
    return found[0]


def test_the_first_screen_says_what_was_found(leaking: Any, tmp_path: Path) -> None:
    """Verdict, every finding with its grade and message, counts by class and part."""
    html = leaking.write(tmp_path / "audit.html")
    assert verdict(leaking.audit) in html
    assert verdict(leaking.audit).startswith("2 errors and ")
    found = section(html, "findings")
    for finding in leaking.audit.findings:
        assert finding.grade.capitalize() in found
    assert "The split leaks" in found
    assert "Contradictory labels" in found
    assert "31 images" in found
    assert "2026-11-23 10:05 UTC" in html


@pytest.mark.parametrize(
    ("grades", "begins"),
    [
        (["error", "warning", "warning", "note"], "1 error and 2 warnings: "),
        (["error", "error"], "2 errors: "),
        (["warning", "note"], "No error, 1 warning: "),
        (["note"], "No error, no warning: "),
    ],
)
def test_the_verdict_counts_errors_and_warnings(sound: Any, grades: list[str], begins: str) -> None:
    findings = [Finding(grade=grade, code="x", message="y") for grade in grades]
    assert verdict(replace(sound.audit, findings=findings)).startswith(begins)


def test_the_page_loads_nothing_and_ends_itself(leaking: Any, tmp_path: Path) -> None:
    """No address of the network, one file, no draft beside it, less than 3 MB beside plotly."""
    html = leaking.write(tmp_path / "audit.html")
    assert [item.name for item in tmp_path.iterdir()] == ["audit.html"]
    rest = without_plotly(html)
    assert "http" not in rest.replace("http-equiv", "")
    assert "default-src 'none'" in rest
    assert len(rest) < 3_000_000


def test_straddling_groups_come_first_with_the_part_of_each_image(
    leaking: Any, tmp_path: Path
) -> None:
    """Groups in several parts head the strips, and each of their images names its part."""
    rows = leaking.manifest.rows
    sets = gather(rows, [row.group for row in rows])
    torn = [len({row.part for row in members}) > 1 for members in sets]
    assert torn == sorted(torn, reverse=True)
    assert sum(torn) == leaking.audit.straddling_groups
    groups = section(leaking.write(tmp_path / "audit.html"), "groups")
    shown = groups.split('class="set"')[1]
    assert sets[0][0].group in shown
    for row in sets[0]:
        assert f'alt="{row.path}"' in shown
        assert f'class="part {row.part}"' in shown


def test_copies_and_contradictions_are_shown(leaking: Any, tmp_path: Path) -> None:
    """Images with the same pixels in two classes stand side by side, under each its class."""
    copies = section(leaking.write(tmp_path / "audit.html"), "copies")
    assert "Same pixels, different classes" in copies
    assert "Same pixels, same class" not in copies
    for path in ("benign/us1.png", "benign/copied.png", "malignant/copied.png"):
        assert f'alt="{path}"' in copies
    assert copies.count("<span>benign</span>") == 2
    assert copies.count("<span>malignant</span>") == 1


def test_near_copies_in_different_given_groups_are_shown(
    audited_folder: Path, audited: Build, tmp_path: Path
) -> None:
    """With given groups, sets of near-copies that these divide get strips of their own."""
    root = tmp_path / "given"
    for label in ("benign", "malignant"):
        for k, path in enumerate(sorted((audited_folder / label).glob("us*.png"))):
            place = root / label / f"patient-{label}-{k % 15}" / path.name
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, place)
    found = audited(root, split="grouped")
    copies = section(found.write(tmp_path / "audit.html"), "copies")
    assert "Near-copies in different groups" in copies
    assert "<span>patient-benign-0</span>" in copies


def test_files_left_out_are_named(leaking: Any, sound: Any, tmp_path: Path) -> None:
    """A broken file is listed with its reason; without any there is no such section."""
    html = leaking.write(tmp_path / "audit.html")
    assert "<code>benign/torn.png</code>: " in html
    assert "Files left out</h2>" not in sound.write(tmp_path / "sound.html")


def test_a_sound_set_says_so_in_a_line(sound: Any, tmp_path: Path) -> None:
    """Without findings, baselines, groups and copies, every section still says so."""
    html = sound.write(tmp_path / "audit.html")
    assert "nothing was found that speaks against" in html
    assert "No baseline was measured." in section(html, "shortcuts")
    assert "No group holds more than one image." in section(html, "groups")
    assert "No two images have the same pixels." in section(html, "copies")
    assert "<img" not in without_plotly(html)


def test_an_image_that_has_gone_leaves_a_gap(leaking: Any, tmp_path: Path) -> None:
    """The page is written though an image was removed after the audit."""
    root = tmp_path / "moved"
    shutil.copytree(leaking.source.root, root)
    (root / "benign" / "us1.png").unlink()
    moved = replace(leaking, source=replace(leaking.source, root=root))
    html = moved.write(tmp_path / "audit.html")
    assert "not shown" in html
    assert 'alt="benign/us1.png"' not in html


def test_thumbnails_end_with_the_budget() -> None:
    """Noise that fills the budget is followed by gaps, never by more than was allowed."""
    noise = np.random.default_rng(0).integers(0, 256, (300, 300, 3), dtype=np.uint8)
    thumbnails = Thumbnails(read=lambda _: Image.fromarray(noise), left=100_000)
    made = [thumbnails.uri(str(k)) for k in range(60)]
    assert made[0] is not None
    assert made[-1] is None
    assert 80_000 < sum(len(uri) for uri in made if uri) <= 100_000
    assert BUDGET < 3_000_000


def test_a_file_in_the_way_is_one_line(sound: Any, tmp_path: Path) -> None:
    """A page that cannot be written is the user's error, in one line that names it."""
    (tmp_path / "file").write_text("")
    target = tmp_path / "file" / "audit.html"
    with pytest.raises(SettingsError) as caught:
        sound.write(target)
    assert str(target) in str(caught.value)
    assert "\n" not in str(caught.value)
    with pytest.raises(SettingsError):
        sound.write(tmp_path)
    assert [item.name for item in tmp_path.iterdir()] == ["file"]


def test_a_shortcut_beats_permuted_labels(sound: Any) -> None:
    """Only features above every permutation are called shortcuts; missing figures are told."""
    audit = replace(sound.audit, baselines=BASELINES, chance=CHANCE).as_dict()
    infos = baseline_infos(audit)
    assert [info.key for info in infos] == [key for key, f_med in BASELINES.items() if f_med]
    assert [info.key for info in infos if info.is_shortcut] == ["size_only"]
    said = shortcut_sentences(audit)
    assert "width, height, aspect (F_med 0.80)" in said[0]
    assert "file format" in said[1]
    sampled = shortcut_sentences({**audit, "baseline_images": 1000, "images": 30_000})
    assert sampled[-1] == "Measured on a sample of 1,000 of 30,000 images, whole groups."


def test_what_is_known_of_near_copies_is_told(sound: Any) -> None:
    """In the words of the audit, beside the exact copies."""
    near = {**sound.audit.near_copies, "in_words": "Only a sample was compared."}
    said = copies_sentences(replace(sound.audit, near_copies=near).as_dict())
    assert said == ["No two images have the same pixels.", "Only a sample was compared."]


def test_images_of_one_size_are_one_mark() -> None:
    """A mark stands for all images of one class and size, and hover text is escaped."""
    images = [(f"{EVIL}{k}.png", "benign", 40, 30) for k in range(5)]
    images.append(("b.png", "malignant", 40, 30))
    info = sizes_info(images)
    assert {name: len(points) for name, points in info.classes.items()} == {
        "benign": 1,
        "malignant": 1,
    }
    benign = sizes_figure(info, positive="malignant").data[0]
    assert "<img" not in benign.hovertext[0]
    assert benign.hovertext[0].endswith("and 2 more")


def test_too_many_sizes_are_thinned() -> None:
    """Of ten thousand different sizes a part is drawn, and the rest is counted."""
    info = sizes_info((f"{k}.png", "benign", k, k) for k in range(10_000))
    assert len(info.classes["benign"]) <= SIZES_DRAWN
    assert len(info.classes["benign"]) + info.left_out == 10_000


def test_the_data_in_the_page_cannot_end_its_script(leaking: Any, tmp_path: Path) -> None:
    """The embedded JSON holds no bracket that opens a tag, and can be read back."""
    evil = replace(leaking.audit, positive="</script>")
    html = replace(leaking, audit=evil).write(tmp_path / "audit.html")
    found = re.search(r'<script type="application/json" id="page-data">(.*?)</script>', html)
    assert found is not None
    assert "<" not in found[1]
    assert set(json.loads(found[1])["figures"]) == {"baselines", "sizes"}
    assert html.count("<script") == html.count("</script>") == 5


def test_the_real_set_shows_its_lesions(real_data: Path, audited: Build, tmp_path: Path) -> None:
    """The 250 images under a random split: strips of torn lesions, a page of a few megabytes."""
    found = audited(real_data, split="random")
    html = found.write(tmp_path / "audit.html")
    groups = section(html, "groups")
    assert "48 groups" in groups
    assert groups.count('class="set"') == 24
    assert len(without_plotly(html)) < 1_500_000
