"""A variant: the hyperparameters of one network and of its training."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from study.errors import SettingsError, near_miss


def _number(default: float, why: str, low: float, high: float) -> Any:
    return field(default=default, metadata={"why": why, "low": low, "high": high})


def _choice(default: str, why: str, *choices: str) -> Any:
    return field(default=default, metadata={"why": why, "choices": choices})


@dataclass(frozen=True, kw_only=True)
class Variant:
    """Hyperparameters of one network and its training; the defaults are the reference network.

    Raises ``SettingsError`` when a value is outside the range given in the field's metadata.
    """

    filters: int = _number(64, "convolution filters of every block", 1, 1024)
    filter_size: int = _number(3, "side of the square convolution filters, pixels", 1, 15)
    blocks: int = _number(3, "blocks of convolution, ReLU and pooling", 1, 8)
    padding: str = _choice("valid", "padding of the convolutions", "valid", "same")
    stride: int = _number(1, "stride of the convolutions, pixels", 1, 4)
    pooling: str = _choice("max", "kind of the 2x2 pooling", "max", "average")
    dense_width: int = _number(64, "units of every hidden dense layer", 1, 4096)
    dense_layers: int = _number(2, "hidden dense layers", 0, 6)
    dropout: float = _number(0.5, "share of dense units dropped in training", 0.0, 0.95)
    batch_size: int = _number(32, "images of one training step", 1, 8192)
    optimizer: str = _choice("adam", "optimizer (sgd: Nesterov)", "adam", "sgd", "rmsprop")
    learning_rate: float = _number(1e-3, "learning rate", 1e-7, 10.0)
    patience: int = _number(50, "epochs without a better validation F_med", 1, 100_000)

    def __post_init__(self) -> None:
        for item in fields(self):
            check_value(item.name, getattr(self, item.name))

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as plain values, in the order of their declaration."""
        return {item.name: getattr(self, item.name) for item in fields(self)}

    def in_words(self) -> str:
        """Return a short description: the blocks, the dense layers, then the training."""
        dense = (
            f"{self.dense_layers} x dense {self.dense_width}" if self.dense_layers else "no dense"
        )
        optimizer = "SGD Nesterov" if self.optimizer == "sgd" else self.optimizer.capitalize()
        optimizer = "RMSprop" if self.optimizer == "rmsprop" else optimizer
        return (
            f"{self.blocks} x conv {self.filters} of {self.filter_size}x{self.filter_size}, "
            f"{dense}, dropout {self.dropout:.2g}, {optimizer} {self.learning_rate:.2g}, "
            f"batch {self.batch_size}, patience {self.patience}"
        )


def variant_fields() -> dict[str, type]:
    """Return the names of a variant's fields and their types (int, float or str)."""
    return {item.name: type(item.default) for item in fields(Variant)}


def check_value(name: str, value: object) -> None:
    """Raise ``SettingsError`` unless ``value`` is allowed for the variant field ``name``."""
    known = {item.name: item for item in fields(Variant)}
    if name not in known:
        raise SettingsError(
            f"unknown hyperparameter {name!r}{near_miss(name, known)}; known: {', '.join(known)}"
        )
    item = known[name]
    kind = type(item.default)
    if kind is str:
        choices = item.metadata["choices"]
        if value not in choices:
            raise SettingsError(
                f"{name}: found {value!r}{near_miss(str(value), choices)}; "
                f"allowed: {', '.join(choices)}"
            )
        return
    allowed = (int,) if kind is int else (int, float)
    low, high = item.metadata["low"], item.metadata["high"]
    if isinstance(value, bool) or not isinstance(value, allowed):
        raise SettingsError(f"{name}: found {value!r}; allowed: a number of type {kind.__name__}")
    if not low <= value <= high:
        raise SettingsError(f"{name}: found {value!r}; allowed: {low} to {high}")


REFERENCE = Variant()
"""The article's network with Adam, padded as in its notebook."""

REFERENCE_SGD = Variant(optimizer="sgd", learning_rate=0.01, patience=100)
"""The article's network with SGD and Nesterov momentum."""
