"""Seconds and memory of reading and grouping 30,000 images."""

from __future__ import annotations

import multiprocessing
import os
import re
import sys
import tempfile
import time
from argparse import ArgumentParser, Namespace
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.benchmarks.result import Figure, Result

MINUTES, GIGABYTES = 3.0, 2.0
"""What reading and grouping 30,000 images may take on two cores."""

FRAMES = 5
COARSE = 8

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def add_options(parser: ArgumentParser) -> None:
    parser.add_argument("--images", type=int, default=30_000, help="thumbnails to group")
    parser.add_argument("--files", type=int, default=1000, help="PNG files to read")
    parser.add_argument("--threads", type=int, default=2, help="threads of the matrix products")


def run(options: Namespace) -> Result:
    grouping = _alone(_group, options.images, threads=options.threads)
    reading = _alone(_read, options.files, threads=1)
    minutes = reading["seconds"] / options.files * options.images / 60
    figures = (
        Figure(name="grouping", value=grouping["seconds"], unit="s"),
        Figure(
            name="grouping, processor time of all threads",
            value=grouping["processor_seconds"],
            unit="s",
        ),
        Figure(name="reading, scaled to as many files", value=minutes * 60, unit="s"),
        Figure(
            name=f"both, {options.images:,} images",
            value=grouping["seconds"] / 60 + minutes,
            unit="min",
            high=MINUTES,
        ),
        Figure(
            name="highest resident memory, grouping",
            value=grouping["gigabytes"],
            unit="GB",
            high=GIGABYTES,
        ),
        Figure(
            name="groups found, of those drawn",
            value=grouping["groups"] / (options.images / FRAMES),
            low=1.0,
            high=1.0,
        ),
    )
    return Result(figures=figures, details={"grouping": grouping, "reading": reading})


def drawn_thumbnails(images: int, seed: int = 0) -> NDArray[np.float32]:
    """Draw standardised thumbnails (n, 32, 32) of smooth scenes, five near-copies of each in turn.

    Frames of a scene correlate at about 0.98.
    """
    from study.dataset.groups import SIDE

    rng = np.random.default_rng(seed)
    places = np.linspace(0, COARSE - 1, SIDE)
    spread = np.maximum(0.0, 1.0 - np.abs(places[:, None] - np.arange(COARSE))).astype(np.float32)
    coarse = rng.standard_normal((images // FRAMES, COARSE, COARSE), dtype=np.float32)
    scenes = spread @ coarse @ spread.T
    thumbnails = np.empty((len(scenes) * FRAMES, SIDE, SIDE), dtype=np.float32)
    for frame in range(FRAMES):
        speckle = rng.standard_normal(scenes.shape, dtype=np.float32)
        thumbnails[frame::FRAMES] = scenes + 0.1 * speckle
    thumbnails -= thumbnails.mean(axis=(1, 2), keepdims=True)
    thumbnails /= np.sqrt(np.einsum("nij,nij->n", thumbnails, thumbnails))[:, None, None]
    return thumbnails


def _group(images: int) -> dict[str, Any]:
    from study.dataset.groups import group_by_content

    thumbnails = drawn_thumbnails(images)
    started, worked = time.perf_counter(), time.process_time()
    grouping = group_by_content(thumbnails)
    seconds, processor = time.perf_counter() - started, time.process_time() - worked
    return {
        "images": len(thumbnails),
        "groups": len(np.unique(grouping.group)),
        "seconds": seconds,
        "processor_seconds": processor,
        "gigabytes": highest_memory() / 1e9,
    }


def _read(files: int) -> dict[str, Any]:
    from PIL import Image

    from study.dataset.phantom.drawing import generate
    from study.dataset.sources.opening import open_source

    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch) / "images"
        size = 0
        for number, image in enumerate(generate(lesions=files // FRAMES, frames=FRAMES)):
            path = root / image.lesion.label / image.lesion.name / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image.pixels).save(path)
            size += path.stat().st_size
        started, worked = time.perf_counter(), time.process_time()
        source = open_source(str(root), cache=Path(scratch) / "cache")
        seconds, processor = time.perf_counter() - started, time.process_time() - worked
    return {
        "files": len(source.images),
        "kilobytes_each": size / len(source.images) / 1e3,
        "seconds": seconds,
        "processor_seconds": processor,
        "gigabytes": highest_memory() / 1e9,
    }


def _alone(work: Any, amount: int, *, threads: int) -> dict[str, Any]:
    """Run a function in a fresh process, whose libraries see the number of threads at import."""
    kept = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, str(threads)))
    try:
        fresh = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, mp_context=fresh) as pool:
            found: dict[str, Any] = pool.submit(work, amount).result()
            return found
    finally:
        for name, value in kept.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def highest_memory() -> int:
    """Return the most bytes that this process has held in memory."""
    status = Path("/proc/self/status")
    if status.exists():  # Linux' rusage begins with what the parent held
        found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text(encoding="utf-8"))
        if found:
            return int(found[1]) * 1024
    import resource

    highest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return highest if sys.platform == "darwin" else highest * 1024
