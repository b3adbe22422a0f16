"""The best score so far over the trials and over the compute, beside what luck would give."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import pandas as pd

from study.attempts import ENDED
from study.records import StudyRecord
from study.report import words
from study.report.markup import Markup, element, join
from study.report.section import Evidence, chart, hidden
from study.variant import REFERENCE_SGD

POINTS = 2_000
"""Most trials that are drawn."""
FEW = 10
"""Complete trials below which their spread is not estimated."""
FLAT = 30
"""Trials at the end of a search over which the rise of the best is told."""


@dataclass(frozen=True, kw_only=True)
class BestInfo:
    """The trials that have ended, in the order in which they did, and the best until then."""

    numbers: list[int]
    states: list[str]
    scores: list[float | None]
    """Validation F_med on the augmented set, best epoch."""
    epochs: list[int]
    """Trained by all these trials, up to and with this one."""
    best: list[float | None]
    """The highest score of the complete trials, up to and with this one."""
    luck: list[float | None]
    """What 19 in 20 searches over as many equally good networks stay below.

    Empty with fewer than ``FEW`` complete trials, or where their scores hardly differ.
    """
    median: float | None
    spread: float | None
    """Standard deviation of the complete trials' scores, from their median absolute deviation."""
    references: dict[int, str]
    """Trial number to the name of a reference network."""
    undated: int
    """Trials whose end is not on record; they come last, by number."""
    earlier: int
    """Attempts at these trials before the one that counts; their epochs are not counted."""

    @property
    def scored(self) -> int:
        """Trials with a score."""
        return sum(score is not None for score in self.scores)

    @property
    def complete(self) -> list[float]:
        """Scores of the complete trials."""
        pairs = zip(self.states, self.scores, strict=True)
        return [score for state, score in pairs if state == "complete" and score is not None]

    @property
    def reference(self) -> float | None:
        """Score of the reference network."""
        pairs = zip(self.numbers, self.scores, strict=True)
        return next((score for number, score in pairs if number == 0), None)

    @property
    def lowest(self) -> float:
        """The lowest score that the figures have room for: below it there are pruned trials."""
        known = (score for score in self.scores if score is not None)
        return min(self.complete if len(self.complete) >= FEW else known, default=0.0)


def best_info(evidence: Evidence) -> BestInfo:
    """Return the best so far over the trials that have ended.

    ``luck`` is the median of the complete scores plus ``luck_limit`` times their spread, and never
    above 1.
    """
    frame = evidence.trials
    ended = frame[frame["state"].isin(ENDED)].sort_values(
        ["ended", "number"], na_position="last", kind="stable"
    )
    score = ended["validation_f_med"].where(ended["state"].ne("failed"))
    complete = score.where(ended["state"].eq("complete"))
    found, median, spread = complete.dropna(), None, None
    luck: list[float | None] = []
    if len(found) >= FEW:
        median = float(found.median())
        # A few networks that never learned would make the plain standard deviation useless.
        spread = 1.4826 * float((found - median).abs().median())
    if median is not None and spread:
        trials = len(found)
        level = [min(median + luck_limit(k, trials) * spread, 1.0) for k in range(1, trials + 1)]
        luck = [level[k - 1] if k else None for k in complete.notna().cumsum()]
    return BestInfo(
        numbers=ended["number"].astype(int).tolist(),
        states=ended["state"].tolist(),
        scores=_or_none(score),
        epochs=ended["epochs"].astype(int).cumsum().tolist(),
        best=_or_none(complete.cummax().ffill()),
        luck=luck,
        median=median,
        spread=spread,
        references=_references(evidence.record),
        undated=int(ended["ended"].isna().sum()),
        earlier=int(ended["attempts"].sum()) - len(ended),
    )


def luck_limit(k: int, trials: int) -> float:
    """Return the 95 % quantile of the highest of k equally good networks, in spreads over median.

    Of k normal values it is the normal quantile at 0.95^(1/k). Median and spread are estimated
    from ``trials`` scores (``FEW`` or more) that the k are among, which makes it larger; by how
    much is fitted to simulations of 10 to 1,000 trials, and 1.5 times at k = trials = 10.
    """
    wider = 1 + (1.4 + (1.2 + 4 / trials) * math.log(k)) / trials
    return wider * NormalDist().inv_cdf(0.95 ** (1 / k))


def _or_none(values: pd.Series) -> list[float | None]:
    return [round(value, 5) if math.isfinite(value) else None for value in values.tolist()]


