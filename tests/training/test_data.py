"""The samples of an epoch, and what each of them weighs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from study.protocol import Protocol
from study.training.data import EpochSamples, TrialData, class_weights
from study.workspace import StudyFolder


def test_class_weights_make_the_classes_equal_in_sum(tiny: Protocol) -> None:
    labels = np.array([0] * 3 + [1] * 9)
    weights = class_weights(labels, tiny)
    assert weights == pytest.approx({0: 2.0, 1: 12 / 18})
    assert class_weights(labels, replace(tiny, class_weights="none")) == {0: 1.0, 1: 1.0}


def test_an_epoch_takes_every_image_floor_or_ceil_times_in_its_own_order(
    prepared: tuple[StudyFolder, TrialData],
) -> None:
    part = prepared[1].train
    numbered = replace(part, images=np.arange(len(part.labels))[:, None, None, None])
    orders = []
    for _ in range(2):
        samples = EpochSamples(
            part=numbered, class_weights={0: 0.5, 1: 2.0}, samples=100, chunk=32, seed=5
        )
        epochs = []
        for epoch in range(2):
            chunks = list(samples.epoch(epoch))
            assert [len(images) for images, _, _ in chunks] == [32, 32, 32, 4]
            order = np.concatenate([images[:, 0, 0, 0] for images, _, _ in chunks])
            labels = np.concatenate([label[:, 0] for _, label, _ in chunks])
            weights = np.concatenate([weight for _, _, weight in chunks])
            np.testing.assert_array_equal(labels, part.labels[order])
            np.testing.assert_array_equal(weights, np.where(labels == 1, 2.0, 0.5))
            assert {*np.bincount(order)} <= {100 // len(part.labels), 1 + 100 // len(part.labels)}
            epochs.append(order)
        orders.append(epochs)
    np.testing.assert_array_equal(orders[0], orders[1])
    assert not np.array_equal(orders[0][0], orders[0][1])
