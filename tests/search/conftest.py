"""A study of the tiny set, made and not yet begun."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from study.dataset.sources.opening import open_source
from study.ledger import Ledger
from study.protocol import Protocol
from study.search.setup import make_setup, open_study
from study.space import Space, parse_space
from study.workspace import StudyFolder

TINY_SPACE = """
question = "Does a tiny search end as it should?"
[parameters.filters]
type = "int"
low = 4
high = 16
why = "Small enough for a test."
[parameters.learning_rate]
type = "float"
low = 1e-3
high = 1e-2
log = true
why = "It decides what is learned in a few epochs."
[fixed]
blocks = 2
dense_width = 16
"""

MakeStudy = Callable[[Protocol], tuple[StudyFolder, Ledger]]


@pytest.fixture(scope="session")
def tiny_space() -> Space:
    return parse_space(TINY_SPACE, name="tiny", where="tiny.toml")


@pytest.fixture
def make_study(two_classes: Path, tiny_space: Space, tmp_path: Path) -> Iterator[MakeStudy]:
    made: list[Ledger] = []

    def make(protocol: Protocol) -> tuple[StudyFolder, Ledger]:
        source = open_source(str(two_classes), positive=None, cache=tmp_path)
        setup = make_setup(source, split=None, protocol=protocol, space=tiny_space, seed=2)
        folder, ledger = open_study(tmp_path / "runs", "it", setup, command="c", requested=2)
        made.append(ledger)
        return folder, ledger

    yield make
    for ledger in made:
        ledger.close()
