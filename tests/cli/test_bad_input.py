"""What a user can get wrong: one line on standard error, exit status 2, and nothing written."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from study.ledger import Ledger

Study = Callable[..., tuple[int, str, str]]
Draw = Callable[..., Path]

SPACE = """
question = "?"
[parameters.filters]
type = "int"
low = 8
high = 96
why = "Capacity."
"""


def contents(folder: Path) -> dict[str, str]:
    """Return the files below a folder and their digests, SQLite's scratch files left out."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.endswith(("-shm", "-wal"))
    }


@pytest.fixture
def refused(study: Study, tmp_path: Path) -> Callable[..., str]:
    """Return a function that runs a wrong command and returns its one line of complaint."""

    def run(*arguments: object) -> str:
        before = contents(tmp_path)
        status, out, err = study(*arguments)
        assert (status, out) == (2, "")
        (line,) = err.splitlines()
        assert line.startswith("study: ")
        assert contents(tmp_path) == before
        assert not (tmp_path / "runs").is_dir() or not list((tmp_path / "runs").glob(".*"))
        return line.removeprefix("study: ")

    return run


@pytest.fixture(scope="module")
def begun_once(tmp_path_factory: pytest.TempPathFactory, images_in: Draw) -> Path:
    """Return the folder of a study named ``begun`` that nobody has begun to train."""
    from study.dataset.sources.opening import open_source
    from study.protocol import Protocol
    from study.search.setup import make_setup, open_study
    from study.space import find_space

    home = tmp_path_factory.mktemp("home")
    images = images_in(home / "images")
    source = open_source(str(images), positive=None, cache=home / "cache")
    setup = make_setup(source, split=None, protocol=Protocol(), space=find_space("seed"), seed=0)
    _, ledger = open_study(home / "runs", "begun", setup, command="study run", requested=3)
    ledger.close()
    return home


@pytest.fixture
def begun(begun_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of images of a copy of that study, beside which commands are run."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(begun_once, tmp_path, dirs_exist_ok=True)
    return tmp_path / "images"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--trials", 0], "--trials: found 0; allowed: a whole number from 1"),
        (["--trials", -3], "--trials: found -3; allowed: a whole number from 1"),
        (["--trials", "x"], "Invalid value for '--trials': "),
        (["--jobs", 0], "--jobs: found 0; allowed: a whole number from 1"),
        (["--timeout", "2x"], "--timeout: found '2x'; allowed: a duration from 1s, such as 90s"),
        (["--trial-timeout", "0"], "--trial-timeout: found '0'; allowed: a duration from 1s"),
        (["--report-every", "x"], "--report-every: found 'x'; allowed: a duration from 1s"),
        (["--trial-memory", "lots"], "--trial-memory: found 'lots'; allowed: megabytes, as 900"),
        (["--trial-memory", "4"], "--trial-memory: found '4', which ends every trial"),
        (["--sampler", "tpee"], "--sampler: found 'tpee' (did you mean 'tpe'?); allowed: tpe"),
        (["--pruner", "meadian"], "--pruner: found 'meadian' (did you mean 'median'?)"),
        (["--sampler", "TPE"], "--sampler: found 'TPE' (did you mean 'tpe'?)"),
        (["--sampler", "none"], "--sampler: found 'none'; allowed: tpe, random"),
        (["--pruner", "none"], "--pruner: found 'none'; allowed: "),
        (["--pruner", "none"], "; or --no-pruning for none"),
        (["--pruner="], "--pruner: found ''; allowed: "),
        (
            ["--pruner", "median", "--no-pruning"],
            "--no-pruning and --pruner median contradict each other; name one",
        ),
        (["--epochs", 0], "--epochs: found 0; allowed: a whole number from 1"),
        (["--samples-per-epoch", 0], "--samples-per-epoch: found 0"),
        (["--validation-samples", 0], "--validation-samples: found 0"),
        (["--seed", -1], "--seed: found -1; allowed: 0 to"),
        (["--image-size", "8x8"], "--image-size: found 8x8, too small"),
        (["--image-size", "2x40"], "--image-size, width: found 2; allowed: a whole number from 4"),
        (["--image-size", "40"], "--image-size: found '40'; allowed: WxH such as 40x30"),
        (["--image-size", "ax30"], "--image-size: found 'ax30'; allowed: WxH such as 40x30"),
        (
            ["--positive", "malignent"],
            "(did you mean 'malignant'?); allowed: 'benign', 'malignant'",
        ),
        (["--split", "groupd"], "--split: found 'groupd' (did you mean 'grouped'?)"),
        (["--split", "given"], "--split given: "),
        (["--ratio", "70:30"], "--ratio: found '70:30'; allowed: three whole numbers"),
        (["--ratio", "7:0:1"], "--ratio: found '7:0:1'; training and validation need a share"),
        (["--ratio", "a:b:c"], "--ratio: found 'a:b:c'; allowed: three whole numbers"),
        (["--group-pattern", "("], "--group-pattern: '(' is not a regular expression"),
        (["--group-pattern", "us"], "--group-pattern: 'us' matches none of 72 file names"),
        (["--fit", "strech"], "(did you mean 'stretch'?); allowed: stretch, pad, crop"),
        (["--resize-filter", "cubic"], "(did you mean 'bicubic'?); allowed: "),
        (["--space", "sed"], "--space sed: no such file or shipped space (did you mean 'seed'?)"),
        (["--space", "missing.toml"], "--space missing.toml: cannot be read: No such file"),
        (["--name", "a/b"], "--name: found 'a/b'; allowed: "),
        (["--name", ".."], "--name: found '..'; allowed: "),
        (["--name", "n" * 300], "--name: found 'nnn"),
        (["--validation-samples", 1], "--validation-samples: found 1, which leaves a class out"),
        (["--colour", "red"], "No such option"),
        (["--trails", 3], "No such option"),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, list) else "",
)
def test_a_wrong_option_of_run(
    arguments: list[object], expected: str, refused: Callable[..., str], draw: Draw
) -> None:
    draw()
    assert expected in refused("run", "--data", "images", *arguments)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["rum"], "No such command 'rum'. Did you mean 'run'?"),
        (["run", "images"], "unexpected extra argument"),
        (["show"], "Missing argument"),
        (["predict", "model"], "Missing argument"),
        (["--quick"], "No such option"),
        (["show", "nothing"], "no study 'nothing' in runs; `study run` makes one"),
        (["report", "nothing"], "no study 'nothing' in runs"),
        (["export", "nothing"], "no study 'nothing' in runs"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_command(arguments: list[str], expected: str, refused: Callable[..., str]) -> None:
    assert expected in refused(*arguments)


def test_a_folder_that_is_missing_empty_or_a_file(
    refused: Callable[..., str], tmp_path: Path
) -> None:
    assert refused("run", "--data", "nowhere").startswith("--data: 'nowhere' is not there")
    assert refused("run", "--data", "").startswith("--data: '' is not there")
    (tmp_path / "empty").mkdir()
    assert "no class folders, it is empty" in refused("run", "--data", "empty")
    (tmp_path / "file").write_text("x")
    assert refused("run", "--data", "file").startswith("--data: 'file' is a file")


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ({"classes": ("benign",)}, "one class only ('benign'), two are needed"),
        ({"classes": ("a", "b", "c"), "groups": 3}, "3 classes ('a', 'b', 'c')"),
        ({"groups": 2}, "class 'benign' has too few groups to be split: found 2, needed 3"),
    ],
    ids=["one class", "three classes", "two groups"],
)
def test_images_that_cannot_be_divided(
    how: dict[str, object], expected: str, refused: Callable[..., str], draw: Draw
) -> None:
    draw(**how)
    assert expected in refused("run", "--data", "images")


