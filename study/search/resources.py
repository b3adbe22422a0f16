"""What the machine has for workers: cores, memory, and how many workers that makes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from ctypes.util import find_library
from importlib.util import find_spec
from itertools import product
from math import floor, prod
from pathlib import Path

import psutil

from study.errors import SettingsError
from study.model.capacity import EVALUATION_BATCH, capacity, layers
from study.protocol import Protocol
from study.search.cgroups import cpu_quotas, memory_left
from study.space import Parameter, Space
from study.variant import REFERENCE, REFERENCE_SGD, Variant

JOBS_ON_GPU = 1
"""Workers that share a GPU. Not measured: more than one may well be better."""

MEMORY_SHARE = 0.8
"""Share of the free memory that workers may be planned to fill."""

BASE_BYTES = 695_000_000
"""Resident memory of a worker that trains the smallest network; nearly all of it is TensorFlow."""

COPIES_TRAINED, COPIES_EVALUATED = 2.3, 1.0
"""Memory that training and evaluation keep, in multiples of the activations of one batch each;
with ``BASE_BYTES`` within +1 and +8 % of what six networks of 0.8 to 1.3 GB took on Linux."""

WEIGHT_COPIES = 5
"""Weights, gradients, two moments of Adam, and a copy on the way to the disk."""


def physical_cores() -> int:
    """Return the physical cores that this process may use, at least 1.

    Bounded by its affinity and by the CPU quota of its control groups, where there are such.
    """
    bounds: list[float] = [float(psutil.cpu_count(logical=False) or os.cpu_count() or 1)]
    if hasattr(os, "sched_getaffinity"):
        bounds.append(len(os.sched_getaffinity(0)))
    return max(1, floor(min(bounds + cpu_quotas())))


def available_memory() -> int:
    """Return the memory that new processes may take, bytes; limits of control groups count."""
    return max(0, min([int(psutil.virtual_memory().available), *memory_left()]))


def has_gpu() -> bool:
    """Tell whether training will find a GPU, without importing the library that would know.

    NVIDIA's driver must have one that ``CUDA_VISIBLE_DEVICES`` does not hide, and CUDA's libraries
    must be there, as Python packages or on the system.
    """
    if os.environ.get("CUDA_VISIBLE_DEVICES", "0").strip() in ("", "-1"):
        return False
    devices = Path("/dev").glob("nvidia[0-9]*")
    return any(devices) and (find_spec("nvidia") is not None or bool(find_library("cudart")))


def predicted_memory(space: Space, protocol: Protocol, images: int) -> int:
    """Return the resident memory that one worker will need at most, bytes.

    That is of the network and batch size of the space which need most and are below its limit;
    ``images`` are those of the training and validation parts.
    """
    height, width, channels = protocol.image_shape
    pixels = images + 4 * 2 * protocol.validation_samples  # bytes, and two sets of floats
    largest = max(_trained(variant, protocol) for variant in _candidates(space, protocol))
    return BASE_BYTES + pixels * height * width * channels + largest


def default_jobs(space: Space, protocol: Protocol, images: int, *, gpu: bool | None = None) -> int:
    """Return how many workers to start: one a physical core, as far as memory goes.

    On a GPU ``JOBS_ON_GPU``; ``gpu`` None means to look whether there is one.
    """
    if has_gpu() if gpu is None else gpu:
        return JOBS_ON_GPU
    fitting = MEMORY_SHARE * available_memory() / predicted_memory(space, protocol, images)
    return max(1, min(physical_cores(), floor(fitting)))


def _trained(variant: Variant, protocol: Protocol) -> int:
    """Return what training one variant adds, bytes."""
    sizes = layers(variant, protocol.image_shape)
    floats = sum(prod(layer.output_shape) for layer in sizes)
    kept = COPIES_TRAINED * variant.batch_size + COPIES_EVALUATED * EVALUATION_BATCH
    weights = sum(layer.parameters for layer in sizes)
    return int(4 * (kept * floats + WEIGHT_COPIES * weights))


def _candidates(space: Space, protocol: Protocol) -> Iterator[Variant]:
    """Yield the article's networks and those on the corners of the space that it allows."""
    yield from (REFERENCE, REFERENCE_SGD)
    limit = None
    if space.max_macs_ratio is not None:
        limit = space.max_macs_ratio * capacity(REFERENCE, protocol.image_shape).macs
    names = [item.name for item in space.parameters]
    for values in product(*(_steps(item) for item in space.parameters)):
        variant = space.variant(dict(zip(names, values, strict=True)))
        try:
            macs = capacity(variant, protocol.image_shape).macs
        except SettingsError:
            continue
        if limit is None or macs <= limit:
            yield variant


def _steps(item: Parameter) -> tuple[int | float | str, ...]:
    """Return the values of a parameter that may decide how much memory is needed."""
    if item.name in ("dropout", "learning_rate", "patience", "optimizer"):
        return item.choices[:1] or (item.high or 0.0,)
    if item.type == "choice":
        return item.choices
    assert item.low is not None
    assert item.high is not None
    if item.name not in ("filters", "filter_size", "blocks"):
        return (_as(item, item.high),)
    between = range(5)
    span = item.high - item.low
    values = [item.low + span * k / 4 // item.step * item.step for k in between]
    return tuple(dict.fromkeys(_as(item, value) for value in values))


def _as(item: Parameter, value: float) -> int | float:
    return int(value) if item.type == "int" else float(value)
