"""Galleries: pictures that are what was stored, and a reason wherever there is none."""

from __future__ import annotations

import base64
import contextlib
import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from study.errors import DataError
from study.report.markup import Markup
from study.report.pictures import LARGEST, overlaid, picture, short_name
from study.report.sections.heldout.gallery import (
    CAVEAT,
    LEFT_OUT,
    MOST,
    mistakes_html,
    read_mistakes,
    read_samples,
    samples_html,
)

DATASET = {"positive": "malignant", "negative": "benign"}
EVIL = "<img src=x onerror=alert(1)>"


def explained(missed: int, alarms: int, *, side: int = 30, channels: int = 1) -> dict[str, Any]:
    """Draw what a run stores of misclassified images: missed ones first."""
    rng = np.random.default_rng(0)
    n = missed + alarms
    label = np.repeat([1, 0], [missed, alarms])
    return {
        "path": np.array([f"lesions/us{k}.png" for k in range(n)], dtype=str),
        "group": np.array([f"group-{k:03d}" for k in range(n)], dtype=str),
        "label": label,
        "probability": np.where(label == 1, 0.125, 0.875),
        "image": rng.integers(0, 256, (n, side, side + 10, channels), dtype=np.uint8),
        "heat": rng.integers(0, 256, (n, side, side + 10), dtype=np.uint8),
        "misclassified": n,
        "images": 90,
    }


def retest(missed: int, alarms: int) -> dict[str, Any]:
    counts = {"tp": 50 - missed, "fn": missed, "fp": alarms, "tn": 40 - alarms}
    return {"images": 90, "confusion": counts}


def sampled(each: int, *, channels: int = 1) -> dict[str, Any]:
    """Draw what a run stores of training images and of what augmentation makes of them."""
    rng = np.random.default_rng(0)
    n = 2 * each
    return {
        "label": np.repeat([0, 1], each),
        "path": np.array([f"us{k}.png" for k in range(n)], dtype=str),
        "group": np.array([f"group-{k:03d}" for k in range(n)], dtype=str),
        "image": rng.integers(0, 256, (n, 30, 40, channels), dtype=np.uint8),
        "augmented": rng.integers(0, 256, (n, 3, 30, 40, channels), dtype=np.uint8),
    }


def saved(path: Path, values: dict[str, Any]) -> Path:
    np.savez_compressed(path, **values)
    return path


def pictures(markup: Markup) -> list[np.ndarray]:
    uris = re.findall(r'src="data:image/png;base64,([^"]+)"', markup)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(uri)))) for uri in uris]


def test_each_mistake_is_shown_plain_and_with_its_heat(tmp_path: Path) -> None:
    values = explained(2, 3)
    path = saved(tmp_path / "explanations.npz", values)
    body = mistakes_html(path, retest(2, 3), DATASET, images=True)
    shown = pictures(body)
    assert len(shown) == 10
    assert (shown[0] == values["image"][0, ..., 0]).all()
    assert (shown[1] == np.asarray(overlaid(values["image"][0], values["heat"][0]))).all()
    assert body.count("malignant, called benign") == 2
    assert body.count("benign, called malignant") == 3
    assert "group-004" in body
    assert "us4.png" in body
    assert "probability of malignant: 0.125" in body
    assert "5 misclassified images" in body
    assert CAVEAT.split(";")[1] in body


def test_at_most_24_pictures_of_mistakes_are_shown_and_all_are_counted(tmp_path: Path) -> None:
    values = {**explained(20, 10), "misclassified": 40}
    path = saved(tmp_path / "explanations.npz", values)
    body = mistakes_html(path, retest(25, 15), DATASET, images=True)
    assert len(pictures(body)) == MOST == 24
    assert "12 of 40 misclassified images" in body


def test_every_group_has_its_turn_before_any_has_a_second(tmp_path: Path) -> None:
    """Eighteen missed images of one group leave room for each of the others."""
    values = {**explained(18, 5), "misclassified": 23}
    values["group"] = np.array(["group-000"] * 18 + [f"group-{k:03}" for k in range(1, 6)])
    body = mistakes_html(saved(tmp_path / "e.npz", values), retest(18, 5), DATASET, images=True)
    assert body.count("malignant, called benign") == 12 - 5
    assert [body.count(f"group-{k:03}") for k in range(1, 6)] == [1] * 5
    assert body.index("malignant, called benign") < body.index("benign, called malignant")


