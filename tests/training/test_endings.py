"""When a trial ends: by patience, pruned, dead, or because a weight is no number."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from study.errors import DivergedError, TrialError
from study.protocol import Protocol
from study.training import loop
from study.variant import Variant

# Keras' own code calls NumPy in a way that NumPy 2 warns of.
pytestmark = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")

Run = Callable[..., Any]


def test_training_stops_when_patience_ends(
    trained: Any, tiny: Protocol, tmp_path: Path, run: Run, small: Variant
) -> None:
    still = replace(small, learning_rate=1e-7, patience=1)
    ended = run(still, replace(tiny, epochs=50), trained.data, tmp_path)
    assert ended.result.stopped_by == "patience"
    assert ended.result.epochs == ended.result.best_epoch + 1 == len(ended.told)


@pytest.mark.filterwarnings("ignore:Early stopping conditioned", "ignore:Can save best model")
def test_weights_that_are_no_numbers_fail_the_trial(
    trained: Any,
    tiny: Protocol,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    run: Run,
    small: Variant,
) -> None:
    too_fast = keras.optimizers.SGD(float("inf"))
    monkeypatch.setattr(loop, "build_optimizer", lambda _: too_fast)
    with pytest.raises(DivergedError, match=r"the loss is not a number in epoch 1; .*"):
        run(small, tiny, trained.data, tmp_path)
    assert not list(tmp_path.iterdir()), "nothing half-made is left"


@pytest.mark.filterwarnings("ignore:Early stopping conditioned", "ignore:Can save best model")
def test_weights_that_are_no_numbers_are_seen_where_pooling_hides_them(
    trained: Any, tiny: Protocol, tmp_path: Path, run: Run, small: Variant
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
            run(small, tiny, trained.data, tmp_path)


def test_the_highest_learning_rate_ends_in_a_score_or_in_a_trial_error(
    trained: Any, tiny: Protocol, tmp_path: Path, run: Run, small: Variant
) -> None:
    wild = replace(small, optimizer="sgd", learning_rate=10.0)
    with suppress(TrialError):
        scores = run(wild, tiny, trained.data, tmp_path).result.scores
        assert np.isfinite(list(scores.values())).all()


def test_a_trial_is_pruned_when_it_is_told_so(
    trained: Any, tmp_path: Path, run: Run, small: Variant, six_epochs: Protocol
) -> None:
    """What it did until then is that of the whole trial; its network is not kept."""
    pruned = run(small, six_epochs, trained.data, tmp_path, prune_at=2)
    assert (pruned.result.stopped_by, pruned.result.epochs) == ("pruned", 2)
    assert pruned.told == trained.told[:2]
    for name in ("train_loss", "validation_f_med"):
        np.testing.assert_array_equal(pruned.history()[name], trained.history()[name][:2])
    with np.load(tmp_path / "validation_counts.npz") as stored:
        assert len(stored["augmented"]) == 2
    assert not (tmp_path / "model.keras").exists()


def test_a_trial_that_ends_by_itself_is_not_pruned_in_its_last_epoch(
    trained: Any, tiny: Protocol, tmp_path: Path, run: Run, small: Variant
) -> None:
    ended = run(small, tiny, trained.data, tmp_path, prune_at=tiny.epochs)
    assert ended.result.stopped_by == "epochs"
    assert (tmp_path / "model.keras").is_file()


def test_a_network_that_recognises_one_class_only_is_dead_after_enough_samples(
    trained: Any,
    tiny: Protocol,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    run: Run,
    small: Variant,
) -> None:
    """Images that are all alike get one answer, whatever is learned."""
    monkeypatch.setattr(loop, "DEAD_SAMPLES", 2 * tiny.samples_per_epoch + 1)
    sets = tuple(replace(item, images=np.full_like(item.images, 128)) for item in trained.data.sets)
    data = replace(trained.data, sets=sets)
    dead = run(small, replace(tiny, epochs=50), data, tmp_path / "dead")
    assert (dead.result.stopped_by, dead.result.epochs) == ("dead", 3)
    assert dead.result.scores["train_f_med"] == 0
    assert (tmp_path / "dead" / "model.keras").is_file()
    alive = run(small, replace(tiny, epochs=4), trained.data, tmp_path / "alive")
    assert alive.result.stopped_by == "epochs"
