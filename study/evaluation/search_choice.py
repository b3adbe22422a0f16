"""Which configuration, a trial at one of its epochs, a search takes on drawings of the groups."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from study.evaluation.out_of_fold import Integers
from study.evaluation.validation_counts import ValidationCounts

_CHUNK = 512
"""Configurations that are scored at once; with 1,000 draws their scores take 2 MB."""


def selected_counts(counts: ValidationCounts, times: Integers) -> Integers:
    """Return the plain counts of the configuration that each drawing selects, (D, R).

    ``times`` (D, R) says how often each row counts; every drawing holds augmented samples of both
    classes. It selects the highest F_med on augmented counts, of equal ones the first. Products of
    counts are whole numbers that floating point holds exactly, so that configurations of equal
    counts have equal scores on every machine.
    """
    heaviest = int(counts.augmented_total.max(initial=0)) * int(times.sum(axis=1).max(initial=0))
    exact = np.dtype(np.float32 if heaviest < 2**24 else np.float64)
    own = [np.flatnonzero(counts.label == k) for k in (0, 1)]
    weight = [times[:, rows].astype(exact) for rows in own]
    total = [
        (w @ counts.augmented_total[rows].astype(exact))[:, None]
        for w, rows in zip(weight, own, strict=True)
    ]
    draw = np.arange(len(times))
    best = np.full(len(times), -1.0, dtype=exact)
    place = np.zeros((2, len(times)), dtype=np.int64)  # trial and epoch
    for trial, epoch, augmented in _chunks(counts):
        first, second = (
            w @ augmented[:, rows].T.astype(exact) for w, rows in zip(weight, own, strict=True)
        )
        score = first * second  # half of F_med: rs / (r t2 + s t1) from right r, s and all t1, t2
        first *= total[1]
        second *= total[0]
        first += second
        score /= np.maximum(first, 1, out=first)
        highest = score.argmax(axis=1)
        better = score[draw, highest] > best
        best[better] = score[draw, highest][better]
        place[:, better] = np.stack([trial[highest], epoch[highest]])[:, better]
    return np.stack([counts.trials[t].plain[e] for t, e in place.T.tolist()]).astype(np.int64)


def _chunks(counts: ValidationCounts) -> Iterator[tuple[Integers, Integers, NDArray[np.integer]]]:
    """Yield the places of trials, epochs, and augmented counts (c, R) of about ``_CHUNK`` each."""
    trials = counts.trials
    start, held = 0, 0
    for stop, trial in enumerate(trials, 1):
        held += len(trial.augmented)
        if held < _CHUNK and stop < len(trials):
            continue
        lengths = [len(item.augmented) for item in trials[start:stop]]
        yield (
            np.repeat(np.arange(start, stop), lengths),
            np.concatenate([np.arange(length) for length in lengths]),
            np.concatenate([item.augmented for item in trials[start:stop]]),
        )
        start, held = stop, 0
