"""An audit of a folder of images, and what is looked up in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from study.dataset.audit.audit import audit_source
from study.dataset.audit.baselines import Baselines
from study.dataset.audit.result import GRADES, Audit
from study.dataset.manifest import make_manifest
from study.dataset.sources.opening import open_source


def audit_folder(
    data: Path, *, split: str | None = None, baselines: Baselines | None = None, **options: Any
) -> Audit:
    source = open_source(str(data), cache=data.parent / "cache", **options)
    return audit_source(source, make_manifest(source, split=split, seed=0), baselines)


def grades_of(audit: Audit) -> dict[str, str]:
    """Return the grade of each finding by its code, after checking what all must keep."""
    places = [GRADES.index(item.grade) for item in audit.findings]
    assert places == sorted(places)
    for item in audit.findings:
        assert item.message.endswith(".")
        assert "\n" not in item.message
    return {item.code: item.grade for item in audit.findings}


def message_of(audit: Audit, code: str) -> str:
    (found,) = (item.message for item in audit.findings if item.code == code)
    return found


@pytest.fixture(scope="session")
def audited() -> Callable[..., Audit]:
    """Return :func:`audit_folder`."""
    return audit_folder


@pytest.fixture(scope="session")
def graded() -> Callable[[Audit], dict[str, str]]:
    """Return :func:`grades_of`."""
    return grades_of


@pytest.fixture(scope="session")
def message() -> Callable[[Audit, str], str]:
    """Return :func:`message_of`."""
    return message_of
