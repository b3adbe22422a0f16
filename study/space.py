"""Search spaces: declarative TOML files, one question each, checked once when they are read."""

from __future__ import annotations

import hashlib
import json
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from study.errors import SettingsError, SpaceError, near_miss
from study.variant import Variant, check_value, variant_fields

_TYPES = {
    "int": {"type", "low", "high", "step", "log", "why"},
    "float": {"type", "low", "high", "log", "why"},
    "choice": {"type", "choices", "why"},
}


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One searched hyperparameter: a field of ``Variant`` and the values it may take."""

    name: str
    type: str
    """``int``, ``float`` or ``choice``."""
    why: str
    low: float | None = None
    high: float | None = None
    step: int = 1
    log: bool = False
    choices: tuple[int | float | str, ...] = ()

    def contains(self, value: Any) -> bool:
        """Tell whether ``value`` is one that the space may suggest."""
        if self.type == "choice":
            return value in self.choices
        assert self.low is not None
        assert self.high is not None
        if not self.low <= value <= self.high:
            return False
        return self.type == "float" or (value - self.low) % self.step == 0


@dataclass(frozen=True, kw_only=True)
class Space:
    """A search space: what is searched, what is fixed, how large a network may be."""

    name: str
    question: str
    parameters: tuple[Parameter, ...]
    fixed: Mapping[str, Any] = field(default_factory=dict)
    max_macs_ratio: float | None = None
    """Most multiply-accumulates, as a multiple of the reference network's."""
    text: str = ""
    """The file as it was read."""

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of what the file means: comments, order and reasons do not count."""
        meaning = {
            "parameters": {
                p.name: [p.type, p.low, p.high, p.step, p.log, list(p.choices)]
                for p in self.parameters
            },
            "fixed": dict(self.fixed),
            "max_macs_ratio": self.max_macs_ratio,
        }
        return hashlib.sha256(json.dumps(meaning, sort_keys=True).encode()).hexdigest()

    def variant(self, values: Mapping[str, Any]) -> Variant:
        """Return the variant with these parameter values, the fixed values, and the defaults."""
        return Variant(**{**self.fixed, **values})


def parse_space(text: str, *, name: str, where: str) -> Space:
    """Read a space from TOML text; ``where`` names the file in messages.

    Raises ``SpaceError`` for malformed TOML, unknown keys, missing reasons and values that the
    network does not allow.
    """
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SpaceError(f"{where}: not valid TOML: {error}") from error
    _refuse_unknown(table, {"question", "parameters", "fixed", "constraints"}, where)
    question = table.get("question")
    if not isinstance(question, str) or not question.strip():
        raise SpaceError(f'{where}: needs a line `question = "..."` that says what is asked')
    parameters = _table(table, "parameters", where)
    if not parameters:
        raise SpaceError(f"{where}: needs at least one [parameters.NAME] table")
    fixed = {
        key: _checked(key, value, f"{where}, fixed.{key}")
        for key, value in _table(table, "fixed", where).items()
    }
    for key in fixed:
        if key in parameters:
            raise SpaceError(f"{where}: {key} is both searched and fixed; remove one of the two")
    constraints = _table(table, "constraints", where)
    _refuse_unknown(constraints, {"max_macs_ratio"}, f"{where}, [constraints]")
    ratio = constraints.get("max_macs_ratio")
    if ratio is not None and (not _is_number(ratio) or not 0 < ratio < math.inf):
        raise SpaceError(f"{where}, max_macs_ratio: found {ratio!r}; allowed: a number above 0")
    return Space(
        name=name,
        question=question.strip(),
        parameters=tuple(
            _parameter(key, value, f"{where}, parameters.{key}")
            for key, value in parameters.items()
        ),
        fixed=fixed,
        max_macs_ratio=None if ratio is None else float(ratio),
        text=text,
    )


def _parameter(name: str, table: Any, where: str) -> Parameter:
    known = variant_fields()
    if name not in known:
        raise SpaceError(
            f"{where}: unknown hyperparameter{near_miss(name, known)}; known: {', '.join(known)}"
        )
    if not isinstance(table, dict):
        raise SpaceError(f"{where}: must be a table, [parameters.{name}]")
    kind = table.get("type")
    if not isinstance(kind, str) or kind not in _TYPES:
        raise SpaceError(f"{where}, type: found {kind!r}; allowed: {', '.join(_TYPES)}")
    _refuse_unknown(table, _TYPES[kind], where)
    why = table.get("why")
    if not isinstance(why, str) or not why.strip():
        raise SpaceError(f'{where}: needs a line `why = "..."` with the reason to search it')
    if kind == "choice":
        given = table.get("choices")
        listed = given if isinstance(given, list) else []
        choices = tuple(_checked(name, value, f"{where}, choices") for value in listed)
        if not choices or len(set(choices)) < len(choices):
            raise SpaceError(f"{where}, choices: must be a list of different values")
        return Parameter(name=name, type=kind, why=why.strip(), choices=choices)
    return _range(name, kind, table, where)


def _range(name: str, kind: str, table: dict[str, Any], where: str) -> Parameter:
    if variant_fields()[name] is not (int if kind == "int" else float):
        raise SpaceError(f"{where}, type: {name} cannot be searched as {kind!r}")
    for key in ("low", "high"):
        if key not in table:
            raise SpaceError(f"{where}: needs `{key}`")
    low, high = (_checked(name, table[key], f"{where}, {key}") for key in ("low", "high"))
    if low >= high:
        raise SpaceError(f"{where}: low is {low} and high {high}; low must be below high")
    log, step = table.get("log", False), table.get("step", 1)
    if not isinstance(log, bool):
        raise SpaceError(f"{where}, log: found {log!r}; allowed: true, false")
    if not isinstance(step, int) or isinstance(step, bool) or step < 1:
        raise SpaceError(f"{where}, step: found {step!r}; allowed: a whole number from 1")
    if log and (step != 1 or low <= 0):
        raise SpaceError(f"{where}: log needs step 1 and low above 0")
    if (high - low) % step and kind == "int":
        raise SpaceError(f"{where}: high is not reached from low in steps of {step}")
    return Parameter(
        name=name, type=kind, why=table["why"].strip(), low=low, high=high, step=step, log=log
    )


def _checked(name: str, value: Any, where: str) -> Any:
    """Return a value that the network allows, as a float where the hyperparameter is one."""
    try:
        check_value(name, value)
    except SettingsError as error:
        raise SpaceError(f"{where}: {error}") from None
    return float(value) if variant_fields()[name] is float else value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _table(table: dict[str, Any], key: str, where: str) -> dict[str, Any]:
    value = table.get(key, {})
    if not isinstance(value, dict):
        raise SpaceError(f"{where}: {key} must be a table, [{key}]")
    return value


def _refuse_unknown(table: Mapping[str, Any], allowed: set[str], where: str) -> None:
    for key in table:
        if key not in allowed:
            raise SpaceError(
                f"{where}: unknown key {key!r}{near_miss(key, allowed)}; "
                f"allowed: {', '.join(sorted(allowed))}"
            )


def shipped_spaces() -> dict[str, Path]:
    """Return the spaces that come with the program, name -> file.

    They are package data in a wheel; an editable install does not see those, so the checkout's
    own folder is looked at as well.
    """
    package = Path(__file__).parent
    found: dict[str, Path] = {}
    for folder in (package.parent / "search_spaces", package / "search_spaces"):
        if folder.is_dir():
            found.update({path.stem: path for path in sorted(folder.glob("*.toml"))})
    return found


def find_space(name: str) -> Space:
    """Return the space of a file's path or of a shipped name.

    Raises ``SpaceError`` when there is none.
    """
    path = Path(name)
    if path.suffix != ".toml" and not path.is_file():
        shipped = shipped_spaces()
        if name not in shipped:
            raise SpaceError(
                f"--space {name}: no such file or shipped space{near_miss(name, shipped)}; "
                f"shipped: {', '.join(shipped)}"
            )
        path = shipped[name]
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise SpaceError(f"--space {path}: cannot be read: {reason}") from error
    return parse_space(text, name=path.stem, where=str(path))
