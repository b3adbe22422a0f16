"""What it takes to repeat a study."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from study.protocol import Protocol
from study.records import StudyRecord
from study.report.section import Evidence
from study.report.sections import provenance
from study.report.sections.provenance import search_facts
from study.search.strategy import PRUNERS, SAMPLERS, search_settings
from tests.report.written import EVIL, page_of

Build = Callable[[StudyRecord], Any]


def test_provenance_names_what_a_repetition_needs(
    record: StudyRecord, evidence_of: Callable[..., Evidence]
) -> None:
    """Digests of data, split and space, versions, and how many workers there were at once."""
    trials = [
        replace(
            trial,
            worker=f"host:{at % 3}",
            started=f"2026-11-23T08:{5 * (at // 2):02}:00+00:00",
            ended=f"2026-11-23T08:{5 * (at // 2) + 5:02}:00+00:00",
        )
        for at, trial in enumerate(record.trials[:10])
    ]
    evidence = evidence_of(
        replace(record, trials=trials, split={**record.split, "digest": "c3" * 32}, duplicates=4)
    )
    assert provenance.most_at_once(evidence.trials) == 2
    assert provenance.most_at_once(evidence.trials.iloc[:0]) == 0
    found = provenance.section(evidence)
    assert "by up to 2 workers at once" in found.shows
    for digest in ("a1", "c3", "5b"):
        assert digest * 32 in found.body
    assert "<dt>Worker processes</dt><dd>3</dd>" in found.body
    assert "<dt>Suggestions turned down as repeats</dt><dd>4</dd>" in found.body


def test_sampler_and_pruner_are_named_with_their_arguments(
    record: StudyRecord, on_disk: Build
) -> None:
    """The figures depend on both; every name and argument that there is has words."""
    for sampler in SAMPLERS:
        for pruner in PRUNERS:
            found = dict(search_facts(replace(record, search=search_settings(sampler, pruner))))
            assert f"({sampler})" in str(found["Sampler"])
            assert f"({pruner})" in str(found["Pruner"])
            assert "_" not in f"{found['Sampler']}{found['Pruner']}"
    html = page_of(on_disk(replace(record, search=search_settings("tpe", "halving"))))
    assert "tree-structured Parzen estimator (tpe); other trials needed first: 10; hyper" in html
    assert "successive halving (halving); first rung: 2 epochs; one trial in 3 goes on" in html


def test_a_search_without_pruner_or_settings_or_of_a_later_version(
    record: StudyRecord, on_disk: Build
) -> None:
    def facts(search: dict[str, Any]) -> dict[str, Any]:
        return dict(search_facts(replace(record, search=search)))

    unpruned = facts(search_settings("random", None))
    assert unpruned["Sampler"] == "every trial drawn on its own (random)"
    assert unpruned["Pruner"] == "none: every trial is trained to its end"
    assert facts({}) == {"Sampler": "not recorded", "Pruner": "not recorded"}
    later = facts({"sampler": {"name": EVIL, EVIL: "{0}"}, "pruner": {"name": "new", "rate": 0.5}})
    assert later["Pruner"] == "new; rate: 0.5"
    html = page_of(on_disk(replace(record, search={"sampler": {"name": EVIL, EVIL: EVIL}})))
    assert EVIL not in html


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "full"),
        ({"epochs": 8, "samples_per_epoch": 2_000}, "8 of 1,000 epochs, 2,000 of 10,000 samples"),
        ({"quick": True}, "quick: 1,000 of 1,000 epochs, 10,000 of 10,000 samples"),
    ],
)
def test_only_the_whole_budget_is_called_full(
    changes: dict[str, Any],
    said: str,
    record: StudyRecord,
    evidence_of: Callable[..., Evidence],
) -> None:
    study = replace(record, protocol=Protocol(**changes))
    body = provenance.section(evidence_of(study)).body
    assert f"<dt>Budget</dt><dd>{said}</dd>" in body


def test_what_the_finalists_depend_on_is_told_with_the_settings(
    named: StudyRecord, record: StudyRecord, evidence_of: Callable[..., Evidence]
) -> None:
    body = provenance.section(evidence_of(named)).body
    assert "<code>--finalists 5 --fold-seeds 1 --select one-se</code>" in body
    assert "5 finalists, the reference network included, on 5 folds." in body
    assert "may name another winner on another machine; --folds 5 fixes" in body
    assert "Finalists as" not in provenance.section(evidence_of(record)).body
