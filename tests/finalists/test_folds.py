"""What the fold runs are trained and judged on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from study.dataset.arrays import PartArrays
from study.finalists.folds import fixed_set, fold_data
from study.protocol import Protocol


def part(images: int) -> PartArrays:
    """Return two classes in turn, two images of a lesion; each image has a grey level."""
    number = np.arange(images)
    return PartArrays(
        images=np.tile(number.astype(np.uint8)[:, None, None, None], (1, 22, 24, 1)),
        labels=number // 2 % 2,
        groups=number // 2,
        group_names=tuple(map(str, range(images // 2 + 1))),
        paths=tuple(map(str, number)),
    )


@given(st.integers(1, 60), st.integers(1, 100))
def test_a_fixed_set_holds_every_image_whatever_its_size(images: int, samples: int) -> None:
    drawn = fixed_set(part(images), Protocol(validation_samples=samples), seed=1)
    assert set(drawn.index.tolist()) == set(range(images))
    assert len(drawn.index) == max(images, samples)


@pytest.mark.parametrize("fold", range(5))
def test_both_classes_stop_and_judge_a_fold_with_a_small_validation_set(
    fold: int, tiny: Protocol
) -> None:
    """Four samples of eight images would leave out a lesion, or all of a class."""
    pool, fold_of = part(40), np.arange(40) // 4 % 5
    protocol = replace(tiny, validation_samples=4)
    data = fold_data(pool, fold_of, fold, protocol=protocol, seed=fold)
    for judged in data.trial.sets:
        assert set(judged.labels.tolist()) == {0, 1}
        assert np.bincount(judged.rows, minlength=len(judged.row_labels)).all()
    assert set(data.places.tolist()) == set(np.flatnonzero(fold_of == fold).tolist())
    used = {*data.trial.train.paths, *data.trial.validation.paths}
    assert used == {str(k) for k in np.flatnonzero(fold_of != fold)}
