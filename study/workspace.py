"""Where the files of a study lie."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

CACHE = ".cache"
"""Folder beside the studies for data that can be made again."""


@dataclass(frozen=True)
class StudyFolder:
    """The folder of one study, ``runs/<name>``."""

    path: Path

    @property
    def manifest(self) -> Path:
        """The split: path, label, group, part, sha256 of every image."""
        return self.path / "manifest.csv"

    def draws(self, part: str) -> Path:
        """The fixed augmented set of a part."""
        return self.path / f"{part}_draws.npz"

    @property
    def examples(self) -> Path:
        """Training images before and after augmentation: ``training.examples``."""
        return self.path / "examples.npz"

    @property
    def test_predictions(self) -> Path:
        """What the retest's network says of every test image: ``evaluation.retest``."""
        return self.path / "test_predictions.npz"

    @property
    def explanations(self) -> Path:
        """Misclassified test images and what the network looked at: ``evaluation.retest``."""
        return self.path / "explanations.npz"

    @property
    def lock(self) -> Path:
        """Held by the one driver of the study."""
        return self.path / "lock"

    @property
    def log(self) -> Path:
        """What the workers printed."""
        return self.path / "workers.log"

    def trial(self, number: int) -> Path:
        """The artifacts of one trial."""
        return self.path / "trials" / str(number)

    def model(self, number: int) -> Path:
        """The network of one trial at its best epoch; kept for the best few."""
        return self.trial(number) / "model.keras"

    def out_of_fold(self, number: int) -> Path:
        """What a finalist's fold networks say of all images but the test part's."""
        return self.path / "folds" / f"{number}.npz"

    @property
    def export(self) -> Path:
        """The winner, exported."""
        return self.path / "export"


def study_folder(runs: Path, name: str) -> StudyFolder:
    """Return the folder of a study by name."""
    return StudyFolder(runs / name)


def study_names(runs: Path) -> list[str]:
    """Return the names of the studies in a folder, sorted."""
    found = runs.glob("*/study.db") if runs.is_dir() else iter(())
    return sorted(path.parent.name for path in found if not path.parent.name.startswith("."))