def _references(record: StudyRecord) -> dict[int, str]:
    sgd = [t.number for t in record.trials[:2] if t.variant == REFERENCE_SGD.as_dict()]
    return {0: "reference", **({1: "reference, SGD"} if 1 in sgd else {})}


def drawn(info: BestInfo) -> list[int]:
    """Return the places of the trials that are drawn: each new best, references, a spread."""
    places = [place for place, score in enumerate(info.scores) if score is not None]
    if len(places) <= POINTS:
        return places
    marked = [place for place in places if info.numbers[place] in info.references]
    kept = {*steps(info)[: POINTS - len(marked)], *marked}
    spread = np.linspace(0, len(places) - 1, POINTS - len(kept)).round().astype(int)
    return sorted(kept | {places[index] for index in spread})


def steps(info: BestInfo) -> list[int]:
    """Return the places at which there is a new best."""
    pairs = zip([None, *info.best], info.best, strict=False)
    return [place for place, (before, now) in enumerate(pairs) if now != before]


def best_html(info: BestInfo) -> Markup:
    """Return the places of the two figures, and how they are to be read."""
    if not info.scored:
        return hidden("No trial with a score has ended yet: there is no best to follow.")
    last = info.best[-1]
    end = "No trial is complete yet." if last is None else f"It ends at {last:.3f}."
    figures = (
        chart(
            name,
            f"Best so far, by {by}",
            f"Highest validation F_med of the complete trials by {unit}. {end}",
        )
        for name, by, unit in (
            ("search-trials", "trial", "trials ended"),
            ("search-compute", "compute", "epochs trained"),
        )
    )
    notes = " ".join((*_reading(info), *_left_out(info)))
    return join(element("div", *figures, class_="pair"), element("p", notes, class_="aside"))


def _reading(info: BestInfo) -> Iterable[str]:
    """Yield what the marks and lines mean, and what the best did at the end."""
    yield "A point is a trial: filled when complete, open when pruned (it cannot be the best)."
    if info.reference is None:
        yield "The reference network has no score yet."
    else:
        yield "The dashed line is the reference network's score."
    yield _luck_words(info)
    if len(info.best) > FLAT:
        before, now = info.best[-FLAT - 1], info.best[-1]
        if before is not None and now is not None:
            rose = f"rose by {now - before:.3f}" if now > before else "did not rise"
            yield f"Over the last {FLAT} trials the best {rose}."


def _luck_words(info: BestInfo) -> str:
    """Return what the dotted line means, and where the best lies, or why there is no such line."""
    best, luck = info.best[-1], next(iter(info.luck[-1:]), None)
    if best is None or luck is None:
        complete = len(info.complete)
        why = "their scores hardly differ" if complete >= FEW else f"it takes {FEW}"
        trials = words.plural(complete, "complete trial")
        return f"What luck alone would give is not drawn for {trials}: {why}."
    where = f"{abs(best - luck):.3f} {'above' if best > luck else 'below'} it"
    full = " It is at 1, so that no score could rise above it." if luck >= 1 else ""
    return (
        "The dotted line is what luck alone reaches: of searches over equally good networks, 19 "
        "in 20 stay below, if their scores scatter normally with the median "
        f"({info.median:.3f}) and the spread ({info.spread:.3f}, a standard deviation) of this "
        "study's complete trials; the line allows for both being estimated from these few. A "
        "best below it is no evidence of anything but luck. The spread holds real differences "
        "too, which makes the line rather too high: staying below does not prove that the "
        f"networks are equal, and only a retest tells how good the best is.{full} "
        f"The best ends {'on it' if abs(best - luck) < 0.0005 else where}."
    )


def _left_out(info: BestInfo) -> Iterable[str]:
    """Yield what is not drawn, or not in its true place."""
    points = len(drawn(info))
    if info.scored > points:
        yield f"{points:,} of {info.scored:,} trials are drawn, every new best of them."
    lowest = info.lowest
    below = sum(score is not None and score < lowest for score in info.scores)
    if below:
        stand = "stands as a triangle" if below == 1 else "stand as triangles"
        yield f"{words.plural(below, 'pruned trial')} below the axis {stand} at its foot."
    if info.undated:
        undated = words.plural(info.undated, "trial has", "trials have")
        yield f"{undated} no end on record, placed last."
    if info.earlier:
        earlier = words.plural(info.earlier, "earlier attempt")
        yield (
            f"The epochs of {earlier} are not in the picture: of a trial that was tried again, "
            "only those of the attempt that counts."
        )
