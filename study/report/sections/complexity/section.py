"""The tab on complexity: how large the network should be, and whether a larger one would help."""

from __future__ import annotations

import math

import plotly.graph_objects as go

from study.report import words
from study.report.marks import leader
from study.report.markup import Content, Markup, element, join
from study.report.section import Evidence, Section, chart, hidden
from study.report.sections.complexity.figures import (
    MOST_POINTS,
    UNITS,
    CapacityInfo,
    capacity_figure,
    capacity_info,
)
from study.report.sections.complexity.gap_map import gap_map_chart, gap_map_figure, gap_map_info
from study.report.sections.complexity.pareto import (
    front_chart,
    front_figure,
    front_info,
    front_table,
)
from study.report.sections.complexity.trend import DRAWS, CapacityTrend, Zone
from study.summary import winner
from study.training.diagnosis import GAP

LITTLE = 0.02
"""A change of smoothed F_med that surely stays below this is worth no larger network."""

_EDGE = 0.95
"""The upper edge of the tried range begins here, as a share of its logarithm."""

_UNKNOWN = "Whether a bigger network would help cannot be told"


def section(evidence: Evidence) -> Section:
    """Return the tab; what the study cannot support is replaced by the reason."""
    infos = [capacity_info(evidence, measure) for measure in UNITS]
    front, gap_map = front_info(evidence), gap_map_info(evidence)
    figures: dict[str, go.Figure] = {}
    parts: list[Content] = []
    if any(len(info.complete) + len(info.pruned) for info in infos):
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
    parameters, where the best trial sits, and the trials' diagnoses.
    """
    info = capacity_info(evidence, "parameters")
    trend = info.trend
    if trend is None:
        return f"{_UNKNOWN}: {info.reason}."
    if evidence.record.split.get("leaking_groups"):
        return f"{_UNKNOWN}: the split leaks, so that validation F_med rewards memorising."
    largest, rise = float(trend.capacity[-1]), trend.rise
    change = (
        f"from the median capacity ({about(trend.median)} parameters) to the largest tried "
        f"({about(largest)}) smoothed validation F_med {_moved(rise.value)} "
        f"(95 % interval {rise.low:+.2f} to {rise.high:+.2f})"
    )
    verdict = _UNKNOWN
    if max(-rise.low, rise.high) < LITTLE:
        verdict = "A bigger network would make little difference"
    elif rise.high < 0:
        verdict = "A bigger network is not likely to help"
    elif rise.low <= 0:
        change += ", which does not exclude 0"
    else:
        verdict, more = _at_the_end(trend)
        change += more
    return f"{verdict}: {change}; {_place(evidence, trend)}; {_diagnoses(evidence)}."


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
        return "A network bigger than those tried is not likely to help", more
    return _UNKNOWN, f"{more}, so that it may have levelled off"


def _moved(change: float) -> str:
    return f"{'rises' if change >= 0 else 'falls'} by {abs(change):.2f}"


def _place(evidence: Evidence, trend: CapacityTrend) -> str:
    """Tell whether the best trial sits at the upper edge of the capacities that were tried."""
    best = winner(evidence.record)
    if best is None or not best.parameters or best.parameters <= 0:
        return "the capacity of the best trial is unknown"
    low, high = math.log(trend.capacity[0]), math.log(trend.capacity[-1])
    upper = (math.log(best.parameters) - low) / (high - low) >= _EDGE
    name = (
        f"the {leader(evidence.record)} (trial {best.number}, {about(best.parameters)} parameters)"
    )
    return f"{name} {'sits' if upper else 'does not sit'} at the upper edge of the tried range"


def _diagnoses(evidence: Evidence) -> str:
    trials = evidence.trials[evidence.trials["state"] == "complete"]
    trials = trials[trials["diagnosis"].notna()]
    if trials.empty:
        return "no trial has a diagnosis"
    variance, bias = (
        words.count(trials[name].isin(["clear", "likely"]).sum().item())
        for name in ("variance", "bias")
    )
    known = words.plural(len(trials), "diagnosed trial")
    return f"of {known} {variance} show variance and {bias} bias (clear or likely)"


def about(capacity: float) -> str:
    """Write a capacity with two significant digits."""
    return f"{float(f'{capacity:.2g}'):,.0f}"


def shows(evidence: Evidence, info: CapacityInfo) -> str:
    """Return the sentence on what the trend over the parameters says."""
    trend = info.trend
    if trend is None:
        return f"There is no trend yet: {info.reason}."
    said = [_peak(trend), *zone_words(info)]
    if evidence.record.split.get("leaking_groups"):
        said.append("since the split leaks, none of this speaks for new images")
    return "; ".join(said) + "."


def _peak(trend: CapacityTrend) -> str:
    low, high = float(trend.capacity[0]), float(trend.capacity[-1])
    share = math.log(trend.peak.high / trend.peak.low) / math.log(high / low)
    found = trend.validation.value
    if share > 0.8:
        return (
            f"No capacity stands out: smoothed validation F_med lies between {found.min():.2f} and "
            f"{found.max():.2f} from {about(low)} to {about(high)} parameters, and the bootstrap "
            "finds its peak almost anywhere in that range"
        )
    return (
        f"Smoothed validation F_med is highest ({found.max():.2f}) near {about(trend.peak.value)} "
        f"parameters (bootstrap: {about(trend.peak.low)} to {about(trend.peak.high)})"
    )


def zone_words(info: CapacityInfo) -> list[str]:
    """Return what the bias zone and the variance zone of a trend are."""
    if info.trend is None:
        return []
    ends = float(info.trend.capacity[0]), float(info.trend.capacity[-1])
    unit = UNITS[info.measure]
    spoken: dict[str, list[str]] = {"bias": [], "variance": []}
    for zone in info.zones:
        noise = "" if zone.beyond_noise else ", partly within the band's noise"
        spoken[zone.kind].append(_range(zone, ends, unit) + noise)
    bias, variance = (" and ".join(spoken[kind]) for kind in ("bias", "variance"))
    return [
        f"smoothed train F_med lies below the target of {info.target:.2f} {bias} (bias zone)"
        if bias
        else f"smoothed train F_med reaches the target of {info.target:.2f} throughout",
        f"the smoothed gap exceeds {GAP:.2f} {variance} (variance zone)"
        if variance
        else f"no capacity shows a smoothed gap above {GAP:.2f} that exceeds the band's noise",
    ]


def _range(zone: Zone, ends: tuple[float, float], unit: str) -> str:
    if zone.low <= ends[0] and zone.high >= ends[1]:
        return "throughout"
    if zone.low <= ends[0]:
        return f"up to {about(zone.high)} {unit}"
    if zone.high >= ends[1]:
        return f"from {about(zone.low)} {unit} up"
    return f"between {about(zone.low)} and {about(zone.high)} {unit}"


def notes(evidence: Evidence, infos: list[CapacityInfo]) -> list[str]:
    """Return the paragraphs below the two figures: the zones, the band, what is left out."""
    found = []
    without = [info for info in infos if info.trend is None]
    if len({info.reason for info in without}) == 1 and len(without) == len(infos):
        found.append(f"No trend is drawn: {infos[0].reason}.")
    else:
        found += [f"No trend over the {UNITS[i.measure]}: {i.reason}." for i in without]
    for info in infos[1:]:  # the sentence at the head of the tab tells those of the first
        if info.trend:
            found.append(f"By {UNITS[info.measure]}: {'; '.join(zone_words(info))}.")
    trend = next((info.trend for info in infos if info.trend), None)
    if trend is not None:
        found.append(_method(evidence, trend))
    most = max(infos, key=lambda info: len(info.complete) + len(info.pruned))
    if len(most.pruned):
        pruned = words.plural(len(most.pruned), "pruned trial")
        found.append(
            f"{pruned}, faint, at the best epoch so far and not in the trend: what was pruned "
            "scored low, so that the trend lies higher than it would without pruning."
        )
    if 2 * len(most.complete) + len(most.pruned) > MOST_POINTS:
        total = words.count(len(most.complete) + len(most.pruned))
        found.append(f"At most {words.count(MOST_POINTS)} points of {total} trials are drawn.")
    return found


def _method(evidence: Evidence, trend: CapacityTrend) -> str:
    part = (evidence.record.split.get("parts") or {}).get("validation") or {}
    groups = words.number(part.get("groups"))
    few = "few validation groups" if groups is None else f"{groups:,.0f} validation groups"
    thin = " Below some 30 trials the band is a little too narrow." if trend.fitted < 30 else ""
    return (
        "Lines: local linear regression with tricube weights over the logarithm of capacity "
        "(LOWESS, Cleveland 1979), each point from the nearest half of "
        f"{words.count(trend.fitted)} complete trials. Bands: 95 % at each point by itself, from "
        f"{words.count(DRAWS)} bootstrap draws of the trials.{thin} A band tells how much the "
        "line depends on which trials were run. It does not hold the luck of the split: all "
        f"trials share the same {few}, so that this luck is common to all. The lines average over "
        "the other hyperparameters, which the search chose and did not hold fixed."
    )


def _capacity_chart(info: CapacityInfo) -> Markup:
    unit = UNITS[info.measure]
    spoken = "; ".join(zone_words(info)) or f"no trend: {info.reason}"
    return chart(
        f"capacity-{info.measure}",
        f"F_med against {unit}",
        f"Scatter of train and validation F_med against {unit}; {spoken}",
    )
