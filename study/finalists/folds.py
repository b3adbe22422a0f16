"""The images that finalists are trained on and judged by: training and validation, in folds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from study.dataset.arrays import PartArrays, load_part
from study.dataset.draws import Draws, draw_fixed_set
from study.dataset.manifest import Manifest
from study.finalists.division import POOLED
from study.protocol import Protocol
from study.records import StudyRecord
from study.seeds import derive
from study.training.data import TrialData, assemble
from study.workspace import StudyFolder


@dataclass(frozen=True, kw_only=True)
class FoldData:
    """What one fold run is trained and stopped on, and the images that it is scored on."""

    trial: TrialData
    scored: PartArrays
    places: NDArray[np.int64]
    """(n,), where the scored images stand among all pooled ones."""


def load_pool(folder: StudyFolder, record: StudyRecord) -> PartArrays:
    """Return the images of training and validation, n of them, in the order of their paths."""
    manifest, root = Manifest.read(folder.manifest), Path(record.dataset["source"])
    return load_part(manifest, root, POOLED, record.protocol)


def fold_data(
    pool: PartArrays, fold_of: NDArray[np.int64], fold: int, *, protocol: Protocol, seed: int
) -> FoldData:
    """Return what fold ``fold`` is trained, stopped and scored on.

    The next fold (cyclic) stops the training and the others train, so that the images that score
    have chosen neither the weights nor the epoch. ``fold_of`` is (n,), see ``division``.
    """
    folds = int(fold_of.max()) + 1
    stops = (fold + 1) % folds
    train = subset(pool, np.flatnonzero((fold_of != fold) & (fold_of != stops)))
    validation = subset(pool, np.flatnonzero(fold_of == stops))
    places = np.flatnonzero(fold_of == fold)
    return FoldData(
        trial=assemble(
            train=train,
            validation=validation,
            draws={
                part: fixed_set(arrays, protocol, seed=derive(seed, part))
                for part, arrays in (("train", train), ("validation", validation))
            },
        ),
        scored=subset(pool, places),
        places=places,
    )


def fixed_set(part: PartArrays, protocol: Protocol, *, seed: int) -> Draws:
    """Draw a fixed augmented set of a part, as large as those of the search.

    It holds every image: a class must not be missing in a fold, whatever the protocol's number.
    """
    return draw_fixed_set(
        images=len(part.labels),
        samples=max(protocol.validation_samples, len(part.labels)),
        augmentation=protocol.augmentation,
        seed=seed,
    )


def subset(part: PartArrays, places: NDArray[np.int64]) -> PartArrays:
    """Return some images of a part, their groups numbered anew."""
    known, groups = np.unique(part.groups[places], return_inverse=True)
    return replace(
        part,
        images=part.images[places],
        labels=part.labels[places],
        groups=groups.astype(np.int64),
        group_names=tuple(part.group_names[k] for k in known),
        paths=tuple(part.paths[k] for k in places),
    )
