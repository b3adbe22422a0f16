"""Folders of images: what their names say about class, group and part."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from study.dataset.images import IMAGE_SUFFIXES
from study.dataset.sources.source import Listed, Listing, quoted
from study.errors import DataError

PART_FOLDERS = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}
"""Names of folders, in lower case, that stand for a part."""


def list_folders(root: Path) -> Listing:
    """List the images of a folder of class folders, or of part folders that hold those.

    A sub-folder of a class is a group; one name in two classes is one group. Hidden files, names
    that begin with ``__`` and files without an image suffix are left out.

    Raises ``DataError`` when there are no class folders, when part folders are mixed with others,
    or when a folder cannot be read.
    """
    images = tuple(_find_images(root))
    return Listing(
        name=root.name,
        root=root,
        images=images,
        classes=_class_names(root),
        groups_from="sub-folders" if any(image.group for image in images) else None,
    )


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
    if not parts or (others and not any(PART_FOLDERS[f.name.lower()] == "train" for f in parts)):
        return {None: root}
    if others:
        raise DataError(
            f"{root}: part folders ({quoted(f.name for f in parts)}) lie beside others "
            f"({quoted(others)}); allowed beside each other: train, val, test"
        )
    named: dict[str | None, Path] = {}
    for folder in parts:
        first = named.setdefault(PART_FOLDERS[folder.name.lower()], folder)
        if first != folder:
            twice = quoted((first.name, folder.name))
            raise DataError(f"{root}: two folders for one part ({twice}); keep one of them")
    return named


def _class_names(root: Path) -> tuple[str, ...]:
    """Return the names of the class folders, of all parts together, sorted."""
    places = _part_folders(root).values()
    return tuple(sorted({folder.name for place in places for folder in list_folder(place)[0]}))


def _find_images(root: Path) -> Iterator[Listed]:
    """Yield the files with an image suffix in all class folders, whether readable or not."""
    for part, place in _part_folders(root).items():
        for folder in list_folder(place)[0]:
            for path, group in _images_below(folder):
                name = path.relative_to(root).as_posix()
                yield Listed(path=name, label=folder.name, group=group, part=part)


def _images_below(folder: Path) -> Iterator[tuple[Path, str | None]]:
    """Yield all images of a class with the name of the first sub-folder that they are in."""
    waiting: list[tuple[Path, str | None]] = [(folder, None)]
    entered: set[tuple[int, int]] = set()
    real = folder.resolve()
    while waiting:
        place, group = waiting.pop()
        status = place.stat()
        # Each real folder once, and none that holds this class: symbolic links may lead in circles,
        # or up to where the other classes are.
        above = place != folder and real.is_relative_to(place.resolve())
        if above or (status.st_dev, status.st_ino) in entered:
            continue
        entered.add((status.st_dev, status.st_ino))
        folders, files = list_folder(place)
        yield from ((file, group) for file in files)
        waiting += [(inner, group or inner.name) for inner in reversed(folders)]
