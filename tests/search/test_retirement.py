"""Workers that give way to fresh ones, in real processes."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from study.ledger import Ledger
from study.protocol import Protocol
from study.search.driver import Interruption, run_search
from study.search.limits import Budget, TrialLimits
from study.workspace import StudyFolder

pytestmark = pytest.mark.skipif(os.name != "posix", reason="starts workers through a shell script")

MakeStudy = Callable[[Protocol], tuple[StudyFolder, Ledger]]

SHORT_LIVED = """
import sys
from study.search import serving, worker
assert sys.argv[1:3] == ["-m", "study.search.worker"]
del sys.argv[1:3]
serving.TRIALS_OF_A_LIFE = 1
sys.exit(worker.main())
"""


@pytest.fixture
def short_lives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let workers retire after their first trial: the driver starts them through a script."""
    script = tmp_path / "python"
    command = shlex.join([sys.executable, "-c", SHORT_LIVED])
    script.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
    script.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(script))


@pytest.mark.usefixtures("short_lives")
def test_a_worker_that_retires_is_replaced_while_trials_are_left(
    make_study: MakeStudy, tiny: Protocol
) -> None:
    folder, ledger = make_study(tiny)
    reason = run_search(
        folder,
        ledger,
        budget=Budget(trials=2, seconds=180),  # nobody would train the second trial for ever
        jobs=1,
        limits=TrialLimits(),
        interruption=Interruption(),
        on_tick=lambda _: None,
    )
    assert reason == "trials", folder.log.read_text()
    trials = ledger.read().trials
    assert [(trial.state, trial.attempts) for trial in trials] == [("complete", 1)] * 2
    assert len({trial.worker for trial in trials}) == 2
