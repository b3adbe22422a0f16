"""The ledger: who may train which trial, what its attempts come to, what survives the disk."""

from __future__ import annotations

import math
import random
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import Trial, TrialState

from study.errors import LedgerError
from study.ledger import (
    FILE_NAME,
    SCHEMA_VERSION,
    Ledger,
    distributions,
    read_study,
    worker_name,
)
from study.protocol import Protocol
from study.space import find_space
from study.stored_trials import stored_trials
from study.variant import REFERENCE

SETUP: dict[str, Any] = {
    "command": "study run --data 'an image.png' --trials 24",
    "requested": 24,
    "protocol": Protocol(epochs=7).as_dict(),
    "space": {"name": "seed", "text": find_space("seed").text, "digest": "d"},
    "dataset": {
        "name": "blobs",
        "digest": "d",
        "positive": "malignant",
        "classes": {"benign": 3, "malignant": 4},
        "skipped": [],
    },
    "split": {"kind": "grouped", "digest": "d", "parts": {}, "notes": ["A note with ümläuts."]},
    "seed": 5,
    "versions": {"study": "1"},
    "machine": {"cores": 2},
}

WORKER = """
import sys
from pathlib import Path
from optuna.trial import TrialState
from study.ledger import Ledger

ledger = Ledger.open(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
while waiting := ledger.open_ordinals(range(24)):
    trial = ledger.optuna_study.ask()
    if ledger.claim(trial, waiting[0]):
        ledger.optuna_study.tell(trial, 0.5, state=TrialState.COMPLETE)
        print(waiting[0], flush=True)
"""


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    made = Ledger.create(tmp_path, "it", SETUP)
    yield made
    made.close()


def take(ledger: Ledger, ordinal: int) -> Trial:
    trial = ledger.optuna_study.ask()
    assert ledger.claim(trial, ordinal)
    return trial


def complete(ledger: Ledger, trial: Trial, score: float = 0.5) -> None:
    ledger.optuna_study.tell(trial, score, state=TrialState.COMPLETE)


def state(ledger: Ledger, ordinal: int) -> str:
    return next(trial.state for trial in ledger.read().trials if trial.number == ordinal)


def test_eight_processes_take_every_trial_exactly_once(ledger: Ledger, tmp_path: Path) -> None:
    """All ask at once for the same trials, and each trial is trained by one of them."""
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(8)
    ]
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
    taken = [int(line) for worker in workers for line in worker.communicate()[0].split()]
    assert [worker.returncode for worker in workers] == [0] * 8
    assert sorted(taken) == list(range(24))
    record = ledger.read()
    assert [trial.number for trial in record.trials] == list(range(24))
    assert {trial.state for trial in record.trials} == {"complete"}
    assert {trial.attempts for trial in record.trials} == {1}
    assert not ledger.optuna_study.get_trials(states=(TrialState.RUNNING,))


def test_of_many_threads_that_ask_for_one_trial_one_gets_it(ledger: Ledger, tmp_path: Path) -> None:
    def ask(_: int) -> bool:
        own = Ledger.open(tmp_path)
        try:
            return own.claim(own.optuna_study.ask(), 3)
        finally:
            own.close()

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(ask, range(6))) == 1
    assert state(ledger, 3) == "running"
    assert ledger.read().trials[0].attempts == 1


def test_a_trial_that_is_taken_or_has_ended_is_not_given_again(ledger: Ledger) -> None:
    trial = take(ledger, 0)
    assert ledger.open_ordinals(range(3)) == [1, 2]
    assert ledger.unfinished(range(3)) == 3
    assert not ledger.claim(ledger.optuna_study.ask(), 0)
    complete(ledger, trial)
    assert not ledger.claim(ledger.optuna_study.ask(), 0)
    assert ledger.unfinished(range(3)) == 2
    assert ledger.read().trials[0].attempts == 1


