"""Options that several commands share: how images are found, grouped and divided."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from study.errors import SettingsError

Runs = Annotated[Path, typer.Option(help="Folder of the studies' state.")]
Reports = Annotated[Path, typer.Option(help="Folder of the reports.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Positive = Annotated[
    str | None, typer.Option(help="The positive class [default: malignant, or the last].")
]
Split = Annotated[
    str | None,
    typer.Option(
        help="`grouped` keeps a lesion's images together, `random` divides images as the article "
        "did, `given` takes the parts that the data give [default: given where there are any, "
        "else grouped]."
    ),
]
Ratio = Annotated[
    str | None,
    typer.Option(
        metavar="TRAIN:VAL:TEST", help="Shares of the parts; test may be 0 [default: 70:20:10]."
    ),
]
GroupPattern = Annotated[
    str | None,
    typer.Option(
        metavar="REGEX",
        help="Take the group (patient, lesion) from the file name: the first (group) of the "
        "expression, or all that it matches.",
    ),
]
Strict = Annotated[bool, typer.Option("--strict", help="Refuse the data if any image is broken.")]
Seed = Annotated[int, typer.Option(help="Seed of the split and of everything random.")]
LARGEST_SEED = 2**31 - 1


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
