"""A protocol holds only values that its fields allow, and says in one line what it refuses."""

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from study.errors import SettingsError
from study.protocol import CLASS_WEIGHTS, Augmentation, Protocol

WHOLE = {
    "image_width": (4, 4096),
    "image_height": (4, 4096),
    "epochs": (1, 1_000_000),
    "samples_per_epoch": (1, 100_000_000),
    "validation_samples": (1, 10_000_000),
}
AUGMENTATION = {
    "rotation": (0, 180),
    "shift_x": (0, 1),
    "shift_y": (0, 1),
    "shear": (0, 80),
    "zoom": (0, 0.9),
}

augmentations = st.builds(
    Augmentation,
    **{name: st.floats(*bounds) for name, bounds in AUGMENTATION.items()},
    flip_horizontal=st.booleans(),
    flip_vertical=st.booleans(),
)
protocols = st.builds(
    Protocol,
    **{name: st.integers(*bounds) for name, bounds in WHOLE.items()},
    channels=st.sampled_from([1, 3]),
    augmentation=augmentations,
    class_weights=st.sampled_from(CLASS_WEIGHTS),
    target_f_med=st.floats(0, 1),
    quick=st.booleans(),
)


def refusal(kind, **values):
    """Return the one-line message with which the settings refuse the values."""
    with pytest.raises(SettingsError) as caught:
        kind(**values)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@given(protocols)
def test_every_allowed_protocol_survives_a_round_trip_through_json(protocol):
    assert Protocol.from_dict(json.loads(json.dumps(protocol.as_dict()))) == protocol


@given(protocols)
def test_as_dict_does_not_share_its_augmentation_with_the_protocol(protocol):
    protocol.as_dict()["augmentation"]["zoom"] = -1
    assert protocol.augmentation.zoom >= 0


def test_the_defaults_are_the_articles():
    protocol = Protocol()
    assert protocol.image_shape == (30, 40, 1)
    assert (protocol.epochs, protocol.samples_per_epoch, protocol.validation_samples) == (
        1_000,
        10_000,
        1_000,
    )
    assert dataclasses.astuple(protocol.augmentation) == (40, 0.2, 0.2, 0.2, 0.2, True, True)
    assert not protocol.quick


@pytest.mark.parametrize("name", WHOLE)
def test_a_budget_or_size_is_allowed_up_to_its_bounds_and_refused_beyond(name):
    low, high = WHOLE[name]
    for bound in (low, high):
        assert getattr(Protocol(**{name: bound}), name) == bound
    for beyond in (low - 1, high + 1):
        message = refusal(Protocol, **{name: beyond})
        assert f"found {beyond}; allowed: a whole number from {low} to {high}" in message


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("value", [10.5, True, "40", None, float("nan"), float("inf"), "a\nb"])
def test_what_is_not_a_whole_number_is_refused_as_a_budget_or_size(name, value):
    assert f"found {value!r}" in refusal(Protocol, **{name: value})


@pytest.mark.parametrize("name", AUGMENTATION)
def test_a_range_of_the_augmentation_is_allowed_up_to_its_bounds_and_refused_beyond(name):
    low, high = AUGMENTATION[name]
    for bound in (low, high):
        assert getattr(Augmentation(**{name: bound}), name) == bound
    for beyond in (low - 0.01, high + 0.01, float("nan"), "0.2", True):
        message = refusal(Augmentation, **{name: beyond})
        assert message == f"augmentation, {name}: found {beyond!r}; allowed: {low} to {high}"


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan"), "0.9"])
def test_the_target_is_a_score(value):
    assert refusal(Protocol, target_f_med=value).startswith("target_f_med: found ")


@pytest.mark.parametrize("value", [0, 2, 4, "1"])
def test_images_are_grey_or_colour(value):
    assert refusal(Protocol, channels=value).endswith("allowed: 1 (grey), 3 (colour)")


def test_class_weights_are_a_known_word_and_a_misspelt_one_gets_the_near_miss():
    assert "did you mean 'balanced'?" in refusal(Protocol, class_weights="balance")
    assert refusal(Protocol, class_weights="a\nb").endswith("allowed: balanced, none")


@pytest.mark.parametrize(
    ("name", "option"),
    [
        ("image_width", "--image-size, width:"),
        ("image_height", "--image-size, height:"),
        ("samples_per_epoch", "--samples-per-epoch:"),
        ("epochs", "--epochs:"),
    ],
)
def test_a_refusal_names_the_option_that_sets_the_field(name, option):
    assert refusal(Protocol, **{name: 0}).startswith(option)
