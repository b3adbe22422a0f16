"""The tab as a whole: laws of any study, names from outside, studies with little in them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import plotly.graph_objects as go
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from study.records import StudyRecord, TrialRecord
from study.report.section import Evidence, Section
from study.report.sections.search.best import best_info
from study.report.sections.search.pruning import pruning_info
from study.report.sections.search.section import section

Make = Callable[..., TrialRecord]
Show = Callable[..., Evidence]

EVIL = "<img src=x onerror=alert(1)>"


def strict(figure: go.Figure) -> str:
    """Return the figure as JSON, which holds no NaN."""
    return json.dumps(figure.to_plotly_json(), allow_nan=False)


def placed(found: Section) -> bool:
    """Tell whether every figure has its place in the body and every place its figure."""
    return found.body.count("data-figure=") == len(found.figures) and all(
        f'data-figure="{name}"' in found.body and strict(figure)
        for name, figure in found.figures.items()
    )


TRIALS = st.lists(
    st.tuples(
        st.sampled_from(["complete", "pruned", "failed", "running", "interrupted"]),
        st.lists(st.floats(0, 1) | st.just(math.nan), max_size=5),
        st.integers(0, 3000) | st.none(),
    ),
    max_size=30,
)


@settings(max_examples=40, deadline=None)
@given(drawn_trials=TRIALS)
def test_laws_of_any_study(
    make: Make, evidence: Show, halving: dict[str, Any], drawn_trials: list[Any]
) -> None:
    """The best never falls and ends at the highest complete score; epochs never fall; it builds."""
    trials = [
        make(number, state, progress, end=end)
        for number, (state, progress, end) in enumerate(drawn_trials)
    ]
    shown = evidence(trials, search={"pruner": halving})
    info = best_info(shown)
    best = [value for value in info.best if value is not None]
    assert best == sorted(best)
    assert info.epochs == sorted(info.epochs)
    scores = [t.validation_f_med for t in trials if t.state == "complete"]
    highest = max((score for score in scores if score is not None), default=None)
    assert (best[-1] if best else None) == (None if highest is None else round(highest, 5))
    pruning = pruning_info(shown.record)
    assert pruning.needed >= pruning.trained
    assert placed(section(shown))


def test_names_from_outside_are_escaped(make: Make, evidence: Show) -> None:
    """A worker, a cause, a hyperparameter or a pruner with HTML in its name stays text."""
    trials = [
        make(0, worker=f"{EVIL}:1"),
        make(1, worker=EVIL, variant={EVIL: EVIL}),
        make(2, "failed", cause=EVIL, worker=f"b:{EVIL}", variant={"filters": EVIL}),
        make(3, EVIL),
        make(4, variant={EVIL: EVIL}),
    ]
    for more in ([], [make(n, "failed", cause=EVIL) for n in range(5, 20)]):
        for state in ("complete", "pruned"):
            found = section(
                evidence(
                    [*trials, *more, make(30, state)],
                    search={"pruner": {"name": EVIL}},
                )
            )
            text = found.body + "".join(strict(figure) for figure in found.figures.values())
            assert "&lt;img" in text
            assert "<img" not in text
            assert placed(found)


def test_the_sentence_is_computed(make: Make, evidence: Show) -> None:
    """It tells when the best came, what pruning saved, and how many trials failed."""
    trials = [
        make(0, progress=[0.5] * 4, end=10),
        make(1, progress=[0.6] * 3, end=20),
        make(2, "pruned", [0.1, 0.1], end=30),
        make(3, "failed", [], end=40),
    ]
    assert section(evidence(trials)).shows == (
        "The best, trial 1, was number 2 of 4 to end, after 7 of 9 epochs; pruning saved at least "
        "50 % of the epochs; 1 trial failed."
    )
    assert "19 in 20 stay below" in section(evidence(trials)).look_for
    shown = section(evidence(trials[:1], requested=5)).shows
    assert shown == "So far, the best, trial 0, was number 1 of 1 to end, after 4 of 4 epochs."


@pytest.mark.parametrize(
    ("trial", "says", "figures"),
    [
        (None, "No trial has ended yet", 0),
        (
            {"state": "failed", "progress": [], "start": None},
            "1 trial ended and none is complete",
            0,
        ),
        ({"state": "running", "progress": []}, "No trial has ended yet", 1),
        ({"state": "running", "progress": [0.1, math.nan]}, "No trial has ended yet", 2),
        ({}, "The best, trial 0, was number 1 of 1", 4),
        ({"start": None, "end": None}, "The best, trial 0", 3),
        ({"start": 60, "end": 10}, "The best, trial 0", 3),
        ({"progress": [], "variant": {}}, "1 trial ended and none has a score", 1),
        ({"state": "pruned", "progress": [math.nan]}, "none is complete", 2),
        ({"worker": None, "started": "soon", "ended": "later"}, "The best, trial 0", 3),
    ],
)
def test_little_is_shown_as_little(
    make: Make, evidence: Show, trial: dict[str, Any] | None, says: str, figures: int
) -> None:
    """A study with hardly anything in it builds, and says what is missing."""
    found = section(evidence([] if trial is None else [make(0, **trial)]))
    assert says in found.shows
    assert len(found.figures) == figures
    assert placed(found)
    assert len(found.figures) == 4 or 'class="empty"' in found.body


def test_studies_of_every_kind_build(
    evidence: Show, record: StudyRecord, running: StudyRecord
) -> None:
    """A finished and a running study show all four figures."""
    for study in (record, running):
        found = section(evidence(study.trials, requested=study.requested))
        assert set(found.figures) == {
            "search-trials",
            "search-compute",
            "search-epochs",
            "search-workers",
        }
        assert placed(found)
