"""A tiny study whose search has ended, and what trains its finalists."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from study.attempts import Attempts
from study.dataset.sources.opening import open_source
from study.finalists.choose import FinalistSettings
from study.finalists.stage import conclude
from study.finalists.trainings import Stage
from study.ledger import Ledger
from study.protocol import Protocol
from study.search.driver import Interruption, Work, run_workers
from study.search.limits import TrialLimits
from study.search.resources import physical_cores
from study.search.setup import make_setup, open_study
from study.space import Space, parse_space
from study.workspace import StudyFolder

SPACE = """
question = "Which of a few tiny networks is it?"
[parameters.filters]
type = "int"
low = 4
high = 16
why = "Small enough for a test."
[fixed]
blocks = 2
dense_width = 16
learning_rate = 0.003
"""

TRIALS = 4


@contextmanager
def computing_as_workers() -> Iterator[None]:
    """Divide batches as workers do, so that the same seeds give the same figures here and there."""
    from study.training import loop

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "batch_parts", physical_cores)
        yield


def train_here(folder: StudyFolder, ledger: Ledger, ordinals: Sequence[int]) -> None:
    from study.finalists.worker import FinalistTrainer

    trainer = FinalistTrainer(folder, ledger)
    with computing_as_workers():
        while waiting := trainer.stage.open_ordinals(ordinals):
            assert trainer.run(waiting[0])


def train_elsewhere(
    folder: StudyFolder,
    ledger: Ledger,
    ordinals: Sequence[int],
    on_tick: Callable[[Attempts], None],
) -> None:
    run_workers(
        folder,
        Stage.tasks_of(ledger),
        Work(ordinals=ordinals, module="study.finalists.worker"),
        jobs=1,
        limits=TrialLimits(),
        interruption=Interruption(),
        on_tick=on_tick,
    )


def search_here(folder: StudyFolder, ledger: Ledger, space: Space) -> None:
    from study.search.worker import load_data, run_trial

    record = ledger.read()
    data = load_data(folder, record)
    with computing_as_workers():
        for ordinal in range(TRIALS):
            assert run_trial(ledger, ordinal, record=record, space=space, data=data, folder=folder)


@dataclass
class Searched:
    """A study whose search has ended, in a folder of its own, with its own copy of the images."""

    folder: StudyFolder
    images: Path
    trained: list[int]
    """Ordinals that were asked for, in all."""

    def conclude(
        self, *, on_tick: Callable[[Attempts], None] | None = None, **settings: Any
    ) -> dict[str, Any]:
        """Train what comes after the search, and return the answer.

        Real workers train where ``on_tick`` watches them, for they can be stopped at any time; else
        this process does, which need not start anew for each step of the stage.
        """
        ledger = Ledger.open(self.folder.path)

        def train(ordinals: Sequence[int], _doing: str) -> None:
            self.trained += ordinals
            if on_tick is None:
                train_here(self.folder, ledger, ordinals)
            else:
                train_elsewhere(self.folder, ledger, ordinals, on_tick)

        stage = Stage(
            folder=self.folder, ledger=ledger, settings=FinalistSettings(**settings), train=train
        )
        try:
            found = conclude(stage)
        finally:
            ledger.close()
        assert found is not None
        return found


@pytest.fixture(scope="session")
def searched_once(
    two_classes: Path, tiny: Protocol, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    """Return the folders of a study after its search and of its images."""
    place = tmp_path_factory.mktemp("searched")
    images = place / "blobs"
    shutil.copytree(two_classes, images)
    source = open_source(str(images), positive=None, cache=place)
    protocol = replace(tiny, epochs=3)
    space = parse_space(SPACE, name="tiny", where="tiny.toml")
    setup = make_setup(source, protocol=protocol, space=space, seed=4)
    folder, ledger = open_study(place / "runs", "it", setup, command="c", requested=TRIALS)
    search_here(folder, ledger, space)
    ledger.close()
    return folder.path, images


@pytest.fixture(scope="session")
def make_searched(
    searched_once: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[], Searched]:
    """Return a function that gives a fresh copy of the study at the end of its search."""
    folder, images = searched_once

    def make() -> Searched:
        place = tmp_path_factory.mktemp("copy")
        shutil.copytree(folder, place / "it")
        shutil.copytree(images, place / "blobs")
        ledger = Ledger.open(place / "it")
        dataset = ledger.optuna_study.user_attrs["dataset"]
        ledger.update(dataset={**dataset, "source": str(place / "blobs")})
        ledger.close()
        return Searched(folder=StudyFolder(place / "it"), images=place / "blobs", trained=[])

    return make
