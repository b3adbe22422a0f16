"""``study retest``: what the winner is worth on images that nothing else has seen."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from study.cli.options import AsJson, Runs
from study.cli.quiet import quiet_backend
from study.cli.results import Name, find_study
from study.errors import LedgerError


def retest(
    name: Name,
    again: Annotated[
        bool,
        typer.Option(
            "--again", help="Evaluate anew: counted, and every later report gives the number."
        ),
    ] = False,
    runs: Runs = Path("runs"),
    as_json: AsJson = False,
) -> int:
    """Repeat the retest's stored answer; the test part is opened only if there is none yet."""
    from study.cli.progress import retest_line
    from study.evaluation.final import check_settled
    from study.search.driver import only_driver
    from study.summary import retest_answer

    folder, ledger = find_study(runs, name)
    record = ledger.read()
    if record.retest is not None and not again:
        ledger.close()
        found = retest_answer(record)
        print(json.dumps(found, allow_nan=False) if as_json else retest_line(record))
        return 0
    try:
        if "test" in record.split["parts"]:
            check_settled(record)
        with only_driver(folder), quiet_backend():
            from study.evaluation.retest import retest

            answer = retest(folder, ledger, again=again)
        record = ledger.read()
    finally:
        ledger.close()
    if answer is None:
        why = (
            "its data have no test part"
            if "test" not in record.split["parts"]
            else "no trial is complete"
        )
        raise LedgerError(f"study {name}: cannot be retested, {why}")
    found = retest_answer(record)
    print(json.dumps(found, allow_nan=False) if as_json else retest_line(record))
    return 0
