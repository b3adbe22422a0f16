"""Sources: which images there are, and their classes, groups and parts as the folders tell them."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tempfile
import unicodedata
from collections import Counter
from dataclasses import astuple, dataclass
from pathlib import Path

from study.dataset.folders import FoundImage, class_names, find_images, list_folder, quoted
from study.dataset.images import file_digest, read_image
from study.errors import DataError, UnreadableImage, near_miss

MOST_UNREADABLE = 0.10
"""Share of unreadable images above which a source is refused."""

_PHANTOM_LESIONS, _PHANTOM_FRAMES, _PHANTOM_SEED = 50, 5, 0

_DISEASE = r"malign|cancer|carcinoma|tumou?r|positive|abnormal"
_HEALTH = r"(?<!ab)normal|(?<!un)healthy|benign|negative"
_NEGATED = rf"\b(?:no|non|not|without)(?:[^a-z]*)(?:{_DISEASE})"


@dataclass(frozen=True, kw_only=True)
class SourceImage:
    """One image of a source."""

    path: str
    """Relative to the source's root, with forward slashes."""
    label: str
    group: str | None
    part: str | None
    """``train``, ``validation``, ``test``, or None where the source gives no parts."""
    sha256: str
    """Of the file's bytes."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """A set of readable images in two classes."""

    name: str
    """Lower-case letters, digits and hyphens."""
    root: Path
    images: tuple[SourceImage, ...]
    """Sorted by path."""
    classes: tuple[str, ...]
    """The two classes, sorted."""
    positive: str
    synthetic: bool
    skipped: tuple[tuple[str, str], ...]
    """Path and reason of every image file that cannot be decoded, sorted."""

    @property
    def negative(self) -> str:
        """The class that is not the positive one."""
        return next(name for name in self.classes if name != self.positive)

    @property
    def has_parts(self) -> bool:
        """Whether the folders divide the images into train, validation and test."""
        return any(image.part for image in self.images)

    @property
    def digest(self) -> str:
        """SHA-256 over all images' path, class, group, part and content; not over the root."""
        rows = sorted(json.dumps(astuple(image)) for image in self.images)
        return hashlib.sha256("\n".join(rows).encode()).hexdigest()


def open_source(data: str, *, positive: str | None, cache: Path) -> Source:
    """List, decode once and hash the images of ``data``.

    ``data`` is ``phantom``, the built-in synthetic set, which is drawn into ``cache`` at first
    use; or a folder of ``class/image``, of ``class/patient/image`` (the sub-folder is the group;
    one name in two classes is one group), or of ``train``, ``val`` or ``validation``, ``test``
    folders of either kind. Hidden files, names that begin with ``__`` and files without an image
    suffix are ignored; image files that cannot be decoded are left out and listed as skipped.
    Without ``positive`` the positive class follows :func:`positive_class`.

    Raises ``DataError`` when the folder, its classes or its images cannot be used.
    """
    synthetic = data == "phantom"
    root = _phantom_folder(cache) if synthetic else _folder(data)
    found = sorted(find_images(root), key=lambda item: item.path.relative_to(root).as_posix())
    classes = _two_classes(root, class_names(root))
    if positive is not None and positive not in classes:
        raise DataError(
            f"--positive: {positive!r} is not a class of {root}{near_miss(positive, classes)}; "
            f"allowed: {quoted(classes)}"
        )
    images, skipped = _read(root, found)
    _check_readable(root, classes, images, skipped)
    return Source(
        name="phantom" if synthetic else _safe_name(root.name),
        root=root,
        images=images,
        classes=classes,
        positive=positive or positive_class(classes),
        synthetic=synthetic,
        skipped=skipped,
    )


def positive_class(classes: tuple[str, ...]) -> str:
    """Return the class that a source calls positive when nobody says.

    The last in sorted order; the first where that one is named after a disease and the last is
    named after its absence (``cancer`` and ``normal``, ``tumour`` and ``no tumour``).
    """
    first, last = sorted(classes)[0], sorted(classes)[-1]
    return first if _is_disease(first) and _is_health(last) else last


def _is_health(name: str) -> bool:
    words = name.lower().replace("_", " ")
    return bool(re.search(_HEALTH, words) or re.search(_NEGATED, words))


def _is_disease(name: str) -> bool:
    return bool(re.search(_DISEASE, name.lower())) and not _is_health(name)


