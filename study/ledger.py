"""The ledger: the record of a study's trials, an Optuna study in SQLite.

Every attempt at a planned trial is one Optuna trial. Its user attribute ``ordinal`` says which
planned trial it belongs to; the latest attempt of an ordinal is what counts.
"""

from __future__ import annotations

import os
import socket
import sqlite3
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.search_space import IntersectionSearchSpace
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, Trial, TrialState
from sqlalchemy import Engine, event

from study.attempts import ENDED, Attempts, state_of
from study.errors import LedgerError, in_a_line
from study.protocol import Protocol
from study.records import StudyRecord
from study.space import Space
from study.stored_trials import stored_trials

SCHEMA_VERSION = 1
FILE_NAME = "study.db"

STAGE = "/"
"""Between a study's name, which cannot hold it, and that of a later stage in the same file."""

SILENCE = 30.0
"""Seconds after which an attempt that has not said what it wants is taken for dead."""

_OUTSIDE = (
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_AUTH,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_NOMEM,
)
"""What SQLite says where the file itself may be well."""

_SETUP = ("command", "requested", "space", "dataset", "split", "seed", "versions", "machine")

_NEEDED = {"dataset": ("name", "positive"), "space": ("name",), "split": ("kind",)}
"""What is asked of these without a default."""


def now() -> str:
    """Return the present time, UTC, ISO 8601 with seconds."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def worker_name() -> str:
    """Return ``host:process`` of this process."""
    return f"{socket.gethostname()}:{os.getpid()}"


def distributions(space: Space) -> dict[str, BaseDistribution]:
    """Return Optuna's distributions of a space, in the order of its file."""
    found: dict[str, BaseDistribution] = {}
    for item in space.parameters:
        if item.type == "choice":
            found[item.name] = CategoricalDistribution(item.choices)
        elif item.type == "int":
            assert item.low is not None
            assert item.high is not None
            found[item.name] = IntDistribution(
                int(item.low), int(item.high), log=item.log, step=item.step
            )
        else:
            assert item.low is not None
            assert item.high is not None
            found[item.name] = FloatDistribution(float(item.low), float(item.high), log=item.log)
    return found


