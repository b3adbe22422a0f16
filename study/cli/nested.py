"""``study run --outer-folds``: the whole procedure once for each fold, and what it comes to."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from study.cli.progress import say, score
from study.cli.stages import Order, StudyRun
from study.dataset.manifest import outer_manifests
from study.dataset.sources.source import Source
from study.errors import LedgerError, SettingsError
from study.evaluation.nested import pool_retests
from study.files import write_text
from study.ledger import FILE_NAME, Ledger
from study.report.nested import write_nested
from study.search.driver import Interruption
from study.search.setup import Setup
from study.seeds import split_seed

RESULT = "nested.json"

LEAST_FOLDS = 2


def outer_setups(
    source: Source,
    folds: int,
    split: str | None,
    ratio: tuple[int, int, int] | None,
    make: Callable[..., Setup],
    seed: int,
) -> list[Setup]:
    """Return the set-up of each fold's study; ``make`` makes one from source and manifest.

    Raises ``SettingsError`` for another split than by groups, or fewer than two folds.
    """
    if folds < LEAST_FOLDS:
        raise SettingsError(f"--outer-folds: found {folds}; allowed: {LEAST_FOLDS} or more")
    if split not in (None, "grouped"):
        raise SettingsError(
            f"--outer-folds and --split {split} contradict each other: outer folds are of whole "
            "groups; leave one out"
        )
    manifests = outer_manifests(source, folds=folds, ratio=ratio, seed=split_seed(seed))
    return [make(source, manifest=manifest) for manifest in manifests]


class NestedRun:
    """The studies of all outer folds, one after another; each can be interrupted and goes on."""

    def __init__(self, setups: Sequence[Setup], order: Order, name: str | None) -> None:
        self._setups = setups
        self.name = f"{setups[0].default_name()}-nested" if name is None else name
        if (order.runs / self.name / FILE_NAME).exists():
            raise LedgerError(
                f"--name {self.name}: is a study without outer folds; take another name"
            )
        seconds = order.budget.seconds
        share = None if seconds is None else seconds / len(setups)
        self._order = replace(order, budget=replace(order.budget, seconds=share))
        self._runs: list[StudyRun] = []

    @property
    def ledger(self) -> Ledger | None:
        """The ledger of the study at work."""
        return self._runs[-1].ledger if self._runs else None

    def carry_out(self, interruption: Interruption) -> None:
        """Carry out every fold's study, and write its report."""
        folds, order = len(self._setups), self._order
        if not order.quiet:
            say(
                [
                    f"Nested: {folds} whole searches of {order.budget.trials} trials, one for each "
                    f"outer fold: about {folds} times the time of one study"
                ]
            )
        for number, setup in enumerate(self._setups, 1):
            run = StudyRun(setup, order, f"{self.name}-{number}of{folds}")
            self._runs.append(run)
            run.carry_out(interruption)
            run.write(run.ledger.read())
            run.check()

    def outcome(self) -> tuple[dict[str, Any], Path, list[str]]:
        """Return the pooled scores as a JSON document, their page, and lines that say them.

        They are written into the nested study's folder, too.
        """
        records = [run.ledger.read() for run in self._runs]
        found = {
            "study": self.name,
            "command": self._order.command,
            "outer_folds": len(self._setups),
            "trials": self._order.budget.trials,
            **pool_retests([run.folder for run in self._runs], records),
        }
        place = self._order.runs / self.name / RESULT
        write_text(place, json.dumps(found, indent=2, allow_nan=False) + "\n")
        page = write_nested(found, records, reports=self._order.reports)
        return found, page, outcome_lines(found)

    def check(self) -> None:
        """Every fold was checked when it had been carried out."""


def outcome_lines(found: dict[str, Any]) -> list[str]:
    """Return the outcome in lines."""
    low, high = found["intervals"]["f_med"]
    folds = [
        f"Fold {number}: F_med {score(item['f_med'])} of trial {item['winner']} on "
        f"{item['images']} images in {item['groups']} groups (study {item['study']})"
        for number, item in enumerate(found["folds"], 1)
    ]
    return [
        *folds,
        f"The procedure, pooled over {found['outer_folds']} outer folds: F_med "
        f"{score(found['f_med'])} (95 % interval {low:.2f} to {high:.2f}), sensitivity "
        f"{score(found['sensitivity'])}, specificity {score(found['specificity'])}, on "
        f"{found['images']} images in {found['groups']} groups, each judged by a search that "
        "never saw it",
    ]
