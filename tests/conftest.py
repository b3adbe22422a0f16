"""What several rooms of tests share: a tiny set of images, a tiny protocol, and the command."""

from __future__ import annotations

import os

# Before anything imports TensorFlow, which starts once in this process.
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "1"

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from study.protocol import Protocol

GROUPS, FRAMES = 12, 3
WIDTH, HEIGHT = 24, 20

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture(scope="session")
def two_classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of 12 lesions with 3 frames each; a bright blob gives ``malignant`` away."""
    root = tmp_path_factory.mktemp("images") / "blobs"
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    for label in ("benign", "malignant"):
        for lesion in range(GROUPS):
            place = root / label / f"{label}-{lesion}"
            place.mkdir(parents=True)
            centre = rng.uniform(0.35, 0.65, 2) * (HEIGHT, WIDTH)
            distance = (rows - centre[0]) ** 2 + (columns - centre[1]) ** 2
            blob = 160 * (label == "malignant") * np.exp(-distance / 18)
            for frame in range(FRAMES):
                grey = np.clip(50 + blob + rng.normal(0, 12, blob.shape), 0, 255)
                Image.fromarray(grey.astype(np.uint8)).save(place / f"frame-{frame}.png")
    return root


@pytest.fixture(scope="session")
def tiny() -> Protocol:
    """The smallest budgets that train; three unpadded blocks need 22 pixels."""
    return Protocol(
        image_width=24, image_height=22, epochs=2, samples_per_epoch=96, validation_samples=48
    )


@pytest.fixture(scope="session")
def start_study() -> Iterator[Start]:
    """Start ``study`` as a real process in a folder; what is left of it ends with the tests."""
    started: list[subprocess.Popen[str]] = []

    def start(folder: Path, *arguments: object) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "study", *map(str, arguments)],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture
def compared_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let exports be compared in this process, in which TensorFlow has started already."""
    import keras

    from study.model import verify

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[bytes]:
        with keras.device("cpu"):
            status = verify.main(*command[command.index(verify.__name__) + 1 :])
        return subprocess.CompletedProcess(command, status, b"", b"")

    monkeypatch.setattr(verify, "subprocess", SimpleNamespace(run=run, DEVNULL=subprocess.DEVNULL))


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Return the folder of the 250 breast-ultrasound images."""
    given = os.environ.get("STUDY_REAL_DATA")
    if not given:
        pytest.skip("STUDY_REAL_DATA does not name the folder of the breast-ultrasound images")
    inner = Path(given) / "breast-ultrasound"
    return inner if inner.is_dir() else Path(given)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Fail where nothing may be skipped (``STUDY_NO_SKIPS``), except for real data not at hand."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if not os.environ.get("STUDY_NO_SKIPS") or reporter is None or exitstatus != 0:
        return
    skipped = [str(report.longrepr) for report in reporter.stats.get("skipped", [])]
    expected = "STUDY_REAL_DATA" if not os.environ.get("STUDY_REAL_DATA") else None
    refused = [reason for reason in skipped if expected is None or expected not in reason]
    if refused:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        reporter.write_line(f"{len(refused)} skipped, which is a failure here:", red=True)
        for reason in refused:
            reporter.write_line(reason)
