"""The ultrasound physics of the phantom: from a lesion's descriptors to speckled B-mode images.

Nothing here knows the class of a lesion: what a classifier finds, the descriptors put there.
Arrays are (rows, columns), rows are depth, on a grid of ``CELLS`` cells per pixel each way, with a
border around the crop. Lengths are in pixels of the finished image, levels in dB of amplitude.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

CELLS = 2
MIN_SIZE, MAX_SIZE = (57, 93), (161, 199)
"""Smallest and largest (height, width) of an image, pixels."""
BORDER = 8
"""Pixels around the crop: frames shift, and what leaves one side by FFT enters at the other."""
ANGLES = np.linspace(0.0, 2.0 * np.pi, 720, endpoint=False)
"""Directions of an outline, radians: 0 points right, a quarter turn points down."""


@dataclass(frozen=True, kw_only=True)
class Crop:
    """Where the lesion lies in its image, in pixels."""

    height: int
    width: int
    center: tuple[float, float]
    """Depth and lateral position of the lesion's centre, border included."""
    scale: float
    """Mean radius of the lesion."""

    def axes(self) -> tuple[Array, Array]:
        """Depth (rows, 1) and lateral position (1, columns) of cells from the lesion's centre."""
        rows, columns = ((n + 2 * BORDER) * CELLS for n in (self.height, self.width))
        depth = (np.arange(rows) + 0.5) / CELLS - self.center[0]
        across = (np.arange(columns) + 0.5) / CELLS - self.center[1]
        return depth[:, None], across[None, :]


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What the probe looks at: one lesion in its tissue, before any speckle."""

    crop: Crop
    echo: Array
    """Mean echo level of each cell, dB, attenuation included."""
    mirrors: Array
    """Strength of smooth reflectors, relative to the scatterers of the same cell, 0 to 1."""
    background: NDArray[np.bool_]
    """Cells that are neither lesion nor behind it."""


@dataclass(frozen=True, kw_only=True)
class Scanner:
    """Settings of the machine, one set a lesion."""

    point_spread: tuple[float, float]
    """Standard deviations in depth and across, pixels; 2 to 2.4 times wider across."""
    dynamic_range: float
    """Range of levels from black to white, 45 to 65 dB."""
    brightness: float
    """Grey of 0 dB, as a share of white."""

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Scanner:
        """Draw the settings of one machine."""
        deep = rng.uniform(0.95, 1.3)
        return cls(
            point_spread=(deep, deep * rng.uniform(2.0, 2.4)),
            dynamic_range=rng.uniform(45.0, 65.0),
            brightness=rng.uniform(0.30, 0.42),
        )


def smooth_noise(
    rng: np.random.Generator, shape: tuple[int, int], sd: tuple[float, float]
) -> Array:
    """Gaussian noise of unit variance, blurred by Gaussians of ``sd`` pixels (depth, across)."""
    spectrum = np.fft.rfft2(rng.standard_normal(shape))
    noise = np.fft.irfft2(spectrum * _transfer(shape, sd)[:, : spectrum.shape[1]], s=shape)
    return np.asarray(noise / noise.std())


def _transfer(shape: tuple[int, int], sd: tuple[float, float]) -> Array:
    deep, across = (
        np.exp(-2.0 * (np.pi * CELLS * s * np.fft.fftfreq(n)) ** 2)
        for n, s in zip(shape, sd, strict=True)
    )
    return np.asarray(np.multiply.outer(deep, across))


def outline(rng: np.random.Generator, *, shape: str, height_to_width: float) -> Array:
    """Radius at each of ``ANGLES``, in units of its mean.

    ``r(t) = 1 + sum a_k cos(k t + p_k)`` on a tilted ellipse; k is 5 to 12 and a_k about 0.25 / k
    where ``shape`` is irregular. The extents of the whole keep ``height_to_width``.
    """
    orders = {"oval": np.arange(2, 4), "irregular": np.arange(5, 13)}.get(shape, np.arange(0))
    strength = 0.06 if shape == "oval" else 0.25
    sizes = strength / np.maximum(orders, 1) * rng.uniform(0.5, 1.5, orders.size)
    phases = rng.uniform(0.0, 2.0 * np.pi, orders.size)
    lobes = 1.0 + (sizes[:, None] * np.cos(np.outer(orders, ANGLES) + phases[:, None])).sum(axis=0)
    point = lobes * np.exp(1j * ANGLES)
    point = (point.real + 1j * height_to_width * point.imag) * np.exp(1j * rng.normal(0.0, 0.12))
    stretch = height_to_width * np.ptp(point.real) / np.ptp(point.imag)
    point = point.real + 1j * stretch * point.imag
    radius = np.interp(ANGLES, np.angle(point) % (2.0 * np.pi), np.abs(point), period=2.0 * np.pi)
    return np.asarray(radius / radius.mean())


def spikes(rng: np.random.Generator) -> Array:
    """What 6 to 14 thin spikes add to the radius at each of ``ANGLES``."""
    count = int(rng.integers(6, 15))
    at = (np.arange(count) + rng.uniform(-0.35, 0.35, count)) * (2.0 * np.pi / count)
    away = np.abs((ANGLES[None, :] - at[:, None] + np.pi) % (2.0 * np.pi) - np.pi)
    lengths, widths = rng.uniform(0.3, 0.8, count), rng.uniform(0.04, 0.09, count)
    return np.asarray((lengths[:, None] * np.exp(-away / widths[:, None])).sum(axis=0))


def crop_around(rng: np.random.Generator, radius: Array) -> Crop:
    """Cut an image around an outline: on each side 15 to 40 % of the lesion's longer extent.

    Crops are at least as wide as high, as people cut them. The scale of the lesion is drawn from
    what ``MIN_SIZE`` and ``MAX_SIZE`` allow, so that its size says little about its class.
    """
    across, deep = radius * np.cos(ANGLES), radius * np.sin(ANGLES)
    longer = max(np.ptp(across), np.ptp(deep))
    up, down, left, right = rng.uniform(0.15, 0.40, 4) * longer
    height, width = np.ptp(deep) + up + down, np.ptp(across) + left + right
    wider = max(0.0, height * rng.uniform(1.0, 1.3) - width)
    share = rng.uniform(0.3, 0.7)
    left, width = left + share * wider, width + wider
    low = max(MIN_SIZE[0] / height, MIN_SIZE[1] / width)
    high = min(MAX_SIZE[0] / height, MAX_SIZE[1] / width)
    scale = low * (high / low) ** rng.beta(1.5, 2.0)
    return Crop(
        height=round(scale * height),
        width=round(scale * width),
        center=(scale * (up - deep.min()) + BORDER, scale * (left - across.min()) + BORDER),
        scale=scale,
    )


def tissue(rng: np.random.Generator, crop: Crop) -> tuple[Array, Array]:
    """Breast tissue: echo level in dB and smooth reflectors, both as in ``Scene``.

    Skin, fat, gland and muscle lie in layers, with bands longer across than deep. The borders of
    layers and fibrous strands also mirror: bright unbroken lines, which scatterers do not give.
    """
    depth, across = crop.axes()
    shape = (depth.size, across.size)
    below_skin = depth + crop.center[0] + rng.uniform(-6.0, 50.0)
    fat_ends = rng.uniform(8.0, 55.0)
    gland_ends = fat_ends + rng.uniform(60.0, 150.0)
    borders = np.repeat([5.0, fat_ends, gland_ends], 2) + np.tile([-1.0, 1.0], 3)
    layers = np.interp(below_skin, borders, [3.0, -3.0, -3.0, 1.0, 1.0, -2.0])
    bands = rng.uniform(1.0, 2.0) * smooth_noise(rng, shape, (2.5, 26.0))
    patches = 0.8 * smooth_noise(rng, shape, (14.0, 16.0))
    strands = smooth_noise(rng, shape, (0.5, 16.0)) - rng.uniform(1.6, 2.4)
    mirrors = 2.0 * np.maximum(strands, 0.0)
    broken = np.maximum(smooth_noise(rng, shape, (10.0, 18.0)) + 0.5, 0.0)
    for border in (fat_ends, gland_ends):
        line = np.exp(-0.5 * ((below_skin - border) / 0.5) ** 2)
        mirrors = mirrors + rng.uniform(0.2, 1.0) * broken * line
    mirrors = rng.uniform(0.55, 0.95) * np.tanh(mirrors)
    # One sway moves the rows of both, so that strands run along the bent borders of the layers.
    sway = 3.5 * smooth_noise(rng, shape, (40.0, 22.0)) + rng.normal(0.0, 0.07) * across
    rows = np.rint(np.arange(depth.size)[:, None] + CELLS * sway).astype(np.intp)
    rows = np.clip(rows, 0, depth.size - 1)
    echo = np.take_along_axis(layers + bands + patches, rows, axis=0)
    return echo - echo.mean(), np.take_along_axis(mirrors, rows, axis=0)


def scene(
    rng: np.random.Generator, *, shape: str, margin: str, posterior: str, taller_than_wide: bool
) -> Scene:
    """Draw the anatomy of one lesion from its descriptors (those of ``phantom.Lesion``)."""
    low, high = (1.1, 1.5) if taller_than_wide else (0.5, 0.85)
    if shape == "other":  # round
        low, high = (1.03, 1.1) if taller_than_wide else (0.92, 1.0)
    radius = outline(rng, shape=shape, height_to_width=rng.uniform(low, high))
    crop = crop_around(rng, radius)
    edge = radius + spikes(rng) if margin == "spiculated" else radius
    outside = _distance(rng, crop, edge, roughness=0.0 if margin == "circumscribed" else 0.06)
    blur = {"circumscribed": (0.01, 0.025), "spiculated": (0.03, 0.06)}.get(margin, (0.07, 0.15))
    inside = 1.0 / (1.0 + np.exp(np.clip(outside / rng.uniform(*blur), -30.0, 30.0)))
    texture = rng.uniform(0.8, 2.0) * smooth_noise(rng, inside.shape, (3.0, 5.0))
    rim = rng.uniform(1.0, 4.0) * (rng.random() < 0.35)
    echo, mirrors = tissue(rng, crop)
    echo = echo * (1.0 - 0.7 * inside) - (rng.uniform(8.0, 20.0) + texture) * inside
    echo += rim * np.exp(-0.5 * ((outside - 0.08) / 0.06) ** 2)
    return Scene(
        crop=crop,
        echo=echo - attenuation(rng, crop, inside, posterior=posterior),
        mirrors=mirrors * (1.0 - inside),
        background=np.cumsum(inside, axis=0) < 0.5,
    )


def _distance(rng: np.random.Generator, crop: Crop, radius: Array, *, roughness: float) -> Array:
    """Distance of each cell beyond the outline, along its ray, in mean radii; negative inside."""
    depth, across = crop.axes()
    angle = np.arctan2(depth, across) % (2.0 * np.pi)
    edge = np.interp(angle, ANGLES, radius, period=2.0 * np.pi)
    rough = roughness * smooth_noise(rng, angle.shape, (2.5, 3.5))
    return np.asarray(np.hypot(depth, across) / crop.scale - edge + rough)


def attenuation(rng: np.random.Generator, crop: Crop, inside: Array, *, posterior: str) -> Array:
    """Loss in dB down each column: a shadow loses more in the lesion than beside it, or less."""
    losses = {"shadow": (7.0, 14.0), "enhancement": (-8.0, -4.0)}.get(posterior, (-1.0, 1.0))
    path = np.cumsum(inside, axis=0)
    uncorrected = rng.normal(0.0, 1.5) * crop.axes()[0] / crop.height
    return np.asarray(rng.uniform(*losses) * path / path.max() + uncorrected)


def scatterers(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.complex128]:
    """Complex Gaussian scatterers, one a cell: many small echoes with random phases."""
    parts = rng.standard_normal((2, *shape))
    return np.asarray(parts[0] + 1j * parts[1])


def envelope(
    points: NDArray[np.complex128],
    seen: Scene,
    point_spread: tuple[float, float],
    shift: tuple[float, float] = (0.0, 0.0),
) -> Array:
    """Amplitude received from a scene full of scatterers, moved by ``shift`` pixels.

    Where a scene is flat this is Rayleigh speckle: its mean is 1.91 times its standard deviation.
    """
    transfer = _transfer((points.shape[0], points.shape[1]), point_spread)
    deep, across = (
        np.exp(-2j * np.pi * CELLS * s * np.fft.fftfreq(n))
        for n, s in zip(points.shape, shift, strict=True)
    )
    spectrum = np.fft.fft2((points + seen.mirrors) * 10.0 ** (seen.echo / 20.0))
    field = np.fft.ifft2(spectrum * transfer * np.multiply.outer(deep, across))
    return np.asarray(np.abs(field) / np.sqrt(np.mean(transfer**2)))


def crop_cells(values: Array, crop: Crop) -> Array:
    """The cells of the crop, without its border."""
    edge = BORDER * CELLS
    return values[edge : edge + crop.height * CELLS, edge : edge + crop.width * CELLS]


def compress(amplitude: Array, scanner: Scanner) -> NDArray[np.uint8]:
    """Grey levels of an amplitude: mean over each pixel's cells, logarithm, smoothed display."""
    rows, columns = (n // CELLS for n in amplitude.shape)
    level = amplitude.reshape(rows, CELLS, columns, CELLS).mean(axis=(1, 3))
    level = np.pad(20.0 * np.log10(np.maximum(level, 1e-6)), 1, mode="edge")
    level = 0.25 * level[:-2] + 0.5 * level[1:-1] + 0.25 * level[2:]
    level = 0.25 * level[:, :-2] + 0.5 * level[:, 1:-1] + 0.25 * level[:, 2:]
    grey = 255.0 * (scanner.brightness + level / scanner.dynamic_range)
    return np.clip(np.rint(grey), 0, 255).astype(np.uint8)
