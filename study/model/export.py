"""An exported model: a folder with the network and what has to be known to use it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from study.dataset.images import file_digest, fit_image, read_image
from study.errors import ModelError, UnreadableImage
from study.files import write_text
from study.protocol import Protocol

SCHEMA_VERSION = 1
MODEL, METADATA = "model.keras", "metadata.json"


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What a model says of one image file; ``error`` when the file cannot be read."""

    path: str
    label: str | None = None
    probability: float | None = None
    """Of the positive class."""
    error: str | None = None


def export_model(
    network: Path, out: Path, metadata: Mapping[str, Any], *, replace: bool = False
) -> Path:
    """Copy a network into the new folder ``out``, with ``metadata.json`` beside it.

    The folder appears whole or not at all. Raises ``ModelError`` when it cannot be written, or
    when it exists and is not empty, unless it is an exported model and ``replace`` is set.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        if not (out / METADATA).is_file():
            raise ModelError(f"--out {out}: exists and is no exported model; name another folder")
        if not replace:
            raise ModelError(
                f"--out {out}: exists already; replace it with --force, or name another folder"
            )
    scratch = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        scratch.mkdir(parents=True)
        shutil.copyfile(network, scratch / MODEL)
        described = {
            "schema_version": SCHEMA_VERSION,
            "model": MODEL,
            "model_digest": file_digest(scratch / MODEL),
            **metadata,
        }
        write_text(scratch / METADATA, json.dumps(described, indent=2, allow_nan=False) + "\n")
        shutil.rmtree(out, ignore_errors=True)
        scratch.rename(out)
    except OSError as error:
        raise ModelError(f"--out {out}: cannot be written ({error.strerror or error})") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return out


def read_metadata(folder: Path) -> dict[str, Any]:
    """Return the metadata of an exported model, after checking its file's digest.

    Raises ``ModelError`` when the folder is not an exported model, or was tampered with.
    """
    try:
        metadata: dict[str, Any] = json.loads((folder / METADATA).read_text(encoding="utf-8"))
        schema, digest = metadata["schema_version"], metadata["model_digest"]
    except OSError as error:
        raise ModelError(
            f"{folder}: not an exported model: {METADATA}: {error.strerror}; `study export NAME` "
            "makes one"
        ) from error
    except (ValueError, TypeError, KeyError) as error:
        raise ModelError(f"{folder / METADATA}: damaged; export the model again") from error
    if schema != SCHEMA_VERSION:
        raise ModelError(
            f"{folder / METADATA}: found schema {schema}; this version reads {SCHEMA_VERSION}"
        )
    if not (folder / MODEL).is_file() or file_digest(folder / MODEL) != digest:
        raise ModelError(
            f"{folder / MODEL}: missing, or not the file that was exported; export the model again"
        )
    return metadata


def predict_files(
    folder: Path, metadata: Mapping[str, Any], paths: Sequence[Path]
) -> Iterator[Prediction]:
    """Classify image files with an exported model, in order, decoded as in training.

    ``metadata`` is what :func:`read_metadata` returned, which checks the folder. A file that cannot
    be read gives a prediction with ``error``, and the rest go on.
    """
    from study.model.load import load_network

    protocol = Protocol.from_dict(metadata["protocol"])
    network = load_network(folder / MODEL)
    for path in paths:
        try:
            image = fit_image(
                read_image(path, channels=protocol.channels),
                width=protocol.image_width,
                height=protocol.image_height,
                resize_filter=protocol.resize_filter,
                fit=protocol.fit,
            )
        except UnreadableImage as error:
            yield Prediction(path=str(path), error=error.cause)
            continue
        chance = float(network.predict_on_batch(image[None])[0, 0])
        positive = chance >= metadata["threshold"]
        yield Prediction(
            path=str(path),
            label=metadata["positive"] if positive else metadata["negative"],
            probability=chance,
        )
