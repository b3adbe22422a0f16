"""What every trial of a study is trained and judged on, in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import keras
import numpy as np
from numpy.typing import NDArray

from study.dataset.arrays import PartArrays
from study.dataset.draws import Draws, balanced_indices
from study.model.augmentation import render
from study.protocol import Protocol
from study.seeds import derive
from study.training.diagnosis import GroupCounts


@dataclass(frozen=True, kw_only=True)
class EvaluationSet:
    """A set that is judged as a whole after every epoch: n images in G groups."""

    name: str
    """One of ``records.VIEWS``."""
    images: NDArray[np.float32] | NDArray[np.uint8]
    """(n, height, width, channels), grey levels 0..255."""
    labels: NDArray[np.int64]
    """(n,), 1 is the positive class."""
    rows: NDArray[np.int64]
    """(n,), the row of ``row_labels`` that the image counts for: its group, within its class."""
    row_labels: NDArray[np.int64]
    """(R,), the class of each row; a group that holds both classes has two rows."""

    def correct(self, probability: NDArray[np.float64], threshold: float) -> NDArray[np.int32]:
        """Return how many images of each row are classified correctly, (R,)."""
        right = (probability >= threshold) == (self.labels == 1)
        return np.bincount(self.rows, weights=right, minlength=len(self.row_labels)).astype(
            np.int32
        )

    def counts(self, correct: NDArray[np.int32]) -> GroupCounts:
        """Return the counts as the diagnosis takes them; rows without an image are left out."""
        total = np.bincount(self.rows, minlength=len(self.row_labels))
        seen = total > 0
        return GroupCounts(
            correct=correct[seen].astype(np.int64), total=total[seen], label=self.row_labels[seen]
        )


@dataclass(frozen=True, kw_only=True)
class TrialData:
    """The training part and the three sets that its trials are judged on; no test image."""

    train: PartArrays
    validation: PartArrays
    sets: tuple[EvaluationSet, ...]
    """The training probe, the augmented validation set, the plain validation images."""


def assemble(*, train: PartArrays, validation: PartArrays, draws: Mapping[str, Draws]) -> TrialData:
    """Render the fixed sets; ``draws`` holds those of ``train`` and of ``validation``."""
    plain = Draws(index=np.arange(len(validation.labels)), transforms=np.empty((0, 8), np.float32))
    return TrialData(
        train=train,
        validation=validation,
        sets=(
            _fixed("train", train, draws["train"], render(train.images, draws["train"])),
            _fixed(
                "validation",
                validation,
                draws["validation"],
                render(validation.images, draws["validation"]),
            ),
            _fixed("validation_plain", validation, plain, validation.images),
        ),
    )


def _fixed(
    name: str,
    part: PartArrays,
    draws: Draws,
    images: NDArray[np.float32] | NDArray[np.uint8],
) -> EvaluationSet:
    keys = part.groups * 2 + part.labels
    known, rows = np.unique(keys, return_inverse=True)
    return EvaluationSet(
        name=name,
        images=images,
        labels=part.labels[draws.index],
        rows=rows[draws.index].astype(np.int64),
        row_labels=known % 2,
    )


def class_weights(labels: NDArray[np.int64], protocol: Protocol) -> dict[int, float]:
    """Return the weight of each class in the loss: n / (2 n_k), or 1 where none are asked for."""
    if protocol.class_weights == "none":
        return {0: 1.0, 1: 1.0}
    counts = np.bincount(labels, minlength=2)
    return {k: float(len(labels) / (2 * counts[k])) for k in range(2)}


class EpochSamples(keras.utils.PyDataset):  # type: ignore[misc]
    """Batches of training images, drawn anew for every epoch.

    An epoch takes every image floor or ceil(samples / images) times, in an order that depends on
    the seed and on the number of the epoch only. Augmentation happens in the network.
    """

    def __init__(self, part: PartArrays, *, samples: int, batch_size: int, seed: int) -> None:
        super().__init__()
        self._part, self._samples, self._batch_size, self._seed = part, samples, batch_size, seed
        self._epoch = 0
        self._order = self._draw()

    def _draw(self) -> NDArray[np.int64]:
        rng = np.random.default_rng(derive(self._seed, "epoch", self._epoch))
        return balanced_indices(len(self._part.labels), self._samples, rng)

    def __len__(self) -> int:
        """Return the number of batches of an epoch; the last one may be smaller."""
        return -(-self._samples // self._batch_size)

    def __getitem__(self, batch: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Return images (b, h, w, c) and labels (b, 1) of one batch."""
        start = batch * self._batch_size
        index = self._order[start : start + self._batch_size]
        return self._part.images[index], self._part.labels[index, None].astype(np.float32)

    def on_epoch_end(self) -> None:
        """Draw the next epoch."""
        self._epoch += 1
        self._order = self._draw()
