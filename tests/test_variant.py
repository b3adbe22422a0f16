"""A variant holds only values that its fields allow, and says in one line what it refuses."""

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from study.errors import SettingsError
from study.variant import REFERENCE, REFERENCE_SGD, Variant, check_value, variant_fields

FIELDS = {item.name: item for item in dataclasses.fields(Variant)}
NUMBERS = [name for name, kind in variant_fields().items() if kind is not str]
CHOICES = [name for name, kind in variant_fields().items() if kind is str]


def allowed(name):
    """Return a strategy for the values that the field allows."""
    metadata = FIELDS[name].metadata
    if name in CHOICES:
        return st.sampled_from(metadata["choices"])
    numbers = st.integers if variant_fields()[name] is int else st.floats
    return numbers(metadata["low"], metadata["high"])


def refusal(name, value):
    """Return the message with which the field refuses the value, both ways of asking."""
    with pytest.raises(SettingsError) as caught:
        Variant(**{name: value})
    with pytest.raises(SettingsError) as asked:
        check_value(name, value)
    assert str(caught.value) == str(asked.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@given(st.fixed_dictionaries({name: allowed(name) for name in FIELDS}))
def test_every_allowed_variant_survives_a_round_trip_through_json(values):
    variant = Variant(**values)
    assert Variant(**json.loads(json.dumps(variant.as_dict()))) == variant


@given(st.fixed_dictionaries({name: allowed(name) for name in FIELDS}))
def test_a_variant_in_words_is_one_short_line(values):
    words = Variant(**values).in_words()
    assert "\n" not in words
    assert len(words) < 150


def test_the_defaults_are_the_articles_network():
    assert Variant() == REFERENCE
    assert REFERENCE.in_words() == (
        "3 x conv 64 of 3x3, 2 x dense 64, dropout 0.5, Adam 0.001, batch 32, patience 50"
    )
    assert (REFERENCE_SGD.optimizer, REFERENCE_SGD.learning_rate, REFERENCE_SGD.patience) == (
        "sgd",
        0.01,
        100,
    )


def test_as_dict_keeps_the_order_of_the_fields():
    assert list(REFERENCE.as_dict()) == list(FIELDS) == list(variant_fields())


@pytest.mark.parametrize("name", FIELDS)
def test_every_field_says_why_it_exists(name):
    assert FIELDS[name].metadata["why"]


@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_is_allowed_up_to_its_bounds_and_refused_beyond(name):
    metadata = FIELDS[name].metadata
    low, high = metadata["low"], metadata["high"]
    step = 1 if variant_fields()[name] is int else 1e-9
    for bound in (low, high):
        assert getattr(Variant(**{name: bound}), name) == bound
    for beyond in (low - step, high + step):
        assert refusal(name, beyond) == f"{name}: found {beyond!r}; allowed: {low} to {high}"


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", [True, "3", None, float("nan"), float("inf"), [3], "a\nb"])
def test_what_is_not_a_finite_number_is_refused(name, value):
    assert refusal(name, value).startswith(f"{name}: found ")


@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_too_large_for_a_float_is_refused(name):
    refusal(name, 10**400)


@pytest.mark.parametrize("name", [name for name in NUMBERS if variant_fields()[name] is int])
def test_a_fraction_is_refused_where_a_whole_number_belongs(name):
    assert "int" in refusal(name, FIELDS[name].default + 0.5)


@pytest.mark.parametrize("name", CHOICES)
def test_a_word_is_refused_unless_it_is_one_of_the_choices(name):
    for value in ("", "other\nline", 1, None, ["adam"]):
        message = refusal(name, value)
        assert all(choice in message for choice in FIELDS[name].metadata["choices"])


@pytest.mark.parametrize(
    ("name", "value", "meant"),
    [("optimizer", "adams", "adam"), ("padding", "smae", "same"), ("pooling", "averge", "average")],
)
def test_a_misspelt_choice_is_answered_with_the_near_miss(name, value, meant):
    assert f"did you mean {meant!r}?" in refusal(name, value)


def test_a_misspelt_hyperparameter_is_answered_with_the_near_miss():
    with pytest.raises(SettingsError, match=r"'filtres' \(did you mean 'filters'\?\)") as caught:
        check_value("filtres", 3)
    assert "\n" not in str(caught.value)


def test_an_unknown_hyperparameter_without_a_near_miss_lists_the_known_ones():
    with pytest.raises(SettingsError) as caught:
        check_value("zzz", 3)
    assert "did you mean" not in str(caught.value)
    assert all(name in str(caught.value) for name in FIELDS)


def test_a_variant_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        REFERENCE.filters = 3
