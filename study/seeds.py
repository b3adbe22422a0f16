"""Seeds for every random act of a study, all derived from the study's one seed."""

from __future__ import annotations

import hashlib


def derive(seed: int, *purpose: str | int) -> int:
    """Return a seed in [0, 2**31) for one purpose, the same on every machine.

    Purposes are independent of each other and of the order in which they are asked for, so that
    a trial trained again after an interruption gets the seeds it had before.
    """
    text = "/".join(str(part) for part in (seed, *purpose))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1


def split_seed(seed: int) -> int:
    """Return the seed by which a study with this seed divides its images."""
    return derive(seed, "split")
