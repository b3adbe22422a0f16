"""Difficulty of the phantom: classical figures, and the reference network on 400 and 35 lesions."""

from __future__ import annotations

import sys
import tempfile
import time
from argparse import ArgumentParser, Namespace
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from study.dataset.arrays import PartArrays
from study.dataset.phantom.drawing import MALIGNANT, draw_lesions, generate
from study.protocol import Protocol
from study.variant import REFERENCE
from tests.benchmarks.result import Figure, Result

JUDGE_LESIONS, JUDGE_SEED = 400, 77
FRAMES = 5


@dataclass(frozen=True, kw_only=True)
class Size:
    """How many lesions the network learns from, and the F_med that is expected of it."""

    training: int
    low: float
    high: float

    @property
    def lesions(self) -> int:
        """Lesions drawn: training and validation, 7 to 2."""
        return round(self.training * 9 / 7)


LARGE = Size(training=400, low=0.70, high=0.85)
SMALL = Size(training=35, low=0.55, high=0.75)


def add_options(parser: ArgumentParser) -> None:
    parser.add_argument("--large-runs", type=int, default=3, help="draws of 400 training lesions")
    parser.add_argument("--small-runs", type=int, default=5, help="draws of 35 training lesions")
    parser.add_argument("--epochs", type=int, default=60, help="most epochs of a run")
    parser.add_argument("--patience", type=int, default=15, help="epochs without a better one")
    parser.add_argument("--samples-per-epoch", type=int, default=5000, help="augmented samples")
    parser.add_argument("--threads", type=int, default=2, help="threads of the training")


def run(options: Namespace) -> Result:
    from study.model.backend import start_backend

    start_backend(options.threads)
    judge = drawn(lesions=JUDGE_LESIONS, frames=1, seed=JUDGE_SEED)
    default = drawn(lesions=50, frames=FRAMES, seed=0)
    figures = [*_support_vectors(default), _forest()]
    details: dict[str, Any] = {}
    for size, runs in ((LARGE, options.large_runs), (SMALL, options.small_runs)):
        found = [_train(size, seed, judge, options) for seed in range(runs)]
        details[f"{size.training} lesions"] = found
        if found:
            figures.append(
                Figure(
                    name=f"reference network, {size.training} training lesions, "
                    f"median of {runs} draws",
                    value=median(item["f_med"] for item in found),
                    low=size.low,
                    high=size.high,
                )
            )
            figures += [
                Figure(name=f"- draw {item['seed']}", value=item["f_med"]) for item in found
            ]
    return Result(figures=tuple(figures), details=details)


def drawn(*, lesions: int, frames: int, seed: int) -> PartArrays:
    """Draw a phantom at the protocol's size, its lesions as groups."""
    from PIL import Image

    from study.dataset.images import fit_image

    protocol = Protocol()
    width, height = protocol.image_width, protocol.image_height
    images, labels, names = [], [], []
    for item in generate(lesions=lesions, frames=frames, seed=seed):
        images.append(fit_image(Image.fromarray(item.pixels), width=width, height=height))
        labels.append(item.lesion.label == MALIGNANT)
        names.append(item.lesion.name)
    return PartArrays(
        images=np.stack(images),
        labels=np.array(labels, dtype=np.int64),
        groups=np.repeat(np.arange(lesions), frames),
        group_names=tuple(dict.fromkeys(names)),
        paths=tuple(f"{name}/{k % frames}" for k, name in enumerate(names)),
    )


def _support_vectors(images: PartArrays) -> list[Figure]:
    from study.dataset.audit.baselines import cross_validated_f_med

    pixels = images.images.reshape(len(images.labels), -1).astype(np.float64)
    apart = cross_validated_f_med(pixels, images.labels, None)
    together = cross_validated_f_med(pixels, images.labels, images.groups)
    assert apart is not None
    assert together is not None
    return [
        Figure(name="SVM on pixels, 50 lesions, random folds", value=apart, low=0.95),
        Figure(name="SVM on pixels, 50 lesions, grouped folds", value=together),
    ]


def _forest() -> Figure:
    """A random forest on the true descriptors of 2,000 lesions: what can be known at all."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    from study.metrics import binary_scores

    lesions = draw_lesions(lesions=2000, seed=0)
    truth = np.array([item.label == MALIGNANT for item in lesions], dtype=np.int64)
    words = np.array([[x.shape, x.margin, x.posterior, str(x.taller_than_wide)] for x in lesions])
    features = np.concatenate([c[:, None] == np.unique(c) for c in words.T], axis=1)
    forest = RandomForestClassifier(100, class_weight="balanced", random_state=0)
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    said = cross_val_predict(forest, features, truth, cv=folds)
    return Figure(
        name="random forest on the true descriptors, 2,000 lesions",
        value=binary_scores(truth, said)["f_med"],
        low=0.82,
        high=0.88,
    )


def _train(size: Size, seed: int, judge: PartArrays, options: Namespace) -> dict[str, Any]:
    """Draw lesions, train the reference network on them and judge it on lesions of another draw."""
    from study.dataset.draws import draw_fixed_set
    from study.metrics import binary_scores
    from study.model.load import load_network
    from study.training.callbacks import predict
    from study.training.data import assemble
    from study.training.loop import train

    protocol = Protocol(epochs=options.epochs, samples_per_epoch=options.samples_per_epoch)
    parts = _divided(drawn(lesions=size.lesions, frames=FRAMES, seed=1000 + seed), seed)
    draws = {
        name: draw_fixed_set(
            images=len(part.labels),
            samples=protocol.validation_samples,
            augmentation=protocol.augmentation,
            seed=seed,
        )
        for name, part in parts.items()
    }
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        result = train(
            replace(REFERENCE, patience=options.patience),
            protocol=protocol,
            data=assemble(train=parts["train"], validation=parts["validation"], draws=draws),
            seed=seed,
            folder=Path(scratch),
            on_epoch=lambda _epoch, _score: None,
        )
        network = load_network(Path(scratch) / "model.keras")
        scores = binary_scores(judge.labels, predict(network, judge.images.astype(np.float32)))
    found = {
        "seed": seed,
        "lesions": {name: len(part.group_names) for name, part in parts.items()},
        **{name: scores[name] for name in ("f_med", "sensitivity", "specificity")},
        "validation_f_med": result.scores["validation_f_med"],
        "validation_plain_f_med": result.scores["validation_plain_f_med"],
        "best_epoch": result.best_epoch,
        "epochs": result.epochs,
        "stopped_by": result.stopped_by,
        "seconds": round(time.monotonic() - started),
    }
    print(f"{size.training} lesions: {found}", file=sys.stderr, flush=True)
    return found


def _divided(whole: PartArrays, seed: int) -> dict[str, PartArrays]:
    from study.dataset.split import split_grouped

    labels, groups = ([str(k) for k in values] for values in (whole.labels, whole.groups))
    part = np.array(split_grouped(labels, groups, ratio=(70, 20, 0), seed=seed))
    return {name: _taken(whole, np.flatnonzero(part == name)) for name in ("train", "validation")}


def _taken(whole: PartArrays, rows: NDArray[np.intp]) -> PartArrays:
    held, number = np.unique(whole.groups[rows], return_inverse=True)
    return PartArrays(
        images=whole.images[rows],
        labels=whole.labels[rows],
        groups=number.astype(np.int64),
        group_names=tuple(whole.group_names[k] for k in held),
        paths=tuple(whole.paths[k] for k in rows),
    )
