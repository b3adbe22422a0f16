"""One trial: a variant trained with the full loop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from study.dataset.arrays import PartArrays
from study.errors import DivergedError
from study.files import replacing
from study.model.augmentation import RandomTransform
from study.model.network import build_network, build_optimizer
from study.model.parts import batch_parts
from study.model.training_graph import training_layers
from study.protocol import Protocol
from study.records import SCORES, VIEWS
from study.seeds import derive
from study.training.callbacks import Evaluation
from study.training.data import EpochSamples, TrialData, class_weights
from study.training.diagnosis import diagnose, smooth_best
from study.training.step import TrainingModel, samples_per_call
from study.variant import Variant

DEAD_SAMPLES = 200_000
"""Training samples by which a network that learns at all recognises some of both classes; SGD
starts slowly."""


@dataclass(frozen=True, kw_only=True)
class TrialResult:
    """What one trial came to; every figure is that of the best epoch."""

    best_epoch: int
    """From 1."""
    epochs: int
    stopped_by: str
    """``patience``, ``epochs`` (the limit), ``pruned``, or ``dead``: train F_med was still 0 after
    ``DEAD_SAMPLES``."""
    scores: dict[str, float]
    """Keyed like the history's columns, ``validation_f_med`` and so on."""
    validation_f_med_smooth: float
    diagnosis: dict[str, Any]


def train(
    variant: Variant,
    *,
    protocol: Protocol,
    data: TrialData,
    seed: int,
    folder: Path,
    on_epoch: Callable[[int, float], bool],
) -> TrialResult:
    """Train a variant until its patience or the epochs end, and return what it came to.

    ``folder`` receives ``history.csv`` (after every epoch), ``validation_predictions.npz``,
    ``validation_counts.npz`` and, unless the trial is pruned, ``model.keras`` (best epoch).
    ``on_epoch`` is called with the epoch, from 1, and its validation F_med, and returns whether
    the trial is to be pruned.

    Raises ``DivergedError`` within ``STEPS_PER_CALL`` steps of the loss being no number.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for left in (path for path in folder.iterdir() if path.is_file()):
        left.unlink()  # of an attempt that was interrupted
    network, model, samples = untrained(variant, protocol=protocol, part=data.train, seed=seed)
    evaluation = Evaluation(
        data.sets,
        history=folder / "history.csv",
        on_epoch=on_epoch,
        dead_after=-(-DEAD_SAMPLES // protocol.samples_per_epoch),
    )
    checkpoint = folder / ".best.weights.h5"
    stopping = keras.callbacks.EarlyStopping("val_f_med", mode="max", patience=variant.patience)
    saving = keras.callbacks.ModelCheckpoint(
        checkpoint, "val_f_med", mode="max", save_best_only=True, save_weights_only=True
    )
    try:
        model.train(samples, epochs=protocol.epochs, callbacks=[evaluation, stopping, saving])
        if evaluation.diverged:
            raise DivergedError(
                f"{evaluation.diverged}; learning rate {variant.learning_rate:.3g} is probably "
                "too high"
            )
        model.load_weights(checkpoint)
    finally:
        checkpoint.unlink(missing_ok=True)
    stopped_by = _stopped_by(evaluation, stopping.stopped_epoch > 0, protocol)
    _write_artifacts(folder, evaluation, data)
    if stopped_by == "pruned":
        (folder / "model.keras").unlink(missing_ok=True)
    else:
        with replacing(folder / "model.keras") as scratch:
            network.save(scratch)
    return _result(evaluation, data, protocol, seed, stopped_by)


def untrained(
    variant: Variant, *, protocol: Protocol, part: PartArrays, seed: int
) -> tuple[Any, TrainingModel, EpochSamples]:
    """Return a variant's network, what trains it, and the samples that it is trained on.

    Whatever Keras kept of earlier networks in this process is dropped.
    """
    keras.utils.clear_session()
    keras.utils.set_random_seed(derive(seed, "weights"))
    network, parts = build_network(variant, protocol.image_shape), batch_parts()
    model = TrainingModel(
        [keras.Input(protocol.image_shape), *training_layers(network, parts)],
        augment=RandomTransform(
            protocol.augmentation, seed=derive(seed, "augmentation"), parts=parts
        ),
        batch_size=variant.batch_size,
        optimizer=build_optimizer(variant),
    )
    samples = EpochSamples(
        part=part,
        class_weights=class_weights(part.labels, protocol),
        samples=protocol.samples_per_epoch,
        chunk=samples_per_call(variant.batch_size, protocol.image_shape),
        seed=derive(seed, "samples"),
    )
    return network, model, samples


def _stopped_by(evaluation: Evaluation, out_of_patience: bool, protocol: Protocol) -> str:
    """Return what ended the trial; its own end counts before the pruner's in the same epoch."""
    if out_of_patience:
        return "patience"
    if len(evaluation.rows) >= protocol.epochs:
        return "epochs"
    return "dead" if evaluation.dead else "pruned"


def _write_artifacts(folder: Path, evaluation: Evaluation, data: TrialData) -> None:
    with replacing(folder / "validation_predictions.npz") as scratch:
        np.savez_compressed(
            scratch,
            probability=evaluation.best_probability["validation_plain"],
            label=data.validation.labels,
            group=data.validation.groups,
        )
    augmented, plain = data.sets[1], data.sets[2]
    with replacing(folder / "validation_counts.npz") as scratch:
        np.savez_compressed(
            scratch,
            augmented=np.stack(evaluation.correct[augmented.name]),
            plain=np.stack(evaluation.correct[plain.name]),
            augmented_total=np.bincount(augmented.rows, minlength=len(augmented.row_labels)),
            plain_total=np.bincount(plain.rows, minlength=len(plain.row_labels)),
            label=plain.row_labels,
        )


def _result(
    evaluation: Evaluation, data: TrialData, protocol: Protocol, seed: int, stopped_by: str
) -> TrialResult:
    best = evaluation.best_epoch - 1
    probe, augmented = data.sets[0], data.sets[1]
    row = evaluation.rows[best]
    return TrialResult(
        best_epoch=best + 1,
        epochs=len(evaluation.rows),
        stopped_by=stopped_by,
        scores={f"{view}_{score}": row[f"{view}_{score}"] for view in VIEWS for score in SCORES},
        validation_f_med_smooth=smooth_best(evaluation.column("validation_f_med"), best),
        diagnosis=diagnose(
            train_f_med=evaluation.column("train_f_med"),
            train_loss=evaluation.column("train_loss"),
            validation_loss=evaluation.column("validation_loss"),
            best=best,
            train=probe.counts(evaluation.correct[probe.name][best]),
            validation=augmented.counts(evaluation.correct[augmented.name][best]),
            seed=derive(seed, "diagnosis"),
            target=protocol.target_f_med,
            cut=stopped_by == "epochs",
        ),
    )
