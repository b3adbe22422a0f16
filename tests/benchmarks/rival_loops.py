"""What users write who have Optuna or keras-tuner instead of this program.

Each follows the tool's own Keras example, on the study's images, space and protocol: 10,000
augmented samples an epoch by Keras' layers, the study's fixed augmented validation set, balanced
class weights, early stopping and checkpoint on validation F_med. Neither gets the two reference
networks that a study begins with. A search ends when its time does, in the middle of a trial.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import keras_tuner
import numpy as np
import optuna
import tensorflow as tf

from study.ledger import Ledger
from study.model.capacity import capacity
from study.search.worker import load_data
from study.space import find_space
from study.training.data import TrialData, class_weights
from study.variant import REFERENCE
from study.workspace import StudyFolder
from tests.benchmarks.turns import Turn

BEST = "best.keras"


class TimeIsUp(BaseException):
    """Not an ``Exception``: nothing that runs trials shall take it for a failed one."""


@keras.saving.register_keras_serializable(package="benchmarks")
class FMed(keras.metrics.Metric):
    """F_med of all batches of an epoch together."""

    def __init__(self, name: str = "f_med", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.right = self.add_weight(shape=(2,), initializer="zeros", name="right")
        self.all = self.add_weight(shape=(2,), initializer="zeros", name="all")

    def update_state(
        self,
        truth: Any,
        chance: Any,
        sample_weight: Any = None,  # noqa: ARG002
    ) -> None:
        truth = keras.ops.reshape(keras.ops.cast(truth, "float32"), (-1, 1))
        called = keras.ops.cast(keras.ops.reshape(chance, (-1, 1)) >= 0.5, "float32")
        classes = keras.ops.concatenate([1 - truth, truth], axis=1)
        hits = classes * keras.ops.cast(keras.ops.equal(called, truth), "float32")
        self.right.assign_add(keras.ops.sum(hits, axis=0))
        self.all.assign_add(keras.ops.sum(classes, axis=0))

    def result(self) -> Any:
        recalls = self.right / keras.ops.maximum(self.all, 1)
        return 2 * keras.ops.prod(recalls) / keras.ops.maximum(keras.ops.sum(recalls), 1e-7)


class Watch(keras.callbacks.Callback):
    """Count the epochs, report them, and end it all when the time is up."""

    def __init__(self, deadline: float) -> None:
        super().__init__()
        self.deadline, self.epochs = deadline, 0
        self.trial: optuna.Trial | None = None
        self.pruned = False

    def __deepcopy__(self, _memo: Any) -> Watch:
        return self  # keras-tuner copies callbacks for every trial

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002
        if time.perf_counter() > self.deadline:
            raise TimeIsUp

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.epochs += 1
        if self.trial is not None:
            self.trial.report(logs["val_f_med"], epoch)
            if self.trial.should_prune():
                self.pruned = self.model.stop_training = True


class Task:
    """The study's data and protocol, as its rivals use them."""

    def __init__(self, folder: StudyFolder) -> None:
        ledger = Ledger.open(folder.path)
        record = ledger.read()
        ledger.close()
        self.protocol = record.protocol
        self.data: TrialData = load_data(folder, record)
        validation = self.data.sets[1]
        self.validation = (np.asarray(validation.images, np.float32), validation.labels[:, None])
        self.space = find_space("seed")
        ratio = self.space.max_macs_ratio or np.inf
        self.limit = ratio * capacity(REFERENCE, self.protocol.image_shape).macs

    def too_large(self, values: Mapping[str, Any]) -> bool:
        return capacity(self.space.variant(values), self.protocol.image_shape).macs > self.limit

    def build(self, values: Mapping[str, Any]) -> Any:
        """Return the compiled network."""
        layers = [
            keras.Input(self.protocol.image_shape),
            keras.layers.RandomFlip(),
            keras.layers.RandomRotation(40 / 360, fill_mode="nearest"),
            keras.layers.RandomTranslation(0.2, 0.2, fill_mode="nearest"),
            keras.layers.RandomZoom((-0.2, 0.2), (-0.2, 0.2), fill_mode="nearest"),
            keras.layers.Rescaling(1 / 255),
        ]
        filters, size = values["filters"], values["filter_size"]
        for _ in range(3):
            layers += [
                keras.layers.Conv2D(filters, size, padding="same", activation="relu"),
                keras.layers.MaxPooling2D(),
            ]
        layers.append(keras.layers.Flatten())
        for _ in range(2):
            layers += [
                keras.layers.Dense(values["dense_width"], activation="relu"),
                keras.layers.Dropout(values["dropout"]),
            ]
        model = keras.Sequential([*layers, keras.layers.Dense(1, activation="sigmoid")])
        rate = values["learning_rate"]
        if values["optimizer"] == "adam":
            optimizer = keras.optimizers.Adam(rate)
        else:
            optimizer = keras.optimizers.SGD(rate, momentum=0.9, nesterov=True)
        model.compile(optimizer, "binary_crossentropy", metrics=[FMed()])
        return model

    def fit(self, model: Any, values: Mapping[str, Any], **arguments: Any) -> Any:
        """Train the network; ``arguments`` are those of ``fit``. Return its history."""
        part, batch = self.data.train, values["batch_size"]
        samples = (part.images.astype(np.float32), part.labels[:, None].astype(np.float32))
        dataset = tf.data.Dataset.from_tensor_slices(samples).shuffle(len(part.labels)).repeat()
        patience = values["patience"]
        stopping = keras.callbacks.EarlyStopping("val_f_med", mode="max", patience=patience)
        callbacks = [*arguments.pop("callbacks"), stopping]
        return model.fit(
            dataset.batch(batch).prefetch(tf.data.AUTOTUNE),
            steps_per_epoch=-(-self.protocol.samples_per_epoch // batch),
            validation_data=self.validation,
            class_weight=class_weights(part.labels, self.protocol),
            callbacks=callbacks,
            **arguments,
        )


def plain_optuna(turn: Turn, path: Path, out: Path, seconds: float, _most_epochs: int) -> None:
    """Optuna's Keras example: TPE, median pruner, one process, SQLite."""
    task, watch = Task(StudyFolder(path)), Watch(turn.began + seconds)
    out.mkdir()

    def objective(trial: optuna.Trial) -> float:
        keras.backend.clear_session()
        values = _suggest(task, trial.suggest_int, trial.suggest_float, trial.suggest_categorical)
        if task.too_large(values):
            raise optuna.TrialPruned
        file = out / f"{trial.number}.keras"
        best = keras.callbacks.ModelCheckpoint(file, "val_f_med", mode="max", save_best_only=True)
        watch.trial, watch.pruned = trial, False
        budget = {"epochs": task.protocol.epochs, "verbose": 0}
        history = task.fit(task.build(values), values, callbacks=[watch, best], **budget)
        if watch.pruned:
            raise optuna.TrialPruned
        return float(max(history.history["val_f_med"]))

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    search = optuna.create_study(
        storage=f"sqlite:///{out / 'optuna.db'}",
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=0),
        pruner=optuna.pruners.MedianPruner(),
    )
    try:
        search.optimize(objective)
    except TimeIsUp:
        ended = [t for t in search.trials if t.state.is_finished() and t.intermediate_values]
        complete = [t for t in ended if t.state == optuna.trial.TrialState.COMPLETE]
        if complete:
            (out / f"{search.best_trial.number}.keras").rename(out / BEST)
        turn(trials=len(ended), complete=len(complete), epochs=watch.epochs)


