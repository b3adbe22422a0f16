"""The driver: starts the workers, watches them, replaces the dead, stops them when asked."""

from __future__ import annotations

import math
import signal
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from types import FrameType

from study.attempts import ENDED, Attempts
from study.errors import LedgerError, StudyError, UserError, in_a_line
from study.ledger import Ledger
from study.model.backend import BACKEND_ENVIRONMENT
from study.records import StudyRecord, TrialRecord
from study.search.kept_models import drop_models
from study.search.limits import FLAT_GAIN, FLAT_TRIALS, Budget, TrialLimits
from study.search.process import WorkerProcess, passed_limit
from study.search.resources import physical_cores
from study.workspace import StudyFolder

POLL_SECONDS, LONGEST_POLL = 0.5, 5.0
TICK_SHARE = 0.05
"""Most of the driver's time that watching may take; the cores are the workers'."""

STOPPED = "the run was stopped from outside"
STOP_SIGNALS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]
"""Ctrl-C, what schedulers send, and a terminal that was closed."""

MOST_BARREN_DEATHS = 3
"""Workers that may die in a row without a trial in hand before the study gives up."""


@contextmanager
def only_driver(folder: StudyFolder) -> Iterator[None]:
    """Hold the study for this process; the lock goes with the process, however it ends.

    Raises ``LedgerError`` when another process drives the study.
    """
    with ExitStack() as held:
        try:
            connection = sqlite3.connect(folder.lock, timeout=0, isolation_level=None)
            held.callback(connection.close)
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.DatabaseError as error:
            if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY:
                raise LedgerError(
                    f"{folder.path}: another `study run` is at work on this study; wait for it, "
                    "or stop it"
                ) from error
            raise LedgerError(
                f"{folder.lock}: cannot be locked ({error}); it has to be a file that may be "
                "written, or absent"
            ) from error
        yield


class Interruption:
    """Whether Ctrl-C has come, or another signal of ``STOP_SIGNALS``."""

    def __init__(self) -> None:
        self.requested = False

    def check(self) -> None:
        """Raise ``KeyboardInterrupt`` if it has."""
        if self.requested:
            raise KeyboardInterrupt


@contextmanager
def interruptible() -> Iterator[Interruption]:
    """Raise ``KeyboardInterrupt`` on any of ``STOP_SIGNALS``, and remember it.

    Libraries have been seen to swallow the exception when it comes in the middle of their work;
    whoever goes on for long therefore calls ``check`` now and then. A signal that the parent had
    told this process to ignore, as for jobs in the background, stays ignored.
    """
    interruption = Interruption()

    def stop(_number: int, _frame: FrameType | None) -> None:
        interruption.requested = True
        raise KeyboardInterrupt

    before = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    for number, handler in before.items():
        if handler != signal.SIG_IGN:
            signal.signal(number, stop)
    try:
        yield interruption
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@dataclass(frozen=True, kw_only=True)
class Work:
    """What workers are started for."""

    ordinals: Sequence[int]
    """Planned trials of the ledger that have to end."""
    module: str = "study.search.worker"
    """What a worker runs, with the study's folder and ``--threads``."""
    arguments: Sequence[str] = ()


def run_search(
    folder: StudyFolder,
    ledger: Ledger,
    *,
    budget: Budget,
    jobs: int,
    limits: TrialLimits,
    interruption: Interruption,
    on_tick: Callable[[StudyRecord], None],
) -> str:
    """Train until the budget is used up, and return which part of it was.

    ``trials``: all planned trials have ended. ``timeout``: the seconds of this run are over.
    ``flat``: the search no longer finds anything better. In the last two cases running trials are
    interrupted, and the same search can go on later. Everything else is as in ``run_workers``;
    ``on_tick`` is called with the study as it stands.
    """
    work = Work(ordinals=range(budget.trials), arguments=("--trials", str(budget.trials)))

    def tick(attempts: Attempts) -> str | None:
        record = ledger.record(attempts)
        on_tick(record)
        flat = budget.stop_when_flat and is_flat(record.trials)
        return "the search had become flat (--stop-when-flat)" if flat else None

    try:
        why = run_workers(
            folder,
            ledger,
            work,
            seconds=budget.seconds,
            jobs=jobs,
            limits=limits,
            interruption=interruption,
            on_tick=tick,
        )
    finally:
        # A worker that told its last trial may have been dismissed before it got to that.
        drop_models(folder, ledger.read())
    return {"done": "trials", "timeout": "timeout"}.get(why, "flat")


