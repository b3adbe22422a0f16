"""Which hyperparameters decide: told where it can be told, and hidden with the reason elsewhere."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from study.records import StudyRecord, TrialRecord
from study.report.frames import trials_frame
from study.report.optuna_study import optuna_study, searched
from study.report.section import Evidence, Section
from study.report.sections.hyperparameters.importance import (
    ImportanceInfo,
    better_half,
    importance_info,
)
from study.report.sections.hyperparameters.landscape import contour_info, slice_info
from study.report.sections.hyperparameters.parallel import parallel_info
from study.report.sections.hyperparameters.scales import Scale, points_of, thinned
from study.report.sections.hyperparameters.section import contour_pairs, section
from study.variant import Variant
from study.workspace import StudyFolder

EVIL = "<img src=x onerror=alert(1)>"
NAMES = ["filters", "dropout", "learning_rate", "optimizer"]
Score = Callable[[dict[str, Any], np.random.Generator], float]


def by_rate(values: dict[str, Any], rng: np.random.Generator) -> float:
    """Score by the learning rate, best in the middle of its range."""
    place = math.log(values["learning_rate"] / 1e-4) / math.log(300)
    return 0.9 - 1.5 * (place - 0.5) ** 2 + rng.normal(0, 0.03)


def by_luck(_: dict[str, Any], rng: np.random.Generator) -> float:
    """Score without any regard to the hyperparameters."""
    return rng.uniform(0.5, 0.9)


def drawn(amount: int, score: Score, *, seed: int = 0, **fixed: Any) -> list[TrialRecord]:
    """Return complete trials of the space of these tests' records, at random."""
    rng = np.random.default_rng(seed)
    found = []
    for number in range(amount):
        params = {
            "filters": int(np.exp(rng.uniform(np.log(8), np.log(96)))),
            "dropout": float(rng.uniform(0, 0.6)),
            "learning_rate": float(np.exp(rng.uniform(np.log(1e-4), np.log(3e-2)))),
            "optimizer": str(rng.choice(["adam", "sgd"])),
            **fixed,
        }
        found.append(
            TrialRecord(
                number=number,
                state="complete",
                params=params,
                variant={**Variant().as_dict(), **params},
                ledger_number=number,
                validation_f_med=score(params, rng),
            )
        )
    return found


def evidence(record: StudyRecord, trials: list[TrialRecord], **changes: Any) -> Evidence:
    found = replace(record, trials=trials, requested=len(trials), **changes)
    folder = StudyFolder(Path("/nowhere"))
    return Evidence(record=found, trials=trials_frame(found), folder=folder)


def importance(record: StudyRecord, trials: list[TrialRecord]) -> ImportanceInfo:
    return importance_info(optuna_study(replace(record, trials=trials)), NAMES)


def everything(found: Section) -> str:
    """Return all that a reader gets; NaN and infinity cannot be written."""
    figures = {name: figure.to_plotly_json() for name, figure in found.figures.items()}
    text = json.dumps(figures, allow_nan=False)
    return found.shows + found.body + text


def test_what_decides_stands_out(record: StudyRecord) -> None:
    """A score that follows the learning rate lifts its bar above the noise; others hardly ever."""
    others = 0
    for seed in range(3):
        info = importance(record, drawn(50, by_rate, seed=seed))
        first, *rest = info.bars
        assert first.name == "learning_rate"
        assert first.noise < first.low < first.value <= first.high <= 1
        others += sum(bar.stands_out for bar in rest)
    assert others <= 1


def test_luck_seldom_stands_out(record: StudyRecord) -> None:
    """Of ten studies of pure noise, at most two tell a hyperparameter apart."""
    told = [bool(importance(record, drawn(40, by_luck, seed=s)).leading) for s in range(10)]
    assert sum(told) <= 2