def test_a_probability_close_to_the_threshold_is_told_from_it(tmp_path: Path) -> None:
    """0.4998 would else read 0.500."""
    values = {**explained(1, 1), "probability": np.array([0.4998, 0.7])}
    path = saved(tmp_path / "e.npz", values)
    body = mistakes_html(path, retest(1, 1), DATASET, images=True)
    assert "probability of malignant: 0.4998" in body
    assert "probability of malignant: 0.700" in body


def test_heat_of_zero_leaves_the_picture_as_it_is_and_is_said(tmp_path: Path) -> None:
    values = explained(1, 0)
    values["heat"][:] = 0
    body = mistakes_html(saved(tmp_path / "e.npz", values), retest(1, 0), DATASET, images=True)
    plain, heated = pictures(body)
    assert (heated == plain[..., None]).all()
    assert "no reaction anywhere" in body


@given(st.integers(0, 255), st.integers(0, 254))
def test_more_heat_hides_more_of_the_picture_but_never_all_of_it(grey: int, heat: int) -> None:
    pixels = np.array([[[grey], [grey]]], dtype=np.uint8)
    picture_ = np.asarray(overlaid(pixels, np.array([[heat, heat + 1]], dtype=np.uint8)), float)
    less, more = np.abs(picture_ - grey).sum(axis=2)[0]
    assert more >= less
    full = np.array([[255]], dtype=np.uint8)
    dark, light = (
        np.asarray(overlaid(np.full((1, 1, 1), level, dtype=np.uint8), full), float)
        for level in (0, 255)
    )
    assert (light - dark).min() > 60


def test_colour_pictures_keep_their_colours(tmp_path: Path) -> None:
    values = explained(1, 1, channels=3)
    body = mistakes_html(saved(tmp_path / "e.npz", values), retest(1, 1), DATASET, images=True)
    assert (pictures(body)[0] == values["image"][0]).all()


def test_large_pictures_are_reduced_and_that_is_said(tmp_path: Path) -> None:
    values = explained(1, 0, side=300)
    body = mistakes_html(saved(tmp_path / "e.npz", values), retest(1, 0), DATASET, images=True)
    assert all(max(shown.shape[:2]) == LARGEST for shown in pictures(body))
    assert f"Reduced to {LARGEST} pixels" in body
    assert "Reduced" not in mistakes_html(
        saved(tmp_path / "f.npz", explained(1, 0)), retest(1, 0), DATASET, images=True
    )


def test_pictures_are_left_out_on_request(tmp_path: Path) -> None:
    path = saved(tmp_path / "explanations.npz", explained(2, 3))
    examples = saved(tmp_path / "examples.npz", sampled(2))
    for body in (
        mistakes_html(path, retest(2, 3), DATASET, images=False),
        samples_html(examples, DATASET, images=False),
    ):
        assert LEFT_OUT in body
        assert "<img" not in body
        assert "us0.png" not in body


def test_a_retest_without_a_mistake_says_so_and_needs_no_file(tmp_path: Path) -> None:
    body = mistakes_html(tmp_path / "absent.npz", retest(0, 0), DATASET, images=True)
    assert "No test image was called wrongly." in body


def test_what_the_run_said_of_missing_explanations_is_repeated(tmp_path: Path) -> None:
    answer = {**retest(2, 3), "warnings": ["The network has <no> convolution."]}
    body = mistakes_html(tmp_path / "explanations.npz", answer, DATASET, images=True)
    assert "explanations.npz is missing" in body
    assert "The network has &lt;no&gt; convolution." in body


HARMS: dict[str, dict[str, Any]] = {
    "misclassified": {"misclassified": 4},
    "of another size": {"images": 25},
    "no table of names": {"path": np.array([["a", "b"]] * 5)},
    "short column": {"group": np.array(["a"])},
    "heat of another size": {"heat": np.zeros((5, 3, 4), np.uint8)},
    "heat of another type": {"heat": np.zeros((5, 30, 40), np.float32)},
    "images without channels": {"image": np.zeros((5, 30, 40), np.uint8)},
    "images of two channels": {"image": np.zeros((5, 30, 40, 2), np.uint8)},
    "images of floats": {"image": np.zeros((5, 30, 40, 1))},
    "no pixels": {"image": np.zeros((5, 0, 40, 1), np.uint8), "heat": np.zeros((5, 0, 40), "u1")},
    "labels": {"label": np.full(5, 2)},
    "not a probability": {"probability": np.full(5, np.nan)},
    "called rightly": {"probability": np.full(5, 0.75)},
    "objects": {"group": np.array([{}] * 5, dtype=object)},
    "a single value": {"label": np.array(1)},
}


