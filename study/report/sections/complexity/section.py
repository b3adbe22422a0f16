"""The tab on complexity: how large the network should be, and whether a larger one would help."""

from __future__ import annotations

import math

import numpy as np
import plotly.graph_objects as go

from study.report import words
from study.report.cautions import FEW_TRIALS as FEW_FOR_ZONES
from study.report.marks import callouts
from study.report.markup import Content, Markup, element, join
from study.report.section import Evidence, Section, chart, hidden
from study.report.sections.complexity.figures import (
    UNITS,
    CapacityInfo,
    capacity_figure,
    capacity_info,
)
from study.report.sections.complexity.gap_map import gap_map_chart, gap_map_figure, gap_map_info
from study.report.sections.complexity.notes import (
    about,
    no_zones,
    notes,
    shows,
    validation_groups,
    zone_words,
)
from study.report.sections.complexity.pareto import (
    front_chart,
    front_figure,
    front_info,
    front_table,
)
from study.report.sections.complexity.trend import FEW_TRIALS, CapacityTrend
from study.report.sections.complexity.trials import never_learned_words
from study.summary import leader

LITTLE = 0.02
"""A change of smoothed F_med that surely stays below this is worth no larger network."""

_EDGE = 0.95
"""The upper edge of the tried capacities begins here, as a share of their logarithm."""

_UNKNOWN = "Whether a bigger network would help cannot be told"


def section(evidence: Evidence) -> Section:
    """Return the tab; what the study cannot support is replaced by the reason."""
    infos = [capacity_info(evidence, measure) for measure in UNITS]
    front, gap_map = front_info(evidence), gap_map_info(evidence)
    figures: dict[str, go.Figure] = {}
    parts: list[Content] = []
    if any(len(info.complete) + len(info.never_learned) + len(info.pruned) for info in infos):
        figures |= {f"capacity-{info.measure}": capacity_figure(info) for info in infos}
        parts += [element("div", *(_capacity_chart(info) for info in infos), class_="pair")]
        parts += [element("p", note, class_="aside") for note in notes(evidence, infos)]
    else:
        parts.append(hidden("No complete or pruned trial has a score and a known capacity yet."))
    if front is not None:
        figures["pareto"] = front_figure(front)
        parts += [front_chart(front), front_table(front)]
    if isinstance(gap_map, str):
        parts.append(hidden(gap_map))
    else:
        figures["gap-map"] = gap_map_figure(gap_map)
        parts.append(gap_map_chart(gap_map))
    return Section(
        key="complexity",
        title="Complexity",
        look_for="Look for the capacity from which validation F_med no longer rises while the gap "
        "to train F_med widens: beyond it a larger network memorises more than it learns.",
        shows=shows(evidence, infos[0]),
        body=join(*parts),
        figures=figures,
    )


def would_bigger_help(evidence: Evidence) -> str:
    """Return one sentence on whether a bigger network would help, or why that cannot be told.

    From the change of smoothed validation F_med between the median and the largest number of
    parameters, where the best trial sits, and the trials' diagnoses; networks that never learned
    are left out.
    """
    info = capacity_info(evidence, "parameters")
    trend = info.trend
    if trend is None:
        return f"{_UNKNOWN}: {info.reason}."
    if evidence.record.split.get("leaking_groups"):
        return f"{_UNKNOWN}: the split leaks, so that validation F_med rewards memorising."
    largest, rise = float(trend.capacity[-1]), trend.rise
    change = (
        f"from the median capacity ({about(trend.median)} parameters) to the largest completed "
        f"({about(largest)}) smoothed validation F_med {_moved(rise.value)} "
        f"(95 % interval {rise.low:+.2f} to {rise.high:+.2f})"
    )
    verdict = _UNKNOWN
    if trend.fitted < FEW_FOR_ZONES:
        change += f", but below {FEW_FOR_ZONES} trials differences are mostly noise"
    elif max(-rise.low, rise.high) < LITTLE:
        verdict = "A bigger network would make little difference"
    elif rise.high < 0:
        verdict = "A bigger network is not likely to help"
    elif rise.low <= 0:
        change += ", which does not exclude 0"
    else:
        verdict, more = _at_the_end(trend)
        change += more
    hint = _hint(evidence, info) if verdict == _UNKNOWN else None
    if hint:
        verdict = f"{hint}; the trend cannot tell"
    elif verdict != _UNKNOWN:
        groups = validation_groups(evidence)
        verdict += f", on {groups}, other hyperparameters not held fixed"
    said = [change, _place(evidence), *([] if hint else [_diagnoses(evidence, info)])]
    if dead := len(info.never_learned):
        said.append(never_learned_words(dead, "in the trend"))
    return f"{verdict}: {'; '.join(said)}."