def test_whoever_asks_does_not_wait_for_ever_for_a_process_that_died(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("study.ledger.SILENCE", 0.2)
    silent = ledger.optuna_study.ask()
    take(ledger, 0)
    assert ledger.optuna_study.trials[silent.number].state == TrialState.FAIL
    assert len(ledger.read().trials) == 1


def test_an_interrupted_trial_is_open_again_however_often(ledger: Ledger) -> None:
    for attempt in range(4):
        trial = take(ledger, 0)
        ledger.drop(trial.number, "interrupted", "the run was stopped from outside")
        found = ledger.read().trials[0]
        assert (found.state, found.attempts) == ("interrupted", attempt + 1)
        assert found.cause == "the run was stopped from outside"
        assert ledger.open_ordinals(range(1)) == [0]


def test_a_trial_that_fails_is_tried_once_more_and_then_has_failed(ledger: Ledger) -> None:
    ledger.drop(take(ledger, 0).number, "error", "first")
    assert state(ledger, 0) == "interrupted"
    assert ledger.open_ordinals(range(1)) == [0]
    ledger.drop(take(ledger, 0).number, "interrupted", "between")
    ledger.drop(take(ledger, 0).number, "error", "second")
    found = ledger.read().trials[0]
    assert (found.state, found.attempts, found.cause) == (
        "failed",
        3,
        "second (first attempt: first)",
    )
    assert ledger.open_ordinals(range(1)) == []
    assert not ledger.claim(ledger.optuna_study.ask(), 0)


def test_a_trial_that_failed_once_may_still_be_completed(ledger: Ledger) -> None:
    ledger.drop(take(ledger, 0).number, "error", "first")
    trial = take(ledger, 0)
    complete(ledger, trial)
    found = ledger.read().trials[0]
    assert (found.state, found.attempts, found.cause) == (
        "complete",
        2,
        "first attempt: first",
    )
    assert found.ledger_number == trial.number


def test_the_running_trials_of_one_worker_can_be_dropped(ledger: Ledger) -> None:
    other, own = take(ledger, 0), take(ledger, 1)
    other.set_user_attr("worker", "elsewhere:1")
    assert ledger.drop_running(ended="error", cause="gone", worker="elsewhere:1") == 1
    assert (state(ledger, 0), state(ledger, 1)) == ("interrupted", "running")
    assert ledger.drop_running(ended="error", cause="gone", worker="elsewhere:2") == 0
    assert ledger.drop_running(ended="interrupted", cause="stopped") == 1
    assert ledger.optuna_study.trials[own.number].user_attrs["worker"] == worker_name()
    assert not ledger.optuna_study.get_trials(states=(TrialState.RUNNING,))


def test_suggestions_that_were_turned_down_are_not_trials(ledger: Ledger) -> None:
    trial = take(ledger, 4)
    trial.set_user_attr("infeasible", True)
    ledger.optuna_study.tell(trial, state=TrialState.PRUNED)
    assert dict(ledger.look().turned_down["infeasible"]) == {4: 1}
    record = ledger.read()
    assert (record.trials, record.infeasible) == ([], 1)
    assert 4 in ledger.open_ordinals(range(5))


def test_a_study_reads_as_it_was_written(ledger: Ledger, tmp_path: Path) -> None:
    trial = take(ledger, 1)
    trial.suggest_float("dropout", 0.0, 0.6)
    scores = {"validation_f_med": 0.75, "validation_plain_f_med": 0.7, "train_f_med": 0.9}
    for key, value in {
        "variant": REFERENCE.as_dict(),
        "scores": scores,
        "seed": 9,
        "parameters": 12,
        "macs": 2**33,
        "validation_f_med_smooth": 0.74,
        "best_epoch": 2,
        "epochs": 3,
        "stopped_by": "patience",
        "seconds": 1.5,
        "diagnosis": {"kind": "balanced", "advice": []},
    }.items():
        trial.set_user_attr(key, value)
    for epoch, score in ((1, 0.5), (2, 0.75), (3, 0.6)):
        trial.report(score, epoch)
    complete(ledger, trial, 0.75)
    ledger.update(retest={"number": 1, "uses": 1})
    reopened = Ledger.open(tmp_path)
    record = reopened.read()
    reopened.close()
    assert record == ledger.read()
    assert record.protocol == Protocol(epochs=7)
    for key in SETUP.keys() - {"protocol"}:
        assert getattr(record, key) == SETUP[key]
    (found,) = record.trials
    assert (found.number, found.state, found.progress) == (1, "complete", [0.5, 0.75, 0.6])
    assert (found.validation_f_med, found.validation_f_med_plain) == (0.75, 0.7)
    assert (found.train_f_med, found.macs, found.variant) == (0.9, 2**33, REFERENCE.as_dict())
    assert (found.params, found.best_epoch) == (trial.params, 2)
    assert record.retest == {"number": 1, "uses": 1}


def test_trials_that_are_read_at_once_are_what_optuna_reads(ledger: Ledger) -> None:
    """Every state, parameter, attribute and number, also those that are none; of this study."""
    space = distributions(find_space("seed"))
    optuna_study, other = (
        ledger.optuna_study,
        optuna.create_study(storage=ledger._storage, study_name="other"),
    )
    other.tell(other.ask(space), 0.5)
    for number in range(6):
        trial = optuna_study.ask(space)
        trial.set_user_attr("ordinal", number)
        trial.set_user_attr("plan", {"params": {}, "names": ["ümläut", None, 0.25]})
        ledger._storage.set_trial_system_attr(trial._trial_id, "mark", [number])
        for epoch, score in enumerate((0.25, math.nan, math.inf, -math.inf), 1):
            trial.report(score, epoch)
        if number == 1:
            optuna_study.tell(trial, 0.1 + 0.2)
        elif number > 1:
            state = (TrialState.FAIL, TrialState.PRUNED)[number % 2]
            optuna_study.tell(trial, state=state)
    optuna_study.enqueue_trial({"filters": 8})
    found = stored_trials(ledger._storage.engine, ledger._study_id)
    assert list(map(repr, found)) == list(map(repr, optuna_study.get_trials()))
    assert found[1].value == 0.1 + 0.2
    assert len(found) == 7
    assert repr(ledger.read_once()) == repr(ledger.read())


def test_a_later_stage_has_attempts_of_its_own_in_the_same_file(
    ledger: Ledger, tmp_path: Path
) -> None:
    """Neither counts the other's; opened again, both are there."""
    complete(ledger, take(ledger, 0))
    stage = ledger.stage("finalists")
    assert stage.open_ordinals(range(2)) == [0, 1]
    complete(stage, take(stage, 1), score=0.25)
    assert [trial.number for trial in ledger.read().trials] == [0]
    again = Ledger.open(tmp_path)
    assert again.read() == ledger.read()
    assert again.stage("finalists").open_ordinals(range(2)) == [0]
    assert again.stage("finalists").look().records()[0].number == 1
    again.close()


def test_a_ledger_of_a_newer_program_is_refused(ledger: Ledger, tmp_path: Path) -> None:
    ledger.update(schema_version=SCHEMA_VERSION + 1)
    with pytest.raises(LedgerError, match=r"newer version .*schema 2.*update the program") as found:
        Ledger.open(tmp_path)
    assert "\n" not in str(found.value)


REMEDY = "; restore it from a copy, or remove the folder"


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (b"", "an empty file"),
        (b"this is no database" * 99, "DatabaseError: file is not a database"),
        (None, "DatabaseError: database disk image is malformed"),
    ],
)
def test_a_damaged_ledger_is_refused_in_one_line(
    tmp_path: Path, content: bytes | None, cause: str
) -> None:
    """An empty file, another file, or the first half of a ledger: it says what to do."""
    Ledger.create(tmp_path, "it", SETUP).close()
    path = tmp_path / FILE_NAME
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] if content is None else content)
    left = path.read_bytes()
    with pytest.raises(LedgerError) as found:
        Ledger.open(tmp_path)
    assert str(found.value) == (f"{path}: empty, damaged or not a study's ledger ({cause}){REMEDY}")
    assert path.read_bytes() == left


