"""Options that several commands share: how images are found, grouped and divided."""

from __future__ import annotations

import os
import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from study.errors import SettingsError, near_miss
from study.search.strategy import DEFAULT_PRUNER, PRUNERS, SAMPLERS, search_settings

if TYPE_CHECKING:
    from study.finalists.choose import FinalistSettings

in_data = partial(typer.Option, rich_help_panel="Data")
in_protocol = partial(typer.Option, rich_help_panel="Protocol")
in_search = partial(typer.Option, rich_help_panel="Search")
in_winner = partial(typer.Option, rich_help_panel="Winner")
in_workers = partial(typer.Option, rich_help_panel="Workers")
in_output = partial(typer.Option, rich_help_panel="Output")
"""Options in the panels of a long help."""

Runs = Annotated[Path, in_output(help="Folder of the studies' state.")]
Reports = Annotated[Path, in_output(help="Folder of the reports.")]
AsJson = Annotated[bool, in_output("--json", help="Print one JSON document.")]
Positive = Annotated[
    str | None, in_data(help="The positive class [default: malignant, or the last].")
]
Split = Annotated[
    str | None,
    in_data(
        help="`grouped` keeps a lesion's images together, `random` divides images as the article "
        "did, `given` takes the parts that the data give [default: given where there are any, "
        "else grouped]."
    ),
]
Ratio = Annotated[
    str | None,
    in_data(
        metavar="TRAIN:VAL:TEST", help="Shares of the parts; test may be 0 [default: 70:20:10]."
    ),
]
GroupPattern = Annotated[
    str | None,
    in_data(
        metavar="REGEX",
        help="Take the group (patient, lesion) from the file name: the first (group) of the "
        "expression, or all that it matches.",
    ),
]
Strict = Annotated[bool, in_data("--strict", help="Refuse the data if any image is broken.")]
Seed = Annotated[int, in_protocol(help="Seed of the split and of everything random.")]
Sampler = Annotated[
    str, in_search(help="; ".join(f"`{name}`: {what}" for name, what in SAMPLERS.items()) + ".")
]
Pruner = Annotated[
    str | None,
    in_search(
        help="; ".join(f"`{name}`: {what}" for name, what in PRUNERS.items())
        + f" [default: {DEFAULT_PRUNER}; none with --quick]."
    ),
]
NoImages = Annotated[
    bool,
    in_output("--no-images", help="A report without any picture of the data, to be passed on."),
]
LARGEST_SEED = 2**31 - 1

MOST_FINALISTS = 20

LEAST_MEMORY_MB = 500
"""Resident memory of a worker that has loaded the training library and nothing else, about."""


def parse_ratio(text: str | None) -> tuple[int, int, int] | None:
    """Return the shares of ``70:20:10``.

    Raises ``SettingsError`` for anything but three whole numbers, of which the last may be 0.
    """
    if text is None:
        return None
    words = text.split(":")
    if len(words) != 3 or not all(word.isdecimal() and len(word) < 7 for word in words):
        raise SettingsError(f"--ratio: found {text!r}; allowed: three whole numbers, as 70:20:10")
    train, validation, test = map(int, words)
    if not train or not validation:
        raise SettingsError(
            f"--ratio: found {text!r}; training and validation need a share, only the test part "
            "may have 0"
        )
    return train, validation, test


_UNITS = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0, "": 1.0}
_NUMBER = r"(\d{1,6}(?:\.\d{1,6})?)"


def parse_duration(option: str, text: str | None) -> float | None:
    """Return the seconds of ``90``, ``90s``, ``10m``, ``2h``, ``1h30m`` or ``1.5h``.

    Raises ``SettingsError`` for anything else, and for less than a second.
    """
    if text is None:
        return None
    words = text.strip().lower()
    if re.fullmatch(
        f"{_NUMBER}s?|(?:{_NUMBER}d)?(?:{_NUMBER}h)?(?:{_NUMBER}m)?(?:{_NUMBER}s)?", words
    ):
        parts = re.findall(_NUMBER + "([dhms]?)", words)
        seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
        if seconds >= 1:
            return seconds
    raise SettingsError(
        f"{option}: found {text!r}; allowed: a duration from 1s, such as 90s, 10m, 2h or 1h30m"
    )