def _folder(data: str) -> Path:
    path = Path(data).expanduser()
    try:
        there = bool(data.strip()) and path.exists()
    except (OSError, ValueError):  # a name too long, a folder closed to us
        there = False
    if not there:
        raise DataError(
            f"--data: {data!r} is not there; give a folder with one sub-folder per class, "
            "or 'phantom' for the built-in synthetic images"
        )
    if not path.is_dir():
        raise DataError(f"--data: {data!r} is a file; give a folder with one sub-folder per class")
    return path.resolve()


def _safe_name(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-") or "data"


def _read(
    root: Path, found: list[FoundImage]
) -> tuple[tuple[SourceImage, ...], tuple[tuple[str, str], ...]]:
    images, skipped = [], []
    for item in found:
        path = item.path.relative_to(root).as_posix()
        try:
            read_image(item.path)
            sha256 = file_digest(item.path)
        except UnreadableImage as error:
            skipped.append((path, error.cause))
            continue
        images.append(
            SourceImage(
                path=path, label=item.label, group=item.group, part=item.part, sha256=sha256
            )
        )
    return tuple(images), tuple(skipped)


def _two_classes(root: Path, classes: tuple[str, ...]) -> tuple[str, ...]:
    if len(classes) == 2:
        return classes
    if not classes:
        raise DataError(f"{root}: the part folders hold no class folders; give each part two")
    if len(classes) == 1:
        inner = root / classes[0]
        nested = len(list_folder(inner)[0]) > 1 if inner.is_dir() else False
        hint = f"; did you mean {str(inner)!r}?" if nested else "; give one sub-folder per class"
        raise DataError(f"{root}: one class only ({classes[0]!r}), two are needed{hint}")
    raise DataError(
        f"{root}: {len(classes)} classes ({quoted(classes)}); two are supported: keep two class "
        "folders, or merge the others into one"
    )


def _check_readable(
    root: Path,
    classes: tuple[str, ...],
    images: tuple[SourceImage, ...],
    skipped: tuple[tuple[str, str], ...],
) -> None:
    counts = Counter(image.label for image in images)
    for name in classes:
        if not counts[name]:
            cause = f"; the first that is not: {skipped[0][0]}: {skipped[0][1]}" if skipped else ""
            raise DataError(f"{root}: class {name!r} has no readable image{cause}")
    total = len(images) + len(skipped)
    if len(skipped) > MOST_UNREADABLE * total:
        path, reason = skipped[0]
        raise DataError(
            f"{root}: {len(skipped)} of {total} images cannot be read, more than "
            f"{MOST_UNREADABLE:.0%}; the first is {path}: {reason}; repair or remove them"
        )


def _phantom_folder(cache: Path) -> Path:
    """Return the folder of the phantom's images, drawn there if nobody has done so yet."""
    from PIL import Image

    from study.dataset.phantom import VERSION, generate

    folder = cache / (
        f"phantom-{_PHANTOM_LESIONS}x{_PHANTOM_FRAMES}-seed{_PHANTOM_SEED}-v{VERSION}"
    )
    if len(list(folder.glob("*/*/*.png"))) == _PHANTOM_LESIONS * _PHANTOM_FRAMES:
        return folder.resolve()
    try:
        if folder.exists():  # somebody removed images
            shutil.rmtree(folder)
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache, prefix=".phantom-") as scratch:
            drawn = Path(scratch) / "images"
            for image in generate(
                lesions=_PHANTOM_LESIONS, frames=_PHANTOM_FRAMES, seed=_PHANTOM_SEED
            ):
                place = drawn / image.lesion.label / image.lesion.name
                place.mkdir(parents=True, exist_ok=True)
                # Uncompressed, so that the bytes hardly depend on the zlib at hand.
                file = place / f"frame-{image.frame}.png"
                Image.fromarray(image.pixels).save(file, compress_level=0)
            _move(drawn, folder)
    except OSError as error:
        raise DataError(
            f"{cache}: the phantom's images cannot be written ({error.strerror or error}); "
            "make the folder writable"
        ) from error
    return folder.resolve()


def _move(drawn: Path, folder: Path) -> None:
    try:
        drawn.rename(folder)
    except OSError:
        if not folder.is_dir():  # else another process was first, with the same images
            raise
