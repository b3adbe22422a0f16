"""Which network a network is, whatever file it lies in."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np


def network_digest(network: Any) -> str:
    """Return the SHA-256 of a network's configuration and weights.

    Two files of one network differ, because Keras writes the time into them. The names of layers,
    which count what else a process has built, are left out.
    """
    config = json.dumps(_nameless(network.get_config()), sort_keys=True, default=str)
    found = hashlib.sha256(config.encode())
    for weight in network.get_weights():
        array = np.ascontiguousarray(weight)
        found.update(f"{array.dtype.str}{array.shape}".encode())
        found.update(array.tobytes())
    return found.hexdigest()


def _nameless(config: Any) -> Any:
    if isinstance(config, dict):
        return {key: _nameless(value) for key, value in config.items() if key != "name"}
    return [_nameless(item) for item in config] if isinstance(config, list | tuple) else config