def parse_memory(option: str, text: str | None) -> int | None:
    """Return the megabytes (10^6 bytes) of ``900``, ``900MB`` or ``1.5GB``.

    Raises ``SettingsError`` for anything else, and for less than any training needs.
    """
    if text is None:
        return None
    found = re.fullmatch(_NUMBER + " ?(mb|gb|m|g)?", text.strip().lower())
    if found is None:
        raise SettingsError(f"{option}: found {text!r}; allowed: megabytes, as 900, 900MB or 1.5GB")
    number, unit = found.groups()
    megabytes = round(float(number) * (1000 if (unit or "m").startswith("g") else 1))
    if megabytes < LEAST_MEMORY_MB:
        raise SettingsError(
            f"{option}: found {text!r}, which ends every trial: a worker has {LEAST_MEMORY_MB} MB "
            "before it trains; allowed: more, as 900MB or 1.5GB"
        )
    return megabytes


def check_count(option: str, value: int | None) -> None:
    """Raise ``SettingsError`` for a number of things below 1."""
    if value is not None and value < 1:
        raise SettingsError(f"{option}: found {value}; allowed: a whole number from 1")


def parse_search(
    sampler: str, pruner: str | None, *, no_pruning: bool, quick: bool
) -> dict[str, Any]:
    """Return the settings of the search; a quick look prunes only when it is told to.

    Raises ``SettingsError`` for an unknown name, or for a pruner and none.
    """
    if no_pruning and pruner is not None:
        raise SettingsError(f"--no-pruning and --pruner {pruner} contradict each other; name one")
    # Ten epochs are too few for a pruner to save much, and eight trials too few to lose any.
    never = no_pruning or (quick and pruner is None)
    chosen = DEFAULT_PRUNER if pruner is None else pruner
    return search_settings(sampler, None if never else chosen)


def parse_finalists(
    *, finalists: int, folds: int | None, fold_seeds: int, select: str, refit: str
) -> FinalistSettings:
    """Return what comes after the search.

    Raises ``SettingsError`` for numbers and words that cannot be.
    """
    from study.finalists.choose import FEWEST_FOLDS, MOST_FOLDS, FinalistSettings

    if not 0 <= finalists <= MOST_FINALISTS:
        raise SettingsError(f"--finalists: found {finalists}; allowed: 0 to {MOST_FINALISTS}")
    if folds is not None and not FEWEST_FOLDS <= folds <= MOST_FOLDS:
        raise SettingsError(
            f"--folds: found {folds}; allowed: {FEWEST_FOLDS} to {MOST_FOLDS}: one scores, one "
            "stops the training, the others train"
        )
    check_count("--fold-seeds", fold_seeds)
    if select not in ("best", "one-se"):
        raise SettingsError(
            f"--select: found {select!r}{near_miss(select, ['best', 'one-se'])}; allowed: best, "
            "one-se"
        )
    if refit not in ("yes", "no"):
        raise SettingsError(f"--refit: found {refit!r}; allowed: yes, no")
    return FinalistSettings(
        finalists=finalists,
        folds=folds,
        fold_seeds=fold_seeds,
        rule="best" if select == "best" else "one-se",
        refit=refit == "yes",
    )


def check_seed(seed: int) -> None:
    """Raise ``SettingsError`` for a seed that cannot be."""
    if not 0 <= seed <= LARGEST_SEED:
        raise SettingsError(f"--seed: found {seed}; allowed: 0 to {LARGEST_SEED}")


def check_writable(option: str, folder: Path) -> None:
    """Refuse a folder of results early, rather than after hours of training.

    Raises ``SettingsError`` when it is none, or cannot be written.
    """
    place = folder
    while not place.exists() and place != place.parent:
        place = place.parent
    if not place.is_dir() or not os.access(place, os.W_OK):
        raise SettingsError(
            f"{option} {folder}: cannot be written; name a folder that you may write to"
        )
