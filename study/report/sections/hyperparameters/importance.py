"""How much each hyperparameter decides, with the noise that the estimate itself has."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import optuna
import plotly.graph_objects as go
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution
from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from study.report import words
from study.report.markup import plotly_text
from study.report.sections.hyperparameters.scales import Numbers
from study.report.style import AXIS, LEGEND, SOFT, TRAIN, VALIDATION, layout

LEVEL = 0.95
SHUFFLES = 100
HALVES = 50
MOST_WEIGHED = 200
"""Complete trials that importances are computed from; of more, as many are drawn by lot."""


@dataclass(frozen=True, kw_only=True)
class Importance:
    """How much of what separates the better half of the trials one hyperparameter explains."""

    name: str
    value: float
    """Share in 0..1 of the variance of "belongs to the better half"; shares need not sum to 1."""
    low: float
    high: float
    noise: float
    """What a value must exceed to stand out from shuffled scores."""

    @property
    def stands_out(self) -> bool:
        """Whether it exceeds what shuffled scores give."""
        return self.value > self.noise


@dataclass(frozen=True, kw_only=True)
class ImportanceInfo:
    """The importances, largest first."""

    bars: list[Importance]
    weighed: int
    """Complete trials that they come from."""
    complete: int

    @property
    def leading(self) -> list[Importance]:
        """Those that stand out from noise."""
        return [bar for bar in self.bars if bar.stands_out]


def importance_info(study: optuna.Study, names: list[str], *, seed: int = 0) -> ImportanceInfo:
    """Return the importance of each named hyperparameter over the complete trials.

    PED-ANOVA (Watanabe et al., IJCAI 2023) compares where the better half of the trials lies with
    where all lie. The order of the scores alone counts, so that networks which never learnt do
    not decide everything, as they do in a forest's variance (fANOVA, impurity); both sides carry
    the sampler's preference, so that it cancels; it needs no forest, so that it can be repeated.
    The better half and not the best tenth: of 40 trials, a tenth is four, and a true effect is
    then mostly missed. The interval is that of random halves of the trials around the estimate
    (for a deleted-half jackknife has the variance of the whole; resampling with replacement would
    make copies, which look like concentration). The noise is that of shuffled scores, at the
    95th percentile of the largest of all hyperparameters (Westfall and Young's maximum).
    """
    trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return _weighed(tuple(map(_weighable, trials)), tuple(names), seed)


@dataclass(frozen=True)
class _Trial:
    """All of a complete trial that its weight depends on; equal where nothing of it differs."""

    value: float | None
    params: tuple[tuple[str, Any], ...]
    distributions: tuple[tuple[str, BaseDistribution], ...]


def _weighable(trial: FrozenTrial) -> _Trial:
    return _Trial(
        value=trial.value,
        params=tuple(sorted(trial.params.items())),
        distributions=tuple(sorted(trial.distributions.items(), key=lambda item: item[0])),
    )


# A running study's page is written again and again while few trials become complete in between.
@lru_cache(maxsize=1)
def _weighed(trials: tuple[_Trial, ...], names: tuple[str, ...], seed: int) -> ImportanceInfo:
    rng = np.random.default_rng(seed)
    kept = np.arange(len(trials))
    if len(trials) > MOST_WEIGHED:
        kept = np.sort(rng.choice(len(trials), MOST_WEIGHED, replace=False))
    weighed = optuna.create_study(storage=InMemoryStorage(), direction="maximize")
    weighed.add_trials(
        [
            create_trial(
                value=trials[place].value,
                params=dict(trials[place].params),
                distributions=dict(trials[place].distributions),
            )
            for place in kept
        ]
    )
    scores = np.array([trials[place].value for place in kept], dtype=np.float64)
    whole = _shares(weighed, names, scores)
    shuffled = np.array([_shares(weighed, names, rng.permutation(scores)) for _ in range(SHUFFLES)])
    halves = np.array([_shares(weighed, names, _half(scores, rng)) for _ in range(HALVES)])
    spread = halves - halves.mean(axis=0)
    tails = np.quantile(spread, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    low, high = np.clip(whole + tails, 0, 1)
    noise = _noise(shuffled)
    bars = [
        Importance(
            name=name,
            value=float(whole[k]),
            low=float(min(low[k], whole[k])),
            high=float(max(high[k], whole[k])),
            noise=float(noise[k]),
        )
        for k, name in enumerate(names)
    ]
    bars.sort(key=lambda bar: (-bar.value, bar.name))
    return ImportanceInfo(bars=bars, weighed=len(kept), complete=len(trials))


def better_half(scores: Numbers) -> NDArray[np.bool_]:
    """Return which of the finite scores are in the better half, as near to a half as ties allow.

    None are where all scores are equal.
    """
    known = scores[np.isfinite(scores)]
    if not len(known):
        return np.zeros(len(scores), dtype=bool)
    middle = np.median(known)
    above, at_least = scores > middle, scores >= middle
    if not above.any() and at_least.sum() == len(known):
        return above
    nearer = abs(2 * at_least.sum() - len(known)) < abs(2 * above.sum() - len(known))
    return at_least if nearer else above


def _shares(study: optuna.Study, names: Sequence[str], scores: Numbers) -> Numbers:
    """Return the importances, (names,); trials whose score is NaN do not take part."""
    # Imports scikit-learn, a second that a study with too few trials need not wait for.
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

    known, better = np.isfinite(scores), better_half(scores)
    amount, total = int(better.sum()), int(known.sum())
    if not 0 < amount < total:
        return np.zeros(len(names))
    # Optuna takes low targets for good ones, and not-finite ones for trials to leave out.
    targets = np.where(known, np.where(better, 0.0, 1.0), np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = get_param_importances(
            study,
            evaluator=PedAnovaImportanceEvaluator(target_quantile=(amount - 0.5) / total),
            params=list(names),
            target=lambda trial: float(targets[trial.number]),
            normalize=False,
        )
    share = amount / total
    return np.clip([found[name] / (share * (1 - share)) for name in names], 0, 1)


def _half(scores: Numbers, rng: np.random.Generator) -> Numbers:
    half = np.full_like(scores, np.nan)
    chosen = rng.choice(len(scores), len(scores) // 2, replace=False)
    half[chosen] = scores[chosen]
    return half


def _noise(shuffled: Numbers) -> Numbers:
    """Return the level of each hyperparameter that pure noise exceeds anywhere in 5 % of cases."""
    middle, spread = shuffled.mean(axis=0), shuffled.std(axis=0)
    scaled = (shuffled - middle) / np.where(spread > 0, spread, 1)
    level: Numbers = middle + np.quantile(scaled.max(axis=1), LEVEL) * spread
    return level


def importance_figure(info: ImportanceInfo) -> go.Figure:
    """Draw a bar with its interval for each hyperparameter, and what shuffled scores reach."""
    figure = go.Figure(layout=layout())
    bars = info.bars[::-1]
    names = [plotly_text(words.label(bar.name)) for bar in bars]
    above = {True: "stands out", False: "within noise"}
    figure.add_bar(
        x=[bar.value for bar in bars],
        y=names,
        orientation="h",
        marker={"color": [VALIDATION if bar.stands_out else SOFT for bar in bars]},
        error_x={
            "type": "data",
            "array": [bar.high - bar.value for bar in bars],
            "arrayminus": [bar.value - bar.low for bar in bars],
            "color": AXIS,
            "thickness": 1.5,
            "width": 4,
        },
        hovertext=[
            f"<b>{name}</b><br>importance {bar.value:.2f}, 95 % interval {bar.low:.2f} to "
            f"{bar.high:.2f}<br>{above[bar.stands_out]}: shuffled scores reach {bar.noise:.2f}"
            for name, bar in zip(names, bars, strict=True)
        ],
        hoverinfo="text",
        name="importance, 95 % interval",
        showlegend=False,
    )
    figure.add_scatter(
        x=[bar.noise for bar in bars],
        y=names,
        mode="markers",
        marker={"symbol": "line-ns", "size": 20, "line": {"width": 2.5, "color": TRAIN}},
        hoverinfo="skip",
        name="reached by shuffled scores",
        showlegend=True,
    )
    most = max(max(bar.high, bar.noise) for bar in info.bars)
    figure.update_xaxes(range=[0, min(1.02, 1.08 * most)], title_text="Importance")
    figure.update_yaxes(automargin=True, showgrid=False, ticks="", type="category")
    figure.update_layout(showlegend=True, legend=LEGEND, bargap=0.35, hovermode="closest")
    return figure
