"""What a study says in lines: at its beginning, at the end of each trial, and at its end."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.markup import escape

from study.cli.terminal import printable
from study.records import StudyRecord, TrialRecord
from study.report.words import plural
from study.search.limits import FLAT_GAIN, FLAT_TRIALS
from study.summary import (
    best_so_far,
    counts,
    estimates,
    is_settled,
    leader,
    reference,
    search_role,
    stale_retest,
    times_opened,
    winner,
)
from study.variant import Variant

MOST_LEFT_OUT = 10


def opening_lines(record: StudyRecord) -> list[str]:
    """Return what a user has to know before the first trial, as rich markup."""
    data, parts = record.dataset, record.split["parts"]
    sizes = ", ".join(
        f"{part} {held['images']} images in {held['groups']} groups" for part, held in parts.items()
    )
    kind = "[bold]synthetic[/] images" if data["synthetic"] else "images"
    lines = [
        f"Study [bold]{escape(record.name)}[/]: {record.requested} trials of space "
        f"{escape(record.space['name'])}, seed {record.seed}",
        f"Data {escape(data['name'])}: {data['images']} {kind} in {data['groups']} groups, "
        f"positive class {escape(data['positive'])}; {record.split['kind']} split: {sizes}",
    ]
    if record.protocol.quick:
        lines.append("[yellow]Quick look:[/] small budgets, not the full protocol.")
    lines += finding_lines((record.audit or {}).get("findings", []))
    return lines + left_out_lines(data["skipped"])


def finding_lines(findings: Iterable[Mapping[str, str]], *, notes: bool = False) -> list[str]:
    """Return what an audit found as rich markup, a line each; notes only when asked for."""
    styles = {"error": "bold red", "warning": "yellow", "note": "dim"}
    return [
        f"[{styles[grade]}]{grade.capitalize()}:[/] {escape(printable(item['message']))}"
        for item in findings
        if (grade := item["grade"]) != "note" or notes
    ]


def say(lines: Iterable[str]) -> None:
    """Print lines to standard error: broken between words on a terminal, else as they are."""
    console = Console(stderr=True, highlight=False)
    for line in lines:
        console.print(printable(line), markup=False, soft_wrap=not console.is_terminal)


def left_out_lines(skipped: Sequence[Sequence[str]]) -> list[str]:
    """Return a line of rich markup for each image that is left out, path and reason; ten at most.

    Characters that no terminal shows, as in names that are not UTF-8, become question marks.
    """
    shown = [f"{path}: {reason}" for path, reason in skipped[:MOST_LEFT_OUT]]
    if len(skipped) > MOST_LEFT_OUT:
        shown.append(f"and {len(skipped) - MOST_LEFT_OUT} more")
    return [f"[yellow]Left out:[/] {escape(printable(line))}" for line in shown]


def closing_lines(record: StudyRecord) -> list[str]:
    """Return the outcome: the winner, its three figures beside the reference's, its retest."""
    best = winner(record)
    if best is None:
        return []
    positive = printable(str(record.dataset["positive"]))
    named = "Winner" if is_settled(record) else "Best"
    lines = [
        f"{named}: trial {best.number}, validation F_med {score(best.validation_f_med)} (positive "
        f"class {positive}): {Variant(**best.variant).in_words()}",
        *final_lines(record),
    ]
    if record.retest:
        lines.append(retest_line(record))
    elif opened := times_opened(record):
        lines.append(
            f"Retest: no answer is stored, though the test part was opened {_times(opened)}; "
            f"`study retest {record.name}` evaluates the winner, and that counts"
        )
    return lines


def final_lines(record: StudyRecord) -> list[str]:
    """Return what came after the search; nothing before that."""
    if record.final is None or not is_settled(record):
        return []
    lines = [str(note) for note in record.final["notes"]]
    best, other = winner(record), reference(record)
    shown = {trial.number: trial for trial in (best, other) if trial is not None}
    for number, trial in shown.items():
        name = "the reference network" if number != (best and best.number) else "the winner"
        lines.append(f"Of {name}, trial {number}: {_three(record, trial)}")
    refit = record.final.get("refit")
    if refit:
        lines.append(_refit_line(refit))
    return lines


def _three(record: StudyRecord, trial: TrialRecord) -> str:
    found = estimates(record, trial)
    corrected, across = found["corrected_f_med"], found["cross_validated_f_med"]
    role = search_role(record, trial)
    said = [f"search {score(trial.validation_f_med)} (augmented images, {role})"]
    if corrected:
        source = "the folds" if corrected["from"] == "folds" else "validation"
        said.append(
            f"corrected {score(corrected['value'])} (plain images, from {source}; 95 % interval "
            f"{corrected['low']:.2f} to {corrected['high']:.2f})"
        )
    if across:
        error = across["standard_error"]
        spread = "" if error is None else f", standard error {error:.3f}"
        said.append(f"cross-validated {score(across['mean'])} ({across['folds']} folds{spread})")
    return "; ".join(said)


def _refit_line(refit: Mapping[str, Any]) -> str:
    tried = plural(len(refit["attempts"]), "seed")
    scores = ", ".join(score(item["train_f_med"]) for item in refit["attempts"])
    reached = f"train F_med {scores}, needed {score(refit['needed'])}"
    if refit["model"] is None:
        crashed = [a for a in refit["attempts"] if a["train_f_med"] is None]
        causes = dict.fromkeys(str(a["cause"]) for a in crashed if a["cause"])
        failed = f"; of them failed: {'; '.join(causes)}" if causes else ""
        return (
            f"Its final network is the search's own: trained on training and validation with "
            f"{tried} it did not learn enough ({reached}{failed})"
        )
    return (
        f"Its final network was trained on training and validation for "
        f"{plural(refit['epochs'], 'epoch')} ({reached})"
    )


