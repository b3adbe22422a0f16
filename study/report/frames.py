"""The ledger as pandas frames: a row a trial, with everything that tables and figures need."""

from __future__ import annotations

from typing import Any

import pandas as pd

from study.records import SCORES, VIEWS, StudyRecord, TrialRecord
from study.summary import best_so_far, ranked
from study.variant import variant_fields

FIELDS = ("parameters", "macs", "best_epoch", "epochs", "stopped_by", "seconds", "seed", "attempts")


def trials_frame(record: StudyRecord) -> pd.DataFrame:
    """Return the trials, best first, a row each.

    Columns: ``rank`` (from 1), ``number``, ``state``; every hyperparameter by its name (those
    searched first, see ``hyperparameters``); ``validation_f_med`` (of a trial that has not ended,
    its best epoch so far), ``validation_f_med_plain``, ``validation_f_med_smooth``,
    ``train_f_med``, ``gap`` (train less validation, augmented); ``best_epoch_`` and each column of
    a history but
    epoch and seconds; ``parameters``, ``macs``, ``best_epoch``, ``epochs``, ``stopped_by``,
    ``seconds``, ``seed``, ``attempts``; ``diagnosis`` (its kind), ``bias`` and ``variance`` (their
    verdicts); ``started`` and ``ended`` (UTC), ``worker``, ``cause``. What is unknown is missing.
    """
    names = hyperparameters(record)
    rows = [_row(trial, rank, names) for rank, trial in enumerate(ranked(record), 1)]
    columns = list(
        _row(TrialRecord(number=0, state="", params={}, variant={}, ledger_number=0), 0, names)
    )
    frame = pd.DataFrame(rows, columns=columns)
    scores = [name for name in columns if "f_med" in name or name.startswith("best_epoch_")]
    floats = [*scores, "gap", "seconds", "parameters", "macs", "best_epoch"]
    frame = frame.astype(dict.fromkeys(floats, "float64"))
    for name in ("started", "ended"):
        frame[name] = pd.to_datetime(frame[name], utc=True, errors="coerce", format="ISO8601")
    return frame


def hyperparameters(record: StudyRecord) -> list[str]:
    """Return every hyperparameter of the study: those that it searched first."""
    searched = dict.fromkeys(name for trial in record.trials for name in trial.params)
    used = dict.fromkeys(name for trial in record.trials for name in trial.variant)
    names = dict.fromkeys([*variant_fields(), *searched, *used])
    kept = [name for name in names if name in searched or name in used]
    return sorted(kept, key=lambda name: name not in searched)


def hyperparameter(trial: TrialRecord, name: str) -> Any:
    """Return the value that a trial used, None when it has none."""
    return trial.variant.get(name, trial.params.get(name))


def _row(trial: TrialRecord, rank: int, names: list[str]) -> dict[str, Any]:
    diagnosis = trial.diagnosis or {}
    score = best_so_far(trial)
    known = trial.train_f_med is not None and trial.validation_f_med is not None
    return {
        "rank": rank,
        "number": trial.number,
        "state": trial.state,
        **{name: hyperparameter(trial, name) for name in names},
        "validation_f_med": score,
        "validation_f_med_plain": trial.validation_f_med_plain,
        "validation_f_med_smooth": trial.validation_f_med_smooth,
        "train_f_med": trial.train_f_med,
        "gap": (trial.train_f_med or 0) - (trial.validation_f_med or 0) if known else None,
        **{
            f"best_epoch_{view}_{name}": trial.scores.get(f"{view}_{name}")
            for view in VIEWS
            for name in SCORES
        },
        **{name: getattr(trial, name) for name in FIELDS},
        "diagnosis": diagnosis.get("kind"),
        **{name: _verdict(diagnosis, name) for name in ("bias", "variance")},
        "started": trial.started,
        "ended": trial.ended,
        "worker": trial.worker,
        "cause": trial.cause,
    }


def _verdict(diagnosis: dict[str, Any], name: str) -> Any:
    part = diagnosis.get(name)
    return part.get("verdict") if isinstance(part, dict) else None
