"""Where the network that is retested and exported comes from."""

from __future__ import annotations

from study.evaluation.final import REFIT, SEARCH
from study.records import StudyRecord
from study.summary import is_settled

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
