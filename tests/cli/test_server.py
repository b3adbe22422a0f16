"""The server of the reports: what it gives out, to whom, and what it never does."""

from __future__ import annotations

import http.client
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from study.cli.server import ReportServer, file_of, is_own
from study.errors import SettingsError

SECRET = "what nobody may read"


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
