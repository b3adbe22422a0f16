"""The workers' time: rows, bars, names, limits, what is not drawn."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from study.records import TrialRecord
from study.report.section import Evidence
from study.report.sections.search.timeline import (
    BARS,
    ROWS,
    timeline_figure,
    timeline_html,
    timeline_info,
)

Make = Callable[..., TrialRecord]
Show = Callable[..., Evidence]


def test_workers_that_overlap_have_rows_of_their_own(make: Make, evidence: Show) -> None:
    """Bars start and last as recorded; the busy share is trial time over presence."""
    trials = [
        make(0, start=0, end=100, worker="vm:11"),
        make(1, start=50, end=150, worker="vm:22"),
        make(2, "pruned", start=150, end=200, worker="vm:11"),
        make(3, "failed", start=150, end=250, worker="vm:22"),
        make(4, "running", start=200, worker="vm:11"),
    ]
    info = timeline_info(evidence(trials))
    assert info.workers == ["11", "22"]
    assert [(b.number, b.row, b.start, b.length) for b in info.bars] == [
        (0, 0, 0, 100),
        (1, 1, 50, 100),
        (2, 0, 150, 50),
        (3, 1, 150, 100),
        (4, 0, 200, 50),
    ]
    assert info.busy == pytest.approx((150 + 200) / (200 + 200))
    states = {trace.name: trace for trace in timeline_figure(info).data}
    assert list(states["pruned"].base) == [pytest.approx(2.5)]
    assert list(states["complete"].y) == [0, 1]


def test_hosts_are_named_where_there_are_several(make: Make, evidence: Show) -> None:
    """A process number alone would not tell workers of two machines apart."""
    trials = [make(0, worker="a:1"), make(1, worker="b:1"), make(2, worker=None)]
    assert set(timeline_info(evidence(trials)).workers) == {"a:1", "b:1", "unknown worker"}


def test_the_timeline_has_limits(make: Make, evidence: Show) -> None:
    """At most 2,000 bars, the longest, and 40 rows, the busiest; the page says so."""
    trials = [
        make(n, start=n, end=n + 1 + n // 100, worker=f"vm:{n % 50}", progress=[0.5])
        for n in range(3000)
    ]
    info = timeline_info(evidence(trials))
    assert len(info.bars) == BARS
    assert len(info.workers) == ROWS
    assert min(bar.length for bar in info.bars) >= 6
    body = timeline_html(info)
    assert "40 busiest of 50 workers" in body
    assert "2,000 of 3,000 trials are drawn" in body


def test_earlier_attempts_are_told_as_missing(make: Make, evidence: Show) -> None:
    """Only the attempt that counts is drawn; the note says so where there are others."""
    trials = [make(0, attempts=3), make(1, "failed", start=60, end=100, attempts=2)]
    info = timeline_info(evidence(trials))
    assert (len(info.bars), info.earlier) == (2, 3)
    assert "3 earlier attempts are not in the picture, nor in that share" in timeline_html(info)
    one = timeline_html(timeline_info(evidence([make(0, "running", attempts=2), make(1)])))
    assert "1 earlier attempt is not in the picture" in one
    assert "earlier" not in timeline_html(timeline_info(evidence([make(0)])))
