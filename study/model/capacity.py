"""How large a variant's network is, counted without building it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from study.errors import SettingsError
from study.variant import Variant

EVALUATION_BATCH = 128
"""Images that a network judges at once: fewer are slower, more take more memory than training."""

_POOL = 2
"""Side and stride of the pooling window."""


@dataclass(frozen=True, kw_only=True)
class LayerSize:
    """One layer of a network: its output's shape (without the batch) and what it costs."""

    name: str
    output_shape: tuple[int, ...]
    parameters: int
    macs: int


@dataclass(frozen=True, kw_only=True)
class Capacity:
    """Trainable parameters, and multiply-accumulates of one forward pass of one image."""

    parameters: int
    macs: int


def capacity(variant: Variant, image_shape: tuple[int, int, int]) -> Capacity:
    """Return the size of the variant's network for images of (height, width, channels).

    Multiply-accumulates are those of the convolutions and dense layers; biases, pooling and
    activations are not counted.

    Raises ``SettingsError`` when a feature map would be smaller than one pixel.
    """
    sizes = layers(variant, image_shape)
    return Capacity(
        parameters=sum(layer.parameters for layer in sizes),
        macs=sum(layer.macs for layer in sizes),
    )


def layers(variant: Variant, image_shape: tuple[int, int, int]) -> list[LayerSize]:
    """Return the layers of the variant's network from input to output, activations included.

    Dropout and rescaling, which have no size of their own, are left out.

    Raises ``SettingsError`` when a feature map would be smaller than one pixel.
    """
    sizes = _convolutional(variant, image_shape)
    height, width, channels = sizes[-1].output_shape
    features = height * width * channels
    sizes.append(LayerSize(name="flatten", output_shape=(features,), parameters=0, macs=0))
    for number in range(1, variant.dense_layers + 1):
        sizes.append(_dense(f"dense {number}", features, variant.dense_width))
        features = variant.dense_width
    sizes.append(_dense("output", features, 1))
    return sizes


def _convolutional(variant: Variant, image_shape: tuple[int, int, int]) -> list[LayerSize]:
    """Return the sizes of the blocks: a convolution and a pooling each."""
    height, width, channels = image_shape
    sizes = []
    for block in range(1, variant.blocks + 1):
        inside = _convolved(height, variant), _convolved(width, variant)
        pooled = inside[0] // _POOL, inside[1] // _POOL
        if min(*inside, *pooled) < 1:
            raise _too_small(variant, image_shape, block, (height, width))
        weights = variant.filter_size**2 * channels * variant.filters
        channels = variant.filters
        sizes += [
            LayerSize(
                name=f"convolution {block}",
                output_shape=(*inside, channels),
                parameters=weights + channels,
                macs=weights * inside[0] * inside[1],
            ),
            LayerSize(
                name=f"pooling {block}", output_shape=(*pooled, channels), parameters=0, macs=0
            ),
        ]
        height, width = pooled
    return sizes


def _dense(name: str, inputs: int, units: int) -> LayerSize:
    return LayerSize(
        name=name, output_shape=(units,), parameters=(inputs + 1) * units, macs=inputs * units
    )


def _convolved(side: int, variant: Variant) -> int:
    """Return the side of a convolution's output; below 1 where the filter does not fit."""
    if variant.padding == "same":
        return -(-side // variant.stride)
    return (side - variant.filter_size) // variant.stride + 1


def _smallest_side(variant: Variant) -> int:
    """Return the smallest image side that leaves one pixel after the last block."""
    side = 1
    for _ in range(variant.blocks):
        side = (_POOL * side - 1) * variant.stride + 1
        if variant.padding == "valid":
            side += variant.filter_size - 1
    return side


def _too_small(
    variant: Variant, image_shape: tuple[int, int, int], block: int, found: tuple[int, int]
) -> SettingsError:
    """Return the error that names the block, its input and every single change that helps."""
    height, width, _ = image_shape
    side = _smallest_side(variant)
    changes: list[dict[str, Any]] = [
        {"blocks": block - 1},
        *({"filter_size": smaller} for smaller in range(variant.filter_size - 1, 0, -1)),
        *({"stride": smaller} for smaller in range(variant.stride - 1, 0, -1)),
        {"padding": "same"},
    ]
    ways = {"images": f"images of at least {side}x{side}"}
    for change in changes:
        ((name, value),) = change.items()
        helps = value != 0 and _smallest_side(replace(variant, **change)) <= min(height, width)
        if helps and name not in ways:
            ways[name] = f"{name} {value}"
    return SettingsError(
        f"blocks: images of {width}x{height} (width x height) leave {found[1]}x{found[0]} for "
        f"block {block} of {variant.blocks}, too small for a convolution of "
        f"{variant.filter_size}x{variant.filter_size} with padding {variant.padding} and stride "
        f"{variant.stride}, then {_POOL}x{_POOL} pooling; use {' or '.join(ways.values())}"
    )
