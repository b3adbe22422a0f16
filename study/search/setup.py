"""What a study is made of, and the folder that holds it."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from study import __version__
from study.dataset.audit.audit import audit_source, measure_baselines
from study.dataset.draws import Draws, draw_fixed_set, write_draws
from study.dataset.manifest import Manifest, describe, make_manifest, sorted_part
from study.dataset.sources.source import Source
from study.errors import LedgerError, SettingsError
from study.ledger import Ledger
from study.model.capacity import capacity
from study.protocol import Protocol
from study.records import StudyRecord
from study.search.sampler import check_feasible
from study.search.strategy import search_settings
from study.seeds import derive, split_seed
from study.space import Space
from study.variant import REFERENCE
from study.workspace import StudyFolder, study_folder

PACKAGES = ("tensorflow", "keras", "optuna", "keras-tuner", "numpy", "pandas", "pillow", "plotly")

FIXED_SETS = ("train", "validation")
"""Parts with a fixed augmented set."""

LONGEST_NAME = 100

_NAME_CHARACTERS = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")


@dataclass(frozen=True, kw_only=True)
class Setup:
    """Everything that the trials of a study depend on."""

    source: Source
    manifest: Manifest
    protocol: Protocol
    space: Space
    seed: int

    def default_name(self) -> str:
        """Return ``<data>-<space>-<6 hex>``: the same for the same set-up, else another."""
        meaning: list[Any] = [self.protocol.as_dict(), self.manifest.digest, self.source.digest]
        meaning += [self.space.digest, self.seed, self.source.positive]
        digest = hashlib.sha256(json.dumps(meaning, sort_keys=True).encode()).hexdigest()
        return f"{self.source.name}-{self.space.name}-{digest[:6]}"

    def draws(self, part: str) -> Draws:
        """Return the fixed augmented set of the training or the validation part."""
        return draw_fixed_set(
            images=len(sorted_part(self.manifest, part)),
            samples=self.protocol.validation_samples,
            augmentation=self.protocol.augmentation,
            seed=derive(self.seed, "draws", part),
        )

    def attributes(self) -> dict[str, Any]:
        """Return the set-up as the ledger keeps it."""
        source, manifest = self.source, self.manifest
        labels = [row.label for row in manifest.rows]
        return {
            "protocol": self.protocol.as_dict(),
            "space": {
                "name": self.space.name,
                "text": self.space.text,
                "digest": self.space.digest,
            },
            "dataset": {
                "name": source.name,
                "source": str(source.root),
                "digest": source.digest,
                "positive": source.positive,
                "negative": source.negative,
                "classes": {label: labels.count(label) for label in source.classes},
                "images": len(labels),
                "groups": len({row.group for row in manifest.rows}),
                "synthetic": source.synthetic,
                "groups_from": source.groups_from,
                "skipped": [list(item) for item in source.skipped],
            },
            "split": {**describe(manifest), "digest": manifest.digest},
            "seed": self.seed,
            "versions": versions(),
            "machine": machine(),
        }


def make_setup(
    source: Source,
    *,
    split: str | None = None,
    ratio: tuple[int, int, int] | None = None,
    manifest: Manifest | None = None,
    protocol: Protocol,
    space: Space,
    seed: int,
) -> Setup:
    """Divide the source and check that its images are large enough for the reference network.

    With a ``manifest`` it has been divided already.

    Raises ``DataError`` or ``SettingsError`` when the images cannot be used so.
    """
    try:
        capacity(REFERENCE, protocol.image_shape)
    except SettingsError as error:
        size = f"{protocol.image_width}x{protocol.image_height}"
        raise SettingsError(
            f"--image-size: found {size}, too small for the reference network ({error})"
        ) from error
    check_feasible(space, protocol)
    if manifest is None:
        manifest = make_manifest(source, split=split, ratio=ratio, seed=split_seed(seed))
    setup = Setup(source=source, manifest=manifest, protocol=protocol, space=space, seed=seed)
    for part in FIXED_SETS:
        labels = [row.label for row in sorted_part(manifest, part)]
        if len({labels[k] for k in setup.draws(part).index}) < len(source.classes):
            raise SettingsError(
                f"--validation-samples: found {protocol.validation_samples}, which leaves a class "
                f"out; allowed: from {len(labels)}, an image of the {part} part each"
            )
    return setup


def open_study(
    runs: Path,
    name: str | None,
    setup: Setup,
    *,
    command: str,
    requested: int,
    search: Mapping[str, Any] | None = None,
) -> tuple[StudyFolder, Ledger]:
    """Open the study of this set-up, or make it.

    ``search`` is that of :func:`study.search.strategy.search_settings`, by default its defaults.

    Raises ``LedgerError`` when the name is taken by a study of another set-up, naming what
    differs; ``SettingsError`` for a name that cannot be a folder or a folder that cannot be
    written.
    """
    name = setup.default_name() if name is None else name
    strange = set(name) - _NAME_CHARACTERS or name.startswith((".", "-"))
    if strange or not 0 < len(name) <= LONGEST_NAME:
        raise SettingsError(
            f"--name: found {name[:LONGEST_NAME]!r}; allowed: letters, digits, '-', '_', '.', up "
            f"to {LONGEST_NAME}, beginning with a letter, a digit or '_'"
        )
    folder = study_folder(runs, name)
    run = {"command": command, "requested": requested, "search": search or search_settings()}
    if not folder.path.exists():
        try:
            _create(folder, setup, name, run)
        except OSError as error:
            raise SettingsError(
                f"--runs {runs}: cannot be written ({error.strerror or error}); name a folder that "
                "you may write to"
            ) from error
    ledger = Ledger.open(folder.path)
    _refuse_differences(ledger, setup, name)
    if Manifest.read(folder.manifest).digest != setup.manifest.digest:
        raise LedgerError(
            f"{folder.manifest}: is not the split of study {name}; restore the file, or take "
            "another --name"
        )
    return folder, ledger


def take_up(
    ledger: Ledger,
    setup: Setup,
    *,
    command: str,
    requested: int,
    search: Mapping[str, Any] | None = None,
) -> None:
    """Note what this run asks for, and where the images lie now; only the study's driver may.

    A study may go on with another sampler or pruner (``changed_search`` says what that means):
    the one that is noted is the latest.
    """
    stored = ledger.optuna_study.user_attrs["dataset"]
    ledger.update(
        requested=requested,
        command=command,
        search=dict(search or search_settings()),
        dataset={**stored, "source": str(setup.source.root)},
    )


def changed_search(record: StudyRecord, search: Mapping[str, Any]) -> str | None:
    """Return a line on what another sampler or pruner than before means for the trials begun.

    None where it means nothing. A ledger without settings had TPE and no pruner.
    """
    before = record.search or search_settings(pruner=None)
    pruned = sum(trial.state == "pruned" for trial in record.trials)
    found = []
    if record.trials and before["sampler"] != search["sampler"]:
        found.append(f"{_other('sampler', before, search)}; earlier trials keep their variants")
    if pruned and before["pruner"] != search["pruner"]:
        stay = (
            "1 trial pruned earlier stays"
            if pruned == 1
            else f"{pruned} trials pruned earlier stay"
        )
        found.append(f"{_other('pruner', before, search)}; {stay} so")
    return f"study {record.name}: {'; '.join(found)}" if found else None


def _other(key: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Return, for example, ``its pruner was halving, is now none``."""
    was, new = ((settings[key] or {}).get("name", "none") for settings in (before, now))
    return f"its {key} was {was}, is now {new if new != was else 'set otherwise'}"


