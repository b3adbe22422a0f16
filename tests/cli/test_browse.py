"""``study browse``, its server on this machine, and ``study compare``, as commands."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import stat
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from subprocess import Popen
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from optuna.trial import TrialState, create_trial

from study.cli.server import ReportServer, file_of, is_own
from study.errors import SettingsError
from study.ledger import Ledger
from study.records import StudyRecord

Outcome = tuple[int, str, str]
Study = Callable[..., Outcome]
Start = Callable[..., Popen[str]]
MakeStudy = Callable[..., StudyRecord]

SECRET = "what nobody may read"


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
    status, _, body = ask(port, "/")
    assert status == 200
    assert b'href="./first/index.html"' in body
    assert ask(port, "/first/index.html")[2] == b"a page"
    process.send_signal(stop)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 0
    assert (out, err) == ("", "Serves reports to this machine; Ctrl-C ends it.\n")
    assert ledgers.is_dir()


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


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of reports with traps, beside it a secret."""
    home = tmp_path_factory.mktemp("served")
    (home / "secret.html").write_text(SECRET)
    (home / "outside").mkdir()
    (home / "outside" / "index.html").write_text(SECRET)
    reports = home / "reports"
    for name in ("study", "empty", "linked", ".git", "reports"):
        (reports / name).mkdir(parents=True)
    for name in ("index.html", "study/index.html", "study/trials.csv", "study/a b.html"):
        (reports / name).write_text(f"page {name}")
    (reports / "study" / "data.npz").write_bytes(b"binary")
    (reports / ".secret.html").write_text(SECRET)
    (reports / ".git" / "index.html").write_text(SECRET)
    (reports / "empty" / "note.txt").write_text("a note")
    (reports / "link.html").symlink_to(home / "secret.html")
    (reports / "folder").symlink_to(home / "outside")
    (reports / "linked" / "index.html").symlink_to(home / "secret.html")
    (reports / "hidden.html").symlink_to(reports / ".secret.html")
    (reports / "own.html").symlink_to(reports / "index.html")
    (reports / "circle.html").symlink_to(reports / "circle.html")
    os.mkfifo(reports / "pipe.html")
    return reports


@pytest.fixture(scope="module")
def server(root: Path) -> Iterator[ReportServer]:
    """Return the server itself at work in a thread."""
    with ReportServer(root, 0, refresh=lambda: None) as found:
        thread = threading.Thread(target=found.serve_forever, daemon=True)
        thread.start()
        yield found
        found.shutdown()


def ask(
    port: int, target: str, method: str = "GET", hosts: tuple[str, ...] | None = None
) -> tuple[int, dict[str, str], bytes]:
    """Send a request exactly as it is written and return status, headers and body."""
    lines = [f"{method} {target} HTTP/1.1"]
    lines += [f"Host: {host}" for host in ((f"127.0.0.1:{port}",) if hosts is None else hosts)]
    with socket.create_connection(("127.0.0.1", port), timeout=10) as link:
        link.sendall("\r\n".join([*lines, "", ""]).encode("latin-1"))
        answer = http.client.HTTPResponse(link, method=method)
        answer.begin()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()


@pytest.mark.parametrize(
    ("target", "body", "kind"),
    [
        ("/", "page index.html", "text/html; charset=utf-8"),
        ("/index.html?a=../b#c", "page index.html", "text/html; charset=utf-8"),
        ("/own.html", "page index.html", "text/html; charset=utf-8"),
        ("/study/", "page study/index.html", "text/html; charset=utf-8"),
        ("/study/a%20b.html", "page study/a b.html", "text/html; charset=utf-8"),
        ("/study/trials.csv", "page study/trials.csv", "text/csv; charset=utf-8"),
        ("/study/data.npz", "binary", "application/octet-stream"),
        ("/empty/note.txt", "a note", "text/plain; charset=utf-8"),
    ],
)
def test_files_are_given_out(server: ReportServer, target: str, body: str, kind: str) -> None:
    """With their type, which a browser may not guess, and never to be kept."""
    status, headers, found = ask(server.server_port, target)
    assert (status, found.decode(), headers["content-type"]) == (200, body, kind)
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    head = ask(server.server_port, target, "HEAD")
    assert (head[0], head[1]["content-length"], head[2]) == (200, str(len(found)), b"")


def test_the_list_is_brought_up_to_date_before_it_is_given_out(tmp_path: Path) -> None:
    """And only the list; where that fails, the last one is given out."""
    index, asked = tmp_path / "index.html", []
    (tmp_path / "other.html").write_text("other")

    def refresh() -> None:
        asked.append(1)
        if len(asked) > 2:
            raise SettingsError("the disk is full")
        index.write_text(f"list {len(asked)}")

    index.touch()
    with ReportServer(tmp_path, 0, refresh=refresh) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        targets = ("/", "/other.html", "/index.html?x", "/")
        found = [ask(server.server_port, target)[2].decode() for target in targets]
        server.shutdown()
    assert found == ["list 1", "other", "list 2", "list 2"]
    assert len(asked) == 3


