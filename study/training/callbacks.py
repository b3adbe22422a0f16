"""What happens after every epoch: judge the network, write the history, tell the ledger."""

from __future__ import annotations

import csv
import io
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from study import metrics
from study.files import write_text
from study.model.capacity import EVALUATION_BATCH
from study.records import HISTORY_COLUMNS
from study.training.data import EvaluationSet

SCORE_DIGITS = 6
"""Decimals of a validation F_med that count when epochs are compared."""


class Evaluation(keras.callbacks.Callback):  # type: ignore[misc]
    """Judge the network on fixed sets and put ``val_f_med`` into the epoch's logs.

    It has to come first in the list of callbacks: those after it read what it adds. Scores are
    computed from the counts of the whole set, in inference mode.
    """

    def __init__(
        self,
        sets: Sequence[EvaluationSet],
        *,
        history: Path,
        on_epoch: Callable[[int, float], bool],
        dead_after: int,
    ) -> None:
        super().__init__()
        self.rows: list[dict[str, float]] = []
        self.correct: dict[str, list[NDArray[np.int32]]] = {item.name: [] for item in sets}
        self.best_probability: dict[str, NDArray[np.float64]] = {}
        self.best_epoch = 0
        """From 1; the first of the epochs with the highest validation F_med."""
        self.diverged: str | None = None
        """What stopped being a number, and when."""
        self.pruned = False
        self.dead = False
        """Train F_med was 0 in all epochs up to ``dead_after``."""
        self._dead_after = dead_after
        self._sets = sets
        self._history, self._on_epoch = history, on_epoch
        self._inputs = {item.name: ops.convert_to_tensor(item.images, "float32") for item in sets}
        self._best_score = 0.0
        self._started = time.monotonic()

    def on_train_batch_end(self, _batch: int, logs: dict[str, Any] | None = None) -> None:
        """Stop as soon as the loss is not a number: it never becomes one again."""
        if not math.isfinite((logs or {}).get("loss", 0.0)):
            self._diverge(f"the loss is not a number in epoch {len(self.rows) + 1}")

    def _diverge(self, what: str) -> None:
        self.diverged = self.diverged or what
        self.model.stop_training = True

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Evaluate the network after an epoch (counted from 0)."""
        if self.diverged:
            return
        if not all(np.isfinite(weight).all() for weight in self.model.get_weights()):
            # The loss may not show it: the maximum that pooling takes is of the numbers only.
            self._diverge(f"a weight is not a number after epoch {epoch + 1}")
            return
        row: dict[str, float] = {"epoch": epoch + 1}
        probability = {}
        for item in self._sets:
            chance = predict(self.model, self._inputs[item.name])
            probability[item.name] = chance
            scores = metrics.binary_scores(item.labels, chance)
            row.update({f"{item.name}_{name}": value for name, value in scores.items()})
            self.correct[item.name].append(item.correct(chance, metrics.THRESHOLD))
        row["seconds"] = round(time.monotonic() - self._started, 3)
        if not all(np.isfinite(chance).all() for chance in probability.values()):
            self._diverge(f"the network's output is not a number after epoch {epoch + 1}")
            return
        # All who compare scores see the same one: Keras compares in single precision.
        score = round(row["validation_f_med"], SCORE_DIGITS)
        if not self.rows or score > self._best_score:
            self.best_epoch, self.best_probability = epoch + 1, probability
            self._best_score = score
        self.rows.append(row)
        if logs is not None:
            logs["val_f_med"] = score
        write_history(self._history, self.rows)
        self.pruned = self._on_epoch(epoch + 1, score)
        self.dead = epoch + 1 >= self._dead_after and not self.column("train_f_med").any()
        if self.pruned or self.dead:
            self.model.stop_training = True

    def column(self, name: str) -> NDArray[np.float64]:
        """Return one column of the history, (epochs,)."""
        return np.array([row[name] for row in self.rows], dtype=np.float64)


def predict(network: Any, images: Any) -> NDArray[np.float64]:
    """Return the probability of the positive class of each image, (n,), in inference mode."""
    batches = [
        network.predict_on_batch(images[start : start + EVALUATION_BATCH])
        for start in range(0, len(images), EVALUATION_BATCH)
    ]
    return np.concatenate(batches)[:, 0].astype(np.float64)


def write_history(path: Path, rows: Sequence[dict[str, float]]) -> None:
    """Write the history as CSV, six significant digits, a row an epoch."""
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(HISTORY_COLUMNS)
    for row in rows:
        writer.writerow(_short(row.get(name, math.nan)) for name in HISTORY_COLUMNS)
    write_text(path, table.getvalue())


def _short(value: float) -> str:
    return f"{value:.6g}"