@pytest.mark.parametrize("harm", HARMS)
def test_explanations_that_do_not_fit_are_refused(harm: str, tmp_path: Path) -> None:
    path = saved(tmp_path / "explanations.npz", {**explained(2, 3), **HARMS[harm]})
    with pytest.raises(DataError, match=r"explanations\.npz"):
        read_mistakes(path, retest(2, 3))
    body = mistakes_html(path, retest(2, 3), DATASET, images=True)
    assert "No pictures: explanations.npz" in body
    assert "<img" not in body


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_file_with_any_byte_changed_or_cut_off_is_read_or_refused(
    tmp_path: Path, data: st.DataObject
) -> None:
    path = tmp_path / "examples.npz"
    whole = bytearray(saved(path, sampled(1)).read_bytes())
    at = data.draw(st.integers(0, len(whole) - 1))
    if data.draw(st.booleans()):
        whole[at] = data.draw(st.integers(0, 255))
    else:
        del whole[at:]
    path.write_bytes(bytes(whole))
    with contextlib.suppress(DataError):
        assert len(read_samples(path, DATASET)) == 2


def test_samples_of_each_class_are_shown_before_and_after_augmentation(tmp_path: Path) -> None:
    values = sampled(2)
    body = samples_html(saved(tmp_path / "examples.npz", values), DATASET, images=True)
    shown = pictures(body)
    assert len(shown) == 4 * 4
    assert (shown[0] == values["image"][0, ..., 0]).all()
    assert (shown[3] == values["augmented"][0, 2, ..., 0]).all()
    assert body.count(">benign<") == body.count(">malignant<") == 2


def test_samples_are_at_most_24_pictures_with_both_classes(tmp_path: Path) -> None:
    body = samples_html(saved(tmp_path / "e.npz", sampled(9)), DATASET, images=True)
    assert len(pictures(body)) == MOST
    assert body.count(">benign<") == body.count(">malignant<") == 3


@pytest.mark.parametrize(
    "change",
    [
        {"augmented": np.zeros((4, 3, 30, 41, 1), np.uint8)},
        {"augmented": np.zeros((4, 30, 40, 1), np.uint8)},
        {"augmented": np.zeros((4, 3, 30, 40, 1))},
        {"label": np.array([0, 1, 2, 3])},
        {"label": np.zeros((0,), int)},
    ],
)
def test_samples_that_do_not_fit_are_refused(change: dict[str, Any], tmp_path: Path) -> None:
    path = saved(tmp_path / "examples.npz", {**sampled(2), **change})
    body = samples_html(path, DATASET, images=True)
    assert "No sample images: examples.npz cannot be used" in body


def test_names_of_files_groups_and_classes_are_escaped(tmp_path: Path) -> None:
    evil = {"positive": EVIL, "negative": EVIL}
    names = np.array([EVIL + '"'] * 2)
    wrong = saved(tmp_path / "w.npz", {**explained(1, 1), "path": names, "group": names})
    some = saved(tmp_path / "s.npz", {**sampled(1), "path": names, "group": names})
    for body in (
        mistakes_html(wrong, retest(1, 1), evil, images=True),
        samples_html(some, evil, images=True),
    ):
        assert EVIL not in body
        assert "&lt;img src=x onerror=alert(1)&gt;" in body
        assert len(re.findall(r"<img ", body)) == len(pictures(body))


def test_a_long_name_keeps_its_beginning_and_its_end() -> None:
    name = "".join(chr(97 + k % 26) for k in range(200))
    short = short_name(name)
    assert len(short) == 60
    assert name.startswith(short[:20])
    assert name.endswith(short[-35:])
    assert short_name("us1.png") == "us1.png"


def test_a_picture_keeps_every_pixel_that_there_is_room_for() -> None:
    pixels = np.arange(12, dtype=np.uint8).reshape(3, 4, 1)
    assert (np.asarray(picture(pixels)) == pixels[..., 0]).all()