def retest_line(record: StudyRecord) -> str:
    """Return the retest in a line, of which network it is, and how often there was one."""
    found, stale = record.retest or {}, stale_retest(record)
    low, high = found["intervals"]["f_med"]
    return (
        f"Retest on {found['images']} images in {found['groups']} groups: F_med "
        f"{score(found['f_med'])} (95 % interval {low:.2f} to {high:.2f}), sensitivity "
        f"{score(found['sensitivity'])}, specificity {score(found['specificity'])}; test "
        f"part used {_times(times_opened(record))}{f'. {stale}' if stale else ''}"
    )


def _times(amount: int) -> str:
    return "1 time" if amount == 1 else f"{amount} times"


def trial_line(trial: TrialRecord, record: StudyRecord, *, place: int) -> str:
    """Return one line on a trial that was the ``place``-th to end."""
    head = f"[{place}/{record.requested}] {_name(trial)} {trial.state}"
    if trial.state == "failed":
        return printable(f"{head}: {trial.cause}")
    if trial.label is not None and trial.validation_f_med is None and trial.scores:
        return printable(
            f"{head}: train F_med {score(trial.train_f_med)} after {trial.epochs} epochs, "
            f"{duration(trial.seconds)}; {Variant(**trial.variant).in_words()}"
        )
    # It is complete and its score is 0: without a word that would look like bad luck.
    head += ", dead (train F_med stayed 0)" if trial.stopped_by == "dead" else ""
    best = leader(record) if trial.label is None else None
    tail = f"; best {score(best.validation_f_med)} (trial {best.number})" if best else ""
    at = "" if trial.best_epoch is None else f" at epoch {trial.best_epoch} of {trial.epochs}"
    return (
        f"{head}: validation F_med {score(best_so_far(trial))}{at}, {duration(trial.seconds)}; "
        f"{Variant(**trial.variant).in_words()}{tail}"
    )


def _name(trial: TrialRecord) -> str:
    return trial.label or f"trial {trial.number}"


def running_line(record: StudyRecord, outlook: Outlook) -> str:
    """Return one line on what runs: a sign of life between the ends of trials."""
    running = [
        f"{_name(trial)} at epoch {len(trial.progress)}, best {score(best_so_far(trial))}"
        for trial in record.trials
        if trial.state == "running"
    ]
    return f"After {outlook.in_words()}; running: {'; '.join(running) or 'none'}"


def search_line(record: StudyRecord, jobs: int) -> str:
    """Return how the study is searched, and by how many workers."""
    sampler, pruner = (record.search.get(key) or {} for key in ("sampler", "pruner"))
    pruned = f"pruner {pruner['name']}" if pruner else "no pruning"
    workers = "1 worker" if jobs == 1 else f"{jobs} workers"
    return f"Search: sampler {sampler.get('name', 'tpe')}, {pruned}; {workers}"


def end_line(record: StudyRecord, why: str, command: str) -> str | None:
    """Return why a search ended before all planned trials, and how to go on; None if it did not.

    ``why`` is what ``run_search`` returns.
    """
    planned = f"{len(ended(record))} of {record.requested} trials have ended"
    if why == "timeout":
        again = "; another best trial will use the test part again" if record.retest else ""
        return f"Time is up (--timeout): {planned}{again}. To go on: {command}"
    if why == "flat":
        return (
            f"Stopped when flat: the last {FLAT_TRIALS} trials bettered validation F_med by less "
            f"than {FLAT_GAIN}; {planned}. To go on all the same: the line without --stop-when-flat"
        )
    return None


def interrupted_line(record: StudyRecord | None, command: str) -> str:
    """Return what is kept of a run that was interrupted, and how to go on.

    ``record`` is None where there was no study yet.
    """
    again = 0 if record is None else counts(record)["interrupted"]
    trials = f"; {again} running trial{'s begin' if again > 1 else ' begins'} again"
    return (
        f"study: interrupted, what had ended is kept{trials if again else ''}; to go on: {command}"
    )


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """What is said of time, in seconds."""

    elapsed: float
    """Since this run began."""
    left: float | None = None
    """Until the planned trials have ended, as far as one can tell."""
    stops_in: float | None = None
    """Until the run ends by its time limit."""
    may_end_early: bool = False
    """The run ends when it finds nothing better any more."""
    doing: str = ""
    """What goes on instead of training."""

    def in_words(self) -> str:
        """Return, for example, ``12 min, about 1.4 h left``."""
        if self.doing:
            rest = self.doing
        elif self.stops_in is not None and (self.left is None or self.stops_in < self.left):
            rest = f"stops in {duration(max(0.0, self.stops_in))}"
        elif self.left is None:
            rest = "time left unknown"
        else:
            rest = f"{'at most' if self.may_end_early else 'about'} {duration(self.left)} left"
        return f"{duration(self.elapsed)}, {rest}"


def ended(record: StudyRecord) -> dict[int, TrialRecord]:
    """Return the trials that have ended, by number."""
    states = ("complete", "pruned", "failed")
    return {trial.number: trial for trial in record.trials if trial.state in states}


def score(value: float | None) -> str:
    """Write a score with three decimals, a dash where there is none."""
    return "-" if value is None or math.isnan(value) else f"{value:.3f}"


def duration(seconds: float | None) -> str:
    """Write a duration as seconds, minutes or hours."""
    if seconds is None:
        return "-"
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"
