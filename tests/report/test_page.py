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

import numpy as np
import pytest

from study.errors import SettingsError
from study.protocol import Protocol
from study.records import StudyRecord
from study.report.cautions import Caution, cautions
from study.report.page import write_report
from study.report.section import Evidence
from study.report.sections import provenance, summary
from study.report.sections.complexity.section import section as complexity_section
from study.report.sections.complexity.section import would_bigger_help
from study.report.sections.provenance import search_facts
from study.report.sections.search.section import section as search_section
from study.report.verdict import interval_infos, reading
from study.search.strategy import PRUNERS, SAMPLERS, search_settings
from study.summary import winner

Build = Callable[[StudyRecord], Any]
EVIL = "<img src=x onerror=alert(1)>"


def page_of(study: Any) -> str:
    path = write_report(study.record, study_dir=study.study_dir, out_dir=study.out_dir)
    return path.read_text(encoding="utf-8")


def without_plotly(html: str) -> str:
    """Return the page less its longest script, which is plotly's."""
    scripts = re.findall(r"<script>(.*?)</script>", html, flags=re.DOTALL)
    return html.replace(max(scripts, key=len), "")


def data_of(html: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="page-data">(.*?)</script>', html)
    assert found is not None
    data: dict[str, Any] = json.loads(found[1])
    return data


def titles(record: StudyRecord) -> list[str]:
    return [caution.title for caution in cautions(record)]


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


def test_a_leaking_split_is_said_first(record: StudyRecord) -> None:
    """The number of groups and of test images with near-copies heads the list, as a danger."""
    split = {**record.split, "leaking_groups": 41, "leaking_test_images": 25}
    first = cautions(replace(record, split=split))[0]
    assert first.level == "danger"
    assert "41 groups" in first.text
    assert "25 of the 25 test images" in first.text


def test_cautions_name_what_holds(record: StudyRecord) -> None:
    """Synthetic data, a quick budget, few trials, a reused or small test part, skipped files."""
    told = titles(record)
    assert {"Small test part", "Few trials", "Failures", "Positive class"} <= set(told)
    assert not {"Synthetic data", "Quick budget", "The split leaks", "Unfinished"} & set(told)
    changed = replace(
        record,
        protocol=Protocol(quick=True, epochs=15),
        dataset={**record.dataset, "synthetic": True, "skipped": [["a.bmp", "broken"]]},
        retest={**(record.retest or {}), "uses": 3},
        requested=100,
    )
    assert {
        *("Synthetic data", "Quick budget", "Test part reused", "Files left out", "Unfinished")
    } <= set(titles(changed))


AUDIT: dict[str, Any] = {
    "findings": [
        {"grade": "error", "code": "straddling-groups", "message": "41 of 48 groups are torn."},
        {"grade": "warning", "code": "small-test-part", "message": "Two lesions are few."},
        {"grade": "note", "code": "content-groups", "message": "Found by content."},
    ],
    "baselines": {"width": 0.71, "file_format": None},
    "chance": {"width": 0.6},
    "exact_duplicates": [],
    "label_conflicts": [],
    "near_copies": {"in_words": "Of 250 images compared, 250 have a near-copy."},
}


def test_the_audit_heads_the_page(record: StudyRecord) -> None:
    """Errors are dangers, warnings are warnings, each said once; notes stay below."""
    split = {**record.split, "leaking_groups": 41, "leaking_test_images": 25}
    found = cautions(replace(record, split=split, audit=AUDIT))
    assert found[0] == Caution(
        level="danger", title="The split leaks", text="41 of 48 groups are torn."
    )
    said = [caution.title for caution in found]
    assert said.count("The split leaks") == said.count("Small test part") == 1
    assert "Groups by content" not in said
    sound = replace(record, audit={**AUDIT, "findings": []})
    assert "Small test part" not in titles(sound)


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


def test_the_reading_claims_the_interval_only(record: StudyRecord) -> None:
    """The best score is called optimistic, the retest's interval is what can be claimed."""
    text = " ".join(reading(record, (0.4, 0.95)))
    assert text.startswith("Only as far as the retest's interval.")
    assert "from 0.40 to 0.95, 95 %, with 6 + 3 groups" in text
    assert "best of 11 networks, 1 of which was ended early" in text
    assert "lies 1.5 to 1.6 standard deviations" in text
    assert "F_med between 0.20 and 0.93 (95 %), from 25 images in 5 groups that nothing" in text
    unpruned = replace(record, trials=record.trials[:10])
    assert "best of 10 networks, and of the epochs" in " ".join(reading(unpruned))
    untested = " ".join(reading(replace(record, retest=None, requested=99)))
    assert untested.startswith("Not as it stands")
    assert "untouched" in untested


def test_a_leak_or_a_second_look_takes_the_retest_its_claim(record: StudyRecord) -> None:
    leaking = " ".join(reading(replace(record, split={**record.split, "leaking_groups": 3})))
    assert leaking.startswith("No: the split leaks")
    assert "of the same lesions" in leaking
    assert "can be claimed" not in leaking
    again = " ".join(reading(replace(record, retest={**(record.retest or {}), "uses": 3})))
    assert "nothing had seen" not in again
    assert "looked at 3 times" in again


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


def test_provenance_names_what_a_repetition_needs(
    record: StudyRecord, evidence_of: Callable[..., Evidence]
) -> None:
    """Digests of data, split and space, versions, and how many workers there were at once."""
    trials = [
        replace(
            trial,
            worker=f"host:{at % 3}",
            started=f"2026-11-23T08:{5 * (at // 2):02}:00+00:00",
            ended=f"2026-11-23T08:{5 * (at // 2) + 5:02}:00+00:00",
        )
        for at, trial in enumerate(record.trials[:10])
    ]
    evidence = evidence_of(
        replace(record, trials=trials, split={**record.split, "digest": "c3" * 32}, duplicates=4)
    )
    assert provenance.most_at_once(evidence.trials) == 2
    assert provenance.most_at_once(evidence.trials.iloc[:0]) == 0
    found = provenance.section(evidence)
    assert "by up to 2 workers at once" in found.shows
    for digest in ("a1", "c3", "5b"):
        assert digest * 32 in found.body
    assert "<dt>Worker processes</dt><dd>3</dd>" in found.body
    assert "<dt>Suggestions turned down as repeats</dt><dd>4</dd>" in found.body


def test_the_reading_of_a_named_winner_rests_on_corrected_and_cross_validated_figures(
    named: StudyRecord, record: StudyRecord, without_finalists: Build
) -> None:
    """Each is said to be augmented or plain; without a retest the corrected one is the bound."""
    text = " ".join(reading(named))
    assert named.final is not None
    found = named.final["estimates"][str(named.final["winner"])]["corrected_f_med"]
    low, value, high = (found[key] for key in ("low", "value", "high"))
    figure = f"F_med is {value:.3f} ({low:.2f} to {high:.2f}, 95 %)"
    assert f"{figure}; cross-validated (5 folds, plain) it is" in text
    assert "The search's 0.910 (augmented) is optimistic" in text
    assert "that of one picked out of 11 networks, at the best of its epochs." in text
    assert text.startswith("Only as far as the retest's interval.")
    untested = " ".join(reading(replace(named, retest=None)))
    assert untested.startswith("Only as far as the interval of the corrected F_med")
    skipped = " ".join(reading(without_finalists(record)))
    assert "(on resampled validation groups, plain) F_med is 0.710 (0.42 to 0.90, 95 %)" in skipped
    assert "cross-validated" not in skipped


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


def test_a_retest_of_another_trial_is_told(record: StudyRecord) -> None:
    """A retest that was made before a better trial came does not pass for the winner's."""
    text = " ".join(reading(replace(record, retest={**(record.retest or {}), "number": 99})))
    assert "that of trial 99" in text


def test_scores_without_an_interval_are_kept(record: StudyRecord) -> None:
    """A score whose interval cannot be given is shown without one."""
    found = {info.label: info for info in interval_infos(record.retest or {})}
    assert found["AUC"].bounds is None
    assert found["F_med"].bounds == (0.197, 0.93)


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


def test_sampler_and_pruner_are_named_with_their_arguments(
    record: StudyRecord, on_disk: Build
) -> None:
    """The figures depend on both; every name and argument that there is has words."""
    for sampler in SAMPLERS:
        for pruner in PRUNERS:
            found = dict(search_facts(replace(record, search=search_settings(sampler, pruner))))
            assert f"({sampler})" in str(found["Sampler"])
            assert f"({pruner})" in str(found["Pruner"])
            assert "_" not in f"{found['Sampler']}{found['Pruner']}"
    html = page_of(on_disk(replace(record, search=search_settings("tpe", "halving"))))
    assert "tree-structured Parzen estimator (tpe); other trials needed first: 10; hyper" in html
    assert "successive halving (halving); first rung: 2 epochs; one trial in 3 goes on" in html


def test_a_search_without_pruner_or_settings_or_of_a_later_version(
    record: StudyRecord, on_disk: Build
) -> None:
    def facts(search: dict[str, Any]) -> dict[str, Any]:
        return dict(search_facts(replace(record, search=search)))

    unpruned = facts(search_settings("random", None))
    assert unpruned["Sampler"] == "every trial drawn on its own (random)"
    assert unpruned["Pruner"] == "none: every trial is trained to its end"
    assert facts({}) == {"Sampler": "not recorded", "Pruner": "not recorded"}
    later = facts({"sampler": {"name": EVIL, EVIL: "{0}"}, "pruner": {"name": "new", "rate": 0.5}})
    assert later["Pruner"] == "new; rate: 0.5"
    html = page_of(on_disk(replace(record, search={"sampler": {"name": EVIL, EVIL: EVIL}})))
    assert EVIL not in html
