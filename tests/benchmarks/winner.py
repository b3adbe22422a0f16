"""Whether the winner and its figures can be believed: small studies of the phantom, and its truth.

Each study draws 50 lesions of its own and searches with small budgets; its networks are judged on
400 lesions of another draw, which nothing else sees. What has ended is kept in ``--work`` and not
done again.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np

from study.files import write_text
from tests.benchmarks.phantom import JUDGE_LESIONS, JUDGE_SEED, drawn
from tests.benchmarks.result import Figure, Result
from tests.benchmarks.turns import Rival, Turn

LESIONS, FIRST_SEED = 50, 2_000
COVERED = 0.85
"""Share of studies whose retest interval should hold the truth: 17 of 20."""
RESAMPLES = 2_000
ERROR = "- its standard error"


def add_options(parser: ArgumentParser) -> None:
    parser.add_argument("--studies", type=int, default=20)
    parser.add_argument("--trials", type=int, default=30, help="quick trials of each")
    parser.add_argument("--work", type=Path, default=Path(".benchmarks/winner"))


def run(options: Namespace) -> Result:
    found = []
    for number in range(options.studies):
        kept = options.work / f"{number}.json"
        if not kept.is_file():
            document = _search(options.work, number, options.trials)
            write_text(kept, json.dumps(_judged(options.work, document)) + "\n")
        found.append(json.loads(kept.read_text()))
    return Result(figures=tuple(_figures(found)), details={"studies": found})


def _search(work: Path, number: int, trials: int) -> dict[str, Any]:
    """Draw the lesions of a study and carry it out, or go on with it; return its document."""
    images, seed = work / "images" / str(number), FIRST_SEED + number
    if not images.is_dir():
        draw = ["data", "phantom", str(images), "--lesions", str(LESIONS), "--seed", str(seed)]
        subprocess.run([sys.executable, "-m", "study", *draw], check=True)
    line = ["run", "--data", str(images), "--quick", "--trials", str(trials)]
    line += ["--name", f"study-{number}", "--seed", str(number), "--json", "--no-images"]
    line += ["--runs", str(work / "runs"), "--reports", str(work / "reports")]
    done = subprocess.run(
        [sys.executable, "-m", "study", *line], check=True, stdout=subprocess.PIPE, text=True
    )
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def _judged(work: Path, document: dict[str, Any]) -> dict[str, Any]:
    """Return what a study said of its networks beside what they are worth."""
    folder = work / "runs" / document["study"]
    leader = document["ranking"][0]["number"]
    numbers = {"winner": document["winner"]["number"], "leader": leader}
    numbers["reference"] = document["reference"]["number"]
    files = {name: folder / f"trials/{n}/model.keras" for name, n in numbers.items()}
    files = {
        name: file for name, file in files.items() if file.is_file()
    }  # or the search let it go
    files["final"] = folder / document["selection"]["model"]
    with Rival(judge, files) as judging:
        truth = judging.warm_up["scores"]
    retest = document["retest"]
    entries = {entry["number"]: entry for entry in document["ranking"]}
    return {
        "numbers": numbers,
        "truth": truth,
        "macs": {name: entries[n]["macs"] for name, n in numbers.items()},
        **{name: _figures_of(document[name]) for name in ("winner", "reference")},
        "leader": document["ranking"][0]["validation_f_med"],
        "network": document["selection"]["network"],
        "folds": document["selection"].get("folds"),
        "notes": document["selection"]["notes"],
        "retest": {"f_med": retest["f_med"], "interval": retest["intervals"]["f_med"]},
        "seconds": document["seconds"],
    }


def _figures_of(entry: dict[str, Any]) -> dict[str, Any]:
    keys = ("validation_f_med", "validation_f_med_plain", "corrected_f_med")
    return {key: entry[key] for key in (*keys, "cross_validated_f_med")}


def judge(turn: Turn, files: dict[str, Path]) -> None:
    """Judge networks on lesions that no study saw, one image each."""
    from study.metrics import binary_scores
    from study.model.load import load_network
    from study.training.callbacks import predict

    lesions = drawn(lesions=JUDGE_LESIONS, frames=1, seed=JUDGE_SEED)
    scores = {
        name: binary_scores(lesions.labels, predict(load_network(file), lesions.images))["f_med"]
        for name, file in files.items()
    }
    turn(scores=scores)


def _figures(found: list[dict[str, Any]]) -> list[Figure]:
    def differences(value: Callable[[dict[str, Any]], float | None], of: str) -> list[float]:
        """Return a study's figures less the truth of a network, where there are both."""
        pairs = [(value(item), item["truth"].get(of)) for item in found]
        return [own - true for own, true in pairs if own is not None and true is not None]

    rows = {
        "search's F_med of the winner - truth of that network": differences(
            lambda item: item["winner"]["validation_f_med"], "winner"
        ),
        "search's F_med of the first in the ranking - truth": differences(
            lambda item: item["leader"], "leader"
        ),
        "corrected F_med of the winner - truth of the final network": differences(
            lambda item: (item["winner"]["corrected_f_med"] or {}).get("value"), "final"
        ),
        "cross-validated F_med of the winner - truth of the final network": differences(
            lambda item: (item["winner"]["cross_validated_f_med"] or {}).get("mean"), "final"
        ),
        "corrected F_med of the reference - truth of its network": differences(
            lambda item: (item["reference"]["corrected_f_med"] or {}).get("value"), "reference"
        ),
        "truth: final network - reference": differences(
            lambda item: item["truth"]["final"], "reference"
        ),
        "truth: final network - the winner's own of the search": differences(
            lambda item: item["truth"]["final"], "winner"
        ),
        "truth: winner - first in the ranking (both of the search)": differences(
            lambda item: item["truth"].get("winner"), "leader"
        ),
    }
    figures = [figure for name, values in rows.items() for figure in _mean(name, values)]
    ratios = [item["macs"]["winner"] / item["macs"]["leader"] for item in found]
    name = "multiply-accumulates: winner against first in the ranking, median"
    figures += _median(name, ratios)
    for name, key in (("retest", "retest"), ("corrected", "winner")):
        held = [inside for item in found if (inside := _holds(item, key)) is not None]
        low = COVERED if key == "retest" else None
        figures += _share(f"95 % interval of the {name} F_med holds the truth", held, low)
    return figures


