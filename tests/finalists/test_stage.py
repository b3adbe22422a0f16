"""From the end of the search to the winner's network, with real workers and tiny networks."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from study.attempts import Attempts
from study.dataset.manifest import Manifest, sorted_part
from study.errors import DataError, LedgerError
from study.evaluation.final import REFIT, SEARCH, final_model
from study.evaluation.retest import retest
from study.evaluation.selection import race
from study.finalists import network as network_module
from study.finalists import stage as stage_module
from study.finalists.division import POOLED
from study.finalists.tasks import STAGE, planned_tasks
from study.ledger import Ledger, read_study
from study.summary import document, leader, winner

pytestmark = pytest.mark.skipif(os.name != "posix", reason="starts and stops workers")

Make = Callable[[], Any]
Concluded = tuple[Any, dict[str, Any]]


def without_time(final: dict[str, Any]) -> dict[str, Any]:
    """Return an answer without what depends on the clock and on what else was trained."""
    found = {key: final[key] for key in final if key not in ("at", "seconds", "model_digest")}
    return found | {"notes": [note for note in final["notes"] if "final network took" not in note]}


@pytest.fixture(scope="module")
def concluded(make_searched: Make) -> Concluded:
    """A study with finalists whose test images were gone before they were trained."""
    study = make_searched()
    for row in sorted_part(Manifest.read(study.folder.manifest), "test"):
        (study.images / row.path).unlink()
    return study, study.conclude()


def test_no_test_image_is_needed_before_the_retest(
    concluded: Concluded,
) -> None:
    """They were deleted: folds, selection and refit do not miss them, only the retest does."""
    study, final = concluded
    assert final["refit"]["model"] is not None
    ledger = Ledger.open(study.folder.path)
    with pytest.raises(DataError, match="the dataset has changed, this image"):
        retest(study.folder, ledger)
    assert ledger.read().retest is None
    assert "test_openings" not in ledger.optuna_study.user_attrs
    ledger.close()


def test_every_image_but_those_of_the_test_part_is_scored_once(
    concluded: Concluded,
) -> None:
    study, final = concluded
    rows = sorted_part(Manifest.read(study.folder.manifest), POOLED)
    for item in final["selection"]["finalists"]:
        with np.load(study.folder.out_of_fold(item["number"])) as stored:
            assert stored["probability"].shape == (1, len(rows))
            assert np.isfinite(stored["probability"]).all()
            assert set(np.unique(stored["fold"])) == set(range(final["selection"]["folds"]))
            groups = {
                (name, fold) for name, fold in zip(stored["group"], stored["fold"][0], strict=True)
            }
            assert len(groups) == len(np.unique(stored["group"])), "no group is divided"


def test_the_winner_is_a_finalist_and_the_reference_is_one_too(
    concluded: Concluded,
) -> None:
    study, final = concluded
    record = read_study(study.folder.path)
    numbers = [item["number"] for item in final["selection"]["finalists"]]
    assert final["winner"] in numbers
    assert final["reference"] in numbers
    named = winner(record)
    assert named is not None
    assert named.number == final["winner"]
    best = leader(record)
    assert best is not None
    assert best.number in numbers


def test_the_document_carries_three_figures_of_winner_and_reference(
    concluded: Concluded,
) -> None:
    study, _ = concluded
    found = document(read_study(study.folder.path), report=None)
    for name in ("winner", "reference"):
        entry = found[name]
        assert entry["corrected_f_med"]["from"] == "folds"
        low, value, high = (entry["corrected_f_med"][key] for key in ("low", "value", "high"))
        assert 0 <= low <= value <= high <= 1
        assert entry["cross_validated_f_med"]["folds"] == found["selection"]["folds"]
        assert {"number", "params", "parameters", "macs", "validation_f_med"} <= set(entry)
    assert found["selection"]["rule"] == "one-se"
    assert found["selection"]["network"] == "refit"


def test_asked_again_nothing_is_trained_and_the_answer_is_the_same(
    concluded: Concluded,
) -> None:
    study, final = concluded
    trained = len(study.trained)
    assert without_time(study.conclude()) == without_time(final)
    assert len(study.trained) == trained


def test_a_stage_that_was_interrupted_goes_on_to_the_same_end(
    concluded: Concluded, make_searched: Make
) -> None:
    """What had ended is kept; the rest is trained with the seeds that it would have had."""
    _, undisturbed = concluded
    study = make_searched()
    done: list[int] = []

    def interrupt(attempts: Attempts) -> None:
        done[:] = [trial.number for trial in attempts.records() if trial.state == "complete"]
        if len(done) >= 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        study.conclude(on_tick=interrupt)
    ledger = Ledger.open(study.folder.path)
    tasks = ledger.stage(STAGE)
    assert not tasks.look().running
    assert ledger.read().final is None
    ledger.close()
    found = study.conclude()
    attempts = {trial.number: trial.attempts for trial in tasks.look().records()}
    assert all(attempts[number] == 1 for number in done)
    assert found["winner"] == undisturbed["winner"]
    assert found["selection"] == undisturbed["selection"]
    for name, value in found["estimates"].items():
        assert value == undisturbed["estimates"][name]


def test_a_final_network_that_does_not_learn_is_replaced_by_the_searchs_own(
    concluded: Concluded,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Three seeds are tried; the record says how they did."""
    study, final = concluded
    monkeypatch.setattr(network_module, "REFIT_MARGIN", -2.0)  # more than any network can reach
    found = study.conclude()
    assert found["refit"]["model"] is None
    assert len(found["refit"]["attempts"]) == 3
    record = read_study(study.folder.path)
    assert final_model(study.folder, record).origin == SEARCH
    monkeypatch.undo()
    assert without_time(study.conclude()) == without_time(final)
    assert final_model(study.folder, read_study(study.folder.path)).origin == REFIT


