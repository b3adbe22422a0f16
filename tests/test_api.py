"""Studies and exported models from Python: the same answers as the command's."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from optuna.trial import TrialState
from PIL import Image

import study
from study import Model, load_model, load_study
from study.cli.main import main
from study.dataset.arrays import load_part
from study.dataset.manifest import Manifest
from study.dataset.sources.opening import open_source
from study.errors import DataError, LedgerError, ModelError, SettingsError
from study.ledger import read_study
from study.model.exported import read_metadata
from study.model.network import build_network
from study.model.predict import predict_files
from study.protocol import Protocol
from study.records import HISTORY_COLUMNS
from study.report.frames import trials_frame
from study.search.setup import make_setup, open_study
from study.space import find_space
from study.variant import Variant

# Keras' own code calls NumPy in a way that NumPy 2 warns of.
pytestmark = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")

SMALL = Variant(filters=2, blocks=1, dense_layers=1, dense_width=4)
BEST, PRUNED = 1, 2

HEAVY = ("tensorflow", "keras", "optuna", "pandas", "numpy")


@dataclass(frozen=True)
class Home:
    """A study named ``it`` of two complete trials and a pruned one, and the best one exported."""

    runs: Path
    export: Path
    images: Path
    protocol: Protocol

    @property
    def folder(self) -> Path:
        return self.runs / "it"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, two_classes: Path, tiny: Protocol) -> Home:
    place = tmp_path_factory.mktemp("home")
    source = open_source(str(two_classes), cache=place / "cache")
    setup = make_setup(source, split=None, protocol=tiny, space=find_space("seed"), seed=1)
    folder, ledger = open_study(
        place / "runs", "it", setup, command="study run", requested=PRUNED + 1
    )
    for number, score in enumerate((0.5, 0.75, 0.25)):
        trial = ledger.optuna_study.ask()
        trial.set_user_attr("ordinal", number)
        trial.set_user_attr("variant", SMALL.as_dict())
        trial.set_user_attr("plan", {"params": {}, "parameters": 12, "macs": 34, "seed": 1})
        trial.set_user_attr("result", {"scores": {"validation_f_med": score, "train_loss": None}})
        if number == PRUNED:
            trial.report(score, 1)
            ledger.optuna_study.tell(trial, state=TrialState.PRUNED)
        else:
            ledger.optuna_study.tell(trial, score)
    selection = {"rule": "best", "best": BEST, "finalists": []}
    named = {"winner": BEST, "reference": 0, "selection": selection, "refit": None, "notes": []}
    ledger.update(final={**named, "model": f"trials/{BEST}/model.keras", "complete": 2})
    ledger.close()
    best = folder.trial(BEST)
    best.mkdir(parents=True)
    keras.utils.set_random_seed(1)
    network = build_network(SMALL, tiny.image_shape)
    network.save(folder.model(BEST))
    part = load_part(Manifest.read(folder.manifest), two_classes, "validation", tiny)
    np.savez_compressed(
        best / "validation_predictions.npz",
        probability=network.predict_on_batch(part.images.astype(np.float32))[:, 0],
        label=part.labels,
        group=part.groups,
    )
    with (best / "history.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HISTORY_COLUMNS)
        for epoch in (1, 2):
            writer.writerow([epoch, *(epoch / 10 for _ in HISTORY_COLUMNS[1:])])
    line = ["export", "it", "--runs", str(place / "runs"), "--format", "keras"]
    assert main(line) == 0
    return Home(runs=place / "runs", export=folder.export, images=two_classes, protocol=tiny)


@pytest.fixture(scope="module")
def model(home: Home) -> Model:
    return load_model(home.export)


def drawn(*shape: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


@pytest.fixture
def files(tmp_path: Path) -> Callable[..., list[Path]]:
    """Return a function that writes arrays as PNG files."""

    def write(arrays: list[NDArray[np.uint8]]) -> list[Path]:
        paths = [tmp_path / f"{number:03d}.png" for number in range(len(arrays))]
        for path, values in zip(paths, arrays, strict=True):
            Image.fromarray(values).save(path)
        return paths

    return write


def test_importing_the_package_loads_none_of_its_libraries() -> None:
    """Nor does asking for the names; they are loaded when a study or a model is."""
    code = (
        "import sys, study; from study import load_study, load_model; "
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "[]\n", "")


def test_the_package_tells_its_names_and_no_others() -> None:
    assert set(study.__all__) <= set(dir(study))
    assert all(getattr(study, name) is not None for name in study.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'load_studies'"):
        _ = study.load_studies


def test_a_model_says_what_it_is(home: Home, model: Model) -> None:
    stored = json.loads((home.export / "metadata.json").read_text())
    assert model.metadata == stored
    assert model.classes == ("benign", "malignant")
    assert model.threshold == stored["threshold"]["value"]
    assert repr(model) == "<Model of study 'it': benign or malignant>"


def test_predict_gives_what_the_command_s_own_way_gives(home: Home, model: Model) -> None:
    """A row for each of 72 images, more than are classified at once, in the same order."""
    found = model.predict(home.images)
    expected = list(predict_files(read_metadata(home.export), [home.images]))
    assert list(found.columns) == ["path", "class", "probability", "warning"]
    assert found["path"].tolist() == [item.path for item in expected]
    assert found["class"].tolist() == [item.label for item in expected]
    assert found["probability"].tolist() == [item.probability for item in expected]
    assert found["warning"].tolist() == [item.warning for item in expected]
    assert len(found) == 72
    pd.testing.assert_frame_equal(model.predict([str(home.images)]), found)


def test_the_validation_images_get_the_probabilities_of_the_study(home: Home, model: Model) -> None:
    known = load_study("it", home.runs).predictions(BEST)
    found = model.predict([home.images / path for path in known["path"]])
    assert found["probability"].to_numpy() == pytest.approx(known["probability"].to_numpy())
    assert set(known["class"]) == {"benign", "malignant"}
    assert [Path(path).parts[0] for path in known["path"]] == known["class"].tolist()


def test_arrays_of_any_size_are_predicted_as_the_files_that_hold_them(
    model: Model, files: Callable[..., list[Path]]
) -> None:
    arrays = [drawn(40, 60), drawn(22, 24, seed=1), drawn(7, 90, seed=2), drawn(30, 30, 3, seed=3)]
    expected = model.predict(files(arrays))
    found = model.predict_proba(arrays)
    assert found.shape == (4, 2)
    assert found[:, 1].tolist() == expected["probability"].tolist()
    assert found.sum(axis=1) == pytest.approx(1)
    frame = model.predict(arrays)
    assert frame["path"].tolist() == ["0", "1", "2", "3"]
    same = ["class", "probability", "warning"]
    pd.testing.assert_frame_equal(frame[same], expected[same])


@pytest.mark.parametrize("kind", [np.float64, np.int64, np.uint16])
def test_a_stack_is_the_same_in_every_type_of_number_and_with_a_channel(
    model: Model, kind: type
) -> None:
    stack = drawn(3, 44, 48)
    expected = model.predict_proba(stack)
    assert (model.predict_proba(stack.astype(kind)) == expected).all()
    assert (model.predict_proba(stack[..., None].astype(kind)) == expected).all()
    assert len(set(expected[:, 1])) == 3


def test_no_images_give_no_rows(model: Model) -> None:
    assert model.predict_proba([]).shape == (0, 2)
    assert model.predict_proba(np.zeros((0, 5, 5))).shape == (0, 2)
    assert model.predict([]).columns.tolist() == ["path", "class", "probability", "warning"]


@pytest.mark.parametrize(
    ("images", "words"),
    [
        ("a.png", "found a path"),
        (np.zeros((5, 5)), r"found \(5, 5\); allowed: .* image\[None\]"),
        (np.full((1, 5, 5), 256), "found values from 256 to 256"),
        (np.full((1, 5, 5), -1.0), "found values from -1 to -1"),
        (np.full((1, 5, 5), np.nan), "found values from nan"),
        (np.full((1, 5, 5), 0.5), "multiply shares by 255"),
        (np.zeros((1, 5, 5, 4)), r"found one of float64 \(5, 5, 4\)"),
        (np.zeros((1, 0, 5)), r"found one of float64 \(0, 5\)"),
        (np.zeros((1, 5, 5), bool), "found one of bool"),
        (np.zeros((1, 5, 5), complex), "found one of complex128"),
        ([None], "found one of object"),
        ([[[1, 2], [3]]], "number 0 is no array"),
        (["a.png"], "found one of <U5"),
        (7, "found 7; allowed: arrays, in a list"),
        (None, "found None; allowed: arrays"),
    ],
)
def test_what_is_no_image_is_refused_in_a_line(model: Model, images: Any, words: str) -> None:
    with pytest.raises(SettingsError, match=words) as caught:
        model.predict_proba(images)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("images", [7, None, [7]])
def test_what_is_neither_a_path_nor_an_image_cannot_be_predicted(model: Model, images: Any) -> None:
    with pytest.raises(SettingsError, match=r"^images: found "):
        model.predict(images)


def test_a_file_that_cannot_be_read_has_its_reason_as_warning(
    model: Model, files: Callable[..., list[Path]], tmp_path: Path
) -> None:
    good = files([drawn(20, 24)])
    found = model.predict([tmp_path / "gone.png", *good])
    assert found["warning"][0] == "cannot be read (No such file or directory)"
    assert found["class"].isna().tolist() == [True, False]
    assert found["probability"].isna().tolist() == [True, False]


def test_a_threshold_decides_the_class_and_nothing_else(model: Model) -> None:
    stack = drawn(2, 22, 24)
    low, high = model.predict(stack, threshold=0), model.predict(stack, threshold=1.0)
    assert set(low["class"]) == {"malignant"}
    assert set(high["class"]) == {"benign"}
    assert low["probability"].tolist() == high["probability"].tolist()
    middle = float(low["probability"].iloc[0])
    assert model.predict(stack[:1], threshold=middle)["class"].tolist() == ["malignant"]
    for wrong in (-0.1, 1.1, float("nan"), True, "0.5"):
        with pytest.raises(SettingsError, match="allowed: a probability, 0 to 1"):
            model.predict(stack, threshold=wrong)


def test_a_model_that_was_tampered_with_is_not_loaded(home: Home, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(home.export, copy)
    assert load_model(str(copy)).classes == ("benign", "malignant")
    with (copy / "model.keras").open("ab") as file:
        file.write(b"\0")
    with pytest.raises(ModelError, match="not the file that was exported"):
        load_model(copy)
    with pytest.raises(ModelError, match="not an exported model"):
        load_model(tmp_path)


def test_a_study_says_what_its_ledger_holds(home: Home) -> None:
    found = load_study("it", home.runs)
    record = read_study(home.folder)
    assert repr(found) == "<Study 'it': 3 trials>"
    assert (found.name, found.folder, found.record) == ("it", home.folder, record)
    pd.testing.assert_frame_equal(found.trials, trials_frame(record))
    assert found.trials["number"].tolist() == [BEST, 0, PRUNED]
    assert [trial["number"] for trial in found.ranking] == [BEST, 0, PRUNED]
    assert found.winner is not None
    assert (found.winner["number"], found.winner["validation_f_med"]) == (BEST, 0.75)
    assert found.retest is None


def test_the_document_is_what_the_command_prints(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["show", "it", "--runs", str(home.runs), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    document = load_study("it", home.runs).document
    assert {**json.loads(json.dumps(document)), "report": None} == {**printed, "report": None}


def test_a_study_is_found_by_its_folder(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home.runs.parent)
    assert load_study("it").record == load_study(home.folder, "elsewhere").record


def test_a_history_has_a_row_an_epoch(home: Home) -> None:
    history = load_study("it", home.runs).history(BEST)
    assert tuple(history.columns) == HISTORY_COLUMNS
    assert history["epoch"].tolist() == [1, 2]
    assert history["validation_f_med"].tolist() == [0.1, 0.2]


def test_optuna_gets_the_complete_and_the_pruned_trials(home: Home) -> None:
    trials = load_study("it", home.runs).to_optuna().trials
    assert [(trial.user_attrs["ordinal"], trial.state.name) for trial in trials] == [
        *((0, "COMPLETE"), (BEST, "COMPLETE"), (PRUNED, "PRUNED")),
    ]


def test_an_unknown_study_is_named_with_the_nearest_one(home: Home, tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match=r"no study 'IT' in .* \(did you mean 'it'\?\)"):
        load_study("IT", home.runs)
    with pytest.raises(LedgerError, match=r"no study 'elsewhere' in .*; there are: it$"):
        load_study("elsewhere", home.runs)
    with pytest.raises(LedgerError, match=r"no study 'it' in .*; `study run` makes one"):
        load_study("it", tmp_path)
    with pytest.raises(LedgerError, match="no study 'xxx"):
        load_study("x" * 5000, home.runs)


def test_a_trial_that_is_not_there_is_refused(home: Home) -> None:
    found = load_study("it", home.runs)
    for ask in (found.history, found.predictions):
        with pytest.raises(LedgerError, match="study it: no trial 3; there are: 0 to 2"):
            ask(3)
    with pytest.raises(LedgerError, match=r"history\.csv: cannot be read \(No such file"):
        found.history(0)
    with pytest.raises(DataError, match=r"validation_predictions\.npz is missing"):
        found.predictions(0)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"a,b\n1,2\n", b'epoch\n"1\n'])
def test_a_damaged_history_is_refused(home: Home, tmp_path: Path, content: bytes) -> None:
    shutil.copytree(home.folder, tmp_path / "it")
    (tmp_path / "it" / "trials" / str(BEST) / "history.csv").write_bytes(content)
    with pytest.raises(LedgerError, match=r"history\.csv: empty or damaged"):
        load_study("it", tmp_path).history(BEST)
