"""Hyperparameter search and model-complexity studies of small CNNs on small medical image sets.

The command ``study`` is the program; ``load_study`` and ``load_model`` give what it made to a
notebook. They are loaded when they are asked for.
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing's own would be most of what importing this package takes
if TYPE_CHECKING:
    from typing import Any

    from study.api import Model, Study, load_model, load_study

__version__ = "0.1.0"

__all__ = ["Model", "Study", "__version__", "load_model", "load_study"]


def __getattr__(name: str) -> Any:
    """Return a name of the Python interface, which is imported now."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module("study.api"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
