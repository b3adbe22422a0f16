"""How the threshold of an exported network is found, and on which predictions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from study.errors import LedgerError, SettingsError
from study.evaluation.final import SEARCH, FinalModel
from study.evaluation.operating import Predictions
from study.evaluation.threshold import (
    FIXED,
    FOLDS,
    MAX_F_MED,
    SENSITIVITY,
    VALIDATION,
    ThresholdRule,
    choose_threshold,
    parse_rule,
    threshold_for_max_f_med,
)
from study.metrics import f_med
from study.workspace import StudyFolder

PROBABILITIES = st.one_of(
    st.floats(0, 1), st.sampled_from([0.0, 5e-324, 0.25, 0.5, np.nextafter(0.5, 1), 0.75, 1.0])
)


def predictions(label: Any, probability: Any, group: Any = None) -> Predictions:
    return Predictions(
        label=np.array(label, np.int64),
        probability=np.array(probability, np.float64),
        group=np.arange(len(label)) if group is None else np.array(group, np.int64),
    )


@st.composite
def drawn(draw: st.DrawFn) -> Predictions:
    rows = draw(st.lists(st.tuples(st.integers(0, 1), PROBABILITIES), max_size=40))
    rows += [(label, draw(PROBABILITIES)) for label in (0, 1)]
    label, probability = zip(*rows, strict=True)
    return predictions(label, probability)


def f_med_at(data: Predictions, threshold: float) -> float:
    called = data.probability >= threshold
    return f_med([(called[data.label == 1]).mean(), (~called[data.label == 0]).mean()])


@settings(deadline=None)
@given(drawn())
def test_no_threshold_has_a_higher_f_med(data: Predictions) -> None:
    chosen = threshold_for_max_f_med(data)
    assert 0 < chosen <= 1
    tried = [*data.probability, *np.nextafter(data.probability, 2)]
    assert f_med_at(data, chosen) >= max(f_med_at(data, t) for t in tried if t <= 1) - 1e-12


@settings(deadline=None)
@given(drawn(), st.randoms(use_true_random=False))
def test_the_order_of_the_images_does_not_matter(data: Predictions, random: Any) -> None:
    order = random.sample(range(len(data.label)), len(data.label))
    turned = predictions(data.label[order], data.probability[order])
    assert threshold_for_max_f_med(turned) == threshold_for_max_f_med(data)


@pytest.mark.parametrize(
    ("negative", "positive", "expected"),
    [
        ([0.1, 0.2], [0.6, 0.9], 0.4),  # between the classes
        ([0.5], [0.5], 0.5),  # one probability for all: every threshold gives 0
        ([0.9], [0.9], 0.5),
        ([0.9], [0.1], 0.5),  # the wrong way round
        ([0.0, 0.4], [0.2, 0.9], 0.65),  # of two plateaus of the same height the wider one
        ([0.25, 0.5], [0.375, 0.625], 0.3125),  # of two as wide the lower one
        ([0.1, 0.5], [0.5, 0.8], 0.45),  # neighbours of the same height are one
    ],
)
def test_the_threshold_is_the_middle_of_the_plateau(
    negative: list[float], positive: list[float], expected: float
) -> None:
    data = predictions([0] * len(negative) + [1] * len(positive), negative + positive)
    assert threshold_for_max_f_med(data) == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("0.5", ThresholdRule(kind=FIXED, text="0.5", value=0.5)),
        (".25", ThresholdRule(kind=FIXED, text=".25", value=0.25)),
        ("max-f-med", ThresholdRule(kind=MAX_F_MED, text="max-f-med")),
        ("Max-F-med", ThresholdRule(kind=MAX_F_MED, text="max-f-med")),
        (
            "sensitivity=0.95",
            ThresholdRule(kind=SENSITIVITY, text="sensitivity=0.95", value=0.95),
        ),
        ("sensitivity=1", ThresholdRule(kind=SENSITIVITY, text="sensitivity=1", value=1.0)),
    ],
)
def test_a_rule_is_read(text: str, rule: ThresholdRule) -> None:
    assert parse_rule(text) == rule


@pytest.mark.parametrize(
    "text",
    ["", "0", "1", "1.5", "-0.5", "nan", "inf", "5e-1", "max", "max-f-med=1", "sensitivity",
     "sensitivity=", "sensitivity=0", "sensitivity=1.1", "specificity=0.9", "0.5 0.6",
     "\u0660.\u0665"],
)  # fmt: skip
def test_what_is_no_rule_is_refused_with_what_is_allowed(text: str) -> None:
    with pytest.raises(SettingsError, match=r"--threshold: found .*allowed: .*max-f-med"):
        parse_rule(text)


def model(origin: str = SEARCH, *, in_folds: bool = True) -> FinalModel:
    return FinalModel(
        path=Path("model.keras"), number=3, origin=origin, digest="0", in_folds=in_folds
    )


def store(path: Path, **arrays: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **{key: np.array(value) for key, value in arrays.items()})


@pytest.fixture
def folder(tmp_path: Path) -> StudyFolder:
    return StudyFolder(tmp_path)


@pytest.fixture
def validation(folder: StudyFolder) -> None:
    store(
        folder.trial(3) / "validation_predictions.npz",
        probability=[0.1, 0.2, 0.6, 0.9],
        label=[0, 0, 1, 1],
        group=[0, 1, 2, 3],
    )


@pytest.fixture
def folds(folder: StudyFolder) -> None:
    """Twelve images of one group each in both classes, under two seeds of the folds."""
    low, high = np.linspace(0.0, 0.2, 12), np.linspace(0.3, 0.8, 12)
    store(
        folder.out_of_fold(3),
        probability=[[*low, *high], [*low / 2, *high + 0.1]],
        label=[0] * 12 + [1] * 12,
        group=np.arange(24),
        fold=np.tile(np.arange(24) % 5, (2, 1)),
    )


@pytest.mark.usefixtures("validation", "folds")
@pytest.mark.parametrize("origin", [SEARCH, "refit"])
def test_folds_come_before_validation_images_and_all_seeds_count(
    folder: StudyFolder, origin: str
) -> None:
    """An image of two seeds is two answers, but one group: no interval counts it twice."""
    found = choose_threshold(parse_rule("max-f-med"), folder, model(origin))
    assert (found.source, found.measured_on) == (FOLDS, FOLDS)
    assert found.value == pytest.approx(0.25)
    described = found.as_dict()
    assert described["sensitivity"]["value"] == described["specificity"]["value"] == 1
    assert (described["sensitivity"]["images"], described["sensitivity"]["groups"]) == (24, 12)
    assert described["sensitivity"]["effective_images"] == pytest.approx(12)
    assert any("out-of-fold" in note for note in found.notes)
    assert not any("fewer than" in note for note in found.notes)


@pytest.mark.usefixtures("validation", "folds")
def test_folds_of_an_earlier_answer_do_not_count(folder: StudyFolder) -> None:
    """As after ``--finalists 0``: the file of before is still there."""
    found = choose_threshold(parse_rule("max-f-med"), folder, model(in_folds=False))
    assert found.source == VALIDATION


def test_images_that_no_fold_has_scored_do_not_count(folder: StudyFolder) -> None:
    store(
        folder.out_of_fold(3),
        probability=[[0.1, 0.8, np.nan], [0.3, 0.6, 0.0]],
        label=[0, 1, 1],
        group=[0, 1, 2],
        fold=[[0, 1, -1], [1, 0, -1]],
    )
    found = choose_threshold(parse_rule("max-f-med"), folder, model())
    assert found.value == pytest.approx(0.45)
    sensitivity = found.as_dict()["sensitivity"]
    assert (sensitivity["value"], sensitivity["images"], sensitivity["groups"]) == (1, 2, 1)


@pytest.mark.usefixtures("validation")
def test_without_folds_the_search_s_own_network_is_judged_on_validation_images(
    folder: StudyFolder,
) -> None:
    found = choose_threshold(parse_rule("sensitivity=0.5"), folder, model())
    assert (found.value, found.source, found.rule) == (0.9, VALIDATION, "sensitivity=0.5")
    assert found.as_dict()["sensitivity"]["value"] == 0.5
    assert any("optimistic" in note for note in found.notes)
    assert any("(2 of the positive class, 2 of the negative one)" in note for note in found.notes)


@pytest.mark.usefixtures("validation")
def test_after_a_refit_the_validation_images_choose_and_judge_nothing(folder: StudyFolder) -> None:
    """They trained the network."""
    for rule in ("max-f-med", "sensitivity=0.9"):
        with pytest.raises(SettingsError, match=r"again on the validation images.*take --thresh"):
            choose_threshold(parse_rule(rule), folder, model("refit"))
    found = choose_threshold(parse_rule("0.5"), folder, model("refit"))
    assert (found.value, found.source, found.measured_on) == (0.5, FIXED, None)
    assert found.as_dict()["sensitivity"] is None


@pytest.mark.usefixtures("validation")
def test_a_fixed_threshold_is_measured_where_it_can_be(folder: StudyFolder) -> None:
    found = choose_threshold(parse_rule("0.7"), folder, model())
    assert (found.value, found.source, found.measured_on) == (0.7, FIXED, VALIDATION)
    assert found.as_dict()["sensitivity"]["value"] == 0.5
    assert not any("optimistic" in note for note in found.notes)


def test_without_any_predictions_only_a_fixed_threshold_is_had(folder: StudyFolder) -> None:
    with pytest.raises(SettingsError, match="trial 3 has no stored predictions"):
        choose_threshold(parse_rule("max-f-med"), folder, model())
    assert choose_threshold(parse_rule("0.5"), folder, model()).point is None


@pytest.mark.parametrize(
    "arrays",
    [
        {
            "probability": [[0.1, np.nan]],
            "label": [0, 1],
            "group": [0, 1],
        },  # a fold that is missing
        {"probability": [[0.1, 0.2]], "label": [0, 0], "group": [0, 1]},
        {"probability": [[0.1, 0.2, 0.3]], "label": [0, 1], "group": [0, 1]},
        {"probability": [[0.1, 0.2]], "label": [0, 1]},
    ],
    ids=["not a number", "one class", "another length", "no groups"],
)
def test_predictions_that_cannot_be_used_are_named(
    folder: StudyFolder, arrays: dict[str, Any]
) -> None:
    store(folder.out_of_fold(3), **arrays)
    with pytest.raises(LedgerError, match=r"3\.npz: damaged"):
        choose_threshold(parse_rule("max-f-med"), folder, model())


def test_predictions_that_are_torn_are_named(folder: StudyFolder) -> None:
    folder.out_of_fold(3).parent.mkdir()
    (folder.out_of_fold(3)).write_bytes(b"PK\x03\x04torn")
    with pytest.raises(LedgerError, match=r"3\.npz: damaged"):
        choose_threshold(parse_rule("0.5"), folder, model())
