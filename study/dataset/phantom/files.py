"""The phantom as image files: a cached copy for studies, or a folder of the user's own."""

from __future__ import annotations

import csv
import io
import os
import shutil
import tempfile
from pathlib import Path

from PIL import Image

from study.dataset.phantom.drawing import VERSION, generate
from study.errors import DataError, SettingsError
from study.files import write_text

LESIONS, FRAMES, SEED = 50, 5, 0
"""What ``--data phantom`` stands for."""

TABLE = "manifest.csv"
_TRUTH = ("shape", "margin", "posterior", "taller_than_wide")


def write_phantom(
    folder: Path, *, lesions: int = LESIONS, frames: int = FRAMES, seed: int = SEED
) -> None:
    """Draw the phantom into a new folder: ``class/lesion/frame-0.png`` and ``manifest.csv``.

    The table has the columns path, label and group, and the true descriptors of the lesion. The
    folder appears whole or not at all; an empty one is taken.

    Raises ``SettingsError`` for numbers that cannot be, or a folder that is in the way or cannot
    be written.
    """
    for option, value, least in (
        ("--lesions", lesions, 2),
        ("--frames", frames, 1),
        ("--seed", seed, 0),
    ):
        if value < least:
            raise SettingsError(f"{option}: found {value}; allowed: a whole number from {least}")
    folder = folder.resolve()
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise SettingsError(f"{folder}: exists and is not empty; name a new folder")
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".phantom-") as scratch:
            drawn = Path(scratch) / "images"
            _draw(drawn, lesions=lesions, frames=frames, seed=seed)
            if folder.exists():
                folder.rmdir()
            drawn.rename(folder)
    except OSError as error:
        raise SettingsError(
            f"{folder}: the phantom's images cannot be written ({error.strerror or error}); name "
            "a folder that you may write to, on a disk with room"
        ) from error


def cached_phantom(cache: Path) -> Path:
    """Return the folder of the phantom's images, drawn there if nobody has done so yet.

    Raises ``DataError`` when the cache cannot be written.
    """
    folder = cache / f"phantom-{LESIONS}x{FRAMES}-seed{SEED}-v{VERSION}"
    try:
        if len(list(folder.glob("*/*/*.png"))) == LESIONS * FRAMES:
            return folder.resolve()
        if folder.exists():  # somebody removed images
            shutil.rmtree(folder)
        write_phantom(folder)
    except (OSError, SettingsError) as error:
        # Another process may have been first, with the same images.
        if len(list(folder.glob("*/*/*.png"))) != LESIONS * FRAMES:
            cause = (
                os.strerror(error.errno) if isinstance(error, OSError) and error.errno else error
            )
            raise DataError(
                f"{cache}: the phantom's images cannot be written ({cause}); make the folder "
                "writable"
            ) from error
    return folder.resolve()


def _draw(folder: Path, *, lesions: int, frames: int, seed: int) -> None:
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(("path", "label", "group", *_TRUTH))
    for image in generate(lesions=lesions, frames=frames, seed=seed):
        lesion = image.lesion
        file = folder / lesion.label / lesion.name / f"frame-{image.frame}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        # Uncompressed, so that the bytes hardly depend on the zlib at hand.
        Image.fromarray(image.pixels).save(file, compress_level=0)
        truth = (lesion.shape, lesion.margin, lesion.posterior, str(lesion.taller_than_wide))
        writer.writerow((file.relative_to(folder).as_posix(), lesion.label, lesion.name, *truth))
    write_text(folder / TABLE, table.getvalue())
