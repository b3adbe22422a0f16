"""A tiny study whose search has ended, and what trains its finalists: real workers."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from study.attempts import Attempts
from study.dataset.sources.opening import open_source
from study.finalists.choose import FinalistSettings
from study.finalists.stage import Stage, conclude
from study.ledger import Ledger
from study.protocol import Protocol
from study.search.driver import Interruption, Work, run_search, run_workers
from study.search.limits import Budget, TrialLimits
from study.search.setup import make_setup, open_study
from study.space import parse_space
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


@dataclass
class Searched:
    """A study whose search has ended, in a folder of its own, with its own copy of the images."""

    folder: StudyFolder
    images: Path
    trained: list[int]
    """Ordinals that workers were started for, in all."""

    def conclude(
        self, *, on_tick: Callable[[Attempts], None] | None = None, **settings: Any
    ) -> dict[str, Any]:
        """Let real workers train what comes after the search, and return the answer."""
        ledger = Ledger.open(self.folder.path)

        def train(ordinals: Sequence[int], _doing: str) -> None:
            self.trained += ordinals
            run_workers(
                self.folder,
                Stage.tasks_of(ledger),
                Work(ordinals=ordinals, module="study.finalists.worker"),
                jobs=1,
                limits=TrialLimits(),
                interruption=Interruption(),
                on_tick=on_tick or (lambda _: None),
            )

        stage = Stage(
            folder=self.folder, ledger=ledger, settings=FinalistSettings(**settings), train=train
        )
        try:
            found = conclude(stage)
        finally:
            ledger.close()
        assert found is not None
        return found


@pytest.fixture(scope="module")
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
    run_search(
        folder,
        ledger,
        budget=Budget(trials=TRIALS),
        jobs=1,
        limits=TrialLimits(),
        interruption=Interruption(),
        on_tick=lambda _: None,
    )
    ledger.close()
    return folder.path, images


@pytest.fixture(scope="module")
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
