"""``study run``: search, retest, report."""

from __future__ import annotations

import json
import shlex
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from study.cli import options
from study.cli.fetch import user_cache
from study.errors import SettingsError, StudyError

if TYPE_CHECKING:
    from study.ledger import Ledger
    from study.protocol import Protocol
    from study.records import StudyRecord
    from study.search.driver import Interruption
    from study.workspace import StudyFolder

REPORT_SECONDS = 60.0

QUICK: dict[str, Any] = {"epochs": 10, "samples_per_epoch": 2000, "validation_samples": 400}
QUICK_TRIALS = 8
FULL_TRIALS = 100


def run(
    data: Annotated[
        str,
        typer.Option(
            help="Folder of class folders, CSV table, .npz file, `phantom` (synthetic, built in), "
            "or `mendeley` (the article's images, downloaded)."
        ),
    ] = "phantom",
    name: Annotated[
        str | None, typer.Option(help="Name of the study [default: from data, space and set-up].")
    ] = None,
    trials: Annotated[
        int | None, typer.Option(help="Trials in total; again resumes [default: 100; quick: 8].")
    ] = None,
    space: Annotated[str, typer.Option(help="Search space: a shipped name or a TOML file.")] = (
        "seed"
    ),
    split: options.Split = None,
    ratio: options.Ratio = None,
    group_pattern: options.GroupPattern = None,
    strict: options.Strict = False,
    epochs: Annotated[int | None, typer.Option(help="Most epochs of a trial [1000].")] = None,
    samples_per_epoch: Annotated[
        int | None, typer.Option(help="Augmented training images of an epoch [10000].")
    ] = None,
    validation_samples: Annotated[
        int | None, typer.Option(help="Size of the fixed augmented validation set [1000].")
    ] = None,
    image_size: Annotated[
        str, typer.Option(metavar="WxH", help="Width and height of the network's input.")
    ] = "40x30",
    fit: Annotated[
        str,
        typer.Option(
            help="How an image gets that size: `stretch` as the article did, `pad` or `crop` keep "
            "its proportions."
        ),
    ] = "stretch",
    resize_filter: Annotated[
        str, typer.Option(help="`bilinear`, `nearest`, `bicubic`, `lanczos`, or `box`.")
    ] = "bilinear",
    positive: options.Positive = None,
    jobs: Annotated[
        int, typer.Option(help="Worker processes; they share the cores.", show_default=True)
    ] = 1,
    seed: options.Seed = 0,
    quick: Annotated[
        bool, typer.Option("--quick", help="A first look in minutes: the same loop, small budgets.")
    ] = False,
    runs: options.Runs = Path("runs"),
    reports: options.Reports = Path("reports"),
    as_json: options.AsJson = False,
) -> int:
    """Search, rank, retest and report; the same line again goes on where it stopped.

    For example `study run --quick`, or `study run --data images/ --trials 100 --jobs 2`.
    """
    started = time.monotonic()
    trials = trials if trials is not None else (QUICK_TRIALS if quick else FULL_TRIALS)
    for option, value in (("--trials", trials), ("--jobs", jobs)):
        if value < 1:
            raise SettingsError(f"{option}: found {value}; allowed: a whole number from 1")
    options.check_seed(seed)
    shares = options.parse_ratio(ratio)
    budgets = {
        "epochs": epochs,
        "samples_per_epoch": samples_per_epoch,
        "validation_samples": validation_samples,
    }
    chosen: dict[str, Any] = {key: value for key, value in budgets.items() if value is not None}
    chosen |= {"fit": fit, "resize_filter": resize_filter}
    protocol = _protocol(image_size, {**(QUICK if quick else {}), **chosen}, quick=quick)

    from study.dataset.sources.opening import MOST_UNREADABLE, open_source
    from study.search.driver import interruptible, only_driver
    from study.search.setup import make_setup, open_study, take_up
    from study.space import find_space
    from study.workspace import CACHE

    command = shlex.join(["study", *sys.argv[1:]])
    searched = find_space(space)
    try:
        with interruptible() as interruption:
            source = open_source(
                data,
                cache=runs / CACHE,
                positive=positive,
                downloads=user_cache(),
                group_pattern=group_pattern,
                most_unreadable=0.0 if strict else MOST_UNREADABLE,
            )
            setup = make_setup(
                source, split=split, ratio=shares, protocol=protocol, space=searched, seed=seed
            )
            options.check_writable("--reports", reports)
            folder, ledger = open_study(runs, name, setup, command=command, requested=trials)
            with only_driver(folder):
                take_up(ledger, setup, command=command, requested=trials)
                record = _search_and_retest(folder, ledger, trials, jobs, reports, interruption)
    except KeyboardInterrupt:
        print(f"study: interrupted, nothing is lost; to go on: {command}", file=sys.stderr)
        return 130
    page = _write_report(record, folder, reports)
    if as_json:
        from study.summary import document

        seconds = round(time.monotonic() - started, 2)
        print(json.dumps(document(record, report=str(page), seconds=seconds), allow_nan=False))
    _say_end(record, page)
    if not any(trial.state == "complete" for trial in record.trials):
        raise StudyError(
            f"study {record.name}: no trial was completed; `study show {record.name}` says why"
        )
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
    trials: int,
    jobs: int,
    reports: Path,
    interruption: Interruption,
) -> StudyRecord:
    from study.cli.progress import watching
    from study.search.driver import run_search

    _write_report(ledger.read(), folder, reports)
    written = -REPORT_SECONDS

    with watching(ledger.read()) as show:

        def tick(record: StudyRecord) -> None:
            nonlocal written
            show(record)
            begun = any(trial.epochs for trial in record.trials)
            if begun and time.monotonic() - written > REPORT_SECONDS:
                written = time.monotonic()
                try:
                    _write_report(record, folder, reports)
                except SettingsError as error:  # a full disk: training may go on
                    print(f"study: {error}", file=sys.stderr)

        try:
            run_search(
                folder, ledger, total=trials, jobs=jobs, interruption=interruption, on_tick=tick
            )
        except KeyboardInterrupt:
            with suppress(SettingsError):
                _write_report(ledger.read(), folder, reports)
            raise
        interruption.check()
    from study.cli.quiet import quiet_backend
    from study.evaluation.retest import retest

    with quiet_backend():
        retest(folder, ledger)
    return ledger.read()


def _write_report(record: StudyRecord, folder: StudyFolder, reports: Path) -> Path:
    from study.report.page import write_report

    return write_report(record, study_dir=folder.path, out_dir=reports / record.name)


def _say_end(record: StudyRecord, page: Path) -> None:
    from study.cli.progress import closing_lines

    for line in closing_lines(record):
        print(line, file=sys.stderr)
    print(f"Report: {page}", file=sys.stderr)
