"""The list of a data set's files, as Mendeley Data gives it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urljoin

from study.dataset.fetch.download import download
from study.dataset.fetch.request import Limits, check_address
from study.errors import FetchError

_MOST_BYTES = 1_000_000
_MOST_FILES = 1000


@dataclass(frozen=True, kw_only=True)
class ListedFile:
    """One file of the list."""

    name: str
    """As the repository shows it: not a path."""
    url: str
    sha256: str


def read_list(
    url: str, folder: Path, *, limits: Limits, on_note: Callable[[str], None]
) -> list[ListedFile]:
    """Ask for the list and return its files; ``folder`` is for the download.

    The fields are those that public code was seen to read: an array of objects with ``filename``
    and ``content_details``, which holds ``download_url`` and ``sha256_hash``.

    Raises ``FetchError`` when the list cannot be had or is not understood.
    """
    file = folder / "files.json"
    limits = replace(limits, most_bytes=min(_MOST_BYTES, limits.most_bytes))
    download(url, file, limits=limits, on_note=on_note)
    try:
        found = [_listed(entry, url) for entry in json.loads(file.read_bytes())]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise FetchError(f"{url}: the list of files is not understood") from error
    finally:
        file.unlink(missing_ok=True)
    if not 0 < len(found) <= _MOST_FILES:
        raise FetchError(f"{url}: a list of {len(found):,} files; 1 to {_MOST_FILES:,} are taken")
    for listed in found:
        check_address(listed.url, origin=url)
    return found


def _listed(entry: dict[str, dict[str, str]], base: str) -> ListedFile:
    details = entry["content_details"]
    digest = details["sha256_hash"].lower()
    if not re.fullmatch("[0-9a-f]{64}", digest):
        raise ValueError(digest)
    return ListedFile(
        name=str(entry["filename"]), url=urljoin(base, details["download_url"]), sha256=digest
    )
