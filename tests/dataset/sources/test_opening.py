"""Sources: folders as people have them, and every mistake answered in one line."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from study.dataset.sources.opening import open_source
from study.dataset.sources.source import Source, positive_class
from study.errors import DataError, SettingsError

Save = Callable[..., Path]


def opened(root: Path, positive: str | None = None) -> Source:
    return open_source(str(root), positive=positive, cache=root.parent / "cache")


def refused(root: Path | str, positive: str | None = None) -> str:
    """Return the message with which a folder is refused: always one line."""
    with pytest.raises(DataError) as caught:
        open_source(str(root), positive=positive, cache=Path("no-cache"))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_class_folders_give_labels_and_no_groups(lesions: Path) -> None:
    source = opened(lesions)
    assert source.name == "my-lesions"
    assert source.classes == ("benign", "malignant")
    assert (source.positive, source.negative) == ("malignant", "benign")
    assert len(source.images) == 42
    assert [image.path for image in source.images] == sorted(i.path for i in source.images)
    assert source.images[0].path == "benign/us1.png"
    assert {(image.group, image.part) for image in source.images} == {(None, None)}
    assert not source.has_parts
    assert not source.synthetic
    assert source.skipped == ()


def test_patient_folders_are_groups_however_deep(tmp_path: Path, save: Save) -> None:
    for k, name in enumerate(["a/p1/x.png", "a/p1/left/deep/y.png", "a/z.png", "b/p2/x.png"]):
        save(tmp_path / name, k)
    groups = {image.path: image.group for image in opened(tmp_path).images}
    assert groups == {
        "a/p1/x.png": "p1",
        "a/p1/left/deep/y.png": "p1",
        "a/z.png": None,
        "b/p2/x.png": "p2",
    }


@pytest.mark.parametrize(
    "names",
    [
        ("train", "val", "test"),
        ("Training", "validation", "Testing"),
        ("train", "valid", "TEST"),
    ],
)
def test_part_folders_give_parts(tmp_path: Path, save: Save, names: tuple[str, ...]) -> None:
    for k, part in enumerate(names):
        save(tmp_path / part / "a" / "p1" / "x.png", k)
        save(tmp_path / part / "b" / "x.png", k + 10)
    source = opened(tmp_path)
    assert source.has_parts
    assert {(i.label, i.part, i.group) for i in source.images} == {
        (label, part, group)
        for label, group in (("a", "p1"), ("b", None))
        for part in ("train", "validation", "test")
    }


def test_classes_may_be_called_test_and_control(tmp_path: Path, save: Save) -> None:
    for k, name in enumerate(["control", "test"]):
        save(tmp_path / name / "x.png", k)
    assert opened(tmp_path).classes == ("control", "test")


def test_a_folder_without_an_image_is_no_third_class(tmp_path: Path, save: Save) -> None:
    for k, name in enumerate(["a", "b"]):
        save(tmp_path / name / "x.png", k)
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "read me.txt").touch()
    assert opened(tmp_path).classes == ("a", "b")


def test_a_folder_may_be_called_like_a_packed_file(tmp_path: Path, save: Save) -> None:
    for k, name in enumerate(["a", "b"]):
        save(tmp_path / "set.npz" / name / "x.png", k)
    assert len(opened(tmp_path / "set.npz").images) == 2


def test_hidden_and_other_files_are_ignored(lesions: Path, save: Save) -> None:
    digest = opened(lesions).digest
    save(lesions / ".hidden" / "x.png", 0)
    save(lesions / "__MACOSX" / "benign" / "x.png", 0)
    save(lesions / "benign" / ".x.png", 0)
    save(lesions / "cover.png", 0)
    (lesions / "benign" / "notes.txt").write_text("hello")
    (lesions / "benign" / "folder.png").mkdir()
    source = opened(lesions)
    assert source.digest == digest
    assert source.skipped == ()


def test_unreadable_images_are_left_out_and_listed(lesions: Path) -> None:
    (lesions / "benign" / "a.PNG").write_text("not an image")
    (lesions / "benign" / "b.png").touch()
    (lesions / "benign" / "c.png").symlink_to("nowhere.png")
    source = opened(lesions)
    assert len(source.images) == 42
    assert [path for path, _ in source.skipped] == ["benign/a.PNG", "benign/b.png", "benign/c.png"]
    assert source.skipped[1][1] == "the file is empty"


def test_links_in_circles_end_and_links_elsewhere_are_followed(
    lesions: Path, tmp_path: Path
) -> None:
    shutil.move(lesions / "malignant", tmp_path / "elsewhere")
    (lesions / "malignant").symlink_to(tmp_path / "elsewhere")
    (lesions / "benign" / "loop").symlink_to(lesions / "benign")
    (lesions / "benign" / "up").symlink_to(lesions)
    labels = [image.label for image in opened(lesions).images]
    assert (labels.count("benign"), labels.count("malignant")) == (24, 18)


def test_digest_is_that_of_the_content_wherever_the_folder_lies(
    lesions: Path, tmp_path: Path, save: Save
) -> None:
    digest = opened(lesions).digest
    shutil.copytree(lesions, tmp_path / "moved")
    assert opened(tmp_path / "moved").digest == digest
    save(tmp_path / "moved" / "benign" / "us1.png", 999)
    assert opened(tmp_path / "moved").digest != digest
    shutil.rmtree(tmp_path / "moved")
    shutil.copytree(lesions, tmp_path / "moved")
    (tmp_path / "moved/benign/us1.png").rename(tmp_path / "moved/malignant/us1.png")
    assert opened(tmp_path / "moved").digest != digest


@pytest.mark.parametrize(
    ("classes", "positive"),
    [
        (("benign", "malignant"), "malignant"),
        (("0", "1"), "1"),
        (("NORMAL", "PNEUMONIA"), "PNEUMONIA"),
        (("cancer", "normal"), "cancer"),
        (("Malignant", "benign"), "Malignant"),
        (("Tumour", "healthy"), "Tumour"),
        (("cancer", "non-cancer"), "cancer"),
        (("brain_tumor", "no_tumor"), "brain_tumor"),
        (("abnormal", "normal"), "abnormal"),
        (("negative", "positive"), "positive"),
        (("cancer-negative", "cancer-positive"), "cancer-positive"),
        (("benign tumour", "malignant tumour"), "malignant tumour"),
        (("healthy", "unhealthy"), "unhealthy"),
        (("cats", "dogs"), "dogs"),
    ],
)
def test_positive_class_is_the_disease(classes: tuple[str, str], positive: str) -> None:
    assert positive_class(classes) == positive


def test_the_positive_class_can_be_chosen(lesions: Path) -> None:
    source = opened(lesions, positive="benign")
    assert (source.positive, source.negative) == ("benign", "malignant")
    message = refused(lesions, positive="maligant")
    assert "--positive: 'maligant' is not a class" in message
    assert "did you mean 'malignant'?" in message
    assert "allowed: 'benign', 'malignant'" in message


@pytest.mark.parametrize("data", ["", "nowhere", "a\0b", "x" * 5000])
def test_a_missing_path_is_refused(data: str) -> None:
    assert "is not there; give a folder with one sub-folder per class" in refused(data)


def test_folders_that_hold_no_classes_are_refused(tmp_path: Path, save: Save) -> None:
    assert "no class folders, it is empty" in refused(tmp_path)
    (tmp_path / "notes.txt").touch()
    assert "it holds neither folders nor images" in refused(tmp_path)
    save(tmp_path / "x.png", 0)
    assert "its 1 images lie in the folder itself; put each class" in refused(tmp_path)
    assert "is a file, neither .csv nor .npz; give a folder" in refused(tmp_path / "x.png")


def test_other_numbers_of_classes_than_two_are_refused(tmp_path: Path, save: Save) -> None:
    save(tmp_path / "set" / "a" / "x.png", 0)
    assert "one class only ('a'), two are needed" in refused(tmp_path / "set")
    save(tmp_path / "set" / "b" / "x.png", 1)
    assert f"did you mean {str(tmp_path / 'set')!r}?" in refused(tmp_path)
    save(tmp_path / "set" / "c" / "x.png", 2)
    assert "3 classes ('a', 'b', 'c'); two are supported" in refused(tmp_path / "set")


def test_a_class_without_readable_image_is_refused(tmp_path: Path, save: Save) -> None:
    save(tmp_path / "a" / "x.png", 0)
    (tmp_path / "b").mkdir()
    assert "class 'b' has no readable image" in refused(tmp_path)
    (tmp_path / "b" / "y.png").touch()
    assert "b/y.png: the file is empty" in refused(tmp_path)


def test_more_than_a_tenth_unreadable_is_refused(lesions: Path) -> None:
    for k in range(5):
        (lesions / "benign" / f"broken{k}.png").touch()
    message = refused(lesions)
    assert "5 of 47 images cannot be read, more than 10%" in message
    assert "the first is benign/broken0.png: the file is empty" in message


def test_part_folders_beside_others_are_refused(tmp_path: Path, save: Save) -> None:
    for part in ("train", "vali"):
        save(tmp_path / part / "a" / "x.png", 0)
    message = refused(tmp_path)
    assert "part folders ('train') lie beside others ('vali')" in message
    (tmp_path / "vali").rename(tmp_path / "val")
    shutil.copytree(tmp_path / "val", tmp_path / "validation")
    assert "two folders for one part ('val', 'validation')" in refused(tmp_path)


def test_strict_refuses_a_single_unreadable_image(lesions: Path) -> None:
    (lesions / "benign" / "broken.png").touch()
    assert len(opened(lesions).skipped) == 1
    with pytest.raises(DataError, match="1 of 43 images cannot be read, and --strict allows none"):
        open_source(str(lesions), cache=lesions.parent, most_unreadable=0.0)


@pytest.mark.parametrize(
    ("pattern", "groups"),
    [
        (r"^(\d+)_", {"a/8863_x1.png": "8863", "b/8863_x2.png": "8863", "b/77_x.png": "77"}),
        (r"_x(?P<group>\d)|zz(.)", {"a/8863_x1.png": "1", "b/8863_x2.png": "2"}),
        (r"\d+", {"a/8863_x1.png": "8863", "b/8863_x2.png": "8863", "b/77_x.png": "77"}),
    ],
)
def test_groups_are_taken_from_file_names(
    tmp_path: Path, save: Save, pattern: str, groups: dict[str, str]
) -> None:
    """The first group of the expression, the one that is called group, or the whole match."""
    names = ("a/8863_x1.png", "b/8863_x2.png", "b/77_x.png", "a/sub1/none.png")
    for k, name in enumerate(names):
        save(tmp_path / "set" / name, k)
    source = open_source(str(tmp_path / "set"), cache=tmp_path, group_pattern=pattern)
    assert {image.path: image.group for image in source.images if image.group} == groups
    assert source.groups_from == f"file names by the pattern {pattern}"


def test_a_pattern_that_finds_nothing_or_is_none_is_refused(lesions: Path) -> None:
    def message(pattern: str) -> str:
        with pytest.raises(SettingsError) as caught:
            open_source(str(lesions), cache=lesions.parent, group_pattern=pattern)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    assert "matches none of 42 file names, such as 'us1.png'" in message("patient")
    assert "'(' is not a regular expression" in message("(")
    assert "matches none" in message("x*")


def test_what_each_image_is_has_been_measured(lesions: Path) -> None:
    Image.new("RGB", (7, 5), (30, 30, 30)).save(lesions / "benign" / "a.png", format="JPEG")
    source = opened(lesions)
    assert len(source.facts) == len(source.images) == len(source.thumbnails) == 43
    (facts,) = (f for i, f in zip(source.images, source.facts, strict=True) if "a.png" in i.path)
    assert (facts.width, facts.height, facts.format, facts.mode) == (7, 5, "JPEG", "RGB")
    assert facts.mean_grey == pytest.approx(30, abs=1)
    assert facts.file_bytes == (lesions / "benign" / "a.png").stat().st_size
    assert not facts.animated


def test_content_groups_are_those_of_the_images_in_natural_order(lesions: Path) -> None:
    source = opened(lesions)
    number = {i.path: int(g) for i, g in zip(source.images, source.content.group, strict=True)}
    assert [number[f"benign/us{k}.png"] for k in (1, 3, 4, 10)] == [0, 0, 1, 3]
    assert len(set(number.values())) == 14


def test_the_articles_set_has_to_be_fetched_first(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has not been downloaded; run `study data fetch mendeley`"):
        open_source("mendeley", cache=tmp_path, downloads=tmp_path / "downloads")


def test_the_phantom_is_drawn_once_and_read_like_any_folder(tmp_path: Path) -> None:
    source = open_source("phantom", positive=None, cache=tmp_path / "cache")
    assert (source.name, source.synthetic, source.positive) == ("phantom", True, "malignant")
    assert len(source.images) == 250
    assert len({image.group for image in source.images}) == 50
    assert len({i.group for i in source.images if i.label == "benign"}) == 20
    assert source.skipped == ()
    assert source.images[0].path.endswith("/frame-0.png")
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [source.root.name]
    assert source.root.name.startswith("phantom-50x5-seed0-v")
    written = {path: path.stat().st_mtime_ns for path in source.root.rglob("*.png")}
    again = open_source("phantom", positive=None, cache=tmp_path / "cache")
    assert again.digest == source.digest
    assert {path: path.stat().st_mtime_ns for path in source.root.rglob("*.png")} == written
    next(iter(written)).unlink()
    assert open_source("phantom", positive=None, cache=tmp_path / "cache").digest == source.digest


def test_a_cache_that_cannot_be_written_is_a_data_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="the phantom's images cannot be written") as caught:
        open_source("phantom", positive=None, cache=tmp_path / "file" / "cache")
    assert "\n" not in str(caught.value)


def test_names_that_are_not_utf_8_are_read(tmp_path: Path) -> None:
    for label in ("a", "b"):
        (tmp_path / label).mkdir()
        Image.fromarray(np.full((4, 4), 9, dtype=np.uint8)).save(tmp_path / label / "x.png")
    try:
        (tmp_path / "a" / "x.png").rename(tmp_path / "a" / "\udcff.png")
    except (OSError, UnicodeEncodeError):
        pytest.skip("this file system allows UTF-8 names only")
    assert len(opened(tmp_path).digest) == 64


def test_the_dataset_room_is_cheap_to_import() -> None:
    """Neither TensorFlow, pandas, SciPy nor scikit-learn: they cost seconds."""
    code = (
        "import sys, study.dataset.arrays; "
        "print([m for m in ('tensorflow', 'keras', 'pandas', 'scipy', 'sklearn') "
        "if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"


def test_the_real_set_is_read_whole(real_data: Path, tmp_path: Path) -> None:
    source = open_source(str(real_data), positive=None, cache=tmp_path)
    labels = [image.label for image in source.images]
    assert (labels.count("benign"), labels.count("malignant")) == (100, 150)
    assert source.positive == "malignant"
    assert source.skipped == ()
