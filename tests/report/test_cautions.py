"""Cautions: on the data, the budget, the parts, the winner's place in the space, the finalists."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from study.finalists.choose import FinalistSettings, plan_finalists
from study.protocol import Protocol
from study.records import StudyRecord, TrialRecord
from study.report.cautions import OVERRUN, Caution, cautions
from study.report.listing import listed
from study.summary import winner
from study.variant import REFERENCE, REFERENCE_SGD, Variant
from tests.report.drawn_study import AUDIT

EDGE = "Winner at the edge of the space"
SMALL = "Small validation part"
MIDDLE = {"filters": 28, "dropout": 0.3, "learning_rate": 1e-3, "optimizer": "adam"}


def won_by(record: StudyRecord, number: int = 5, **params: Any) -> StudyRecord:
    """Return a study whose best complete trial has these values, the rest from the middle."""
    values = {**MIDDLE, **params}
    best = TrialRecord(
        number=number,
        state="complete",
        params=values,
        variant=Variant(padding="same", **values).as_dict(),
        ledger_number=number,
        validation_f_med=0.99,
    )
    others = [trial for trial in record.trials if trial.number != number]
    return replace(record, trials=[*others, best])


def found(record: StudyRecord, title: str) -> list[Caution]:
    return [caution for caution in cautions(record) if caution.title == title]


def test_a_winner_at_the_edge_is_named_with_its_range(record: StudyRecord) -> None:
    """One warning names every hyperparameter that lies next to a bound, and no other."""
    (caution,) = found(won_by(record, learning_rate=0.029, dropout=0.59), EDGE)
    assert caution.level == "warning"
    for said in ("Learning rate 0.029 of 0.0001 to 0.03", "Dropout 0.59 of 0 to 0.6"):
        assert said in caution.text
    assert "better values may lie outside" in caution.text
    assert "Filters" not in caution.text
    assert not found(won_by(record), EDGE)


@pytest.mark.parametrize(
    ("params", "edge"),
    [
        ({"learning_rate": 1.3e-4}, True),  # 4.6 % of the range from the bound, on a log scale
        ({"learning_rate": 1.4e-4}, False),  # 5.9 %; on a linear scale it would be 0.1 %
        ({"learning_rate": 2.4e-2}, True),
        ({"filters": 8}, True),
        ({"filters": 96}, True),
        ({"dropout": 0.571}, True),
        ({"dropout": 0.569}, False),
        ({"dropout": 0.0}, False),  # no network can have less
    ],
)
def test_the_edge_is_a_twentieth_of_the_range_on_its_own_scale(
    params: dict[str, Any], edge: bool, record: StudyRecord
) -> None:
    assert bool(found(won_by(record, **params), EDGE)) is edge


def test_a_reference_network_is_at_no_edge(record: StudyRecord) -> None:
    """Trials 0 and 1 are not from the space, unless trial 1 is no reference."""
    edge = {"learning_rate": 0.029}
    assert not found(won_by(record, 0, **edge), EDGE)
    assert found(won_by(record, 1, **edge), EDGE)
    sgd = won_by(record, 1, **edge)
    best = replace(sgd.trials[-1], params={}, variant=REFERENCE_SGD.as_dict())
    space = {**record.space, "text": str(record.space["text"]).replace("3e-2", "1e-2")}
    assert not found(replace(sgd, trials=[*sgd.trials[:-1], best], space=space), EDGE)


@pytest.mark.parametrize("text", [None, 7, "", "[parameters", "question = 'why'"])
def test_a_space_that_cannot_be_read_has_no_edge(text: Any, record: StudyRecord) -> None:
    study = won_by(record, learning_rate=0.029)
    assert not found(replace(study, space={"name": "seed", "text": text}), EDGE)
    assert not found(replace(study, space={}), EDGE)


@pytest.mark.parametrize("value", [None, "fast", float("nan"), -1.0, 0.0, True, 0.5])
def test_a_value_that_is_none_of_the_space_is_at_no_edge(value: Any, record: StudyRecord) -> None:
    study = won_by(record)
    odd = {**REFERENCE.as_dict(), **MIDDLE, "learning_rate": value}
    best = replace(study.trials[-1], params={}, variant=odd)
    assert not found(replace(study, trials=[*study.trials[:-1], best]), EDGE)


def test_a_study_without_a_complete_trial_has_no_winner_at_an_edge(record: StudyRecord) -> None:
    study = won_by(record, learning_rate=0.029)
    pruned = [replace(trial, state="pruned") for trial in study.trials]
    assert not found(replace(study, trials=pruned), EDGE)
    assert not found(replace(study, trials=[]), EDGE)


def test_a_small_validation_part_is_said_to_have_chosen_the_network(record: StudyRecord) -> None:
    """Its groups are counted by class, with an audit and without."""
    for audit in (None, {"findings": []}):
        (caution,) = found(replace(record, audit=audit), SMALL)
        assert caution.level == "warning"
        assert "6 groups of malignant and 3 groups of benign" in caution.text
        assert "the best network" in caution.text


@pytest.mark.parametrize(("groups", "small"), [(9, True), (10, False)])
def test_ten_groups_in_each_class_are_enough(groups: int, small: bool, record: StudyRecord) -> None:
    classes = {"malignant": {"groups": 40}, "benign": {"groups": groups}}
    split = {**record.split, "parts": {"validation": {"images": 99, "classes": classes}}}
    assert bool(found(replace(record, split=split), SMALL)) is small
    assert not found(replace(record, split={}), SMALL)


def test_a_validation_part_that_chose_finalists_is_not_said_to_have_chosen_the_network(
    named: StudyRecord,
) -> None:
    (caution,) = found(named, SMALL)
    assert "the best epoch of each network and the finalists" in caution.text


def test_skipped_finalists_are_a_warning_with_what_is_lost(
    record: StudyRecord, without_finalists: Callable[..., StudyRecord]
) -> None:
    (caution,) = found(without_finalists(record), "No finalists")
    assert caution.level == "warning"
    assert "may be the luckiest trial" in caution.text
    assert not found(record, "No finalists")


def test_a_final_network_that_did_not_learn_is_a_warning(
    record: StudyRecord, settled: Callable[..., StudyRecord]
) -> None:
    title = "Final network not retrained"
    (caution,) = found(settled(record, reached=(0.2, None, 0.7)), title)
    assert caution.level == "warning"
    assert "any of 3 seeds. Trainings failed: " in caution.text
    (whole,) = found(settled(record, reached=(0.2, 0.7)), title)
    assert "any of 2 seeds. The final network" in whole.text
    assert not found(settled(record), title)
    assert not found(settled(record, refit=False), title)


def test_folds_that_could_not_be_afforded_are_a_warning_other_limits_a_note(
    record: StudyRecord, settled: Callable[..., StudyRecord]
) -> None:
    """The sentences are those of real plans."""
    title = "Notes on the finalists"
    poor = plan_finalists(record, FinalistSettings(folds=5), most_folds=5).notes
    (caution,) = found(settled(record, notes=poor), title)
    assert caution.level == "warning"
    assert "is not enough all the same" in caution.text
    quick = [replace(trial, best_epoch=trial.best_epoch and 2) for trial in record.trials]
    few = plan_finalists(replace(record, trials=quick), FinalistSettings(), most_folds=3).notes
    (caution,) = found(settled(record, notes=few), title)
    assert caution.level == "note"
    assert "3 folds instead of 5" in caution.text
    assert not found(settled(record), title)
    spent = f"Folds and final network took 150 s, {OVERRUN}its trainings were slower."
    (caution,) = found(settled(record, notes=(spent,)), title)
    assert caution.level == "warning"


def test_an_outdated_choice_gives_no_caution(
    record: StudyRecord, settled: Callable[..., StudyRecord]
) -> None:
    study = settled(record, reached=(0.2,), notes=("Cut.",))
    titles = {item.title for item in cautions(study)}
    later = replace(study, final={**(study.final or {}), "complete": 2})
    assert titles - {item.title for item in cautions(later)} == {
        "Final network not retrained",
        "Notes on the finalists",
    }


def titles(record: StudyRecord) -> list[str]:
    return [caution.title for caution in cautions(record)]


def test_a_leaking_split_is_said_first(record: StudyRecord) -> None:
    """The number of groups and of test images with near-copies heads the list, as a danger."""
    split = {**record.split, "leaking_groups": 41, "leaking_test_images": 25}
    first = cautions(replace(record, split=split))[0]
    assert first.level == "danger"
    assert "41 groups" in first.text
    assert "25 of the 25 test images" in first.text


def test_cautions_name_what_holds(record: StudyRecord) -> None:
    """Synthetic data, a cut budget, few trials, a reused or small test part, skipped files."""
    told = titles(record)
    assert {"Small test part", "Few trials", "Failures", "Positive class"} <= set(told)
    assert not {"Synthetic data", "Cut budget", "The split leaks", "Unfinished"} & set(told)
    changed = replace(
        record,
        protocol=Protocol(quick=True, epochs=15),
        dataset={**record.dataset, "synthetic": True, "skipped": [["a.bmp", "broken"]]},
        retest={**(record.retest or {}), "uses": 3},
        requested=100,
    )
    assert {
        *("Synthetic data", "Cut budget", "Test part reused", "Files left out", "Unfinished")
    } <= set(titles(changed))


def test_the_audit_heads_the_page(record: StudyRecord) -> None:
    """Errors are dangers, warnings are warnings, each said once; notes stay below."""
    split = {**record.split, "leaking_groups": 41, "leaking_test_images": 25}
    found = cautions(replace(record, split=split, audit=AUDIT))
    assert found[0] == Caution(
        level="danger", title="The split leaks", text="41 of 48 groups are torn."
    )
    said = [caution.title for caution in found]
    assert said.count("The split leaks") == said.count("Small test part") == 1
    assert "Groups by content" not in said
    sound = replace(record, audit={**AUDIT, "findings": []})
    assert "Small test part" not in titles(sound)


@pytest.mark.parametrize(
    ("changes", "cut"),
    [
        ({}, False),
        ({"epochs": 999}, True),
        ({"samples_per_epoch": 9_999}, True),
        ({"epochs": 2_000, "samples_per_epoch": 20_000}, False),
        ({"quick": True}, True),
    ],
)
def test_fewer_epochs_or_samples_than_the_full_protocol_are_a_cut_budget(
    changes: dict[str, Any], cut: bool, record: StudyRecord
) -> None:
    """However it was asked for, here and in the list of all studies."""
    study = replace(record, protocol=Protocol(**changes))
    assert bool(found(study, "Cut budget")) is cut
    assert listed("it", study).quick is cut


def test_a_winner_whose_training_was_ended_by_the_number_of_epochs_is_a_warning(
    record: StudyRecord,
) -> None:
    title = "Training was cut"
    assert not found(record, title)
    best = winner(record)
    trials = [
        replace(trial, stopped_by="epochs") if trial in (best, record.trials[0]) else trial
        for trial in record.trials
    ]
    (caution,) = found(replace(record, trials=trials), title)
    assert "2 of 10 complete trials ended at the epoch limit (1,000), not by" in caution.text


def test_a_final_network_that_guesses_on_its_own_images_is_a_warning(
    record: StudyRecord, settled: Callable[..., StudyRecord]
) -> None:
    study, title = settled(record), "Final network has not learned"
    assert not found(study, title)
    final = study.final or {}
    refit = {**final["refit"], "needed": 0.4, "attempts": [{"train_f_med": 0.489}]}
    (caution,) = found(replace(study, final={**final, "refit": refit}), title)
    assert caution.level == "warning"
    assert "F_med 0.489 on augmented samples of its own training images" in caution.text


def test_each_shortcut_is_named_in_its_title(record: StudyRecord) -> None:
    messages = (
        "Width and height alone tell the classes apart with F_med 0.82.",
        "The size of the file alone tells the classes apart with F_med 0.81.",
        "Something else.",
    )
    findings = [{"grade": "warning", "code": "shortcut", "message": said} for said in messages]
    told = titles(replace(record, audit={"findings": findings}))
    assert told[:3] == [
        "Shortcut: width and height",
        "Shortcut: the size of the file",
        "Shortcut",
    ]