@pytest.mark.parametrize(
    ("attributes", "cause"),
    [
        (None, "0 studies in it"),
        ({}, "no 'schema_version'"),
        ({"schema_version": "x"}, "TypeError: "),
    ],
)
def test_a_ledger_of_another_program_is_refused(
    tmp_path: Path, attributes: dict[str, Any] | None, cause: str
) -> None:
    """Optuna's own files are none of ours, with a study in them or without."""
    storage = optuna.storages.RDBStorage(f"sqlite:///{tmp_path / FILE_NAME}")
    if attributes is not None:
        study = optuna.create_study(storage=storage, study_name="theirs")
        for key, value in attributes.items():
            study.set_user_attr(key, value)
    with pytest.raises(LedgerError) as found:
        Ledger.open(tmp_path)
    assert f"not a study's ledger ({cause}" in str(found.value)
    assert str(found.value).endswith(REMEDY)


@pytest.mark.parametrize(
    ("setup", "cause"),
    [
        ({"requested": 2}, "no 'protocol'"),
        ({**SETUP, "dataset": {"positive": "malignant"}}, "no 'name'"),
        ({**SETUP, "dataset": {"name": "blobs"}}, "no 'positive'"),
        ({**SETUP, "dataset": ["blobs"]}, "TypeError: "),
        ({**SETUP, "split": {}}, "no 'kind'"),
        ({**SETUP, "protocol": {}}, "no 'augmentation'"),
        ({key: SETUP[key] for key in SETUP if key != "seed"}, "no 'seed'"),
    ],
)
def test_a_half_written_ledger_is_refused_when_it_is_opened(
    tmp_path: Path, setup: dict[str, Any], cause: str
) -> None:
    """What every command needs of a study is looked for once, and named where it is not there."""
    Ledger.create(tmp_path, "half", setup).close()
    with pytest.raises(LedgerError) as found:
        Ledger.open(tmp_path)
    assert f"{tmp_path / FILE_NAME}: empty, damaged or not a study's ledger ({cause}" in str(
        found.value
    )
    assert str(found.value).endswith(REMEDY)


