"""Audits of drawn images, and their page."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from study.dataset.audit.audit import audit_source
from study.dataset.audit.result import Audit
from study.dataset.manifest import Manifest, make_manifest
from study.dataset.sources.opening import open_source
from study.dataset.sources.source import Source
from study.report.audit.page import write_audit_page

AUDITED_AT = datetime(2026, 11, 23, 10, 5, tzinfo=UTC)
BASELINES: dict[str, float | None] = {
    "size_only": 0.8,
    "width": 0.7,
    "aspect": 0.4,
    "file_format": None,
    "pixels_svm_random": 1.0,
    "pixels_svm_grouped": 0.67,
}
CHANCE = {"size_only": 0.62, "width": 0.71, "aspect": 0.3}


@dataclass
class Audited:
    """A source on disk, its split and its audit."""

    source: Source
    manifest: Manifest
    audit: Audit

    def write(self, path: Path) -> str:
        write_audit_page(self.audit, self.source, self.manifest, path, seed=7, now=AUDITED_AT)
        return path.read_text(encoding="utf-8")


def draw_image(path: Path, seed: int, *, noise: int = 0, size: tuple[int, int] = (60, 45)) -> None:
    """Draw a smooth pattern that no other seed resembles; noise makes a near-copy of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    coarse = np.random.default_rng(seed).integers(0, 256, (9, 12), dtype=np.uint8)
    smooth = np.asarray(Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC), dtype=float)
    grey = smooth + np.random.default_rng(noise).normal(0, 2.0, smooth.shape) * (noise > 0)
    Image.fromarray(np.clip(grey, 0, 255).astype(np.uint8)).save(path)


def make_audited(root: Path, cache: Path, *, split: str) -> Audited:
    """Audit a folder; its baselines are made up, for measuring them takes seconds."""
    source = open_source(str(root), cache=cache)
    manifest = make_manifest(source, split=split, seed=0)
    found = audit_source(source, manifest)
    return Audited(source, manifest, replace(found, baselines=BASELINES, chance=CHANCE))


@pytest.fixture(scope="session")
def audited_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten lesions of three frames a class, an exact copy, a contradiction and a broken file."""
    root = tmp_path_factory.mktemp("audited") / "lesions"
    for at, label in enumerate(("benign", "malignant")):
        for lesion in range(10):
            for frame in range(3):
                name = f"us{3 * lesion + frame + 1}.png"
                size = (60 + 4 * lesion, 45 + 10 * at)
                draw_image(root / label / name, 100 * at + lesion, noise=frame, size=size)
    for label in ("benign", "malignant"):
        shutil.copy(root / "benign" / "us1.png", root / label / "copied.png")
    (root / "benign" / "torn.png").write_bytes(b"not an image")
    return root


@pytest.fixture(scope="session")
def leaking(audited_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Audited:
    return make_audited(audited_folder, tmp_path_factory.mktemp("cache"), split="random")


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Audited:
    """Single images, no two of which are alike, and nothing to say of them."""
    root = tmp_path_factory.mktemp("sound") / "single"
    for at, label in enumerate(("benign", "malignant")):
        for number in range(10):
            draw_image(root / label / f"{number}.png", 500 + 100 * at + number)
    found = make_audited(root, tmp_path_factory.mktemp("cache"), split="grouped")
    return replace(found, audit=replace(found.audit, findings=[], baselines={}, chance={}))


@pytest.fixture
def audited(tmp_path: Path) -> Callable[..., Audited]:
    """Audit a folder of images under a split."""
    return lambda root, *, split: make_audited(root, tmp_path / "cache", split=split)


@pytest.fixture(scope="session")
def draw() -> Callable[..., None]:
    return draw_image
