"""Keeping the training library's own chatter off the terminal."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet_backend() -> Iterator[None]:
    """Send what native libraries print on standard error nowhere, while the block runs.

    TensorFlow greets with lines that no setting silences. Python's own errors are not affected:
    they are raised and printed after the block.
    """
    from study.model.backend import BACKEND_ENVIRONMENT

    for key, value in BACKEND_ENVIRONMENT.items():
        os.environ.setdefault(key, value)
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
