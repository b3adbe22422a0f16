"""The network that is retested and exported: where it comes from, and whether it was retested."""

from __future__ import annotations

from study.evaluation.final import REFIT, SEARCH
from study.records import StudyRecord
from study.summary import is_settled, winner

ORIGINS = {
    REFIT: "trained anew on the images of training and validation",
    SEARCH: "the search's own, at its best epoch",
}
"""Where the network that is retested and exported comes from."""

SHORT = {REFIT: ", trained anew", SEARCH: " as the search left it"}
"""The same behind its trial's number."""


def final_origin(record: StudyRecord) -> str | None:
    """Return where the winner's final network comes from; None before the winner is named."""
    if record.final is None or not is_settled(record):
        return None
    return REFIT if (record.final.get("refit") or {}).get("model") else SEARCH


def stale_retest(record: StudyRecord) -> str | None:
    """Say of which network the retest is, where it is not the winner's final one."""
    retest, best = record.retest or {}, winner(record)
    number = retest.get("number")
    if best is None or number is None:
        return None
    if number != best.number:
        return f"The retest is that of trial {number}, not of trial {best.number}."
    known = (record.final or {}).get("model_digest") if is_settled(record) else None
    if known and retest.get("model_digest") not in (None, known):
        return f"The retest is that of an earlier network of trial {number}."
    return None
