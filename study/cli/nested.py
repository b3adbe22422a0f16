"""``study run --outer-folds``: the whole procedure once for each fold, and what it comes to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from study.cli.progress import say, score
from study.cli.stages import Order, StudyRun
from study.dataset.manifest import Manifest, outer_manifest, outer_manifests
from study.dataset.sources.source import Source
from study.errors import LedgerError, SettingsError
from study.evaluation.nested import (
    LEAST_FOLDS,
    MOST_FOLDS,
    NestedStudy,
    finished_folds,
    fold_records,
    had_a_choice,
    note_nested,
    pool_retests,
    read_nested,
    trials_ended,
)
from study.ledger import Ledger
from study.report.nested import write_nested
from study.search.driver import Interruption
from study.search.setup import Setup
from study.seeds import split_seed
from study.workspace import study_folder, study_names


def outer_setups(
    source: Source,
    folds: int,
    split: str | None,
    ratio: tuple[int, int, int] | None,
    make: Callable[..., Setup],
    seed: int,
) -> list[Setup]:
    """Return the set-up of each fold's study; ``make`` makes one from source and manifest.

    Raises ``SettingsError`` for another split than by groups, or a number of folds that cannot be.
    """
    if not LEAST_FOLDS <= folds <= MOST_FOLDS:
        raise SettingsError(f"--outer-folds: found {folds}; allowed: {LEAST_FOLDS} to {MOST_FOLDS}")
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
        self._manifest = outer_manifest([setup.manifest for setup in setups])
        self._nested = NestedStudy(
            name=f"{setups[0].default_name()}-nested" if name is None else name,
            command=order.command,
            folds=len(setups),
            trials=order.budget.trials,
            settings=asdict(order.settings),
            manifest_digest=self._manifest.digest,
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
        records = fold_records(order.runs, nested)
        done = finished_folds(nested, records)
        if done < nested.folds:
            given = self._setups[0].source.has_parts
            shared = order.budget.seconds is not None
            # With --quiet, too: they are warnings.
            say(starting_lines(nested, done, given_parts=given, shared_time=shared))
        whole = done == nested.folds and all(trials_ended(r) >= nested.trials for r in records)
        for name, setup in zip(nested.studies, self._setups, strict=True):
            run = StudyRun(setup, order, name)
            self._runs.append(run)
            if len(self._runs) == 1:  # the set-up is that of the name
                self._note(whole)
            run.carry_out(interruption)
            run.write(run.ledger.read())
            run.check()

    def _note(self, whole: bool) -> None:
        """Store the outer folds and what is asked for, without figures until all is ``whole``."""
        runs, nested = self._order.runs, self._nested
        place = study_folder(runs, nested.name).manifest
        if not place.exists():
            self._manifest.write(place)
        elif Manifest.read(place).digest != self._manifest.digest:
            raise LedgerError(
                f"{place}: does not hold the outer folds of nested study {nested.name}; restore "
                "the file, or take another --name"
            )
        if not whole:
            note_nested(runs, nested)

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


def starting_lines(
    nested: NestedStudy, done: int, *, given_parts: bool, shared_time: bool
) -> list[str]:
    """Return what is going to be trained, and on what, before it begins.

    ``given_parts`` tells that the data came divided, ``shared_time`` that the folds share a time.
    """
    trials = f"{nested.trials} trial{'' if nested.trials == 1 else 's'}"
    most = "up to " if shared_time else ""
    ready = f"; {done} of them {'is' if done == 1 else 'are'} done already" if done else ""
    cost = (
        f"which share the time of --timeout: each has 1/{nested.folds} of it"
        if shared_time
        else f"about {nested.folds} times the time of one study"
    )
    again = (
        "The data give their parts; outer folds divide all images anew, those of the given test "
        "part, too"
    )
    return [
        *([again] if given_parts else []),
        f"Nested: {nested.folds} whole searches of {most}{trials}, one for each outer fold: {cost}"
        f"{ready}",
    ]


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
        *([_agreement_line(found)] if had_a_choice(found) else []),
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
