"""Strips of thumbnails: images that belong together, side by side, for a reader to judge."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from PIL import Image

from study.dataset.audit.result import Audit
from study.dataset.manifest import Manifest, ManifestRow
from study.dataset.sources.source import Source, natural
from study.errors import UnreadableImage
from study.report import words
from study.report.audit.section import copies_sentences
from study.report.data_facts import GROUPING
from study.report.markup import Content, Markup, element, join
from study.report.pictures import data_uri, short_name

STRIPS, IMAGES = 24, 8
"""Most strips of one kind, most images of one strip."""

UNFOLDED = 8
"""Strips of one kind that are not folded away."""

SIDE = 96
"""Longest side of a thumbnail, pixels."""

BUDGET = 2_900_000
"""Most characters of all thumbnails of a page."""

_PARTS = {
    "train": "training",
    "validation": "validation",
    "test": "test",
    "undivided": "not divided",
}

_Sets = Sequence[Sequence[ManifestRow]]


@dataclass(kw_only=True)
class Thumbnails:
    """Makes thumbnails as data URIs until the budget of the page is spent."""

    read: Callable[[str], Image.Image]
    """Decodes the image of a path."""
    left: int = BUDGET
    _made: dict[str, str | None] = field(default_factory=dict)

    def uri(self, path: str) -> str | None:
        """Return a JPEG of at most 96 pixels; None where unreadable or beyond the budget."""
        if path not in self._made:
            self._made[path] = self._make(path)
        found = self._made[path]
        if found is None or len(found) > self.left:
            return None
        self.left -= len(found)
        return found

    def _make(self, path: str) -> str | None:
        try:
            image = self.read(path)
        except UnreadableImage:
            return None
        image.thumbnail((SIDE, SIDE))
        return data_uri(image, "JPEG", quality=80)


def gather(rows: Sequence[ManifestRow], names: Iterable[object]) -> list[list[ManifestRow]]:
    """Return the rows of each name that has two and more, those in several parts and large first.

    ``names`` has one value a row. Sets of one size stay in the order of their first row.
    """
    sets: dict[object, list[ManifestRow]] = defaultdict(list)
    for row, name in zip(rows, names, strict=True):
        sets[name].append(row)
    found = [members for members in sets.values() if len(members) > 1]
    return sorted(found, key=lambda members: (-min(_parts(members), 2), -len(members)))


def _parts(members: Sequence[ManifestRow]) -> int:
    return len({row.part for row in members})


def groups_html(audit: Audit, manifest: Manifest, thumbnails: Thumbnails) -> Markup:
    """Return how large the groups are, and the straddling and the largest ones as strips."""
    sizes = sorted(Counter(row.group for row in manifest.rows).values())
    sets = gather(manifest.rows, [row.group for row in manifest.rows])
    told = (
        f"{words.plural(audit.groups, 'group')} ({GROUPING.get(audit.grouping, audit.grouping)}), "
        f"of {sizes[0]:,} to {words.plural(sizes[-1], 'image')}, median {median(sizes):g}."
    )
    if audit.straddling_groups:
        lie = "lies" if audit.straddling_groups == 1 else "lie"
        told += f" {audit.straddling_groups:,} {lie} in more than one part; they come first."
    if not sets:
        return element("p", told + " No group holds more than one image.")
    return join(
        element("p", told),
        element("p", _extent(sets, "group"), class_="aside"),
        _strips(sets, thumbnails, title=lambda members: members[0].group),
    )


def _extent(sets: _Sets, noun: str) -> str:
    most = max(len(members) for members in sets)
    limits = f", at most {IMAGES} images of each" if most > IMAGES else ""
    if len(sets) > STRIPS:
        return f"{STRIPS} of {words.plural(len(sets), noun)} of two and more images{limits}."
    return f"All {noun}s of two and more images{limits}."


def copies_html(
    values: dict[str, Any], source: Source, manifest: Manifest, thumbnails: Thumbnails
) -> Markup:
    """Return contradictory labels, near-copies across groups and exact copies as strips.

    ``values`` is the audit as a dictionary.
    """
    rows = {row.path: row for row in manifest.rows}
    conflicts = [[rows[one["path"]] for one in found] for found in values["label_conflicts"]]
    exact = [[rows[path] for path in found] for found in values["exact_duplicates"]]
    pixels = {
        image.path: seen.pixel_digest
        for image, seen in zip(source.images, source.facts, strict=True)
    }
    near = [
        members
        for members in gather(manifest.rows, source.content.group.tolist())
        if len({row.group for row in members}) > 1 < len({pixels[row.path] for row in members})
    ]
    pieces = [element("p", " ".join(copies_sentences(values)))]
    kinds: tuple[tuple[str, _Sets, Callable[[ManifestRow], str] | None], ...] = (
        ("Same pixels, different classes", conflicts, lambda row: row.label),
        ("Near-copies in different groups", near, lambda row: row.group),
        ("Same pixels, same class", exact, None),
    )
    for title, sets, under in kinds:
        if sets:
            pieces += [
                element("h3", title),
                element("p", _extent(sets, "set"), class_="aside"),
                _strips(sets, thumbnails, under=under),
            ]
    return join(*pieces)


def _strips(
    sets: _Sets,
    thumbnails: Thumbnails,
    *,
    title: Callable[[Sequence[ManifestRow]], str] | None = None,
    under: Callable[[ManifestRow], str] | None = None,
) -> Markup:
    """Return a strip a set, at most 24, with up to 8 images each.

    ``title`` heads a strip; ``under`` is what stands under an image beside its path. The part of
    an image is named where its set lies in several.
    """
    strips = [
        element(
            "div",
            element("p", *_headed(members, title)),
            _strip(members, thumbnails, under),
            class_="set",
        )
        for members in sets[:STRIPS]
    ]
    first, rest = strips[:UNFOLDED], strips[UNFOLDED:]
    more = element("summary", f"{len(rest)} more")
    return join(
        element("div", *first, class_="sets"),
        element("details", more, element("div", *rest, class_="sets")) if rest else None,
    )


def _headed(
    members: Sequence[ManifestRow], title: Callable[[Sequence[ManifestRow]], str] | None
) -> list[Content]:
    name: list[Content] = [element("strong", title(members)), " "] if title else []
    labels = _counted(row.label for row in members)
    parts = Counter(row.part for row in members)
    held = ", ".join(f"{parts[key]} in {_PARTS[key]}" for key in _PARTS if parts[key])
    where = f": {held}" if len(parts) > 1 else f", {_PARTS.get(members[0].part, members[0].part)}"
    folder = _folder(members)
    place: list[Content] = [" ", element("code", f"{folder}/")] if folder else []
    return [*name, f"{words.plural(len(members), 'image')}, {labels}{where}", *place]


def _folder(members: Sequence[ManifestRow]) -> str:
    """Return the folder that all images of a set lie in, empty where they lie in several."""
    folders = {row.path.rpartition("/")[0] for row in members}
    return folders.pop() if len(folders) == 1 else ""


def _counted(labels: Iterable[str]) -> str:
    """Write class names, with their amounts where there are several."""
    amounts: Mapping[str, int] = Counter(labels)
    if len(amounts) == 1:
        return next(iter(amounts))
    return " and ".join(f"{amount:,} {label}" for label, amount in sorted(amounts.items()))


def _strip(
    members: Sequence[ManifestRow],
    thumbnails: Thumbnails,
    under: Callable[[ManifestRow], str] | None,
) -> Markup:
    several, folder = _parts(members) > 1, _folder(members)
    items = []
    for row in _shown(members):
        uri = thumbnails.uri(row.path)
        name = row.path.removeprefix(f"{folder}/")
        picture = (
            element("span", "not shown", class_="blank")
            if uri is None
            else element("img", src=uri, alt=row.path)
        )
        said = [
            element("span", _PARTS.get(row.part, row.part), class_=f"part {row.part}")
            if several
            else None,
            element("span", short_name(under(row))) if under else None,
            element("span", short_name(name), class_="path", title=row.path),
        ]
        items.append(element("li", element("figure", picture, element("figcaption", *said))))
    more = len(members) - len(items)
    if more:
        items.append(element("li", f"and {more:,} more", class_="more"))
    return element("ul", *items, class_="strip")


def _shown(members: Sequence[ManifestRow]) -> list[ManifestRow]:
    """Return the images of a strip: some of every part, in the order of the parts."""
    if len(members) <= IMAGES:
        return sorted(members, key=_place)
    by_part: dict[str, list[ManifestRow]] = defaultdict(list)
    for row in members:
        by_part[row.part].append(row)
    share = IMAGES // len(by_part)
    kept = [row for rows in by_part.values() for row in rows[:share]]
    rest = [row for rows in by_part.values() for row in rows[share:]]
    return sorted(kept + rest[: IMAGES - len(kept)], key=_place)


def _place(row: ManifestRow) -> tuple[int, Any]:
    part = list(_PARTS).index(row.part) if row.part in _PARTS else len(_PARTS)
    return part, natural(row.path)