def tuner_hyperband(turn: Turn, path: Path, out: Path, seconds: float, most_epochs: int) -> None:
    """keras-tuner's Hyperband; batch size and patience are searched in ``HyperModel.fit``."""
    task, watch = Task(StudyFolder(path)), Watch(turn.began + seconds)

    class Model(keras_tuner.HyperModel):  # type: ignore[misc]
        def values(self, hp: Any) -> dict[str, Any]:
            def real(name: str, low: float, high: float, *, log: bool) -> float:
                return float(hp.Float(name, low, high, sampling="log" if log else "linear"))

            def whole(name: str, low: float, high: float, *, log: bool) -> int:
                return int(hp.Int(name, low, high, sampling="log" if log else "linear"))

            values = _suggest(task, whole, real, hp.Choice)
            while task.too_large(values):  # a failed trial is no way out: the tuner gives up
                values["filters"] -= 1
            return values

        def build(self, hp: Any) -> Any:
            return task.build(self.values(hp))

        def fit(self, hp: Any, model: Any, *_: Any, **arguments: Any) -> Any:
            return task.fit(model, self.values(hp), **arguments)

    class Hyperband(keras_tuner.Hyperband):  # type: ignore[misc]
        def _configure_tensorboard_dir(self, *_: Any) -> None:
            pass  # would import tensorboard, which TensorFlow no longer brings

    tuner = Hyperband(
        Model(),
        objective=keras_tuner.Objective("val_f_med", "max"),
        max_epochs=most_epochs,
        hyperband_iterations=1_000,
        seed=0,
        directory=out,
        project_name="hyperband",
    )
    try:
        tuner.search(callbacks=[watch], verbose=0)
    except TimeIsUp:
        ended = [t for t in tuner.oracle.trials.values() if t.status == "COMPLETED"]
        if ended:
            best = max(ended, key=lambda trial: trial.score)
            tuner.load_model(best).save(out / BEST)
        turn(trials=len(ended), complete=len(ended), epochs=watch.epochs)


def _suggest(task: Task, whole: Any, real: Any, choice: Any) -> dict[str, Any]:
    """Ask one of the tools for a value of every parameter of the space."""
    ask = {
        "choice": lambda item: choice(item.name, list(item.choices)),
        "int": lambda item: whole(item.name, item.low, item.high, log=item.log),
        "float": lambda item: real(item.name, item.low, item.high, log=item.log),
    }
    return {item.name: ask[item.type](item) for item in task.space.parameters}