def test_more_than_a_tenth_of_the_images_unreadable(
    refused: Callable[..., str], draw: Draw
) -> None:
    images = draw()
    for path in sorted(images.rglob("*.png"))[:8]:
        path.write_bytes(b"broken")
    line = refused("run", "--data", "images")
    assert "8 of 72 images cannot be read, more than 10%" in line
    assert "the first is benign/benign-00/frame-0.png" in line


def test_images_loose_in_the_folder(refused: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "loose").mkdir()
    Image.new("L", (40, 30)).save(tmp_path / "loose" / "a.png")
    line = refused("run", "--data", "loose")
    assert "no class folders, its 1 images lie in the folder itself" in line


def test_one_unreadable_image_is_left_out_with_a_warning_that_names_it(draw: Draw) -> None:
    from study.cli.progress import opening_lines
    from study.dataset.sources.opening import open_source
    from study.protocol import Protocol
    from study.records import StudyRecord
    from study.search.setup import make_setup
    from study.space import find_space

    images = draw()
    (images / "benign" / "benign-00" / "frame-0.png").write_bytes(b"broken")
    source = open_source(str(images), positive=None, cache=images / "cache")
    setup = make_setup(source, split=None, protocol=Protocol(), space=find_space("seed"), seed=0)
    attributes = {**setup.attributes(), "protocol": setup.protocol}
    record = StudyRecord(
        name="s", created="", command="", requested=1, trials=[], retest=None, **attributes
    )
    (warning,) = [line for line in opening_lines(record) if "Left out" in line]
    many = [[f"{k}\udcff.png", "broken"] for k in range(12)]
    lines = opening_lines(replace(record, dataset={**record.dataset, "skipped": many}))
    assert lines[-2:] == [
        "[yellow]Left out:[/] 9?.png: broken",
        "[yellow]Left out:[/] and 2 more",
    ]
    assert "benign/benign-00/frame-0.png" in warning
    assert record.dataset["images"] == 71


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("high =", "hihg =", "unknown key 'hihg' (did you mean 'high'?)"),
        ("parameters.filters", "parameters.fliters", "(did you mean 'filters'?)"),
        ("low = 8", "low = 97", "low must be below high"),
        ('why = "Capacity."', "", "needs a line `why"),
        ("[parameters", "[parameters", ""),
    ],
)
def test_a_wrong_space_file(
    old: str, new: str, expected: str, refused: Callable[..., str], draw: Draw, tmp_path: Path
) -> None:
    draw()
    text = SPACE.replace(old, new) if expected else "not [ toml"
    (tmp_path / "mine.toml").write_text(text)
    line = refused("run", "--data", "images", "--space", "mine.toml")
    assert line.startswith("mine.toml")
    assert (expected or "not valid TOML") in line


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--seed", 1], "seed 0, now 1"),
        (["--epochs", 7], "epochs 1000, now 7"),
        (["--image-size", "48x36"], "image_width 40, now 48; image_height 30, now 36"),
        (["--split", "random"], "split 'grouped', now 'random'"),
        (["--ratio", "60:20:20"], "ratio '7:2:1', now '3:1:1'"),
        (["--fit", "pad"], "fit 'stretch', now 'pad'"),
        (["--positive", "benign"], "positive class 'malignant', now 'benign'"),
        (["--space", "mine.toml"], "space 'seed (f53ce7)', now 'mine ("),
        (["--data", "others"], "dataset 'images ("),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, list) else "",
)
def test_the_name_of_a_study_of_another_setup(
    arguments: list[object],
    expected: str,
    begun: Path,
    refused: Callable[..., str],
    draw: Draw,
    tmp_path: Path,
) -> None:
    assert begun != draw("others", seed=1)
    (tmp_path / "mine.toml").write_text(SPACE)
    line = refused("run", "--data", "images", "--name", "begun", *arguments)
    assert line.startswith("study begun was made with another set-up: ")
    assert expected in line
    assert line.endswith("repeat its own options, or take another --name")


