"""Files that are either whole or absent."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a scratch path in the same folder, and move it to ``path`` when the block succeeds.

    The scratch name keeps the suffix, which some writers look at. Missing folders are made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        yield scratch
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)


def write_text(path: Path, text: str, *, errors: str = "surrogateescape") -> None:
    """Write UTF-8 text with line feeds; ``errors`` is what ``open`` does with lone surrogates."""
    with replacing(path) as scratch:
        scratch.write_text(text, encoding="utf-8", errors=errors, newline="\n")