def test_the_numbers_are_the_same_each_time(record: StudyRecord) -> None:
    """The same trials give the same bars, intervals and noise, though computed anew."""
    trials = drawn(30, by_rate)
    first = importance(record, trials)
    importance(record, drawn(20, by_luck))  # what was computed last is all that is kept
    again = importance(record, trials)
    assert again is not first
    assert again == first


def test_what_is_known_is_not_computed_again(record: StudyRecord) -> None:
    """Only complete trials matter: others may run, end or be pruned meanwhile."""
    trials = drawn(25, by_rate)
    first = importance(record, trials)
    at_work = replace(trials[0], number=25, state="running", progress=[0.4])
    pruned = replace(trials[1], number=26, state="pruned", validation_f_med=0.3)
    assert importance(record, [*map(replace, trials), at_work, pruned]) is first
    more = importance(record, [*trials, replace(trials[2], number=25)])
    assert more is not first
    assert (first.complete, more.complete) == (25, 26)
    better = [*trials[:-1], replace(trials[-1], validation_f_med=0.99)]
    assert importance(record, better) is not more
    assert importance_info(optuna_study(replace(record, trials=better)), NAMES[:2]).bars[1:]


def test_dead_networks_do_not_hide_what_matters(record: StudyRecord) -> None:
    """With most trials at F_med 0 the better half is those that learnt, whatever the ties."""

    def score(values: dict[str, Any], rng: np.random.Generator) -> float:
        return by_rate(values, rng) if values["dropout"] < 0.2 else 0.0

    assert importance(record, drawn(80, score)).bars[0].name == "dropout"


def test_of_very_many_trials_some_are_weighed(record: StudyRecord) -> None:
    """The work is bounded, and the section says how many of the trials it weighed and drew."""
    found = section(evidence(record, drawn(700, by_rate)))
    assert "200 of the 700 complete trials, drawn by lot, are weighed" in found.body
    assert "200 of 700 trials are drawn" in found.body
    assert "500 of 700 trials are drawn" in found.body
    assert len(found.figures["slice-0"].data[-2].x) == 500


@given(st.lists(st.sampled_from([0.0, 0.5, 0.7, 0.71, math.nan]), max_size=30))
def test_the_better_half_is_better(values: list[float]) -> None:
    """Nobody in it scores less than anybody outside, and only equal scores leave it empty."""
    scores = np.array(values, dtype=np.float64)
    better = better_half(scores)
    known = np.isfinite(scores)
    assert not better[~known].any()
    worse = known & ~better
    if better.any():
        assert worse.any()
        assert scores[better].min() > scores[worse].max()
    else:
        assert len(np.unique(scores[known])) <= 1


def test_the_section_says_what_decides(record: StudyRecord) -> None:
    """The sentence holds the number and the interval of what stands out, and counts the rest."""
    found = section(evidence(record, drawn(60, by_rate)))
    info = importance(record, drawn(60, by_rate))
    bar = info.bars[0]
    assert found.shows == (
        f"Learning rate ({bar.value:.2f}, 95 % interval {bar.low:.2f} to {bar.high:.2f}) stands "
        "out from noise in 60 complete trials; the other 3 do not."
    )
    assert {"importance", "parallel", "slice-3", "contour-1"} <= set(found.figures)
    assert all(f'data-figure="{name}"' in found.body for name in found.figures)
    everything(found)


def test_the_section_says_when_nothing_does(record: StudyRecord) -> None:
    """Pure luck is called noise, and no contour is drawn of it."""
    found = section(evidence(record, drawn(40, by_luck, seed=1)))
    assert found.shows.startswith("Nothing can be told apart from noise in 40 complete trials")
    assert "a map would show noise" in found.body
    assert not any(name.startswith("contour") for name in found.figures)


