"""``study run --outer-folds``: the whole procedure once for each fold, and what it comes to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from study.cli.progress import say, score
from study.cli.stages import Order, StudyRun
from study.dataset.manifest import outer_manifests
from study.dataset.sources.source import Source
from study.errors import LedgerError, SettingsError
from study.evaluation.nested import (
    NestedStudy,
    finished_folds,
    fold_records,
    note_nested,
    pool_retests,
    read_nested,
)
from study.ledger import Ledger
from study.report.nested import write_nested
from study.search.driver import Interruption
from study.search.setup import Setup
from study.seeds import split_seed
from study.workspace import study_names

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


def check_name(runs: Path, name: str, folds: int | None) -> None:
    """Refuse a name that a study of another number of outer folds has; None is a plain study.

    Raises ``LedgerError`` that says what the name stands for.
    """
    if folds is not None and name in study_names(runs):
        raise LedgerError(
            f"--name {name}: is a study without outer folds; repeat its line without "
            "--outer-folds, or take another name"
        )
    found = read_nested(runs, name)
    if found is None or found[0].folds == folds:
        return
    nested, asked = found[0], "none" if folds is None else folds
    raise LedgerError(
        f"--name {name}: is a nested study of {nested.folds} outer folds, found {asked}; repeat "
        f"its line with --outer-folds {nested.folds}, or take another name"
    )


class NestedRun:
    """The studies of all outer folds, one after another; each can be interrupted and goes on."""

    def __init__(self, setups: Sequence[Setup], order: Order, name: str | None) -> None:
        self._setups = setups
        self._nested = NestedStudy(
            name=f"{setups[0].default_name()}-nested" if name is None else name,
            command=order.command,
            folds=len(setups),
            trials=order.budget.trials,
        )
        check_name(order.runs, self._nested.name, len(setups))
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
        order, nested = self._order, self._nested
        done = finished_folds(nested, fold_records(order.runs, nested))
        if done < nested.folds:
            say([cost_line(nested, done)])  # with --quiet, too: it is a warning
        for name, setup in zip(nested.studies, self._setups, strict=True):
            run = StudyRun(setup, order, name)
            self._runs.append(run)
            if done < nested.folds:
                note_nested(order.runs, nested)
            run.carry_out(interruption)
            run.write(run.ledger.read())
            run.check()

    def outcome(self) -> tuple[dict[str, Any], Path, list[str]]:
        """Return the pooled scores as a JSON document, their page, and lines that say them.

        They are written into the nested study's folder, too.
        """
        order, nested = self._order, self._nested
        records = [run.ledger.read() for run in self._runs]
        figures = pool_retests([run.folder for run in self._runs], records)
        found = note_nested(order.runs, nested, figures)
        page = write_nested(found, records, reports=order.reports)
        return found, page, outcome_lines(found)

    def check(self) -> None:
        """Every fold was checked when it had been carried out."""


def cost_line(nested: NestedStudy, done: int) -> str:
    """Return what is going to be trained, before it begins."""
    trials = f"{nested.trials} trial{'' if nested.trials == 1 else 's'}"
    ready = f"; {done} of them {'is' if done == 1 else 'are'} done already" if done else ""
    return (
        f"Nested: {nested.folds} whole searches of {trials}, one for each outer fold: about "
        f"{nested.folds} times the time of one study{ready}"
    )


def outcome_lines(found: Mapping[str, Any]) -> list[str]:
    """Return the outcome in lines."""
    low, high = found["intervals"]["f_med"]
    folds = [
        f"Fold {number}: F_med {score(item['f_med'])} of trial {item['winner']} on "
        f"{item['images']} images in {item['groups']} groups, opened {_times(item['uses'])} "
        f"(study {item['study']})"
        for number, item in enumerate(found["folds"], 1)
    ]
    return [
        *folds,
        _agreement_line(found),
        f"The procedure, pooled over {found['outer_folds']} outer folds: F_med "
        f"{score(found['f_med'])} (95 % interval {low:.2f} to {high:.2f}), sensitivity "
        f"{score(found['sensitivity'])}, specificity {score(found['specificity'])}, on "
        f"{found['images']} images in {found['groups']} groups, each judged by a search that "
        "never saw it",
    ]


def _agreement_line(found: Mapping[str, Any]) -> str:
    networks, folds = found["agreement"]["networks"], found["outer_folds"]
    if networks == 1:
        return f"All {folds} folds named the same network"
    differing = ", ".join(name.replace("_", " ") for name in found["agreement"]["differing"])
    return f"The {folds} folds named {networks} different networks, which differ in {differing}"


def _times(amount: Any) -> str:
    return "once" if amount == 1 else f"{amount} times"
