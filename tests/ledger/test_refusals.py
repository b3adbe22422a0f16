"""A ledger that is damaged, newer, half-written or out of reach is refused in one line."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import optuna
import pytest

from study.errors import LedgerError
from study.ledger import FILE_NAME, SCHEMA_VERSION, Ledger

REMEDY = "; restore it from a copy, or remove the folder"


def test_a_ledger_of_a_newer_program_is_refused(ledger: Ledger, tmp_path: Path) -> None:
    ledger.update(schema_version=SCHEMA_VERSION + 1)
    with pytest.raises(LedgerError, match=r"newer version .*schema 2.*update the program") as found:
        Ledger.open(tmp_path)
    assert "\n" not in str(found.value)


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (b"", "an empty file"),
        (b"this is no database" * 99, "DatabaseError: file is not a database"),
        (None, "DatabaseError: database disk image is malformed"),
    ],
)
def test_a_damaged_ledger_is_refused_in_one_line(
    tmp_path: Path, setup: dict[str, Any], content: bytes | None, cause: str
) -> None:
    """An empty file, another file, or the first half of a ledger: it says what to do."""
    Ledger.create(tmp_path, "it", setup).close()
    path = tmp_path / FILE_NAME
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] if content is None else content)
    left = path.read_bytes()
    with pytest.raises(LedgerError) as found:
        Ledger.open(tmp_path)
    assert str(found.value) == (f"{path}: empty, damaged or not a study's ledger ({cause}){REMEDY}")
    assert path.read_bytes() == left


@pytest.mark.parametrize(
    ("attributes", "cause"),
    [
        (None, "0 studies in it"),
        ({}, "no 'schema_version'"),
        ({"schema_version": "x"}, "TypeError: "),
    ],
)
def test_a_ledger_of_another_program_is_refused(
    tmp_path: Path, attributes: dict[str, Any] | None, cause: str
) -> None:
    """Optuna's own files are none of ours, with a study in them or without."""
    storage = optuna.storages.RDBStorage(f"sqlite:///{tmp_path / FILE_NAME}")
    if attributes is not None:
        study = optuna.create_study(storage=storage, study_name="theirs")
        for key, value in attributes.items():
            study.set_user_attr(key, value)
    with pytest.raises(LedgerError) as found:
        Ledger.open(tmp_path)
    assert f"not a study's ledger ({cause}" in str(found.value)
    assert str(found.value).endswith(REMEDY)


@pytest.mark.parametrize(
    ("missing", "changed", "cause"),
    [
        ({"protocol", "space", "dataset", "split", "seed"}, {}, "no 'protocol'"),
        ({"seed"}, {}, "no 'seed'"),
        ((), {"dataset": {"positive": "malignant"}}, "no 'name'"),
        ((), {"dataset": {"name": "blobs"}}, "no 'positive'"),
        ((), {"dataset": ["blobs"]}, "TypeError: "),
        ((), {"split": {}}, "no 'kind'"),
        ((), {"protocol": {}}, "no 'augmentation'"),
    ],
)
def test_a_half_written_ledger_is_refused_when_it_is_opened(
    tmp_path: Path,
    setup: dict[str, Any],
    missing: Collection[str],
    changed: dict[str, Any],
    cause: str,
) -> None:
    """What every command needs of a study is looked for once, and named where it is not there."""
    half = {key: value for key, value in setup.items() if key not in missing} | changed
    Ledger.create(tmp_path, "half", half).close()
    with pytest.raises(LedgerError) as found:
        Ledger.open(tmp_path)
    assert f"{tmp_path / FILE_NAME}: empty, damaged or not a study's ledger ({cause}" in str(
        found.value
    )
    assert str(found.value).endswith(REMEDY)


def test_nobody_is_told_to_remove_a_ledger_that_is_only_out_of_reach(
    tmp_path: Path, setup: dict[str, Any]
) -> None:
    """What stands in the way lies outside the file, which may be well."""
    Ledger.create(tmp_path, "it", setup).close()
    (tmp_path / f"{FILE_NAME}-wal").mkdir()
    with pytest.raises(LedgerError, match=r"cannot be opened \(unable to open") as found:
        Ledger.open(tmp_path)
    assert "remove the folder" not in str(found.value)
    assert "\n" not in str(found.value)


def test_a_folder_without_a_ledger_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match=r"no study in .*`study list`"):
        Ledger.open(tmp_path)
    assert not list(tmp_path.iterdir())
