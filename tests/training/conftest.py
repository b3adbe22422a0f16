"""One trial trained for real on a tiny set, shared by all tests that only look at it."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from study.dataset.sources.opening import open_source
from study.protocol import Protocol
from study.search.setup import make_setup, open_study
from study.search.worker import load_data
from study.space import find_space
from study.training.data import TrialData
from study.training.loop import TrialResult, train
from study.variant import Variant
from study.workspace import StudyFolder

SMALL = Variant(
    filters=8, blocks=2, dense_layers=1, dense_width=16, dropout=0.1, batch_size=16,
    learning_rate=0.005,
)  # fmt: skip


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


@pytest.fixture(scope="session")
def small() -> Variant:
    return SMALL


@pytest.fixture(scope="session")
def six_epochs(tiny: Protocol) -> Protocol:
    return replace(tiny, epochs=6, samples_per_epoch=480)


@pytest.fixture(scope="session")
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


def run_trial(
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


@pytest.fixture(scope="session")
def run() -> Callable[..., Trained]:
    """Return :func:`run_trial`."""
    return run_trial


@pytest.fixture(scope="session")
def trained(
    prepared: tuple[StudyFolder, TrialData],
    six_epochs: Protocol,
    tmp_path_factory: pytest.TempPathFactory,
) -> Trained:
    """Six epochs of a small network."""
    folder = tmp_path_factory.mktemp("trial")
    return run_trial(SMALL, six_epochs, prepared[1], folder)
