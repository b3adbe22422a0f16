"""The article's set: 250 ultrasound images of breast tumours, from Mendeley Data.

P. S. Rodrigues, "Breast Ultrasound Image", Mendeley Data, V1, doi 10.17632/wmy84gzngw.1, CC BY 4.0:
100 benign and 150 malignant tumours, 8-bit greyscale BMP, 75x57 to 199x161 pixels.
"""

from __future__ import annotations

import csv
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path, PurePosixPath

from study.dataset.fetch.archive import is_archive, unpack
from study.dataset.fetch.download import download
from study.dataset.fetch.listing import read_list
from study.dataset.fetch.lock import only_process
from study.dataset.fetch.request import Limits
from study.dataset.images import pixel_digest, read_image
from study.errors import DataError, FetchError, UnreadableImage
from study.files import write_text

BASE_URL = "https://data.mendeley.com"
PAGE = "https://data.mendeley.com/datasets/wmy84gzngw/1"
LICENCE = "CC BY 4.0"
CITATION = (
    'P. S. Rodrigues, "Breast Ultrasound Image", Mendeley Data, V1, doi 10.17632/wmy84gzngw.1'
)

_FILES = "/public-api/datasets/wmy84gzngw/files?folder_id=root&version=1"
_ARCHIVE = "/public-api/zip/wmy84gzngw/download/1"
_PIXEL_LIMIT = 1_000_000

Table = Mapping[str, PurePosixPath]
"""``class/name`` of each image, by the digest of its pixels."""

OnProgress = Callable[[str, int, int | None], None]
"""Is told a file's name, its bytes that are there, and its bytes in all where known."""


@dataclass(frozen=True, kw_only=True)
class _Network:
    """Where the set is asked for, how patiently, and who is told of it."""

    base_url: str
    limits: Limits
    on_progress: OnProgress
    on_note: Callable[[str], None]


def home(cache: Path) -> Path:
    """Return the folder of the set in a cache, where a zip loaded by hand is looked for."""
    return cache / "mendeley"


def cached_folder(cache: Path, *, table: Table | None = None) -> Path | None:
    """Return the folder of the class folders where every image of the set is there, else None.

    Names are looked at, not contents: these were checked before the folder was put there.
    """
    folder = home(cache) / "breast-ultrasound"
    return folder if not _missing(folder, table or read_table()) else None


def read_table() -> Table:
    """Return the images of the set: 100 ``benign``, then 150 ``malignant``, in natural order."""
    with Path(__file__).with_name("mendeley.csv").open(encoding="utf-8", newline="") as file:
        return {
            row["pixel_digest"]: PurePosixPath(row["class"], row["name"])
            for row in csv.DictReader(file)
        }


def fetch(
    cache: Path,
    *,
    base_url: str = BASE_URL,
    on_progress: OnProgress | None = None,
    on_note: Callable[[str], None] | None = None,
    limits: Limits | None = None,
    table: Table | None = None,
) -> Path:
    """Bring the set into the cache and return the folder of its class folders.

    Archives (``*.zip``) that somebody has put into :func:`home` are taken up first; what they lack
    is downloaded from ``base_url``: the files that the repository lists, else its archive of all.
    Images are told by their decoded pixels wherever they lie, and keep their bytes. The folder
    appears when it is whole. A second process waits for the first. ``on_note`` gets a line about
    what a person may want to know meanwhile.

    Raises ``FetchError`` when images are missing after all, and ``DataError`` when the cache cannot
    be written. Parts of downloads stay, and the next call goes on with them.
    """
    table = table or read_table()
    place = home(cache)
    network = _Network(
        base_url=base_url.rstrip("/"),
        limits=limits or Limits(),
        on_progress=on_progress or (lambda _name, _done, _total: None),
        on_note=on_note or (lambda _line: None),
    )

    def on_wait() -> None:
        network.on_note(f"another process fetches into {place}; waiting for it")

    try:
        place.mkdir(parents=True, exist_ok=True)
        with only_process(place / "lock", on_wait=on_wait):
            return cached_folder(cache, table=table) or _build(place, table, network)
    except OSError as error:
        raise DataError(
            f"{place}: cannot be written ({error.strerror or error}); name another folder, or make "
            "room or this one writable"
        ) from error


