"""What a benchmark found: figures beside what was expected of them, and the machine."""

from __future__ import annotations

import json
import os
import platform
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Protocol

from rich import box
from rich.console import Console
from rich.table import Table

from study.files import write_text

PACKAGES = ("numpy", "scipy", "scikit-learn", "pillow", "tensorflow", "keras", "optuna")


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One measured number, with the bounds in which it should lie, inclusive."""

    name: str
    value: float
    unit: str = ""
    low: float | None = None
    high: float | None = None

    @property
    def holds(self) -> bool | None:
        """Whether the value lies within its bounds; None where it has none."""
        if self.low is None and self.high is None:
            return None
        return bool(
            (self.low is None or self.low <= self.value)
            and (self.high is None or self.value <= self.high)
        )

    @property
    def expected(self) -> str:
        """The bounds in words, empty where there are none."""
        if self.low is None and self.high is None:
            return ""
        if self.low is None:
            return f"at most {self.high:g}"
        if self.low == self.high:
            return f"{self.low:g}"
        return f"at least {self.low:g}" if self.high is None else f"{self.low:g} to {self.high:g}"


@dataclass(frozen=True, kw_only=True)
class Result:
    """The figures of one run of a benchmark."""

    figures: tuple[Figure, ...]
    details: Mapping[str, Any] = field(default_factory=dict)
    """Plain values for JSON: what the figures were computed from."""


class Benchmark(Protocol):
    """A module of this package; the first line of its docstring says what it measures."""

    __doc__: str | None

    def add_options(self, parser: ArgumentParser) -> None:
        """Add the benchmark's own options; the defaults are those of the README's figures."""

    def run(self, options: Namespace) -> Result:
        """Measure."""


def machine() -> dict[str, Any]:
    """Return what the benchmark runs on, and how busy that is before it starts."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        **{package: found for package in PACKAGES if (found := _version(package))},
    }


def as_table(figures: tuple[Figure, ...]) -> Table:
    """Return the figures as a table that is Markdown, too."""
    table = Table(box=box.MARKDOWN)
    for heading in ("figure", "found", "expected", "holds"):
        table.add_column(heading, no_wrap=True)
    for item in figures:
        digits = 2 if abs(item.value) < 10 else 0
        found = f"{item.value:.{digits}f} {item.unit}".strip()
        holds = {None: "", True: "yes", False: "**no**"}[item.holds]
        table.add_row(item.name, found, item.expected, holds)
    return table


def report(result: Result, *, about: Mapping[str, Any]) -> None:
    """Print the figures and the machine, in a form that a README can take."""
    Console(width=200).print(as_table(result.figures))
    print("; ".join(f"{key} {value}" for key, value in about.items()))


def write(
    result: Result, path: Path, *, name: str, settings: Mapping[str, Any], about: Mapping[str, Any]
) -> None:
    """Write everything as JSON; ``about`` is the machine."""
    figures = [{**asdict(item), "holds": item.holds} for item in result.figures]
    document = {
        "benchmark": name,
        "settings": settings,
        "machine": about,
        "figures": figures,
        "details": result.details,
    }
    write_text(path, json.dumps(document, indent=2) + "\n")


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
