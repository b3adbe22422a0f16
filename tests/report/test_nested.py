"""The page of a nested study: the pooled figures, the folds, and what can be claimed."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from study.errors import LedgerError
from study.evaluation.nested import (
    NestedStudy,
    agreement,
    nested_listing,
    note_nested,
    pool_retests,
    pooled,
    read_nested,
)
from study.records import StudyRecord
from study.report.nested import nested_cautions, write_nested
from study.report.nested_reading import above_every_fold, agreement_words, openings
from study.workspace import StudyFolder, study_folder
from tests.report.drawn_study import RETEST, make_record, make_trial
from tests.report.written import EVIL

FRAMES = 5
WHOLE = NestedStudy(
    name="whole",
    command="study run --outer-folds 3",
    folds=3,
    trials=4,
    settings={"finalists": 5, "rule": "one-se"},
    manifest_digest="c3" * 32,
)

Right = tuple[float, float]
"""Share of the images called rightly of the positive and of the negative class."""


def save_predictions(folder: StudyFolder, fold: int, right: Right, groups: int) -> None:
    """Store a fold's test part: so many groups of each class."""
    label = np.repeat([1, 0], FRAMES * groups)
    group = np.array([f"{fold}-{at // FRAMES}" for at in range(len(label))])
    place = np.tile(np.arange(FRAMES * groups) / (FRAMES * groups), 2)
    correct = place < np.where(label == 1, *right)
    folder.path.mkdir(parents=True)
    np.savez(
        folder.test_predictions,
        label=label,
        probability=np.where(correct == (label == 1), 0.8, 0.2),
        group_name=group,
    )


@pytest.fixture
def folds(tmp_path: Path) -> Callable[..., tuple[dict[str, Any], list[StudyRecord]]]:
    """Draw the studies of three folds and return the nested study's document with them."""

    def make(
        rights: tuple[Right, ...] = ((0.8, 0.6), (0.6, 0.8), (1.0, 0.6)),
        winners: tuple[int, ...] = (1, 1, 1),
        uses: tuple[int, ...] = (1, 1, 1),
        groups: int = 4,
    ) -> tuple[dict[str, Any], list[StudyRecord]]:
        records, folders = [], []
        for at, name in enumerate(WHOLE.studies):
            folder = study_folder(tmp_path / "runs", name)
            save_predictions(folder, at, rights[at], groups)
            trials = [make_trial(number) for number in range(4)]
            one, other = rights[at]
            score = 2 * one * other / (one + other) if one and other else 0.0
            retest = {**RETEST, "number": winners[at], "f_med": score, "uses": uses[at]}
            records.append(replace(make_record(trials), name=name, retest=retest))
            folders.append(folder)
        return WHOLE.document(pool_retests(folders, records)), records

    return make


def page_of(found: dict[str, Any], records: list[StudyRecord], reports: Path) -> str:
    text = write_nested(found, records, reports=reports).read_text(encoding="utf-8")
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", text[text.index("<main>") :]))


def test_scores_are_of_all_predictions_counted_together(folds: Callable[..., Any]) -> None:
    """And each class has its images and groups over all folds."""
    found, _ = folds()
    assert found["confusion"] == {"tp": 48, "fn": 12, "tn": 40, "fp": 20}
    assert found["sensitivity"] == pytest.approx(0.8)
    assert found["classes"]["positive"] == {"images": 60, "groups": 12}
    assert [fold["uses"] for fold in found["folds"]] == [1, 1, 1]


def test_the_page_answers_what_the_number_is_and_means(
    folds: Callable[..., Any], tmp_path: Path
) -> None:
    found, records = folds()
    page = page_of(found, records, tmp_path)
    low, high = found["intervals"]["f_med"]
    for said in (
        f"F_med {found['f_med']:.3f}, 95 % interval {low:.2f} to {high:.2f}",
        "12 of 60 malignant images were missed (false negatives)",
        "20 of 60 benign ones called malignant",
        "F_med of the folds lies between 0.686 and 0.750",
        "Each of the 3 test parts was opened once.",
        "No network has this score",
        f"Write: “F_med {found['f_med']:.2f} (95 % interval",
        "with 3 outer folds of whole groups, 120 images in 24 groups; in each fold a search of 4",
        "All 3 folds named the same network",
    ):
        assert said in page, said


