"""A run on a real terminal: what is typed neither tears the view nor reaches the shell."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

termios = pytest.importorskip("termios")
pty = pytest.importorskip("pty")

SIZE = (24, 80)


class Terminal:
    """A pseudo-terminal that controls the process which is started on it."""

    def __init__(self, cwd: Path) -> None:
        self._cwd = cwd
        self.master, self.slave = pty.openpty()
        termios.tcsetwinsize(self.slave, SIZE)
        self.process: subprocess.Popen[bytes] | None = None
        self.shown = ""

    def start(self, *arguments: object) -> None:
        login = partial(os.login_tty, self.slave)
        command = [sys.executable, *map(str, arguments)]
        environment = {**os.environ, "TERM": "xterm-256color"}
        self.process = subprocess.Popen(
            command, cwd=self._cwd, env=environment, preexec_fn=login, pass_fds=[self.slave]
        )

    def type(self, keys: bytes) -> None:
        os.write(self.master, keys)

    def local_modes(self) -> int:
        modes: int = termios.tcgetattr(self.slave)[3]
        return modes

    def waiting_input(self) -> bytes:
        """Return what a shell would read next."""
        os.set_blocking(self.slave, False)
        try:
            return os.read(self.slave, 1000)
        except BlockingIOError:
            return b""

    def read_until(self, done: Callable[[], bool], seconds: float = 60) -> None:
        end = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < end, self.shown
            if select.select([self.master], [], [], 0.1)[0]:
                self.shown += os.read(self.master, 10_000).decode(errors="replace")

    def finish(self, seconds: float = 60) -> int:
        assert self.process is not None
        self.read_until(lambda: self.process.poll() is not None, seconds)
        while select.select([self.master], [], [], 0.1)[0]:
            self.shown += os.read(self.master, 10_000).decode(errors="replace")
        return self.process.returncode

    def close(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        os.close(self.master)
        os.close(self.slave)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    found = Terminal(tmp_path)
    yield found
    found.close()


def test_what_is_typed_during_a_run_is_neither_shown_nor_left_to_the_shell(
    terminal: Terminal, draw: Callable[..., Path]
) -> None:
    """Afterwards the terminal is as before. Ctrl-C would do the flushing itself: time ends it."""
    draw()
    before = termios.tcgetattr(terminal.slave)
    budgets = ["--samples-per-epoch", "96", "--validation-samples", "48", "--timeout", "4s"]
    terminal.start("-m", "study", "run", "--data", "images", "--trials", "1", *budgets)
    terminal.read_until(lambda: "Worker" in terminal.shown)
    modes = terminal.local_modes()
    assert not modes & (termios.ECHO | termios.ICANON)
    assert modes & termios.ISIG, "Ctrl-C has to end it"
    terminal.type(b"do-not-run-this\n\n\nnor-this\n")
    assert terminal.finish() == 0
    assert "do-not-run-this" not in terminal.shown
    assert termios.tcgetattr(terminal.slave) == before
    assert terminal.waiting_input() == b""


BACKGROUND = """
import os, sys, termios
from study.cli.watching import keys_ignored
if os.fork() == 0:
    os.setpgid(0, 0)
    with keys_ignored(sys.stdin):
        echo = termios.tcgetattr(0)[3] & termios.ECHO
    os._exit(0 if echo else 1)
os._exit(os.waitstatus_to_exitcode(os.waitpid(-1, os.WUNTRACED)[1]))
"""


def test_a_run_in_the_background_leaves_the_terminal_alone(terminal: Terminal) -> None:
    """It belongs to another process, and whoever sets it from there is stopped."""
    terminal.start("-c", BACKGROUND)
    assert terminal.finish() == 0, terminal.shown


@pytest.mark.parametrize("quiet", [False, True])
def test_quiet_shows_no_spinner(terminal: Terminal, draw: Callable[..., Path], quiet: bool) -> None:
    """Shown on a run that is refused after its images were read and divided."""
    draw()
    line = ["run", "--data", "images", "--validation-samples", "1"]
    terminal.start("-m", "study", *line, *(["--quiet"] if quiet else []))
    assert terminal.finish() == 2
    assert ("Reading the images" in terminal.shown) is not quiet
    assert ("Dividing" in terminal.shown) is not quiet
    if quiet:
        assert terminal.shown.startswith("study: --validation-samples")
