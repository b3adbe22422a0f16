"""The first tab: the best network beside the reference."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from study.records import StudyRecord
from study.report.section import Evidence
from study.report.sections import summary
from study.summary import winner


def test_the_winner_is_set_against_the_reference_by_more_than_a_difference(
    record: StudyRecord, evidence_of: Callable[..., Evidence]
) -> None:
    """The paired interval where both predictions are there, and else that there is none."""
    evidence, best = evidence_of(record), winner(record)
    assert best is not None
    assert "more than noise was not tested" in summary.section(evidence).body
    label, group = np.repeat([0, 1], 20), np.repeat(np.arange(8), 5)
    for number, right in ((best.number, 0.9), (0, 0.6)):
        chosen = np.random.default_rng(number).uniform(size=40) < right
        folder = evidence.folder.trial(number)
        folder.mkdir(parents=True)
        np.savez(
            folder / "validation_predictions.npz",
            label=label,
            group=group,
            probability=np.where(chosen, label, 1 - label).astype(float),
        )
    assert re.search(r"difference is [+-]0\.\d\d \([+-]0\.\d\d to", summary.section(evidence).body)
    assert "4 + 4 groups" in summary.section(evidence).body


def test_the_named_winner_is_set_against_the_reference_on_the_folds(
    record: StudyRecord,
    evidence_of: Callable[..., Evidence],
    settled: Callable[..., StudyRecord],
) -> None:
    """By cross-validated F_med, and by the paired difference of their out-of-fold predictions."""
    evidence = evidence_of(record)
    study = settled(record, folder=evidence.folder)
    body = summary.section(evidence_of(study)).body
    assert "Trial 8: 3 x conv" in body
    assert "It is the least complex of 5 finalists" in body
    assert (
        "cross-validated F_med (plain) is 0.870, the reference network&#x27;s 0.676, with" in body
    )
    assert "on the plain images of all folds, which chose among the finalists" in body
    assert "17 + 26 groups" in body
    evidence.folder.out_of_fold(0).unlink()
    assert "more than noise was not tested" in summary.section(evidence_of(study)).body
    assert "Its validation F_med (augmented) is" in summary.section(evidence_of(record)).body


def test_the_first_screen_says_what_was_studied_and_who_won_in_a_sentence_each(
    record: StudyRecord,
    evidence_of: Callable[..., Evidence],
    settled: Callable[..., StudyRecord],
) -> None:
    """With the figure that is least flattered: the retest's, or the last that there is."""
    found = summary.section(evidence_of(settled(record)))
    assert found.look_for.startswith("12 variants of a small CNN")
    assert found.shows == "Trial 8 is the winner, and its retest gave F_med 0.774 (0.20 to 0.93)."
    untested = summary.shows(replace(settled(record), retest=None))
    assert untested == "Trial 8 is the winner, with F_med 0.870 (cross-validated, 5 folds, plain)."
    assert summary.shows(replace(record, trials=[])).startswith("No trial is complete")


def test_each_answer_is_short_with_the_rest_in_a_fold(
    named: StudyRecord, evidence_of: Callable[..., Evidence]
) -> None:
    """What the retest allows to claim stands outside."""
    body = summary.section(evidence_of(named)).body
    answers = body[: body.index("</dl>")]
    assert len(re.findall("<strong>", answers)) == answers.count("<summary>") == 3
    shown = re.sub(r"(?s)</summary>.*?</details>", "", answers)
    assert "F_med between 0.20 and 0.93" in shown
    assert "is optimistic" not in shown
    assert "is optimistic" in answers


def test_a_smaller_network_is_a_share_of_the_reference(
    record: StudyRecord, evidence_of: Callable[..., Evidence]
) -> None:
    """Less than a half is told as a fraction, more as a multiple."""
    best = winner(record)
    assert best is not None
    macs = best.macs or 0
    for times, said in ((11, "with 1/11 of its multiply"), (0.5, "with 2 times its multiply")):
        trials = [replace(t, macs=int(times * macs)) if not t.number else t for t in record.trials]
        assert said in summary.section(evidence_of(replace(record, trials=trials))).body
