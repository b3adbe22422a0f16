"""Nested cross-validation: what a whole search is worth, from the test parts of several studies."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from study import metrics
from study.errors import LedgerError
from study.evaluation.intervals import retest_intervals
from study.files import TORN, write_text
from study.ledger import FILE_NAME as LEDGER
from study.ledger import read_study
from study.records import StudyRecord
from study.seeds import derive
from study.summary import counts, is_settled, stale_retest, times_opened, winner
from study.workspace import StudyFolder, study_folder

FILE_NAME = "nested.json"

LEAST_FOLDS, MOST_FOLDS = 2, 1000


@dataclass(frozen=True, kw_only=True)
class NestedStudy:
    """What a nested study was asked for; all its figures come from the studies of its folds."""

    name: str
    command: str
    folds: int
    trials: int
    """Of each fold's search, as planned."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """``asdict(FinalistSettings)``; empty in files of versions that did not note it."""
    manifest_digest: str = ""
    """Of the manifest with all outer folds; empty in files of versions that wrote none."""

    @property
    def studies(self) -> tuple[str, ...]:
        """Names of the folds' studies, in order."""
        return tuple(f"{self.name}-{at}of{self.folds}" for at in range(1, self.folds + 1))

    def in_a_line(self) -> str:
        """Return what it is and what can be done with it, for a command that takes one study."""
        return (
            f"study {self.name}: is nested, {self.folds} studies with a network each and none of "
            f"its own; name one of them, {self.studies[0]} to {self.studies[-1]}; `study show "
            f"{self.name}` gives the pooled figures; the same line without --outer-folds and with "
            "another --name makes the network to use"
        )

    def document(self, figures: Mapping[str, Any]) -> dict[str, Any]:
        """Return it as plain values for JSON, with its figures: ``pool_retests``."""
        return {
            "study": self.name,
            "command": self.command,
            "outer_folds": self.folds,
            "trials": self.trials,
            "settings": dict(self.settings),
            "manifest_digest": self.manifest_digest,
            **figures,
        }


def nested_names(runs: Path) -> list[str]:
    """Return the names of the nested studies in a folder, sorted."""
    found = runs.glob(f"*/{FILE_NAME}") if runs.is_dir() else iter(())
    return sorted(path.parent.name for path in found if not path.parent.name.startswith("."))


def read_nested(runs: Path, name: str) -> tuple[NestedStudy, dict[str, Any]] | None:
    """Return a nested study and its document; None where there is none of that name.

    The document lacks the figures while a fold is still to be searched.

    Raises ``LedgerError`` for a damaged file.
    """
    place = runs / name / FILE_NAME
    try:
        found = json.loads(place.read_text(encoding="utf-8"))
        nested = NestedStudy(
            name=name,
            command=str(found["command"]),
            folds=_whole(found["outer_folds"], LEAST_FOLDS, MOST_FOLDS),
            trials=_whole(found["trials"], 1),
            settings=dict(found.get("settings", {})),
            manifest_digest=str(found.get("manifest_digest", "")),
        )
        _pooled_f_med(found)
    except OSError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise LedgerError(
            f"{place}: empty or damaged; remove it and repeat the study's own line, which trains "
            "nothing anew"
        ) from error
    return nested, found


def _whole(value: Any, least: int, most: float = math.inf) -> int:
    if not (isinstance(value, int) and least <= value <= most):
        raise ValueError(f"{value!r} is not a whole number from {least} to {most}")
    return value


def _pooled_f_med(document: Mapping[str, Any]) -> tuple[Any, Any, Any]:
    """Return the pooled F_med and its interval, None each before there are any.

    Raises ``ValueError``, ``TypeError``, ``KeyError`` or ``AttributeError`` for anything else.
    """
    if document.get("f_med") is None:
        return None, None, None
    low, high = document["intervals"]["f_med"]
    found = document["f_med"], low, high
    if not all(math.isfinite(value) for value in found):
        raise ValueError("a figure is not a finite number")
    return found


