"""What an audit found, as plain values for JSON, the ledger and the report."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

GRADES = ("error", "warning", "note")
"""From grave to plain: figures mean something else; something may be wrong; good to know."""


BEYOND_CHANCE = 0.01
"""How far a baseline has to be above its chance to count as a shortcut."""


def is_shortcut(score: float | None, chance: float | None) -> bool:
    """Tell whether a baseline that sees nothing of the tissue beats a coin and permuted labels."""
    if score is None or chance is None:
        return False
    return score >= max(chance, 0.5) + BEYOND_CHANCE


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that the user should know about the data."""

    grade: str
    """One of ``GRADES``."""
    code: str
    """Stable name in lower case with hyphens, such as ``straddling-groups``."""
    message: str
    """What was found and what it means, one or two sentences."""


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Least, median and greatest value of one measure over the images of one class."""

    low: float
    median: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Audit:
    """The state of a set of images under one split."""

    dataset: str
    """Name of the source."""
    source: str
    """Where it lies."""
    synthetic: bool
    images: int
    """Readable images."""
    classes: dict[str, int]
    """Images by class."""
    positive: str
    negative: str
    groups: int
    grouping: str
    """Where groups come from: ``given``, ``content``, or ``copies`` (exact copies only)."""
    split: dict[str, Any]
    """As ``manifest.describe`` gives it."""
    straddling_groups: int
    """Groups with images in more than one part."""
    sizes: dict[str, dict[str, Spread]]
    """Class to measure (``width``, ``height`` in pixels, ``mean_grey`` 0..255, ``kilobytes``)."""
    formats: dict[str, int]
    """Images by format, most first."""
    broken: list[dict[str, str]]
    """``path`` and ``reason`` of every file that is left out."""
    exact_duplicates: list[list[str]]
    """Paths of images of one class whose decoded pixels are the same, a list for each such set."""
    label_conflicts: list[list[dict[str, str]]]
    """``path`` and ``label`` of images with the same pixels in different classes."""
    near_copies: dict[str, Any]
    """``images`` with a near-copy, ``across_groups`` (pairs), ``test_images`` and
    ``validation_images`` with one in a part that they must not share with, ``test_compared``,
    ``validation_compared`` and ``others_compared``, the ``threshold`` of grouping, ``chained``
    (images in one group that could not be cut) and ``in_words``. With ``sampled`` the first two
    are None, the others of a sample."""
    baselines: dict[str, float | None] = field(default_factory=dict)
    """F_med by baseline, mean over seeds; None where the data are too few; empty when not run."""
    chance: dict[str, float] = field(default_factory=dict)
    """For baselines that were compared with permuted labels: the highest F_med of those."""
    baseline_images: int = 0
    """Images that the baselines were measured on: all, or a sample of whole groups."""
    findings: list[Finding] = field(default_factory=list)
    """The gravest first."""

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


def number(count: int, noun: str) -> str:
    """Return a count with its noun: ``1 image``, ``1,200 images``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