def test_reading_a_study_gives_its_record(tmp_path: Path) -> None:
    made = Ledger.create(tmp_path, "it", SETUP)
    assert read_study(tmp_path) == made.read()
    made.close()


def test_nobody_is_told_to_remove_a_ledger_that_is_only_out_of_reach(tmp_path: Path) -> None:
    """What stands in the way lies outside the file, which may be well."""
    Ledger.create(tmp_path, "it", SETUP).close()
    (tmp_path / f"{FILE_NAME}-wal").mkdir()
    with pytest.raises(LedgerError, match=r"cannot be opened \(unable to open") as found:
        Ledger.open(tmp_path)
    assert "remove the folder" not in str(found.value)
    assert "\n" not in str(found.value)


def test_a_folder_without_a_ledger_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match=r"no study in .*`study list`"):
        Ledger.open(tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_distributions_are_those_of_the_space() -> None:
    space = find_space("seed")
    found = distributions(space)
    assert list(found) == [item.name for item in space.parameters]
    assert found["filters"] == optuna.distributions.IntDistribution(8, 96, log=True)
    assert found["optimizer"] == optuna.distributions.CategoricalDistribution(("adam", "sgd"))
    assert found["dropout"] == optuna.distributions.FloatDistribution(0.0, 0.6)


def test_every_connection_writes_ahead_and_does_not_wait_for_the_disk(ledger: Ledger) -> None:
    """SQLite's default, a flush to the disk for each transaction, makes a trial twice as slow."""
    with ledger._storage.engine.connect() as connection:
        settings = ("journal_mode", "synchronous", "busy_timeout")
        found = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in settings]
    assert found == ["wal", 1, 60_000]


def test_a_ledger_that_watched_knows_what_one_just_opened_reads(
    ledger: Ledger, tmp_path: Path
) -> None:
    """Whatever happens to the attempts, looking again and again comes to the same as one look."""
    rng = random.Random(3)
    running: dict[int, Trial] = {}
    for _ in range(60):
        ordinal = rng.randrange(8)
        match rng.choice(["take", "complete", "prune", "drop", "turn down", "conflict", "report"]):
            case "take" if ordinal in ledger.open_ordinals(range(8)):
                running[ordinal] = take(ledger, ordinal)
            case "complete" if ordinal in running:
                complete(ledger, running.pop(ordinal))
            case "prune" if ordinal in running:
                running[ordinal].report(0.5, 1)
                ledger.optuna_study.tell(running.pop(ordinal), state=TrialState.PRUNED)
            case "drop" if ordinal in running:
                ended = rng.choice(["interrupted", "error", "diverged"])
                ledger.drop(running.pop(ordinal).number, ended, ended)
            case "turn down" if ordinal in running:
                running[ordinal].set_user_attr("infeasible", True)
                ledger.optuna_study.tell(running.pop(ordinal), state=TrialState.PRUNED)
            case "conflict" if ordinal in running:
                assert not ledger.claim(ledger.optuna_study.ask(), ordinal)
            case "report" if ordinal in running:
                running[ordinal].report(0.4, 2)
        fresh = Ledger.open(tmp_path)
        assert ledger.read() == fresh.read()
        assert ledger.open_ordinals(range(8)) == fresh.open_ordinals(range(8))
        fresh.close()


def test_a_trial_that_diverged_is_not_tried_again(ledger: Ledger) -> None:
    ledger.drop(take(ledger, 0).number, "diverged", "the loss is not a number")
    assert (state(ledger, 0), ledger.open_ordinals(range(1))) == ("failed", [])


def test_attributes_are_read_whether_written_in_one_go_or_one_by_one(ledger: Ledger) -> None:
    trial = take(ledger, 0)
    trial.set_user_attr("plan", {"seed": 3, "macs": 5})
    trial.set_user_attr("parameters", 7)
    trial.set_user_attr("result", {"scores": {"validation_f_med": 0.5}, "epochs": 2})
    complete(ledger, trial)
    (found,) = ledger.read().trials
    assert (found.seed, found.macs, found.parameters, found.epochs) == (3, 5, 7, 2)
    assert found.validation_f_med == 0.5
