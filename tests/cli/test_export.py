"""``study export`` of a network with known weights: files, metadata, card, refusals."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from PIL import Image

from study.cli.main import main
from study.dataset.arrays import load_part
from study.dataset.images import file_digest
from study.dataset.manifest import Manifest
from study.dataset.sources.opening import open_source
from study.ledger import Ledger
from study.model.exported import read_metadata
from study.model.formats import FORMATS
from study.model.network import build_network
from study.protocol import Protocol
from study.search.setup import make_setup, open_study
from study.space import find_space
from study.training.callbacks import predict
from study.variant import Variant
from study.workspace import StudyFolder

# Keras' own code calls NumPy in ways that NumPy 2 warns of.
pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:In the future `np.object`:FutureWarning"),
]

SMALL = Variant(filters=2, blocks=1, dense_layers=1, dense_width=4)
PROTOCOL = Protocol(image_width=24, image_height=22, validation_samples=48)

MISSING = {
    name: [package for package in item.packages if find_spec(package) is None]
    for name, item in FORMATS.items()
}
INSTALLED = [name for name in FORMATS if not MISSING[name]]

Outcome = tuple[int, str, str]


@dataclass(frozen=True)
class Home:
    """A study named ``it`` with one complete trial, and where its images lie."""

    path: Path
    folder: StudyFolder

    @property
    def exported(self) -> Path:
        return self.path / "exported"


def make_home(home: Path, draw: Callable[..., Path], network: Any) -> Home:
    draw(home / "images")
    source = open_source(str(home / "images"), positive=None, cache=home / "cache")
    setup = make_setup(source, split=None, protocol=PROTOCOL, space=find_space("seed"), seed=1)
    folder, ledger = open_study(home / "runs", "it", setup, command="study run", requested=1)
    trial = ledger.optuna_study.ask()
    trial.set_user_attr("ordinal", 0)
    trial.set_user_attr("variant", SMALL.as_dict())
    trial.set_user_attr("plan", {"params": {}, "parameters": 1234, "macs": 5678, "seed": 1})
    trial.set_user_attr("result", {"scores": {"validation_f_med": 0.5, "train_loss": None}})
    ledger.optuna_study.tell(trial, 0.5)
    ledger.update(final=named())
    ledger.close()
    folder.trial(0).mkdir(parents=True)
    network.save(folder.model(0))
    part = load_part(Manifest.read(folder.manifest), home / "images", "validation", PROTOCOL)
    np.savez_compressed(
        folder.trial(0) / "validation_predictions.npz",
        probability=np.nan_to_num(predict(network, part.images), nan=0.5),
        label=part.labels,
        group=part.groups,
    )
    return Home(path=home, folder=folder)


def named(*finalists: int) -> dict[str, Any]:
    """Return the answer that names trial 0 and its own network, chosen among finalists."""
    chosen = [{"number": number, "dropped": None} for number in finalists]
    return {
        "winner": 0,
        "reference": 0,
        "selection": {"rule": "best", "best": 0, "finalists": chosen},
        "refit": None,
        "model": "trials/0/model.keras",
        "model_digest": None,
        "estimates": {},
        "notes": [],
        "complete": 1,
    }


def note(home: Home, final: dict[str, Any] | None) -> None:
    ledger = Ledger.open(home.folder.path)
    ledger.update(final=final)
    ledger.close()


def a_network() -> Any:
    keras.utils.set_random_seed(1)
    return build_network(SMALL, PROTOCOL.image_shape)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, images_in: Callable[..., Path]) -> Home:
    """The study, exported once in every format that can be written here."""
    home = make_home(tmp_path_factory.mktemp("home"), images_in, a_network())
    line = ["export", "it", "--runs", home.path / "runs", "--out", home.exported]
    assert main([*map(str, line), "--format", ",".join(INSTALLED)]) == 0
    return home


@pytest.fixture
def there(finished: Home, tmp_path: Path) -> Home:
    """A copy of the study, without its export, which a test may harm."""
    shutil.copytree(finished.path / "runs", tmp_path / "runs")
    return Home(path=tmp_path, folder=StudyFolder(tmp_path / "runs" / "it"))


@pytest.fixture
def refused(study: Callable[..., Outcome], tmp_path: Path) -> Callable[..., tuple[int, str]]:
    """Return a function that lets an export fail and leave nothing, for its status and line."""

    def run(*arguments: object) -> tuple[int, str]:
        before = sorted(tmp_path.rglob("*"))
        status, out, err = study("export", "it", "--out", tmp_path / "new" / "model", *arguments)
        assert out == ""
        assert sorted(tmp_path.rglob("*")) == before
        line = err.splitlines()[-1]
        assert [text for text in err.splitlines()[:-1] if not text.startswith("Writing ")] == []
        return status, line.removeprefix("study: ")

    return run


def metadata_of(home: Home) -> dict[str, Any]:
    def no_constant(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    text = (home.exported / "metadata.json").read_text()
    return json.loads(text, parse_constant=no_constant)


def test_the_three_lines_of_the_card_give_the_network_s_probabilities(finished: Home) -> None:
    """In a process of its own, for every format: what a reader copies has to run."""
    card = (finished.exported / "MODEL_CARD.md").read_text()
    part = load_part(
        Manifest.read(finished.folder.manifest), finished.path / "images", "validation", PROTOCOL
    )
    np.save(finished.path / "images.npy", part.images)
    lines = ["import numpy as np", "images = np.load('../images.npy').astype(np.float32)"]
    for name in INSTALLED:
        assert f"```python\n{FORMATS[name].use}\n```" in card
        lines += [FORMATS[name].use, f"np.save('../{name}.npy', probability)"]
    subprocess.run(
        [sys.executable, "-c", "\n".join(lines)],
        cwd=finished.exported,
        check=True,
        capture_output=True,
        timeout=240,
    )
    with np.load(finished.folder.trial(0) / "validation_predictions.npz") as stored:
        expected = stored["probability"]
    for name in INSTALLED:
        found = np.load(finished.path / f"{name}.npy")
        assert found.shape == expected.shape
        assert np.abs(found - expected).max() <= FORMATS[name].tolerance


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_lies_where_it_should_and_was_compared(finished: Home, name: str) -> None:
    if MISSING[name]:
        pytest.skip(f"{', '.join(MISSING[name])} not installed")
    stored = metadata_of(finished)["formats"][name]
    assert stored["path"] == FORMATS[name].path
    assert (finished.exported / stored["path"]).exists()
    assert 0 <= stored["largest_difference"] <= stored["tolerance"] == FORMATS[name].tolerance
    rows = Manifest.read(finished.folder.manifest).rows
    assert stored["images"] == sum(row.part == "validation" for row in rows)


def test_the_metadata_hold_what_using_and_judging_the_network_needs(finished: Home) -> None:
    metadata = metadata_of(finished)
    assert metadata["schema_version"] == 2
    assert (metadata["study"], metadata["trial"], metadata["origin"]) == ("it", 0, "search")
    assert metadata["classes"] == ["benign", "malignant"]
    assert (metadata["positive"], metadata["negative"]) == ("malignant", "benign")
    assert metadata["threshold"].items() >= {"value": 0.5, "source": "fixed"}.items()
    expected = {
        "width": 24,
        "height": 22,
        "channels": 1,
        "fit": "stretch",
        "resize_filter": "bilinear",
        "input": {
            "shape": [None, 22, 24, 1],
            "layout": "NHWC",
            "dtype": "float32",
            "range": [0, 255],
        },
    }
    assert metadata["preprocessing"].items() >= expected.items()
    assert metadata["capacity"] == {"parameters": 1234, "macs": 5678}
    assert metadata["metrics"]["search"] == {
        "of": "the search's network of this trial, at its best epoch",
        "validation_f_med": 0.5,
        "train_loss": None,
        "intervals": {},
    }
    validation = metadata["metrics"]["validation"]
    low, high = validation["intervals"]["f_med"]
    assert low <= validation["f_med"] <= high
    assert metadata["metrics"]["retest"] is None
    assert metadata["data"]["licence"] == "not stated"
    assert metadata["training_images"]["images"] > 0
    assert metadata["versions"]["export"].keys() >= {"study", "keras", "tensorflow"}
    assert any(item["title"] == "Few trials" for item in metadata["warnings"])
    for name, digest in metadata["digests"]["files"].items():
        assert file_digest(finished.exported / name) == digest


def test_a_file_that_was_tampered_with_is_refused(
    finished: Home, tmp_path: Path, study: Callable[..., Outcome]
) -> None:
    copy = shutil.copytree(finished.exported, tmp_path / "copy")
    assert read_metadata(copy).threshold == 0.5
    shutil.copyfile(copy / "metadata.json", copy / "model.keras")
    status, out, err = study("predict", copy, "any.png")
    assert (status, out) == (2, "")
    assert "not the file that was exported" in err


@pytest.mark.usefixtures("compared_here")
def test_the_threshold_is_chosen_on_validation_images_or_on_folds(
    there: Home, study: Callable[..., Outcome]
) -> None:
    line = ("export", "it", "--format", "keras", "--out", there.exported)
    assert study(*line, "--threshold", "sensitivity=0.95")[0] == 0
    assert metadata_of(there)["threshold"].items() >= {
        "rule": "sensitivity=0.95",
        "source": "validation",
    }.items()  # fmt: skip
    note(there, named(0))
    there.folder.out_of_fold(0).parent.mkdir()
    np.savez(
        there.folder.out_of_fold(0),
        probability=[[0.2, 0.4]],
        label=[0, 1],
        group=[0, 1],
        fold=[[0, 1]],
    )
    status, out, err = study(*line, "--threshold", "max-f-med", "--force")
    assert (status, out) == (0, f"{there.exported}\n")
    assert "keras: model.keras, largest difference from the network 0.0e+00 on" in err
    threshold = metadata_of(there)["threshold"]
    assert threshold["value"] == pytest.approx(0.3)
    assert (threshold["source"], threshold["sensitivity"]["images"]) == ("folds", 1)
    assert "chosen on out-of-fold predictions" in (there.exported / "MODEL_CARD.md").read_text()


def test_a_study_whose_winner_has_not_been_named_is_not_exported(
    there: Home, refused: Callable[..., tuple[int, str]]
) -> None:
    """Neither one that never named any nor one with trials since: another may win."""
    for final in (None, {**named(), "complete": 0}):
        note(there, final)
        said = "study it: its winner has not been named since its last trial; repeat: study run"
        assert refused() == (2, said)


@pytest.mark.usefixtures("there")
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--format", "keras,onx"], "--format: found 'onx' (did you mean 'onnx'?); allowed: "),
        (["--threshold", "sensitivity=2"], "--threshold: found 'sensitivity=2'; allowed: "),
        (["--out", "runs"], "--out runs: exists and is no exported model; name another folder"),
    ],
)
def test_options_that_mean_nothing_are_refused_before_anything_is_read(
    refused: Callable[..., tuple[int, str]], arguments: list[str], expected: str
) -> None:
    status, line = refused(*arguments)
    assert status == 2
    assert line.startswith(expected)


@pytest.mark.usefixtures("there")
def test_a_format_whose_package_is_missing_says_how_to_have_it(
    refused: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in FORMATS["onnx"].packages:  # None is the import system's mark of what is not there
        monkeypatch.setitem(sys.modules, name, None)
    expected = (
        "--format onnx: needs tf2onnx and onnx and onnxruntime, which are not installed; "
        "pip install '.[export]'"
    )
    assert refused("--format", "onnx") == (2, expected)


def test_without_the_validation_images_there_is_no_export(
    tmp_path_factory: pytest.TempPathFactory, images_in: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """Changed or gone, there is nothing to compare with."""
    home = make_home(tmp_path_factory.mktemp("other"), images_in, a_network())
    monkeypatch.chdir(home.path)
    rows = Manifest.read(home.folder.manifest).rows
    image = next(row.path for row in rows if row.part == "validation")
    for harm in (lambda path: Image.new("L", (40, 30)).save(path), Path.unlink):
        harm(home.path / "images" / image)
        assert main(["export", "it"]) == 2
        out, err = capsys.readouterr()
        assert out == ""
        (line,) = err.splitlines()
        assert f"{image}: the dataset has changed" in line
        assert line.endswith("an export is compared with its network on the validation images")
        assert not home.folder.export.exists()


@pytest.mark.usefixtures("compared_here")
def test_a_network_that_fails_the_comparison_is_not_exported(
    there: Home, refused: Callable[..., tuple[int, str]]
) -> None:
    network = a_network()
    network.set_weights([np.full(weight.shape, np.nan) for weight in network.get_weights()])
    network.save(there.folder.model(0))
    status, line = refused()
    assert status == 1
    assert line.startswith("--format keras: model.keras gives a probability that is not a number")
    assert line.endswith("nothing was exported")


def test_a_network_that_is_gone_is_named(
    there: Home, refused: Callable[..., tuple[int, str]]
) -> None:
    there.folder.model(0).unlink()
    status, line = refused()
    assert status == 2
    assert line.endswith(
        "model.keras: the network of trial 0 is missing; repeat the study's own line, which trains "
        "it again: study run"
    )
