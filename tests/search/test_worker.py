"""What a worker does with one trial: complete, prune, fail; and when it retires."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import optuna
import pytest

from study.dataset.manifest import Manifest
from study.ledger import Ledger
from study.protocol import Protocol
from study.records import TrialRecord
from study.search import kept_models as kept_models_module
from study.search import worker
from study.search.kept_models import drop_models, kept_models
from study.search.serving import has_grown
from study.search.worker import load_data, run_trial
from study.space import Space
from study.summary import ranked
from study.training import loop
from study.training.loop import TrialResult
from study.workspace import StudyFolder

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__:DeprecationWarning",
    "ignore:Early stopping conditioned",
    "ignore:Can save best model",
)

MakeStudy = Callable[[Protocol], tuple[StudyFolder, Ledger]]
Work = Callable[[int], TrialRecord]


@pytest.fixture
def study(make_study: MakeStudy, tiny: Protocol) -> tuple[StudyFolder, Ledger]:
    return make_study(tiny)


@pytest.fixture
def work(study: tuple[StudyFolder, Ledger], tiny_space: Space) -> Work:
    """Let a worker train one ordinal, and return what the ledger then says of it."""
    folder, ledger = study
    record = ledger.read()
    data = load_data(folder, record)

    def train(ordinal: int) -> TrialRecord:
        assert run_trial(ledger, ordinal, record=record, space=tiny_space, data=data, folder=folder)
        return next(trial for trial in ledger.read().trials if trial.number == ordinal)

    return train


def test_a_trial_that_the_pruner_ends_is_recorded_like_a_complete_one_but_keeps_no_network(
    study: tuple[StudyFolder, Ledger], work: Work
) -> None:
    folder, ledger = study
    complete = work(0)
    ledger.optuna_study.pruner = optuna.pruners.ThresholdPruner(lower=2.0)
    reference, pruned = work(1), work(2)
    assert (reference.state, reference.epochs) == ("complete", 2), "never pruned"
    assert (complete.state, complete.stopped_by, complete.epochs) == ("complete", "epochs", 2)
    assert (pruned.state, pruned.stopped_by, pruned.epochs) == ("pruned", "pruned", 1)
    for name in ("seed", "parameters", "macs", "train_f_med", "diagnosis", "seconds", "ended"):
        assert getattr(pruned, name) is not None, name
    assert pruned.validation_f_med == pytest.approx(pruned.progress[0])
    assert folder.model(0).is_file()
    left = {path.name for path in folder.trial(2).iterdir()}
    assert left == {"history.csv", "validation_counts.npz", "validation_predictions.npz"}


def test_a_network_that_diverges_has_failed_at_once(
    study: tuple[StudyFolder, Ledger], work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same seeds would lead there again."""
    too_fast = keras.optimizers.SGD(float("inf"))
    monkeypatch.setattr(loop, "build_optimizer", lambda _: too_fast)
    trial = work(0)
    assert (trial.state, trial.attempts) == ("failed", 1)
    assert trial.cause is not None
    assert trial.cause.startswith("the loss is not a number in epoch 1")
    assert study[1].open_ordinals(range(2)) == [1]


def test_another_error_is_recorded_with_its_type_and_tried_again(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> TrialResult:
        raise ValueError("first line\nsecond line")

    with monkeypatch.context() as patch:
        patch.setattr(worker, "train", fail)
        trial = work(0)
    assert (trial.state, trial.cause) == ("interrupted", "ValueError: first line")
    again = work(0)
    assert (again.state, again.attempts) == ("complete", 2)
    assert again.cause == "first attempt: ValueError: first line"


def test_networks_that_are_not_kept_are_deleted(
    study: tuple[StudyFolder, Ledger], work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, ledger = study
    scores = iter((0.1, 0.5, 0.9, 0.3, 0.7, 0.8, 0.2))

    def trained(*_: object, folder: Path, **__: object) -> TrialResult:
        folder.mkdir(parents=True)
        (folder / "model.keras").touch()
        return TrialResult(
            best_epoch=1,
            epochs=1,
            stopped_by="epochs",
            scores={"validation_f_med": next(scores)},
            validation_f_med_smooth=0.5,
            diagnosis={},
        )

    monkeypatch.setattr(worker, "train", trained)
    monkeypatch.setattr(kept_models_module, "MODELS_KEPT", 3)
    monkeypatch.setattr(kept_models_module, "BANDS_PER_OCTAVE", 0)
    for ordinal in range(7):
        work(ordinal)
    kept = {k for k in range(7) if folder.model(k).is_file()}
    assert kept == kept_models(ranked(ledger.read()))
    assert kept == {0, 2, 4, 5}
    (gone, *_) = set(range(7)) - kept
    folder.model(gone).touch()  # of a worker that was ended before it looked
    drop_models(folder, ledger.read())
    assert {k for k in range(7) if folder.model(k).is_file()} == kept


def test_a_worker_leaves_example_images_once(study: tuple[StudyFolder, Ledger]) -> None:
    folder, ledger = study
    worker.work(folder, total=0)
    with np.load(folder.examples, allow_pickle=False) as stored:
        paths = set(stored["path"].tolist())
    train = {row.path for row in Manifest.read(folder.manifest).rows if row.part == "train"}
    assert len(paths) == 8
    assert paths <= train
    assert ledger.read().trials == []
    written = folder.examples.stat().st_mtime_ns
    worker.work(folder, total=0)
    assert folder.examples.stat().st_mtime_ns == written


def test_a_worker_that_cannot_leave_them_says_so_and_goes_on(
    study: tuple[StudyFolder, Ledger], capsys: pytest.CaptureFixture[str]
) -> None:
    folder, _ = study
    folder.examples.mkdir()
    worker.work(folder, total=0)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"{folder.examples}: not written, IsADirectoryError: ")


def test_a_worker_retires_when_its_memory_has_grown_beyond_the_plan() -> None:
    assert not has_grown(1_000, first=1_000, planned=500)
    assert not has_grown(1_030, first=1_000, planned=500)
    assert has_grown(1_050, first=1_000, planned=500)
    assert not has_grown(1_900, first=1_000, planned=2_000), "a large network after a small one"
    assert has_grown(2_001, first=1_000, planned=2_000)
