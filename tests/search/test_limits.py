"""What ends a trial, and what ends a run: limits and budgets, with real workers."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace

import psutil
import pytest
from optuna.trial import TrialState

from study.ledger import Ledger
from study.protocol import Protocol
from study.records import StudyRecord, TrialRecord
from study.search.driver import Interruption, is_flat, run_search
from study.search.limits import FLAT_TRIALS, Budget, TrialLimits
from study.workspace import StudyFolder

pytestmark = pytest.mark.skipif(os.name != "posix", reason="kills processes")

MakeStudy = Callable[[Protocol], tuple[StudyFolder, Ledger]]

START_SECONDS = 90
"""Most from the start of a worker to its first epoch, on a busy machine."""


@pytest.fixture
def endless(make_study: MakeStudy, tiny: Protocol) -> tuple[StudyFolder, Ledger]:
    """A study whose trials take far longer than a test."""
    return make_study(replace(tiny, epochs=10_000))


def search(
    study: tuple[StudyFolder, Ledger],
    budget: Budget,
    limits: TrialLimits | None = None,
    on_tick: Callable[[StudyRecord], object] = lambda _: None,
) -> tuple[str, list[StudyRecord]]:
    """Run a search with one worker; return why it ended and what its ticks saw."""
    seen: list[StudyRecord] = []

    def tick(record: StudyRecord) -> None:
        seen.append(record)
        on_tick(record)

    reason = run_search(
        *study,
        budget=budget,
        jobs=1,
        limits=limits or TrialLimits(),
        interruption=Interruption(),
        on_tick=tick,
    )
    return reason, seen


@pytest.mark.parametrize(
    ("limits", "cause"),
    [
        (TrialLimits(seconds=0.5), "ran longer than --trial-timeout 0.5 s"),
        (TrialLimits(memory_mb=50), "took more than --trial-memory 50 MB"),
    ],
)
def test_a_trial_that_passes_a_limit_is_tried_once_more_and_then_has_failed(
    endless: tuple[StudyFolder, Ledger], limits: TrialLimits, cause: str
) -> None:
    reason, seen = search(endless, Budget(trials=1), limits)
    assert reason == "trials"
    (trial,) = seen[-1].trials
    assert (trial.state, trial.attempts, trial.cause) == ("failed", 2, cause)
    assert [t.user_attrs["cause"] for t in endless[1].attempts()[0]] == [cause] * 2


def test_a_run_whose_time_is_over_leaves_its_trial_to_the_next_run(
    endless: tuple[StudyFolder, Ledger],
) -> None:
    """A tick that waits for the trial's first epoch lets the time pass, however slow the start."""
    folder, ledger = endless
    reason, _ = search(endless, Budget(trials=1, seconds=0))
    assert (reason, ledger.read().trials) == ("timeout", [])
    trained: list[TrialRecord] = []

    def wait_for_an_epoch(_: StudyRecord) -> None:
        latest = time.monotonic() + START_SECONDS
        while not trained:
            assert time.monotonic() < latest, folder.log.read_text()
            time.sleep(0.05)
            trained.extend(trial for trial in ledger.read().trials if trial.epochs)

    reason, seen = search(endless, Budget(trials=1, seconds=0.5), on_tick=wait_for_an_epoch)
    assert reason == "timeout"
    assert [trial.state for trial in trained] == ["running"]
    assert not ledger.optuna_study.get_trials(states=(TrialState.RUNNING,))
    (trial,) = seen[-1].trials
    assert (trial.state, trial.attempts) == ("interrupted", 1)
    assert trial.cause == "the run's --timeout was over"
    assert trial.progress[:1] == trained[0].progress[:1], "what it reported is kept"
    assert trial.worker == trained[0].worker is not None
    assert not psutil.pid_exists(int(trial.worker.rpartition(":")[2]))
    assert ledger.open_ordinals(range(1)) == [0]


def test_a_run_ends_when_the_search_is_flat(endless: tuple[StudyFolder, Ledger]) -> None:
    ledger = endless[1]
    for ordinal in range(FLAT_TRIALS + 2):
        trial = ledger.optuna_study.ask()
        assert ledger.claim(trial, ordinal)
        score = 0.7 if ordinal == 1 else 0.6
        trial.set_user_attr("scores", {"validation_f_med": score})
        ledger.optuna_study.tell(trial, score)
    total = FLAT_TRIALS + 10
    reason, _ = search(endless, Budget(trials=total, stop_when_flat=True))
    assert reason == "flat"
    assert len(ledger.open_ordinals(range(total))) == 8


def ended(scores: list[float | None]) -> list[TrialRecord]:
    """Return complete trials in the order of their ends, pruned ones for None."""
    return [
        TrialRecord(
            number=len(scores) - k,
            state="pruned" if score is None else "complete",
            params={},
            variant={},
            ledger_number=k,
            validation_f_med=0.99 if score is None else score,
            ended=f"2026-01-01T00:{k:02}:00+00:00",
        )
        for k, score in enumerate(scores)
    ]


@pytest.mark.parametrize(
    ("scores", "flat"),
    [
        ([0.5] * (FLAT_TRIALS + 1), True),
        ([0.5] * FLAT_TRIALS, False),
        ([0.5] * FLAT_TRIALS + [0.509], True),
        ([0.5] * FLAT_TRIALS + [0.511], False),
        ([0.5, 0.52] + [0.5] * FLAT_TRIALS, True),
        ([0.5] + [None] * FLAT_TRIALS, True),
        ([None] * (FLAT_TRIALS + 5), False),
        ([None] * 5 + [0.5] + [None] * (FLAT_TRIALS - 1), False),
        ([], False),
    ],
)
def test_a_search_is_flat_when_its_last_trials_gained_too_little(
    scores: list[float | None], flat: bool
) -> None:
    """Pruned trials count as trials, not as scores, and the order is that of the ends."""
    assert is_flat(ended(scores)[::-1]) is flat


def test_a_running_trial_does_not_count_as_ended() -> None:
    trials = ended([0.5] * (FLAT_TRIALS + 1))
    assert not is_flat([*trials[:-1], replace(trials[-1], state="running")])
