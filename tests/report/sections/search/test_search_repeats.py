"""Repeats and their noise, suggestions turned down, failures and their causes."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from study.records import TrialRecord
from study.report.section import Evidence
from study.report.sections.search.repeats import (
    failures_html,
    failures_table,
    noise,
    repeats_html,
    repeats_info,
)
from study.variant import Variant

Make = Callable[..., TrialRecord]
Show = Callable[..., Evidence]


def test_repeats_by_hand(make: Make, evidence: Show) -> None:
    """Complete trials of one variant are one row; their scatter, pooled, is the score's noise."""
    same = Variant(filters=8).as_dict()
    trials = [
        make(0, progress=[0.5], variant=same),
        make(1, progress=[0.7], variant=same),
        make(2, progress=[0.6]),
        make(3, "pruned", [0.9], variant=same),
    ]
    record = evidence(trials).record
    found = repeats_info(record)
    assert [(item.numbers, item.scores) for item in found] == [([0, 1], [0.5, 0.7])]
    measured = noise(found)
    assert measured is not None
    assert measured == (pytest.approx(math.sqrt(0.02)), 1)
    assert noise([]) is None
    assert "0.500 to 0.700" in repeats_html(record)


def test_two_scores_differ_by_more_than_one_scatters(make: Make, evidence: Show) -> None:
    """What means nothing reaches to 1.96 sqrt(2) deviations, and further where there are few."""
    same = Variant(filters=8).as_dict()
    few = [make(n, progress=[0.5 + 0.2 * n], variant=same) for n in range(2)]
    said = repeats_html(evidence(few).record)
    assert "up to about 2.8 times that (0.392) mean nothing, and with so few repeats" in said
    many = [make(n, progress=[0.5 + 0.1 * (n % 2)], variant=same) for n in range(11)]
    assert ") mean nothing." in repeats_html(evidence(many).record)


def test_many_failures_are_grouped_by_cause(make: Make) -> None:
    """Up to ten are listed; beyond, causes that differ in their numbers only are one row."""
    causes = [f"the loss is not a number in epoch {n}" for n in range(9)] + ["out of memory"] * 3
    trials = [make(n, "failed", cause=cause, attempts=2) for n, cause in enumerate(causes)]
    heads, rows = failures_table(trials[:10])
    assert (heads[0], len(rows)) == ("Trial", 10)
    heads, rows = failures_table(trials)
    assert heads[1] == "Count"
    assert [(row[1], row[2], row[4]) for row in rows] == [
        ("9", "18", causes[0]),
        ("3", "6", "out of memory"),
    ]


def test_a_retry_that_succeeded_is_told(make: Make, evidence: Show) -> None:
    """A trial whose first attempt failed is no failure, and still mentioned."""
    body = failures_html(evidence([make(0, cause="first attempt: killed")]).record)
    assert "No trial failed." in body
    assert "1 trial failed at the first attempt and not at the next." in body


@pytest.mark.parametrize(
    ("infeasible", "duplicates", "says"),
    [
        (0, 0, "No suggestion was turned down"),
        (17, 0, "17 suggestions were turned down because the network would be too large"),
        (0, 1, "1 suggestion was turned down for repeating another trial"),
        (1, 3, "for the images; 3 suggestions were turned down for repeating another trial"),
    ],
)
def test_suggestions_turned_down_are_told_by_reason(
    make: Make, evidence: Show, infeasible: int, duplicates: int, says: str
) -> None:
    """Those too large and those that repeat another trial's variant are counted apart."""
    record = evidence([make(0)], infeasible=infeasible, duplicates=duplicates).record
    body = repeats_html(record)
    assert says in body
    assert body.count("turned down for") == bool(duplicates) + (infeasible + duplicates == 0)
