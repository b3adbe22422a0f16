"""Where the figures come from: command, space, search, protocol, versions, machine."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from typing import Any

import pandas as pd

from study.protocol import Protocol
from study.records import StudyRecord
from study.report import words
from study.report.markup import Content, Markup, element, join
from study.report.section import Evidence, Section
from study.report.tables import facts_html
from study.summary import counts, is_settled

STRATEGIES = {
    "tpe": "tree-structured Parzen estimator (tpe)",
    "random": "every trial drawn on its own (random)",
    "median": "against the median of other trials at the same epoch (median)",
    "halving": "successive halving (halving)",
    "hyperband": "successive halving from several first rungs (hyperband)",
    "patient": "against the median, once the score has stood still (patient)",
}
"""Samplers and pruners in words."""

ARGUMENTS = {
    "n_startup_trials": "other trials needed first: {}",
    "multivariate": "hyperparameters together: {}",
    "constant_liar": "running trials counted as bad: {}",
    "n_warmup_steps": "epochs before the first look: {}",
    "interval_steps": "epochs between looks: {}",
    "n_min_trials": "trials needed at an epoch: {}",
    "min_resource": "first rung: {} epochs",
    "reduction_factor": "one trial in {} goes on, to a rung as many times as far",
    "min_early_stopping_rate": "rungs left out: {}",
    "rungs": "rungs: {}",
    "patience": "epochs without a gain: {}",
}
"""Arguments of theirs in words."""


def section(evidence: Evidence) -> Section:
    """Return the tab with all that is needed to repeat the study."""
    record = evidence.record
    versions = record.versions
    named = [
        f"{title} {versions[name]}"
        for name, title in (("study", "study"), ("tensorflow", "TensorFlow"), ("optuna", "Optuna"))
        if versions.get(name)
    ]
    with_what = f" with {', '.join(named)}" if named else ""
    spent = evidence.trials["seconds"].sum()
    return Section(
        key="provenance",
        title="Provenance",
        look_for=(
            "Look here for what it takes to repeat the study: the same command, versions, seed and "
            "data give the same split and the same first trials; the same variants after those "
            "only with one worker, since a sampler learns from the trials in the order in which "
            "they end."
        ),
        shows=(
            f"This study was made{with_what}, from seed {record.seed}, by up to "
            f"{words.plural(most_at_once(evidence.trials), 'worker')} at once; its trials took "
            f"{words.duration(float(spent))} in all, summed over the workers."
        ),
        body=_body(evidence),
    )


def most_at_once(trials: pd.DataFrame) -> int:
    """Return the most trials that were trained at the same time, by their latest attempts."""
    timed = trials.dropna(subset=["started", "ended"])
    steps = pd.concat([pd.Series(1, index=timed["started"]), pd.Series(-1, index=timed["ended"])])
    # At one moment, to the second, whoever ends makes room before the next begins.
    order = pd.DataFrame({"at": steps.index, "step": steps.to_numpy()}).sort_values(["at", "step"])
    return int(order["step"].cumsum().max()) if len(order) else 0


def _body(evidence: Evidence) -> Markup:
    record = evidence.record
    return join(
        element("h3", "Command"),
        element("pre", element("code", record.command), tabindex="0"),
        element("h3", f"Search space: {record.space.get('name')}"),
        _space(record),
        element("h3", "Search"),
        facts_html(search_facts(record)),
        element("h3", "Protocol"),
        facts_html(_protocol(record.protocol)),
        element("h3", "Circumstances"),
        facts_html(_circumstances(evidence)),
    )


def _space(record: StudyRecord) -> Markup:
    text = str(record.space.get("text") or "")
    raw = element("pre", element("code", text), tabindex="0")
    try:
        table = tomllib.loads(text)
        parameters = dict(table["parameters"])
        rows = [_parameter(name, dict(values)) for name, values in parameters.items()]
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError):
        return raw
    rows += [_fixed(name, value) for name, value in dict(table.get("fixed") or {}).items()]
    heads = ("Hyperparameter", "Values", "Why")
    head = element("tr", *(element("th", text, scope="col") for text in heads))
    body = element("table", element("thead", head), element("tbody", *rows), class_="plain")
    ratio = dict(table.get("constraints") or {}).get("max_macs_ratio")
    limit = (
        f"No network above {words.quantity(ratio)} times the multiply-accumulates of the reference "
        f"is trained; {words.plural(record.infeasible, 'suggestion')} turned down for its size."
        if ratio is not None
        else None
    )
    return join(
        element("p", str(table["question"])) if table.get("question") else None,
        element("div", body, class_="scroll"),
        element("p", limit, class_="aside") if limit else None,
        element("details", element("summary", "The file"), raw),
    )


def _parameter(name: str, values: dict[str, Any]) -> Markup:
    if "choices" in values:
        allowed = ", ".join(str(choice) for choice in values["choices"])
    else:
        allowed = f"{values.get('low')} to {values.get('high')}"
        allowed += f" in steps of {values['step']}" if values.get("step", 1) != 1 else ""
        allowed += ", logarithmic" if values.get("log") else ""
    why = str(values.get("why") or words.DASH)
    label = element("th", words.label(name), scope="row")
    return element("tr", label, element("td", allowed), element("td", why, class_="why"))


def _fixed(name: str, value: Any) -> Markup:
    label = element("th", words.label(name), scope="row")
    return element("tr", label, element("td", str(value)), element("td", "fixed by the space"))


def search_facts(record: StudyRecord) -> list[tuple[str, Content]]:
    """Return sampler and pruner of the latest run in words, with their arguments.

    Ledgers of the first versions name neither: they had TPE and no pruner.
    """
    if not record.search:
        return [("Sampler", "not recorded"), ("Pruner", "not recorded")]
    sampler, pruner = (record.search.get(key) for key in ("sampler", "pruner"))
    return [
        ("Sampler", _strategy(sampler) if sampler else "not recorded"),
        ("Pruner", _strategy(pruner) if pruner else "none: every trial is trained to its end"),
    ]


def _strategy(settings: Mapping[str, Any]) -> str:
    name = str(settings.get("name"))
    said = [STRATEGIES.get(name, name)]
    for key, value in settings.items():
        if key != "name":
            shown = {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
            said.append(ARGUMENTS.get(key, f"{key}: {{}}").format(shown))
    return "; ".join(said)


def _budget(protocol: Protocol) -> str:
    full = Protocol()
    same = protocol.epochs == full.epochs and protocol.samples_per_epoch == full.samples_per_epoch
    if same and not protocol.quick:
        return "full"
    return (
        f"{'quick: ' * protocol.quick}{protocol.epochs:,} of {full.epochs:,} epochs, "
        f"{protocol.samples_per_epoch:,} of {full.samples_per_epoch:,} samples"
    )


def _protocol(protocol: Protocol) -> list[tuple[str, Content]]:
    change = protocol.augmentation
    flips = [
        name
        for name, yes in (
            ("left-right", change.flip_horizontal),
            ("up-down", change.flip_vertical),
        )
        if yes
    ]
    return [
        ("Budget", _budget(protocol)),
        (
            "Input",
            f"{protocol.image_width} x {protocol.image_height} pixels (width x height), "
            f"{words.plural(protocol.channels, 'channel')}",
        ),
        ("Resizing", f"{protocol.resize_filter}, {protocol.fit}"),
        ("Epochs, at most", words.count(protocol.epochs)),
        ("Samples an epoch", words.count(protocol.samples_per_epoch)),
        ("Validation samples", f"{protocol.validation_samples:,}, drawn once"),
        ("Class weights", protocol.class_weights),
        ("Training target", f"F_med {protocol.target_f_med:.2f}"),
        ("Rotation", f"up to {change.rotation:g} degrees"),
        ("Shift", f"up to {change.shift_x:.0%} of the width, {change.shift_y:.0%} of the height"),
        ("Shear", f"up to {change.shear:g} degrees"),
        ("Zoom", f"{1 - change.zoom:g} to {1 + change.zoom:g} per axis"),
        ("Flips", " and ".join(flips) or "none"),
    ]


def _after(record: StudyRecord) -> list[tuple[str, Content]]:
    """Return when and how the winner was named, nothing before it was."""
    final = record.final
    if final is None or not is_settled(record):
        return []
    return [
        ("Winner named at", words.moment(final.get("at"))),
        ("Time of folds and final network", words.duration(final.get("seconds"))),
        ("Final network", element("code", str(final.get("model_digest") or words.DASH))),
        *_finalists(final),
    ]


def _finalists(final: Mapping[str, Any]) -> list[tuple[str, Content]]:
    """Return what was asked of the finalists' stage, and what it could afford."""
    asked, found = final.get("settings") or {}, final.get("selection") or {}
    if not asked:
        return []
    names = (("finalists", "finalists"), ("folds", "folds"), ("fold_seeds", "fold-seeds"))
    flags = [f"--{flag} {asked[key]}" for key, flag in names if asked.get(key) is not None]
    flags += [f"--select {asked['rule']}"] * ("rule" in asked)
    facts: list[tuple[str, Content]] = [("Finalists as asked", element("code", " ".join(flags)))]
    if trained := found.get("finalists"):
        said = (
            f"{words.plural(len(trained), 'finalist')}, the reference network included, on "
            f"{words.plural(int(found.get('folds') or 0), 'fold')}. How many are afforded hangs on "
            "measured seconds, so that the same command may name another winner on another "
            f"machine; --folds {found.get('folds')} fixes the folds, --finalists 0 leaves the "
            "finalists out."
        )
        facts.append(("Finalists as trained", said))
    return facts


