"""An exported model: a folder with the network and what has to be known to use it."""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from study.dataset.images import file_digest
from study.errors import ModelError, StudyError, in_a_line
from study.files import write_text
from study.model.capacity import EVALUATION_BATCH
from study.model.card import model_card
from study.model.exported import METADATA, MODEL, SCHEMA_VERSION
from study.model.formats import FORMATS, Format, predict_in_batches
from study.model.verify import compare

CARD = "MODEL_CARD.md"

CONTENT = (METADATA, CARD, *(item.path for item in FORMATS.values()))
"""All that an exported model may hold."""


def export_model(
    network: Path,
    out: Path,
    metadata: Mapping[str, Any],
    *,
    formats: Sequence[Format],
    images: NDArray[np.uint8],
    replace: bool = False,
) -> dict[str, Any]:
    """Store a network in the new folder ``out``, and return what ``metadata.json`` says of it.

    Each format is loaded again in a process of its own and compared with the network on
    ``images``, (n, height, width, channels), 0..255. ``formats`` holds Keras' own. ``metadata``
    is that of the study, see ``evaluation.description``. The folder appears whole or not at all.

    Raises ``ModelError`` when it cannot be written, or as :func:`check_target`; ``StudyError``
    when the network cannot be converted, or a format differs from it.
    """
    out = out.resolve()
    check_target(out, replace=replace)
    scratch = _nearest(out.parent) / f".{out.name}.{os.getpid()}"
    try:
        scratch.mkdir()
        expected = _write_formats(network, scratch, formats, images)
        differences = compare(scratch, formats, images, expected)
        described = _described(scratch, metadata, formats, differences, images=len(images))
        write_text(scratch / METADATA, json.dumps(described, indent=2, allow_nan=False) + "\n")
        write_text(scratch / CARD, model_card(described))
        _move(scratch, out)
    except OSError as error:
        raise ModelError(f"--out {out}: cannot be written ({error.strerror or error})") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return described


def check_target(out: Path, *, replace: bool) -> None:
    """Raise ``ModelError`` unless an exported model may be put at ``out``.

    It may where nothing is, in an empty folder, and with ``replace`` in the place of an exported
    model in which nobody has put anything else.
    """
    try:
        if not out.exists():
            return
        found = sorted(item.name for item in out.iterdir()) if out.is_dir() else None
    except OSError as error:
        raise ModelError(f"--out {out}: cannot be read ({error.strerror or error})") from error
    if found == []:
        return
    if found is None or METADATA not in found:
        raise ModelError(f"--out {out}: exists and is no exported model; name another folder")
    if not replace:
        raise ModelError(
            f"--out {out}: exists already; replace it with --force, or name another folder"
        )
    if foreign := [name for name in found if name not in CONTENT]:
        raise ModelError(
            f"--out {out}: holds {foreign[0]!r}, which no export wrote and --force would delete; "
            "move it, or name another folder"
        )


def _nearest(folder: Path) -> Path:
    """Return the folder, or where it is missing the one above it that is there."""
    return next(place for place in (folder, *folder.parents) if place.exists())


def _write_formats(
    network: Path, folder: Path, formats: Sequence[Format], images: NDArray[np.uint8]
) -> NDArray[np.float32]:
    """Write the network in each format; return its own probabilities of the images, (n,)."""
    import keras

    from study.model.load import load_network

    # A graphics card computes with shorter numbers than the comparison allows for.
    with keras.device("cpu"):
        original = load_network(network)
        expected = predict_in_batches(original.predict_on_batch, images, EVALUATION_BATCH)
    for item in formats:
        try:
            item.write(original, network, folder / item.path)
        except OSError:
            raise
        except Exception as error:  # converters raise nearly anything
            raise StudyError(
                f"--format {item.name}: the network cannot be converted ({in_a_line(error)}); "
                "nothing was exported"
            ) from error
    return expected


def _described(
    folder: Path,
    metadata: Mapping[str, Any],
    formats: Sequence[Format],
    differences: Mapping[str, float],
    *,
    images: int,
) -> dict[str, Any]:
    files = {
        path.relative_to(folder).as_posix(): file_digest(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    stored = {
        item.name: {
            "path": item.path,
            "digest": _digest(item.path, files),
            "largest_difference": differences[item.name],
            "tolerance": item.tolerance,
            "images": images,
        }
        for item in formats
    }
    described: dict[str, Any] = _finite(
        {
            "schema_version": SCHEMA_VERSION,
            "model": MODEL,
            "model_digest": files[MODEL],
            "formats": stored,
            **metadata,
            "digests": {**metadata["digests"], "files": files},
        }
    )
    return described


def _digest(path: str, files: Mapping[str, str]) -> str:
    """Return a file's SHA-256; a folder's is that of its files' lines, as sha256sum writes them."""
    if path in files:
        return files[path]
    lines = [f"{digest}  {name}\n" for name, digest in files.items() if name.startswith(f"{path}/")]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _finite(value: Any) -> Any:
    """Return plain values with None for what is no finite number, which JSON does not know."""
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _move(scratch: Path, out: Path) -> None:
    """Move a finished folder to its place; what it replaces goes only once it is there."""
    out.parent.mkdir(parents=True, exist_ok=True)
    aside = scratch.with_name(f"{scratch.name}.old")
    replaced = out.exists()
    if replaced:
        out.rename(aside)
    try:
        scratch.rename(out)
    except OSError:
        if replaced:
            aside.rename(out)
        raise
    shutil.rmtree(aside, ignore_errors=True)
