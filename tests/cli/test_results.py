"""What ``study list`` says of studies whose trials ended in different ways."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from optuna.trial import TrialState, create_trial

Study = Callable[..., tuple[int, str, str]]


@pytest.fixture
def pruned(draw: Callable[..., Path], tmp_path: Path) -> str:
    """Return the name of a study of six: a complete trial, two pruned, one failed, one stopped."""
    from study.dataset.sources.opening import open_source
    from study.protocol import Protocol
    from study.search.setup import make_setup, open_study
    from study.space import find_space

    source = open_source(str(draw("images")), positive=None, cache=tmp_path / "cache")
    setup = make_setup(source, split=None, protocol=Protocol(), space=find_space("seed"), seed=0)
    _, ledger = open_study(tmp_path / "runs", "pruned", setup, command="study run", requested=6)
    ends = [
        (TrialState.COMPLETE, {"result": {"scores": {"validation_f_med": 0.5}}}),
        (TrialState.PRUNED, {}),
        (TrialState.PRUNED, {}),
        (TrialState.FAIL, {"ended_by": "diverged"}),
        (TrialState.FAIL, {"ended_by": "interrupted"}),
    ]
    for ordinal, (state, more) in enumerate(ends):
        value = 0.5 if state == TrialState.COMPLETE else None
        attributes = {"ordinal": ordinal, **more}
        ledger.optuna_study.add_trial(create_trial(state=state, value=value, user_attrs=attributes))
    ledger.close()
    return "pruned"


def test_list_counts_every_trial_that_ended(pruned: str, study: Study) -> None:
    """Of which most are pruned in a study of a hundred: counted alone, complete ones mislead."""
    status, out, _ = study("list")
    assert status == 0
    row = out.splitlines()[1].split()
    assert row[0] == pruned
    assert row[4] == "4/6"
    (listed,) = json.loads(study("list", "--json")[1])["studies"]
    ended = {"complete": 1, "pruned": 2, "failed": 1, "requested": 6}
    assert listed.items() >= ended.items()
