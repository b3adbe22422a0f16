"""Limits of control groups, as a kernel of either version shows them."""

from __future__ import annotations

from pathlib import Path

import pytest

from study.search.cgroups import cpu_quotas, memory_left


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def test_version_two_is_read_from_the_group_and_from_those_around_it(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "proc/self/cgroup": "0::/slice/task\n",
            "sys/fs/cgroup/slice/task/cpu.max": "150000 100000\n",
            "sys/fs/cgroup/slice/cpu.max": "max 100000\n",
            "sys/fs/cgroup/slice/task/memory.max": "max\n",
            "sys/fs/cgroup/slice/task/memory.current": "70\n",
            "sys/fs/cgroup/slice/memory.max": "1000\n",
            "sys/fs/cgroup/slice/memory.current": "800\n",
            "sys/fs/cgroup/slice/memory.stat": "anon 500\ninactive_file 120\n",
        },
    )
    assert cpu_quotas(tmp_path) == [1.5]
    assert memory_left(tmp_path) == [1000 - 800 + 120]


def test_version_one_is_read_from_the_controllers_own_tree(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "proc/self/cgroup": "4:memory:/docker/1\n3:cpu,cpuacct:/docker/1\n1:name=systemd:/\n",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1\n",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
            "sys/fs/cgroup/cpu,cpuacct/docker/1/cpu.cfs_quota_us": "50000\n",
            "sys/fs/cgroup/cpu,cpuacct/docker/1/cpu.cfs_period_us": "100000\n",
            "sys/fs/cgroup/memory/docker/1/memory.limit_in_bytes": "2000\n",
            "sys/fs/cgroup/memory/docker/1/memory.usage_in_bytes": "500\n",
            "sys/fs/cgroup/memory/docker/1/memory.stat": "total_inactive_file 30\n",
        },
    )
    assert cpu_quotas(tmp_path) == [0.5]
    assert memory_left(tmp_path) == [2000 - 500 + 30]


@pytest.mark.parametrize("files", [{}, {"proc/self/cgroup": "0::/\n"}])
def test_without_limits_nothing_is_found(tmp_path: Path, files: dict[str, str]) -> None:
    write(tmp_path, files)
    assert cpu_quotas(tmp_path) == []
    assert memory_left(tmp_path) == []
