"""How often the test part was opened, and of which network the stored answer is."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from study.cli.progress import closing_lines, retest_line
from study.evaluation.description import describe_model
from study.evaluation.final import final_model
from study.evaluation.retest import retest
from study.evaluation.threshold import choose_threshold, parse_rule
from study.ledger import Ledger
from study.model.card import model_card
from study.report.cards import retest_card
from study.report.cautions import cautions
from study.report.verdict import reading
from study.summary import document, times_opened
from study.workspace import StudyFolder
from tests.evaluation.known_networks import all_negative, all_positive, for_other_images

# Keras' own code calls NumPy in a way that NumPy 2 warns of.
pytestmark = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")

Complete = Callable[[Any, float], int]


def metadata_of(folder: StudyFolder, ledger: Ledger) -> dict[str, Any]:
    """Return an export's metadata as far as a model card reads them."""
    record = ledger.read()
    model = final_model(folder, record)
    described = describe_model(
        folder, record, model, choose_threshold(parse_rule("0.5"), folder, model)
    )
    exported = {"model": "model.keras", "model_digest": model.digest, "formats": {}}
    exported |= {"warnings": [], "versions": {"export": {}}, "training_images": None}
    return {**described, **exported}


def test_an_evaluation_that_left_no_answer_has_opened_the_test_part(
    study: tuple[StudyFolder, Ledger, Path], complete: Complete
) -> None:
    """The record says so, and so do its document, its report and its lines; the next one is 2."""
    folder, ledger, _ = study
    number = complete(for_other_images(), 0.5)
    with pytest.raises(ValueError, match="shape"):
        retest(folder, ledger)
    all_positive().save(folder.model(number))
    record = ledger.read()
    assert (record.retest, record.test_openings, times_opened(record)) == (None, 1, 1)
    found = document(record, report=None)
    assert (found["retest"], found["test_openings"]) == (None, 1)
    assert "Test part opened" in {caution.title for caution in cautions(record)}
    assert "the test part has been opened once" in str(retest_card(record))
    assert "has been opened once, but no answer is stored" in " ".join(reading(record))
    assert closing_lines(record)[-1].startswith(
        "Retest: no answer is stored, though the test part was opened 1 time; `study retest it`"
    )
    answer = retest(folder, ledger)
    assert answer is not None
    assert answer["uses"] == 2
    titles = {caution.title for caution in cautions(ledger.read())}
    assert "Test part reused" in titles
    assert "Test part opened" not in titles


def test_a_second_look_that_was_interrupted_counts_in_the_stored_answer(
    study: tuple[StudyFolder, Ledger, Path], complete: Complete
) -> None:
    folder, ledger, _ = study
    complete(all_positive(), 0.5)
    first = retest(folder, ledger)
    assert first is not None
    whole = folder.model(first["number"]).read_bytes()
    for_other_images().save(folder.model(first["number"]))
    with pytest.raises(ValueError, match="shape"):
        retest(folder, ledger, again=True)
    folder.model(first["number"]).write_bytes(whole)
    assert retest(folder, ledger) == {**first, "uses": 2}
    record = ledger.read()
    assert document(record, report=None)["retest"]["uses"] == 2
    assert "test part used 2 times" in retest_line(record)


def test_the_same_network_in_a_new_file_gets_the_stored_answer(
    study: tuple[StudyFolder, Ledger, Path], complete: Complete
) -> None:
    """Trained again from the same seeds it is written anew: that is no reason for another look."""
    folder, ledger, root = study
    number = complete(all_positive(), 0.5)
    first = retest(folder, ledger)
    assert first is not None
    time.sleep(1.1)  # the file holds the second in which it was written
    all_positive().save(folder.model(number))
    digest = final_model(folder, ledger.read()).digest
    assert digest != first["model_digest"]
    hidden = root.rename(root.with_name("away"))
    assert retest(folder, ledger) == {**first, "model_digest": digest}
    hidden.rename(root)
    card = model_card(metadata_of(folder, ledger))
    assert "Test images, which no training and no choice has seen" in card
    all_negative().save(folder.model(number))
    other = retest(folder, ledger)
    assert other is not None
    assert (other["uses"], other["number"]) == (2, number)
    card = model_card(metadata_of(folder, ledger))
    assert "Test images, which no training has seen" in card
    assert "The test part has been used 2 times" in card


def test_a_retest_of_an_earlier_winner_names_both_and_counts(
    study: tuple[StudyFolder, Ledger, Path], complete: Complete
) -> None:
    """More trials were run since; the answer is still there, and is not the new winner's."""
    folder, ledger, _ = study
    first = complete(all_positive(), 0.5)
    retest(folder, ledger)
    assert document(ledger.read(), report=None)["retest"]["stale"] is None
    second = complete(all_negative(), 0.6)
    record = ledger.read()
    said = f"The retest is that of trial {first}, not of trial {second}."
    answer = document(record, report=None)["retest"]
    assert (answer["number"], answer["uses"], answer["stale"]) == (first, 1, said)
    assert retest_line(record).endswith(f"test part used 1 time. {said}")
    metadata = metadata_of(folder, ledger)
    metrics = metadata["metrics"]
    assert (metrics["retest"], metrics["test_openings"]) == (None, 1)
    assert (
        "This network has met no test images, though the test part has been opened 1 time, for "
        "another network or without an answer"
    ) in model_card(metadata)


def test_uses_of_a_ledger_that_counted_in_its_answer_only_go_on(
    study: tuple[StudyFolder, Ledger, Path],
) -> None:
    _, ledger, _ = study
    ledger.update(retest={"number": 1, "uses": 2})
    assert (ledger.read().test_openings, times_opened(ledger.read())) == (2, 2)
    assert ledger.note_opening(version="1") == 3
    assert (ledger.read().retest or {})["uses"] == 3
