"""``study browse`` and ``study compare``, as commands."""

from __future__ import annotations

import http.client
import signal
import socket
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from subprocess import Popen

import pytest
from optuna.trial import TrialState, create_trial

from study.ledger import Ledger
from study.records import StudyRecord

Outcome = tuple[int, str, str]
Study = Callable[..., Outcome]
Start = Callable[..., Popen[str]]
MakeStudy = Callable[..., StudyRecord]


@pytest.fixture
def ledgers(tmp_path: Path, make_study: MakeStudy) -> Path:
    """Return the folder of two studies with one complete trial each, ``first`` and ``second``."""
    for name in ("first", "second"):
        record = replace(make_study([]), name=name)
        keys = ("command", "requested", "space", "dataset", "split", "seed", "versions", "machine")
        setup = {key: getattr(record, key) for key in (*keys, "created", "search")}
        folder = tmp_path / "runs" / name
        folder.mkdir(parents=True)
        ledger = Ledger.create(folder, name, {**setup, "protocol": record.protocol.as_dict()})
        own = {"ordinal": 0, "scores": {"validation_f_med": 0.5}}
        trial = create_trial(state=TrialState.COMPLETE, value=0.5, user_attrs=own)
        ledger.optuna_study.add_trial(trial)
        ledger.close()
    return tmp_path / "runs"


def test_browse_opens_the_list(
    ledgers: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    in_process_of_its_own: Callable[..., Outcome],
) -> None:
    """It writes the list anew, prints where, and hands it to the browser."""
    opened, browser = tmp_path / "opened", tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {opened}\n')
    browser.chmod(browser.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("BROWSER", f"{browser} %s")
    status, out, err = in_process_of_its_own("browse", cwd=tmp_path)
    assert (status, err) == (0, "")
    page = tmp_path / "reports" / "index.html"
    assert out == f"{Path('reports', 'index.html')}\n"
    assert opened.read_text().strip() == page.as_uri()
    assert all(f">{name}<" in page.read_text() for name in ("first", "second"))
    assert ledgers.is_dir()


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_serve_ends_well_when_stopped(
    ledgers: Path, tmp_path: Path, start_study: Start, stop: signal.Signals
) -> None:
    """It prints its address, gives out the list and a page, and ends with 0 on a signal."""
    page = tmp_path / "reports" / "first" / "index.html"
    page.parent.mkdir(parents=True)
    page.write_text("a page")
    process = start_study(tmp_path, "browse", "--serve")
    assert process.stdout is not None
    address = process.stdout.readline().strip()
    assert address.startswith("http://127.0.0.1:")
    port = int(address.rstrip("/").rpartition(":")[2])
    assert b'href="./first/index.html"' in fetch(port, "/")
    assert fetch(port, "/first/index.html") == b"a page"
    process.send_signal(stop)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 0
    assert (out, err) == ("", "Serves reports to this machine; Ctrl-C ends it.\n")
    assert ledgers.is_dir()


def fetch(port: int, target: str) -> bytes:
    """Return what the server gives out, which must be with status 200."""
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    link.request("GET", target)
    answer = link.getresponse()
    assert answer.status == 200
    return answer.read()


def test_what_a_user_gets_wrong_is_one_line(ledgers: Path, study: Study, tmp_path: Path) -> None:
    assert "--port: found 99999; allowed: 0 to 65535" in refused(
        study("browse", "--serve", "--port", 99999)
    )
    assert "--port: means nothing without --serve" in refused(study("browse", "--port", 8080))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert f"--port: {port} cannot be used (" in refused(
            study("browse", "--serve", "--port", port)
        )
    (tmp_path / "file").write_text("")
    assert "--reports file: the list of studies cannot be written" in refused(
        study("browse", "--reports", "file")
    )
    assert "no study 'frist' in runs (did you mean 'first'?)" in refused(
        study("compare", "second", "frist")
    )
    assert "two or more studies, each once" in refused(study("compare", "first"))
    assert "two or more studies, each once" in refused(study("compare", "first", "first"))
    assert "cannot be written" in refused(
        study("compare", "first", "second", "--out", "file/page.html")
    )
    (ledgers / "first" / "study.db").write_bytes(b"torn")
    assert "damaged or not a study's ledger (" in refused(study("compare", "first", "second"))


def refused(outcome: Outcome) -> str:
    """Return the one line of a command that was refused."""
    status, out, err = outcome
    assert (status, out) == (2, "")
    (line,) = err.splitlines()
    return line


def test_a_ledger_of_another_kind_is_one_line(study: Study, ledgers: Path) -> None:
    """A ledger that lacks what a study has is refused like a torn one."""
    (ledgers / "foreign").mkdir()
    Ledger.create(ledgers / "foreign", "foreign", {"requested": 2}).close()
    line = refused(study("compare", "first", "foreign"))
    path = Path("runs", "foreign", "study.db")
    assert line.startswith(f"study: {path}: empty, damaged or not a study's ledger (no 'prot")


def test_browse_keeps_its_list_when_runs_is_no_folder(
    study: Study, ledgers: Path, tmp_path: Path
) -> None:
    """A file or a misspelled folder is refused; the default one may be missing."""
    assert ledgers.is_dir()
    index = tmp_path / "reports" / "index.html"
    index.parent.mkdir()
    index.write_text("a good list")
    (tmp_path / "afile").write_text("")
    serve = ("browse", "--serve", "--port", 0)
    for command in (("browse",), serve):
        assert "--runs afile: not a folder; name the" in refused(study(*command, "--runs", "afile"))
        assert "--runs rums: no such folder; name" in refused(study(*command, "--runs", "rums"))
    assert index.read_text() == "a good list"


def test_browse_before_the_first_study_is_a_page(
    tmp_path: Path, in_process_of_its_own: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROWSER", "true")
    assert in_process_of_its_own("browse", cwd=tmp_path)[0] == 0
    assert "No study in runs yet" in (tmp_path / "reports" / "index.html").read_text()


def test_compare_prints_where_the_page_is(study: Study, ledgers: Path, tmp_path: Path) -> None:
    """Beside the reports by default, or where the user says; the list then names it."""
    place = Path("reports", "compare-first-second.html")
    assert study("compare", "first", "second") == (0, f"{place}\n", "")
    assert (tmp_path / place).read_text().count("<section") == 5
    index = tmp_path / "reports" / "index.html"
    assert 'href="./compare-first-second.html"' in index.read_text()
    index.unlink()
    assert study("compare", "second", "first", "--out", "deep/page.html")[1] == (
        f"{Path('deep', 'page.html')}\n"
    )
    assert "Comparison of second and first" in (tmp_path / "deep" / "page.html").read_text()
    assert not index.exists()
    assert ledgers.is_dir()


def test_the_help_names_both(study: Study) -> None:
    _, out, _ = study("--help")
    assert all(f" {name} " in out for name in ("browse", "compare"))
