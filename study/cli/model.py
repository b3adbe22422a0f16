"""``study export`` and ``study predict``: the winner outside of its study."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from study.cli.options import AsJson, Runs
from study.cli.quiet import quiet_backend
from study.cli.results import Name, find_record
from study.errors import LedgerError
from study.records import StudyRecord, TrialRecord


def export(
    name: Name,
    out: Annotated[
        Path | None, typer.Option(help="New folder for the model [default: runs/NAME/export].")
    ] = None,
    runs: Runs = Path("runs"),
    force: Annotated[bool, typer.Option("--force", help="Replace an earlier export.")] = False,
) -> int:
    """Export the winner of a study: `model.keras` and `metadata.json`."""
    from study.model.export import export_model
    from study.summary import winner

    folder, record = find_record(runs, name)
    best = winner(record)
    if best is None:
        raise LedgerError(f"study {name}: no trial is complete, so there is nothing to export")
    model = folder.model(best.number)
    if not model.is_file():
        raise LedgerError(f"{model}: the network of trial {best.number} is missing")
    try:
        metadata = _metadata(name, record, best)
    except KeyError as error:
        raise LedgerError(
            f"study {name}: its ledger has no {error}, which an export must name; restore the "
            "ledger from a copy"
        ) from error
    print(export_model(model, out or folder.export, metadata, replace=force))
    return 0


def _metadata(name: str, record: StudyRecord, best: TrialRecord) -> dict[str, Any]:
    """Return what an export says of its network and of the study that it comes from."""
    from study.metrics import THRESHOLD
    from study.summary import document

    found = document(record, report=None)
    of_best = record.retest is not None and record.retest["number"] == best.number
    return {
        "study": name,
        "trial": best.number,
        "classes": sorted(record.dataset["classes"]),
        "positive": record.dataset["positive"],
        "negative": record.dataset["negative"],
        "output": "probability of the positive class",
        "threshold": THRESHOLD,
        "image_size": {
            "width": record.protocol.image_width,
            "height": record.protocol.image_height,
            "channels": record.protocol.channels,
        },
        "protocol": record.protocol.as_dict(),
        "variant": best.variant,
        "metrics": {
            "validation": found["winner"]["scores"],
            "retest": record.retest if of_best else None,
        },
        "digests": {
            "dataset": record.dataset["digest"],
            "split": record.split["digest"],
            "space": record.space["digest"],
        },
        "synthetic_data": record.dataset["synthetic"],
        "leaking_groups": record.split["leaking_groups"],
        "versions": record.versions,
    }


def predict(
    model: Annotated[Path, typer.Argument(metavar="MODEL_DIR", help="Folder of `study export`.")],
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Image files.")],
    as_json: AsJson = False,
) -> int:
    """Print the class and the probability of the positive class of image files."""
    from study.model.export import predict_files, read_metadata

    metadata = read_metadata(model)
    with quiet_backend():
        found = list(predict_files(model, metadata, images))
    if as_json:
        keys = ("study", "positive", "threshold")
        print(
            json.dumps(
                {**{key: metadata[key] for key in keys}, "predictions": [asdict(p) for p in found]}
            )
        )
    else:
        for item in found:
            if item.error is None:
                print(f"{item.path}\t{item.label}\t{item.probability:.4f}")
    failed = [item for item in found if item.error is not None]
    for item in failed:
        print(f"study: {item.path}: {item.error}", file=sys.stderr)
    return 2 if failed else 0