def test_a_changed_image_is_another_dataset(begun: Path, refused: Callable[..., str]) -> None:
    Image.new("L", (40, 30)).save(begun / "benign" / "benign-00" / "frame-0.png")
    line = refused("run", "--data", "images", "--name", "begun")
    assert "dataset 'images (" in line


def test_a_near_miss_of_a_study_is_named(begun: Path, refused: Callable[..., str]) -> None:
    assert begun.is_dir()
    assert refused("show", "begum") == "no study 'begum' in runs (did you mean 'begun'?)"
    assert "there is nothing to export" in refused("export", "begun")


@pytest.mark.parametrize("command", ["show", "report", "export"])
@pytest.mark.parametrize("whole", [False, True], ids=["half", "without a name"])
def test_a_half_written_ledger_is_one_line(
    command: str, whole: bool, begun: Path, refused: Callable[..., str], tmp_path: Path
) -> None:
    """What is missing and what to do, not a traceback."""
    assert begun.is_dir()
    (tmp_path / "runs" / "half").mkdir()
    begun_ledger = Ledger.open(tmp_path / "runs" / "begun")
    setup = begun_ledger.optuna_study.user_attrs if whole else {"requested": 2}
    begun_ledger.close()
    Ledger.create(
        tmp_path / "runs" / "half", "half", {**setup, "dataset": {"positive": "malignant"}}
    ).close()
    line = refused(command, "half")
    path = Path("runs", "half", "study.db")
    cause = "no 'name'" if whole else "no 'protocol'"
    assert line == (
        f"{path}: empty, damaged or not a study's ledger ({cause}); restore it from a copy, or "
        "remove the folder"
    )


@pytest.mark.parametrize("option", ["--runs", "--reports"])
def test_a_file_in_the_place_of_a_folder_of_results(
    option: str, refused: Callable[..., str], draw: Draw, tmp_path: Path
) -> None:
    draw()
    (tmp_path / "taken").write_text("mine")
    line = refused("run", "--data", "images", option, "taken")
    assert line.startswith(f"{option} taken: cannot be written")


def test_predict_with_a_folder_that_is_no_model(
    refused: Callable[..., str], tmp_path: Path
) -> None:
    assert refused("predict", "nowhere", "a.png").startswith("nowhere: not an exported model")
    (tmp_path / "folder").mkdir()
    assert refused("predict", "folder", "a.png").startswith("folder: not an exported model")
    for text in ("{", "[]", "{}", '{"schema_version": 2}'):
        (tmp_path / "folder" / "metadata.json").write_text(text)
        assert "metadata.json: damaged" in refused("predict", "folder", "a.png")
    for schema in (1, 99):
        text = f'{{"schema_version": {schema}, "model_digest": ""}}'
        (tmp_path / "folder" / "metadata.json").write_text(text)
        assert f"found schema {schema}" in refused("predict", "folder", "a.png")
