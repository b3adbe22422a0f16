"""Examples of the training part: a few images of each class, before and after augmentation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from study.dataset.arrays import PartArrays
from study.dataset.draws import Draws, draw_fixed_set
from study.files import replacing
from study.model.augmentation import render
from study.protocol import Augmentation
from study.seeds import derive

IMAGES_PER_CLASS = 4

AUGMENTED = 3
"""Augmented versions of each image."""


def write_examples(path: Path, part: PartArrays, augmentation: Augmentation, *, seed: int) -> None:
    """Write ``examples.npz``: m images of the training part, and what augmentation makes of them.

    Arrays: ``label`` (m,), 1 is the positive class; ``path`` and ``group`` (m,), text; ``image``
    (m, h, w, c) and ``augmented`` (m, 3, h, w, c), grey levels 0..255 as uint8. The negative class
    comes first. ``seed`` is the study's. The transforms are drawn for the page: no trial is
    trained or judged on these very pictures.
    """
    chosen = choose(part, seed=seed)
    images = part.images[chosen]
    drawn = draw_fixed_set(
        images=len(chosen),
        samples=AUGMENTED * len(chosen),
        augmentation=augmentation,
        seed=derive(seed, "examples", "transforms"),
    )
    order = np.argsort(drawn.index, kind="stable")
    rendered = render(images, Draws(index=drawn.index[order], transforms=drawn.transforms[order]))
    levels = np.rint(rendered).clip(0, 255).astype(np.uint8)
    with replacing(path) as scratch:
        np.savez_compressed(
            scratch,
            label=part.labels[chosen],
            path=np.array([part.paths[k] for k in chosen], dtype=str),
            group=np.array([part.group_names[part.groups[k]] for k in chosen], dtype=str),
            image=images,
            augmented=levels.reshape(len(chosen), AUGMENTED, *images.shape[1:]),
        )


def choose(part: PartArrays, *, seed: int) -> NDArray[np.int64]:
    """Return the rows of ``IMAGES_PER_CLASS`` images a class, each class's of different groups.

    A class with fewer groups gives one image of each. The negative class comes first.
    """
    rng = np.random.default_rng(derive(seed, "examples"))
    chosen = []
    for label in (0, 1):
        order = rng.permutation(np.flatnonzero(part.labels == label))
        _, first = np.unique(part.groups[order], return_index=True)  # a place in ``order`` a group
        chosen.append(np.sort(order[np.sort(first)[:IMAGES_PER_CLASS]]))
    return np.concatenate(chosen)
