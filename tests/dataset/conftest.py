"""Images drawn for the dataset's tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

Draw = Callable[..., Image.Image]


def draw_pattern(seed: int, *, size: tuple[int, int] = (60, 45), noise: float = 0.0) -> Image.Image:
    """Draw a smooth greyscale pattern; other seeds are unlike it, noise makes near-copies of it."""
    coarse = np.random.default_rng(seed).integers(0, 256, (9, 12), dtype=np.uint8)
    smooth = np.asarray(Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC), dtype=float)
    jitter = np.random.default_rng(round(noise * 1000)).normal(0, max(noise, 1e-9), smooth.shape)
    return Image.fromarray(np.clip(smooth + jitter, 0, 255).astype(np.uint8))


@pytest.fixture
def pattern() -> Draw:
    return draw_pattern


@pytest.fixture
def save() -> Callable[..., Path]:
    """Draw a pattern into a file, with its folders."""

    def save_pattern(path: Path, seed: int, **options: object) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        draw_pattern(seed, **options).save(path)  # type: ignore[arg-type]
        return path

    return save_pattern


@pytest.fixture
def lesions(tmp_path: Path, save: Callable[..., Path]) -> Path:
    """Two classes of 8 and 6 lesions with 3 near-identical frames each, numbered throughout."""
    root = tmp_path / "My Lesions"
    for label, count, offset in (("benign", 8, 0), ("malignant", 6, 100)):
        for k in range(count * 3):
            save(root / label / f"us{k + offset + 1}.png", k // 3 + offset, noise=k % 3)
    return root
