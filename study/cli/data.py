"""``study data``: what is in a set of images, before anything is trained."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from study.cli import options
from study.cli.fetch import fetch, user_cache
from study.cli.terminal import printable, saying
from study.errors import DataError, SettingsError

if TYPE_CHECKING:
    from study.dataset.audit.result import Audit

app = typer.Typer(no_args_is_help=True, rich_markup_mode="markdown")


@app.callback()
def _data() -> None:
    """Audit images, fetch the article's, or draw synthetic ones."""


def audit(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SRC", help="As `--data` of `study run`: folder, CSV table, .npz, or name."
        ),
    ],
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a page of it as well.")
    ] = None,
    split: options.Split = None,
    ratio: options.Ratio = None,
    group_pattern: options.GroupPattern = None,
    positive: options.Positive = None,
    strict: options.Strict = False,
    seed: options.Seed = 0,
    runs: options.Runs = Path("runs"),
    as_json: options.AsJson = False,
) -> int:
    """Find copies, leaks, shortcuts and broken files in a set of images.

    The split is the one that `study run` with the same options would use. For example
    `study data audit images/ --split random`.

    Exit status 2 when more than a tenth of the images are broken, or any with `--strict`; what was
    found is printed all the same.
    """
    options.check_seed(seed)
    shares = options.parse_ratio(ratio)
    if html is not None:
        options.check_writable("--html", html.parent)
        if html.is_dir():
            raise SettingsError(f"--html {html}: is a folder; name a file, as audit.html")
        if html.suffix.lower() not in (".html", ".htm"):
            raise SettingsError(f"--html {html}: is no page; name a file that ends in .html")

    from study.dataset.audit.audit import audit_source, measure_baselines
    from study.dataset.manifest import make_manifest, undivided
    from study.dataset.sources.opening import MOST_UNREADABLE, check_readable, open_source
    from study.seeds import split_seed
    from study.workspace import CACHE

    with saying("Reading the images"):
        opened = open_source(
            source,
            cache=runs / CACHE,
            positive=positive,
            downloads=user_cache(),
            group_pattern=group_pattern,
            most_unreadable=1.0,
        )
    with saying(f"Comparing {len(opened.images):,} images"):
        refusal = None
        try:
            manifest = make_manifest(opened, split=split, ratio=shares, seed=split_seed(seed))
        except DataError as error:
            manifest, refusal = undivided(opened), str(error)
    with saying("Looking for shortcuts"):
        baselines = measure_baselines(opened, manifest)
        found = audit_source(opened, manifest, baselines, refusal=refusal)
    if html is not None:
        from study.report.audit.page import write_audit_page

        write_audit_page(found, opened, manifest, html, seed=seed)
    if as_json:
        print(json.dumps(found.as_dict(), allow_nan=False))
    else:
        _print(found)
    if html is not None:
        print(f"Page: {html}", file=sys.stderr)
    check_readable(opened, 0.0 if strict else MOST_UNREADABLE)
    return 0


def phantom(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="New folder for the images.")],
    lesions: Annotated[int, typer.Option(help="Two benign to three malignant.")] = 50,
    frames: Annotated[int, typer.Option(help="Images of each lesion.")] = 5,
    seed: Annotated[int, typer.Option(help="Another seed draws other lesions.")] = 0,
) -> int:
    """Draw synthetic breast-ultrasound images, with a table of their true descriptors.

    Class folders with a sub-folder for each lesion, and `manifest.csv`. For example
    `study data phantom lesions/ --lesions 400 --seed 1`.
    """
    from study.dataset.phantom.files import write_phantom

    with saying(f"Drawing {lesions} lesions"):
        write_phantom(folder, lesions=lesions, frames=frames, seed=seed)
    print(folder)
    return 0


app.command("audit")(audit)
app.command("fetch")(fetch)
app.command("phantom")(phantom)


def _print(found: Audit) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from study.cli.progress import finding_lines, left_out_lines

    # A pipe has no width: nothing is wrapped or cut there.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 400)

    def say(text: str = "") -> None:
        console.print(printable(text), soft_wrap=True)

    kind = "synthetic images" if found.synthetic else "images"
    where = {
        "given": "given with the data",
        "content": "found by content",
        "copies": "exact copies only",
    }[found.grouping]
    say(
        f"[bold]{escape(found.dataset)}[/]: {found.images:,} {kind} in {found.groups:,} groups "
        f"({where}); positive class [bold]{escape(found.positive)}[/], negative "
        f"{escape(found.negative)}"
    )
    say()
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("images (groups)")
    classes = sorted(found.classes)
    for title in (*(printable(escape(label)) for label in classes), "all"):
        table.add_column(title, justify="right")
    for part, held in found.split["parts"].items():
        cells = [held["classes"][label] for label in classes]
        table.add_row(part, *(f"{c['images']:,} ({c['groups']:,})" for c in (*cells, held)))
    table.add_section()
    for measure, title in (
        ("width", "width, pixels"),
        ("height", "height, pixels"),
        ("mean_grey", "mean grey, 0..255"),
        ("kilobytes", "file, KiB"),
    ):
        spreads = [found.sizes[label].get(measure) for label in classes]
        if all(spread is not None for spread in spreads):
            table.add_row(
                title,
                *(f"{s.low:.0f} - {s.median:.0f} - {s.high:.0f}" for s in spreads if s),
                "",
            )
    console.print(table)
    say()
    kind = found.split["kind"]
    formats = ", ".join(f"{count:,} {name}" for name, count in found.formats.items())
    say(
        f"{'No' if kind == 'none' else kind.capitalize()} split; sizes are least - median - "
        f"greatest; formats: {formats}"
    )
    say()
    for line in finding_lines((vars(item) for item in found.findings), notes=True):
        say(line)
    for line in left_out_lines([(item["path"], item["reason"]) for item in found.broken]):
        say(line)
    if found.baselines:
        say()
        console.print(_baselines(found))


def _baselines(found: Audit) -> object:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("what an SVM sees (groups kept together)")
    table.add_column("F_med", justify="right")
    table.add_column("by chance at most", justify="right")
    words = {
        "size_only": "width, height and aspect",
        "mean_grey": "mean grey level",
        "file_size": "size of the file",
        "file_format": "format of the file",
        "pixels_svm_random": "pixels, groups torn apart",
        "pixels_svm_grouped": "pixels, groups kept together",
    }
    if found.baseline_images < found.images:
        table.caption = f"on a sample of {found.baseline_images:,} of {found.images:,} images"
    for name, score in found.baselines.items():
        chance = found.chance.get(name)
        table.add_row(
            words.get(name, name),
            "-" if score is None else f"{score:.2f}",
            "" if chance is None else f"{chance:.2f}",
        )
    return table
