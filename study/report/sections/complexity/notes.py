"""What the tab on complexity says of its trends: sentences computed from the trials."""

from __future__ import annotations

import math

import pandas as pd

from study.report import words
from study.report.cautions import FEW_TRIALS as FEW_FOR_ZONES
from study.report.section import Evidence
from study.report.sections.complexity.figures import MOST_POINTS, UNITS, CapacityInfo
from study.report.sections.complexity.trend import DRAWS, TOLERANCE, CapacityTrend, Zone
from study.report.sections.complexity.trials import never_learned_words
from study.training.diagnosis import GAP

MOST_RANGES = 2
"""Ranges of one kind of zone that a sentence holds."""


def about(capacity: float) -> str:
    """Write a capacity with two significant digits."""
    return f"{float(f'{capacity:.2g}'):,.0f}"


def shows(evidence: Evidence, info: CapacityInfo) -> str:
    """Return the sentence on what the trend over the parameters says."""
    trend = info.trend
    if trend is None:
        return f"There is no trend yet: {info.reason}."
    said = [_peak(trend), *(zone_words(info) or [no_zones(trend)])]
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
    """Return what the bias zone and the variance zone of a trend are; nothing of few trials."""
    if info.trend is None or info.trend.fitted < FEW_FOR_ZONES:
        return []
    ends = float(info.trend.capacity[0]), float(info.trend.capacity[-1])
    unit = UNITS[info.measure]
    highest = "the smoothed highest train F_med of a run"
    bias, variance = (
        _ranges([zone for zone in info.zones if zone.kind == kind], ends, unit)
        for kind in ("bias", "variance")
    )
    dips = (info.trend.highest_train.value < info.target - TOLERANCE).any()
    return [
        f"{highest} lies below the target of {info.target:.2f} {bias} (bias zone)"
        if bias
        else f"{highest} reaches the target of {info.target:.2f} throughout"
        + (", but for dips within the band's noise" if dips else ""),
        f"the smoothed gap exceeds {GAP:.2f} {variance} (variance zone)"
        if variance
        else f"no capacity shows a smoothed gap above {GAP:.2f} that exceeds the band's noise",
    ]


def _ranges(zones: list[Zone], ends: tuple[float, float], unit: str) -> str:
    """Write the widest zones of one kind, from low to high, and how many more there are."""
    widest = sorted(zones, key=lambda zone: -zone.width)[:MOST_RANGES]
    said = [_range(zone, ends, unit) for zone in zones if zone in widest]
    if more := len(zones) - len(said):
        told = f"{', '.join(said)} and {more} more"
    else:
        told = " and ".join(said)
    noise = "" if all(zone.beyond_noise for zone in zones) else ", partly within the band's noise"
    return told + noise


def no_zones(trend: CapacityTrend) -> str:
    """Say why so few trials have a trend and no zones."""
    return f"no zones of bias or variance are told: {_few(trend)}"


def _few(trend: CapacityTrend) -> str:
    return (
        f"{words.plural(trend.fitted, 'trial')} carry the trend, and below {FEW_FOR_ZONES} "
        "differences between hyperparameters are mostly noise"
    )


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
        if zone_words(info):
            found.append(f"By {UNITS[info.measure]}: {'; '.join(zone_words(info))}.")
    trend = next((info.trend for info in infos if info.trend), None)
    if trend is not None:
        found += [_LINES, _method(evidence, trend)]
        if trend.fitted < FEW_FOR_ZONES:
            found.append(f"Lines are thin and no zone is drawn: {_few(trend)}.")
    most = max(infos, key=_drawn)
    if never := len(most.never_learned):
        said = never_learned_words(never, "in the trend")
        found.append(f"{said}: stopped as dead, or train F_med 0 throughout (open squares).")
    if len(most.pruned):
        found.append(_pruned(most))
    if len(most.complete) + _drawn(most) > MOST_POINTS:
        total = words.count(_drawn(most))
        found.append(f"At most {words.count(MOST_POINTS)} points of {total} trials are drawn.")
    return found


def _pruned(info: CapacityInfo) -> str:
    """Say what pruned trials are, and whether one of them stood above all that were completed."""
    said = (
        f"{words.plural(len(info.pruned), 'pruned trial')}, faint, at the best epoch so far; "
        "pruned for standing below others at the epoch where they were compared"
    )
    complete = pd.concat([info.complete, info.never_learned])["validation_f_med"].max()
    highest = info.pruned.loc[info.pruned["validation_f_med"].idxmax()]
    if highest["validation_f_med"] > complete:
        said += (
            f" (trial {highest['number']:.0f} had reached {highest['validation_f_med']:.3f}, above "
            f"the best complete one's {complete:.3f})"
        )
    return f"{said}.{' They are not in the trend.' if info.trend else ''}"


def _drawn(info: CapacityInfo) -> int:
    return len(info.complete) + len(info.never_learned) + len(info.pruned)


_LINES = (
    "Train points and the dashed line: the highest train F_med of each whole run, against which "
    "bias is judged (whether a network can learn its training images at all). Validation: the "
    "best epoch. Dotted line: train at that same epoch; how far it lies above the validation line "
    f"is the gap, which is variance above {GAP:.2f}."
)


def validation_groups(evidence: Evidence) -> str:
    """Write which groups all scores come from: ``these 9 validation groups``."""
    part = (evidence.record.split.get("parts") or {}).get("validation") or {}
    groups = words.number(part.get("groups"))
    if groups is None:
        return "these few validation groups"
    return "this one validation group" if groups == 1 else f"these {groups:,.0f} validation groups"


def _method(evidence: Evidence, trend: CapacityTrend) -> str:
    thin = " Below some 30 trials the band is a little too narrow." if trend.fitted < 30 else ""
    return (
        "Lines: local linear regression with tricube weights over the logarithm of capacity "
        "(LOWESS, Cleveland 1979), each point from the nearest half of "
        f"{words.count(trend.fitted)} complete trials. Bands: 95 % at each point by itself, from "
        f"{words.count(DRAWS)} bootstrap draws of the trials.{thin} A band tells how much the "
        "line depends on which trials were run. It does not hold the luck of the split: all "
        f"trials share {validation_groups(evidence)}, so that this luck is common to all. "
        "The lines average over the other hyperparameters, which the search chose and did not "
        "hold fixed."
    )
