"""Loading a stored network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from study.errors import ModelError


def load_network(path: Path) -> Any:
    """Return the network stored in a ``.keras`` file, for inference only.

    Safe mode: nothing in the file is executed. Raises ``ModelError`` when it cannot be loaded.
    """
    import keras

    try:
        return keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:
        cause = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ModelError(f"{path}: cannot be loaded as a Keras model: {cause}") from error