def test_a_final_network_that_was_tampered_with_is_refused(concluded: Concluded) -> None:
    """It is not taken for the one that was trained, and nothing is retested."""
    study, final = concluded
    model = study.folder.path / final["model"]
    whole = model.read_bytes()
    model.write_bytes(whole + b"more")
    try:
        with pytest.raises(LedgerError, match="not the network that the study made"):
            study.conclude()
        with pytest.raises(LedgerError, match="not the network that the study made"):
            final_model(study.folder, read_study(study.folder.path))
    finally:
        model.write_bytes(whole)
    assert without_time(study.conclude()) == without_time(final)


def test_a_ledger_without_digests_of_trainings_has_that_of_its_answer(
    concluded: Concluded, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As ledgers of earlier versions: the final network is known all the same."""
    study, final = concluded
    monkeypatch.setattr(network_module, "_trained_digest", lambda *_: None)
    model = study.folder.path / final["model"]
    whole = model.read_bytes()
    model.write_bytes(whole + b"more")
    try:
        with pytest.raises(LedgerError, match="not the network that the study made"):
            study.conclude()
    finally:
        model.write_bytes(whole)
    assert without_time(study.conclude()) == without_time(final)


def test_the_race_is_judged_on_two_folds_whenever_it_is_run(
    concluded: Concluded, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when all folds have ended: or going on would change who was dropped."""
    study, final = concluded
    seen = []

    def judged(data: Any, **how: Any) -> Any:
        seen.append(set(np.unique(data.common).tolist()))
        return race(data, **how)

    monkeypatch.setattr(stage_module, "race", judged)
    study.conclude()
    assert final["selection"]["folds"] >= 3
    assert seen == [{-1, 0, 1}]


def test_folds_whose_predictions_are_gone_or_damaged_are_trained_again(
    concluded: Concluded,
) -> None:
    """From the same seeds to the same answer; and once is enough."""
    study, final = concluded
    entries = final["selection"]["finalists"]
    number = next(item["number"] for item in entries if item["dropped"] is None)
    gone, torn, *_ = sorted(study.folder.trial(number).glob("fold-*/out_of_fold.npz"))
    gone.unlink()
    torn.write_bytes(torn.read_bytes()[:40])
    for _ in range(2):
        assert without_time(study.conclude()) == without_time(final)
        ledger = Ledger.open(study.folder.path)
        again = [task for task in planned_tasks(ledger.stage(STAGE)) if task.repeat]
        ledger.close()
        assert [(task.number, task.repeat) for task in again] == [(number, 1)] * 2


def test_without_finalists_the_search_has_the_last_word(make_searched: Make) -> None:
    """The best of the ranking wins, corrected from validation, and it is said what is lost."""
    study = make_searched()
    found = study.conclude(finalists=0)
    record = read_study(study.folder.path)
    best = leader(record)
    assert best is not None
    assert found["winner"] == best.number
    assert not study.trained
    entry = document(record, report=None)["winner"]
    assert entry["corrected_f_med"]["from"] == "validation"
    assert entry["cross_validated_f_med"] is None
    assert "No finalists: asked for none (--finalists 0)" in found["notes"][0]


def test_folds_that_all_fail_leave_the_search_its_word_and_say_why(make_searched: Make) -> None:
    study = make_searched()
    rows = sorted_part(Manifest.read(study.folder.manifest), "train")
    (study.images / rows[0].path).unlink()
    found = study.conclude(folds=3)
    assert found["selection"]["finalists"] == []
    assert "No finalists: none completed its folds (fold 2 failed: " in found["notes"][0]
    assert "the dataset has changed, this image" in found["notes"][0]
    plan = [note for note in found["notes"][1:] if "is not enough all the same" in note]
    assert plan, "what the plan had to leave out"


def test_the_retest_is_of_the_final_network_and_opens_the_test_part_once(
    make_searched: Make,
) -> None:
    study = make_searched()
    final = study.conclude(finalists=1)
    ledger = Ledger.open(study.folder.path)
    answer = retest(study.folder, ledger)
    assert answer is not None
    assert answer["model_digest"] == final["model_digest"]
    assert (answer["origin"], answer["uses"]) == ("refit", 1)
    assert retest(study.folder, ledger) == answer
    again = retest(study.folder, ledger, again=True)
    assert again is not None
    assert (again["uses"], again["f_med"]) == (2, answer["f_med"])
    openings = ledger.optuna_study.user_attrs["test_openings"]
    assert [item["model_digest"] for item in openings] == [final["model_digest"]] * 2
    rows = sorted_part(Manifest.read(study.folder.manifest), "test")
    assert answer["images"] == len(rows)
    ledger.close()


def test_tasks_keep_their_places(concluded: Concluded) -> None:
    """The ledger's list only grows, so that an ordinal always means the same training."""
    study, _ = concluded
    ledger = Ledger.open(study.folder.path)
    before = planned_tasks(ledger.stage(STAGE))
    study.conclude(folds=3, finalists=1)
    after = planned_tasks(ledger.stage(STAGE))
    assert after[: len(before)] == before
    ledger.close()
