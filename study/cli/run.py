"""``study run``: search, retest, report."""

from __future__ import annotations

import json
import shlex
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from study.cli import options
from study.cli.fetch import user_cache
from study.errors import SettingsError, StudyError
from study.search.limits import FLAT_GAIN, FLAT_TRIALS, Budget, TrialLimits
from study.search.strategy import DEFAULT_SAMPLER

if TYPE_CHECKING:
    from study.cli.watching import Run
    from study.ledger import Ledger
    from study.protocol import Protocol
    from study.records import StudyRecord
    from study.search.driver import Interruption
    from study.workspace import StudyFolder

QUICK: dict[str, Any] = {"epochs": 10, "samples_per_epoch": 2000, "validation_samples": 400}
QUICK_TRIALS = 8
FULL_TRIALS = 100
REPORT_SECONDS = 60.0


def run(
    data: Annotated[
        str,
        options.in_data(
            help="Folder of class folders, CSV table, .npz file, `phantom` (synthetic, built in), "
            "or `mendeley` (the article's images, downloaded)."
        ),
    ] = "phantom",
    split: options.Split = None,
    ratio: options.Ratio = None,
    group_pattern: options.GroupPattern = None,
    positive: options.Positive = None,
    strict: options.Strict = False,
    quick: Annotated[
        bool,
        options.in_protocol(
            "--quick", help="A first look in minutes: the same loop, small budgets."
        ),
    ] = False,
    epochs: Annotated[
        int | None, options.in_protocol(help="Most epochs of a trial [1000].")
    ] = None,
    samples_per_epoch: Annotated[
        int | None, options.in_protocol(help="Augmented training images of an epoch [10000].")
    ] = None,
    validation_samples: Annotated[
        int | None, options.in_protocol(help="Size of the fixed augmented validation set [1000].")
    ] = None,
    image_size: Annotated[
        str, options.in_protocol(metavar="WxH", help="Width and height of the network's input.")
    ] = "40x30",
    fit: Annotated[
        str,
        options.in_protocol(
            help="How an image gets that size: `stretch` as the article did, `pad` or `crop` keep "
            "its proportions."
        ),
    ] = "stretch",
    resize_filter: Annotated[
        str, options.in_protocol(help="`bilinear`, `nearest`, `bicubic`, `lanczos`, or `box`.")
    ] = "bilinear",
    seed: options.Seed = 0,
    trials: Annotated[
        int | None,
        options.in_search(help="Trials in total; again resumes [default: 100; quick: 8]."),
    ] = None,
    space: Annotated[
        str, options.in_search(help="Search space: a shipped name or a TOML file.")
    ] = "seed",
    sampler: options.Sampler = DEFAULT_SAMPLER,
    pruner: options.Pruner = None,
    no_pruning: Annotated[
        bool, options.in_search("--no-pruning", help="Train every trial to its end.")
    ] = False,
    timeout: Annotated[
        str | None,
        options.in_search(
            metavar="TIME",
            help="End after this time (`90s`, `10m`, `2h`, `1h30m`), retest the best complete "
            "trial and report; the same line goes on, and another winner is retested again.",
        ),
    ] = None,
    stop_when_flat: Annotated[
        bool,
        options.in_search(
            "--stop-when-flat",
            help=f"End when the last {FLAT_TRIALS} trials bettered the best validation F_med by "
            f"less than {FLAT_GAIN}; then retest and report.",
        ),
    ] = False,
    jobs: Annotated[
        int | None,
        options.in_workers(
            help="Worker processes, which share the cores [default: one a physical core, as far "
            "as memory goes; 1 on a GPU, where more have not been measured]."
        ),
    ] = None,
    trial_timeout: Annotated[
        str | None,
        options.in_workers(
            metavar="TIME", help="Stop a trial that lasts longer, and try it once more."
        ),
    ] = None,
    trial_memory: Annotated[
        str | None,
        options.in_workers(metavar="MB", help="The same for memory: `900`, `900MB`, `1.5GB`."),
    ] = None,
    name: Annotated[
        str | None,
        options.in_output(help="Name of the study [default: from data, space and set-up]."),
    ] = None,
    runs: options.Runs = Path("runs"),
    reports: options.Reports = Path("reports"),
    report_every: Annotated[
        str | None,
        options.in_output(
            metavar="TIME",
            help="How often the report is refreshed while the study runs [default: 60s].",
        ),
    ] = None,
    no_images: options.NoImages = False,
    quiet: Annotated[
        bool, options.in_output("--quiet", help="Say errors and the outcome only.")
    ] = False,
    as_json: options.AsJson = False,
) -> int:
    """Search, rank, retest and report; the same line again goes on where it stopped.

    For example `study run --quick`, or `study run --data images/ --trials 100 --jobs 2`.
    """
    started = time.monotonic()
    trials = trials if trials is not None else (QUICK_TRIALS if quick else FULL_TRIALS)
    options.check_count("--trials", trials)
    options.check_count("--jobs", jobs)
    budget = Budget(
        trials=trials,
        seconds=options.parse_duration("--timeout", timeout),
        stop_when_flat=stop_when_flat,
    )
    limits = TrialLimits(
        seconds=options.parse_duration("--trial-timeout", trial_timeout),
        memory_mb=options.parse_memory("--trial-memory", trial_memory),
    )
    refresh_seconds = options.parse_duration("--report-every", report_every)
    options.check_seed(seed)
    shares = options.parse_ratio(ratio)
    search = options.parse_search(sampler, pruner, no_pruning=no_pruning, quick=quick)
    budgets = {
        "epochs": epochs,
        "samples_per_epoch": samples_per_epoch,
        "validation_samples": validation_samples,
    }
    chosen: dict[str, Any] = {key: value for key, value in budgets.items() if value is not None}
    chosen |= {"fit": fit, "resize_filter": resize_filter}
    protocol = _protocol(image_size, {**(QUICK if quick else {}), **chosen}, quick=quick)

    from study.cli.progress import interrupted_line, say
    from study.cli.terminal import saying
    from study.cli.watching import Run
    from study.dataset.sources.opening import MOST_UNREADABLE, open_source
    from study.search.driver import interruptible, only_driver
    from study.search.resources import default_jobs
    from study.search.setup import changed_search, make_setup, open_study, take_up
    from study.space import find_space
    from study.workspace import CACHE

    command = shlex.join(["study", *sys.argv[1:]])
    searched = find_space(space)
    ledger: Ledger | None = None
    try:
        with interruptible() as interruption:
            with nullcontext() if quiet else saying("Reading the images"):
                source = open_source(
                    data,
                    cache=runs / CACHE,
                    positive=positive,
                    downloads=user_cache(),
                    group_pattern=group_pattern,
                    most_unreadable=0.0 if strict else MOST_UNREADABLE,
                )
            options.check_writable("--reports", reports)
            noted: dict[str, Any] = {"command": command, "requested": budget.trials}
            noted["search"] = search
            with nullcontext() if quiet else saying("Dividing and auditing them"):
                setup = make_setup(
                    source, split=split, ratio=shares, protocol=protocol, space=searched, seed=seed
                )
                folder, ledger = open_study(runs, name, setup, **noted)
            trained = sum(row.part in ("train", "validation") for row in setup.manifest.rows)
            most = jobs or default_jobs(searched, protocol, trained)
            with only_driver(folder):
                changed = changed_search(ledger.read(), search)
                if changed and not quiet:
                    say([changed])
                take_up(ledger, setup, **noted)
                run = Run(
                    # As many workers as there is work for: they share the cores.
                    jobs=max(1, min(most, ledger.unfinished(budget.trials))),
                    budget=budget,
                    limits=limits,
                    report_seconds=refresh_seconds or REPORT_SECONDS,
                    quiet=quiet,
                )
                write = partial(_write_report, folder, reports, images=not no_images)
                why = _search_and_retest(folder, ledger, run, write, interruption)
                record = ledger.read()
    except KeyboardInterrupt:
        say([interrupted_line(None if ledger is None else ledger.read(), command)])
        return 130
    page = write(record)
    _write_index(runs, reports)
    if as_json:
        from study.summary import document

        seconds = round(time.monotonic() - started, 2)
        print(json.dumps(document(record, report=str(page), seconds=seconds), allow_nan=False))
    _say_end(record, page, why, command)
    return 0


