"""A synthetic breast-ultrasound phantom: drawn, never downloaded, with a known truth."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from study.dataset.phantom import physics

VERSION: int = 1
"""Bumped when the same seed gives different pixels."""

BENIGN, MALIGNANT = "benign", "malignant"

# Hong et al. 2005, AJR 184:1260, 403 masses. The posterior rates are assumed.
RATES: Mapping[str, Mapping[str, Mapping[str, float]]] = {
    MALIGNANT: {
        "shape": {"irregular": 0.72, "oval": 0.26, "other": 0.02},
        "margin": {"circumscribed": 0.13, "spiculated": 0.13, "other": 0.74},
        "posterior": {"shadow": 0.45, "enhancement": 0.10, "none": 0.45},
        "taller_than_wide": {"yes": 0.53, "no": 0.47},
    },
    BENIGN: {
        "shape": {"irregular": 0.24, "oval": 0.76, "other": 0.0},
        "margin": {"circumscribed": 0.61, "spiculated": 0.01, "other": 0.38},
        "posterior": {"shadow": 0.10, "enhancement": 0.30, "none": 0.60},
        "taller_than_wide": {"yes": 0.13, "no": 0.87},
    },
}

# Set so that frames correlate as those of real clips do: about 0.99 side by side, 0.94 four apart.
KEPT = 0.982
"""Correlation of the scatterers of one frame with those of the next."""
DRIFT, JITTER = 0.014, 0.003
"""Steady and random movement of the probe from frame to frame, in mean radii of the lesion."""


@dataclass(frozen=True, kw_only=True)
class Lesion:
    """The true descriptors of one lesion, in the words of BI-RADS."""

    name: str
    """``lesion-001`` and so on."""
    label: str
    """benign or malignant."""
    shape: str
    """irregular, oval or other (round)."""
    margin: str
    """circumscribed, spiculated or other (indistinct)."""
    posterior: str
    """What lies behind the lesion: shadow, enhancement or none."""
    taller_than_wide: bool


@dataclass(frozen=True, kw_only=True)
class Phantom:
    """One synthetic B-mode image."""

    lesion: Lesion
    frame: int
    """Place in the lesion's clip, from 0."""
    pixels: NDArray[np.uint8]
    """(height, width), rows are depth, 0 to 255."""


def draw_lesions(*, lesions: int = 50, seed: int = 0) -> tuple[Lesion, ...]:
    """Draw the descriptors of lesions, two benign to three malignant, independent given the class.

    Class-conditional rates of shape, margin and orientation: Hong et al. (2005), AJR 184:1260; of
    posterior features: assumed. The best classifier of descriptors errs on about 14 %. A larger
    draw begins with the lesions of a smaller one.

    Raises:
        ValueError: fewer than two lesions, or a negative seed.
    """
    if lesions < 2:
        raise ValueError(f"lesions must be at least 2, one of each class, not {lesions}")
    return tuple(_draw(index, seed) for index in range(lesions))


def generate(*, lesions: int = 50, frames: int = 5, seed: int = 0) -> Iterator[Phantom]:
    """Generate the images of ``draw_lesions`` with the same seed: lesion by lesion, frame by frame.

    The frames of a lesion have one size, 57 x 93 to 161 x 199 (height x width). A lesion's pixels
    depend on the seed and its number only, not on how many lesions or frames are asked for.

    Raises:
        ValueError: fewer than two lesions, no frames, or a negative seed.
    """
    if frames < 1:
        raise ValueError(f"frames must be at least 1, not {frames}")
    drawn = draw_lesions(lesions=lesions, seed=seed)
    return (
        Phantom(lesion=lesion, frame=frame, pixels=pixels)
        for index, lesion in enumerate(drawn)
        for frame, pixels in enumerate(_clip(lesion, frames, _stream(seed, index, 1)))
    )


def scene(lesion: Lesion, rng: np.random.Generator) -> physics.Scene:
    """Draw the anatomy of a lesion, without looking at its label."""
    return physics.scene(
        rng,
        shape=lesion.shape,
        margin=lesion.margin,
        posterior=lesion.posterior,
        taller_than_wide=lesion.taller_than_wide,
    )


def _stream(seed: int, index: int, purpose: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(index, purpose)))


def _draw(index: int, seed: int) -> Lesion:
    # The first n lesions hold 2n/5 benign ones, rounded, whatever the total.
    benign = (4 * (index + 1) + 5) // 10 > (4 * index + 5) // 10
    label = BENIGN if benign else MALIGNANT
    rng = _stream(seed, index, 0)
    drawn = {
        name: str(rng.choice(list(rates), p=list(rates.values())))
        for name, rates in RATES[label].items()
    }
    return Lesion(
        name=f"lesion-{index + 1:03d}",
        label=label,
        shape=drawn["shape"],
        margin=drawn["margin"],
        posterior=drawn["posterior"],
        taller_than_wide=drawn["taller_than_wide"] == "yes",
    )


def _clip(lesion: Lesion, frames: int, rng: np.random.Generator) -> Iterator[NDArray[np.uint8]]:
    """Frames of one lesion: as the probe drifts, scatterers leave its plane and others enter."""
    scanner = physics.Scanner.draw(rng)
    seen = scene(lesion, rng)
    points = physics.scatterers(rng, seen.echo.shape)
    turn = rng.uniform(0.0, 2.0 * np.pi)
    drift = DRIFT * np.array([np.sin(turn), np.cos(turn)])
    for frame in range(frames):
        deep, across = seen.crop.scale * (frame * drift + rng.normal(0.0, JITTER, 2))
        amplitude = physics.envelope(points, seen, scanner.point_spread, (deep, across))
        yield physics.compress(physics.crop_cells(amplitude, seen.crop), scanner)
        points = KEPT * points + np.sqrt(1.0 - KEPT**2) * physics.scatterers(rng, points.shape)
