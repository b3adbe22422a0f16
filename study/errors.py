"""The program's errors.

    StudyError
    ├── UserError            the input is wrong: one line, exit status 2
    │   ├── DataError        images, folders, classes, groups, splits
    │   │   └── UnreadableImage  one image file that cannot be decoded
    │   ├── SettingsError    values of options, variants, protocols
    │   ├── SpaceError       search-space files
    │   ├── LedgerError      a study that is missing, in use, or of another set-up
    │   └── ModelError       exported models and their folders
    ├── FetchError           a download failed, though the input is right
    └── TrialError           one trial failed; recorded, the search goes on
        └── DivergedError    its numbers ran away; the same seeds would do so again

A message is one line: what is wrong, where, what was found, what is allowed, what to do.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class StudyError(Exception):
    """Base of every error that the program raises on purpose."""

    exit_status = 1


class UserError(StudyError):
    """The user's input is wrong; the command ends with exit status 2."""

    exit_status = 2


class DataError(UserError):
    """The images, their classes, their groups or their split cannot be used."""


class UnreadableImage(DataError):
    """An image file cannot be decoded; ``cause`` says why, without the path."""

    def __init__(self, path: object, cause: str) -> None:
        super().__init__(path, cause)
        self.path = path
        self.cause = cause

    def __str__(self) -> str:
        return f"{self.path}: {self.cause}"


class SettingsError(UserError):
    """An option, a variant or a protocol has a value that is not allowed."""


class SpaceError(UserError):
    """A search-space file is missing, malformed or asks for what does not exist."""


class LedgerError(UserError):
    """A study is missing, in use by another process, or was made with another set-up."""


class ModelError(UserError):
    """An exported model or its folder is missing, damaged or in the way."""


class FetchError(StudyError):
    """A set of images cannot be downloaded, or what came is not what it should be."""


class TrialError(StudyError):
    """One trial could not be trained."""


class DivergedError(TrialError):
    """A network's loss or output stopped being a number."""


def near_miss(word: str, allowed: Iterable[str]) -> str:
    """Return ``" (did you mean 'x'?)"`` for the closest allowed word, or an empty string.

    Upper and lower case count as the same.
    """
    by_lower = {name.lower(): name for name in allowed}
    close = difflib.get_close_matches(word.lower(), by_lower, n=1)
    return f" (did you mean {by_lower[close[0]]!r}?)" if close else ""


def in_a_line(error: Exception) -> str:
    """Return what an error says, with its type unless it is one of the program's own."""
    line = (str(error).strip().splitlines() or [""])[0]
    if isinstance(error, StudyError):
        return line
    return f"{type(error).__name__}: {line}" if line else type(error).__name__