def test_networks_that_differ_are_set_beside_each_other(
    folds: Callable[..., Any], tmp_path: Path
) -> None:
    """Only the hyperparameters in which they differ, and what they cost."""
    found, records = folds(winners=(1, 2, 1))
    assert found["agreement"]["networks"] == 2
    page = page_of(found, records, tmp_path)
    assert "The 3 folds named 2 different networks, between" in page
    table = page[page.index("HyperparameterFold 1") :]
    assert "Filters" in table[: table.index("The same in every fold")]
    assert "Blocks" not in table[: table.index("The same in every fold")]


def test_the_trials_that_were_run_are_told_beside_those_planned(
    folds: Callable[..., Any], tmp_path: Path
) -> None:
    """A time limit ends searches early: a paper must not say that they had all their trials."""
    found, records = folds()
    for fold, ended in zip(found["folds"], (3, 2, 3), strict=True):
        fold["trials_ended"] = ended
    page = page_of(found, records, tmp_path)
    assert "3 whole searches of 2 to 3 trials (4 planned), each judged" in page
    assert "in each fold a search of 2 to 3 trials (4 planned)" in page
    assert "the choice, among 2 to 3 trials (4 planned), did not" in page


def test_one_complete_trial_is_no_choice_to_agree_on(folds: Callable[..., Any]) -> None:
    found, _ = folds()
    found["folds"][1]["trials_complete"] = 1
    assert "named" not in agreement_words(found)


def test_agreement_is_on_values() -> None:
    found = agreement([{"a": 1, "b": "x"}, {"a": 1, "b": "y"}, {"a": 1, "b": "x"}])
    assert found == {"networks": 2, "same": {"a": 1}, "differing": {"b": ["x", "y", "x"]}}


def test_a_test_part_that_was_opened_again_is_told(folds: Callable[..., Any]) -> None:
    found, records = folds(uses=(1, 3, 1))
    assert "opened more than once (fold 2 3 times)" in openings(found)
    assert "Fold 2: Test part reused" in [item.title for item in nested_cautions(found, records)]


def test_counts_that_cancel_over_the_folds_are_told(folds: Callable[..., Any]) -> None:
    """All of one class in one fold, all of the other in the next: no fold is worth anything."""
    found, records = folds(rights=((1.0, 0.0), (0.0, 1.0), (1.0, 0.0)))
    assert [fold["f_med"] for fold in found["folds"]] == [0, 0, 0]
    assert found["f_med"] > 0.4
    said = above_every_fold(found)
    assert said is not None
    assert "In folds 1, 2, 3 the network found one class only." in said
    assert "too low; the truth most likely lies between" in said
    assert "Pooled above every fold" in [item.title for item in nested_cautions(found, records)]
    assert above_every_fold(folds_that_agree(found)) is None


def folds_that_agree(found: dict[str, Any]) -> dict[str, Any]:
    return {**found, "folds": [{**fold, "f_med": found["f_med"]} for fold in found["folds"]]}


@pytest.mark.parametrize(("groups", "few"), [(3, True), (4, False)])
def test_few_groups_over_all_folds_are_told(
    folds: Callable[..., Any], groups: int, few: bool
) -> None:
    """Not those of each fold: ten in a class are enough, however many folds hold them."""
    titles = [item.title for item in nested_cautions(*folds(groups=groups))]
    assert ("Few groups" in titles) is few
    assert "Small test part" not in titles


def test_names_are_escaped(folds: Callable[..., Any], tmp_path: Path) -> None:
    found, records = folds()
    evil = [replace(item, dataset={**item.dataset, "name": EVIL}) for item in records]
    place = write_nested({**found, "command": EVIL}, evil, reports=tmp_path)
    assert "<img" not in place.read_text(encoding="utf-8")


