"""The search in real processes: killed, stopped, resumed, and never done twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from optuna.trial import TrialState

from study import metrics
from study.errors import LedgerError
from study.ledger import Ledger
from study.protocol import Protocol
from study.records import StudyRecord, TrialRecord
from study.search.driver import Interruption, interruptible, only_driver, run_search
from study.search.kept_models import kept_models
from study.search.limits import Budget, TrialLimits
from study.space import Space
from study.summary import ranked
from study.workspace import StudyFolder

pytestmark = pytest.mark.skipif(os.name != "posix", reason="sends POSIX signals")

TRIALS = 4
SAME = ("number", "state", "params", "variant", "seed", "best_epoch", "epochs", "macs")
SAME_SCORES = ("validation_f_med", "validation_f_med_plain", "train_f_med")


@dataclass(frozen=True)
class Place:
    """A folder in which ``study run`` is started, always with the same line."""

    path: Path
    data: Path
    start_study: Callable[..., subprocess.Popen[str]]
    space: str

    @property
    def study(self) -> StudyFolder:
        return StudyFolder(self.path / "runs" / "it")

    def start(self, *options: object, trials: int = TRIALS) -> subprocess.Popen[str]:
        (self.path / "tiny.toml").write_text(self.space)
        line = ["run", "--data", self.data, "--name", "it", "--space", "tiny.toml"]
        line += ["--image-size", "24x22", "--epochs", "10", "--samples-per-epoch", "240"]
        line += ["--validation-samples", "48", "--trials", trials, "--seed", "2", "--json"]
        line += ["--jobs", "1", "--no-pruning", "--finalists", "0"]
        return self.start_study(self.path, *line, *options)

    def finish(self, *options: object, trials: int = TRIALS) -> dict[str, Any]:
        process = self.start(*options, trials=trials)
        return document(process)

    def ledger(self) -> Ledger:
        return Ledger.open(self.study.path)

    def wait_for_trial(
        self, process: subprocess.Popen[str], number: int, *, epochs: int = 0
    ) -> TrialRecord:
        """Wait until a worker is at a trial and has trained some epochs of it, and return it."""

        def trains() -> TrialRecord | None:
            assert process.poll() is None, process.communicate()
            running = [t for t in self.read().trials if t.state == "running" and t.worker]
            return next((t for t in running if t.number == number and t.epochs >= epochs), None)

        return wait_for(trains, seconds=90)

    def read(self) -> StudyRecord:
        """Return the study, as soon as there is one."""

        def opened() -> StudyRecord | None:
            try:
                ledger = self.ledger()
            except LedgerError:
                return None
            record = ledger.read()
            ledger.close()
            return record

        return wait_for(opened, seconds=30)

    def running(self) -> int:
        ledger = self.ledger()
        found = len(ledger.optuna_study.get_trials(states=(TrialState.RUNNING,)))
        ledger.close()
        return found


def wait_for(look: Callable[[], Any], *, seconds: float) -> Any:
    """Return what ``look`` finds, as soon as that is something."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"nothing came within {seconds} s"
        time.sleep(0.03)
    return found


def document(process: subprocess.Popen[str]) -> dict[str, Any]:
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    found: dict[str, Any] = json.loads(out)
    return found


def worker_of(trial: TrialRecord) -> int:
    assert trial.worker is not None
    return int(trial.worker.rpartition(":")[2])


