"""The formats of an exported network: how each is written, and how it is used again.

All take grey levels 0..255, float32, (n, height, width, channels), any n, and return the
probability of the positive class: rescaling is inside the network.
"""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from study.errors import ModelError, SettingsError, near_miss

Floats = NDArray[np.float32]
Predict = Callable[[Floats], Floats]
"""Images (n, height, width, channels) to probabilities (n, 1)."""


@dataclass(frozen=True, kw_only=True)
class Format:
    """One way to store a network."""

    name: str
    path: str
    """File or folder within the exported model."""
    tolerance: float
    """Largest difference from the network's own probabilities that is allowed."""
    write: Callable[[Any, Path, Path], None]
    """Takes a Keras network that has been called, the file that it was loaded from, the path."""
    load: Callable[[Path], Predict]
    use: str
    """Three lines of Python, run in its folder: NumPy's ``images`` to ``probability``, (n,)."""
    packages: tuple[str, ...] = ()
    """What it needs that the program itself does not."""


def parse_formats(text: str) -> tuple[Format, ...]:
    """Return the formats of a list like ``keras,onnx``, in the order of ``FORMATS``.

    Keras' own is always among them: it is what ``study predict`` loads. Raises ``SettingsError``
    for an unknown name, ``ModelError`` when a package that a format needs is not installed.
    """
    names = [word.strip().lower() for word in text.split(",") if word.strip()]
    for name in names:
        if name not in FORMATS:
            raise SettingsError(
                f"--format: found {name!r}{near_miss(name, FORMATS)}; allowed: "
                f"{', '.join(FORMATS)}, or several with commas between"
            )
    if not names:
        raise SettingsError(f"--format: found {text!r}; allowed: {', '.join(FORMATS)}")
    found = tuple(item for name, item in FORMATS.items() if name in {"keras", *names})
    for item in found:
        if missing := [package for package in item.packages if find_spec(package) is None]:
            raise ModelError(
                f"--format {item.name}: needs {' and '.join(missing)}, which "
                f"{'is' if len(missing) == 1 else 'are'} not installed; pip install '.[export]'"
            )
    return found


def predict_in_batches(predict: Predict, images: NDArray[np.uint8], batch: int) -> Floats:
    """Return the probability of each image, (n,), of ``batch`` images at once."""
    found = [
        predict(images[start : start + batch].astype(np.float32))
        for start in range(0, len(images), batch)
    ]
    return np.concatenate([np.asarray(part, np.float32).reshape(-1) for part in found])


def _write_keras(_network: Any, stored: Path, path: Path) -> None:
    shutil.copyfile(stored, path)  # byte by byte, so that its digest says which network it is


def _write_saved_model(network: Any, _stored: Path, path: Path) -> None:
    network.export(path, format="tf_saved_model", verbose=False)


def _write_litert(network: Any, _stored: Path, path: Path) -> None:
    network.export(path, format="litert", verbose=False)


def _write_onnx(network: Any, _stored: Path, path: Path) -> None:
    network.export(path, format="onnx", verbose=False)


def _load_keras(path: Path) -> Predict:
    from study.model.load import load_network

    network = load_network(path)
    return lambda images: np.asarray(network.predict_on_batch(images))


def _load_saved_model(path: Path) -> Predict:
    import tensorflow as tf

    loaded = tf.saved_model.load(str(path))
    return lambda images: np.asarray(loaded.serve(tf.constant(images)))


def _load_litert(path: Path) -> Predict:
    import tensorflow as tf

    with warnings.catch_warnings():  # that another package will hold the interpreter one day
        warnings.simplefilter("ignore")
        run = tf.lite.Interpreter(model_path=str(path)).get_signature_runner()
    (name,) = run.get_input_details()
    (output,) = run.get_output_details()
    return lambda images: np.asarray(run(**{name: images})[output])


def _load_onnx(path: Path) -> Predict:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    return lambda images: np.asarray(session.run(None, {given.name: images})[0])


_ALL: Sequence[Format] = (
    Format(
        name="keras",
        path="model.keras",
        tolerance=1e-6,
        write=_write_keras,
        load=_load_keras,
        use='import keras\nnetwork = keras.models.load_model("model.keras", compile=False)\n'
        "probability = network.predict(images)[:, 0]",
    ),
    Format(
        name="saved-model",
        path="saved_model",
        tolerance=1e-6,
        write=_write_saved_model,
        load=_load_saved_model,
        use='import tensorflow as tf\nnetwork = tf.saved_model.load("saved_model")\n'
        "probability = network.serve(tf.constant(images)).numpy()[:, 0]",
    ),
    Format(
        name="litert",
        path="model.tflite",
        tolerance=1e-4,
        write=_write_litert,
        load=_load_litert,
        use="import tensorflow as tf\n"
        'run = tf.lite.Interpreter("model.tflite").get_signature_runner()\n'
        "probability = run(**dict.fromkeys(run.get_input_details(), images))"
        '["output_0"][:, 0]',
    ),
    Format(
        name="onnx",
        path="model.onnx",
        tolerance=1e-4,
        write=_write_onnx,
        load=_load_onnx,
        use='import onnxruntime\nsession = onnxruntime.InferenceSession("model.onnx")\n'
        "probability = session.run(None, {session.get_inputs()[0].name: images})[0][:, 0]",
        packages=("tf2onnx", "onnx", "onnxruntime"),
    ),
)

FORMATS = {item.name: item for item in _ALL}
"""By name, in the order in which they are written."""

DEFAULT_FORMATS = ",".join(item.name for item in _ALL if not item.packages)