def _protocol(image_size: str, budgets: dict[str, Any], *, quick: bool) -> Protocol:
    from study.protocol import Protocol

    width, cross, height = image_size.lower().partition("x")
    if not (cross and width.isdecimal() and height.isdecimal()):
        raise SettingsError(f"--image-size: found {image_size!r}; allowed: WxH such as 40x30")
    return Protocol(image_width=int(width), image_height=int(height), quick=quick, **budgets)


def _search_and_retest(
    folder: StudyFolder,
    ledger: Ledger,
    run: Run,
    write: Callable[..., Path],
    interruption: Interruption,
) -> str:
    """Search, retest the best complete trial, and return why the search ended.

    ``write`` writes the report of a record.
    """
    from study.cli.quiet import quiet_backend
    from study.cli.watching import watching
    from study.evaluation.retest import retest
    from study.report.refresh import ReportRefresh
    from study.search.driver import run_search

    record = ledger.read()
    write(record)
    refreshing = ReportRefresh(
        write,
        seconds=run.report_seconds,
        on_error=lambda message: print(f"study: {message}", file=sys.stderr),
    )
    try:
        with watching(record, run) as show, refreshing as refresh:

            def tick(record: StudyRecord) -> None:
                show(record)
                refresh.tick(record)

            why = run_search(
                folder,
                ledger,
                budget=run.budget,
                jobs=run.jobs,
                limits=run.limits,
                interruption=interruption,
                on_tick=tick,
            )
            interruption.check()
            show(ledger.read(), doing="retesting the best")
            with quiet_backend():
                retest(folder, ledger)
    except KeyboardInterrupt:
        with suppress(Exception):  # how to go on matters more than the page
            write(ledger.read())
        raise
    return why


def _write_report(folder: StudyFolder, reports: Path, record: StudyRecord, **settings: Any) -> Path:
    from study.report.page import write_report

    out_dir = reports / record.name
    return write_report(record, study_dir=folder.path, out_dir=out_dir, **settings)


def _write_index(runs: Path, reports: Path) -> None:
    from study.report.library import write_index

    write_index(runs, reports)


def _say_end(record: StudyRecord, page: Path, why: str, command: str) -> None:
    """Say what came of it; ``StudyError`` when nothing did, though there was time."""
    from study.cli.progress import closing_lines, end_line, say
    from study.summary import counts

    end = end_line(record, why, command)
    say([*closing_lines(record), *([end] if end else []), f"Report: {page}"])
    state = counts(record)
    if not state["complete"] and (why != "timeout" or state["failed"]):
        raise StudyError(
            f"study {record.name}: no trial was completed; `study show {record.name}` says why"
        )
