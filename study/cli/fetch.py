"""``study data fetch``: sets of images from the network into the user's cache."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from study.cli.terminal import printable
from study.errors import SettingsError, near_miss

if TYPE_CHECKING:
    from study.dataset.fetch.mendeley import OnProgress

_SETS = ("mendeley",)


def user_cache() -> Path:
    """Return the folder for what can be downloaded or made again, as the platform has it."""
    from platformdirs import user_cache_path

    return user_cache_path("study", appauthor=False)


def fetch(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="`mendeley`: the article's 250 images.")
    ],
    url: Annotated[
        str | None, typer.Option(metavar="BASE", help="A mirror [default: data.mendeley.com].")
    ] = None,
    cache: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Where to [default: the user's cache, where `--data` looks].",
        ),
    ] = None,
) -> int:
    """Download a set of images once; `study run --data mendeley` then finds it.

    Without a network: load the zip by hand into the folder that the message names, and run this
    again. An interrupted download goes on where it stopped.
    """
    if name not in _SETS:
        raise SettingsError(
            f"no set of images {name!r} to fetch{near_miss(name, _SETS)}; allowed: "
            f"{', '.join(_SETS)}"
        )
    from study.dataset.fetch import mendeley

    base_url = url if url is not None else mendeley.BASE_URL
    _check_url(base_url)
    cache = (cache if cache is not None else user_cache()).expanduser().absolute()
    folder = mendeley.cached_folder(cache)
    if folder is not None:
        _say(f"Already there: {folder}")
    try:
        if folder is None:
            _say(f"Fetching {mendeley.CITATION}")
            with _progress() as show:
                folder = mendeley.fetch(cache, base_url=base_url, on_progress=show, on_note=_say)
    except KeyboardInterrupt:
        line = shlex.join(["study", *sys.argv[1:]])
        _say(f"study: interrupted, what came so far is kept; to go on: {line}")
        return 130
    _say(f"Licence {mendeley.LICENCE}; cite: {mendeley.CITATION}")
    print(folder)
    return 0


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        sound = False
    if not sound or parts.query or parts.fragment:
        raise SettingsError(
            f"--url: found {url!r}; allowed: the beginning of an address such as "
            "https://data.mendeley.com"
        )


def _say(line: str) -> None:
    print(printable(line), file=sys.stderr, flush=True)


@contextmanager
def _progress() -> Iterator[OnProgress]:
    """Give a function that shows a download: a bar on a terminal, else a line for each file."""
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TaskID,
        TextColumn,
        TransferSpeedColumn,
    )

    console = Console(stderr=True, highlight=False)
    columns = (TextColumn("{task.description}"), BarColumn())
    told: set[str] = set()

    def plain(name: str, _done: int, total: int | None) -> None:
        if name not in told:
            told.add(name)
            _say(f"Downloading {name}" + (f", {total:,} bytes" if total else ""))

    if not console.is_terminal:
        yield plain
        return
    with Progress(*columns, DownloadColumn(), TransferSpeedColumn(), console=console) as progress:
        tasks: dict[str, TaskID] = {}

        def show(name: str, done: int, total: int | None) -> None:
            if name not in tasks:
                tasks[name] = progress.add_task(escape(printable(name)), total=total)
            progress.update(tasks[name], completed=done, total=total)

        yield show
