"""Who may train which trial, and what its attempts come to."""

from __future__ import annotations

import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from optuna.trial import Trial, TrialState

from study.ledger import Ledger, worker_name

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


def test_a_trial_that_diverged_is_not_tried_again(ledger: Ledger) -> None:
    ledger.drop(take(ledger, 0).number, "diverged", "the loss is not a number")
    assert (state(ledger, 0), ledger.open_ordinals(range(1))) == ("failed", [])


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
