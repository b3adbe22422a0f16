"""A batch computed in parts, on as many threads."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

from keras import ops


def batch_parts() -> int:
    """Return in how many parts, side by side, a batch is computed here; 1 on a GPU."""
    import tensorflow as tf

    if tf.config.list_physical_devices("GPU"):
        return 1
    return max(1, int(tf.config.threading.get_inter_op_parallelism_threads()))


def in_parts(function: Callable[..., Any], parts: int, *arrays: Any) -> Any:
    """Return ``function(*arrays)``, computed on ``parts`` slices of the batch of equal size."""
    if parts == 1:
        return function(*arrays)
    count = ops.shape(arrays[0])[0]
    # No slice may be empty: TensorFlow's pooling fails on those. What is repeated is cut off again.
    rows = ops.minimum(ops.arange(ops.maximum(count, parts)), count - 1)
    total = ops.shape(rows)[0]
    bounds = [total * k // parts for k in range(parts + 1)]
    done = [
        function(*(ops.take(array, rows[start:end], axis=0) for array in arrays))
        for start, end in pairwise(bounds)
    ]
    return ops.concatenate(done)[:count]
