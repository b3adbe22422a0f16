"""Search spaces: what a file may say, what it means, and that what is sampled fits it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from study.errors import SpaceError
from study.ledger import distributions
from study.space import Parameter, Space, find_space, parse_space, shipped_spaces
from study.variant import Variant, variant_fields

GOOD = """
question = "How many filters does the network need?"

[parameters.filters]
type = "int"
low = 8
high = 96
log = true
why = "Capacity."

[parameters.dropout]
type = "float"
low = 0.0
high = 0.6
why = "Bias for variance."

[parameters.patience]
type = "int"
low = 10
high = 100
step = 10
why = "Late improvements."

[parameters.optimizer]
type = "choice"
choices = ["adam", "sgd"]
why = "The article compares them."

[fixed]
padding = "same"

[constraints]
max_macs_ratio = 3.0
"""


def parse(text: str) -> Space:
    return parse_space(text, name="mine", where="mine.toml")


def changed(old: str, new: str) -> str:
    """Return the good file with one passage replaced."""
    assert old in GOOD
    return GOOD.replace(old, new, 1)


REFUSED = {
    "not TOML": ("[fixed]", "[fixed", "not valid TOML"),
    "unknown key": ("[constraints]", "[constraint]", "unknown key 'constraint' (did you mean"),
    "unknown key of a parameter": ("high = 96", "hihg = 96", "'hihg' (did you mean 'high'?)"),
    "unknown constraint": ("max_macs_ratio", "max_mac_ratio", "did you mean 'max_macs_ratio'?"),
    "unknown hyperparameter": ("parameters.filters", "parameters.filter", "mean 'filters'?"),
    "unknown fixed": ("padding =", "pading =", "mean 'padding'?"),
    "no question": ('question = "How', 'question = ""  # "How', "needs a line `question"),
    "missing why": ('why = "Capacity."', "", "parameters.filters: needs a line `why"),
    "empty why": ('"Capacity."', '" "', "parameters.filters: needs a line `why"),
    "unknown type": ('type = "float"', 'type = "real"', "allowed: int, float, choice"),
    "a list for a type": ('type = "float"', 'type = ["float"]', "allowed: int, float, choice"),
    "int searched as float": ('type = "int"', 'type = "float"', "cannot be searched as 'float'"),
    "float searched as int": ('type = "float"', 'type = "int"', "cannot be searched as 'int'"),
    "word searched as a range": (
        'type = "choice"\nchoices = ["adam", "sgd"]',
        'type = "int"\nlow = 1\nhigh = 2',
        "cannot be searched as 'int'",
    ),
    "a number in quotes": ("low = 8", 'low = "8"', "filters: found '8'"),
    "a fraction for an int": ("low = 8", "low = 8.5", "filters: found 8.5"),
    "true for a number": ("low = 8", "low = true", "filters: found True"),
    "not a number": ("high = 0.6", "high = nan", "dropout: found nan"),
    "out of range": ("high = 96", "high = 5000", "filters: found 5000; allowed: 1 to 1024"),
    "no low": ("low = 8\n", "", "needs `low`"),
    "no high": ("high = 96\n", "", "needs `high`"),
    "low above high": ("low = 8", "low = 97", "low must be below high"),
    "low equal to high": ("low = 8", "low = 96", "low must be below high"),
    "log from zero": ("high = 0.6", "high = 0.6\nlog = true", "low above 0"),
    "log not a truth value": ("log = true", "log = 1", "log: found 1"),
    "log with a step": ("log = true", "log = true\nstep = 2", "log needs step 1"),
    "step zero": ("step = 10", "step = 0", "step: found 0"),
    "step a fraction": ("step = 10", "step = 0.5", "step: found 0.5"),
    "step that misses high": ("step = 10", "step = 7", "not reached from low in steps of 7"),
    "step of a float": ("low = 0.0", "low = 0.0\nstep = 1", "unknown key 'step'"),
    "fixed and searched": ('padding = "same"', "filters = 8", "both searched and fixed"),
    "fixed out of range": ('padding = "same"', "blocks = 99", "found 99; allowed: 1 to 8"),
    "unknown choice": ('"adam", "sgd"', '"adm", "sgd"', "mean 'adam'?"),
    "no choices": ('["adam", "sgd"]', "[]", "must be a list of different values"),
    "choices not a list": ('["adam", "sgd"]', '"adam"', "must be a list of different values"),
    "one choice twice": ('"adam", "sgd"', '"adam", "adam"', "must be a list of different values"),
    "lists as choices": ('["adam", "sgd"]', '[["adam"], ["sgd"]]', "optimizer: found ['adam']"),
    "ratio of zero": ("max_macs_ratio = 3.0", "max_macs_ratio = 0", "a number above 0"),
    "ratio in words": ("max_macs_ratio = 3.0", 'max_macs_ratio = "3"', "a number above 0"),
    "ratio not a number": ("max_macs_ratio = 3.0", "max_macs_ratio = nan", "a number above 0"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_wrong_file_is_refused_with_one_line_that_says_where_and_what(case: str) -> None:
    old, new, expected = REFUSED[case]
    with pytest.raises(SpaceError) as caught:
        parse(changed(old, new))
    message = str(caught.value)
    assert message.startswith("mine.toml")
    assert expected in message
    assert "\n" not in message


@pytest.mark.parametrize("text", ['question = "?"', 'question = "?"\nparameters = 3', ""])
def test_a_space_needs_a_question_and_parameters(text: str) -> None:
    with pytest.raises(SpaceError, match=r"^mine\.toml: "):
        parse(text)


def test_a_good_file_is_read_as_it_says() -> None:
    space = parse(GOOD)
    filters, dropout, patience, optimizer = space.parameters
    assert filters == Parameter(
        name="filters", type="int", why="Capacity.", low=8, high=96, log=True
    )
    assert (dropout.low, dropout.high, dropout.log) == (0.0, 0.6, False)
    assert (patience.step, optimizer.choices) == (10, ("adam", "sgd"))
    assert (dict(space.fixed), space.max_macs_ratio) == ({"padding": "same"}, 3.0)
    assert (space.name, space.text) == ("mine", GOOD)
    assert space.variant({"filters": 9}) == Variant(filters=9, padding="same")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("[fixed]", "# a remark\n[fixed]"),
        ("Capacity.", "Another reason."),
        ("How many filters", "Why so many filters"),
        ("low = 8\nhigh = 96", "high = 96\nlow = 8"),
        ("low = 0.0", "low = 0"),
        ("max_macs_ratio = 3.0", "max_macs_ratio = 3"),
        ("log = true\n", "log = true\nstep = 1\n"),
    ],
)
def test_the_digest_ignores_comments_order_reasons_and_spelling(old: str, new: str) -> None:
    assert parse(changed(old, new)).digest == parse(GOOD).digest


def test_the_digest_ignores_the_order_of_the_tables() -> None:
    head, first, second, rest = GOOD.split("[parameters.", 3)
    moved = "[parameters.".join((head, second, first, rest))
    assert parse(moved).digest == parse(GOOD).digest


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("high = 96", "high = 97"),
        ("log = true", "log = false"),
        ("step = 10", "step = 30"),
        ('"adam", "sgd"', '"adam", "rmsprop"'),
        ('padding = "same"', 'padding = "valid"'),
        ('padding = "same"', ""),
        ("max_macs_ratio = 3.0", "max_macs_ratio = 2.0"),
        ("max_macs_ratio = 3.0", ""),
    ],
)
def test_the_digest_changes_with_the_meaning(old: str, new: str) -> None:
    assert parse(changed(old, new)).digest != parse(GOOD).digest


def test_the_shipped_seed_space_searches_what_the_project_began_with() -> None:
    assert list(shipped_spaces()) == ["seed"]
    space = find_space("seed")
    found = {p.name: (p.type, p.choices or (p.low, p.high), p.log) for p in space.parameters}
    assert found == {
        "filters": ("int", (8, 96), True),
        "filter_size": ("choice", (3, 5), False),
        "dense_width": ("int", (16, 256), True),
        "dropout": ("float", (0.0, 0.6), False),
        "batch_size": ("int", (32, 512), True),
        "optimizer": ("choice", ("adam", "sgd"), False),
        "learning_rate": ("float", (1e-4, 3e-2), True),
        "patience": ("int", (15, 100), False),
    }
    assert all(p.step == 1 and len(p.why) > 20 for p in space.parameters)
    assert (dict(space.fixed), space.max_macs_ratio) == ({"padding": "same"}, 3.0)


def test_a_space_is_found_by_path_and_named_after_its_file(tmp_path: Path) -> None:
    path = tmp_path / "wide.toml"
    path.write_text(GOOD)
    space = find_space(str(path))
    assert (space.name, space.digest) == ("wide", parse(GOOD).digest)


def test_a_space_that_is_not_there_is_refused_with_the_near_miss(tmp_path: Path) -> None:
    with pytest.raises(SpaceError, match=r"--space sed: .*did you mean 'seed'"):
        find_space("sed")
    with pytest.raises(SpaceError, match="cannot be read: No such file"):
        find_space(str(tmp_path / "missing.toml"))
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SpaceError, match="not UTF-8 text"):
        find_space(str(binary))


@st.composite
def spaces(draw: st.DrawFn) -> Space:
    """Draw a space over a few hyperparameters with ranges that the network allows."""
    limits = {"filters": (1, 1024), "dense_width": (1, 4096), "dropout": (0.0, 0.95)}
    limits |= {"learning_rate": (1e-7, 10.0), "patience": (1, 100_000)}
    lines = ['question = "?"']
    for name in draw(st.lists(st.sampled_from(sorted(limits)), min_size=1, unique=True)):
        low, high = limits[name]
        whole = variant_fields()[name] is int
        number: Any = st.integers(int(low), int(high)) if whole else st.floats(low, high)
        a, b = sorted(draw(st.lists(number, min_size=2, max_size=2, unique=True)))
        steps = [k for k in (2, 3, 5) if whole and (b - a) % k == 0]
        lines += [f"[parameters.{name}]", f'type = "{"int" if whole else "float"}"', 'why = "x"']
        lines += [f"low = {a!r}", f"high = {b!r}"]
        if steps and draw(st.booleans()):
            lines.append(f"step = {draw(st.sampled_from(steps))}")
        elif a > 0 and draw(st.booleans()):
            lines.append("log = true")
    lines += ["[parameters.filter_size]", 'type = "choice"', "choices = [1, 3]", 'why = "x"']
    return parse("\n".join(lines))


@given(space=spaces(), seed=st.integers(0, 2**31 - 1))
def test_what_optuna_samples_lies_in_the_space_and_makes_a_variant(space: Space, seed: int) -> None:
    sampler = optuna.samplers.RandomSampler(seed=seed)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    optuna_study = optuna.create_study(sampler=sampler)
    found = distributions(space)
    assert list(found) == [parameter.name for parameter in space.parameters]
    for _ in range(3):
        params = optuna_study.ask(found).params
        assert all(p.contains(params[p.name]) for p in space.parameters)
        assert space.variant(params).as_dict().items() >= params.items()


@given(seed=st.integers(0, 2**31 - 1))
def test_what_the_seed_space_suggests_is_plain_and_valid(seed: int) -> None:
    space = find_space("seed")
    optuna_study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    params = optuna_study.ask(distributions(space)).params
    assert not any(isinstance(value, np.generic) for value in params.values())
    assert space.variant(params).padding == "same"
