"""One trial trained for real on a tiny set: what it writes and what it returns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from study import metrics
from study.dataset.manifest import Manifest
from study.model.load import load_network
from study.protocol import Augmentation, Protocol
from study.records import HISTORY_COLUMNS, SCORES, VIEWS
from study.training import loop
from study.training.callbacks import predict
from study.training.data import TrialData
from study.variant import Variant
from study.workspace import StudyFolder

# Keras' own code calls NumPy in a way that NumPy 2 warns of.
pytestmark = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")

BIASED = Variant(filters=1, blocks=1, dense_layers=0, learning_rate=0.05, patience=100)
Run = Callable[..., Any]


def test_a_trial_gets_no_test_image(prepared: tuple[StudyFolder, TrialData]) -> None:
    folder, data = prepared
    rows = Manifest.read(folder.manifest).rows
    paths = {part: {row.path for row in rows if row.part == part} for part in ("train", "test")}
    assert paths["test"]
    assert set(data.train.paths) == paths["train"]
    assert not paths["test"] & {*data.train.paths, *data.validation.paths}
    assert [item.name for item in data.sets] == list(VIEWS)


def test_the_history_has_a_row_an_epoch(trained: Any) -> None:
    history = trained.history()
    assert tuple(history) == HISTORY_COLUMNS
    np.testing.assert_array_equal(history["epoch"], np.arange(1, 7))
    assert (np.diff(history["seconds"]) >= 0).all()
    assert np.isfinite(np.stack(list(history.values()))).all()
    assert [epoch for epoch, _ in trained.told] == list(range(1, 7))
    np.testing.assert_allclose(
        [score for _, score in trained.told], history["validation_f_med"], rtol=1e-5
    )


def test_the_best_epoch_is_the_first_with_the_highest_validation_f_med(trained: Any) -> None:
    history, result = trained.history(), trained.result
    assert result.best_epoch == 1 + int(np.argmax(history["validation_f_med"]))
    assert (result.epochs, result.stopped_by) == (6, "epochs")
    assert set(result.scores) == {f"{view}_{score}" for view in VIEWS for score in SCORES}
    for name, value in result.scores.items():
        assert value == pytest.approx(history[name][result.best_epoch - 1], rel=1e-5)


def test_the_network_learns_what_gives_the_class_away(trained: Any) -> None:
    assert trained.result.scores["validation_plain_f_med"] > 0.8


def test_the_stored_network_is_that_of_the_best_epoch(trained: Any) -> None:
    network = load_network(trained.folder / "model.keras")
    for item in trained.data.sets:
        scores = metrics.binary_scores(item.labels, predict(network, item.images))
        for name, value in scores.items():
            stored = trained.result.scores[f"{item.name}_{name}"]
            assert value == pytest.approx(stored, abs=1e-6), (item.name, name)


def test_only_whole_artifacts_are_left(trained: Any) -> None:
    assert sorted(path.name for path in trained.folder.iterdir()) == [
        "history.csv",
        "model.keras",
        "validation_counts.npz",
        "validation_predictions.npz",
    ]


def test_the_predictions_are_those_on_the_plain_images(trained: Any) -> None:
    part = trained.data.validation
    network = load_network(trained.folder / "model.keras")
    with np.load(trained.folder / "validation_predictions.npz") as stored:
        expected = network.predict(part.images.astype(np.float32), verbose=0)[:, 0]
        np.testing.assert_allclose(stored["probability"], expected, atol=1e-6)
        np.testing.assert_array_equal(stored["label"], part.labels)
        np.testing.assert_array_equal(stored["group"], part.groups)


@pytest.mark.parametrize(
    ("kind", "column"),
    [("augmented", "validation_f_med"), ("plain", "validation_plain_f_med")],
)
def test_the_counts_of_each_epoch_give_its_f_med(trained: Any, kind: str, column: str) -> None:
    with np.load(trained.folder / "validation_counts.npz") as stored:
        correct, total, label = stored[kind], stored[f"{kind}_total"], stored["label"]
    assert correct.shape == (6, len(label))
    assert (correct <= total).all()
    f_med = [
        metrics.f_med([row[label == k].sum() / total[label == k].sum() for k in (0, 1)])
        for row in correct
    ]
    np.testing.assert_allclose(f_med, trained.history()[column], rtol=1e-5)


def test_the_same_seed_gives_the_same_trial(
    trained: Any, tmp_path: Path, run: Run, small: Variant, six_epochs: Protocol
) -> None:
    again = run(small, six_epochs, trained.data, tmp_path / "again")
    other = run(small, replace(six_epochs, epochs=1), trained.data, tmp_path / "other", seed=4)
    first, second = trained.history(), again.history()
    for name in HISTORY_COLUMNS:
        if name != "seconds":
            np.testing.assert_array_equal(first[name], second[name], err_msg=name)
    assert again.result == trained.result
    assert other.history()["validation_loss"][0] != first["validation_loss"][0]


def test_all_agree_on_the_best_epoch(
    trained: Any,
    tiny: Protocol,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    run: Run,
    small: Variant,
) -> None:
    """A gain that single precision cannot tell counts for nobody; Keras compares with that."""
    original, calls = metrics.binary_scores, iter(range(10**6))

    def rising(labels: np.ndarray, chance: np.ndarray) -> dict[str, float]:
        return original(labels, chance) | {"f_med": 0.5 + 1e-10 * next(calls)}

    monkeypatch.setattr(metrics, "binary_scores", rising)
    patient = replace(small, patience=3)
    ended = run(patient, replace(tiny, epochs=9), trained.data, tmp_path)
    assert (ended.result.best_epoch, ended.result.epochs) == (1, 4)
    network = load_network(tmp_path / "model.keras")
    with np.load(tmp_path / "validation_predictions.npz") as stored:
        found = predict(network, trained.data.validation.images)
        np.testing.assert_allclose(stored["probability"], found, atol=1e-6)


def test_what_an_interrupted_attempt_left_is_gone_before_the_first_epoch(
    trained: Any, tiny: Protocol, tmp_path: Path, run: Run, small: Variant
) -> None:
    (tmp_path / "history.csv").write_text("epoch\n1\n")
    (tmp_path / ".best.weights.h5").write_text("torn")
    begun: list[bool] = []

    class Watched(loop.Evaluation):  # type: ignore[misc]
        def on_epoch_begin(self, *_: object) -> None:
            begun.append(any(tmp_path.iterdir()))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "Evaluation", Watched)
        run(small, replace(tiny, epochs=1), trained.data, tmp_path)
    assert begun == [False]


@pytest.mark.parametrize(("kind", "expected"), [("balanced", 0.5), ("none", 0.8)])
def test_class_weights_reach_the_loss(
    trained: Any, tiny: Protocol, tmp_path: Path, kind: str, expected: float, run: Run
) -> None:
    """Where images tell nothing, the network can only predict the (weighted) share of a class."""
    part = trained.data.train
    labels = (np.arange(len(part.labels)) % 5 > 0).astype(np.int64)
    grey = replace(part, images=np.full_like(part.images, 128), labels=labels)
    sets = tuple(replace(item, images=np.full_like(item.images, 128)) for item in trained.data.sets)
    data = replace(trained.data, train=grey, sets=sets)
    protocol = replace(
        tiny, epochs=15, samples_per_epoch=200, class_weights=kind, augmentation=Augmentation()
    )
    # The scores hardly differ between epochs, so the last weights are taken: none is ever better.
    chances: list[float] = []
    original = loop.Evaluation

    class Watched(original):  # type: ignore[misc, valid-type]
        def on_epoch_end(self, epoch, logs=None):
            super().on_epoch_end(epoch, logs)
            chances.append(float(self.model(sets[2].images[:1].astype(np.float32))[0, 0]))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "Evaluation", Watched)
        run(BIASED, protocol, data, tmp_path)
    assert np.mean(chances[-5:]) == pytest.approx(expected, abs=0.08)