def is_gone(process: int) -> bool:
    """Tell whether a process has ended, waited for by its parent or not."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    state = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(process)], capture_output=True, text=True, check=False
    )
    return state.stdout.strip().startswith("Z")


def assert_same_ranking(found: dict[str, Any], expected: dict[str, Any]) -> None:
    assert len(found["ranking"]) == len(expected["ranking"])
    for one, other in zip(found["ranking"], expected["ranking"], strict=True):
        assert {key: one[key] for key in SAME} == {key: other[key] for key in SAME}
        for key in SAME_SCORES:
            assert one[key] == pytest.approx(other[key], abs=1e-9), (one["number"], key)


@pytest.fixture(scope="module")
def make_place(
    two_classes: Path,
    start_study: Callable[..., subprocess.Popen[str]],
    tiny_space: Space,
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[], Place]:
    return lambda: Place(
        tmp_path_factory.mktemp("place"), two_classes, start_study, tiny_space.text
    )


@pytest.fixture(scope="module")
def whole(make_place: Callable[[], Place]) -> tuple[Place, dict[str, Any]]:
    """A study that nothing disturbed, and the document that it printed."""
    place = make_place()
    return place, place.finish()


def test_a_search_trains_every_trial_once(whole: tuple[Place, dict[str, Any]]) -> None:
    place, found = whole
    assert found["trials"]["complete"] == found["trials"]["requested"] == TRIALS
    assert {entry["attempts"] for entry in found["ranking"]} == {1}
    assert sorted(entry["number"] for entry in found["ranking"]) == list(range(TRIALS))
    scores = [entry["validation_f_med"] for entry in found["ranking"]]
    assert scores == sorted(scores, reverse=True)
    assert place.running() == 0
    kept = kept_models(ranked(place.read()))
    assert {k for k in range(TRIALS) if place.study.model(k).is_file()} == kept


def test_the_retest_is_made_once_and_repeated_as_it_was(
    whole: tuple[Place, dict[str, Any]],
) -> None:
    place, found = whole
    retest = found["retest"]
    assert (retest["number"], retest["uses"]) == (found["winner"]["number"], 1)
    with np.load(place.study.path / "test_predictions.npz") as stored:
        label, probability = stored["label"], stored["probability"]
    scores = metrics.binary_scores(label, probability)
    assert retest["f_med"] == pytest.approx(scores["f_med"])
    assert retest["images"] == found["split"]["parts"]["test"]["images"] == len(label)
    again = place.finish()
    assert again["retest"] == retest
    assert again["ranking"] == found["ranking"]


def test_a_search_whose_driver_was_killed_goes_on_as_if_nothing_had_happened(
    make_place: Callable[[], Place], whole: tuple[Place, dict[str, Any]]
) -> None:
    """Its worker ends by itself; the same line then gives the same trials and the same scores."""
    place = make_place()
    driver = place.start()
    worker = worker_of(place.wait_for_trial(driver, 1))
    os.kill(worker, signal.SIGSTOP)  # the trial is still at work when the second run comes
    second = place.start()
    _, said = second.communicate(timeout=60)
    assert second.returncode == 2
    assert "another `study run` is at work on this study" in said
    assert said.count("\n") == 1
    os.killpg(driver.pid, signal.SIGKILL)
    driver.communicate()
    os.kill(worker, signal.SIGCONT)
    wait_for(lambda: is_gone(worker), seconds=5)
    assert place.running() == 1, "nobody was left to say that it ended"
    found = place.finish()
    assert found["trials"]["complete"] == TRIALS
    assert place.running() == 0
    attempts = {entry["number"]: entry["attempts"] for entry in found["ranking"]}
    assert attempts == {0: 1, 1: 2, 2: 1, 3: 1}
    assert_same_ranking(found, whole[1])
    assert found["retest"]["f_med"] == pytest.approx(whole[1]["retest"]["f_med"])


def test_a_search_that_is_stopped_says_how_to_go_on(make_place: Callable[[], Place]) -> None:
    place = make_place()
    driver = place.start("--samples-per-epoch", 9_600, trials=2)  # seconds in which to stop it
    trial = place.wait_for_trial(driver, 0, epochs=1)
    driver.send_signal(signal.SIGINT)
    out, said = driver.communicate(timeout=30)
    assert driver.returncode == 130, said
    assert out == ""
    *_, last = said.splitlines()
    assert last.startswith(
        "study: interrupted, what had ended is kept; 1 running trial begins again; "
        "to go on: study run --data "
    )
    assert "Traceback" not in said
    assert is_gone(worker_of(trial))
    assert place.running() == 0
    (stopped,) = place.read().trials
    assert (stopped.number, stopped.state) == (0, "interrupted")
    assert (place.path / "reports" / "it" / "index.html").is_file()


def test_a_trial_whose_worker_was_killed_is_tried_once_more(
    make_place: Callable[[], Place],
) -> None:
    """Two workers at once; one is killed, its trial is trained again, the search is completed."""
    place = make_place()
    driver = place.start("--jobs", "2", trials=2)
    trial = place.wait_for_trial(driver, 0)
    os.kill(worker_of(trial), signal.SIGKILL)
    found = document(driver)
    assert found["trials"]["complete"] == 2
    attempts = {entry["number"]: entry["attempts"] for entry in found["ranking"]}
    assert attempts == {0: 2, 1: 1}
    ledger = place.ledger()
    first = ledger.attempts()[0][0]
    assert first.user_attrs["ended_by"] == "error"
    assert first.user_attrs["cause"] == "its worker was killed by SIGKILL"
    assert place.running() == 0
    ledger.close()


def test_an_error_of_the_run_is_not_taken_for_an_interruption(
    make_study: Callable[[Protocol], tuple[StudyFolder, Ledger]], tiny: Protocol
) -> None:
    study = make_study(replace(tiny, epochs=10_000))

    def break_down(record: StudyRecord) -> None:
        if any(trial.state == "running" for trial in record.trials):
            raise RuntimeError("no space left\non the device")

    with pytest.raises(RuntimeError):
        run_search(
            *study,
            budget=Budget(trials=1),
            jobs=1,
            limits=TrialLimits(),
            interruption=Interruption(),
            on_tick=break_down,
        )
    ((attempt,),) = study[1].attempts().values()
    assert attempt.user_attrs["cause"] == (
        "the run ended with an error: RuntimeError: no space left"
    )


def test_a_lock_is_held_by_one_and_let_go(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path)
    second = only_driver(folder)
    with only_driver(folder), pytest.raises(LedgerError, match="another `study run` is at work"):
        second.__enter__()
    with only_driver(folder):
        pass


def test_a_lock_that_cannot_be_made_is_said_in_a_line(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path)
    folder.lock.mkdir()
    with pytest.raises(LedgerError, match=r"lock: cannot be locked \(.*\); it has to be a file"):
        only_driver(folder).__enter__()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_what_schedulers_and_closed_terminals_send_interrupts_like_ctrl_c(
    number: signal.Signals,
) -> None:
    before = signal.signal(number, signal.SIG_DFL)  # under nohup SIGHUP is ignored, and stays so
    try:
        with pytest.raises(KeyboardInterrupt), interruptible():
            signal.raise_signal(number)
        assert signal.getsignal(number) == signal.SIG_DFL
    finally:
        signal.signal(number, before)


def test_an_interruption_that_a_library_swallows_is_remembered() -> None:
    with interruptible() as interruption:
        interruption.check()
        with suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            interruption.check()
