"""A study whose trials end as a test wants."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from study.dataset.sources.opening import open_source
from study.ledger import Ledger
from study.protocol import Protocol
from study.search.setup import make_setup, open_study
from study.space import find_space
from study.workspace import StudyFolder

Complete = Callable[[Any, float], int]


@pytest.fixture
def study(
    two_classes: Path, tiny: Protocol, tmp_path: Path
) -> Iterator[tuple[StudyFolder, Ledger, Path]]:
    """A study without a trial, and the folder of its images."""
    root = tmp_path / "blobs"
    shutil.copytree(two_classes, root)
    source = open_source(str(root), positive=None, cache=tmp_path)
    setup = make_setup(source, split=None, protocol=tiny, space=find_space("seed"), seed=1)
    folder, ledger = open_study(tmp_path / "runs", "it", setup, command="study run", requested=1)
    yield folder, ledger, root
    ledger.close()


@pytest.fixture
def complete(study: tuple[StudyFolder, Ledger, Path]) -> Complete:
    """Let a trial end with a network and a score, and return its number."""
    folder, ledger, _ = study

    from tests.evaluation.known_networks import SMALL  # here: most tests do without Keras

    def end(network: Any, score: float) -> int:
        trial = ledger.optuna_study.ask()
        number = trial.number
        trial.set_user_attr("ordinal", number)
        trial.set_user_attr("variant", SMALL.as_dict())
        trial.set_user_attr("result", {"scores": {"validation_f_med": score}})
        ledger.optuna_study.tell(trial, score)
        folder.model(number).parent.mkdir(parents=True)
        network.save(folder.model(number))
        return number

    return end
