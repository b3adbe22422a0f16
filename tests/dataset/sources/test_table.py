"""Tables: what they may say, and every mistake answered with its line."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from study.dataset.sources.opening import open_source
from study.dataset.sources.source import Listed, Source
from study.dataset.sources.table import list_table
from study.errors import DataError

Save = Callable[..., Path]


@pytest.fixture
def images(tmp_path: Path, save: Save) -> Path:
    """A folder with four images in no order of classes."""
    for k, name in enumerate(("scan 1.png", "scan,2.png", "deep/3.png", "deep/4.png")):
        save(tmp_path / "set" / name, k)
    return tmp_path / "set"


def opened(table: Path) -> Source:
    return open_source(str(table), cache=table.parent / "cache")


def written(folder: Path, text: str | bytes, name: str = "labels.csv") -> Path:
    table = folder / name
    table.write_bytes(text if isinstance(text, bytes) else text.encode())
    return table


FULL = """Label,path,group,Part,age
benign,scan 1.png,p1,train,55
malignant,"scan,2.png",p2,train,61

benign,deep/3.png,,TEST,70
malignant,deep/4.png,p2,val,
"""


def test_a_table_gives_labels_groups_and_parts(images: Path) -> None:
    source = opened(written(images, FULL))
    assert {(i.path, i.label, i.group, i.part) for i in source.images} == {
        ("scan 1.png", "benign", "p1", "train"),
        ("scan,2.png", "malignant", "p2", "train"),
        ("deep/3.png", "benign", None, "test"),
        ("deep/4.png", "malignant", "p2", "validation"),
    }
    assert source.root == images.resolve()
    assert source.name == "labels"
    assert source.has_parts
    assert source.groups_from == "the column group"
    assert source.ignored_columns == ("age",)


@pytest.mark.parametrize("text", [b"\xef\xbb\xbf", b""], ids=["BOM", "plain"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_table_as_spreadsheets_write_it(images: Path, text: bytes, end: str) -> None:
    lines = ["path,label", "scan 1.png , benign ", "deep\\3.png,malignant", ""]
    source = opened(written(images, text + end.join(lines).encode(), "manifest.csv"))
    assert [(i.path, i.label) for i in source.images] == [
        ("deep/3.png", "malignant"),
        ("scan 1.png", "benign"),
    ]
    assert source.name == "set"
    assert not source.has_parts
    assert source.groups_from is None


def test_files_that_are_missing_count_as_broken(images: Path, save: Save) -> None:
    rows = ["path,label"]
    for k in range(20):
        save(images / f"{k}.png", k)
        rows.append(f"{k}.png,{'ab'[k % 2]}")
    source = opened(written(images, "\n".join([*rows, "gone.png,a"])))
    assert source.skipped == (("gone.png", "cannot be read (No such file or directory)"),)
    assert len(source.images) == 20


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no column 'path', 'label', found none; needed: path, label; allowed"),
        ("file,label\na.png,x\n", "no column 'path', found 'file', 'label'; needed: path"),
        ("path,labels\na.png,x\n", "no column 'label', found 'path', 'labels' (did you mean"),
        ("path;label\na.png;x\n", "found 'path;label'; separate columns by commas"),
        ("path,label,path\na,b,c\n", "two columns 'path'; keep one"),
        ("path,label\n", "names no image; give one a line"),
        ("path,label\na.png\n", "line 2: 1 values, but 2 columns; quote values"),
        ("path,label\na.png,x,y\n", "line 2: 3 values, but 2 columns"),
        ('path,label\n"a.png,x\n', "not valid CSV (unexpected end of data)"),
        ("path,label\na.png,x\nb.png,  \n", "line 3: the label is empty; name a class"),
        ("path,label\n/etc/a.png,x\n", "line 2: '/etc/a.png' is absolute"),
        ("path,label\nC:\\a.png,x\n", "line 2: 'C:\\\\a.png' is absolute"),
        ("path,label\n\\\\host\\a.png,x\n", "is absolute; paths are relative"),
        ("path,label\n../a.png,x\n", "line 2: '../a.png' leads out of the table's folder"),
        ("path,label\nb/../../a.png,x\n", "'b/../../a.png' leads out"),
        ("path,label\n..\\a.png,x\n", "leads out of the table's folder"),
        ("path,label\n ,x\n", "line 2: the path is empty or no path"),
        ("path,label\na\0.png,x\n", "line 2: the path is empty or no path"),
        ("path,label\na.png,x\nb/../a.png,y\n", "line 3: 'a.png' stands in line 2 already"),
        ("path,label,part\na.png,x,tset\n", "part: found 'tset' (did you mean 'test'?); allowed"),
        (
            "path,label,part\na.png,x,train\nb.png,y,\nc.png,y,\n",
            "line 3: the part is empty, and so in 2 of 3 rows; give every row a part, or none",
        ),
    ],
    ids=str,
)
def test_a_mistake_is_answered_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    table = written(tmp_path, text)
    with pytest.raises(DataError) as caught:
        list_table(table)
    assert message in str(caught.value)
    assert str(caught.value).startswith(str(table))
    assert "\n" not in str(caught.value)


def test_a_table_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    table = written(tmp_path, "path,label\na.png,x\n".encode("utf-16"))
    with pytest.raises(DataError, match="is not UTF-8 but UTF-16; save it as UTF-8"):
        list_table(table)


def test_other_numbers_of_labels_than_two_are_refused(images: Path) -> None:
    table = written(images, "path,label\nscan 1.png,a\ndeep/3.png,b\ndeep/4.png,c\n")
    with pytest.raises(DataError, match=r"3 classes .*; two are supported: keep the images of two"):
        opened(table)
    table = written(images, "path,label\nscan 1.png,a\ndeep/3.png,a\n")
    with pytest.raises(DataError, match=r"one class only \('a'\), two are needed; give images"):
        opened(table)


def test_a_table_that_is_a_folder_is_read_as_a_folder(tmp_path: Path, save: Save) -> None:
    save(tmp_path / "x.csv" / "a" / "1.png", 0)
    save(tmp_path / "x.csv" / "b" / "1.png", 1)
    assert len(opened(tmp_path / "x.csv").images) == 2


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=60) | st.binary(max_size=60))
def test_whatever_a_table_holds_is_listed_or_refused(tmp_path: Path, text: str | bytes) -> None:
    head = b"path,label,group,part\n"
    raw = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    table = written(tmp_path, head + raw)
    listed: tuple[Listed, ...] = ()
    with suppress(DataError):
        listed = list_table(table).images
    for image in listed:
        assert not image.path.startswith(("/", "../"))
        assert image.label
