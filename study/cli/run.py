"""``study run``: search, retest, report."""

from __future__ import annotations

import json
import shlex
import sys
import time
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from study.cli import options
from study.cli.fetch import user_cache
from study.errors import SettingsError
from study.search.limits import FLAT_GAIN, FLAT_TRIALS, Budget, TrialLimits
from study.search.strategy import DEFAULT_SAMPLER

if TYPE_CHECKING:
    from study.protocol import Protocol

QUICK: dict[str, Any] = {"epochs": 10, "samples_per_epoch": 2000, "validation_samples": 400}
QUICK_TRIALS = 8
FULL_TRIALS = 100
REPORT_SECONDS = 60.0

SEARCH_SHARE = 0.75
"""Of ``--timeout``, where finalists follow, planned for at most a third of what the search took."""


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
            help="End the search after three quarters of this time (`90s`, `10m`, `2h`, `1h30m`), "
            "with `--finalists 0` after all of it; the finalists come after it, in about the rest, "
            "longer after a short search. The same line goes on, and another winner is retested "
            "again.",
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
    finalists: Annotated[
        int,
        options.in_winner(
            help="The best complete trial of so many bands of network size is trained again over "
            "folds of training and validation, beside the reference network; fewer where all would "
            "take more than a third of the search's time; 0 names the winner by validation alone."
        ),
    ] = 5,
    folds: Annotated[
        int | None,
        options.in_winner(help="Folds, of whole groups [default: 5; fewer where that is needed]."),
    ] = None,
    fold_seeds: Annotated[
        int, options.in_winner(help="Divisions into folds, each with other seeds.")
    ] = 1,
    outer_folds: Annotated[
        int | None,
        options.in_winner(
            metavar="K",
            help="Nested: the whole procedure once for each of K folds of all images, judged on "
            "that fold, and pooled: the number for a paper, at K times the cost.",
        ),
    ] = None,
    select: Annotated[
        str,
        options.in_winner(
            help="`one-se`: the least complex finalist within one standard error of the best; "
            "`best`: the best."
        ),
    ] = "one-se",
    refit: Annotated[
        str,
        options.in_winner(
            metavar="yes|no",
            help="Train the winner's final network on training and validation, or take the "
            "search's own.",
        ),
    ] = "yes",
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
    """Search, name a winner, retest it and report; the same line again goes on where it stopped.

    For example `study run --quick`, or `study run --data images/ --trials 100 --jobs 2`.
    """
    started = time.monotonic()
    trials = trials if trials is not None else (QUICK_TRIALS if quick else FULL_TRIALS)
    options.check_count("--trials", trials)
    options.check_count("--jobs", jobs)
    settings = options.parse_finalists(
        finalists=finalists, folds=folds, fold_seeds=fold_seeds, select=select, refit=refit
    )
    seconds = options.parse_duration("--timeout", timeout)
    budget = Budget(
        trials=trials,
        seconds=seconds and seconds * (SEARCH_SHARE if settings.finalists else 1.0),
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

    from study.cli.nested import NestedRun, check_name, outer_setups
    from study.cli.progress import interrupted_line, say
    from study.cli.stages import Order, StudyRun
    from study.cli.terminal import saying
    from study.dataset.sources.opening import MOST_UNREADABLE, open_source
    from study.finalists.division import check_folds
    from study.search.driver import interruptible
    from study.search.setup import make_setup
    from study.space import find_space
    from study.workspace import CACHE

    order = Order(
        command=shlex.join(["study", *sys.argv[1:]]),
        budget=budget,
        limits=limits,
        search=search,
        settings=settings,
        jobs=jobs,
        runs=runs,
        reports=reports,
        report_seconds=refresh_seconds or REPORT_SECONDS,
        images=not no_images,
        quiet=quiet,
    )
    make = partial(make_setup, protocol=protocol, space=find_space(space), seed=seed)
    if name is not None:
        check_name(runs, name, outer_folds)
    work: StudyRun | NestedRun | None = None
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
            with nullcontext() if quiet else saying("Dividing and auditing them"):
                if outer_folds is not None:
                    setups = outer_setups(source, outer_folds, split, shares, make, seed)
                else:
                    setups = [make(source, split=split, ratio=shares)]
                if settings.finalists and settings.folds is not None:
                    for setup in setups:
                        check_folds(setup.manifest, settings.folds)
                if outer_folds is None:
                    work = StudyRun(setups[0], order, name)
                else:
                    work = NestedRun(setups, order, name)
            work.carry_out(interruption)
    except KeyboardInterrupt:
        record = None if work is None or work.ledger is None else work.ledger.read()
        say([interrupted_line(record, order.command)])
        return 130
    found, page, lines = work.outcome()
    _write_index(runs, reports)
    if as_json:
        seconds = round(time.monotonic() - started, 2)
        print(json.dumps({**found, "report": str(page), "seconds": seconds}, allow_nan=False))
    say([*lines, f"Report: {page}"])
    work.check()
    return 0


def _protocol(image_size: str, budgets: dict[str, Any], *, quick: bool) -> Protocol:
    from study.protocol import Protocol

    width, cross, height = image_size.lower().partition("x")
    if not (cross and width.isdecimal() and height.isdecimal()):
        raise SettingsError(f"--image-size: found {image_size!r}; allowed: WxH such as 40x30")
    return Protocol(image_width=int(width), image_height=int(height), quick=quick, **budgets)


def _write_index(runs: Path, reports: Path) -> None:
    from study.report.library import write_index

    write_index(runs, reports)