@pytest.mark.parametrize("amount", [0, 1, 19])
def test_below_twenty_trials_all_is_hidden(record: StudyRecord, amount: int) -> None:
    """The reason has the number of complete trials; pruned ones do not help."""
    pruned = [replace(t, state="pruned", number=100 + t.number) for t in drawn(30, by_rate)]
    found = section(evidence(record, [*drawn(amount, by_rate), *pruned]))
    assert found.figures == {}
    assert "fewer than 20" in found.shows
    assert {0: "No trial is", 1: "1 trial is", 19: "19 trials are"}[amount] in found.shows
    assert "Not shown: importance" in found.body
    assert "fewer than 20" not in found.body


def test_pruned_trials_are_counted_where_they_take_no_part(record: StudyRecord) -> None:
    """The note on importance says how many there are, and nothing where there is none."""
    pruned = [replace(t, state="pruned", number=100 + t.number) for t in drawn(7, by_rate)]
    body = section(evidence(record, [*drawn(25, by_rate), *pruned])).body
    assert "7 trials were pruned and are not part" in body
    body = section(evidence(record, [*drawn(25, by_rate), pruned[0]])).body
    assert "1 trial was pruned and is not part" in body
    assert "pruned" not in section(evidence(record, drawn(25, by_rate))).body


def test_below_thirty_trials_contours_are_hidden(record: StudyRecord) -> None:
    """From 20 trials there are bars and slices, and the reason why there is no map."""
    found = section(evidence(record, drawn(29, by_rate)))
    assert {"importance", "parallel", "slice-0"} <= set(found.figures)
    assert "29 trials are complete; below 30" in found.body


def test_a_hyperparameter_without_two_values_is_left_out_and_named(record: StudyRecord) -> None:
    """A constant one has no bar, and the page says so."""
    found = section(evidence(record, drawn(25, by_rate, optimizer="adam", dropout=0.1)))
    assert "without two different values in complete trials: Dropout and Optimizer." in found.body
    assert sum(name.startswith("slice") for name in found.figures) == 2


def test_studies_with_nothing_to_compare_say_so(record: StudyRecord) -> None:
    """All values the same, or all scores the same: no figure and the reason."""
    same = {"filters": 8, "dropout": 0.1, "learning_rate": 1e-3, "optimizer": "adam"}
    found = section(evidence(record, drawn(25, by_luck, **same)))
    assert "no searched hyperparameter has two different values" in found.shows
    assert found.figures == {}
    found = section(evidence(record, drawn(25, lambda *_: 0.5)))
    assert "all 25 complete trials have the same validation F_med (0.500)" in found.shows
    assert found.figures == {}


def test_studies_of_every_kind_build(record: StudyRecord, running: StudyRecord) -> None:
    """Only failures, torn values, none of the hyperparameters: still a section."""
    failed = [replace(t, state="failed", validation_f_med=None) for t in drawn(30, by_luck)]
    torn = [
        replace(
            trial,
            variant={**trial.variant, "filters": value, "learning_rate": value},
            params={},
        )
        for trial, value in zip(drawn(30, by_rate), [None, math.nan, 0, -1, EVIL] * 6, strict=True)
    ]
    bare = [replace(t, params={}, variant={}) for t in drawn(30, by_luck)]
    unscored = [
        replace(t, validation_f_med=math.nan) if t.number % 2 else t for t in drawn(50, by_rate)
    ]
    for trials in (failed, torn, bare, unscored):
        everything(section(evidence(record, trials)))
    assert section(evidence(running, running.trials)).shows.startswith("Not yet: 4 trials are")


def test_names_are_escaped_everywhere(record: StudyRecord) -> None:
    """A choice, a space's text and a hyperparameter that are HTML never become any."""
    trials = [
        replace(t, params={**t.params, "optimizer": it, EVIL: t.number}, variant={
            **t.variant, "optimizer": it, EVIL: t.number
        })
        for t, it in zip(drawn(40, by_rate), [EVIL, "sgd"] * 20, strict=True)
    ]  # fmt: skip
    found = section(evidence(record, trials, space={"name": EVIL, "text": f"{EVIL} = 1"}))
    text = everything(found)
    assert "cannot be read" in found.body
    assert "<img" not in text
    assert "&lt;img" in json.dumps(found.figures["parallel"].to_plotly_json())


