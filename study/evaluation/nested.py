"""Nested cross-validation: what a whole search is worth, from the test parts of several studies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from study import metrics
from study.errors import LedgerError
from study.evaluation.intervals import retest_intervals
from study.records import StudyRecord
from study.seeds import derive
from study.workspace import StudyFolder


def pool_retests(folders: Sequence[StudyFolder], records: Sequence[StudyRecord]) -> dict[str, Any]:
    """Return the scores of the folds' retests put together, as plain values for JSON.

    Each study searched on its own; its test part is one fold of the images, so that every image
    is judged once, by a network of a search that never saw it. The pooled F_med estimates the
    procedure, not one network (Varma and Simon 2006; Cawley and Talbot 2010). The intervals are
    those of ``retest_intervals``: that the folds' searches share training images is not in them.

    Keys: ``images``, ``groups``, ``confusion``, every score of ``metrics.binary_scores``, ``auc``
    (None below ten groups in a class), ``intervals``, ``effective_images``, and ``folds``, a list
    of ``study``, ``winner``, ``f_med``, ``images``, ``groups``.

    Raises ``LedgerError`` when a fold has no retest, or its predictions are gone.
    """
    label, probability, names = [], [], []
    for folder, record in zip(folders, records, strict=True):
        if record.retest is None:
            raise LedgerError(f"study {record.name}: has no retest; run the same line again")
        try:
            with np.load(folder.test_predictions, allow_pickle=False) as stored:
                label.append(stored["label"].astype(np.int64))
                probability.append(stored["probability"].astype(np.float64))
                names.append(stored["group_name"].astype(str))
        except (OSError, ValueError, KeyError, EOFError) as error:
            raise LedgerError(
                f"{folder.test_predictions}: missing or damaged; `study retest {record.name} "
                "--again` writes it anew"
            ) from error
    truth, chance = np.concatenate(label), np.concatenate(probability)
    groups, group = np.unique(np.concatenate(names), return_inverse=True)
    intervals = retest_intervals(truth, chance, group, seed=derive(records[0].seed, "nested"))
    return {
        "images": len(truth),
        "groups": len(groups),
        "confusion": metrics.binary_counts(truth, chance),
        **metrics.binary_scores(truth, chance),
        "auc": metrics.auc(truth, chance) if intervals["auc"] else None,
        "intervals": intervals,
        "effective_images": intervals["effective_images"],
        "folds": [_fold(record) for record in records],
    }


def _fold(record: StudyRecord) -> dict[str, Any]:
    retest = record.retest or {}
    return {
        "study": record.name,
        "winner": retest.get("number"),
        **{key: retest.get(key) for key in ("f_med", "images", "groups", "uses")},
    }