def run_workers(
    folder: StudyFolder,
    ledger: Ledger,
    work: Work,
    *,
    jobs: int,
    limits: TrialLimits,
    interruption: Interruption,
    on_tick: Callable[[Attempts], str | None],
    seconds: float | None = None,
) -> str:
    """Let workers train until all is done, and return why they ended.

    ``done``: all has ended. ``timeout``: ``seconds`` are over. Else what ``on_tick`` returned.
    A trial whose attempt fails, or passes a limit, is tried once more.

    ``on_tick`` is called about twice a second, less often where this costs much, with the
    ledger's attempts, in this process; other than None, what it returns ends the work.
    Interrupted by ``KeyboardInterrupt``, the workers are stopped, no trial is left marked as
    running, and the exception goes on.

    Raises ``StudyError`` when workers keep dying before they take a trial.
    """
    ledger.drop_running(ended="interrupted", cause=STOPPED)
    crew = _Crew(folder, ledger, work, jobs=jobs, limits=limits)
    deadline = math.inf if seconds is None else time.monotonic() + seconds
    costs: deque[float] = deque(maxlen=3)
    cause = STOPPED
    try:
        while True:
            began = time.monotonic()
            attempts = crew.tend()
            ended = on_tick(attempts)
            interruption.check()
            if not attempts.unfinished(work.ordinals):
                return "done"
            if time.monotonic() >= deadline:
                cause = "the run's --timeout was over"
                return "timeout"
            if ended is not None:
                cause = ended
                return ended
            costs.append(time.monotonic() - began)
            # The least of the last few: one costly tick, such as a report, is no reason.
            pause = min(max(POLL_SECONDS, min(costs) / TICK_SHARE), LONGEST_POLL)
            time.sleep(max(0.0, min(pause, deadline - time.monotonic())))
            interruption.check()
    except Exception as error:
        cause = f"the run ended with an error: {in_a_line(error)}"
        raise
    finally:
        crew.dismiss()
        if ledger.drop_running(ended="interrupted", cause=cause):
            with suppress(KeyboardInterrupt):
                on_tick(ledger.look())


def is_flat(trials: Sequence[TrialRecord]) -> bool:
    """Tell whether the last ``FLAT_TRIALS`` ended trials raised the best F_med by too little."""
    ended = [trial for trial in trials if trial.state in ENDED]
    ended.sort(key=lambda trial: (trial.ended or "", trial.ledger_number))
    scores = [
        trial.validation_f_med
        if trial.state == "complete" and trial.validation_f_med is not None
        else -math.inf
        for trial in ended
    ]
    before = max(scores[:-FLAT_TRIALS], default=-math.inf)
    return before > -math.inf and max(scores) - before < FLAT_GAIN


class _Crew:
    """The workers of one run."""

    def __init__(
        self, folder: StudyFolder, ledger: Ledger, work: Work, *, jobs: int, limits: TrialLimits
    ) -> None:
        self._folder, self._ledger, self._limits = folder, ledger, limits
        self._work, self._jobs = work, jobs
        self._threads = max(1, physical_cores() // jobs)
        self._workers: list[WorkerProcess] = []
        self._barren, self._left = 0, len(work.ordinals)
        """Workers that died without a trial in hand since a trial ended; trials not ended."""

    def tend(self) -> Attempts:
        """Bury dead workers, end those that pass a limit, start those that are missing."""
        for worker in [worker for worker in self._workers if worker.status() is not None]:
            self._bury(worker)
        attempts = self._ledger.look()
        for worker in list(self._workers):
            passed = passed_limit(worker, attempts.of_worker(worker.name), self._limits)
            if passed is not None:
                worker.kill(passed)
                worker.wait()
                self._bury(worker)
                attempts = self._ledger.look()
        left = attempts.unfinished(self._work.ordinals)
        if left < self._left:
            self._barren, self._left = 0, left
        idle = len(attempts.open_ordinals(self._work.ordinals))
        starting = sum(not attempts.of_worker(worker.name) for worker in self._workers)
        for _ in range(min(self._jobs - len(self._workers), idle - starting)):
            self._workers.append(
                WorkerProcess(
                    self._folder,
                    module=self._work.module,
                    arguments=self._work.arguments,
                    threads=self._threads,
                    environment=BACKEND_ENVIRONMENT,
                )
            )
        return attempts

    def dismiss(self) -> None:
        """End all workers."""
        for worker in self._workers:
            worker.kill()
        for worker in self._workers:
            worker.wait()

    def _bury(self, worker: WorkerProcess) -> None:
        """Record what a worker's end did to its trial."""
        self._workers.remove(worker)
        code, cause = worker.status(), worker.end_in_words()
        worker.wait()
        dropped = self._ledger.drop_running(ended="error", cause=cause, worker=worker.name)
        if code == 0 or dropped or worker.killed_for is not None:
            self._barren = 0
            return
        if code == UserError.exit_status:
            raise UserError(_last_line(self._folder))
        self._barren += 1
        if self._barren >= MOST_BARREN_DEATHS:
            raise StudyError(
                f"{self._barren} workers ended before they took a trial, the last because "
                f"{cause}: {_last_line(self._folder)} (all they said: {self._folder.log})"
            )


def _last_line(folder: StudyFolder) -> str:
    lines = folder.log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"
