"""Small folders of drawn images, the command in this process, and the command in its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from study.cli.main import main
from study.protocol import Protocol
from study.records import StudyRecord, TrialRecord
from study.variant import REFERENCE

Draw = Callable[..., Path]
Outcome = tuple[int, str, str]
"""Exit status, standard output, standard error."""


def draw_images(
    root: Path,
    *,
    classes: tuple[str, ...] = ("benign", "malignant"),
    groups: int = 12,
    frames: int = 3,
    seed: int = 0,
) -> Path:
    """Draw ``root/class/lesion/frame.png``, 40x30: dark discs, brighter in the last class."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:30, :40]
    for number, label in enumerate(classes):
        for group in range(groups):
            folder = root / label / f"{label}-{group:02d}"
            folder.mkdir(parents=True)
            column, row, radius = rng.uniform(12, 28), rng.uniform(10, 20), rng.uniform(4, 9)
            disc = (x - column) ** 2 + (y - row) ** 2 < radius**2
            texture = rng.uniform(110, 150, (30, 40))
            for frame in range(frames):
                pixels = np.where(disc, 40 + 150 * number, texture) + rng.normal(0, 2, (30, 40))
                image = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
                image.save(folder / f"frame-{frame}.png")
    return root


def run_process(*arguments: object, cwd: Path, timeout: float = 240) -> Outcome:
    """Run ``study`` as a user does, in a process of its own, with nothing set for TensorFlow."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("TF_")}
    done = subprocess.run(
        [sys.executable, "-m", "study", *map(str, arguments)],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="session")
def images_in() -> Draw:
    """Return :func:`draw_images`."""
    return draw_images


@pytest.fixture(scope="session")
def in_process_of_its_own() -> Callable[..., Outcome]:
    """Return :func:`run_process`."""
    return run_process


@pytest.fixture
def draw(tmp_path: Path) -> Draw:
    """Return a function that draws a folder of images below ``tmp_path``."""
    return lambda name="images", **how: draw_images(tmp_path / name, **how)


@pytest.fixture
def study(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Outcome]:
    """Return a function that runs one command in this process, with ``tmp_path`` as its folder."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> Outcome:
        status = main([str(argument) for argument in arguments])
        return status, *capsys.readouterr()

    return run


def make_record(trials: list[dict[str, Any]], **changes: Any) -> StudyRecord:
    """Return a study with these trials, numbered in their order; ``epochs`` is the protocol's."""
    named = [
        TrialRecord(
            **{
                "number": number,
                "ledger_number": number,
                "params": {},
                "variant": REFERENCE.as_dict(),
                "validation_f_med": trial.get("validation_f_med"),
                **trial,
            }
        )
        for number, trial in enumerate(trials)
    ]
    parts = {part: {"images": 10, "groups": 4} for part in ("train", "validation", "test")}
    data = {"name": "drawn", "images": 30, "groups": 12, "positive": "malignant"}
    values = {
        "name": "a-study",
        "created": "2026-11-23T07:59:30+00:00",
        "command": "study run",
        "requested": len(trials),
        "protocol": Protocol(epochs=changes.pop("epochs", 1000)),
        "space": {"name": "seed"},
        "dataset": {**data, "synthetic": False, "skipped": []},
        "split": {"kind": "grouped", "parts": parts},
        "seed": 0,
        "versions": {},
        "machine": {},
        "search": {"sampler": {"name": "tpe"}, "pruner": {"name": "median"}},
    }
    return StudyRecord(trials=named, **{**values, **changes})


@pytest.fixture(scope="session")
def make_study() -> Callable[..., StudyRecord]:
    """Return :func:`make_record`."""
    return make_record
