"""One real study from the folder to the prediction, shared by all tests of this file."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from study.cli.main import main

BUDGETS = ["--epochs", "2", "--samples-per-epoch", "96", "--validation-samples", "48"]
LINE = ["run", "--data", "images", "--trials", "3", *BUDGETS, "--json"]

RANKING_KEYS = {
    *("number", "state", "validation_f_med", "validation_f_med_plain", "validation_f_med_smooth"),
    *("train_f_med", "parameters", "macs", "best_epoch", "epochs", "seconds", "params"),
}
RETEST_KEYS = {"images", "groups", "confusion", "sensitivity", "specificity", "f_med", "intervals"}

Outcome = tuple[int, str, str]
"""Exit status, standard output, standard error."""


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A finished study and what its command printed."""

    home: Path
    status: int
    out: str
    err: str
    exported: Path

    @property
    def document(self) -> dict[str, Any]:
        return json.loads(self.out)

    @property
    def name(self) -> str:
        return self.document["study"]


@pytest.fixture(scope="module")
def finished(
    tmp_path_factory: pytest.TempPathFactory,
    images_in: Callable[..., Path],
    in_process_of_its_own: Callable[..., Outcome],
) -> Finished:
    home = tmp_path_factory.mktemp("finished")
    images_in(home / "images")
    status, out, err = in_process_of_its_own(*LINE, cwd=home)
    assert status == 0, err
    name = json.loads(out)["study"]
    exported = home / "exported"
    main(["export", name, "--runs", str(home / "runs"), "--out", str(exported)])
    return Finished(home=home, status=status, out=out, err=err, exported=exported)


@pytest.fixture
def there(finished: Finished, monkeypatch: pytest.MonkeyPatch) -> Finished:
    """Return the finished study, with its folder as the current one."""
    monkeypatch.chdir(finished.home)
    return finished


def test_run_prints_one_json_document_with_the_keys_of_the_contract(finished: Finished) -> None:
    document, end = json.JSONDecoder().raw_decode(finished.out)
    assert finished.out[end:] == "\n"
    keys = {"study", "dataset", "split", "trials", "ranking", "winner", "retest", "report"}
    assert document.keys() >= keys | {"seconds"}
    assert (
        document["dataset"].items()
        >= {
            "name": "images",
            "classes": {"benign": 36, "malignant": 36},
            "images": 72,
            "groups": 24,
            "synthetic": False,
        }.items()
    )
    assert len(document["dataset"]["digest"]) == 64
    assert document["split"]["kind"] == "grouped"
    assert document["split"]["leaking_groups"] == 0
    assert sum(part["images"] for part in document["split"]["parts"].values()) == 72
    done = {"requested": 3, "complete": 3, "pruned": 0, "failed": 0, "running": 0}
    assert document["trials"].items() >= done.items()
    assert document["seconds"] > 0


def test_run_ranks_every_trial_best_first_and_retests_the_winner(finished: Finished) -> None:
    document = finished.document
    ranking = document["ranking"]
    assert all(entry.keys() >= RANKING_KEYS for entry in ranking)
    assert sorted(entry["number"] for entry in ranking) == [0, 1, 2]
    scores = [entry["validation_f_med"] for entry in ranking]
    assert scores == sorted(scores, reverse=True)
    (named,) = [entry for entry in ranking if entry["number"] == document["winner"]["number"]]
    assert document["winner"].items() >= named.items()
    finalists = [entry["number"] for entry in document["selection"]["finalists"]]
    assert {named["number"], ranking[0]["number"], 0} <= set(finalists)
    retest = document["retest"]
    assert retest.keys() >= RETEST_KEYS
    assert retest["number"] == document["winner"]["number"]
    test = document["split"]["parts"]["test"]
    assert (retest["images"], retest["groups"]) == (test["images"], test["groups"])
    assert sum(retest["confusion"].values()) == test["images"]
    low, high = retest["intervals"]["f_med"]
    assert low <= retest["f_med"] <= high


