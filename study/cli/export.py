"""``study export``: the final network outside of its study."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from study.cli.options import Runs
from study.cli.quiet import quiet_backend
from study.cli.results import Name, find_record
from study.cli.terminal import printable, saying
from study.errors import LedgerError

if TYPE_CHECKING:
    from study.evaluation.final import FinalModel
    from study.evaluation.threshold import ThresholdRule
    from study.model.formats import Format
    from study.records import StudyRecord
    from study.workspace import StudyFolder


def export(
    name: Name,
    formats: Annotated[
        str,
        typer.Option(
            "--format",
            help="`keras`, `saved-model`, `litert`, `onnx`, or several with commas between; "
            "`keras` is always written. `onnx` needs `pip install '.[export]'`.",
        ),
    ] = "keras,saved-model,litert",
    threshold: Annotated[
        str,
        typer.Option(
            help="Probability from which an image is called positive: a number; `max-f-med`, the "
            "highest F_med; or `sensitivity=0.95`, the highest that keeps it. Chosen on the "
            "finalists' folds, else on the validation images."
        ),
    ] = "0.5",
    out: Annotated[
        Path | None, typer.Option(help="New folder for the model [default: runs/NAME/export].")
    ] = None,
    runs: Runs = Path("runs"),
    force: Annotated[bool, typer.Option("--force", help="Replace an earlier export.")] = False,
) -> int:
    """Export the winner of a study with its metadata and its model card.

    Every format is loaded again and compared with the network on the validation images.
    """
    from study.evaluation.final import check_settled, final_model
    from study.evaluation.threshold import parse_rule
    from study.model.export import check_target, export_model
    from study.model.formats import parse_formats
    from study.summary import winner

    wanted, rule = parse_formats(formats), parse_rule(threshold)
    folder, record = find_record(runs, name)
    if winner(record) is None:
        raise LedgerError(f"study {name}: no trial is complete, so there is nothing to export")
    check_settled(record)
    model, place = final_model(folder, record), out or folder.export
    check_target(place, replace=force)
    metadata, root = _describe(folder, record, model, rule, wanted)
    with saying("Reading the images"):
        images, metadata["training_images"] = _images(folder, record, root)
    print(f"Writing {', '.join(item.name for item in wanted)} ...", file=sys.stderr)
    with quiet_backend():
        described = export_model(
            model.path, place, metadata, formats=wanted, images=images, replace=force
        )
    for key, stored in described["formats"].items():
        print(
            f"{key}: {stored['path']}, largest difference from the network "
            f"{stored['largest_difference']:.1e} on {stored['images']:,} validation images",
            file=sys.stderr,
        )
    print(printable(str(place)))
    return 0


def _describe(
    folder: StudyFolder,
    record: StudyRecord,
    model: FinalModel,
    rule: ThresholdRule,
    formats: Iterable[Format],
) -> tuple[dict[str, Any], Path]:
    """Return the metadata, without what is told from the images, and where the images lie."""
    from dataclasses import asdict

    from study.evaluation.description import describe_model
    from study.evaluation.threshold import choose_threshold
    from study.report.cautions import cautions
    from study.search.setup import versions

    try:
        metadata = describe_model(folder, record, model, choose_threshold(rule, folder, model))
        root = Path(record.dataset["source"])
    except KeyError as error:
        raise LedgerError(
            f"study {record.name}: its ledger has no {error}, which an export must name; restore "
            "the ledger from a copy"
        ) from error
    metadata["warnings"] = [asdict(item) for item in cautions(record) if item.level != "note"]
    metadata["versions"] = {"study": record.versions, "export": versions() | _packages(formats)}
    return metadata, root


def _packages(formats: Iterable[Format]) -> dict[str, str]:
    """Return the versions of the packages that some formats need besides the program's own."""
    found = {}
    for package in (name for item in formats for name in item.packages):
        with suppress(PackageNotFoundError):  # of a build with another name, as for GPUs
            found[package] = version(package)
    return found


def _images(folder: StudyFolder, record: StudyRecord, root: Path) -> tuple[Any, dict[str, Any]]:
    """Return the validation images as arrays, and what the images of training are like.

    Raises ``DataError`` where they have changed since the split: nothing can be compared then.
    """
    from study.dataset.arrays import load_part
    from study.dataset.manifest import Manifest
    from study.dataset.profile import image_profile
    from study.errors import DataError

    manifest = Manifest.read(folder.manifest)
    try:
        validation = load_part(manifest, root, "validation", record.protocol)
        return validation.images, image_profile(manifest, root)
    except DataError as error:
        raise DataError(
            f"{error}; an export is compared with its network on the validation images"
        ) from error
