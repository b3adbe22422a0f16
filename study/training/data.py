"""What every trial of a study is trained and judged on, in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

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


@dataclass(frozen=True, kw_only=True)
class EpochSamples:
    """The samples of each epoch: every image floor or ceil(samples / images) times.

    Their order depends on the seed and on the number of the epoch only. Augmentation comes later.
    """

    part: PartArrays
    class_weights: Mapping[int, float]
    samples: int
    """An epoch's."""
    chunk: int
    """Samples that are handed out at once; the last of an epoch may be fewer."""
    seed: int

    def epoch(
        self, number: int
    ) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.float32]]]:
        """Yield the images (n, h, w, c), labels (n, 1) and weights (n,) of an epoch, from 0."""
        rng = np.random.default_rng(derive(self.seed, "epoch", number))
        order = balanced_indices(len(self.part.labels), self.samples, rng)
        weight = np.array([self.class_weights[k] for k in (0, 1)], np.float32)
        for start in range(0, self.samples, self.chunk):
            index = order[start : start + self.chunk]
            labels = self.part.labels[index]
            yield self.part.images[index], labels[:, None].astype(np.float32), weight[labels]
