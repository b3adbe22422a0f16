"""The finalists' tab: the table, the figure, the choice and the final network, in every state."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from html import unescape
from typing import Any

import pytest

from study.finalists.choose import FinalistSettings, plan_finalists
from study.records import StudyRecord
from study.report.section import Evidence, Section
from study.report.sections.finalists.choice import choice, chosen_words, network_words, nothing_yet
from study.report.sections.finalists.figure import finalists_figure
from study.report.sections.finalists.section import section, shows
from study.summary import leader, winner

Build = Callable[..., Evidence]
Settle = Callable[..., StudyRecord]
EVIL = "<img src=x onerror=alert(1)>"


def text_of(found: Section) -> str:
    """Return what a reader gets, without tags."""
    return unescape(re.sub(r"<[^>]+>", " ", f"{found.shows} {found.body}"))


def rows_of(found: Section) -> list[list[str]]:
    rows = re.findall(r"<tr>(.*?)</tr>", found.body)
    cells = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in rows]
    return [[unescape(re.sub(r"<[^>]+>", "", cell)) for cell in row] for row in cells]


def test_the_table_has_the_least_complex_first_with_both_scores_and_what_became_of_each(
    record: StudyRecord,
    evidence_of: Build,
    settled: Settle,
) -> None:
    study = settled(record, dropped={2: "could not win any more after two folds"})
    found = section(evidence_of(study))
    heads, *rows = rows_of(found)
    assert heads[3:6] == ["Search, augmented", "Search, plain", "Cross-validated, plain"]
    costs = [int(row[2].replace(",", "")) for row in rows]
    assert costs == sorted(costs)
    by_number = {row[0]: row for row in rows}
    assert set(by_number) == {"0", "1", "2", "6", "8"}
    assert by_number["8"][-1] == "winner"
    assert by_number["0"][-1] == "reference"
    assert by_number["1"][-1] == "best of the search, best of the folds"
    assert by_number["2"][5:7] == ["\N{EM DASH}", "\N{EM DASH}"]
    assert by_number["2"][-1] == "dropped: could not win any more after two folds"
    assert [by_number[number][6] for number in ("8", "1", "0")] == ["yes", "yes", "no"]
    assert 'href="#trial-8"' in found.body


def test_the_figure_joins_both_scores_of_a_finalist_and_shades_one_standard_error(
    named: StudyRecord,
) -> None:
    found = choice(named)
    assert found is not None
    figure = finalists_figure(found)
    falls, search, folds, selected = figure.data
    assert [trace.name for trace in (search, folds, selected)] == [
        "search: validation, augmented",
        "cross-validated, plain",
        "selected",
    ]
    assert list(search.customdata) == list(folds.customdata) == [8, 6, 2, 1, 0]
    assert falls.x[:2] == (search.x[0], folds.x[0])
    assert falls.y[:2] == (search.y[0], folds.y[0])
    (bar,) = [value for value in folds.error_y.array if value]
    assert bar == found.standard_error
    assert folds.customdata[folds.error_y.array.index(bar)] == found.best == 1
    (band,) = figure.layout.shapes
    assert band.y0 == found.bar
    assert band.y1 == max(folds.y)
    names = {annotation.text for annotation in figure.layout.annotations}
    assert names == {"winner", "reference", "best of the search = best of the folds"}
    assert figure.layout.xaxis.type == "log"


def test_a_dropped_finalist_has_its_search_score_only(record: StudyRecord, settled: Settle) -> None:
    found = choice(settled(record, dropped={2: "a fold failed"}))
    assert found is not None
    _, search, folds, _ = finalists_figure(found).data
    at = search.customdata.index(2)
    assert search.y[at] is not None
    assert folds.y[at] is None
    assert "a fold failed" in folds.hovertext[at]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "least complex of 5 finalists within one standard error"),
        ({"rule": "best"}, "highest cross-validated F_med of 5 finalists."),
        ({"dropped": dict.fromkeys((6, 8, 2), "x")}, "no less complex one lies within"),
    ],
)
def test_the_choice_is_said_in_one_sentence(
    changes: dict[str, Any],
    said: str,
    record: StudyRecord,
    settled: Settle,
) -> None:
    study = settled(record, **changes)
    found = chosen_words(study)
    assert found is not None
    assert said in found
    assert found.count(".") == 1 + found.count("(0.")
    assert found.removeprefix("It ").removesuffix(".") in shows(study)


def test_without_a_standard_error_the_best_is_taken_and_nothing_is_shaded(
    named: StudyRecord, evidence_of: Build
) -> None:
    final = dict(named.final or {})
    chosen = {**final["selection"], "standard_error": None, "bar": 0.9, "fell_back": True}
    study = replace(named, final={**final, "winner": 1, "selection": chosen})
    assert "without a standard error" in str(chosen_words(study))
    found = section(evidence_of(study))
    assert "fewer than two of its folds" in found.body
    assert not found.figures["finalists"].layout.shapes


def test_the_fall_from_the_search_to_the_folds_is_told(named: StudyRecord) -> None:
    """Of the winner and of those that the search picked, the reference left out."""
    found = choice(named)
    assert found is not None
    falls = {item.number: item.fall or 0 for item in found.finalists}
    said = shows(named)
    assert f"; trial 8 falls by {falls[8]:.3f} from the search's 0.910 (augmented) to 0.870" in said
    mean = sum(fall for number, fall in falls.items() if number != 0) / 4
    way = "fall" if mean > 0 else "rise"
    assert f"the 4 that the search picked {way} by {abs(mean):.3f} on average." in said


def test_few_finalists_have_no_average_and_the_reference_alone_is_named(
    named: StudyRecord,
) -> None:
    """It was picked by nobody, and may stand first."""
    final = named.final or {}
    two = [item for item in final["selection"]["finalists"] if item["number"] in (0, 8)]
    study = replace(named, final={**final, "selection": {**final["selection"], "finalists": two}})
    assert "on average" not in shows(study)
    only = "the only finalist but the reference network, whose cross-validated F_med is lower"
    assert only in shows(study)
    higher = [{**item, "mean": 0.95} if item["number"] == 0 else item for item in two]
    selection = {**final["selection"], "finalists": higher}
    assert only not in shows(replace(named, final={**final, "selection": selection}))


def test_the_page_says_that_finalists_were_chosen_on_images_that_score(
    named: StudyRecord, evidence_of: Build
) -> None:
    assert "chosen by the search on validation images that also score here" in text_of(
        section(evidence_of(named))
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "trained anew on all images of training and validation for 23 epochs"),
        ({}, "and reached the 0.850 that was needed (F_med 0.931 on augmented"),
        ({"reached": (0.4, 0.9)}, "with seed 2 of those tried in turn (F_med 0.900 on augmented"),
        ({"reached": (0.4, 0.9)}, "of its own training images; before that 0.400). Needed was"),
        ({"reached": (0.4, None, 0.6)}, "did not learn them with any of 3 seeds"),
        ({"reached": (0.4, None, 0.6)}, "0.400, failed (ResourceExhausted: <img"),
        ({"reached": (0.4, None, 0.6)}, "the search's own, at its best epoch, which has not seen"),
        ({"refit": False}, "asked for, --refit no"),
    ],
)
def test_the_final_network_is_told_with_what_it_reached(
    changes: dict[str, Any],
    said: str,
    record: StudyRecord,
    evidence_of: Build,
    settled: Settle,
) -> None:
    study = settled(record, **changes)
    assert said in str(network_words(study))
    assert said in text_of(section(evidence_of(study)))


def test_a_final_network_that_guesses_is_not_said_to_have_learned(named: StudyRecord) -> None:
    final = named.final or {}
    refit = {**final["refit"], "needed": 0.4, "attempts": [{"train_f_med": 0.489}]}
    said = str(network_words(replace(named, final={**final, "refit": refit})))
    assert "no better than guessing: it has not learned them." in said
    assert "not learned" not in str(network_words(named))


def test_the_cost_is_set_beside_the_search(named: StudyRecord, evidence_of: Build) -> None:
    assert "took 1 h 00 min, 25 % of the 4 h 00 min" in section(evidence_of(named)).body


def test_skipped_finalists_say_what_is_lost(
    record: StudyRecord, evidence_of: Build, without_finalists: Settle
) -> None:
    study = without_finalists(record)
    found = section(evidence_of(study))
    assert found.shows.startswith("No finalists were trained")
    assert "asked for none. The winner may be the luckiest trial." in found.body
    assert "no folds to tell for how many epochs" in found.body
    assert not found.figures


def test_what_the_stage_left_out_is_listed(
    record: StudyRecord, evidence_of: Build, settled: Settle
) -> None:
    """The notes are those of a real plan that cannot afford its folds."""
    plan = plan_finalists(record, FinalistSettings(), most_folds=4)
    assert plan.notes
    body = text_of(section(evidence_of(settled(record, notes=plan.notes))))
    assert [note in body for note in plan.notes] == [True] * len(plan.notes)


def test_an_outdated_choice_no_longer_counts(named: StudyRecord, evidence_of: Build) -> None:
    """A trial that was completed since makes the first of the ranking the best again."""
    more = replace(named, final={**(named.final or {}), "complete": 9})
    found = section(evidence_of(more))
    assert "among 9 complete trials, and now there are 10" in found.shows
    assert not found.figures
    assert winner(more) == leader(more) != winner(named)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"trials": []}, "Not yet: the search has not ended"),
        ({"retest": None}, "still trained or were interrupted"),
        ({}, "a version without finalists"),
    ],
)
def test_without_a_choice_the_reason_is_given(
    changes: dict[str, Any], said: str, record: StudyRecord, running: StudyRecord
) -> None:
    study = replace(record, **changes)
    if "trials" in changes:
        study = replace(record, requested=100)
    assert said in nothing_yet(study)
    assert "4 of 100 trials have" in nothing_yet(running)
    failed = replace(record, trials=[record.trials[11]], requested=1)
    assert nothing_yet(failed).startswith("No trial is complete")


def test_names_are_escaped(record: StudyRecord, evidence_of: Build, settled: Settle) -> None:
    trials = [
        replace(trial, variant={**trial.variant, "optimizer": EVIL}) for trial in record.trials
    ]
    study = settled(
        replace(record, trials=trials), dropped={2: EVIL}, notes=(EVIL,), reached=(0.2, None)
    )
    found = section(evidence_of(study))
    assert "<img" not in found.shows + found.body
    drawn = json.dumps([figure.to_plotly_json() for figure in found.figures.values()], default=list)
    assert "<img" not in drawn
    assert "&lt;img" in drawn
