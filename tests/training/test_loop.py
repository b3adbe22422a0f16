"""One trial trained for real on a tiny set: what it writes, what it returns, when it ends."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import numpy as np
import pytest

from study import metrics
from study.dataset.manifest import Manifest
from study.dataset.sources.opening import open_source
from study.errors import DivergedError, TrialError
from study.model.load import load_network
from study.protocol import Augmentation, Protocol
from study.records import HISTORY_COLUMNS, SCORES, VIEWS
from study.search.setup import make_setup, open_study
from study.search.worker import load_data
from study.space import find_space
from study.training import loop
from study.training.callbacks import predict
from study.training.data import EpochSamples, TrialData, class_weights
from study.training.loop import TrialResult, train
from study.variant import Variant
from study.workspace import StudyFolder

# Keras' own code calls NumPy in a way that NumPy 2 warns of.
pytestmark = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")

SMALL = Variant(
    filters=8, blocks=2, dense_layers=1, dense_width=16, dropout=0.1, batch_size=16,
    learning_rate=0.005,
)  # fmt: skip
BIASED = Variant(filters=1, blocks=1, dense_layers=0, learning_rate=0.05, patience=100)


@dataclass(frozen=True, kw_only=True)
class Trained:
    """One trial: what came back, what was told on the way, and its folder."""

    result: TrialResult
    told: list[tuple[int, float]]
    folder: Path
    data: TrialData

    def history(self) -> dict[str, np.ndarray]:
        with (self.folder / "history.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        return {key: np.array([float(row[key]) for row in rows]) for key in rows[0]}


@pytest.fixture(scope="module")
def prepared(
    two_classes: Path, tiny: Protocol, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[StudyFolder, TrialData]]:
    """A study whose test images are gone from the disk, and the data that its trials get."""
    place = tmp_path_factory.mktemp("study")
    root = place / "blobs"
    shutil.copytree(two_classes, root)
    source = open_source(str(root), positive=None, cache=place)
    setup = make_setup(source, split=None, protocol=tiny, space=find_space("seed"), seed=1)
    folder, ledger = open_study(place / "runs", "it", setup, command="study run", requested=1)
    for row in setup.manifest.rows:
        if row.part == "test":
            (root / row.path).unlink()
    yield folder, load_data(folder, ledger.read())
    ledger.close()


def run(
    variant: Variant,
    protocol: Protocol,
    data: TrialData,
    folder: Path,
    seed: int = 3,
    prune_at: int | None = None,
) -> Trained:
    told: list[tuple[int, float]] = []

    def on_epoch(epoch: int, score: float) -> bool:
        told.append((epoch, score))
        return epoch == prune_at

    result = train(
        variant,
        protocol=protocol,
        data=data,
        seed=seed,
        folder=folder,
        on_epoch=on_epoch,
    )
    return Trained(result=result, told=told, folder=folder, data=data)


def six_epochs(tiny: Protocol) -> Protocol:
    return replace(tiny, epochs=6, samples_per_epoch=480)


@pytest.fixture(scope="module")
def trained(
    prepared: tuple[StudyFolder, TrialData],
    tiny: Protocol,
    tmp_path_factory: pytest.TempPathFactory,
) -> Trained:
    """Six epochs of a small network."""
    folder = tmp_path_factory.mktemp("trial")
    return run(SMALL, six_epochs(tiny), prepared[1], folder)


def test_a_trial_gets_no_test_image(prepared: tuple[StudyFolder, TrialData]) -> None:
    folder, data = prepared
    rows = Manifest.read(folder.manifest).rows
    paths = {part: {row.path for row in rows if row.part == part} for part in ("train", "test")}
    assert paths["test"]
    assert set(data.train.paths) == paths["train"]
    assert not paths["test"] & {*data.train.paths, *data.validation.paths}
    assert [item.name for item in data.sets] == list(VIEWS)


def test_the_history_has_a_row_an_epoch(trained: Trained) -> None:
    history = trained.history()
    assert tuple(history) == HISTORY_COLUMNS
    np.testing.assert_array_equal(history["epoch"], np.arange(1, 7))
    assert (np.diff(history["seconds"]) >= 0).all()
    assert np.isfinite(np.stack(list(history.values()))).all()
    assert [epoch for epoch, _ in trained.told] == list(range(1, 7))
    np.testing.assert_allclose(
        [score for _, score in trained.told], history["validation_f_med"], rtol=1e-5
    )


def test_the_best_epoch_is_the_first_with_the_highest_validation_f_med(trained: Trained) -> None:
    history, result = trained.history(), trained.result
    assert result.best_epoch == 1 + int(np.argmax(history["validation_f_med"]))
    assert (result.epochs, result.stopped_by) == (6, "epochs")
    assert set(result.scores) == {f"{view}_{score}" for view in VIEWS for score in SCORES}
    for name, value in result.scores.items():
        assert value == pytest.approx(history[name][result.best_epoch - 1], rel=1e-5)


def test_the_network_learns_what_gives_the_class_away(trained: Trained) -> None:
    assert trained.result.scores["validation_plain_f_med"] > 0.8


def test_the_stored_network_is_that_of_the_best_epoch(trained: Trained) -> None:
    network = load_network(trained.folder / "model.keras")
    for item in trained.data.sets:
        scores = metrics.binary_scores(item.labels, predict(network, item.images))
        for name, value in scores.items():
            stored = trained.result.scores[f"{item.name}_{name}"]
            assert value == pytest.approx(stored, abs=1e-6), (item.name, name)


def test_only_whole_artifacts_are_left(trained: Trained) -> None:
    assert sorted(path.name for path in trained.folder.iterdir()) == [
        "history.csv",
        "model.keras",
        "validation_counts.npz",
        "validation_predictions.npz",
    ]


def test_the_predictions_are_those_on_the_plain_images(trained: Trained) -> None:
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
def test_the_counts_of_each_epoch_give_its_f_med(trained: Trained, kind: str, column: str) -> None:
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
    trained: Trained, tiny: Protocol, tmp_path: Path
) -> None:
    again = run(SMALL, six_epochs(tiny), trained.data, tmp_path / "again")
    other = run(
        SMALL, replace(six_epochs(tiny), epochs=1), trained.data, tmp_path / "other", seed=4
    )
    first, second = trained.history(), again.history()
    for name in HISTORY_COLUMNS:
        if name != "seconds":
            np.testing.assert_array_equal(first[name], second[name], err_msg=name)
    assert again.result == trained.result
    assert other.history()["validation_loss"][0] != first["validation_loss"][0]


def test_all_agree_on_the_best_epoch(
    trained: Trained, tiny: Protocol, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gain that single precision cannot tell counts for nobody; Keras compares with that."""
    original, calls = metrics.binary_scores, iter(range(10**6))

    def rising(labels: np.ndarray, chance: np.ndarray) -> dict[str, float]:
        return original(labels, chance) | {"f_med": 0.5 + 1e-10 * next(calls)}

    monkeypatch.setattr(metrics, "binary_scores", rising)
    patient = replace(SMALL, patience=3)
    ended = run(patient, replace(tiny, epochs=9), trained.data, tmp_path)
    assert (ended.result.best_epoch, ended.result.epochs) == (1, 4)
    network = load_network(tmp_path / "model.keras")
    with np.load(tmp_path / "validation_predictions.npz") as stored:
        found = predict(network, trained.data.validation.images)
        np.testing.assert_allclose(stored["probability"], found, atol=1e-6)