def nested_listing(runs: Path) -> list[dict[str, Any]]:
    """Return the nested studies of a folder, as plain values for JSON, sorted by name.

    Keys: ``study``, ``outer_folds``, ``studies``, and ``f_med``, ``low`` and ``high`` (95 %
    interval), which are None while a fold is still to be searched, and for a damaged file.
    """
    rows = []
    for name in nested_names(runs):
        try:
            found = read_nested(runs, name)
        except LedgerError:  # which whoever asks for that study is told
            found = None
        nested, document = found or (None, {})
        f_med, low, high = _pooled_f_med(document)
        rows.append(
            {
                "study": name,
                "outer_folds": None if nested is None else nested.folds,
                "studies": [] if nested is None else list(nested.studies),
                "f_med": f_med,
                "low": low,
                "high": high,
            }
        )
    return rows


def nested_words(item: Mapping[str, Any]) -> str:
    """Return one of ``nested_listing`` in words, without its name."""
    if not item["studies"]:
        return "nested, its record is damaged"
    of = f"nested, {item['studies'][0]} to {item['studies'][-1]}"
    if item["f_med"] is None:
        return f"{of}: not finished"
    return (
        f"{of}: pooled F_med {item['f_med']:.3f} (95 % interval {item['low']:.2f} to "
        f"{item['high']:.2f})"
    )


