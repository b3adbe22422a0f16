"""Limits of Linux control groups: what a container may use of the machine it runs on.

Both versions are read, and every group from the process's own up to the root, for each of them
may be the one that binds. Without control groups nothing is found.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

ROOT = Path("/")


def cpu_quotas(root: Path = ROOT) -> list[float]:
    """Return the limits on the processors' time, in processors; ``root`` is that of the files."""
    found = []
    for group in _groups("cpu", root):
        quota, period = (_number(group / f"cpu.cfs_{name}_us") for name in ("quota", "period"))
        if (group / "cpu.max").is_file():
            quota, period = map(_whole, (group / "cpu.max").read_text().split())
        if quota is not None and period and quota > 0:
            found.append(quota / period)
    return found


def memory_left(root: Path = ROOT) -> list[int]:
    """Return what each limited group leaves of its memory, bytes.

    Cached files that nobody reads now are given back by the system when memory is wanted, and so
    count as free.
    """
    found = []
    for group in _groups("memory", root):
        for limit, usage, cached in (
            ("memory.max", "memory.current", "inactive_file"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        ):
            most, used = _number(group / limit), _number(group / usage)
            if most is not None and used is not None:
                found.append(most - used + _statistic(group / "memory.stat", cached))
    return found


def _groups(controller: str, root: Path) -> Iterator[Path]:
    """Yield the folders of the process's groups that control something, innermost first."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    mounted = root / "sys/fs/cgroup"
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        base = mounted / controllers if controllers else mounted
        own = base / path.lstrip("/")
        yield from (place for place in (own, *own.parents) if place.is_relative_to(base))


def _statistic(path: Path, name: str) -> int:
    try:
        rows = dict(line.split(maxsplit=1) for line in path.read_text().splitlines())
        return int(rows.get(name, 0))
    except (OSError, ValueError):
        return 0


def _number(path: Path) -> int | None:
    try:
        return _whole(path.read_text().strip())
    except OSError:
        return None


def _whole(text: str) -> int | None:
    """Return the number; None for ``max``, which is how version 2 says that there is no limit."""
    return None if text == "max" else int(text)
