"""The report of a study that runs: written now and then, beside the caller's own work."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from study.errors import in_a_line
from study.records import StudyRecord
from study.report.payload import Curves

LARGEST_SHARE = 0.05
"""Share of the time that writing may take; where it takes more, it is done less often."""


class ReportRefresh:
    """Writes the report every ``seconds`` in a thread of its own, if anything has changed.

    ``write`` is called with a record and ``curves``, in which ``write_report`` keeps what it drew.
    The caller shares the interpreter with that thread, but never waits for it. ``on_error`` gets a
    line when the report cannot be written, whatever the cause, once: a search goes on without its
    report.
    Used as a context, it waits at the end for a report that is being written.
    """

    def __init__(
        self,
        write: Callable[..., object],
        *,
        seconds: float,
        on_error: Callable[[str], None],
    ) -> None:
        self._write_report = write
        self._every, self._on_error = seconds, on_error
        self._curves: Curves = {}
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="report")
        self._writing: Future[float] | None = None
        self._written: StudyRecord | None = None
        self._due = time.monotonic()
        self._complained = False

    def __enter__(self) -> ReportRefresh:
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown(wait=True)

    def tick(self, record: StudyRecord) -> None:
        """Begin to write the report of ``record`` if it is time to, and return at once."""
        if self._writing is not None:
            if not self._writing.done():
                return
            self._finish(self._writing)
            self._writing = None
        begun = any(trial.epochs for trial in record.trials)
        if not begun or time.monotonic() < self._due or record == self._written:
            return
        self._written = record
        self._writing = self._thread.submit(self._write, record)

    def _write(self, record: StudyRecord) -> float:
        """Write the report and return how many seconds it took."""
        began = time.monotonic()
        self._write_report(record, curves=self._curves)
        return time.monotonic() - began

    def _finish(self, writing: Future[float]) -> None:
        took = 0.0
        try:
            took = writing.result()
        except Exception as error:  # hours of training are worth more than a page
            if not self._complained:
                self._complained = True
                self._on_error(f"the search goes on without its report: {in_a_line(error)}")
        self._due = time.monotonic() + max(self._every - took, took / LARGEST_SHARE)