def test_a_reference_beyond_the_range_is_drawn_and_the_axis_reaches_it(record: StudyRecord) -> None:
    """Trial 0 with 500 filters keeps its point, though it has no part in the importance."""
    trials = drawn(25, by_rate)
    trials[0] = replace(trials[0], variant={**trials[0].variant, "filters": 500})
    found = evidence(record, trials)
    points = points_of(found.trials, searched(found.record).distributions)
    assert points.scales["filters"].high == 500
    assert 0 in slice_info(points, "filters", most=100).numbers
    lines = parallel_info(points, NAMES, most=100)
    assert len(lines.numbers) == 25
    assert lines.units.min() >= 0
    assert lines.units.max() <= 1


def test_quarters_and_medians_are_those_of_all_trials(record: StudyRecord) -> None:
    """Best quarter: ten of forty trials; the median of a choice is that of its trials."""
    trials = drawn(40, by_rate)
    found = evidence(record, trials)
    points = points_of(found.trials, searched(found.record).distributions)
    lines = parallel_info(points, NAMES, most=100)
    assert [lines.quarters.count(k) for k in range(4)] == [9, 10, 10, 11]
    best = {n for n, k in zip(lines.numbers, lines.quarters, strict=True) if k == 3}
    scores = [t.validation_f_med or 0 for t in trials]
    assert best == set(np.argsort(scores)[-11:].tolist())
    info = slice_info(points, "optimizer", most=5)
    adam = [t.validation_f_med or 0 for t in trials if t.params["optimizer"] == "adam"]
    assert info.median[0] == pytest.approx(np.median(adam))
    assert len(info.numbers) == 5


def test_a_map_is_blank_where_no_trial_is_near(record: StudyRecord) -> None:
    """With trials in one half of a range, the far end of the other half is not guessed."""
    trials = drawn(60, by_rate)
    trials = [
        replace(t, variant={**t.variant, "dropout": t.variant["dropout"] / 3}) for t in trials
    ]
    found = evidence(record, trials)
    points = points_of(found.trials, searched(found.record).distributions)
    info = contour_info(points, "learning_rate", "dropout", most=100)
    assert info is not None
    assert np.isnan(info.z[info.y > 0.45]).all()
    assert np.isfinite(info.z[info.y < 0.15]).mean() > 0.8
    known = info.z[np.isfinite(info.z)]
    assert points.scores.min() <= known.min() <= known.max() <= points.scores.max()


def test_maps_are_of_numbers_that_matter(record: StudyRecord) -> None:
    """At most three pairs, none of a choice, each with one that stands out."""
    found = evidence(record, drawn(60, by_rate))
    points = points_of(found.trials, searched(found.record).distributions)
    pairs = contour_pairs(points, importance(record, drawn(60, by_rate)))
    assert len(pairs) == 2
    assert all(one == "learning_rate" and two in ("filters", "dropout") for one, two in pairs)


@given(st.integers(1, 300), st.integers(1, 50))
def test_thinning_keeps_the_best(amount: int, most: int) -> None:
    """At most so many remain, in order, each once, and the first is one of them."""
    kept = thinned(amount, most).tolist()
    assert len(kept) == min(amount, most)
    assert kept == sorted(set(kept))
    assert kept[0] == 0
    assert kept[-1] < amount


def test_values_are_written_as_people_write_them() -> None:
    """Whole numbers in full, small ones with two digits, choices by name."""
    number = Scale(name="filters", low=1, high=1000)
    assert [number.write(value) for value in (256.0, 1.0, 1000.0)] == ["256", "1", "1,000"]
    assert [number.write(value) for value in (0.0001, 0.03125, 250.4)] == ["0.0001", "0.031", "250"]
    assert Scale(name="optimizer", low=0, high=1, choices=("adam", EVIL)).write(1.0) == EVIL
