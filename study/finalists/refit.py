"""The winner's final network: trained on training and validation, for a number of epochs."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from study import metrics
from study.dataset.arrays import PartArrays
from study.dataset.draws import Draws
from study.errors import DivergedError
from study.files import replacing
from study.model.augmentation import render
from study.protocol import Protocol
from study.training.callbacks import SCORE_DIGITS, predict
from study.training.loop import untrained
from study.variant import Variant


class _Watch(keras.callbacks.Callback):  # type: ignore[misc]
    """Judges the network on the probe after every epoch, and stops it when it diverges."""

    def __init__(self, probe: Any, labels: Any, on_epoch: Callable[[int, float], bool]) -> None:
        super().__init__()
        self.score, self.diverged = 0.0, False
        self._probe, self._labels, self._on_epoch = probe, labels, on_epoch

    def on_train_batch_end(self, _batch: int, logs: dict[str, Any] | None = None) -> None:
        """Stop as soon as the loss is not a number."""
        if not math.isfinite((logs or {}).get("loss", 0.0)):
            self.diverged = self.model.stop_training = True

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002
        """Report the F_med on the probe."""
        if self.diverged:
            return
        chance = predict(self.model, self._probe)
        if not np.isfinite(chance).all():
            self.diverged = self.model.stop_training = True
            return
        scores = metrics.binary_scores(self._labels, chance)
        self.score = round(scores["f_med"], SCORE_DIGITS)
        self._on_epoch(epoch + 1, self.score)


def refit(
    variant: Variant,
    *,
    protocol: Protocol,
    part: PartArrays,
    probe: Draws,
    seed: int,
    folder: Path,
    on_epoch: Callable[[int, float], bool],
) -> float:
    """Train a variant for all of ``protocol.epochs`` and write ``model.keras`` into ``folder``.

    Nothing stops it early, because no image is left to tell when. Returns the F_med of the last
    epoch's network on ``probe``, a fixed augmented set of ``part``, which ``on_epoch`` gets after
    every epoch, too.

    Raises ``DivergedError`` when the loss or the output is no number.
    """
    folder.mkdir(parents=True, exist_ok=True)
    network, model, samples = untrained(variant, protocol=protocol, part=part, seed=seed)
    watch = _Watch(render(part.images, probe), part.labels[probe.index], on_epoch)
    model.train(samples, epochs=protocol.epochs, callbacks=[watch])
    if watch.diverged:
        raise DivergedError(
            f"the network's numbers ran away; learning rate {variant.learning_rate:.3g} is "
            "probably too high"
        )
    with replacing(folder / "model.keras") as scratch:
        network.save(scratch)
    return watch.score