class Ledger:
    """One study's record; open it with :meth:`create` or :meth:`open`."""

    def __init__(self, optuna_study: optuna.Study, storage: optuna.storages.RDBStorage) -> None:
        self.optuna_study = optuna_study
        self._storage = storage
        self._study_id = storage.get_study_id_from_name(optuna_study.study_name)
        self._attempts = Attempts()
        self.intersection = IntersectionSearchSpace(include_pruned=True)
        """What samplers have learned of the space that the trials, also pruned ones, share."""

    @classmethod
    def create(cls, folder: Path, name: str, setup: Mapping[str, Any]) -> Ledger:
        """Make the ledger of a new study in ``folder``.

        ``setup`` holds what ``StudyRecord`` says of a study before its first trial.
        """
        storage = _storage(folder)
        optuna_study = optuna.create_study(
            storage=storage, study_name=name, direction=StudyDirection.MAXIMIZE
        )
        attributes = {"schema_version": SCHEMA_VERSION, "created": now(), **setup}
        for key, value in attributes.items():
            optuna_study.set_user_attr(key, value)
        return cls(optuna_study, storage)

    @classmethod
    def open(cls, folder: Path) -> Ledger:
        """Open the ledger in ``folder``.

        Raises ``LedgerError`` when there is none, when it is damaged, or when a newer version of
        the program wrote it.
        """
        path = folder / FILE_NAME
        if not path.is_file():
            raise LedgerError(f"no study in {folder}; `study list` shows what there is")
        try:
            if not path.stat().st_size:  # in which Optuna would make its tables
                raise LedgerError("an empty file")
            storage = _storage(folder)
            # Not Optuna's summaries, which read every trial.
            names = [name for name in optuna.get_all_study_names(storage) if STAGE not in name]
            if len(names) != 1:
                raise LedgerError(f"{len(names)} studies in it")
            optuna_study = optuna.load_study(storage=storage, study_name=names[0])
            attributes = optuna_study.user_attrs
            version = attributes["schema_version"]
            newer = version > SCHEMA_VERSION
            if not newer:
                _check_setup(attributes)
        except Exception as error:
            raise _unreadable(path, error) from error
        if newer:
            raise LedgerError(
                f"{path}: written by a newer version of the program (schema "
                f"{version}, this one reads up to {SCHEMA_VERSION}); update the program"
            )
        return cls(optuna_study, storage)

    def stage(self, name: str) -> Ledger:
        """Return the ledger of what is trained after the search, made if there is none.

        It lies in the same file, holds attempts as this one does, and is closed with it.
        """
        optuna_study = optuna.create_study(
            storage=self._storage,
            study_name=f"{self.optuna_study.study_name}{STAGE}{name}",
            direction=StudyDirection.MAXIMIZE,
            load_if_exists=True,
        )
        return Ledger(optuna_study, self._storage)

    def close(self) -> None:
        """Let go of the file, so that its folder can be moved."""
        self._storage.remove_session()
        self._storage.engine.dispose()

    def update(self, **attributes: Any) -> None:
        """Set attributes of the study."""
        for key, value in attributes.items():
            self.optuna_study.set_user_attr(key, value)

    def note_opening(self, **facts: Any) -> int:
        """Note that the test part is opened now, and return how often it has been."""
        openings = [*_openings(self.optuna_study.user_attrs), {"at": now(), **facts}]
        self.update(test_openings=openings)
        return len(openings)

    def look(self) -> Attempts:
        """Return all attempts as they stand now: one read, which every question then shares.

        The next look brings the same object up to date.
        """
        self._attempts.update(self.optuna_study.get_trials(deepcopy=False))
        return self._attempts

    def attempts(self) -> dict[int, list[FrozenTrial]]:
        """Return the attempts at each ordinal, oldest first.

        Suggestions that were turned down and attempts that gave way to another are left out.
        """
        return self.look().by_ordinal()

    def is_taken(self, trial: Trial, variant: Mapping[str, Any]) -> bool:
        """Tell whether another ordinal has this variant: ended, begun, or asked for earlier.

        Two workers that ask for the same at once see each other; the higher number gives way.
        """
        own = trial.user_attrs["ordinal"]
        for ordinal, attempts in self.attempts().items():
            if ordinal == own:
                continue
            for other in attempts:
                first = other.number < trial.number or "started" in other.user_attrs
                if first and other.user_attrs.get("variant") == variant:
                    return True
        return False

    def open_ordinals(self, ordinals: Iterable[int]) -> list[int]:
        """Return those of the ordinals that have not ended and that nobody trains."""
        return self.look().open_ordinals(ordinals)

    def unfinished(self, ordinals: Iterable[int]) -> int:
        """Return how many of the ordinals have not ended, trained just now or not."""
        return self.look().unfinished(ordinals)

    def claim(self, trial: Trial, ordinal: int) -> bool:
        """Try to take an ordinal for a new attempt; False when another worker has it.

        Lamport's bakery (1974): Optuna's number is the ticket. Whoever asks waits until all lower
        numbers have said which ordinal they want, and gives way to a lower one that wants the
        same. A lower number that stays silent belongs to a process that died.
        """
        trial.set_user_attr("worker", worker_name())
        trial.set_user_attr("ordinal", ordinal)
        deadline = time.monotonic() + SILENCE
        while silent := [t for t in self._before(trial) if "ordinal" not in t.user_attrs]:
            if time.monotonic() > deadline:
                for other in silent:
                    self.drop(other.number, "interrupted", "its worker died while it asked")
            time.sleep(0.02)
        others = [t for t in self._attempts.of(ordinal) if t.number != trial.number]
        taken = any(t.state == TrialState.RUNNING and t.number < trial.number for t in others)
        ended = [t for t in others if t.state.is_finished()]
        if not taken and not (ended and state_of(ended) in ENDED):
            return True
        self.drop(trial.number, "conflict", "another worker has the trial")
        return False

    def _before(self, trial: Trial) -> list[FrozenTrial]:
        """Return the running attempts with lower numbers, after a fresh look."""
        return [other for other in self.look().running if other.number < trial.number]

    def drop(self, number: int, ended: str, cause: str) -> None:
        """End a running attempt that has no result; ``cause`` is one line on why.

        ``ended`` is ``interrupted`` (from outside; it runs again), ``error`` (its own; tried once
        more), ``diverged`` (it would do so again), or ``conflict`` (another worker has the trial).
        """
        identifier = self._storage.get_trial_id_from_study_id_trial_number(self._study_id, number)
        for key, value in (("cause", cause), ("ended_by", ended), ("ended", now())):
            self._storage.set_trial_user_attr(identifier, key, value)
        self.optuna_study.tell(number, state=TrialState.FAIL)

    def drop_running(self, *, ended: str, cause: str, worker: str | None = None) -> int:
        """End all running attempts, or those of one worker, and return how many there were."""
        attempts = self.look()
        dead = attempts.running if worker is None else attempts.of_worker(worker)
        for trial in dead:
            self.drop(trial.number, ended, cause)
        return len(dead)

    def read(self) -> StudyRecord:
        """Return the study as it stands now."""
        return self.record(self.look())

    def read_once(self) -> StudyRecord:
        """Return the study as it stands now, sooner than ``read`` does but every time from scratch.

        For commands that look at a ledger and leave it.
        """
        attempts = Attempts()
        attempts.update(stored_trials(self._storage.engine, self._study_id))
        return self.record(attempts)

    def record(self, attempts: Attempts) -> StudyRecord:
        """Return the study with its trials as they stood at a look."""
        attributes = self.optuna_study.user_attrs
        retest, openings = attributes.get("retest"), len(_openings(attributes))
        return StudyRecord(
            name=self.optuna_study.study_name,
            created=attributes["created"],
            protocol=Protocol.from_dict(attributes["protocol"]),
            trials=attempts.records(),
            infeasible=attempts.turned_down["infeasible"].total(),
            duplicates=attempts.turned_down["duplicate"].total(),
            search=attributes.get("search", {}),
            audit=attributes.get("audit"),
            final=attributes.get("final"),
            # It may have been opened since, by an evaluation that left no answer.
            retest=None if retest is None else {**retest, "uses": openings},
            test_openings=openings,
            **{key: attributes[key] for key in _SETUP},
        )


