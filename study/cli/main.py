"""The command line: puts the commands together, turns errors into a line and an exit status."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from study import __version__
from study.cli import browse, dashboard, data, export, predict, results, retest, run
from study.cli.terminal import printable
from study.errors import StudyError

app = typer.Typer(
    name="study",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="How complex should a small CNN be, and can you believe the number? Hyperparameter "
    "search and model-complexity studies on small medical image sets.",
    epilog="First look, in minutes: `study run --quick`",
)
app.command("run")(run.run)
app.command("list")(results.list_studies)
app.command("show")(results.show)
app.command("report")(results.report)
app.command("browse")(browse.browse)
app.command("compare")(browse.compare)
app.command("dashboard")(dashboard.dashboard)
app.command("retest")(retest.retest)
app.command("export")(export.export)
app.command("predict")(predict.predict)
app.add_typer(data.app, name="data")

# typer carries click inside; this is its name for what a user typed wrong.
_UsageError: Any = next(
    kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "UsageError"
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"study {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show it.")
    ] = False,
) -> None:
    pass


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status.

    0 done, 1 the study failed, 2 the input is wrong, 130 interrupted. Messages are one line on
    standard error.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        status = app(arguments, prog_name="study", standalone_mode=False)
    except StudyError as error:
        return _fail(str(error), error.exit_status)
    except _UsageError as error:
        if not str(error):  # no command: typer has shown the help
            return 2
        said = error.format_message()
        stop = "" if said.endswith((".", "?")) else "."
        return _fail(f"{said}{stop} Try `study --help`.", 2)
    except (KeyboardInterrupt, typer.Abort):
        return 130
    except BrokenPipeError:
        # The reader of our output went away (`study list | head`): no more can be said.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return status if isinstance(status, int) else 0


def _fail(message: str, status: int) -> int:
    print(f"study: {printable(' '.join(message.split()))}", file=sys.stderr)
    return status
