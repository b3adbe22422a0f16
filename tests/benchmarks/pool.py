"""Record the pool of variants that the `search` benchmark replays searches on.

``python -m tests.benchmarks.pool real --data DIR`` and ``... pool phantom``: hours, resumable, a
file for each variant; several of these may run side by side. ``--pack`` adds what is there to the
one file beside this module; what that file holds is not recorded again.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

VARIANTS, STEPS, STEP_SAMPLES = 150, 60, 1_000
RATIO = (60, 40, 0)
"""Half of the validation groups choose and half score, so validation gets many."""

SEED = 0
ORACLE_LESIONS, ORACLE_SEED = 400, 1

HERE = Path(__file__).parent

CURVES = ("augmented", "plain", "oracle")
"""Counts of each variant, by step."""
SHARED = ("augmented_total", "plain_total", "oracle_total", "label")
"""What is the same for all variants."""


def draw_variants(count: int) -> list[dict[str, Any]]:
    """Return the two reference networks and a random draw of the space ``seed``, as dictionaries.

    What the space turns down for its size is drawn again.
    """
    import optuna

    from study.ledger import distributions
    from study.model.capacity import capacity
    from study.protocol import Protocol
    from study.space import find_space
    from study.variant import REFERENCE, REFERENCE_SGD

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    space, shape = find_space("seed"), Protocol().image_shape
    assert space.max_macs_ratio is not None
    limit = space.max_macs_ratio * capacity(REFERENCE, shape).macs
    sampler = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=SEED))
    found = [REFERENCE.as_dict(), REFERENCE_SGD.as_dict()]
    while len(found) < count:
        variant = space.variant(sampler.ask(distributions(space)).params)
        if capacity(variant, shape).macs <= limit:
            found.append(variant.as_dict())
    return found


def record_variant(
    values: dict[str, Any], data: Any, oracle: Any | None, seed: int
) -> dict[str, NDArray[Any]]:
    """Train a variant step by step; return its correct samples by step and group.

    ``augmented`` and ``plain`` are (steps, rows), on the validation part; ``oracle`` (steps, 2) by
    class. A network whose output stops being a number is right about nothing from there on.
    """
    import keras

    from study import metrics
    from study.protocol import Protocol
    from study.training.callbacks import predict
    from study.training.loop import untrained
    from study.variant import Variant

    protocol = Protocol(samples_per_epoch=STEP_SAMPLES)
    _, model, samples = untrained(Variant(**values), protocol=protocol, part=data.train, seed=seed)
    sets = data.sets[1:]
    inputs = [keras.ops.convert_to_tensor(item.images, "float32") for item in sets]
    if oracle is not None:
        oracle_input = keras.ops.convert_to_tensor(oracle.images, "float32")
    correct: list[list[NDArray[Any]]] = [[] for _ in sets]
    true: list[NDArray[Any]] = []

    def judge(_epoch: int, _logs: Any) -> None:
        for item, images, rows in zip(sets, inputs, correct, strict=True):
            chance = predict(model, images)
            rows.append(item.correct(chance, metrics.THRESHOLD) * np.isfinite(chance).all())
        if oracle is not None:
            chance = predict(model, oracle_input)
            right = (chance >= metrics.THRESHOLD) == (oracle.labels == 1)
            true.append(np.bincount(oracle.labels[right], minlength=2))

    judging = keras.callbacks.LambdaCallback(on_epoch_end=judge)
    model.train(samples, epochs=STEPS, callbacks=[judging])
    found = {
        name: np.array(rows, np.uint16) for name, rows in zip(CURVES[:2], correct, strict=True)
    }
    if oracle is not None:
        found["oracle"] = np.array(true, np.uint16)
    return found


def load(name: str, data: str) -> tuple[Any, Any | None]:
    """Return training and validation data, and for the phantom the independent oracle."""
    import tempfile

    from study.dataset.arrays import load_part
    from study.dataset.draws import draw_fixed_set
    from study.dataset.manifest import make_manifest, sorted_part
    from study.dataset.phantom.files import write_phantom
    from study.dataset.sources.opening import open_source
    from study.protocol import Protocol
    from study.seeds import derive, split_seed
    from study.training.data import assemble

    protocol = Protocol()
    with tempfile.TemporaryDirectory() as scratch:
        source = open_source("phantom" if name == "phantom" else data, cache=Path(scratch))
        manifest = make_manifest(source, split="grouped", ratio=RATIO, seed=split_seed(SEED))
        parts = {
            part: load_part(manifest, source.root, part, protocol)
            for part in ("train", "validation")
        }
        draws = {
            part: draw_fixed_set(
                images=len(sorted_part(manifest, part)),
                samples=protocol.validation_samples,
                augmentation=protocol.augmentation,
                seed=derive(SEED, "draws", part),
            )
            for part in parts
        }
        oracle = None
        if name == "phantom":
            folder = Path(scratch) / "oracle"
            write_phantom(folder, lesions=ORACLE_LESIONS, frames=1, seed=ORACLE_SEED)
            independent = open_source(str(folder), cache=Path(scratch))
            whole = make_manifest(independent, split="random", ratio=(98, 1, 1), seed=0)
            oracle = load_part(whole, independent.root, "train", protocol)
    return assemble(train=parts["train"], validation=parts["validation"], draws=draws), oracle


def record(name: str, data: str, folder: Path, threads: int) -> None:
    """Record every variant that nobody has recorded or is recording."""
    from study.model.backend import start_backend
    from study.seeds import derive

    start_backend(threads)
    folder.mkdir(parents=True, exist_ok=True)
    sets, oracle = load(name, data)
    variants = draw_variants(VARIANTS)
    plain, packed = sets.sets[2], _packed(name)
    for number, values in enumerate(variants):
        target, claim = folder / f"{number:03d}.npz", folder / f"{number:03d}.claim"
        if number in packed or target.exists() or not _claim(claim):
            continue
        found = record_variant(values, sets, oracle, derive(SEED, "pool", number))
        totals = {
            key: np.bincount(item.rows, minlength=len(item.row_labels))
            for key, item in zip(SHARED[:2], sets.sets[1:], strict=True)
        }
        if oracle is not None:
            totals["oracle_total"] = np.bincount(oracle.labels, minlength=2)
        scratch = folder / f".{number:03d}.npz"
        np.savez_compressed(
            scratch, **found, **totals, label=plain.row_labels, variant=json.dumps(values)
        )
        scratch.replace(target)
        claim.unlink(missing_ok=True)
        print(f"{number + 1} of {len(variants)}", flush=True)


def _claim(path: Path) -> bool:
    """Take a variant unless a process that is alive has it."""
    try:
        owner = int(path.read_text())
        os.kill(owner, 0)
    except (OSError, ValueError):
        path.write_text(str(os.getpid()))
        return True
    return owner == os.getpid()


def _packed(name: str) -> dict[int, dict[str, NDArray[Any]]]:
    """Return the variants in the file beside this module, by number, each as it was recorded."""
    path = HERE / f"pool_{name}.npz"
    if not path.is_file():
        return {}
    with np.load(path, allow_pickle=False) as stored:
        shared = {key: stored[key] for key in stored.files if key in SHARED}
        numbers, variants = stored["numbers"].tolist(), stored["variants"]
        curves = {key: stored[key] for key in CURVES if key in stored.files}
    return {
        number: {
            **shared,
            **{key: values[place] for key, values in curves.items()},
            "variant": variants[place],
        }
        for place, number in enumerate(numbers)
    }


def pack(name: str, folder: Path) -> Path:
    """Put the recorded variants into one file beside this module, with those it holds."""
    found = _packed(name)
    for path in sorted(folder.glob("[0-9]*.npz")):
        with np.load(path, allow_pickle=False) as stored:
            found[int(path.stem)] = {key: stored[key] for key in stored.files}
    numbers = sorted(found)
    first = found[numbers[0]]
    target = HERE / f"pool_{name}.npz"
    np.savez_compressed(
        target,
        numbers=np.array(numbers),
        variants=np.array([str(found[number]["variant"]) for number in numbers]),
        **{
            key: np.stack([found[number][key] for number in numbers])
            for key in CURVES
            if key in first
        },
        **{key: first[key] for key in SHARED if key in first},
    )
    return target


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.pool", description=__doc__)
    parser.add_argument("name", choices=("real", "phantom"))
    parser.add_argument("--data", default="", help="folder of the article's images, for `real`")
    parser.add_argument("--folder", type=Path, help="where the files of the variants are kept")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--pack", action="store_true", help="put what is there into one file")
    options = parser.parse_args()
    folder = options.folder or Path(".benchmarks") / f"pool_{options.name}"
    if options.pack:
        print(pack(options.name, folder))
    else:
        record(options.name, options.data, folder, options.threads)


if __name__ == "__main__":
    main()
