"""What a terminal can show, and what it shows while nothing has come out yet."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


def printable(text: str) -> str:
    """Return a text with question marks for what no terminal shows, as bytes that are no UTF-8."""
    return "".join(c if c.isprintable() else "?" for c in text)


@contextmanager
def saying(what: str) -> Iterator[None]:
    """Show on a terminal what is being done, while the block runs."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield
        return
    with console.status(f"{what} ..."):
        yield
