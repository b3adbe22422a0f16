"""Sixteen processes on one SQLite ledger."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from study.ledger import Ledger
from study.protocol import Protocol
from study.search.strategy import search_settings
from study.space import find_space

WORKERS, TRIALS = 16, 32

SETUP: dict[str, Any] = {
    **dict.fromkeys(("command", "requested", "versions", "machine")),
    "dataset": {"name": "blobs", "positive": "malignant"},
    "split": {"kind": "grouped"},
    "space": {"name": "seed", "text": find_space("seed").text, "digest": "d"},
    "protocol": Protocol().as_dict(),
    "search": search_settings(),
    "seed": 5,
}

CODE = f"""
import os, sys, traceback
from pathlib import Path
from optuna.trial import TrialState
from study.ledger import Ledger
from study.search.sampler import ask
from study.search.strategy import make_pruner
from study.space import find_space

def work(folder):
    ledger, space, conflicts = Ledger.open(folder), find_space("seed"), 0
    record = ledger.read()
    ledger.optuna_study.pruner = make_pruner(record.search, record.protocol)
    while waiting := ledger.open_ordinals(range({TRIALS})):
        ordinal = waiting[conflicts * os.getpid() % len(waiting)]
        found = ask(ledger, ordinal, space=space, protocol=record.protocol,
                    search=record.search, seed=record.seed)
        conflicts = 0 if found else conflicts + 1
        if found is None:
            continue
        found.trial.set_user_attr("started", "2026-01-01T00:00:00+00:00")
        for epoch in (1, 2):
            found.trial.report(epoch / (ordinal + 3), epoch)
            found.trial.should_prune()
        ledger.optuna_study.tell(found.trial, 2 / (ordinal + 3), state=TrialState.COMPLETE)
        os.write(1, b"%d\\n" % ordinal)

children = []
for _ in range({WORKERS}):
    child = os.fork()
    if child == 0:
        try:
            work(Path(sys.argv[1]))
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    children.append(child)
sys.exit(sum(os.waitpid(child, 0)[1] != 0 for child in children))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_sixteen_workers_end_every_trial_once_and_never_find_the_ledger_locked(
    tmp_path: Path,
) -> None:
    """They ask, report and tell as workers do, only that nothing is trained in between."""
    ledger = Ledger.create(tmp_path, "it", SETUP)
    ledger.close()
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(tmp_path)], capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "locked" not in done.stderr
    assert sorted(map(int, done.stdout.split())) == list(range(TRIALS))
    ledger = Ledger.open(tmp_path)
    record = ledger.read()
    assert [trial.number for trial in record.trials] == list(range(TRIALS))
    assert {(trial.state, trial.attempts) for trial in record.trials} == {("complete", 1)}
    assert not ledger.look().running
    ledger.close()
