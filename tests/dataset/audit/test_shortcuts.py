"""What tells the classes apart without looking at the finding is told from chance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from study.dataset.audit.audit import audit_source, measure_baselines
from study.dataset.audit.baselines import Baselines
from study.dataset.audit.result import Audit
from study.dataset.manifest import make_manifest
from study.dataset.sources.opening import open_source

Save = Callable[..., Path]
Audited = Callable[..., Audit]
Graded = Callable[[Audit], dict[str, str]]
Message = Callable[[Audit, str], str]


def test_a_shortcut_is_told_from_chance(
    lesions: Path, audited: Audited, graded: Graded, message: Message
) -> None:
    measured = Baselines(
        f_med={"size_only": 0.8, "width": 0.7, "mean_grey": 0.55, "pixels_svm_random": 1.0,
               "pixels_svm_grouped": 0.6, "file_format": None},
        chance={"size_only": 0.65, "width": 0.6, "mean_grey": 0.56},
        images=42,
    )  # fmt: skip
    audit = audited(lesions, baselines=measured)
    assert graded(audit)["shortcut"] == "warning"
    assert "Width and height alone tell the classes apart with F_med 0.80" in message(
        audit, "shortcut"
    )
    assert "reaches F_med 1.00 when images of a group may lie on both sides and 0.60" in message(
        audit, "pixels-baseline"
    )
    fair = replace(measured, f_med={"pixels_svm_random": 0.62, "pixels_svm_grouped": 0.6})
    assert "changes little" in message(audited(lesions, baselines=fair), "pixels-baseline")


def test_sizes_that_depend_on_the_class_are_found_in_files(
    tmp_path: Path, save: Save, graded: Graded
) -> None:
    for k in range(24):
        label = "ab"[k % 2]
        save(tmp_path / "set" / label / f"{k}.png", k, size=(60 + 10 * (k % 2) + k // 8, 45))
    source = open_source(str(tmp_path / "set"), cache=tmp_path)
    manifest = make_manifest(source, seed=0)
    measured = measure_baselines(source, manifest, pixels=False)
    assert measured.f_med["size_only"] == pytest.approx(1.0)
    assert measured.f_med["height"] is None
    assert "shortcut" in graded(audit_source(source, manifest, measured))


def test_the_real_set_is_found_out(real_data: Path, tmp_path: Path, graded: Graded) -> None:
    source = open_source(str(real_data), cache=tmp_path)
    manifest = make_manifest(source, seed=0)
    measured = measure_baselines(source, manifest)
    audit = audit_source(source, manifest, measured)
    assert (audit.images, audit.groups, audit.straddling_groups) == (250, 48, 0)
    for name, expected in (
        ("size_only", 0.80), ("pixels_svm_random", 1.00), ("pixels_svm_grouped", 0.67),
    ):  # fmt: skip
        assert audit.baselines[name] == pytest.approx(expected, abs=0.05), name
    assert graded(audit)["shortcut"] == "warning"
    leaking = audit_source(source, make_manifest(source, split="random", seed=0))
    assert graded(leaking)["straddling-groups"] == "error"
    assert leaking.split["leaking_test_images"] == 25
    assert np.isclose(
        leaking.split["leaking_test_groups"], leaking.split["parts"]["test"]["groups"]
    )
