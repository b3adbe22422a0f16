"""One worker process as the driver sees it: started, watched, ended."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime

import psutil
from optuna.trial import FrozenTrial

from study.search.limits import TrialLimits
from study.workspace import StudyFolder


class WorkerProcess:
    """A worker that this process started."""

    def __init__(
        self,
        folder: StudyFolder,
        *,
        module: str,
        arguments: Sequence[str],
        threads: int,
        environment: Mapping[str, str],
    ) -> None:
        command = [sys.executable, "-m", module, str(folder.path), *arguments]
        with folder.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*command, "--threads", str(threads)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env={**environment, **os.environ, "PYTHONUNBUFFERED": "1"},
                start_new_session=True,  # Ctrl-C reaches the driver only, which stops the workers
            )
        self.name = f"{socket.gethostname()}:{self._process.pid}"
        """As on its trials, see ``ledger.worker_name``."""
        self.killed_for: str | None = None
        """The limit that it was killed for passing."""

    def status(self) -> int | None:
        """Return its exit status, None while it lives; minus the signal that killed it."""
        return self._process.poll()

    def kill(self, cause: str | None = None) -> None:
        """End it at once; ``cause`` is the limit that it passed."""
        self.killed_for = self.killed_for or cause
        self._process.kill()

    def wait(self) -> None:
        """Wait for its end, after a kill, and let go of it."""
        self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()

    def memory(self) -> int:
        """Return its resident memory, bytes; 0 when it has ended."""
        try:
            return int(psutil.Process(self._process.pid).memory_info().rss)
        except psutil.Error:
            return 0

    def end_in_words(self) -> str:
        """Return why it ended: the limit, the signal or the status."""
        code = self._process.returncode
        if self.killed_for is not None:
            return self.killed_for
        if code < 0:
            with suppress(ValueError):
                return f"its worker was killed by {signal.Signals(-code).name}"
        return f"its worker ended with status {code}"


def passed_limit(
    worker: WorkerProcess, trials: Sequence[FrozenTrial], limits: TrialLimits
) -> str | None:
    """Return which limit a worker passes with the trials that it trains, None if it keeps them."""
    begun = [trial.user_attrs["started"] for trial in trials if "started" in trial.user_attrs]
    if not begun:
        return None
    age = (datetime.now(UTC) - datetime.fromisoformat(begun[0])).total_seconds()
    if limits.seconds is not None and age > limits.seconds:
        return f"ran longer than --trial-timeout {limits.seconds:g} s"
    if limits.memory_mb is not None and worker.memory() > limits.memory_mb * 1_000_000:
        return f"took more than --trial-memory {limits.memory_mb} MB"
    return None
