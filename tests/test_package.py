"""What is in the wheel, and how the program is started."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import zipfile
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import study

ROOT = Path(study.__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """Return the wheel of this checkout."""
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=120)
    (path,) = out.glob("*.whl")
    return zipfile.ZipFile(path)


def test_the_wheel_holds_the_package_the_spaces_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    files = {path for path in (ROOT / "study").rglob("*") if path.is_file()}
    package = {
        path.relative_to(ROOT).as_posix() for path in files if "__pycache__" not in path.parts
    }
    spaces = {f"study/search_spaces/{path.name}" for path in (ROOT / "search_spaces").iterdir()}
    about = {
        f"study-{study.__version__}.dist-info/{name}"
        for name in ("METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE")
    }
    assert set(wheel.namelist()) == package | spaces | about


def test_the_wheel_holds_only_code_types_page_parts_and_spaces(wheel: zipfile.ZipFile) -> None:
    inside = [name for name in wheel.namelist() if name.startswith("study/")]
    others = {name for name in inside if not name.endswith(".py")}
    assert others == {
        "study/py.typed",
        *(
            f"study/report/assets/{page}.{kind}"
            for page in ("page", "audit", "compare", "index")
            for kind in ("html", "js")
        ),
        *(
            f"study/report/assets/{name}"
            for name in ("page.css", "charts.js", "tabs.js", "table.js", "theme.js")
        ),
        "study/report/assets/nested.html",
        "study/report/assets/head.html",
        "study/dataset/fetch/mendeley.csv",
        "study/search_spaces/seed.toml",
    }


def test_a_space_is_found_by_name_in_an_unpacked_wheel(
    wheel: zipfile.ZipFile, tmp_path: Path
) -> None:
    wheel.extractall(tmp_path)
    code = "import study.space as s; print(s.__file__); print(s.find_space('seed').digest)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    place, digest = done.stdout.split()
    assert Path(place).is_relative_to(tmp_path)
    assert len(digest) == 64


def test_the_metadata_names_the_version_licence_and_readme(wheel: zipfile.ZipFile) -> None:
    text = wheel.read(f"study-{study.__version__}.dist-info/METADATA").decode()
    head, _, readme = text.partition("\n\n")
    lines = head.splitlines()
    assert f"Version: {study.__version__}" in lines
    assert "License-Expression: MIT" in lines
    assert "Requires-Python: >=3.11" in lines
    assert readme.startswith("# study")


def test_the_command_is_an_entry_point() -> None:
    (point,) = entry_points(group="console_scripts", name="study")
    assert point.value == "study.cli.main:main"
    command = shutil.which("study", path=sysconfig.get_path("scripts"))
    assert command is not None
    done = subprocess.run([command, "--version"], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, f"study {study.__version__}\n")


def test_the_package_runs_as_a_module_and_passes_on_the_exit_status() -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "study", *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=60)

    assert run("--version").stdout == f"study {study.__version__}\n"
    refused = run("lst")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.startswith("study: ")
