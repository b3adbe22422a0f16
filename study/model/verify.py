"""Comparison of an exported network with its original, in a process that did not write it."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from study.errors import StudyError, in_a_line
from study.files import write_text
from study.model.backend import BACKEND_ENVIRONMENT
from study.model.capacity import EVALUATION_BATCH
from study.model.formats import FORMATS, Format, predict_in_batches

IMAGES, EXPECTED, FOUND = "images.npy", "expected.npy", "found.json"


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """How far a format is from the original on as many images."""

    largest_difference: float | None
    """Of two probabilities; None where one is not a number, or where nothing was computed."""
    error: str | None = None
    """Why the format cannot be loaded or run."""


def compare(
    folder: Path,
    formats: Iterable[Format],
    images: NDArray[np.uint8],
    expected: NDArray[np.float32],
) -> dict[str, float]:
    """Load each format in a fresh process; return its largest difference from ``expected``.

    ``folder`` holds the formats, ``images`` is (n, height, width, channels), 0..255, ``expected``
    (n,) the original's probabilities. The images are given in batches and the first of them also
    alone: a format must take any number. Keyed by the format's name.

    Raises ``StudyError`` when a format cannot be used, or differs by more than its tolerance.
    """
    wanted = {item.name: item for item in formats}
    with tempfile.TemporaryDirectory(prefix="study-export-") as name:
        desk = Path(name)
        np.save(desk / IMAGES, images, allow_pickle=False)
        np.save(desk / EXPECTED, expected, allow_pickle=False)
        found = _in_a_fresh_process(folder, desk, wanted)
    for key, comparison in found.items():
        _refuse_difference(wanted[key], comparison, len(images))
    return {key: float(item.largest_difference or 0) for key, item in found.items()}


def _in_a_fresh_process(
    folder: Path, desk: Path, formats: Mapping[str, Format]
) -> dict[str, Comparison]:
    # A graphics card computes with shorter numbers than the tolerances allow for.
    environment = {**BACKEND_ENVIRONMENT, **os.environ, "CUDA_VISIBLE_DEVICES": "-1"}
    command = [sys.executable, "-m", __name__, str(folder.absolute()), str(desk), *formats]
    done = subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    try:
        answer = json.loads((desk / FOUND).read_text(encoding="utf-8"))
        found = {name: Comparison(**item) for name, item in answer.items()}
    except (OSError, ValueError, TypeError) as error:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise StudyError(
            f"the exported files could not be compared with the network: that process ended with "
            f"status {done.returncode}{''.join(f' ({line})' for line in last)}"
        ) from error
    return {name: found.get(name, Comparison(largest_difference=None)) for name in formats}


def _refuse_difference(item: Format, found: Comparison, images: int) -> None:
    if found.error is not None:
        raise StudyError(
            f"--format {item.name}: {item.path} was written but cannot be used ({found.error}); "
            "nothing was exported"
        )
    largest = found.largest_difference
    if largest is None or largest > item.tolerance:
        said = (
            "gives a probability that is not a number"
            if largest is None
            else f"differs from the network by {largest:.2g} in a probability, at most "
            f"{item.tolerance:g} is allowed"
        )
        raise StudyError(
            f"--format {item.name}: {item.path} {said} ({images:,} validation images compared); "
            "nothing was exported"
        )


def largest_difference(
    item: Format, path: Path, images: NDArray[np.uint8], expected: NDArray[np.float32]
) -> float | None:
    """Return the largest difference of a stored network, None where it is not a number."""
    predict = item.load(path)
    together = predict_in_batches(predict, images, EVALUATION_BATCH)
    alone = predict_in_batches(predict, images[:1], 1)
    differences = np.abs(
        np.concatenate([together, alone]).astype(np.float64)
        - np.concatenate([expected, expected[:1]])
    )
    largest = float(differences.max())  # which is NaN where any of them is
    return largest if math.isfinite(largest) else None


def main(folder: str, desk: str, *names: str) -> int:
    """Compare the formats with these names, and write what was found."""
    images = np.load(Path(desk) / IMAGES, allow_pickle=False)
    expected = np.load(Path(desk) / EXPECTED, allow_pickle=False)
    found: dict[str, dict[str, object]] = {}
    for name in names:
        item = FORMATS[name]
        try:
            largest = largest_difference(item, Path(folder) / item.path, images, expected)
            found[name] = {"largest_difference": largest}
        except Exception as error:  # each runtime has its own ways to refuse a file
            found[name] = {"largest_difference": None, "error": in_a_line(error)}
    write_text(Path(desk) / FOUND, json.dumps(found))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