def note_nested(
    runs: Path, nested: NestedStudy, figures: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Store a nested study, with its figures once there are any, and return its document."""
    document = nested.document(figures or {})
    text = json.dumps(document, indent=2, allow_nan=False)
    write_text(runs / nested.name / FILE_NAME, text + "\n")
    return document


def fold_records(runs: Path, nested: NestedStudy) -> list[StudyRecord]:
    """Return the folds' studies, as far as there are any, in order.

    Raises ``LedgerError`` for a ledger that cannot be read.
    """
    folders = [study_folder(runs, name).path for name in nested.studies]
    return [read_study(folder) for folder in folders if (folder / LEDGER).exists()]


def finished_folds(nested: NestedStudy, records: Sequence[StudyRecord]) -> int:
    """Return how many folds have been searched to their end, and their winner retested."""
    return sum(_is_finished(record, nested) for record in records)


def _is_finished(record: StudyRecord, nested: NestedStudy) -> bool:
    """Tell whether the retest is that of the winner of as many trials, named by these settings."""
    best, final, retest = winner(record), record.final or {}, record.retest or {}
    return (
        best is not None
        and is_settled(record)
        and final.get("requested") == nested.trials
        and final.get("settings") == nested.settings
        and retest.get("number") == best.number
        and stale_retest(record) is None
    )


def trials_ended(record: StudyRecord) -> int:
    """Return how many trials of a search have ended, in whatever way."""
    state = counts(record)
    return state["complete"] + state["pruned"] + state["failed"]


def pooled(runs: Path, nested: NestedStudy, records: Sequence[StudyRecord]) -> dict[str, Any]:
    """Return the pooled figures of a nested study whose folds are all finished.

    Raises ``LedgerError``, which says how to go on, where they are not.
    """
    done = finished_folds(nested, records)
    if done < nested.folds:
        raise LedgerError(
            f"study {nested.name}: nested, {done} of {nested.folds} outer folds are finished, and "
            f"there is no pooled figure before all are; go on with: {nested.command}"
        )
    return pool_retests([study_folder(runs, name) for name in nested.studies], records)


def pool_retests(folders: Sequence[StudyFolder], records: Sequence[StudyRecord]) -> dict[str, Any]:
    """Return the scores of the folds' retests put together, as plain values for JSON.

    Each study searched on its own; its test part is one fold of the images, so that every image
    is judged once, by a network of a search that never saw it. The pooled F_med estimates the
    procedure, not one network (Varma and Simon 2006; Cawley and Talbot 2010). The intervals are
    those of ``retest_intervals``: that the folds' searches share training images is not in them.

    Keys: ``images``, ``groups``, ``classes`` (images and groups of the positive and of the negative
    class), ``confusion``, every score of ``metrics.binary_scores``, ``auc`` (None below ten groups
    in a class), ``intervals``, ``effective_images``, ``agreement`` (``agreement``), and ``folds``,
    a list of ``study``, ``winner``, ``trials_ended``, ``trials_complete``, ``f_med``, ``interval``,
    ``images``, ``groups``, ``uses``, ``validation_f_med``, ``parameters``, ``macs``, ``variant``.

    Raises ``LedgerError`` when a fold has no retest, or its predictions are gone.
    """
    parts = [_predictions(*item) for item in zip(folders, records, strict=True)]
    truth, chance, names = (np.concatenate(item) for item in zip(*parts, strict=True))
    groups, group = np.unique(names, return_inverse=True)
    intervals = retest_intervals(truth, chance, group, seed=derive(records[0].seed, "nested"))
    folds = [_fold(record) for record in records]
    return {
        "images": len(truth),
        "groups": len(groups),
        "classes": {
            name: {"images": int(own.sum()), "groups": len(np.unique(group[own]))}
            for name, own in (("positive", truth == 1), ("negative", truth == 0))
        },
        "confusion": metrics.binary_counts(truth, chance),
        **metrics.binary_scores(truth, chance),
        "auc": metrics.auc(truth, chance) if intervals["auc"] else None,
        "intervals": intervals,
        "effective_images": intervals["effective_images"],
        "agreement": agreement([fold["variant"] for fold in folds]),
        "folds": folds,
    }


def _predictions(folder: StudyFolder, record: StudyRecord) -> tuple[Any, Any, Any]:
    """Return labels, probabilities and names of groups of a fold's test part, (n,) each."""
    if record.retest is None:
        raise LedgerError(f"study {record.name}: has no retest; run the same line again")
    try:
        with np.load(folder.test_predictions, allow_pickle=False) as stored:
            found = (
                stored["label"].astype(np.int64),
                stored["probability"].astype(np.float64),
                stored["group_name"].astype(str),
            )
        if {item.shape for item in found} != {(len(found[0]),)}:
            raise ValueError("its arrays are not of one length")
        return found
    except TORN as error:
        raise LedgerError(
            f"{folder.test_predictions}: missing or damaged; `study retest {record.name} "
            "--again` writes it anew"
        ) from error


def _fold(record: StudyRecord) -> dict[str, Any]:
    retest = record.retest or {}
    number = retest.get("number")
    trial = next((trial for trial in record.trials if trial.number == number), None)
    keys = ("validation_f_med", "parameters", "macs")
    return {
        "study": record.name,
        "winner": number,
        "trials_ended": trials_ended(record),
        "trials_complete": counts(record)["complete"],
        **{key: retest.get(key) for key in ("f_med", "images", "groups")},
        "uses": times_opened(record),
        "interval": (retest.get("intervals") or {}).get("f_med"),
        **{key: getattr(trial, key, None) for key in keys},
        "variant": {} if trial is None else dict(trial.variant),
    }


def had_a_choice(figures: Mapping[str, Any]) -> bool:
    """Tell whether each fold had two complete trials or more to name its network among."""
    return all(fold["trials_complete"] > 1 for fold in figures["folds"])


def agreement(variants: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return whether the folds named the same network.

    Keys: ``networks``, how many different ones; ``same``, the hyperparameters that all share with
    their value; ``differing``, the others with their value in each fold.
    """
    names = list(dict.fromkeys(name for variant in variants for name in variant))
    values = {name: [variant.get(name) for variant in variants] for name in names}
    differing = {name: own for name, own in values.items() if any(v != own[0] for v in own)}
    return {
        "networks": len({tuple(variant.get(name) for name in names) for variant in variants}),
        "same": {name: own[0] for name, own in values.items() if name not in differing},
        "differing": differing,
    }
