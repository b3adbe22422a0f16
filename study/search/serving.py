"""What every worker process does: takes one planned training after another, and retires."""

from __future__ import annotations

import argparse
import os
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil

from study.errors import StudyError
from study.ledger import Ledger
from study.model.backend import start_backend
from study.workspace import StudyFolder

TRIALS_OF_A_LIFE = 100
"""Trials after which a worker gives way to a fresh one, whatever its memory."""

MEMORY_GROWTH = 1.04
"""Growth of a worker's memory, since its first trial, at which it may give way to a fresh one.

Up to 8 MB remain of every trial, whatever is done: TensorFlow does not let go of a traced loop
(tensorflow/tensorflow, issues 62854 and 124972)."""

CHOICE = 16
"""Open trials among which a worker looks that found the first one taken."""


def serve(
    ledger: Ledger, ordinals: Sequence[int], run: Callable[[int], bool], *, planned: int
) -> None:
    """Train until none of the ordinals is open, or it is time to retire.

    ``run`` trains one and returns False when another worker took it first; ``planned`` is the
    memory, bytes, that the largest training was predicted to need.
    """
    first, conflicts = None, 0
    for _ in range(TRIALS_OF_A_LIFE):
        waiting = ledger.open_ordinals(ordinals)[:CHOICE]
        if not waiting:
            break
        # Workers that were started together want the same trial: whoever loses looks elsewhere.
        taken = run(waiting[conflicts * os.getpid() % len(waiting)])
        conflicts = 0 if taken else conflicts + 1
        if taken:
            resident = psutil.Process().memory_info().rss
            first = first or resident
            if has_grown(resident, first=first, planned=planned):
                break


def has_grown(resident: int, *, first: int, planned: int) -> bool:
    """Tell whether a worker's memory, bytes, has grown enough for it to give way to a fresh one.

    ``first`` is what it had after its first trial, ``planned`` what the largest network was
    predicted to need: up to there, a large network after a small one is no leak.
    """
    return resident > max(MEMORY_GROWTH * first, planned)


def worker_main(module: str, work: Callable[[StudyFolder, int], None]) -> int:
    """Run a worker from the command line and return its exit status.

    ``work`` gets the study's folder and ``--trials``, 0 where that is not given.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {module}")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--trials", type=int, default=0)
    parser.add_argument("--threads", type=int, required=True)
    arguments = parser.parse_args()
    _end_with_parent()
    start_backend(arguments.threads)
    try:
        work(StudyFolder(arguments.folder), arguments.trials)
    except StudyError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _end_with_parent() -> None:
    """End this process when its standard input is closed: the driver is gone."""

    def wait() -> None:
        # Not through sys.stdin, whose lock would still be held when this process ends.
        while os.read(0, 4096):
            pass
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
