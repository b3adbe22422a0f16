"""What the trials of a study share: image size, augmentation, budgets, class weights."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from study.errors import SettingsError, near_miss

CLASS_WEIGHTS = ("balanced", "none")


RESIZE_FILTERS = ("bilinear", "nearest", "bicubic", "lanczos", "box")

FITS = ("stretch", "pad", "crop")


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """Ranges from which the random transforms are drawn, uniformly and independently.

    The defaults are the article's. Shifts are fractions of the image's width and height, so
    that a drawn transform means the same at any image size.
    """

    rotation: float = 40.0
    """Largest rotation to either side, degrees."""
    shift_x: float = 0.2
    """Largest shift to either side, as a fraction of the width."""
    shift_y: float = 0.2
    """Largest shift up or down, as a fraction of the height."""
    shear: float = 0.2
    """Largest shear, degrees (as in Keras' ``ImageDataGenerator``)."""
    zoom: float = 0.2
    """The scale of each axis is drawn from 1 - zoom to 1 + zoom."""
    flip_horizontal: bool = True
    flip_vertical: bool = True

    def __post_init__(self) -> None:
        limits = {
            "rotation": (0, 180),
            "shift_x": (0, 1),
            "shift_y": (0, 1),
            "shear": (0, 80),
            "zoom": (0, 0.9),
        }
        for name, (low, high) in limits.items():
            _check_number(f"augmentation, {name}", getattr(self, name), low, high)


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """The conditions under which every trial of a study is trained; the article's by default."""

    image_width: int = 40
    image_height: int = 30
    channels: int = 1
    resize_filter: str = "bilinear"
    """Pillow's filter; bilinear averages over the source area when it shrinks."""
    fit: str = "stretch"
    """How the aspect ratio is fitted: ``stretch`` ignores it, as the article did."""
    epochs: int = 1000
    """Most epochs of a trial."""
    samples_per_epoch: int = 10_000
    """Augmented training images of one epoch."""
    validation_samples: int = 1_000
    """Size of the fixed augmented validation set, and of the fixed probe of the training part."""
    augmentation: Augmentation = field(default_factory=Augmentation)
    class_weights: str = "balanced"
    """``balanced``: images / (classes * images of the class), as in scikit-learn; or ``none``."""
    target_f_med: float = 0.90
    """A training F_med that stays below this marks high bias."""
    quick: bool = False
    """Budgets cut for a first look; not the full protocol."""

    def __post_init__(self) -> None:
        limits = {
            "image_width": (4, 4096),
            "image_height": (4, 4096),
            "epochs": (1, 1_000_000),
            "samples_per_epoch": (1, 100_000_000),
            "validation_samples": (1, 10_000_000),
        }
        for name, (low, high) in limits.items():
            option = "--" + name.replace("_", "-")
            if name.startswith("image_"):
                option = f"--image-size, {name.removeprefix('image_')}"
            _check_number(option, getattr(self, name), low, high, int)
        _check_number("target_f_med", self.target_f_med, 0, 1)
        if self.channels not in (1, 3):
            raise SettingsError(f"channels: found {self.channels!r}; allowed: 1 (grey), 3 (colour)")
        _check_word("--resize-filter", self.resize_filter, RESIZE_FILTERS)
        _check_word("--fit", self.fit, FITS)
        _check_word("class_weights", self.class_weights, CLASS_WEIGHTS)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of the network's input."""
        return self.image_height, self.image_width, self.channels

    def as_dict(self) -> dict[str, Any]:
        """Return the protocol as nested plain values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Protocol:
        """Rebuild a protocol from :meth:`as_dict`."""
        return cls(**{**values, "augmentation": Augmentation(**values["augmentation"])})


def _check_word(name: str, value: Any, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise SettingsError(
            f"{name}: found {value!r}{near_miss(str(value), allowed)}; allowed: "
            f"{', '.join(allowed)}"
        )


def _check_number(name: str, value: Any, low: float, high: float, kind: type = float) -> None:
    allowed = int if kind is int else (int, float)
    if isinstance(value, bool) or not isinstance(value, allowed) or not low <= value <= high:
        whole = "a whole number from " if kind is int else ""
        raise SettingsError(f"{name}: found {value!r}; allowed: {whole}{low} to {high}")