def _circumstances(evidence: Evidence) -> list[tuple[str, Content]]:
    record = evidence.record
    seconds = [trial.seconds for trial in record.trials if words.number(trial.seconds) is not None]
    ended = max((trial.ended for trial in record.trials if trial.ended), default=None)
    state = ", ".join(f"{amount} {name}" for name, amount in counts(record).items() if amount)
    retest = [("Retest at", words.moment(record.retest.get("at")))] if record.retest else []
    return [
        ("Created", words.moment(record.created)),
        ("Last trial ended", words.moment(ended)),
        *retest,
        ("Time of all trials", words.duration(sum(filter(None, seconds)))),
        *_after(record),
        ("Trials planned", words.count(record.requested)),
        ("Trials", state or "none"),
        ("Suggestions turned down for their size", words.count(record.infeasible)),
        ("Suggestions turned down as repeats", words.count(record.duplicates)),
        ("Worker processes", words.count(evidence.trials["worker"].nunique())),
        ("Seed", str(record.seed)),
        ("Data digest", element("code", str(record.dataset.get("digest") or words.DASH))),
        ("Split digest", element("code", str(record.split.get("digest") or words.DASH))),
        ("Space digest", element("code", str(record.space.get("digest") or words.DASH))),
        *((f"Version of {name}", str(version)) for name, version in record.versions.items()),
        *((words.label(name), str(value)) for name, value in record.machine.items()),
    ]
