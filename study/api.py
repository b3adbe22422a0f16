"""Studies and exported models from Python: what a notebook needs, read-only.

>>> from study import load_model, load_study
>>> found = load_study("phantom-seed-1a2b3c")
>>> found.trials.head()
>>> model = load_model("runs/phantom-seed-1a2b3c/export")
>>> model.predict("new-images")

Errors are those of ``study.errors``, with messages of one line.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from study.errors import DataError, LedgerError, SettingsError, near_miss
from study.workspace import StudyFolder, study_folder, study_names

if TYPE_CHECKING:
    import numpy as np
    import optuna
    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

    from study.model.exported import Metadata
    from study.model.predict import Prepared
    from study.records import StudyRecord, TrialRecord


def load_model(folder: str | Path) -> Model:
    """Load an exported model: the folder of ``study export``.

    Its files are checked first, and only ``model.keras`` is loaded, in safe mode: nothing in it is
    executed.

    >>> model = load_model("runs/my-study/export")
    >>> model.predict(["one.png", "folder-of-more"])

    Raises ``ModelError`` when the folder is not an exported model, or was tampered with.
    """
    from study.model.exported import open_network, read_metadata

    metadata = read_metadata(Path(folder))
    return Model(metadata, open_network(metadata))


def load_study(name: str | Path, runs: str | Path = "runs") -> Study:
    """Read a study as it stands now, by its name in the folder of studies or by its own folder.

    >>> found = load_study("my-study")
    >>> found.winner["validation_f_med"], found.retest
    >>> found.history(found.winner["number"]).plot("epoch", "validation_f_med")

    Raises ``LedgerError`` when there is no such study, or its ledger cannot be read.
    """
    from study.ledger import read_study

    folder = _find(name, Path(runs))
    return Study(folder, read_study(folder.path))


def _find(name: str | Path, runs: Path) -> StudyFolder:
    from study.evaluation.nested import read_nested
    from study.ledger import FILE_NAME

    names = study_names(runs)
    if str(name) in names:
        return study_folder(runs, str(name))
    with suppress(OSError):  # too long for the name of a file
        if (Path(name) / FILE_NAME).is_file():
            return StudyFolder(Path(name))
    if (nested := read_nested(runs, str(name))) is not None:
        raise LedgerError(nested[0].in_a_line())
    hint = near_miss(str(name), names) or (
        f"; there are: {', '.join(names)}" if names else "; `study run` makes one"
    )
    raise LedgerError(f"no study {str(name)!r} in {runs}{hint}")


class Model:
    """An exported model that classifies images; made by :func:`load_model`."""

    def __init__(self, metadata: Metadata, network: Any) -> None:
        self._metadata, self._network = metadata, network

    def __repr__(self) -> str:
        return f"<Model of study {self._metadata.study!r}: {' or '.join(self.classes)}>"

    @property
    def metadata(self) -> dict[str, Any]:
        """All of ``metadata.json``."""
        return self._metadata.document

    @property
    def classes(self) -> tuple[str, str]:
        """The negative and the positive class: the columns of :meth:`predict_proba`."""
        return self._metadata.negative, self._metadata.positive

    @property
    def threshold(self) -> float:
        """Probability from which an image is called positive."""
        return self._metadata.threshold

    def predict(
        self,
        images: str | Path | Iterable[str | Path | ArrayLike] | NDArray[Any],
        *,
        threshold: float | None = None,
    ) -> pd.DataFrame:
        """Classify files, folders of files, or arrays; a row an image.

        Arrays are as :meth:`predict_proba` takes them. Columns: ``path`` (an array's place, from
        0), ``class``, ``probability`` of the positive class, and ``warning``: in what the image is
        unlike the training images. A file that cannot be read has neither class nor probability,
        and the reason as its warning. ``threshold`` replaces that of the model.

        >>> model.predict("images").query("warning != ''")

        Raises ``SettingsError`` for arrays that are no images, and another threshold than 0 to 1.
        """
        import pandas as pd

        from study.model.exported import is_probability
        from study.model.predict import classify

        if threshold is not None and not is_probability(threshold):
            raise SettingsError(f"threshold: found {threshold!r}; allowed: a probability, 0 to 1")
        found = list(
            classify(
                self._metadata, self._prepared(images), threshold=threshold, network=self._network
            )
        )
        return pd.DataFrame(
            {
                "path": pd.Series([item.path for item in found], dtype="str"),
                "class": pd.Series([item.label for item in found], dtype="str"),
                "probability": pd.Series([item.probability for item in found], dtype="float64"),
                "warning": pd.Series([item.error or item.warning for item in found], dtype="str"),
            }
        )

    def predict_proba(self, images: Iterable[ArrayLike] | NDArray[Any]) -> NDArray[np.float64]:
        """Return the probability of each class, (n, 2), in the order of :attr:`classes`.

        ``images`` is (n, height, width) or (n, height, width, channels) with one channel or three,
        or a sequence of such images of different sizes: grey levels 0 to 255, whole or floats. They
        are resized as in training.

        >>> model.predict_proba(np.stack([image, image[:, ::-1]]))[:, 1]

        Raises ``SettingsError`` for anything else.
        """
        import numpy as np

        from study.model.predict import classify

        prepared = self._arrays(images)
        found = classify(self._metadata, prepared, network=self._network)
        positive = np.array([item.probability for item in found], dtype=np.float64)
        return np.column_stack([1 - positive, positive])

    def _prepared(self, images: Any) -> Iterator[Prepared]:
        import numpy as np

        from study.model.predict import prepare_files

        if isinstance(images, str | Path):
            yield from prepare_files(self._metadata, [Path(images)])
        elif isinstance(images, np.ndarray) and images.dtype.kind not in "OU":
            yield from self._arrays(images)
        else:
            for number, item in enumerate(_each(images)):
                if isinstance(item, str | Path):
                    yield from prepare_files(self._metadata, [Path(item)])
                else:
                    yield from self._arrays([item], first=number)

    def _arrays(self, images: Any, *, first: int = 0) -> Iterator[Prepared]:
        import numpy as np

        from study.model.predict import prepare_array

        if isinstance(images, str | Path):
            raise SettingsError("images: found a path; allowed: arrays; predict() takes paths")
        if isinstance(images, np.ndarray) and images.ndim not in (3, 4):
            raise SettingsError(
                f"images: found {images.shape}; allowed: (n, height, width) or (n, height, width, "
                "channels); one image alone is image[None]"
            )
        for number, item in enumerate(_each(images), first):
            try:
                values = np.asarray(item)
            except ValueError as error:
                raise SettingsError(f"images: number {number} is no array ({error})") from error
            yield prepare_array(self._metadata, str(number), values)


def _each(images: Any) -> Iterator[Any]:
    try:
        return iter(images)
    except TypeError as error:
        raise SettingsError(f"images: found {images!r}; allowed: arrays, in a list") from error


class Study:
    """A study as it stood when it was read; made by :func:`load_study`."""

    def __init__(self, folder: StudyFolder, record: StudyRecord) -> None:
        self.folder = folder.path
        """Its folder, such as ``runs/my-study``."""
        self.record = record
        """All that its ledger holds, as plain values."""
        self._files = folder

    def __repr__(self) -> str:
        return f"<Study {self.name!r}: {len(self.record.trials)} trials>"

    @property
    def name(self) -> str:
        """Its name, as ``study list`` shows it."""
        return self.record.name

    @cached_property
    def document(self) -> dict[str, Any]:
        """What ``study show --json`` prints, without the place of a report."""
        from study.summary import document

        seconds = sum(trial.seconds or 0.0 for trial in self.record.trials)
        return document(self.record, report=None, seconds=seconds)

    @cached_property
    def trials(self) -> pd.DataFrame:
        """The trials, best first: the columns of the report's ``trials.csv``."""
        from study.report.frames import trials_frame

        return trials_frame(self.record)

    @property
    def ranking(self) -> list[dict[str, Any]]:
        """The trials, best first, as in :attr:`document`."""
        found: list[dict[str, Any]] = self.document["ranking"]
        return found

    @property
    def winner(self) -> dict[str, Any] | None:
        """The trial that the study names, as in :attr:`document`; None before any is complete."""
        found: dict[str, Any] | None = self.document["winner"]
        return found

    @property
    def retest(self) -> dict[str, Any] | None:
        """What the test part said of the winner; None while it is shut."""
        found: dict[str, Any] | None = self.document["retest"]
        return found

    def history(self, number: int) -> pd.DataFrame:
        """Return a trial's training history, a row an epoch.

        Columns: ``epoch`` from 1, ``seconds`` since the trial began, and every score of every view,
        such as ``validation_f_med``: ``records.HISTORY_COLUMNS``.

        Raises ``LedgerError`` when there is no such trial, or its history is missing or damaged.
        """
        import pandas as pd

        path = self._files.trial(self._trial(number).number) / "history.csv"
        try:
            found = pd.read_csv(path)
            found["epoch"]
        except OSError as error:
            raise LedgerError(f"{path}: cannot be read ({error.strerror or error})") from error
        except (ValueError, KeyError) as error:  # pandas' own are ValueErrors
            raise LedgerError(f"{path}: empty or damaged; restore it from a copy") from error
        return found

    def predictions(self, number: int) -> pd.DataFrame:
        """Return what a trial's best epoch says of the validation images, a row an image.

        Columns: ``path`` (below the data's root), ``group``, ``class`` (the true one) and
        ``probability`` of the positive class. The images are not augmented.

        Raises ``LedgerError`` when there is no such trial, ``DataError`` when its predictions or
        the split are missing or damaged.
        """
        import pandas as pd

        from study.dataset.manifest import Manifest, sorted_part
        from study.report.stored import read_predictions

        place = self._files.trial(self._trial(number).number)
        manifest = Manifest.read(self._files.manifest)
        rows = sorted_part(manifest, "validation")
        try:
            found = read_predictions(place / "validation_predictions.npz", images=len(rows))
        except DataError as error:
            raise DataError(f"{place}: {error}") from error
        labels = [int(row.label == manifest.positive) for row in rows]
        if found.label.tolist() != labels:
            raise DataError(f"{place}: validation_predictions.npz is of another split")
        return pd.DataFrame(
            {
                "path": [row.path for row in rows],
                "group": [row.group for row in rows],
                "class": [row.label for row in rows],
                "probability": found.probability,
            }
        )

    def to_optuna(self) -> optuna.Study:
        """Return the complete and pruned trials as an Optuna study in memory.

        For Optuna's own plots and importances. Its value is the validation F_med, to be maximised;
        the user attribute ``ordinal`` is a trial's number here.

        >>> optuna.visualization.plot_slice(found.to_optuna())
        """
        from study.report.optuna_study import optuna_study

        return optuna_study(self.record)

    def _trial(self, number: int) -> TrialRecord:
        for trial in self.record.trials:
            if trial.number == number:
                return trial
        held = [trial.number for trial in self.record.trials]
        allowed = f"{min(held)} to {max(held)}" if held else "none yet"
        raise LedgerError(f"study {self.name}: no trial {number!r}; there are: {allowed}")