def _missing(folder: Path, table: Table) -> list[PurePosixPath]:
    """Return the images of the table that the folder lacks."""
    there = set()
    for label in {image.parent for image in table.values()}:
        try:
            there |= {label / path.name for path in (folder / label).iterdir()}
        except OSError:
            continue
    return [image for image in table.values() if image not in there]


def _build(place: Path, table: Table, network: _Network) -> Path:
    """Lay the set out beside its place, and move it there when it is whole."""
    for left in place.glob(".images-*"):  # of a process that was killed
        shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=place, prefix=".images-") as scratch:
        images = Path(scratch) / "images"
        _take_up(place, images, table, network.on_note)
        if _missing(images, table):
            _download(place, images, table, network)
        write_text(images / "README.txt", _readme())
        folder = place / "breast-ultrasound"
        if folder.exists():  # images were removed from it
            folder.rename(Path(scratch) / "incomplete")
        images.rename(folder)
    shutil.rmtree(place / "downloads", ignore_errors=True)
    return folder


def _take_up(place: Path, images: Path, table: Table, note: Callable[[str], None]) -> None:
    """Lay out what the archives hold that somebody has put into the place."""
    for archive in sorted(place.iterdir()):
        if archive.suffix.lower() == ".zip" and archive.is_file() and _missing(images, table):
            try:
                found = _collect(unpack(archive, images.parent), images, table)
                note(f"{archive}: {found} of the {len(table)} images found in it")
            except (FetchError, PermissionError) as error:
                note(f"passed over in {place}: {error}")


def _collect(files: Iterable[Path], images: Path, table: Table) -> int:
    """Lay out the images of the table that are among files, and return how many are new."""
    before = len(_missing(images, table))
    for path in files:
        try:
            image = table.get(pixel_digest(read_image(path, pixel_limit=_PIXEL_LIMIT)))
        except UnreadableImage:
            continue
        if image is not None and not (images / image).exists():
            (images / image.parent).mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, images / image)
    return before - len(_missing(images, table))


def _download(place: Path, images: Path, table: Table, network: _Network) -> None:
    """Download what the list names, then the archive of all, until no image is missing."""
    downloads, note = place / "downloads", network.on_note
    causes = []
    left = network.limits.most_bytes

    def take(name: str, url: str, digest: str | None) -> None:
        nonlocal left
        file = downloads / sha256(url.encode()).hexdigest()[:16]
        limits = replace(network.limits, most_bytes=left)

        def tell(done: int, total: int | None) -> None:
            network.on_progress(name, done, total)

        download(url, file, sha256=digest, limits=limits, on_progress=tell, on_note=note)
        left -= file.stat().st_size
        try:
            single = digest is not None and not is_archive(file)
            files = [file] if single else unpack(file, images.parent, shown=name)
            _collect(files, images, table)
        finally:
            file.unlink(missing_ok=True)  # kept, a bad file would be found again for ever

    try:
        url = network.base_url + _FILES
        for listed in read_list(url, downloads, limits=network.limits, on_note=note):
            if _missing(images, table):
                take(listed.name, listed.url, listed.sha256)
    except FetchError as error:
        causes.append(str(error))
    if _missing(images, table):
        try:
            take("the archive", network.base_url + _ARCHIVE, None)
        except FetchError as error:
            causes.append(str(error))
    missing = _missing(images, table)
    if missing:
        raise FetchError(_failure(place, missing, table, causes))


def _failure(place: Path, missing: list[PurePosixPath], table: Table, causes: list[str]) -> str:
    said = {cause.rpartition(": ")[2]: cause for cause in causes}  # of two alike, the last
    why = "; ".join(said.values()) or "the archive does not hold them"
    parts = (path.stat().st_size for path in (place / "downloads").glob("*.part"))
    kept = "what came so far is kept" if any(parts) else "nothing was kept"
    return (
        f"{len(missing)} of the {len(table)} images could not be had ({why}); {kept}; "
        f"run it again, or first load the zip by hand from {PAGE} into {place}"
    )


def _readme() -> str:
    return "\n".join(
        (
            "Breast Ultrasound Image",
            "Author: Paulo Sergio Rodrigues",
            f"Cite as: {CITATION}",
            f"Licence: {LICENCE}, https://creativecommons.org/licenses/by/4.0/",
            f"Address: {PAGE}",
            "",
            "100 benign and 150 malignant tumours; the files are unchanged, their layout and their",
            "names follow a table of the digests of their pixels.",
            "",
        )
    )
