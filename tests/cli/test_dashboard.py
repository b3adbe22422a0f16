"""Optuna's dashboard serves a snapshot, and leaves the ledger alone."""

from __future__ import annotations

import json
import signal
import socket
import sqlite3
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from subprocess import Popen
from typing import Any

import pytest

from study.cli.dashboard import copy_ledger
from study.ledger import Ledger
from study.protocol import Protocol

Start = Callable[..., Popen[str]]
Study = Callable[..., tuple[int, str, str]]


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """Return the ledger of a study named ``watched`` with one trial that runs."""
    folder = tmp_path / "runs" / "watched"
    folder.mkdir(parents=True)
    setup = {
        **dict.fromkeys(("command", "seed", "versions", "machine")),
        "requested": 2,
        "protocol": Protocol().as_dict(),
        "space": {"name": "seed"},
        "dataset": {"name": "blobs", "positive": "malignant"},
        "split": {"kind": "grouped"},
    }
    found = Ledger.create(folder, "watched", setup)
    found.optuna_study.ask().report(0.5, 1)
    return found


@contextmanager
def served(start_study: Start, folder: Path) -> Iterator[tuple[str, Popen[str]]]:
    """Start the dashboard on any free port and give its address."""
    process = start_study(folder, "dashboard", "watched", "--port", 0)
    assert process.stdout is not None
    yield process.stdout.readline().strip(), process
    if process.poll() is None:
        process.kill()


def asked(address: str, method: str = "GET", **headers: str) -> tuple[int, Any]:
    request = urllib.request.Request(address, method=method, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def test_it_serves_a_snapshot_that_nobody_can_change(
    ledger: Ledger, start_study: Start, tmp_path: Path
) -> None:
    """What is written later is not in it, nothing is lost of the study, Ctrl-C ends it well."""
    with served(start_study, tmp_path) as (address, process):
        assert address.startswith("http://127.0.0.1:")
        ledger.optuna_study.ask()
        status, body = asked(f"{address}api/studies")
        (summary,) = json.loads(body)["study_summaries"]
        assert (status, summary["study_name"]) == (200, "watched")
        status, body = asked(f"{address}api/studies/{summary['study_id']}")
        trials = json.loads(body)["trials"]
        assert [len(trial["intermediate_values"]) for trial in trials] == [1]
        assert asked(f"{address}dashboard")[0] == 200
        assert asked(f"{address}api/studies/{summary['study_id']}", "DELETE")[0] == 403
        assert asked(f"{address}api/studies", Host="evil.example:80")[0] == 403
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
    assert process.returncode == 0
    (line,) = said.splitlines()
    assert line.startswith("A snapshot of study watched, taken at ")
    assert len(ledger.optuna_study.trials) == 2


def test_a_copy_is_whole_beside_a_writer(ledger: Ledger, tmp_path: Path) -> None:
    """It holds what is still in the write-ahead log, and no half of a transaction."""
    source, target = tmp_path / "runs" / "watched" / "study.db", tmp_path / "copy.db"
    ledger.optuna_study.set_user_attr("later", "yes")
    with closing(sqlite3.connect(source)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("DELETE FROM trials")
        copy_ledger(source, target)
        writer.rollback()
    with closing(sqlite3.connect(target)) as copy:
        assert copy.execute("SELECT count(*) FROM trials").fetchone() == (1,)
        keys = {key for (key,) in copy.execute("SELECT key FROM study_user_attributes")}
        assert "later" in keys
        assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_without_the_package_one_line_says_how_to_get_it(
    ledger: Ledger, study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.close()
    monkeypatch.setitem(sys.modules, "optuna_dashboard", None)
    status, out, err = study("dashboard", "watched")
    assert (status, out) == (2, "")
    (line,) = err.splitlines()
    assert line.startswith("study: study dashboard: optuna-dashboard is not installed; ")
    assert "pip install" in line


def test_what_a_user_gets_wrong_is_one_line(ledger: Ledger, study: Study) -> None:
    ledger.close()
    assert "no study 'wached' in runs (did you mean 'watched'?)" in study("dashboard", "wached")[2]
    assert (
        "--port: found 99999; allowed: 0 to 65535"
        in study(*("dashboard", "watched", "--port", 99999))[2]
    )
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        status, _, err = study("dashboard", "watched", "--port", port)
    assert status == 2
    assert err.startswith(f"study: --port: {port} cannot be used (")
    assert len(err.splitlines()) == 1
