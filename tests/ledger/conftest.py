"""A ledger of which no trial has been taken yet."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from study.ledger import Ledger
from study.protocol import Protocol
from study.space import find_space

SETUP: dict[str, Any] = {
    "command": "study run --data 'an image.png' --trials 24",
    "requested": 24,
    "protocol": Protocol(epochs=7).as_dict(),
    "space": {"name": "seed", "text": find_space("seed").text, "digest": "d"},
    "dataset": {
        "name": "blobs",
        "digest": "d",
        "positive": "malignant",
        "classes": {"benign": 3, "malignant": 4},
        "skipped": [],
    },
    "split": {"kind": "grouped", "digest": "d", "parts": {}, "notes": ["A note with ümläuts."]},
    "seed": 5,
    "versions": {"study": "1"},
    "machine": {"cores": 2},
}


@pytest.fixture(scope="session")
def setup() -> dict[str, Any]:
    """Return the attributes with which a study of blobs begins."""
    return SETUP


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    made = Ledger.create(tmp_path, "it", SETUP)
    yield made
    made.close()
