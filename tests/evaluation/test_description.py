"""What an exported network says of the search that it comes from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from study.evaluation.description import describe_model
from study.evaluation.final import final_model
from study.evaluation.intervals import counted_f_med_interval, recall_interval
from study.evaluation.threshold import choose_threshold, parse_rule
from study.evaluation.validation_counts import FILE
from study.ledger import Ledger
from study.seeds import derive
from study.workspace import StudyFolder
from tests.evaluation.known_networks import all_positive

# Keras' own code calls NumPy in a way that NumPy 2 warns of.
pytestmark = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")


def test_the_scores_of_the_search_have_the_intervals_of_their_best_epoch(
    study: tuple[StudyFolder, Ledger, Path], complete: Callable[[Any, float], int]
) -> None:
    """Twelve augmented samples of each image: they count as no more images than there are."""
    folder, ledger, _ = study
    number = complete(all_positive(), 0.5)
    label, images = np.repeat([1, 0], 6), np.ones(12, np.int64)
    plain = np.array([[0] * 12, [1, 1, 1, 1, 1, 0] * 2, [1] * 12])
    np.savez(
        folder.trial(number) / FILE,
        augmented=12 * plain,
        plain=plain,
        augmented_total=12 * images,
        plain_total=images,
        label=label,
    )
    record = ledger.read()
    record = replace(record, trials=[replace(record.trials[0], best_epoch=2)])
    model = final_model(folder, record)
    threshold = choose_threshold(parse_rule("0.5"), folder, model)
    found = describe_model(folder, record, model, threshold)["metrics"]["search"]
    assert found["of"] == "the search's network of this trial, at its best epoch"
    assert found["validation_f_med"] == 0.5
    seed = derive(record.seed, "export")
    f_med = counted_f_med_interval(plain[1], images, label, seed=seed)
    for view in ("validation", "validation_plain"):
        for name in ("sensitivity", "specificity"):
            ends = found["intervals"][f"{view}_{name}"]
            assert ends == pytest.approx(recall_interval(5 / 6, 6))
        assert found["intervals"][f"{view}_f_med"] == pytest.approx(f_med)
