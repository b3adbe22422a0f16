"""The audit of a source under one split: copies, leaks, shortcuts, broken files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from study.dataset.audit.baselines import (
    PIXEL_SIZE,
    BaselineInputs,
    Baselines,
    run_baselines,
    shortcut_columns,
)
from study.dataset.audit.copies import exact_copies, in_words, near_copies
from study.dataset.audit.findings import find
from study.dataset.audit.result import Audit, Finding, Spread
from study.dataset.images import fit_image
from study.dataset.manifest import Manifest, describe
from study.dataset.sources.source import Source
from study.dataset.sources.stores import open_store


def audit_source(
    source: Source,
    manifest: Manifest,
    baselines: Baselines | None = None,
    *,
    refusal: str | None = None,
) -> Audit:
    """Return what is wrong with a source under a split of it, and what to know of it.

    ``manifest`` is one of ``make_manifest(source)``. Without ``baselines``, those of
    :func:`measure_baselines`, nothing is said about shortcuts. ``refusal`` says why no split
    could be made, where ``manifest`` is ``undivided(source)``.
    """
    labels = [image.label for image in source.images]
    groups = [row.group for row in manifest.rows]
    parts = [row.part for row in manifest.rows]
    sets, near = exact_copies(source), near_copies(source, groups, parts)
    split = describe(manifest)
    audit = Audit(
        dataset=source.name,
        source=str(source.root),
        synthetic=source.synthetic,
        images=len(source.images),
        classes={label: labels.count(label) for label in source.classes},
        positive=source.positive,
        negative=source.negative,
        groups=len(set(groups)),
        grouping=manifest.grouping,
        split=split,
        straddling_groups=split["leaking_groups"],
        sizes={label: _spreads(source, label) for label in source.classes},
        formats=dict(Counter(facts.format for facts in source.facts).most_common()),
        broken=[{"path": path, "reason": reason} for path, reason in source.skipped],
        exact_duplicates=[
            [source.images[k].path for k in places]
            for places in sets
            if len({labels[k] for k in places}) == 1
        ],
        label_conflicts=[
            [{"path": source.images[k].path, "label": labels[k]} for k in places]
            for places in sets
            if len({labels[k] for k in places}) > 1
        ],
        near_copies={**near, "in_words": in_words(near, len(source.images))},
        baselines=dict(baselines.f_med) if baselines else {},
        chance=dict(baselines.chance) if baselines else {},
        baseline_images=baselines.images if baselines else 0,
    )
    found = find(audit, source, manifest)
    if refusal is not None:
        found.insert(0, Finding(grade="error", code="no-split", message=f"{refusal}."))
    return replace(audit, findings=found)


def measure_baselines(source: Source, manifest: Manifest, *, pixels: bool = True) -> Baselines:
    """Measure how well size, grey level, file and pixels tell the classes apart.

    Without ``pixels`` the SVMs on pixels are left out, and no image is read again.
    """
    numbers = {name: k for k, name in enumerate(dict.fromkeys(row.group for row in manifest.rows))}
    inputs = BaselineInputs(
        pixels=_pixels(source) if pixels else np.empty((len(source.images), 0), np.float32),
        columns=shortcut_columns(
            width=[facts.width for facts in source.facts],
            height=[facts.height for facts in source.facts],
            mean_grey=[facts.mean_grey for facts in source.facts],
            file_size=[facts.file_bytes for facts in source.facts],
            file_format=[facts.format for facts in source.facts],
        ),
        labels=np.array([image.label == source.positive for image in source.images], np.int64),
        groups=np.array([numbers[row.group] for row in manifest.rows], np.intp),
    )
    return run_baselines(inputs, pixels=pixels)


def _pixels(source: Source) -> np.typing.NDArray[np.float32]:
    store = open_store(source.root)
    width, height = PIXEL_SIZE
    found = np.empty((len(source.images), width * height), np.float32)
    for row, image in zip(found, source.images, strict=True):
        row[:] = fit_image(store.read(image.path), width=width, height=height).ravel()
    return found


def _spreads(source: Source, label: str) -> dict[str, Spread]:
    own = [f for image, f in zip(source.images, source.facts, strict=True) if image.label == label]
    found = {
        "width": _spread([facts.width for facts in own]),
        "height": _spread([facts.height for facts in own]),
        "mean_grey": _spread([facts.mean_grey for facts in own]),
    }
    sizes = [facts.file_bytes / 1024 for facts in own if facts.file_bytes is not None]
    return {**found, "kilobytes": _spread(sizes)} if sizes else found


def _spread(values: Sequence[float]) -> Spread:
    low, median, high = (float(value) for value in np.percentile(values, (0, 50, 100)))
    return Spread(low=low, median=median, high=high)
