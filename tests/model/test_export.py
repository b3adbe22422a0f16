"""An exported model is whole and compared with its network, or it is not there."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

from study.dataset.images import file_digest
from study.errors import ModelError, SettingsError, StudyError
from study.model.card import escaped, model_card
from study.model.export import CARD, CONTENT, check_target, export_model
from study.model.exported import METADATA
from study.model.formats import DEFAULT_FORMATS, FORMATS, parse_formats
from study.model.network import build_network
from study.protocol import Protocol
from study.variant import Variant

# Keras' own code calls NumPy in a way that NumPy 2 warns of.
pytestmark = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")

SMALL = Variant(filters=2, blocks=1, dense_layers=1, dense_width=3)
SHAPE = (6, 5, 1)

Export = Callable[..., dict[str, Any]]


def metadata(**changes: Any) -> dict[str, Any]:
    """What an evaluation says of a network, with names that Markdown would take for its own."""
    recall = {"value": 0.5, "low": 0.1, "high": 0.9}
    return {
        "study": "a_study_*",
        "trial": 1,
        "origin": "search",
        "classes": ["<b>ill</b>", "well"],
        "positive": "<b>ill</b>",
        "negative": "well",
        "threshold": {
            "value": 0.5,
            "rule": "0.5",
            "source": "fixed",
            "measured_on": "validation",
            "sensitivity": recall,
            "specificity": recall,
            "notes": ["A note."],
        },
        "preprocessing": {
            "width": 5,
            "height": 6,
            "channels": 1,
            "fit": "pad",
            "resize_filter": "box",
            "input": {"shape": [None, *SHAPE]},
        },
        "protocol": Protocol(image_width=5, image_height=6).as_dict(),
        "variant": SMALL.as_dict(),
        "capacity": {"parameters": 1234, "macs": 5678},
        "metrics": {"search": {}, "validation": None, "retest": None, "estimates": None},
        "data": {
            "name": "images",
            "images": 20,
            "groups": 10,
            "licence": "CC0",
            "citation": None,
            "classes": {"<b>ill</b>": 12, "well": 8},
        },
        "split": {"kind": "grouped", "parts": {"train": {"images": 20, "groups": 10}}},
        "synthetic_data": False,
        "leaking_groups": 0,
        "findings": [],
        "warnings": [{"level": "danger", "title": "The split leaks", "text": "A | B"}],
        "training_images": None,
        "versions": {"study": {}, "export": {"study": "1.0", "keras": "3", "tensorflow": "2"}},
        "digests": {"dataset": "d", "split": "s", "space": "p"},
        **changes,
    }


@pytest.fixture(scope="module")
def images() -> NDArray[np.uint8]:
    """More than a network judges at once."""
    return np.random.default_rng(0).integers(0, 256, (130, *SHAPE), dtype=np.uint8)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    keras.utils.set_random_seed(1)
    path = tmp_path_factory.mktemp("network") / "model.keras"
    build_network(SMALL, SHAPE).save(path)
    return path


@pytest.fixture
def export(network: Path, images: NDArray[np.uint8], tmp_path: Path) -> Export:
    """Return a function that exports the network into ``tmp_path/home/out``, both of them new."""

    def run(**how: Any) -> dict[str, Any]:
        how = {"metadata": metadata(), "formats": parse_formats("keras"), **how}
        return export_model(
            how.pop("network", network), tmp_path / "home" / "out", images=images, **how
        )

    return run


def other_network(_network: Any, _stored: Path, path: Path) -> None:
    """Write what is not the network, as a converter with a fault would."""
    keras.utils.set_random_seed(2)
    found = build_network(SMALL, SHAPE)
    found(np.zeros((1, *SHAPE), np.float32))
    found.export(path, format="litert", verbose=False)


def test_an_export_tells_how_far_each_format_is_from_the_network(
    export: Export, network: Path, tmp_path: Path
) -> None:
    described = export(formats=parse_formats(DEFAULT_FORMATS))
    out = tmp_path / "home" / "out"
    assert described == json.loads((out / METADATA).read_text())
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["out"]
    assert {path.name for path in out.iterdir()} <= set(CONTENT)
    assert (out / "model.keras").read_bytes() == network.read_bytes()
    for name, stored in described["formats"].items():
        assert stored["images"] == 130
        assert 0 <= stored["largest_difference"] <= FORMATS[name].tolerance == stored["tolerance"]


@pytest.mark.usefixtures("compared_here")
def test_every_file_has_its_digest_and_a_folder_that_of_their_lines(
    export: Export, tmp_path: Path
) -> None:
    """As ``sha256sum`` writes them, so that anyone can check."""
    described = export(formats=parse_formats("saved-model"))
    out = tmp_path / "home" / "out"
    files = described["digests"]["files"]
    on_disk = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert set(files) == on_disk - {METADATA, CARD}
    assert all(file_digest(out / name) == digest for name, digest in files.items())
    assert described["model_digest"] == described["formats"]["keras"]["digest"]
    inside = sorted(name for name in files if name.startswith("saved_model/"))
    assert len(inside) > 1
    lines = "".join(f"{files[name]}  {name}\n" for name in inside)
    expected = hashlib.sha256(lines.encode()).hexdigest()
    assert described["formats"]["saved-model"]["digest"] == expected


@pytest.mark.usefixtures("compared_here")
def test_a_format_that_is_not_the_network_leaves_nothing_behind(
    export: Export, tmp_path: Path
) -> None:
    swapped = replace(FORMATS["litert"], write=other_network)
    with pytest.raises(StudyError, match="nothing was exported") as found:
        export(formats=(FORMATS["keras"], swapped))
    assert found.value.exit_status == 1
    assert "litert: model.tflite differs from the network by 0." in str(found.value)
    assert "at most 0.0001 is allowed (130 validation images compared)" in str(found.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("compared_here")
def test_a_failed_export_leaves_the_earlier_one_as_it_was(export: Export, tmp_path: Path) -> None:
    out = tmp_path / "home" / "out"
    out.mkdir(parents=True)
    (out / METADATA).write_text("{}")
    (out / "model.onnx").write_text("of an earlier day")
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    swapped = replace(FORMATS["litert"], write=other_network)
    with pytest.raises(StudyError, match="differs"):
        export(formats=(FORMATS["keras"], swapped), replace=True)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_a_file_that_no_runtime_takes_is_one_line(export: Export, tmp_path: Path) -> None:
    def write(_network: Any, _stored: Path, path: Path) -> None:
        path.write_bytes(b"not a model\n")

    with pytest.raises(
        StudyError, match=r"model\.tflite was written but cannot be used \("
    ) as found:
        export(formats=(FORMATS["keras"], replace(FORMATS["litert"], write=write)))
    assert "\n" not in str(found.value)
    assert list(tmp_path.iterdir()) == []


def test_a_converter_that_fails_is_one_line(export: Export, tmp_path: Path) -> None:
    def write(_network: Any, _stored: Path, _path: Path) -> None:
        raise NotImplementedError("no such operation\nin this format")

    with pytest.raises(StudyError, match=r"cannot be converted \(NotImplementedError: no such op"):
        export(formats=(FORMATS["keras"], replace(FORMATS["litert"], write=write)))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("compared_here")
def test_a_network_without_numbers_is_like_none(
    export: Export, network: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Not a number is not within a tolerance of not a number."""
    broken = keras.models.load_model(network, compile=False)
    broken.set_weights([np.full(weight.shape, np.nan) for weight in broken.get_weights()])
    path = tmp_path_factory.mktemp("broken") / "broken.keras"
    broken.save(path)
    with pytest.raises(StudyError, match="gives a probability that is not a number"):
        export(network=path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("compared_here")
def test_an_export_is_replaced_as_a_whole(export: Export, tmp_path: Path) -> None:
    """Formats of the earlier one that are not written again are gone."""
    out = tmp_path / "home" / "out"
    shutil.copytree(Path(__file__).parent, out / "saved_model")
    (out / METADATA).write_text("{}")
    export(replace=True)
    assert {path.name for path in out.iterdir()} == {"model.keras", METADATA, CARD}
    assert [path.name for path in out.parent.iterdir()] == ["out"]


def test_only_an_export_with_nothing_else_in_it_is_replaced(tmp_path: Path) -> None:
    check_target(tmp_path / "new", replace=False)
    check_target(tmp_path, replace=False)  # empty
    (tmp_path / "thesis.txt").write_text("years of work")
    for place in (tmp_path, tmp_path / "thesis.txt"):
        with pytest.raises(ModelError, match="exists and is no exported model"):
            check_target(place, replace=True)
    (tmp_path / METADATA).write_text("{}")
    with pytest.raises(ModelError, match=r"exists already; replace it with --force"):
        check_target(tmp_path, replace=False)
    with pytest.raises(ModelError, match=r"holds 'thesis\.txt', which no export wrote"):
        check_target(tmp_path, replace=True)
    (tmp_path / "thesis.txt").unlink()
    check_target(tmp_path, replace=True)


def test_formats_are_named_and_keras_is_always_among_them() -> None:
    assert [item.name for item in parse_formats("litert, Saved-Model,litert")] == [
        *("keras", "saved-model", "litert"),
    ]
    assert [item.name for item in parse_formats(DEFAULT_FORMATS)] == [
        *("keras", "saved-model", "litert"),
    ]
    for text in ("", " , "):
        with pytest.raises(SettingsError, match="allowed: keras, saved-model, litert, onnx"):
            parse_formats(text)
    with pytest.raises(SettingsError, match=r"found 'onx' \(did you mean 'onnx'\?\); allowed"):
        parse_formats("keras,onx")


def test_a_card_shows_names_as_they_are() -> None:
    assert escaped("a_b*c<d>[e](f)|`g`\n# h\\") == r"a\_b\*c\<d\>\[e\](f)\|\`g\` \# h" + "\\\\"
    card = model_card(card_metadata())
    assert card.startswith("# Model card: a\\_study\\_\\*, trial 1\n")
    assert "<b>" not in card
    assert "\\<b\\>ill\\</b\\>" in card


def card_metadata(**changes: Any) -> dict[str, Any]:
    stored = {"path": "model.keras", "largest_difference": 0.0, "images": 9}
    described = {"model": "model.keras", "model_digest": "0", "formats": {"keras": stored}}
    return metadata(**described, **changes)


def test_a_card_has_the_headings_of_its_kind_and_says_what_it_is_not_for() -> None:
    card = model_card(card_metadata(synthetic_data=True))
    headings = [line[3:] for line in card.splitlines() if line.startswith("## ")]
    assert headings == [
        *("Model details", "Intended use", "Factors", "Metrics", "Evaluation data"),
        *("Training data", "Quantitative analyses", "Ethical considerations"),
        *("Caveats and recommendations", "How to use it"),
    ]
    head = card.partition("## ")[0]
    for words in ("Not a medical device", "Synthetic data", "The split leaks.** A \\| B"):
        assert words in head
    assert "Licence of the data: CC0." in card
    assert "1,234 trainable parameters, 5,678 multiply-accumulates" in card
    assert FORMATS["keras"].use in card
    assert "This network has met no test images" in card
    assert "The network is that of its best epoch in the search." in card
    assert "trained anew after the search" in model_card(card_metadata(origin="refit"))


def test_a_card_gives_scores_with_intervals_and_says_which_were_chosen_on() -> None:
    scores = {
        "images": 25,
        "groups": 5,
        "f_med": 0.8,
        "sensitivity": 0.9,
        "specificity": 0.72,
        "accuracy": 0.81,
        "auc": None,
        "uses": 2,
        "intervals": {"f_med": [0.25, 0.95], "sensitivity": [0.3, 1.0], "auc": None},
    }
    estimates = {
        "validation_f_med": None,
        "corrected_f_med": {"value": 0.71, "low": 0.4, "high": 0.9, "from": "folds"},
        "cross_validated_f_med": {"mean": 0.7, "standard_error": 0.1, "folds": 5},
    }
    found = {"search": {}, "validation": scores, "retest": scores, "estimates": estimates}
    card = model_card(card_metadata(metrics=found))
    assert card.count("| F_med | 0.800 | 0.250 to 0.950 |") == 2
    assert card.count("| Specificity | 0.720 | \N{EM DASH} |") == 2
    assert "AUC" not in card
    assert "(25 images of 5 groups, threshold 0.5)" in card
    assert "The test part has been used 2 times" in card
    assert "by a bootstrap, from folds | 0.710 | 0.400 to 0.900 |" in card
    assert "| Cross-validated | 0.700 | standard error 0.100 |" in card


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_is_used_in_three_lines(name: str) -> None:
    assert len(FORMATS[name].use.splitlines()) == 3
    assert all(len(line) <= 100 for line in FORMATS[name].use.splitlines())
    assert "probability = " in FORMATS[name].use
