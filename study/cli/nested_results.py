"""What ``study show`` and ``study report`` make of a nested study."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from study.evaluation.nested import NestedStudy, fold_records, pooled


def show_nested(runs: Path, nested: NestedStudy, page: Path, *, as_json: bool) -> int:
    """Print the folds and the pooled figures, as they are now."""
    from study.cli.nested import outcome_lines

    found = _document(runs, nested)
    if as_json:
        report = str(page) if page.is_file() else None
        print(json.dumps({**found, "report": report}, allow_nan=False))
    else:
        for line in outcome_lines(found):
            print(line)
    return 0


def report_nested(runs: Path, nested: NestedStudy, reports: Path, *, images: bool) -> Path:
    """Write the page of a nested study and those of its folds anew, and return the first."""
    from study.report.nested import write_nested
    from study.report.page import write_report
    from study.workspace import study_folder

    found, records = _document(runs, nested), fold_records(runs, nested)
    for record in records:
        write_report(
            record,
            study_dir=study_folder(runs, record.name).path,
            out_dir=reports / record.name,
            images=images,
        )
    return write_nested(found, records, reports=reports)


def _document(runs: Path, nested: NestedStudy) -> dict[str, Any]:
    return nested.document(pooled(runs, nested, fold_records(runs, nested)))