def _at_the_end(trend: CapacityTrend) -> tuple[str, str]:
    """Return the verdict on a trend that rises from the median on: is it rising still?"""
    ending = trend.ending
    if ending.low > 0 and ending.value >= LITTLE:
        return "A bigger network may help", ""
    more = (
        f" but from the upper quartile ({about(trend.upper)}) on {_moved(ending.value)} "
        f"({ending.low:+.2f} to {ending.high:+.2f})"
    )
    if ending.high < LITTLE:
        return "A network bigger than those completed is not likely to help", more
    return _UNKNOWN, f"{more}, so that it may have levelled off"


def _moved(change: float) -> str:
    amount = f"{abs(change):.2f}"
    if amount == "0.00":
        return "does not change"
    return f"{'rises' if change > 0 else 'falls'} by {amount}"


def _place(evidence: Evidence) -> str:
    """Tell whether the best trial sits at the upper edge of all that complete and pruned tried."""
    best = leader(evidence.record)
    if best is None or not best.parameters or best.parameters <= 0:
        return "the capacity of the best trial is unknown"
    frame = evidence.trials[np.isfinite(evidence.trials["parameters"])]
    frame = frame[(frame["parameters"] > 0) & frame["state"].isin(["complete", "pruned"])]
    low, high = frame["parameters"].min(), frame["parameters"].max()
    share = math.log(best.parameters / low) / math.log(high / low)
    called = callouts(evidence.record)[best.number].removesuffix(" = reference")
    name = f"the {called} (trial {best.number}, {about(best.parameters)} parameters)"
    pruned = frame["parameters"][frame["state"] == "pruned"]
    also = f"; pruned trials: {about(pruned.min())} to {about(pruned.max())}" if len(pruned) else ""
    return (
        f"{name} {'sits' if share >= _EDGE else 'does not sit'} at the upper edge of all that was "
        f"tried ({about(low)} to {about(high)}{also})"
    )


def _diagnosed(evidence: Evidence, info: CapacityInfo) -> tuple[int, int, int]:
    """Return how many trials that learned have a diagnosis, show variance, and show bias."""
    trials = evidence.trials[evidence.trials["state"] == "complete"]
    trials = trials[trials["diagnosis"].notna()]
    trials = trials[~trials["number"].isin(info.never_learned["number"])]
    variance, bias = (
        int(trials[name].isin(["clear", "likely"]).sum()) for name in ("variance", "bias")
    )
    return len(trials), variance, bias


def _diagnoses(evidence: Evidence, info: CapacityInfo) -> str:
    trials, variance, bias = _diagnosed(evidence, info)
    if not trials:
        return "no trial has a diagnosis"
    known = words.plural(trials, "diagnosed trial")
    return f"of {known} {variance:,} show variance and {bias:,} bias (clear or likely)"


def _hint(evidence: Evidence, info: CapacityInfo) -> str | None:
    """Return what the diagnoses say where the trend cannot tell: nothing unless nearly all agree.

    One fault in at least half of ``FEW_TRIALS`` or more trials, the other in a tenth at most.
    """
    trials, variance, bias = _diagnosed(evidence, info)
    if trials < FEW_TRIALS or max(variance, bias) < trials / 2 or min(variance, bias) > trials / 10:
        return None
    rare = f"{min(variance, bias):,}" if min(variance, bias) else "none"
    if variance > bias:
        said = f"{variance:,} of {trials:,} diagnosed trials show variance and {rare} bias"
        return f"{said}, which speaks against a bigger network"
    said = f"{bias:,} of {trials:,} diagnosed trials show bias and {rare} variance"
    return f"{said}, which speaks for a bigger network or for longer training"


def _capacity_chart(info: CapacityInfo) -> Markup:
    unit = UNITS[info.measure]
    spoken = f"no trend: {info.reason}"
    if info.trend:
        spoken = "; ".join(zone_words(info)) or no_zones(info.trend)
    return chart(
        f"capacity-{info.measure}",
        f"F_med against {unit}",
        f"Scatter of train and validation F_med against {unit}; {spoken}",
    )
