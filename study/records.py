"""What the ledger knows of a study and of its trials, as plain values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from study.protocol import Protocol

SCORES = ("f_med", "sensitivity", "specificity", "f1", "accuracy", "loss")
"""The six measures of a training history, in the order in which they are shown."""

VIEWS = ("train", "validation", "validation_plain")
"""The three sets that they are measured on: the augmented probe of the training part, the fixed
augmented validation set, the un-augmented validation images."""

HISTORY_COLUMNS = ("epoch", "seconds", *(f"{view}_{score}" for view in VIEWS for score in SCORES))
"""Columns of a trial's ``history.csv``: epoch from 1, seconds since the trial began, then every
score of every view."""


@dataclass(frozen=True, kw_only=True)
class TrialRecord:
    """One planned trial as it stands now; figures that do not exist yet are None."""

    number: int
    """The ordinal: 0 is the reference network."""
    state: str
    """``complete``, ``pruned``, ``failed``, ``running`` or ``interrupted`` (to be run again)."""
    params: dict[str, Any]
    """The values of the search space's parameters."""
    variant: dict[str, Any]
    """All hyperparameters: ``Variant.as_dict``."""
    ledger_number: int
    """Number of its latest attempt in the Optuna study."""
    attempts: int = 1
    seed: int | None = None
    parameters: int | None = None
    """Trainable parameters."""
    macs: int | None = None
    """Multiply-accumulates of one forward pass of one image."""
    validation_f_med: float | None = None
    validation_f_med_plain: float | None = None
    validation_f_med_smooth: float | None = None
    train_f_med: float | None = None
    scores: dict[str, float] = field(default_factory=dict)
    """All scores at the best epoch, keyed like the history's columns."""
    best_epoch: int | None = None
    epochs: int = 0
    stopped_by: str | None = None
    """``patience``, ``epochs`` (the limit), ``pruned``, or ``dead`` (train F_med stayed 0)."""
    seconds: float | None = None
    started: str | None = None
    """UTC, ISO 8601."""
    ended: str | None = None
    worker: str | None = None
    diagnosis: dict[str, Any] | None = None
    label: str | None = None
    """What it is called where it is no trial of the search: ``trial 7, fold 2 of 5``."""
    cause: str | None = None
    """One line on why it failed or was interrupted, and why an earlier attempt failed."""
    progress: list[float] = field(default_factory=list)
    """Validation F_med of each epoch so far."""


@dataclass(frozen=True, kw_only=True)
class StudyRecord:
    """One study as the ledger holds it."""

    name: str
    created: str
    """UTC, ISO 8601."""
    command: str
    requested: int
    """Planned trials in total."""
    protocol: Protocol
    space: dict[str, Any]
    """``name``, ``text`` (the TOML), ``digest``."""
    dataset: dict[str, Any]
    """``name``, ``source``, ``digest``, ``positive``, ``negative``, ``classes`` (name to images),
    ``images``, ``groups``, ``synthetic``, ``skipped`` (list of [path, reason])."""
    split: dict[str, Any]
    """``kind``, ``grouping``, ``ratio``, ``parts`` (part to ``{"images", "groups", "classes":
    {class: {"images", "groups"}}}``), ``leaking_groups``, ``leaking_test_groups``,
    ``leaking_test_images``."""
    seed: int
    versions: dict[str, str]
    machine: dict[str, Any]
    trials: list[TrialRecord]
    """In the order of their numbers."""
    search: dict[str, Any] = field(default_factory=dict)
    """``sampler`` and ``pruner`` (or None): ``name`` and arguments of each; empty in ledgers of
    versions that had one sampler and no pruner."""
    infeasible: int = 0
    """Suggestions turned down because the network would be too large; not trials."""
    duplicates: int = 0
    """Suggestions turned down because another trial has the same variant; not trials."""
    audit: dict[str, Any] | None = None
    """``Audit.as_dict``; None where a study has none."""
    final: dict[str, Any] | None = None
    """What came after the search: ``winner``, ``reference`` (numbers), ``selection``, ``refit``,
    ``model`` (path in the study's folder), ``model_digest``, ``digests``, ``estimates`` (number to
    ``corrected_f_med`` and ``cross_validated_f_med``), ``notes``, ``complete`` (complete trials at
    that time); see ``finalists.stage.conclude``. None before."""
    retest: dict[str, Any] | None = None
    """The stored retest: ``number``, ``images``, ``groups``, ``confusion``, ``sensitivity``,
    ``specificity``, ``f_med``, ``accuracy``, ``intervals``, ``effective_images``, ``uses``,
    ``at``, ``warnings`` (lines on what could not be explained). Its ``uses`` are ``test_openings``
    by now."""
    test_openings: int = 0
    """How often the test part was opened, also by evaluations that left no answer."""
