"""Rivals that are measured in turn: a process each, warmed up once, at work one after another.

Machines are noisy, so that only ratios of figures taken next to each other mean anything; and
TensorFlow's threads are set once in the life of a process.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import Connection, wait
from statistics import median
from typing import Any

Found = Mapping[str, Any]
"""What a rival measured in one turn; ``seconds`` is the time that the turn took."""


class Turn:
    """Called by a rival at the end of every turn; returns when the next one begins.

    ``began`` is when the turn began, by ``time.perf_counter``.
    """

    def __init__(self, pipe: Connection) -> None:
        self._pipe, self.began = pipe, time.perf_counter()

    def __call__(self, **found: Any) -> None:
        seconds = time.perf_counter() - self.began
        self._pipe.send({"seconds": seconds, **found})
        self._pipe.recv()
        self.began = time.perf_counter()


class Rival:
    """A process that runs ``work(turn, *arguments)``; as a context, it lives as long as that.

    What it does before it first calls ``turn`` is its warm-up. With ``threads`` None it runs
    with TensorFlow's own defaults, else as a worker of a study does.
    """

    def __init__(
        self, work: Callable[..., None], *arguments: Any, threads: int | None = None
    ) -> None:
        self.name = work.__name__
        self.warm_up: Found = {}
        self._task = (work, arguments, threads)

    def __enter__(self) -> Rival:
        fresh = multiprocessing.get_context("spawn")
        self.pipe, theirs = fresh.Pipe()
        self._process = fresh.Process(target=_begin, args=(theirs, *self._task), daemon=True)
        self._process.start()
        theirs.close()
        self.warm_up = self.take()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.join()

    def go(self) -> None:
        """Begin a turn."""
        self.pipe.send(None)

    def take(self) -> Found:
        """Wait for the end of the turn."""
        try:
            found: Found = self.pipe.recv()
        except EOFError:
            raise RuntimeError(f"{self.name} ended; what it said is above") from None
        return found

    def turn(self) -> Found:
        """Have one turn while all others stand still."""
        self.go()
        return self.take()


def in_turn(rivals: Mapping[str, Rival], rounds: int) -> dict[str, list[Found]]:
    """Give each rival a turn, and all of them again, for some rounds."""
    found: dict[str, list[Found]] = {name: [] for name in rivals}
    for _ in range(rounds):
        for name, rival in rivals.items():
            found[name].append(rival.turn())
    return found


def together(rivals: Sequence[Rival]) -> list[list[Found]]:
    """Give rivals a turn at the same time, and return what each of them measured.

    Whoever is done goes on until all are, so that none is measured beside idle neighbours; the
    turns that are then unfinished are waited for and dropped.
    """
    found: list[list[Found]] = [[] for _ in rivals]
    for rival in rivals:
        rival.go()
    while True:
        (pipe, *_) = wait([rival.pipe for rival in rivals])
        number = next(k for k, rival in enumerate(rivals) if rival.pipe is pipe)
        found[number].append(rivals[number].take())
        if all(found):
            break
        rivals[number].go()
    for k, rival in enumerate(rivals):
        if k != number:
            rival.take()
    return found


def median_ratio(above: Sequence[float], below: Sequence[float]) -> float:
    """Return the median of the ratios of figures that were taken in the same round."""
    return median(a / b for a, b in zip(above, below, strict=True))


def _start_backend(threads: int | None) -> None:
    """Set TensorFlow up as a worker does, or leave it all but as it comes; no GPU either way."""
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    if threads is None:
        return
    from study.model.backend import start_backend

    start_backend(threads)


def _begin(
    pipe: Connection, work: Callable[..., None], arguments: tuple[Any, ...], threads: int | None
) -> None:
    turn = Turn(pipe)
    _start_backend(threads)
    work(turn, *arguments)