def test_what_an_interrupted_attempt_left_is_gone_before_the_first_epoch(
    trained: Trained, tiny: Protocol, tmp_path: Path
) -> None:
    (tmp_path / "history.csv").write_text("epoch\n1\n")
    (tmp_path / ".best.weights.h5").write_text("torn")
    begun: list[bool] = []

    class Watched(loop.Evaluation):  # type: ignore[misc]
        def on_epoch_begin(self, *_: object) -> None:
            begun.append(any(tmp_path.iterdir()))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "Evaluation", Watched)
        run(SMALL, replace(tiny, epochs=1), trained.data, tmp_path)
    assert begun == [False]


def test_training_stops_when_patience_ends(
    trained: Trained, tiny: Protocol, tmp_path: Path
) -> None:
    still = replace(SMALL, learning_rate=1e-7, patience=1)
    ended = run(still, replace(tiny, epochs=50), trained.data, tmp_path)
    assert ended.result.stopped_by == "patience"
    assert ended.result.epochs == ended.result.best_epoch + 1 == len(ended.told)


@pytest.mark.filterwarnings("ignore:Early stopping conditioned", "ignore:Can save best model")
def test_weights_that_are_no_numbers_fail_the_trial(
    trained: Trained, tiny: Protocol, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    too_fast = keras.optimizers.SGD(float("inf"))
    monkeypatch.setattr(loop, "build_optimizer", lambda _: too_fast)
    with pytest.raises(DivergedError, match=r"the loss is not a number in epoch 1; .*"):
        run(SMALL, tiny, trained.data, tmp_path)
    assert not list(tmp_path.iterdir()), "nothing half-made is left"


@pytest.mark.filterwarnings("ignore:Early stopping conditioned", "ignore:Can save best model")
def test_weights_that_are_no_numbers_are_seen_where_pooling_hides_them(
    trained: Trained, tiny: Protocol, tmp_path: Path
) -> None:
    """The maximum of a window is taken of its numbers only, so that loss and output are fine."""

    class Broken(loop.Evaluation):  # type: ignore[misc]
        def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
            kernel = self.model.trainable_variables[0]
            kernel.assign(np.full(kernel.shape, np.nan))
            super().on_epoch_end(epoch, logs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "Evaluation", Broken)
        with pytest.raises(DivergedError, match="a weight is not a number after epoch 1"):
            run(SMALL, tiny, trained.data, tmp_path)


def test_the_highest_learning_rate_ends_in_a_score_or_in_a_trial_error(
    trained: Trained, tiny: Protocol, tmp_path: Path
) -> None:
    wild = replace(SMALL, optimizer="sgd", learning_rate=10.0)
    with suppress(TrialError):
        scores = run(wild, tiny, trained.data, tmp_path).result.scores
        assert np.isfinite(list(scores.values())).all()


def test_class_weights_make_the_classes_equal_in_sum(tiny: Protocol) -> None:
    labels = np.array([0] * 3 + [1] * 9)
    weights = class_weights(labels, tiny)
    assert weights == pytest.approx({0: 2.0, 1: 12 / 18})
    assert class_weights(labels, replace(tiny, class_weights="none")) == {0: 1.0, 1: 1.0}


@pytest.mark.parametrize(("kind", "expected"), [("balanced", 0.5), ("none", 0.8)])
def test_class_weights_reach_the_loss(
    trained: Trained, tiny: Protocol, tmp_path: Path, kind: str, expected: float
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


def test_an_epoch_takes_every_image_floor_or_ceil_times_in_its_own_order(trained: Trained) -> None:
    part = trained.data.train
    numbered = replace(part, images=np.arange(len(part.labels))[:, None, None, None])
    orders = []
    for _ in range(2):
        samples = EpochSamples(
            part=numbered, class_weights={0: 0.5, 1: 2.0}, samples=100, chunk=32, seed=5
        )
        epochs = []
        for epoch in range(2):
            chunks = list(samples.epoch(epoch))
            assert [len(images) for images, _, _ in chunks] == [32, 32, 32, 4]
            order = np.concatenate([images[:, 0, 0, 0] for images, _, _ in chunks])
            labels = np.concatenate([label[:, 0] for _, label, _ in chunks])
            weights = np.concatenate([weight for _, _, weight in chunks])
            np.testing.assert_array_equal(labels, part.labels[order])
            np.testing.assert_array_equal(weights, np.where(labels == 1, 2.0, 0.5))
            assert {*np.bincount(order)} <= {100 // len(part.labels), 1 + 100 // len(part.labels)}
            epochs.append(order)
        orders.append(epochs)
    np.testing.assert_array_equal(orders[0], orders[1])
    assert not np.array_equal(orders[0][0], orders[0][1])


def test_a_trial_is_pruned_when_it_is_told_so(
    trained: Trained, tiny: Protocol, tmp_path: Path
) -> None:
    """What it did until then is that of the whole trial; its network is not kept."""
    pruned = run(SMALL, six_epochs(tiny), trained.data, tmp_path, prune_at=2)
    assert (pruned.result.stopped_by, pruned.result.epochs) == ("pruned", 2)
    assert pruned.told == trained.told[:2]
    for name in ("train_loss", "validation_f_med"):
        np.testing.assert_array_equal(pruned.history()[name], trained.history()[name][:2])
    with np.load(tmp_path / "validation_counts.npz") as stored:
        assert len(stored["augmented"]) == 2
    assert not (tmp_path / "model.keras").exists()


def test_a_trial_that_ends_by_itself_is_not_pruned_in_its_last_epoch(
    trained: Trained, tiny: Protocol, tmp_path: Path
) -> None:
    ended = run(SMALL, tiny, trained.data, tmp_path, prune_at=tiny.epochs)
    assert ended.result.stopped_by == "epochs"
    assert (tmp_path / "model.keras").is_file()


def test_a_network_that_recognises_one_class_only_is_dead_after_enough_samples(
    trained: Trained, tiny: Protocol, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Images that are all alike get one answer, whatever is learned."""
    monkeypatch.setattr(loop, "DEAD_SAMPLES", 2 * tiny.samples_per_epoch + 1)
    sets = tuple(replace(item, images=np.full_like(item.images, 128)) for item in trained.data.sets)
    data = replace(trained.data, sets=sets)
    dead = run(SMALL, replace(tiny, epochs=50), data, tmp_path / "dead")
    assert (dead.result.stopped_by, dead.result.epochs) == ("dead", 3)
    assert dead.result.scores["train_f_med"] == 0
    assert (tmp_path / "dead" / "model.keras").is_file()
    alive = run(SMALL, replace(tiny, epochs=4), trained.data, tmp_path / "alive")
    assert alive.result.stopped_by == "epochs"