def test_a_folder_without_its_slash_is_sent_on(server: ReportServer) -> None:
    """Otherwise the links of its page would lead elsewhere."""
    status, headers, _ = ask(server.server_port, "/study")
    assert (status, headers["location"]) == (301, "/study/")


OUTSIDE = [
    "/../secret.html",
    "/study/../../secret.html",
    "/..%2fsecret.html",
    "/%2e%2e/secret.html",
    "/%2E%2E%2Fsecret.html",
    "/.%2e/secret.html",
    "/%252e%252e/secret.html",
    "/..%5csecret.html",
    "/..\\secret.html",
    "/study/..;/..;/secret.html",
    "/%c0%ae%c0%ae/secret.html",
    "//../secret.html",
    "/link.html",
    "/folder/",
    "/folder/index.html",
    "/linked/",
    "/linked/index.html",
    "/hidden.html",
    "/.secret.html",
    "/%2esecret.html",
    "/.git/index.html",
    "/.git/",
    "/study/./index.html",
    "/study//index.html",
    "/index.html%00",
    "/index.html%00.csv",
    "/index.html/",
    "/empty/",
    "/empty",
    "/circle.html",
    "/pipe.html",
    "/missing",
    "/" + "x" * 5000,
    "secret.html",
    "../secret.html",
    "http://127.0.0.1/index.html",
    "/C:/secret.html",
    "*",
]


@pytest.mark.parametrize("target", OUTSIDE)
def test_nothing_else_is_given_out(server: ReportServer, root: Path, target: str) -> None:
    """No listing, nothing hidden, nothing outside, however it is spelled or linked."""
    status, headers, body = ask(server.server_port, target)
    assert status in (400, 404)
    assert SECRET.encode() not in body
    assert b"note.txt" not in body
    assert headers["x-content-type-options"] == "nosniff"
    absolute = quote(str(root.parent / "secret.html"))
    for spelled in (absolute, f"/{absolute}", absolute.replace("/", "%2f")):
        assert ask(server.server_port, spelled)[0] == 404


PIECES = ("..", ".", "", "secret.html", "outside", "folder", "study", "index.html", "reports", "%")


@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=6), st.integers(0, 3))
@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_no_spelling_leads_outside(root: Path, pieces: list[str], encoded: int) -> None:
    """Whatever is found lies, links followed, below the folder and is not hidden."""
    target = "/".join(pieces)
    for _ in range(encoded):
        target = quote(target, safe="" if encoded > 1 else "/")
    found = file_of(root, "/" + target)
    if found is not None:
        real = (found / "index.html" if found.is_dir() else found).resolve(strict=True)
        inside = real.relative_to(root.resolve())
        assert not any(part.startswith(".") for part in inside.parts)
        assert real.is_file()
        assert SECRET not in real.read_text(errors="replace")


def test_only_this_machines_names_are_answered(server: ReportServer) -> None:
    """A page of elsewhere whose name was made to lead here reads nothing, not even an error."""
    port = server.server_port
    own = [f"127.0.0.1:{port}", f"localhost:{port}", f"LocalHost:{port}", f"[::1]:{port}"]
    foreign = [f"evil.example:{port}", "evil.example", "localhost", "127.0.0.1", "", ":"]
    foreign += [f"localhost:{port + 1}", f"localhost.evil.example:{port}", f"127.0.0.1.:{port}"]
    foreign += [f"::1:{port}", f"user@localhost:{port}", f"localhost:{port}:{port}", f"[::1]{port}"]
    assert [ask(port, "/", hosts=(host,))[0] for host in own] == [200] * 4
    for target in ("/", "/missing"):
        for host in foreign:
            status, _, body = ask(port, target, hosts=(host,))
            assert status == 403, host
            assert b"page index" not in body
    assert ask(port, "/", hosts=())[0] == 403
    assert ask(port, "/", hosts=(own[0], "evil.example"))[0] == 403
    assert ask(port, "/", "POST", hosts=("evil.example",))[0] == 403


def test_without_a_port_the_host_means_80() -> None:
    assert is_own("localhost", 80)
    assert is_own("[::1]", 80)
    assert not is_own("localhost", 8080)
    assert not is_own(None, 80)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "get"])
def test_nothing_can_be_changed(server: ReportServer, root: Path, method: str) -> None:
    """Only GET and HEAD are answered."""
    assert ask(server.server_port, "/index.html", method)[0] in (405, 501)
    assert (root / "index.html").read_text() == "page index.html"


def test_it_listens_on_this_machine_only(server: ReportServer) -> None:
    assert server.server_address[0] == "127.0.0.1"
    assert server.socket.family == socket.AF_INET


def test_a_client_that_goes_away_says_nothing(
    server: ReportServer, capfd: pytest.CaptureFixture[str]
) -> None:
    """Half a request, or none, leaves no trace on the terminal, and others are served."""
    for begun in (b"", b"GET / HT", b"\0\0\0\n\n", b"GET /\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", server.server_port)) as link:
            link.sendall(begun)
    assert ask(server.server_port, "/")[0] == 200
    assert capfd.readouterr() == ("", "")


def test_the_help_names_both(study: Study) -> None:
    _, out, _ = study("--help")
    assert all(f" {name} " in out for name in ("browse", "compare"))
