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
from math import sqrt
from pathlib import Path
from typing import Any

from study.files import write_text
from tests.benchmarks.phantom import JUDGE_LESIONS, JUDGE_SEED, drawn
from tests.benchmarks.result import Figure, Result
from tests.benchmarks.turns import Rival, Turn

LESIONS, FIRST_SEED = 50, 2_000
COVERED = 0.85
"""Share of studies whose retest interval should hold the truth: 17 of 20."""


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
    rows = {
        "search's F_med of the winner - truth of that network": [
            item["winner"]["validation_f_med"] - item["truth"]["winner"] for item in found
        ],
        "search's F_med of the first in the ranking - truth": [
            item["leader"] - item["truth"]["leader"] for item in found
        ],
        "corrected F_med of the winner - truth of the final network": [
            item["winner"]["corrected_f_med"]["value"] - item["truth"]["final"]
            for item in found
            if item["winner"]["corrected_f_med"]
        ],
        "cross-validated F_med of the winner - truth of the final network": [
            item["winner"]["cross_validated_f_med"]["mean"] - item["truth"]["final"]
            for item in found
            if item["winner"]["cross_validated_f_med"]
        ],
        "corrected F_med of the reference - truth of its network": [
            item["reference"]["corrected_f_med"]["value"] - item["truth"]["reference"]
            for item in found
            if item["reference"]["corrected_f_med"]
        ],
        "truth: final network - reference": [
            item["truth"]["final"] - item["truth"]["reference"] for item in found
        ],
        "truth: final network - the winner's own of the search": [
            item["truth"]["final"] - item["truth"]["winner"] for item in found
        ],
        "truth: winner - first in the ranking (both of the search)": [
            item["truth"]["winner"] - item["truth"]["leader"] for item in found
        ],
    }
    figures = [figure for name, values in rows.items() for figure in _mean(name, values)]
    ratios = [item["macs"]["winner"] / item["macs"]["leader"] for item in found]
    figures.append(
        Figure(
            name="multiply-accumulates: winner against first in the ranking, median",
            value=statistics.median(ratios),
            unit="times",
        )
    )
    for name, key in (("retest", "retest"), ("corrected", "winner")):
        figures.append(
            Figure(
                name=f"95 % interval of the {name} F_med holds the truth",
                value=statistics.fmean(_holds(item, key) for item in found),
                low=COVERED if key == "retest" else None,
            )
        )
    return figures


def _holds(item: dict[str, Any], key: str) -> bool:
    if key == "retest":
        low, high = item["retest"]["interval"]
    else:
        corrected = item["winner"]["corrected_f_med"] or {"low": 0.0, "high": 1.0}
        low, high = corrected["low"], corrected["high"]
    return bool(low <= item["truth"]["final"] <= high)


def _mean(name: str, values: list[float]) -> list[Figure]:
    if len(values) < 2:
        return [Figure(name=name, value=value) for value in values]
    error = statistics.stdev(values) / sqrt(len(values))
    return [
        Figure(name=name, value=statistics.fmean(values)),
        Figure(name="- its standard error", value=error),
    ]
