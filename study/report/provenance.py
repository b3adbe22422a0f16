"""Where the figures come from: the data and their split, the protocol, the space, the versions."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from typing import Any

from study.protocol import Protocol
from study.records import StudyRecord
from study.report import words
from study.report.audit.section import audit_html, left_out_html
from study.report.markup import Content, Markup, element, join
from study.report.tables import facts_html
from study.summary import counts

GROUPING = {
    "given": "given with the data",
    "content": "by content: copies and frames, not patients",
    "copies": "exact copies only",
    "none": "no: every image counts singly",
}
"""Where groups come from, in words."""

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


def data_html(record: StudyRecord) -> Markup:
    """Return the dataset's facts, the parts by class, what the audit found, files left out."""
    data, split = record.dataset, record.split
    facts: list[tuple[str, Content]] = [
        ("Dataset", str(data.get("name"))),
        ("Source", str(data.get("source") or words.DASH)),
        ("Images", words.count(data.get("images"))),
        ("Groups", words.count(data.get("groups"))),
        ("Positive class", str(data.get("positive"))),
        ("Negative class", str(data.get("negative"))),
        ("Split", str(split.get("kind") or words.DASH)),
        ("Groups found", GROUPING.get(str(split.get("grouping")), words.DASH)),
        ("Groups in several parts", words.count(split.get("leaking_groups") or 0)),
        ("Digest", element("code", str(data.get("digest") or words.DASH))),
    ]
    explained = "A group holds images that must stay together: one lesion, one patient, one clip."
    return join(
        element("div", parts_table(split, data), class_="scroll"),
        element("p", explained, class_="aside"),
        facts_html(facts),
        left_out_html([(str(path), str(reason)) for path, reason in data.get("skipped") or []]),
        audit_html(record),
    )


def parts_table(split: dict[str, Any], data: dict[str, Any]) -> Markup:
    """Return images and groups by class and part.

    ``split`` is as in ``StudyRecord``; ``data`` has ``classes`` (name to images), ``images`` and
    ``groups``.
    """
    names = {"train": "Training", "validation": "Validation", "test": "Test"}
    names["undivided"] = "Not divided"
    parts = {n: p for n in names if (p := _part(split, n))}
    classes = data.get("classes") or {}
    rows = []
    for name, images in classes.items():
        cells = [_amount(part.get("classes", {}).get(name, {})) for part in parts.values()]
        rows.append(_row(str(name), cells, words.plural(int(images), "image")))
    total = _amount(data)
    rows.append(_row("All classes", [_amount(part) for part in parts.values()], total))
    heads = ["Class", *(names[name] for name in parts), "Total"]
    head = element("tr", *(element("th", text, scope="col") for text in heads))
    return element("table", element("thead", head), element("tbody", *rows), class_="plain")


def _part(split: dict[str, Any], name: str) -> dict[str, Any]:
    found = split.get("parts", {}).get(name) or {}
    return found if isinstance(found, dict) else {}


def _amount(part: dict[str, Any]) -> str:
    images = words.plural(int(part.get("images") or 0), "image")
    groups = part.get("groups")
    return images if groups is None else f"{images} in {words.plural(int(groups), 'group')}"


def _row(name: str, cells: list[str], total: str) -> Markup:
    values = (element("td", text) for text in (*cells, total))
    return element("tr", element("th", name, scope="row"), *values)


def provenance_html(record: StudyRecord) -> Markup:
    """Return command, search space with its reasons, search, protocol and circumstances."""
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
        facts_html(_circumstances(record)),
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
        ("Budget", "quick, not the full protocol" if protocol.quick else "full"),
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


def _circumstances(record: StudyRecord) -> list[tuple[str, Content]]:
    seconds = [trial.seconds for trial in record.trials if words.number(trial.seconds) is not None]
    ended = max((trial.ended for trial in record.trials if trial.ended), default=None)
    state = ", ".join(f"{amount} {name}" for name, amount in counts(record).items() if amount)
    retest = [("Retest at", words.moment(record.retest.get("at")))] if record.retest else []
    return [
        ("Created", words.moment(record.created)),
        ("Last trial ended", words.moment(ended)),
        *retest,
        ("Time of all trials", words.duration(sum(filter(None, seconds)))),
        ("Trials planned", words.count(record.requested)),
        ("Trials", state or "none"),
        ("Suggestions turned down", words.count(record.infeasible)),
        ("Seed", str(record.seed)),
        ("Space digest", element("code", str(record.space.get("digest") or words.DASH))),
        *((f"Version of {name}", str(version)) for name, version in record.versions.items()),
        *((words.label(name), str(value)) for name, value in record.machine.items()),
    ]