def test_run_starts_with_the_two_reference_networks(finished: Finished) -> None:
    by_number = {entry["number"]: entry["params"] for entry in finished.document["ranking"]}
    reference = {"filters": 64, "filter_size": 3, "dense_width": 64, "dropout": 0.5}
    assert by_number[0].items() >= {**reference, "optimizer": "adam"}.items()
    assert by_number[1].items() >= {**reference, "optimizer": "sgd"}.items()


def test_prose_goes_to_standard_error_without_backend_chatter(finished: Finished) -> None:
    lines = finished.err.splitlines()
    assert lines[0].startswith(f"Study {finished.name}: 3 trials")
    assert "positive class malignant" in lines[1]
    later = next(k for k, line in enumerate(lines) if line.startswith("Training "))
    told = [line[:5] for line in lines[:later] if line.startswith("[")]
    assert told == ["[1/3]", "[2/3]", "[3/3]"]
    assert any(", fold 1 of " in line for line in lines[later:])
    assert lines[-1] == f"Report: {finished.document['report']}"
    assert not [
        w for w in ("WARNING", "UserWarning", "tensorflow", "cpu_feature") if w in finished.err
    ]


def test_the_manifest_lists_every_image_once_and_divides_no_lesion(finished: Finished) -> None:
    with (finished.home / "runs" / finished.name / "manifest.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["path", "label", "group", "part", "sha256"]
    assert len({row["path"] for row in rows}) == len(rows) == 72
    parts: dict[str, set[str]] = {}
    for row in rows:
        parts.setdefault(row["group"], set()).add(row["part"])
        content = (finished.home / "images" / row["path"]).read_bytes()
        assert row["sha256"] == hashlib.sha256(content).hexdigest()
    assert all(len(found) == 1 for found in parts.values())


def test_report_and_trials_csv_exist_and_report_writes_them_anew(
    there: Finished, capsys: pytest.CaptureFixture[str]
) -> None:
    page = Path(there.document["report"])
    table = page.with_name("trials.csv")
    before = table.read_text()
    assert len(before.splitlines()) == 4
    page.unlink()
    table.unlink()
    assert main(["report", there.name]) == 0
    assert capsys.readouterr().out == f"{page}\n"
    assert there.name in page.read_text(encoding="utf-8")
    assert table.read_text() == before


def test_show_json_is_the_document_of_the_run(
    there: Finished, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["show", there.name, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    passing = ("report", "seconds")
    expected = {key: value for key, value in there.document.items() if key not in passing}
    assert {key: value for key, value in shown.items() if key not in passing} == expected


def test_show_prints_ranking_winner_and_retest(
    there: Finished, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["show", there.name]) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split()[:4] == ["trial", "state", "val", "F_med"]
    order = [str(entry["number"]) for entry in there.document["ranking"]]
    assert [row.split()[0] for row in rows[:3]] == order
    winner = there.document["winner"]["number"]
    assert rows[3].startswith(f"Winner: trial {winner}, validation F_med")
    assert " (positive class malignant): " in rows[3]
    assert any(row.startswith(f"Of the winner, trial {winner}: search ") for row in rows)
    assert rows[-1].startswith("Retest on 18 images in 6 groups: F_med")


def test_retest_repeats_the_stored_answer_and_counts_when_it_is_asked_to_look_again(
    finished: Finished, tmp_path: Path, study: Callable[..., Outcome]
) -> None:
    """The ledger notes each opening of the test part before anything is evaluated."""
    shutil.copytree(finished.home / "runs", tmp_path / "runs")
    status, out, err = study("retest", finished.name, "--json")
    assert (status, json.loads(out), err) == (0, finished.document["retest"], "")
    again = study("retest", finished.name, "--again")
    assert again[0] == 0, again
    assert again[1].rstrip().endswith("test part used 2 times")
    shown = study("show", finished.name, "--json")
    answer = json.loads(shown[1])["retest"]
    assert answer["uses"] == 2
    assert answer["f_med"] == pytest.approx(finished.document["retest"]["f_med"])


def test_list_shows_the_study(there: Finished, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    row = capsys.readouterr().out.splitlines()[1].split()
    assert row[0] == there.name
    assert "3/3" in row
    assert main(["list", "--json"]) == 0
    (listed,) = json.loads(capsys.readouterr().out)["studies"]
    assert (listed["study"], listed["complete"], listed["requested"]) == (there.name, 3, 3)
    assert (listed["pruned"], listed["failed"]) == (0, 0)


def test_a_study_goes_on_with_another_sampler_and_no_more_workers_than_trials(
    finished: Finished,
    tmp_path: Path,
    in_process_of_its_own: Callable[..., Outcome],
) -> None:
    """Of two workers for one trial, one would keep half the cores and do nothing."""
    for folder in ("images", "runs"):
        shutil.copytree(finished.home / folder, tmp_path / folder)
    line = [*LINE, "--trials", "4", "--jobs", "2", "--sampler", "random"]
    status, out, err = in_process_of_its_own(*line, cwd=tmp_path)
    assert (status, json.loads(out)["trials"]["complete"]) == (0, 4)
    first, *rest = err.splitlines()
    assert first == (
        f"study {finished.name}: its sampler was tpe, is now random; earlier trials keep their "
        "variants"
    )
    assert [text for text in rest if text.startswith("Search: ")] == [
        "Search: sampler random, pruner halving; 1 worker"
    ]


def test_export_makes_a_model_whose_digest_fits_its_metadata(finished: Finished) -> None:
    names = {"model.keras", "saved_model", "model.tflite", "metadata.json", "MODEL_CARD.md"}
    assert {path.name for path in finished.exported.iterdir()} == names
    metadata = json.loads((finished.exported / "metadata.json").read_text())
    content = (finished.exported / "model.keras").read_bytes()
    assert metadata["model_digest"] == hashlib.sha256(content).hexdigest()
    assert metadata["positive"] == "malignant"
    assert metadata["trial"] == finished.document["winner"]["number"]
    assert metadata["metrics"]["retest"] | {"stale": None} == finished.document["retest"]
    assert metadata["digests"]["dataset"] == finished.document["dataset"]["digest"]


def test_export_refuses_a_folder_that_exists(
    there: Finished, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (there.exported / "metadata.json").read_bytes()
    assert main(["export", there.name, "--out", str(there.exported)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"study: --out {there.exported}: exists already")
    assert (there.exported / "metadata.json").read_bytes() == before


@pytest.mark.usefixtures("compared_here")
def test_export_replaces_only_an_export_and_only_when_told(
    there: Finished, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, papers = tmp_path / "out", tmp_path / "papers"
    papers.mkdir()
    (papers / "thesis.txt").write_text("years of work")
    line = ["export", there.name, "--format", "keras", "--out", str(out)]
    assert main(line) == 0
    first = (out / "metadata.json").read_bytes()
    (out / "metadata.json").write_text("{}")
    assert main([*line, "--force"]) == 0
    assert (out / "metadata.json").read_bytes() == first
    assert main(["export", there.name, "--out", str(papers), "--force"]) == 2
    assert "is no exported model" in capsys.readouterr().err
    assert (papers / "thesis.txt").is_file()


def test_predict_goes_on_after_a_broken_file_and_names_it(
    finished: Finished, in_process_of_its_own: Callable[..., Outcome]
) -> None:
    (finished.home / "broken.png").write_bytes(b"not an image")
    images = sorted(str(p.relative_to(finished.home)) for p in finished.home.rglob("frame-0.png"))
    files = [images[0], "broken.png", images[-1]]
    status, out, err = in_process_of_its_own("predict", "exported", *files, cwd=finished.home)
    assert status == 2
    rows = list(csv.DictReader(out.splitlines()))
    assert [row["path"] for row in rows] == [files[0], files[2]]
    for row in rows:
        assert row["class"] == ("malignant" if float(row["probability"]) >= 0.5 else "benign")
        assert row["warning"] == ""
    (line,) = err.splitlines()  # and TensorFlow's greetings are not among them
    assert line.startswith("study: broken.png: ")


def test_predict_json_is_one_document(finished: Finished, study: Callable[..., Outcome]) -> None:
    image = next(finished.home.glob("images/malignant/*/frame-0.png"))
    status, out, err = study("predict", finished.exported, image, "--json")
    assert (status, err) == (0, "")
    document = json.loads(out)
    assert document["study"] == finished.name
    (prediction,) = document["predictions"]
    assert 0 <= prediction["probability"] <= 1


def test_predict_refuses_a_model_that_was_tampered_with(
    finished: Finished, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = shutil.copytree(finished.exported, tmp_path / "copy")
    with (copy / "model.keras").open("ab") as file:
        file.write(b"\0")
    assert main(["predict", str(copy), "any.png"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"study: {copy / 'model.keras'}: missing, or not the file")


def test_a_random_split_is_warned_of_and_an_interrupt_keeps_the_study(
    tmp_path: Path, images_in: Callable[..., Path]
) -> None:
    images_in(tmp_path / "images")
    line = ["run", "--data", "images", "--split", "random", "--name", "leaky", *BUDGETS]
    command = [sys.executable, "-m", "study", *line]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        lines = [process.stderr.readline() for _ in range(3)]
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read().splitlines()
    assert process.returncode == 130
    assert rest[-1].startswith("study: interrupted, what had ended is kept; ")
    assert "; to go on: study run --data images --split random" in rest[-1]
    warnings = [line for line in [*lines, *rest] if "groups are in more than one part" in line]
    record = json.loads((tmp_path / "runs" / "leaky" / "manifest.json").read_text())
    assert record["kind"] == "random"
    with (tmp_path / "runs" / "leaky" / "manifest.csv").open() as file:
        pairs = {(row["group"], row["part"]) for row in csv.DictReader(file)}
    groups = [group for group, _ in pairs]
    straddling = len({group for group in groups if groups.count(group) > 1})
    assert straddling > 0
    assert len(warnings) == 1
    assert warnings[0].startswith(f"Error: {straddling} of 24 groups are in more than one part: ")


def test_a_run_ends_in_time_with_what_can_be_had_and_goes_on_later(
    tmp_path: Path,
    images_in: Callable[..., Path],
    in_process_of_its_own: Callable[..., Outcome],
) -> None:
    """Quiet, it says no more than the outcome; the same line goes on with another such time."""
    images_in(tmp_path / "images")
    line = ["run", "--data", "images", "--name", "timed", "--trials", "400", *BUDGETS]
    line += ["--timeout", "10s", "--jobs", "1", "--pruner", "halving", "--quiet", "--json"]
    line += ["--finalists", "0"]
    status, out, err = in_process_of_its_own(*line, cwd=tmp_path)
    document = json.loads(out)
    trials, said = document["trials"], err.splitlines()
    assert (status, document["state"]) == (0, "unfinished")
    ended = trials["complete"] + trials["pruned"] + trials["failed"]
    (end,) = [text for text in said if text.startswith("Time is up (--timeout): ")]
    assert f" {ended} of 400 trials have ended" in end
    assert "To go on: study run --data images --name timed" in end
    assert (document["retest"] is not None) == (trials["complete"] > 0)
    heads = ("Winner: ", "Of the ", "No finalists: ", "Retest on ", "Time is up", "Report: ")
    assert all(text.startswith(heads) for text in said)
    assert Path(tmp_path / document["report"]).is_file()
