"""Files that are either whole or absent."""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tokenize import TokenError

TORN = (
    *(OSError, ValueError, TypeError, KeyError, IndexError, EOFError, RuntimeError),
    *(zipfile.BadZipFile, zlib.error, MemoryError, OverflowError, SyntaxError, TokenError),
)
"""What NumPy and zipfile raise for arrays that are cut short, overwritten, or not theirs."""


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