def _holds(item: dict[str, Any], key: str) -> bool | None:
    """Tell whether an interval holds the truth of the final network; None without one."""
    if key == "retest":
        low, high = item["retest"]["interval"]
    elif corrected := item["winner"]["corrected_f_med"]:
        low, high = corrected["low"], corrected["high"]
    else:
        return None
    return bool(low <= item["truth"]["final"] <= high)


def _median(name: str, ratios: list[float]) -> list[Figure]:
    """Return the median of ratios and its standard error by the bootstrap."""
    drawn = np.random.default_rng(0).choice(ratios, size=(RESAMPLES, len(ratios)))
    error = float(np.median(drawn, axis=1).std(ddof=1))
    return [
        Figure(name=name, value=statistics.median(ratios), unit="times"),
        Figure(name=ERROR, value=error, unit="times"),
    ]


def _share(name: str, held: list[bool], low: float | None) -> list[Figure]:
    """Return a share and its binomial standard error."""
    if not held:
        return []
    share = statistics.fmean(held)
    error = sqrt(share * (1 - share) / len(held))
    return [Figure(name=name, value=share, low=low), Figure(name=ERROR, value=error)]


def _mean(name: str, values: list[float]) -> list[Figure]:
    if len(values) < 2:
        return [Figure(name=name, value=value) for value in values]
    error = statistics.stdev(values) / sqrt(len(values))
    return [
        Figure(name=name, value=statistics.fmean(values)),
        Figure(name=ERROR, value=error),
    ]
