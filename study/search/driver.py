"""The driver: starts the workers, watches them, replaces the dead, stops them when asked."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from study.errors import LedgerError, StudyError, UserError
from study.ledger import Ledger
from study.records import StudyRecord
from study.workspace import StudyFolder

BACKEND_ENVIRONMENT = {
    "KERAS_BACKEND": "tensorflow",
    "TF_CPP_MIN_LOG_LEVEL": "2",
    # Off by default on processors without AVX-512, where it makes a step a quarter faster. It has
    # to be chosen before TensorFlow is imported.
    "TF_ENABLE_ONEDNN_OPTS": "1",
}
"""Defaults for the environment of a process that trains or predicts."""

POLL_SECONDS = 0.5
MOST_BARREN_DEATHS = 3
"""Workers that may die in a row without a trial in hand before the study gives up."""


@contextmanager
def only_driver(folder: StudyFolder) -> Iterator[None]:
    """Hold the study for this process; the lock goes with the process, however it ends.

    Raises ``LedgerError`` when another process drives the study.
    """
    connection = sqlite3.connect(folder.lock, timeout=0, isolation_level=None)
    try:
        connection.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as error:
        connection.close()
        raise LedgerError(
            f"{folder.path}: another `study run` is at work on this study; wait for it, or stop it"
        ) from error
    try:
        yield
    finally:
        connection.close()


class Interruption:
    """Whether Ctrl-C, or SIGTERM, which schedulers send, has come."""

    def __init__(self) -> None:
        self.requested = False

    def check(self) -> None:
        """Raise ``KeyboardInterrupt`` if it has."""
        if self.requested:
            raise KeyboardInterrupt


@contextmanager
def interruptible() -> Iterator[Interruption]:
    """Raise ``KeyboardInterrupt`` on Ctrl-C and SIGTERM alike, and remember it.

    Libraries have been seen to swallow the exception when it comes in the middle of their work;
    whoever goes on for long therefore calls ``check`` now and then. A signal that the parent had
    told this process to ignore, as for jobs in the background, stays ignored.
    """
    interruption = Interruption()

    def stop(_number: int, _frame: FrameType | None) -> None:
        interruption.requested = True
        raise KeyboardInterrupt

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number, handler in before.items():
        if handler != signal.SIG_IGN:
            signal.signal(number, stop)
    try:
        yield interruption
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def run_search(
    folder: StudyFolder,
    ledger: Ledger,
    *,
    total: int,
    jobs: int,
    interruption: Interruption,
    on_tick: Callable[[StudyRecord], None],
) -> None:
    """Train until ``total`` planned trials have ended.

    ``on_tick`` is called about twice a second with the study as it stands, in this process.
    Interrupted by ``KeyboardInterrupt``, the workers are stopped, no trial is left marked as
    running, and the exception goes on.

    Raises ``StudyError`` when workers keep dying before they take a trial.
    """
    ledger.drop_running(ended="interrupted", cause="the run was stopped from outside")
    workers: list[subprocess.Popen[bytes]] = []
    barren = 0
    try:
        while missing := ledger.unfinished(total):
            for dead in [worker for worker in workers if worker.poll() is not None]:
                workers.remove(dead)
                barren = _bury(dead, folder, ledger, barren)
            idle = len(ledger.open_ordinals(total))
            starting = len(workers) - (missing - idle)
            wanted = min(jobs - len(workers), idle - max(0, starting))
            for _ in range(wanted):
                workers.append(_start(folder, total=total, jobs=jobs))
            on_tick(ledger.read())
            time.sleep(POLL_SECONDS)
            interruption.check()
    finally:
        for worker in workers:
            worker.kill()
        for worker in workers:
            worker.wait()
        ledger.drop_running(ended="interrupted", cause="the run was stopped from outside")
    on_tick(ledger.read())


def _start(folder: StudyFolder, *, total: int, jobs: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "study.search.worker", str(folder.path)]
    threads = max(1, (os.cpu_count() or 1) // jobs)
    with folder.log.open("ab") as log:
        return subprocess.Popen(
            [*command, "--trials", str(total), "--threads", str(threads)],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            env={**BACKEND_ENVIRONMENT, **os.environ, "PYTHONUNBUFFERED": "1"},
            start_new_session=True,  # Ctrl-C reaches the driver only, which stops the workers
        )


def _bury(worker: subprocess.Popen[bytes], folder: StudyFolder, ledger: Ledger, barren: int) -> int:
    """Record what a worker's end did to its trial; return the barren deaths in a row."""
    name = f"{socket.gethostname()}:{worker.pid}"
    code = worker.returncode
    cause = f"its worker ended with status {code}"
    if code < 0:
        with suppress(ValueError):
            cause = f"its worker was killed by {signal.Signals(-code).name}"
    dropped = ledger.drop_running(ended="error", cause=cause, worker=name)
    if code == 0 or dropped:
        return 0
    if code == UserError.exit_status:
        raise UserError(_last_line(folder))
    if barren + 1 >= MOST_BARREN_DEATHS:
        raise StudyError(
            f"{barren + 1} workers ended before they took a trial, the last with status {code}: "
            f"{_last_line(folder)} (all they said: {folder.log})"
        )
    return barren + 1


def _last_line(folder: StudyFolder) -> str:
    lines = folder.log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"
