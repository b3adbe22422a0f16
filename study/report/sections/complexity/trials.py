"""The trials that figures of capacity draw: what is known of them, and who never learned."""

from __future__ import annotations

import numpy as np
import pandas as pd

from study.report import words
from study.report.section import Evidence


def known_trials(evidence: Evidence, state: str, measure: str, *also: str) -> pd.DataFrame:
    """Return the trials of a state whose capacity, score and other columns are finite numbers.

    Columns: those of ``trials_frame``; ``capacity``; ``highest_train_f_med``, that of the whole
    run (where it is not known that of the best epoch); ``never_learned``: the network was stopped
    as dead, or its train F_med was 0 in every epoch.
    """
    frame = evidence.trials[evidence.trials["state"] == state]
    highest = {
        trial.number: words.number((trial.diagnosis or {}).get("best_train_f_med"))
        for trial in evidence.record.trials
    }
    found = frame["number"].map(highest).astype("float64").fillna(frame["train_f_med"])
    frame = frame.assign(
        capacity=frame[measure].astype("float64"),
        highest_train_f_med=found,
        never_learned=frame["stopped_by"].eq("dead") | found.eq(0),
    )
    needed = frame[["capacity", "validation_f_med", *also]].to_numpy(dtype=np.float64)
    return frame[np.isfinite(needed).all(axis=1) & (frame["capacity"] > 0).to_numpy()]


def by_learning(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the trials of ``known_trials`` that learned, and those that never did."""
    never = frame["never_learned"].to_numpy(dtype=np.bool_)
    return frame[~never], frame[never]


def never_learned_words(networks: int, where: str) -> str:
    """Say what became of networks that never learned: ``... and are not in the trend``."""
    return (
        f"{words.plural(networks, 'network')} never learned and "
        f"{'is' if networks == 1 else 'are'} not {where}"
    )


def thinned(frame: pd.DataFrame, most: int, keep: set[int]) -> pd.DataFrame:
    """Return at most that many trials, evenly through the ranking, and those that must be kept."""
    if len(frame) <= most:
        return frame
    kept = frame["number"].isin(keep).to_numpy().copy()
    others = np.flatnonzero(~kept)
    room = max(most - int(kept.sum()), 0)
    kept[others[np.linspace(0, len(others) - 1, room).round().astype(int)]] = True
    return frame[kept]