def read_study(folder: Path) -> StudyRecord:
    """Return the study in ``folder`` as it stands now, and let go of its file.

    Raises ``LedgerError`` as ``Ledger.open`` does, and when a trial cannot be read.
    """
    ledger = Ledger.open(folder)
    try:
        return ledger.read_once()
    except Exception as error:
        raise _unreadable(folder / FILE_NAME, error) from error
    finally:
        ledger.close()


def _openings(attributes: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return each opening of the test part: ``at``, ``version``, ``model_digest``.

    Earlier versions counted in the stored answer only.
    """
    retest = attributes.get("retest")
    counted = int(retest.get("uses") or 1) if retest else 0
    return list(attributes.get("test_openings") or [{}] * counted)


def _check_setup(attributes: Mapping[str, Any]) -> None:
    """Raise ``KeyError`` or the like where a ledger lacks what every study has from the first."""
    Protocol.from_dict(attributes["protocol"])
    for key, needed in _NEEDED.items():
        for name in needed:
            attributes[key][name]
    for key in ("created", *_SETUP):
        attributes[key]


def _unreadable(path: Path, error: Exception) -> LedgerError:
    """Return, in one line, why a ledger cannot be read and what to do."""
    cause = error
    while isinstance(cause.__cause__, Exception):
        cause = cause.__cause__
    code = getattr(cause, "sqlite_errorcode", None)
    if isinstance(cause, OSError) or (code is not None and code & 0xFF in _OUTSIDE):
        return LedgerError(
            f"{path}: cannot be opened ({cause}); see that you may read and write it, that its "
            "disk has room, and that no other program locks it"
        )
    said = f"no {cause}" if isinstance(cause, KeyError) else in_a_line(cause)
    return LedgerError(
        f"{path}: empty, damaged or not a study's ledger ({said}); restore it from a copy, or "
        "remove the folder"
    )


def _storage(folder: Path) -> optuna.storages.RDBStorage:
    """Return the SQLite storage in ``folder``, made for several processes at once."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = optuna.storages.RDBStorage(
        f"sqlite:///{(folder / FILE_NAME).resolve()}",
        engine_kwargs={"connect_args": {"timeout": 60}},
    )
    _write_ahead(storage.engine)
    # Drop the connection that the storage has made already, before it was told how.
    storage.remove_session()
    storage.engine.dispose()
    return storage


def _write_ahead(engine: Engine) -> None:
    """Let readers and a writer work side by side."""

    @event.listens_for(engine, "connect")
    def _set(connection: Any, _: Any) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("PRAGMA busy_timeout=60000")
