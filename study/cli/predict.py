"""``study predict``: an exported model outside of its study."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from study.cli.options import AsJson, check_writable, in_output
from study.cli.quiet import quiet_backend
from study.cli.results import DEFAULT_RUNS
from study.cli.terminal import printable
from study.errors import ModelError, SettingsError

if TYPE_CHECKING:
    from study.model.exported import Metadata
    from study.model.predict import Prediction

COLUMNS = ("path", "class", "probability", "warning")


def predict(
    model: Annotated[Path, typer.Argument(metavar="MODEL_DIR", help="Folder of `study export`.")],
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="PATH...", help="Image files, and folders of image files."),
    ],
    threshold: Annotated[
        float | None,
        typer.Option(
            metavar="VALUE",
            help="Probability from which an image is called positive [default: the model's].",
        ),
    ] = None,
    out: Annotated[
        Path | None, in_output(metavar="FILE", help="Write to a file instead of printing.")
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Classify images with an exported model.

    Prints CSV: `path`, `class`, `probability` (of the positive class) and `warning`, which says in
    what an image is unlike the training images. For example
    `study predict runs/mine/export images/ --out predictions.csv`.

    Exit status 2 when an image cannot be read; it is named, and all others are predicted.
    """
    _check(model, threshold, out)
    from study.model.exported import read_metadata
    from study.model.predict import predict_files

    metadata = read_metadata(model)
    failed: list[Prediction] = []
    with quiet_backend(), _opened(out) as file:
        found = predict_files(metadata, paths, threshold=threshold)
        if as_json:
            level = metadata.threshold if threshold is None else threshold
            print(_document(metadata, level, _readable(found, failed), failed), file=file)
        else:
            _write_csv(_readable(found, failed), file)
    for item in failed:
        print(f"study: {printable(f'{item.path}: {item.error}')}", file=sys.stderr)
    if out is not None:
        print(f"Predictions: {printable(str(out))}", file=sys.stderr)
    return 2 if failed else 0


def _check(model: Path, threshold: float | None, out: Path | None) -> None:
    _check_not_nested(model)
    if threshold is not None and not 0 <= threshold <= 1:
        raise SettingsError(f"--threshold: found {threshold:g}; allowed: a probability, 0 to 1")
    if out is None:
        return
    try:
        _check_out(model, out)
    except OSError as error:  # too long for a name
        raise _unwritable(out, error) from error


def _check_not_nested(model: Path) -> None:
    from study.evaluation.nested import read_nested

    try:
        places = (model.parent,) if model.exists() else (model.parent, DEFAULT_RUNS)
    except OSError as error:  # a name that is too long, or a folder that is closed to this user
        raise ModelError(
            f"{model}: cannot be read ({error.strerror or error}); name a folder of `study export`"
        ) from error
    for runs in places:
        if (found := read_nested(runs, model.name)) is not None:
            raise ModelError(
                f"{model}: is a nested study, which has no network of its own; `study export "
                f"{found[0].studies[0]}` exports that of its first fold, `study run` without "
                "--outer-folds makes the one to use"
            )


def _check_out(model: Path, out: Path) -> None:
    from study.dataset.images import IMAGE_SUFFIXES

    if out.is_dir():
        raise SettingsError(f"--out {out}: is a folder; name a file, as predictions.csv")
    if out.suffix.lower() in IMAGE_SUFFIXES:
        raise SettingsError(f"--out {out}: is the name of an image; name a file ending in .csv")
    if out.resolve().is_relative_to(model.resolve()):
        raise SettingsError(f"--out {out}: is in the exported model; name a file elsewhere")
    check_writable("--out", out.parent)


def _unwritable(out: Path, error: OSError) -> SettingsError:
    return SettingsError(
        f"--out {out}: cannot be written ({error.strerror or error}); name another file"
    )


@contextmanager
def _opened(out: Path | None) -> Iterator[TextIO]:
    """Give standard output, or a file that appears whole when the block succeeds."""
    if out is None:
        yield sys.stdout
        return
    from study.files import replacing

    try:
        with (
            replacing(out) as scratch,
            scratch.open("w", encoding="utf-8", newline="") as file,
        ):
            yield file
    except OSError as error:
        raise _unwritable(out, error) from error


def _readable(found: Iterable[Prediction], failed: list[Prediction]) -> Iterator[Prediction]:
    """Yield the predictions of images that could be read, and put the others aside."""
    for item in found:
        if item.error is None:
            yield item
        else:
            failed.append(item)


def _write_csv(found: Iterable[Prediction], file: TextIO) -> None:
    from study.text import neutral

    def shown(text: str) -> str:
        # Names may hold bytes that are no UTF-8, or letters that the terminal does not know.
        encoding = file.encoding or "utf-8"
        return str(neutral(text)).encode(encoding, "backslashreplace").decode(encoding)

    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    for item in found:
        # Nine digits tell every number of single precision from its neighbours.
        cells = (shown(item.path), shown(str(item.label)), f"{item.probability:.9g}", item.warning)
        writer.writerow(cells)


def _document(
    metadata: Metadata, threshold: float, found: Iterable[Prediction], failed: list[Prediction]
) -> str:
    predictions = [
        dict(zip(COLUMNS, (p.path, p.label, p.probability, p.warning), strict=True)) for p in found
    ]
    return json.dumps(
        {
            "study": metadata.study,
            "model_digest": metadata.document["model_digest"],
            "positive": metadata.positive,
            "negative": metadata.negative,
            "threshold": threshold,
            "predictions": predictions,
            "failed": [{"path": item.path, "error": item.error} for item in failed],
        },
        allow_nan=False,
    )
