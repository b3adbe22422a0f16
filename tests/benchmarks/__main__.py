"""``python -m tests.benchmarks NAME``: run one benchmark, print its figures, keep them as JSON."""

from __future__ import annotations

import argparse
import importlib
import time
from pathlib import Path
from typing import cast

from tests.benchmarks.result import Benchmark, machine, report, write

BENCHMARKS = (
    "groups",
    "phantom",
    "search",
    "epoch",
    "profile",
    "workers",
    "overhead",
    "start",
    "memory",
    "report",
    "rivals",
    "estimators",
    "winner",
)

OUTPUT = Path(".benchmarks")
"""Ignored by git."""


def load(name: str) -> Benchmark:
    return cast(Benchmark, importlib.import_module(f"tests.benchmarks.{name}"))


def main() -> int:
    """Return 0 when every figure lies within its bounds, 1 when one does not."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks", description="Run one benchmark."
    )
    names = parser.add_subparsers(dest="name", metavar="NAME")
    for name in BENCHMARKS:
        summary = (load(name).__doc__ or "").splitlines()[0]
        own = names.add_parser(
            name,
            help=summary,
            description=summary,
            formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        )
        own.add_argument("--out", type=Path, default=OUTPUT / f"{name}.json", help="JSON file")
        load(name).add_options(own)
    options = parser.parse_args()
    if options.name is None:
        parser.print_help()
        return 0
    about, started = machine(), time.monotonic()
    result = load(options.name).run(options)
    settings = {key: value for key, value in vars(options).items() if key not in ("name", "out")}
    about["minutes"] = round((time.monotonic() - started) / 60, 1)
    write(result, options.out, name=options.name, settings=settings, about=about)
    report(result, about=about)
    print(f"written to {options.out}")
    return 1 if any(item.holds is False for item in result.figures) else 0


if __name__ == "__main__":
    raise SystemExit(main())
