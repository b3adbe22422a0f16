"""Imports run downwards, and the quick commands load nothing heavy."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import study

PACKAGE = Path(study.__file__).parent

FLOORS = (
    {
        *("__init__", "errors", "variant", "space", "protocol"),
        *("records", "attempts", "stored_trials", "metrics", "seeds", "files", "text", "workspace"),
    },
    {"dataset", "model", "ledger"},
    {"training", "summary"},
    {"search", "evaluation"},
    {"finalists"},
    {"report"},
    {"cli", "api", "__main__"},
)
"""The rooms: a file imports from its own room and from lower floors."""

SIDEWAYS = {
    # Drawn transforms and decoding are the data's; a model renders the ones and uses the other.
    ("model", "dataset"),
    # The entry point is a file of its own only because Python looks for it there.
    ("__main__", "cli"),
    # What notebooks import from the package itself, when they do.
    ("__init__", "api"),
}
"""The only imports between two rooms of one floor, above the ground floor."""

HEAVY = ("tensorflow", "keras", "optuna", "sklearn", "pandas", "plotly", "numpy")

FILES = sorted(PACKAGE.rglob("*.py"))


def module_of(path: Path) -> str:
    """Return ``study.room.file`` of a file."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(module: str) -> str:
    """Return the room of a module: the name below ``study``."""
    return module.split(".")[1] if "." in module else "__init__"


MODULES = {module_of(path): path for path in FILES}


def imported(path: Path) -> Iterator[str]:
    """Yield the modules of the package that a file imports, also inside of functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (item.name for item in node.names if item.name in MODULES)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            for item in node.names:
                for name in (f"{node.module}.{item.name}", str(node.module)):
                    if name in MODULES:
                        yield name
                        break


def floor_of(room: str) -> int:
    return next(number for number, rooms in enumerate(FLOORS) if room in rooms)


def may_import(room: str, other: str) -> bool:
    """Tell whether a file of ``room`` may import from ``other``."""
    if room == other or (room, other) in SIDEWAYS:
        return True
    own, below = floor_of(room), floor_of(other)
    return below < own or own == below == 0


def test_every_file_lies_on_a_floor_and_no_room_is_empty() -> None:
    assert {room_of(module) for module in MODULES} == set().union(*FLOORS)


@pytest.mark.parametrize("path", FILES, ids=lambda path: module_of(path))
def test_a_file_imports_from_its_own_room_and_from_lower_floors(path: Path) -> None:
    room = room_of(module_of(path))
    wrong = [module for module in imported(path) if not may_import(room, room_of(module))]
    assert wrong == []


def test_every_sideways_import_is_really_made() -> None:
    made = {
        (room_of(module_of(path)), room_of(module)) for path in FILES for module in imported(path)
    }
    assert made >= SIDEWAYS


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = {module: set(imported(path)) - {"study"} for module, path in MODULES.items()}
    TopologicalSorter(graph).prepare()


def loaded_by(*arguments: str, cwd: Path) -> set[str]:
    """Return the heavy packages that a command loads, in a process of its own."""
    code = (
        "import sys; from study.cli.main import main; main(sys.argv[1:]); "
        f"print(*(set(sys.modules) & set({HEAVY})), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stderr.splitlines()[-1].split())


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["--version"]])
def test_help_loads_nothing_heavy(arguments: list[str], tmp_path: Path) -> None:
    assert loaded_by(*arguments, cwd=tmp_path) == set()


@pytest.fixture(scope="module")
def home_of_a_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a study that nobody has begun to train."""
    from PIL import Image

    from study.dataset.sources.opening import open_source
    from study.protocol import Protocol
    from study.search.setup import make_setup, open_study
    from study.space import find_space

    home = tmp_path_factory.mktemp("home")
    for label in ("benign", "malignant"):
        for lesion in range(3):
            folder = home / "images" / label / f"{label}-{lesion}"
            folder.mkdir(parents=True)
            Image.new("L", (40, 30), 40 * lesion).save(folder / "frame.png")
    source = open_source(str(home / "images"), positive=None, cache=home / "cache")
    setup = make_setup(source, split=None, protocol=Protocol(), space=find_space("seed"), seed=0)
    open_study(home / "runs", "begun", setup, command="study run", requested=3)
    return home


@pytest.mark.parametrize(
    "arguments", [["list"], ["list", "--json"], ["show", "begun"], ["report", "begun"]]
)
def test_commands_on_results_do_not_load_the_training_library(
    arguments: list[str], home_of_a_study: Path
) -> None:
    assert loaded_by(*arguments, cwd=home_of_a_study) & {"tensorflow", "keras"} == set()


def test_the_driver_of_a_run_does_not_load_the_training_library() -> None:
    """It costs seconds and memory beside the workers', and it chatters on the terminal."""
    code = "import sys, study.cli.stages, study.cli.nested; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert set(done.stdout.split()).isdisjoint({"tensorflow", "keras"})