def _create(folder: StudyFolder, setup: Setup, name: str, run: Mapping[str, Any]) -> None:
    """Make the study's folder under a scratch name and move it: it is whole or absent."""
    scratch = StudyFolder(folder.path.with_name(f".{name}.{os.getpid()}"))
    scratch.path.mkdir(parents=True)
    try:
        setup.manifest.write(scratch.manifest)
        for part in FIXED_SETS:
            write_draws(scratch.draws(part), setup.draws(part))
        baselines = measure_baselines(setup.source, setup.manifest, pixels=False)
        attributes = {
            **setup.attributes(),
            "audit": audit_source(setup.source, setup.manifest, baselines).as_dict(),
            **run,
        }
        ledger = Ledger.create(scratch.path, name, attributes)
        ledger.close()
        scratch.path.rename(folder.path)
    finally:
        shutil.rmtree(scratch.path, ignore_errors=True)


def _refuse_differences(ledger: Ledger, setup: Setup, name: str) -> None:
    stored, mine = ledger.optuna_study.user_attrs, setup.attributes()
    protocol = {
        key: (stored["protocol"].get(key), value) for key, value in mine["protocol"].items()
    }
    compared: dict[str, tuple[Any, Any]] = {
        "dataset": (_short(stored["dataset"]), _short(mine["dataset"])),
        "positive class": (stored["dataset"]["positive"], mine["dataset"]["positive"]),
        "space": (_short(stored["space"]), _short(mine["space"])),
        "seed": (stored["seed"], mine["seed"]),
        "split": (stored["split"]["kind"], mine["split"]["kind"]),
        **protocol,
    }
    if stored["split"].get("digest") != mine["split"]["digest"]:
        # Other options may lead to the same split; only where they do not, they matter.
        compared |= {
            "ratio": (stored["split"].get("ratio"), mine["split"]["ratio"]),
            "groups": (stored["dataset"].get("groups_from"), mine["dataset"]["groups_from"]),
            "split digest": (_six(stored["split"]), _six(mine["split"])),
        }
    found = [f"{key} {was!r}, now {new!r}" for key, (was, new) in compared.items() if was != new]
    if found:
        raise LedgerError(
            f"study {name} was made with another set-up: {'; '.join(found)}; repeat its own "
            "options, or take another --name"
        )


def _short(item: Mapping[str, Any]) -> str:
    return f"{item['name']} ({_six(item)})"


def _six(item: Mapping[str, Any]) -> str:
    """Return the beginning of a digest, also of a ledger that lacks it."""
    return str(item.get("digest"))[:6]


def versions() -> dict[str, str]:
    """Return the versions of the program, of Python and of the packages that matter."""
    found = {"study": __version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, Any]:
    """Return what the study runs on."""
    return {
        "system": platform.system(),
        "architecture": platform.machine(),
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count() or 1,
    }
