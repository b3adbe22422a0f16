"""Opening a source: every image listed, decoded once, measured and hashed."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image, ImageStat

from study.dataset.groups import SIDE, thumbnail
from study.dataset.images import pixel_digest
from study.dataset.sources.folders import list_folder, list_folders
from study.dataset.sources.packed import list_packed
from study.dataset.sources.source import (
    ImageFacts,
    Listed,
    Listing,
    Source,
    SourceImage,
    positive_class,
    quoted,
)
from study.dataset.sources.stores import ImageStore, open_store
from study.dataset.sources.table import list_table
from study.errors import DataError, SettingsError, UnreadableImage, near_miss

MOST_UNREADABLE = 0.10
"""Share of unreadable images above which a source is refused."""

_FORMS = (
    "a folder with one sub-folder per class, a CSV table (path,label), an .npz file, 'phantom' "
    "for the built-in synthetic images, or 'mendeley' for the article's"
)


def open_source(
    data: str,
    *,
    cache: Path,
    positive: str | None = None,
    downloads: Path | None = None,
    group_pattern: str | None = None,
    most_unreadable: float = MOST_UNREADABLE,
) -> Source:
    """List the images of ``data``, decode each once, measure and hash it.

    ``data`` is one of:

    - a folder of ``class/image`` or ``class/patient/image``, or of ``train``, ``val`` or
      ``validation``, ``test`` folders of either kind: :func:`~.folders.list_folders`;
    - a CSV table: :func:`~.table.list_table`;
    - an ``.npz`` file: :func:`~.packed.list_packed`;
    - ``phantom``, the built-in synthetic set, which is drawn into ``cache`` at first use;
    - ``mendeley``, the article's set, which ``study data fetch`` puts into ``downloads``.

    ``group_pattern`` is a regular expression searched in the name of each file; what its group
    called ``group``, else its first group, else the whole match finds is the image's group,
    instead of what the source says. Images that cannot be decoded are left out and listed as
    skipped; a greater share of them than ``most_unreadable`` is refused. Without ``positive`` the
    positive class follows :func:`~.source.positive_class`.

    Raises ``DataError`` when the source, its classes or its images cannot be used,
    ``SettingsError`` for a pattern that cannot be.
    """
    listing = _without_empty(_listing(data, cache=cache, downloads=downloads))
    _check_classes(listing)
    if positive is not None and positive not in listing.classes:
        raise DataError(
            f"--positive: {positive!r} is not a class of {listing.root}"
            f"{near_miss(positive, listing.classes)}; allowed: {quoted(listing.classes)}"
        )
    if group_pattern is not None:
        listing = _grouped_by_name(listing, group_pattern)
    source = _read(listing, positive or positive_class(listing.classes))
    check_readable(source, most_unreadable)
    return source


def _listing(data: str, *, cache: Path, downloads: Path | None) -> Listing:
    if data == "phantom":
        from study.dataset.phantom.files import cached_phantom

        return replace(list_folders(cached_phantom(cache)), name="phantom", synthetic=True)
    if data == "mendeley":
        from study.dataset.fetch.mendeley import cached_folder

        folder = cached_folder(downloads) if downloads is not None else None
        if folder is None:
            raise DataError(
                "--data mendeley: has not been downloaded; run `study data fetch mendeley`"
            )
        return replace(list_folders(folder), name="mendeley")
    path = Path(data).expanduser()
    try:
        there = bool(data.strip()) and path.exists()
    except (OSError, ValueError):  # a name too long, a folder closed to us
        there = False
    if not there:
        raise DataError(f"--data: {data!r} is not there; give {_FORMS}")
    path = path.resolve()
    if path.is_dir():
        return list_folders(path)
    if path.suffix.lower() == ".csv":
        return list_table(path)
    if path.suffix.lower() == ".npz":
        return list_packed(path)
    raise DataError(f"--data: {data!r} is a file, neither .csv nor .npz; give {_FORMS}")


def _grouped_by_name(listing: Listing, pattern: str) -> Listing:
    if listing.root.is_file():
        raise SettingsError(f"--group-pattern: the images of {listing.root} have no file names")
    try:
        compiled = re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise SettingsError(
            f"--group-pattern: {pattern!r} is not a regular expression ({error}); one such as "
            r"'^(\d+)_' takes the number before the first underscore"
        ) from error
    images = tuple(replace(image, group=_group(compiled, image)) for image in listing.images)
    if not any(image.group for image in images):
        example = PurePosixPath(images[0].path).name if images else ""
        raise SettingsError(
            f"--group-pattern: {pattern!r} matches none of {len(images)} file names, such as "
            f"{example!r}; give a regular expression that finds the patient or lesion in them"
        )
    return replace(listing, images=images, groups_from=f"file names by the pattern {pattern}")


def _group(pattern: re.Pattern[str], image: Listed) -> str | None:
    found = pattern.search(PurePosixPath(image.path).name)
    if found is None:
        return None
    name: str | None
    if "group" in pattern.groupindex:
        name = found["group"]
    else:
        name = found[1] if pattern.groups else found[0]
    return name or None


def _read(listing: Listing, positive: str) -> Source:
    store = open_store(listing.root)
    images, facts, thumbnails = [], [], []
    skipped: list[tuple[str, str]] = []
    for item in sorted(listing.images, key=lambda item: item.path):
        try:
            seen, small = _measure(store, item.path)
            sha256 = store.digest(item.path)
        except UnreadableImage as error:
            skipped.append((item.path, error.cause))
            continue
        facts.append(seen)
        thumbnails.append(small)
        images.append(
            SourceImage(
                path=item.path,
                label=item.label,
                group=item.group,
                part=item.part,
                sha256=sha256,
            )
        )
    return Source(
        name=_safe_name(listing.name),
        root=listing.root,
        images=tuple(images),
        facts=tuple(facts),
        thumbnails=np.array(thumbnails, dtype=np.float32).reshape(-1, SIDE, SIDE),
        classes=listing.classes,
        positive=positive,
        synthetic=listing.synthetic,
        skipped=tuple(skipped),
        groups_from=listing.groups_from,
        ignored_columns=listing.ignored_columns,
    )


def _measure(store: ImageStore, path: str) -> tuple[ImageFacts, np.typing.NDArray[np.float32]]:
    decoded = store.decode(path, channels=3)
    image = decoded.image.convert("L")
    small = thumbnail(image)
    facts = ImageFacts(
        width=image.width,
        height=image.height,
        format=decoded.format,
        mode=decoded.mode,
        animated=decoded.animated,
        file_bytes=store.file_bytes(path),
        mean_grey=ImageStat.Stat(image).mean[0],
        depth=decoded.depth,
        flat=not small.any(),
        pixel_digest=pixel_digest(decoded.image if _is_coloured(decoded.image) else image),
    )
    return facts, small


def _is_coloured(image: Image.Image) -> bool:
    red, green, blue = (channel.tobytes() for channel in image.split())
    return not red == green == blue


def _safe_name(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-") or "data"


def _without_empty(listing: Listing) -> Listing:
    """Return a listing without class folders that hold no image, such as notes, if two remain."""
    used = tuple(sorted({image.label for image in listing.images}))
    return replace(listing, classes=used) if len(used) >= 2 else listing


def _check_classes(listing: Listing) -> None:
    root, classes = listing.root, listing.classes
    if len(classes) == 2:
        return
    if not classes:
        raise DataError(f"{root}: the part folders hold no class folders; give each part two")
    if len(classes) == 1:
        inner = root / classes[0]
        nested = inner.is_dir() and len(list_folder(inner)[0]) > 1
        hint = f"; did you mean {str(inner)!r}?" if nested else "; give images of a second class"
        raise DataError(f"{root}: one class only ({classes[0]!r}), two are needed{hint}")
    raise DataError(
        f"{root}: {len(classes)} classes ({quoted(classes)}); two are supported: keep the images "
        "of two classes, or merge the others into one"
    )


def check_readable(source: Source, most_unreadable: float) -> None:
    """Refuse a source of which a class, or a greater share than this, cannot be read.

    Raises ``DataError``.
    """
    root, skipped = source.root, source.skipped
    counts = Counter(image.label for image in source.images)
    for name in source.classes:
        if not counts[name]:
            cause = f"; the first that is not: {skipped[0][0]}: {skipped[0][1]}" if skipped else ""
            raise DataError(f"{root}: class {name!r} has no readable image{cause}")
    total = len(source.images) + len(skipped)
    if len(skipped) <= most_unreadable * total:
        return
    limit = f"more than {most_unreadable:.0%}" if most_unreadable else "and --strict allows none"
    path, reason = skipped[0]
    raise DataError(
        f"{root}: {len(skipped)} of {total} images cannot be read, {limit}; the first is {path}: "
        f"{reason}; repair or remove them"
    )
