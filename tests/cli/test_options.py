"""Durations, amounts of memory and searches as people write them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from study.cli.options import Pruner, Sampler, parse_duration, parse_memory, parse_search
from study.errors import SettingsError
from study.search.strategy import DEFAULT_PRUNER, PRUNERS, SAMPLERS


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("90s", 90),
        ("10m", 600),
        ("2h", 7200),
        ("1h30m", 5400),
        ("1.5h", 5400),
        ("1d", 86_400),
        (" 2H ", 7200),
    ],
)
def test_a_duration(text: str, seconds: float) -> None:
    assert parse_duration("--timeout", text) == seconds


@pytest.mark.parametrize("text", ["", "0", "0.5", "-5", "2x", "h", "30m1h", "1h30", "1e3", "inf"])
def test_what_is_no_duration_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(SettingsError, match=r"--timeout: found .* allowed: a duration from 1s"):
        parse_duration("--timeout", text)


@given(st.integers(0, 99), st.integers(0, 59), st.integers(1, 59))
def test_hours_minutes_and_seconds_add_up(hours: int, minutes: int, seconds: int) -> None:
    found = parse_duration("--timeout", f"{hours}h{minutes}m{seconds}s")
    assert found == 3600 * hours + 60 * minutes + seconds


@pytest.mark.parametrize(
    ("text", "megabytes"),
    [("900", 900), ("900MB", 900), ("1.5GB", 1500), ("2g", 2000), ("1200 mb", 1200)],
)
def test_an_amount_of_memory(text: str, megabytes: int) -> None:
    assert parse_memory("--trial-memory", text) == megabytes


@pytest.mark.parametrize("text", ["", "x", "900KB", "-900", "1,5GB"])
def test_what_is_no_amount_of_memory_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match=r"allowed: megabytes, as 900, 900MB or 1.5GB"):
        parse_memory("--trial-memory", text)


def test_memory_in_which_nothing_can_be_trained_is_refused() -> None:
    """Whoever writes 4 and means gigabytes would lose every trial."""
    with pytest.raises(SettingsError, match="found '4', which ends every trial"):
        parse_memory("--trial-memory", "4")


def test_what_is_not_given_has_no_limit() -> None:
    assert parse_duration("--timeout", None) is None
    assert parse_memory("--trial-memory", None) is None


def test_a_quick_look_prunes_only_when_it_is_told_to() -> None:
    """Ten epochs and eight trials leave a pruner nothing to save and much to lose."""

    def pruner(name: str | None, *, quick: bool, never: bool = False) -> str | None:
        found = parse_search("tpe", name, no_pruning=never, quick=quick)["pruner"]
        return found and found["name"]

    assert pruner(None, quick=False) == DEFAULT_PRUNER
    assert pruner(None, quick=True) is None
    assert pruner("median", quick=True) == "median"
    assert pruner(None, quick=False, never=True) is None
    with pytest.raises(SettingsError, match="--no-pruning and --pruner median contradict"):
        pruner("median", quick=False, never=True)


@pytest.mark.parametrize("quick", [False, True])
def test_an_empty_name_is_not_the_default(quick: bool) -> None:
    """As from an unset variable of a script: `--pruner "$PRUNER"`."""
    with pytest.raises(SettingsError, match="--sampler: found ''"):
        parse_search("", None, no_pruning=False, quick=quick)
    with pytest.raises(SettingsError, match="--pruner: found ''"):
        parse_search("tpe", "", no_pruning=False, quick=quick)


@pytest.mark.parametrize(("option", "known"), [(Sampler, SAMPLERS), (Pruner, PRUNERS)])
def test_the_help_of_what_has_names_separates_them_from_what_they_do(
    option: Any, known: dict[str, str]
) -> None:
    (settings,) = option.__metadata__
    assert all(f"`{name}`: {what}" in settings.help for name, what in known.items())