def test_it_loads_nothing_and_complains_of_nothing(
    folds: Callable[..., Any], tmp_path: Path, visit: Callable[..., Any]
) -> None:
    """Nor does it scroll sideways on a telephone, in either theme."""
    file = write_nested(*folds(winners=(1, 2, 3)), reports=tmp_path / "reports")
    seen = visit(file, width=400)
    for _ in range(2):
        seen.page.click("#theme")
        assert seen.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert seen.strange_requests == set()
    assert seen.complaints == []


def test_what_was_noted_is_read_again(tmp_path: Path) -> None:
    """Without figures before there are any; another name is none."""
    note_nested(tmp_path, WHOLE)
    found = read_nested(tmp_path, "whole")
    assert found is not None
    assert found[0] == WHOLE
    assert "f_med" not in found[1]
    assert read_nested(tmp_path, "other") is None


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        '{"command": "x", "outer_folds": Infinity, "trials": 4}',
        '{"command": "x", "outer_folds": 1000000000, "trials": 4}',
        '{"command": "x", "outer_folds": 3, "trials": 4, "settings": 5}',
        '{"command": "x", "outer_folds": 3, "trials": 4, "f_med": 0.5, "intervals": 5}',
        '{"command": "x", "outer_folds": 3, "trials": 4, "f_med": "a", "intervals": '
        '{"f_med": [0, 1]}}',
    ],
)
def test_a_record_of_odd_values_is_damaged(tmp_path: Path, text: str) -> None:
    """The list says so and goes on; who asks for the study is told what to do."""
    note_nested(tmp_path, WHOLE)
    (tmp_path / "whole" / "nested.json").write_text(text)
    (row,) = nested_listing(tmp_path)
    assert row["studies"] == []
    with pytest.raises(LedgerError, match="empty or damaged; remove it"):
        read_nested(tmp_path, "whole")


@pytest.mark.parametrize("torn", [True, False])
def test_predictions_that_are_torn_or_of_unequal_length_are_told(
    folds: Callable[..., Any], tmp_path: Path, torn: bool
) -> None:
    _, records = folds()
    folders = [study_folder(tmp_path / "runs", name) for name in WHOLE.studies]
    place = folders[1].test_predictions
    if torn:
        place.write_bytes(place.read_bytes()[:-40])
    else:
        with np.load(place) as stored:
            arrays = dict(stored)
        np.savez(place, **(arrays | {"label": arrays["label"][1:]}))
    with pytest.raises(LedgerError, match=r"missing or damaged; `study retest whole-2of3 --again`"):
        pool_retests(folders, records)


def test_folds_that_are_not_finished_have_no_pooled_figure(
    folds: Callable[..., Any], tmp_path: Path
) -> None:
    """Half redone, one procedure and another never make one figure."""
    _, records = folds()
    settled = []
    for item in records:
        best = max(item.trials, key=lambda trial: trial.validation_f_med or 0)
        retest = {**(item.retest or {}), "number": best.number, "model_digest": "aa"}
        final = {
            "winner": best.number,
            "complete": 4,
            "requested": 4,
            "settings": dict(WHOLE.settings),
            "model_digest": "aa",
        }
        settled.append(replace(item, retest=retest, final=final))
    assert pooled(tmp_path / "runs", WHOLE, settled)["images"] == 120
    last = settled[2]
    other = make_trial(9)
    for change in (
        {"retest": None},
        {"retest": {**(last.retest or {}), "number": 9}},
        {"retest": {**(last.retest or {}), "model_digest": "bb"}},
        {"final": None},
        {"final": {**(last.final or {}), "requested": 3}},
        {"final": {**(last.final or {}), "settings": {"finalists": 5, "rule": "best"}}},
        {"trials": [*last.trials, other]},
    ):
        unfinished = [*settled[:2], replace(last, **change)]
        with pytest.raises(LedgerError, match=r"2 of 3 outer folds are finished.*--outer-folds 3"):
            pooled(tmp_path / "runs", WHOLE, unfinished)
    with pytest.raises(LedgerError, match="2 of 3 outer folds"):
        pooled(tmp_path / "runs", WHOLE, settled[:2])
