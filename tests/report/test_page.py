"""The page builds from whatever a study has, and escapes every name."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any

import pytest

from study.errors import SettingsError
from study.records import StudyRecord
from study.report.page import write_report
from study.report.section import Evidence
from study.report.sections.complexity.section import section as complexity_section
from study.report.sections.complexity.section import would_bigger_help
from study.report.sections.search.section import section as search_section
from study.summary import winner
from tests.report.drawn_study import AUDIT
from tests.report.written import EVIL, data_of, page_of, without_plotly

Build = Callable[[StudyRecord], Any]


def test_two_files_and_no_draft_are_left(record: StudyRecord, on_disk: Build) -> None:
    """The page and the table lie in the folder, and no temporary file beside them."""
    study = on_disk(record)
    path = write_report(record, study_dir=study.study_dir, out_dir=study.out_dir)
    assert path == study.out_dir / "index.html"
    assert sorted(item.name for item in study.out_dir.iterdir()) == ["index.html", "trials.csv"]


def test_the_page_loads_nothing(record: StudyRecord, on_disk: Build) -> None:
    """Plotly is embedded once, and outside of it no address of the network is named."""
    html = page_of(on_disk(record))
    assert html.count("plotly.js v") == 1
    assert "http" not in without_plotly(html).replace("http-equiv", "")
    assert "default-src 'none'" in html


def test_every_figure_keeps_the_data_at_home(record: StudyRecord, on_disk: Build) -> None:
    """The one configuration that all figures use has no share button and no logo."""
    config = data_of(page_of(on_disk(record)))["config"]
    assert config["showSendToCloud"] is False
    assert config["displaylogo"] is False


def test_curves_are_whole_thousandths(record: StudyRecord, on_disk: Build) -> None:
    """Scores are embedded as whole thousandths, the loss as it is, best trial first."""
    data = data_of(page_of(on_disk(record)))
    best = winner(record)
    assert best is not None
    first = data["curves"][0]
    assert data["numbers"][0] == best.number
    assert first["epochs"] == best.epochs
    at = (best.best_epoch or 0) - 1
    assert first["validation_f_med"][at] == round(1000 * (best.validation_f_med or 0))
    assert isinstance(first["train_loss"][at], float)


def test_names_are_escaped_everywhere(
    record: StudyRecord, on_disk: Build, settled: Callable[..., StudyRecord]
) -> None:
    """A study, a class, a file, a cause, a note and a space called like HTML stay text."""
    classes = {EVIL: 100, "malignant": 150}
    parts = {
        part: {**values, "classes": {EVIL: {"images": 5, "groups": 1}}}
        for part, values in record.split["parts"].items()
    }
    bad = replace(record.trials[11], cause=EVIL, worker=EVIL, variant={EVIL: EVIL})
    evil = replace(
        record,
        name=EVIL,
        command=f"study run --data '{EVIL}'",
        dataset={
            **record.dataset,
            "name": EVIL,
            "source": EVIL,
            "negative": EVIL,
            "classes": classes,
            "skipped": [[f"{EVIL}.bmp", EVIL], ["\udcff.bmp", "</script><script>alert(2)"]],
        },
        split={**record.split, "parts": parts, "kind": EVIL},
        space={"name": EVIL, "text": f"[parameters.{EVIL}", "digest": EVIL},
        versions={EVIL: EVIL},
        machine={EVIL: EVIL},
        trials=[*record.trials[:11], bad],
        audit={
            "findings": [{"grade": "error", "code": EVIL, "message": EVIL}],
            "baselines": {EVIL: 0.7},
            "near_copies": {"in_words": EVIL},
        },
    )
    for at, trial in enumerate(evil.trials[1:6]):
        evil.trials[at + 1] = replace(
            trial, variant={**trial.variant, "optimizer": EVIL}, worker=EVIL
        )
    named = settled(evil, dropped={2: EVIL}, notes=(EVIL,), reached=(0.1, None))
    selection = {**(named.final or {})["selection"], "rule": EVIL}
    html = page_of(on_disk(replace(named, final={**(named.final or {}), "selection": selection})))
    assert f"dropped: {escape(EVIL)}" in html
    assert "<img" not in without_plotly(html)
    assert "<img" not in json.dumps(data_of(html)["figures"])
    assert "alert(2)</li>" in html
    assert html.count("<script") == len(re.findall(r"</script>", html)) == 7
    assert "<title>&lt;img src=x onerror=alert(1)&gt;</title>" in html


def test_the_data_section_holds_the_audit(record: StudyRecord, on_disk: Build) -> None:
    """Every finding with its grade, shortcuts and copies; a study without an audit has none."""
    html = page_of(on_disk(replace(record, audit=AUDIT)))
    data = html[html.index('<section id="data"') : html.index('<section id="provenance"')]
    for text in (
        "Error",
        "Warning",
        "Note",
        "Found by content.",
        "Shortcuts",
        "0.71",
        "250 have a near-copy",
    ):
        assert text in data
    assert "Shortcuts" not in without_plotly(page_of(on_disk(record)))


def test_the_tabs_on_the_search_speak_of_its_own_best(
    named: StudyRecord, evidence_of: Callable[..., Evidence]
) -> None:
    """A winner by another rule does not pass for the best score of the search."""
    evidence = evidence_of(named)
    assert search_section(evidence).shows.startswith("The best, trial 1, was number")
    assert "the best of the search (trial 1," in would_bigger_help(evidence)
    front = complexity_section(evidence)
    assert "best of the search" in str(front.figures["pareto"].layout.annotations)
    assert "named on other scores than these" in front.body


def test_a_running_study_is_obvious(running: StudyRecord, on_disk: Build) -> None:
    """The head says that it runs, how far it is and since when the page stands."""
    study = on_disk(running)
    now = datetime(2026, 11, 23, 10, 5, tzinfo=UTC)
    path = write_report(running, study_dir=study.study_dir, out_dir=study.out_dir, now=now)
    html = path.read_text()
    assert "Running" in html
    assert "4 of 100 trials ended" in html
    assert "2026-11-23 10:05 UTC" in html
    assert "Best so far" in html
    assert data_of(html)["running"] is True


@pytest.mark.parametrize("what", ["nothing", "failures", "one", "no retest", "other space"])
def test_the_page_builds_from_little(what: str, record: StudyRecord, on_disk: Build) -> None:
    """No trial, only failures, a single trial, no retest, a space that is not TOML."""
    changes: dict[str, dict[str, Any]] = {
        "nothing": {"trials": [], "requested": 100, "retest": None},
        "failures": {"trials": [record.trials[11]], "requested": 1, "retest": None},
        "one": {"trials": record.trials[:1], "requested": 1, "retest": None},
        "no retest": {"retest": None},
        "other space": {"space": {"name": "x", "text": "not = [toml", "digest": "0"}},
    }
    html = page_of(on_disk(replace(record, **changes[what])))
    assert "</html>" in html
    assert len(data_of(html)["numbers"]) == len(changes[what].get("trials", record.trials))


@pytest.mark.parametrize(
    "what", ["named", "best rule", "not learned", "skipped", "outdated", "stage at work", "alone"]
)
def test_the_page_builds_from_every_state_of_the_finalists(
    what: str,
    record: StudyRecord,
    on_disk: Build,
    settled: Callable[..., StudyRecord],
    without_finalists: Build,
) -> None:
    """A winner named by either rule, one that was not trained anew, none, one of too few trials."""
    named = settled(record)
    studies = {
        "named": named,
        "best rule": settled(record, rule="best", refit=False),
        "not learned": settled(record, reached=(0.1, None, 0.2), notes=("Cut.",)),
        "skipped": without_finalists(record),
        "outdated": replace(named, final={**(named.final or {}), "complete": 4}),
        "stage at work": replace(record, retest=None),
        "alone": settled(replace(record, trials=record.trials[:1], requested=1)),
    }
    html = page_of(on_disk(studies[what]))
    data = data_of(html)
    assert ("finalists" in data["figures"]) == (
        what in ("named", "best rule", "not learned", "alone")
    )
    assert html.count('class="numbers"') == 2 - (what == "alone")
    called = {"outdated": "best of the search", "stage at work": "best of the search"}
    named_roles = [role for names in data["roles"].values() for role in names]
    assert called.get(what, "winner") in named_roles
    assert "<img" not in without_plotly(html)


def test_missing_and_torn_histories_are_told(record: StudyRecord, on_disk: Build) -> None:
    """A page with gaps says what is missing, trial by trial."""
    study = on_disk(record)
    study.history(1).unlink()
    with study.history(2).open("a") as file:
        file.write("121,1391.5,0.8")
    data = data_of(page_of(study))
    curves = dict(zip(data["numbers"], data["curves"], strict=True))
    assert "missing" in data["notes"]["1"][0]
    assert set(curves[1]) == {"best", "epochs", "validation_f_med"}
    assert "incomplete" in data["notes"]["2"][0]
    assert curves[2]["epochs"] == 120
    assert "3" not in data["notes"]


def test_a_folder_that_cannot_be_written_is_one_line(
    record: StudyRecord, on_disk: Build, tmp_path: Path
) -> None:
    """A file in the way of the report's folder is the user's error, in one line."""
    study = on_disk(record)
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError) as caught:
        write_report(record, study_dir=study.study_dir, out_dir=tmp_path / "file" / "it")
    assert "\n" not in str(caught.value)
    assert str(tmp_path / "file" / "it") in str(caught.value)


def test_the_page_of_many_trials_is_small(record: StudyRecord, on_disk: Build) -> None:
    """A hundred trials of 120 epochs take few megabytes."""
    trials = [replace(record.trials[1], number=number) for number in range(100)]
    study = on_disk(replace(record, trials=trials, requested=100))
    html = page_of(study)
    assert len(html) < 8_000_000
