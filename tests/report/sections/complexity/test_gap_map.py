"""The gap map: which hyperparameters span it, and when there is none."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from study.records import StudyRecord
from study.report.frames import trials_frame
from study.report.section import Evidence
from study.report.sections.complexity.gap_map import (
    GapMapInfo,
    gap_map_chart,
    gap_map_figure,
    gap_map_info,
    rank_correlations,
)
from study.workspace import StudyFolder

EVIL = "<img src=x onerror=alert(1)>"


def found_in(record: StudyRecord, params: list[dict[str, Any]], **fields: Any) -> GapMapInfo | str:
    """Return the map of trials that searched these hyperparameters; filters set the size."""
    made = [
        replace(
            record.trials[1],
            **{
                "number": k,
                "params": values,
                "variant": values,
                "parameters": 100 * int(values.get("filters", 5)) + int(values.get("width") or 0),
                "train_f_med": 0.9,
                "validation_f_med": 0.9 - 0.01 * k,
                **fields,
            },
        )
        for k, values in enumerate(params)
    ]
    changed = replace(record, trials=made)
    folder = StudyFolder(Path("none"))
    return gap_map_info(Evidence(record=changed, trials=trials_frame(changed), folder=folder))


def searched(trials: int) -> list[dict[str, Any]]:
    rng = np.random.default_rng(0)
    return [
        {
            "rate": float(rng.uniform(1e-4, 3e-2)),
            "width": int(rng.integers(1, 400)),
            "filters": 4 + k,
            "optimizer": "adam",
        }
        for k in range(trials)
    ]


def test_the_map_is_spanned_by_what_sets_the_size(record: StudyRecord) -> None:
    """Filters and width set the parameters here; the rate and the words do not."""
    info = found_in(record, searched(30))
    assert isinstance(info, GapMapInfo)
    assert info.names == ("filters", "width")
    assert info.correlations[0] > 0.9
    assert info.trials["gap"].max() == pytest.approx(0.29)


def test_the_colour_is_the_gap_and_the_size_is_the_score(record: StudyRecord) -> None:
    """A colour bar says what the colour is; points carry their trial."""
    info = found_in(record, searched(30))
    assert isinstance(info, GapMapInfo)
    drawn = json.loads(json.dumps(gap_map_figure(info).to_plotly_json(), allow_nan=False))
    points = drawn["data"][0]
    gaps = dict(zip(points["customdata"], points["marker"]["color"], strict=True))
    sizes = dict(zip(points["customdata"], points["marker"]["size"], strict=True))
    assert gaps[29] == pytest.approx(0.29)
    assert sizes[0] > sizes[15] > sizes[29]
    assert points["marker"]["colorbar"]["title"]["text"].startswith("Gap")
    assert drawn["data"][-1]["name"] == "selected"


@pytest.mark.parametrize(
    ("trials", "fields", "reason"),
    [
        (searched(7), {}, "7 complete trials have a gap, and the map needs 8"),
        (searched(30), {"train_f_med": None}, "0 complete trials have a gap"),
        (searched(30), {"state": "pruned"}, "0 complete trials have a gap"),
        (searched(30), {"parameters": 9}, "there are none"),
        ([{"filters": k + 1, "pool": "max"} for k in range(9)], {}, "there is 1"),
        ([{"filters": k + 1, "width": None} for k in range(9)], {}, "there is 1"),
    ],
)
def test_where_there_is_no_map_the_reason_stands(
    record: StudyRecord, trials: list[dict[str, Any]], fields: dict[str, Any], reason: str
) -> None:
    """Too few trials, no gap, one size, one numeric hyperparameter."""
    found = found_in(record, trials, **fields)
    assert isinstance(found, str)
    assert reason in found


def test_rank_correlations_leave_out_what_is_no_number() -> None:
    """Truth values, words, gaps and constants have no rank; the strongest comes first."""
    frame = pd.DataFrame(
        {
            "parameters": [1.0, 2.0, 3.0, 4.0],
            "down": [9, 7, 5, 1],
            "mixed": [1, 3, 2, 4],
            "same": [2, 2, 2, 2],
            "word": list("abcd"),
            "flag": [True, False, True, False],
            "torn": [1.0, None, 3.0, 4.0],
        }
    )
    found = rank_correlations(frame, [name for name in frame if name != "parameters"])
    assert list(found) == ["down", "mixed"]
    assert found["down"] == pytest.approx(-1)
    assert found["mixed"] == pytest.approx(0.8)


def test_names_of_hyperparameters_are_escaped(record: StudyRecord) -> None:
    """In the axis titles, the hover text and the markup."""
    trials = [{"filters": k + 1, EVIL: 3 * k} for k in range(12)]
    info = found_in(record, trials)
    assert isinstance(info, GapMapInfo)
    assert "<img" not in json.dumps(gap_map_figure(info).to_plotly_json()).lower()
    assert "<img" not in gap_map_chart(info).lower()


def test_one_score_and_one_gap_for_all_can_be_drawn(record: StudyRecord) -> None:
    """Nothing divides by a range of nothing."""
    info = found_in(record, searched(9), validation_f_med=0.5)
    assert isinstance(info, GapMapInfo)
    json.dumps(gap_map_figure(info).to_plotly_json(), allow_nan=False)
