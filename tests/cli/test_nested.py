"""``study run --outer-folds``: every image is judged once, by a search that never saw it."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from study import load_study
from study.cli.main import main
from study.cli.nested import starting_lines
from study.dataset.manifest import Manifest
from study.errors import LedgerError
from study.evaluation.nested import NestedStudy

BUDGETS = ["--epochs", "1", "--samples-per-epoch", "48", "--validation-samples", "48"]
LINE = ["run", "--data", "images", "--name", "whole", "--trials", "1", *BUDGETS]
LINE += ["--outer-folds", "3", "--finalists", "0", "--json", "--quiet"]

Outcome = tuple[int, str, str]


@pytest.fixture(scope="module")
def nested(
    tmp_path_factory: pytest.TempPathFactory,
    images_in: Callable[..., Path],
    in_process_of_its_own: Callable[..., Outcome],
) -> tuple[Path, dict[str, Any], str]:
    home = tmp_path_factory.mktemp("nested")
    images_in(home / "images")
    status, out, err = in_process_of_its_own(*LINE, cwd=home)
    assert status == 0, err
    return home, json.loads(out), err


def test_every_image_is_in_one_test_part(nested: tuple[Path, dict[str, Any], str]) -> None:
    """And no group is divided by any of the three splits."""
    home, document, _ = nested
    tested: Counter[str] = Counter()
    for fold in document["folds"]:
        rows = Manifest.read(home / "runs" / fold["study"] / "manifest.csv").rows
        assert {row.part for row in rows} == {"train", "validation", "test"}
        tested.update(row.path for row in rows if row.part == "test")
        parts: dict[str, set[str]] = {}
        for row in rows:
            parts.setdefault(row.group, set()).add(row.part)
        assert all(len(found) == 1 for found in parts.values())
    assert len(tested) == 72
    assert set(tested.values()) == {1}


def test_one_manifest_holds_all_outer_folds(nested: tuple[Path, dict[str, Any], str]) -> None:
    """The part of an image names the fold whose test part it is in; the page names the digest."""
    home, document, _ = nested
    whole = Manifest.read(home / "runs" / "whole" / "manifest.csv")
    fold_of = {row.path: row.part for row in whole.rows}
    for at, fold in enumerate(document["folds"], 1):
        rows = Manifest.read(home / "runs" / fold["study"] / "manifest.csv").rows
        assert {fold_of[row.path] for row in rows if row.part == "test"} == {f"outer-{at}"}
    assert (whole.kind, whole.digest) == ("nested", document["manifest_digest"])
    assert whole.digest in (home / document["report"]).read_text(encoding="utf-8")


def test_the_pooled_scores_are_of_all_predictions(
    nested: tuple[Path, dict[str, Any], str],
) -> None:
    home, document, err = nested
    right, total = 0, 0
    for fold in document["folds"]:
        path = home / "runs" / fold["study"] / "test_predictions.npz"
        with np.load(path, allow_pickle=False) as stored:
            called = stored["probability"] >= 0.5
            right += int((called == (stored["label"] == 1)).sum())
            total += len(called)
    assert (document["images"], document["groups"], total) == (72, 24, 72)
    assert document["accuracy"] == pytest.approx(right / total)
    low, high = document["intervals"]["f_med"]
    assert low <= document["f_med"] <= high
    assert (
        json.loads((home / "runs" / "whole" / "nested.json").read_text())["f_med"]
        == (document["f_med"])
    )
    assert "Nested: 3 whole searches of 1 trial, one for each outer fold: about 3 times" in err
    assert "The procedure, pooled over 3 outer folds: F_med" in err


def test_its_page_links_to_the_study_of_each_fold(
    nested: tuple[Path, dict[str, Any], str],
) -> None:
    home, document, _ = nested
    page = home / document["report"]
    text = page.read_text(encoding="utf-8")
    for fold in document["folds"]:
        assert f'href="./../{fold["study"]}/index.html"' in text
        assert (page.parent / ".." / fold["study"] / "index.html").is_file()


def test_the_same_line_again_trains_nothing(
    nested: tuple[Path, dict[str, Any], str], in_process_of_its_own: Callable[..., Outcome]
) -> None:
    home, document, _ = nested
    status, out, err = in_process_of_its_own(*LINE, cwd=home)
    again = json.loads(out)
    assert status == 0
    assert "whole searches" not in err
    passing = ("seconds", "command")
    assert {key: again[key] for key in again if key not in passing} == {
        key: document[key] for key in document if key not in passing
    }


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--outer-folds", "1"], "--outer-folds: found 1; allowed: 2 to 1000"),
        (["--outer-folds", "3", "--split", "random"], "contradict each other"),
        (["--outer-folds", "50"], "has too few groups for 50 folds: found 12"),
        (["--finalists", "-1"], "--finalists: found -1; allowed: 0 to 20"),
        (["--folds", "2"], "--folds: found 2; allowed: 3 to 20"),
        (["--folds", "15"], "--folds: found 15; allowed with these groups"),
        (["--select", "bset"], "--select: found 'bset' (did you mean 'best'?)"),
        (["--refit", "maybe"], "--refit: found 'maybe'; allowed: yes, no"),
        (["--fold-seeds", "0"], "--fold-seeds: found 0"),
    ],
)
def test_what_cannot_be_is_one_line(
    nested: tuple[Path, dict[str, Any], str],
    options: list[str],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Nothing is written."""
    home, _, _ = nested
    monkeypatch.chdir(home)
    before = sorted(path.name for path in (home / "runs").iterdir())
    assert main(["run", "--data", "images", *options]) == 2
    line = capsys.readouterr().err
    assert said in line
    assert line.count("\n") == 1
    assert sorted(path.name for path in (home / "runs").iterdir()) == before


