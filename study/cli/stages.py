"""What ``study run`` does: the search, the finalists, the winner's network, the retest."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from study.attempts import Attempts
from study.cli.progress import closing_lines, end_line, say
from study.cli.quiet import quiet_backend
from study.cli.terminal import saying
from study.cli.watching import Run, watching
from study.errors import StudyError
from study.finalists.choose import FinalistSettings
from study.finalists.stage import conclude
from study.finalists.trainings import Stage, stage_record
from study.records import StudyRecord
from study.report.page import write_report
from study.report.refresh import ReportRefresh
from study.search.driver import (
    Interruption,
    Work,
    only_driver,
    run_search,
    run_workers,
)
from study.search.limits import Budget, TrialLimits
from study.search.resources import default_jobs
from study.search.setup import Setup, changed_search, open_study, take_up
from study.summary import counts, document

WORKER = "study.finalists.worker"


@dataclass(frozen=True, kw_only=True)
class Order:
    """What ``study run`` was asked for, beside the set-up of the study."""

    command: str
    budget: Budget
    limits: TrialLimits
    search: Mapping[str, Any]
    """``search.strategy.search_settings``."""
    settings: FinalistSettings
    jobs: int | None
    runs: Path
    reports: Path
    report_seconds: float
    images: bool
    quiet: bool


class StudyRun:
    """One study, carried out from where it stands to its report."""

    def __init__(self, setup: Setup, order: Order, name: str | None) -> None:
        self._setup, self._order = setup, order
        self.why = "trials"
        """What ended the search: ``run_search``."""
        self._noted: dict[str, Any] = {
            "command": order.command,
            "requested": order.budget.trials,
            "search": dict(order.search),
        }
        self.folder, self.ledger = open_study(order.runs, name, setup, **self._noted)

    def carry_out(self, interruption: Interruption) -> None:
        """Search, name the winner, and retest it."""
        order, setup = self._order, self._setup
        trained = sum(row.part in ("train", "validation") for row in setup.manifest.rows)
        most = order.jobs or default_jobs(setup.space, setup.protocol, trained)
        with only_driver(self.folder):
            changed = changed_search(self.ledger.read(), order.search)
            if changed and not order.quiet:
                say([changed])
            take_up(self.ledger, setup, **self._noted)
            run = Run(
                # As many workers as there is work for: they share the cores.
                jobs=max(1, min(most, self.ledger.unfinished(range(order.budget.trials)))),
                budget=order.budget,
                limits=order.limits,
                report_seconds=order.report_seconds,
                quiet=order.quiet,
            )
            with self._reporting():
                self.why = self._search(run, interruption)
                self._finish(replace(run, jobs=most), interruption)

    def outcome(self) -> tuple[dict[str, Any], Path, list[str]]:
        """Return what was found as a JSON document, its page, and lines that say it."""
        record = self.ledger.read()
        page = self.write(record)
        end = end_line(record, self.why, self._order.command)
        return (
            document(record, report=None),
            page,
            [*closing_lines(record), *([end] if end else [])],
        )

    def check(self) -> None:
        """Raise ``StudyError`` when nothing came of it, though there was time."""
        record = self.ledger.read()
        state = counts(record)
        if not state["complete"] and (self.why != "timeout" or state["failed"]):
            raise StudyError(
                f"study {record.name}: no trial was completed; `study show {record.name}` says why"
            )

    def write(self, record: StudyRecord, **settings: Any) -> Path:
        """Write the report of a record of the study and return its page."""
        order = self._order
        return write_report(
            record,
            study_dir=self.folder.path,
            out_dir=order.reports / record.name,
            images=order.images,
            **settings,
        )

    @contextmanager
    def _reporting(self) -> Iterator[None]:
        """Write the report when the block is interrupted; how to go on matters more than that."""
        try:
            yield
        except KeyboardInterrupt:
            with suppress(Exception):
                self.write(self.ledger.read())
            raise

    def _search(self, run: Run, interruption: Interruption) -> str:
        record = self.ledger.read()
        self.write(record)
        refreshing = ReportRefresh(
            self.write,
            seconds=run.report_seconds,
            on_error=lambda message: print(f"study: {message}", file=sys.stderr),
        )
        with watching(record, run) as show, refreshing as refresh:

            def tick(record: StudyRecord) -> None:
                show(record)
                refresh.tick(record)

            return run_search(
                self.folder,
                self.ledger,
                budget=run.budget,
                jobs=run.jobs,
                limits=run.limits,
                interruption=interruption,
                on_tick=tick,
            )

    def _finish(self, run: Run, interruption: Interruption) -> None:
        """Name the winner, train its final network, and retest that; all of it once only."""
        stage = Stage(
            folder=self.folder,
            ledger=self.ledger,
            settings=self._order.settings,
            train=partial(self._train, run, interruption),
        )
        if conclude(stage) is None:
            return
        interruption.check()
        with nullcontext() if run.quiet else saying("Retesting the winner"), quiet_backend():
            from study.evaluation.retest import retest

            retest(self.folder, self.ledger)

    def _train(
        self, run: Run, interruption: Interruption, ordinals: Sequence[int], doing: str
    ) -> None:
        """Let workers train tasks of the finalists' stage, and show how far they are."""
        record, tasks = self.ledger.read(), Stage.tasks_of(self.ledger)
        jobs = max(1, min(run.jobs, tasks.unfinished(ordinals)))
        own = replace(run, jobs=jobs, budget=Budget(trials=len(ordinals)))
        begun = stage_record(record, tasks.look(), ordinals)
        with watching(begun, own, opening=[f"{doing[0].upper()}{doing[1:]}"]) as show:

            def tick(attempts: Attempts) -> None:
                show(stage_record(record, attempts, ordinals))

            run_workers(
                self.folder,
                tasks,
                Work(ordinals=ordinals, module=WORKER),
                jobs=jobs,
                limits=run.limits,
                interruption=interruption,
                on_tick=tick,
            )
