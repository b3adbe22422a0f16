"""What ``study list`` says of studies, and what the commands say of ledgers that are not whole."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from optuna.trial import TrialState, create_trial

from study.ledger import Ledger

Study = Callable[..., tuple[int, str, str]]


@pytest.fixture
def pruned(draw: Callable[..., Path], tmp_path: Path) -> str:
    """Return the name of a study of six: a complete trial, two pruned, one failed, one stopped."""
    from study.dataset.sources.opening import open_source
    from study.protocol import Protocol
    from study.search.setup import make_setup, open_study
    from study.space import find_space

    source = open_source(str(draw("images")), positive=None, cache=tmp_path / "cache")
    setup = make_setup(source, split=None, protocol=Protocol(), space=find_space("seed"), seed=0)
    _, ledger = open_study(tmp_path / "runs", "pruned", setup, command="study run", requested=6)
    ends = [
        (TrialState.COMPLETE, {"result": {"scores": {"validation_f_med": 0.5}}}),
        (TrialState.PRUNED, {}),
        (TrialState.PRUNED, {}),
        (TrialState.FAIL, {"ended_by": "diverged"}),
        (TrialState.FAIL, {"ended_by": "interrupted"}),
    ]
    for ordinal, (state, more) in enumerate(ends):
        value = 0.5 if state == TrialState.COMPLETE else None
        attributes = {"ordinal": ordinal, **more}
        ledger.optuna_study.add_trial(create_trial(state=state, value=value, user_attrs=attributes))
    ledger.close()
    return "pruned"


def test_list_counts_every_trial_that_ended(pruned: str, study: Study) -> None:
    """Of which most are pruned in a study of a hundred: counted alone, complete ones mislead."""
    status, out, _ = study("list")
    assert status == 0
    row = out.splitlines()[1].split()
    assert row[0] == pruned
    assert row[4] == "4/6"
    (listed,) = json.loads(study("list", "--json")[1])["studies"]
    ended = {"complete": 1, "pruned": 2, "failed": 1, "requested": 6}
    assert listed.items() >= ended.items()


def half_written(runs: Path, setup: dict[str, object]) -> None:
    """Write the ledger of a study named ``half`` that holds no more than ``setup``."""
    (runs / "half").mkdir(parents=True)
    Ledger.create(runs / "half", "half", setup).close()


def test_a_half_written_ledger_does_not_hide_the_others(
    pruned: str, study: Study, tmp_path: Path
) -> None:
    """It is a line on standard error; the list goes on."""
    half_written(tmp_path / "runs", {"requested": 2})
    status, out, err = study("list", "--json")
    assert status == 0
    assert [row["study"] for row in json.loads(out)["studies"]] == [pruned]
    (line,) = err.splitlines()
    path = Path("runs", "half", "study.db")
    assert line.startswith(f"study: {path}: empty, damaged or not a study's ledger (no '")


def test_an_export_that_lacks_what_it_must_name_is_one_line(
    pruned: str, study: Study, tmp_path: Path
) -> None:
    folder = tmp_path / "runs" / pruned
    (folder / "trials" / "0").mkdir(parents=True)
    (folder / "trials" / "0" / "model.keras").write_bytes(b"")
    ledger = Ledger.open(folder)
    kept = {key: ledger.optuna_study.user_attrs["dataset"][key] for key in ("name", "positive")}
    named = {"winner": 0, "selection": {"rule": "best", "best": 0, "finalists": []}, "refit": None}
    final = {**named, "model": "trials/0/model.keras", "complete": 1, "notes": []}
    ledger.update(dataset=kept, final=final)
    ledger.close()
    status, out, err = study("export", pruned)
    assert (status, out) == (2, "")
    assert err.startswith(f"study: study {pruned}: its ledger has no 'classes', which an export")
    assert not (folder / "export").exists()


def test_runs_that_are_no_folder_are_refused(study: Study, tmp_path: Path) -> None:
    """Only the default folder may be missing: nobody has misspelled it."""
    (tmp_path / "afile").write_text("")
    for command in (("list",), ("show", "a"), ("report", "a"), ("export", "a")):
        for runs, said in (("afile", "not a folder"), ("rums", "no such folder")):
            status, out, err = study(*command, "--runs", runs)
            assert (status, out) == (2, "")
            assert err.startswith(f"study: --runs {runs}: {said}; name the one that")
    assert study("list") == (0, "", "No study in runs; `study run --quick` makes one.\n")
