"""Text that other programs show as it is."""

from __future__ import annotations

from typing import Any


def neutral(value: Any) -> Any:
    """Return a cell that a spreadsheet shows as it is and never runs as a formula."""
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r", "\n")):
        return "'" + value
    return value
