"""One process at a time."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

_POLL_SECONDS = 0.2


@contextmanager
def only_process(lock: Path, *, on_wait: Callable[[], None]) -> Iterator[None]:
    """Hold a lock for this process, which waits while another one holds it.

    The lock goes with the process, however it ends; SQLite's is the one that every platform has.
    ``on_wait`` is called once, before the wait.

    Raises ``OSError`` when the file cannot be locked.
    """
    try:
        connection = sqlite3.connect(lock, timeout=0, isolation_level=None)
    except sqlite3.OperationalError as error:
        raise OSError(f"{lock}: {error}") from error
    with closing(connection):
        if not _acquire(connection, lock):
            on_wait()
            while not _acquire(connection, lock):
                time.sleep(_POLL_SECONDS)
        yield


def _acquire(connection: sqlite3.Connection, lock: Path) -> bool:
    try:
        connection.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
            return False
        raise OSError(f"{lock}: {error}") from error
    return True
