"""How many workers a machine gets, and what each of them is expected to take."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from study.protocol import Protocol
from study.search import resources
from study.search.resources import (
    JOBS_ON_GPU,
    available_memory,
    default_jobs,
    has_gpu,
    physical_cores,
    predicted_memory,
)
from study.space import find_space, parse_space

PROTOCOL = Protocol()
SPACE = """
question = "How large may it be?"
[parameters.batch_size]
type = "int"
low = 16
high = {batch}
why = "w"
[fixed]
filters = {filters}
padding = "same"
"""


def predicted(*, batch: int = 32, filters: int = 8) -> int:
    text = SPACE.format(batch=batch, filters=filters)
    space = parse_space(text, name="s", where="s.toml")
    return predicted_memory(space, PROTOCOL, images=225)


def test_cores_are_those_that_this_process_may_use() -> None:
    assert 1 <= physical_cores() <= (os.cpu_count() or 1)
    if hasattr(os, "sched_getaffinity"):
        assert physical_cores() <= len(os.sched_getaffinity(0))


def test_a_quota_on_the_processors_bounds_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "cpu_quotas", lambda: [7.0, 1.9])
    assert physical_cores() == 1
    monkeypatch.setattr(resources, "cpu_quotas", lambda: [0.3])
    assert physical_cores() == 1


def test_a_limit_on_memory_bounds_what_is_available(monkeypatch: pytest.MonkeyPatch) -> None:
    assert 0 < available_memory() <= psutil.virtual_memory().total
    monkeypatch.setattr(resources, "memory_left", lambda: [10**6])
    assert available_memory() == 10**6
    monkeypatch.setattr(resources, "memory_left", lambda: [-5])
    assert available_memory() == 0


def test_larger_batches_networks_and_sets_need_more_memory() -> None:
    assert predicted() <= predicted(batch=512) < predicted(batch=512, filters=64)
    space = find_space("seed")
    more = replace(PROTOCOL, validation_samples=100_000)
    assert predicted_memory(space, more, 225) > predicted_memory(space, PROTOCOL, 225)
    assert predicted_memory(space, PROTOCOL, 10**6) > predicted_memory(space, PROTOCOL, 225)


def test_workers_are_as_many_as_cores_and_memory_allow(monkeypatch: pytest.MonkeyPatch) -> None:
    space = find_space("seed")
    need = predicted_memory(space, PROTOCOL, 225)
    monkeypatch.setattr(resources, "physical_cores", lambda: 8)
    for memory, jobs in ((100 * need, 8), (4 * need, 3), (0, 1)):
        monkeypatch.setattr(resources, "available_memory", lambda memory=memory: memory)
        assert default_jobs(space, PROTOCOL, 225, gpu=False) == jobs
    assert default_jobs(space, PROTOCOL, 225, gpu=True) == JOBS_ON_GPU


@pytest.mark.parametrize("hidden", ["", "-1", " -1 "])
def test_a_gpu_that_is_hidden_is_not_there(hidden: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources.Path, "glob", lambda *_: iter([Path("/dev/nvidia0")]))
    monkeypatch.setattr(resources, "find_library", lambda _: "libcudart.so.12")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert has_gpu()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
    assert not has_gpu()