def in_home(
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *arguments: str,
) -> Outcome:
    monkeypatch.chdir(home)
    status = main(list(arguments))
    return status, *capsys.readouterr()


def test_show_and_report_give_what_the_run_gave(
    nested: tuple[Path, dict[str, Any], str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """From the studies of the folds as they are now; the list names it beside them."""
    home, document, err = nested

    def told(*arguments: str) -> str:
        status, out, _ = in_home(home, monkeypatch, capsys, *arguments)
        assert status == 0
        return out

    again = json.loads(told("show", "whole", "--json"))
    assert again == {key: value for key, value in document.items() if key != "seconds"}
    lines = told("show", "whole").splitlines()
    assert set(lines) <= set(err.splitlines())
    assert all(f"Fold {number}: F_med" in " ".join(lines) for number in (1, 2, 3))
    page = home / document["report"]
    page.unlink()
    assert told("report", "whole").strip() == document["report"]
    assert "What can be claimed" in page.read_text(encoding="utf-8")
    (listed,) = json.loads(told("list", "--json"))["nested"]
    assert (listed["study"], listed["f_med"]) == ("whole", document["f_med"])
    assert "whole: nested, whole-1of3 to whole-3of3: pooled F_med" in told("list")
    assert "named the same network" not in err, "one trial is no choice"
    assert "Other pages" not in (home / "reports" / "index.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["retest", "whole"], "is nested, 3 studies with a network each and none of its own"),
        (["export", "whole"], "name one of them, whole-1of3 to whole-3of3"),
        (["compare", "whole", "whole-1of3"], "`study show whole` gives the pooled figures"),
        (["predict", "runs/whole", "images"], "`study export whole-1of3` exports that of its"),
        (["predict", "whole", "images"], "is a nested study, which has no network of its own"),
        (["run", "--name", "whole"], "a nested study of 3 outer folds, found none; repeat its"),
        (["run", "--name", "whole", "--outer-folds", "2"], "of 3 outer folds, found 2; repeat"),
        (["run", "--name", "whole-1of3", "--outer-folds", "3"], "a study without outer folds"),
    ],
)
def test_a_name_of_the_other_kind_is_told_in_one_line(
    nested: tuple[Path, dict[str, Any], str],
    arguments: list[str],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What the name stands for and what to do; nothing is written."""
    home, _, _ = nested
    before = sorted(path for path in home.rglob("*"))
    status, out, err = in_home(home, monkeypatch, capsys, *arguments)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert said in err
    assert sorted(path for path in home.rglob("*")) == before


def test_a_fold_that_is_missing_or_unfinished_has_no_pooled_figure(
    nested: tuple[Path, dict[str, Any], str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The line to go on with is given; a torn record is named."""
    home, document, _ = nested
    shutil.copytree(home / "runs", tmp_path / "runs")
    shutil.rmtree(tmp_path / "runs" / "whole-2of3")
    status, _, err = in_home(tmp_path, monkeypatch, capsys, "show", "whole")
    assert status == 2
    assert "2 of 3 outer folds are finished" in err
    assert f"go on with: {document['command']}" in err
    (tmp_path / "runs" / "whole" / "nested.json").write_text('{"study": ')
    status, _, err = in_home(tmp_path, monkeypatch, capsys, "show", "whole")
    assert status == 2
    assert "nested.json: empty or damaged; remove it" in err
    assert (
        "whole: nested, its record is damaged" in in_home(tmp_path, monkeypatch, capsys, "list")[1]
    )


def test_a_nested_study_alone_is_not_told_to_be_missing(
    nested: tuple[Path, dict[str, Any], str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    home, _, _ = nested
    shutil.copytree(home / "runs" / "whole", tmp_path / "runs" / "whole")
    _, out, err = in_home(tmp_path, monkeypatch, capsys, "list")
    assert out.startswith("whole: nested")
    assert err == ""


def test_another_choice_or_other_outer_folds_never_meet_the_old_figures(
    nested: tuple[Path, dict[str, Any], str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Interrupted before the first fold ends, the line with another rule leaves no pooled figure.

    A manifest of other outer folds is refused before anything is carried out.
    """
    home, _, _ = nested
    shutil.copytree(home / "runs", tmp_path / "runs")
    (tmp_path / "images").symlink_to(home / "images")

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("study.cli.stages.StudyRun.carry_out", interrupted)
    assert in_home(tmp_path, monkeypatch, capsys, *LINE)[0] == 130
    (listed,) = json.loads(in_home(tmp_path, monkeypatch, capsys, "list", "--json")[1])["nested"]
    assert listed["f_med"] is not None, "nothing was left to do"
    assert in_home(tmp_path, monkeypatch, capsys, *LINE, "--select", "best")[0] == 130
    (listed,) = json.loads(in_home(tmp_path, monkeypatch, capsys, "list", "--json")[1])["nested"]
    assert listed["f_med"] is None
    status, _, err = in_home(tmp_path, monkeypatch, capsys, "show", "whole")
    assert status == 2
    assert "0 of 3 outer folds are finished" in err
    of_a_fold = Manifest.read(tmp_path / "runs" / "whole-1of3" / "manifest.csv")
    of_a_fold.write(tmp_path / "runs" / "whole" / "manifest.csv")
    status, _, err = in_home(tmp_path, monkeypatch, capsys, *LINE)
    assert status == 2
    assert "does not hold the outer folds of nested study whole" in err


def test_the_cost_is_told_as_it_will_be() -> None:
    """A time is divided among the folds; a given division is not used, which is said."""
    whole = NestedStudy(name="whole", command="study run", folds=5, trials=30)
    (line,) = starting_lines(whole, 0, given_parts=False, shared_time=True)
    assert "5 whole searches of up to 30 trials" in line
    assert "each has 1/5 of it" in line
    assert "times the time" not in line
    first, second = starting_lines(whole, 2, given_parts=True, shared_time=False)
    assert "outer folds divide all images anew" in first
    assert second.endswith("about 5 times the time of one study; 2 of them are done already")


def test_python_is_told_the_same(nested: tuple[Path, dict[str, Any], str]) -> None:
    """A notebook that asks for a nested study by name learns which studies it is made of."""
    home, _, _ = nested
    with pytest.raises(LedgerError, match="is nested, 3 studies with a network each"):
        load_study("whole", home / "runs")
