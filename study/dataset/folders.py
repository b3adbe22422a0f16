"""Folders of images: what their names say about class, group and part."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from study.dataset.images import IMAGE_SUFFIXES
from study.errors import DataError

PART_FOLDERS = {
    "train": "train",
    "val": "validation",
    "validation": "validation",
    "test": "test",
}
"""Names of folders, in lower case, that stand for a part."""


@dataclass(frozen=True, kw_only=True)
class FoundImage:
    """One image file and what the folders say of it."""

    path: Path
    label: str
    group: str | None
    part: str | None


def list_folder(folder: Path) -> tuple[list[Path], list[Path]]:
    """Return the folders and the image files in a folder, sorted, hidden ones left out.

    Raises ``DataError`` when the folder cannot be read.
    """
    try:
        seen = [e for e in sorted(folder.iterdir()) if not e.name.startswith((".", "__"))]
        folders = [entry for entry in seen if entry.is_dir()]
    except OSError as error:
        raise DataError(f"{folder}: the folder cannot be read ({error.strerror})") from error
    others = set(seen) - set(folders)
    return folders, [e for e in seen if e in others and e.suffix.lower() in IMAGE_SUFFIXES]


def _part_folders(root: Path) -> dict[str | None, Path]:
    """Return the folders that hold class folders: one for each part, or the root for None."""
    folders, files = list_folder(root)
    if not folders:
        if files:
            held = f"its {len(files)} images lie in the folder itself"
        else:
            held = (
                "it is empty" if not any(root.iterdir()) else "it holds neither folders nor images"
            )
        raise DataError(f"{root}: no class folders, {held}; put each class into a sub-folder")
    parts = [f for f in folders if f.name.lower() in PART_FOLDERS]
    others = [f.name for f in folders if f not in parts]
    if not parts or (others and not any(f.name.lower() == "train" for f in parts)):
        return {None: root}
    if others:
        raise DataError(
            f"{root}: part folders ({quoted(f.name for f in parts)}) lie beside others "
            f"({quoted(others)}); allowed beside each other: train, val or validation, test"
        )
    named: dict[str | None, Path] = {}
    for folder in parts:
        first = named.setdefault(PART_FOLDERS[folder.name.lower()], folder)
        if first != folder:
            twice = quoted((first.name, folder.name))
            raise DataError(f"{root}: two folders for one part ({twice}); keep one of them")
    return named


def class_names(root: Path) -> tuple[str, ...]:
    """Return the names of the class folders, of all parts together, sorted.

    Raises ``DataError`` when there are none, or when part folders are mixed with others.
    """
    places = _part_folders(root).values()
    return tuple(sorted({folder.name for place in places for folder in list_folder(place)[0]}))


def find_images(root: Path) -> Iterator[FoundImage]:
    """Yield the files with an image suffix in all class folders, whether readable or not.

    Raises ``DataError`` as :func:`class_names`, or when a folder cannot be read.
    """
    for part, place in _part_folders(root).items():
        for folder in list_folder(place)[0]:
            for path, group in _images_below(folder):
                yield FoundImage(path=path, label=folder.name, group=group, part=part)


def _images_below(folder: Path) -> Iterator[tuple[Path, str | None]]:
    """Yield all images of a class with the name of the first sub-folder that they are in."""
    waiting: list[tuple[Path, str | None]] = [(folder, None)]
    entered: set[tuple[int, int]] = set()
    while waiting:
        place, group = waiting.pop()
        status = place.stat()
        # Each real folder once: symbolic links may lead in circles.
        if (status.st_dev, status.st_ino) in entered:
            continue
        entered.add((status.st_dev, status.st_ino))
        folders, files = list_folder(place)
        yield from ((file, group) for file in files)
        waiting += [(inner, group or inner.name) for inner in reversed(folders)]


def quoted(names: Iterable[str]) -> str:
    """Return names in quotes for a message, ten at most."""
    every = [repr(name) for name in names]
    return ", ".join(every[:10]) + (f" and {len(every) - 10} more" if len(every) > 10 else "")
