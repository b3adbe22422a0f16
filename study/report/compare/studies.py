"""What several studies have in common and what not, and what that means for their scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from study.records import StudyRecord
from study.report import words
from study.report.cautions import Caution, is_cut
from study.report.compare.figures import letter
from study.summary import counts, progress
from study.workspace import StudyFolder

_LEVELS = ("danger", "warning", "note")


@dataclass(frozen=True, kw_only=True)
class Compared:
    """One of the studies, by the name of its folder."""

    name: str
    record: StudyRecord
    folder: StudyFolder


@dataclass(frozen=True, kw_only=True)
class Field:
    """One row of the table of studies."""

    kind: str
    """``data``, ``split``, ``protocol``, ``search`` or ``versions``."""
    label: str
    values: list[str]
    """One a study, as a reader sees them."""
    main: bool = False
    """Shown though all studies have the same."""

    @property
    def differs(self) -> bool:
        """Whether not all studies have the same."""
        return len(set(self.values)) > 1


def fields_of(studies: Sequence[Compared]) -> list[Field]:
    """Return the set-ups of the studies, field by field."""
    rows = [_fields(study.record) for study in studies]
    digests = {study.record.split.get("digest") for study in studies}
    if len(digests) == 1 and None not in digests:
        # Other options may lead to the same split, which is all that matters then.
        for row in rows:
            row.pop(("split", "Ratio"))
    return [
        Field(
            kind=kind,
            label=label,
            values=[row.get((kind, label), words.DASH) for row in rows],
            main=kind != "versions" and (label in _MAIN),
        )
        for kind, label in dict.fromkeys(key for row in rows for key in row)
    ]


_MAIN = ("Dataset", "Images", "Groups", "Split", "Search space", "Trials planned", "Seed")


def _fields(record: StudyRecord) -> dict[tuple[str, str], str]:
    """Return the values of one study by kind and label."""
    data, split, search = record.dataset, record.split, record.search
    found: dict[tuple[str, str], Any] = {
        ("data", "Dataset"): data.get("name"),
        ("data", "Images"): data.get("images"),
        ("data", "Groups"): data.get("groups"),
        ("data", "Positive class"): data.get("positive"),
        ("data", "Digest of the data"): _short(data.get("digest")),
        ("split", "Split"): split.get("kind"),
        ("split", "Ratio"): split.get("ratio"),
        ("split", "Groups in several parts"): split.get("leaking_groups"),
        ("split", "Digest of the split"): _short(split.get("digest")),
        ("search", "Search space"): record.space.get("name"),
        ("search", "Digest of the space"): _short(record.space.get("digest")),
        ("search", "Sampler"): _named(search.get("sampler")),
        ("search", "Pruner"): _named(search.get("pruner")),
        ("search", "Trials planned"): record.requested,
        ("search", "Seed"): record.seed,
    }
    for name, value in record.protocol.as_dict().items():
        if isinstance(value, dict):
            found |= {
                ("protocol", f"{words.label(name)}, {key.replace('_', ' ')}"): item
                for key, item in value.items()
            }
        else:
            found["protocol", words.label(name).replace("f med", "F_med")] = value
    found |= {("versions", f"Version of {name}"): it for name, it in record.versions.items()}
    found |= {("versions", f"Machine, {name}"): it for name, it in record.machine.items()}
    return {key: _written(value) for key, value in found.items()}


def _short(digest: Any) -> str | None:
    return None if not digest else str(digest)[:12]


def _named(settings: Any) -> str | None:
    return str(settings.get("name")) if isinstance(settings, dict) else None


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    return words.DASH if value is None else f"{value:,}" if isinstance(value, int) else str(value)


def differing(fields: Sequence[Field], kind: str) -> list[str]:
    """Return the labels of a kind's fields that differ."""
    return [field.label for field in fields if field.kind == kind and field.differs]


def comparison_cautions(studies: Sequence[Compared], fields: Sequence[Field]) -> list[Caution]:
    """Return what speaks against comparing the studies, the gravest first, then plain notes."""
    found = [
        *_of_the_setup(studies, fields),
        *_of_each(studies),
        *_of_the_search(studies),
        Caution(
            level="note",
            title="Chosen here",
            text="Every winner was chosen on validation images that it is measured on here, so "
            "that all scores are optimistic, and a difference holds the luck of both choices.",
        ),
        Caution(
            level="note",
            title="Test part left out",
            text="Nothing here is measured on the test part. Who chooses between studies by their "
            "retests makes the test part take part in the choice; each study's own page has its "
            "retest.",
        ),
    ]
    return sorted(found, key=lambda item: _LEVELS.index(item.level))


def _of_the_setup(studies: Sequence[Compared], fields: Sequence[Field]) -> list[Caution]:
    found = []
    if _many(study.record.dataset.get("digest") for study in studies):
        text = "Scores on different images are not comparable: one set may be the easier one."
        found.append(Caution(level="danger", title="Different data", text=text))
    elif _many(study.record.split.get("digest") for study in studies):
        text = (
            "The validation images are not the same, so that scores are not comparable: which "
            "lesions fall into the validation part may decide more than the network does."
        )
        found.append(Caution(level="danger", title="Different splits", text=text))
    if _many(study.record.dataset.get("positive") for study in studies):
        text = "Sensitivity of one study is specificity of another; F_med is the same for both."
        found.append(Caution(level="warning", title="Positive class", text=text))
    if labels := differing(fields, "protocol"):
        text = (
            f"These differ: {', '.join(labels)}. Scores are not comparable as scores of "
            "networks: the protocol may make the difference."
        )
        found.append(Caution(level="warning", title="Different protocol", text=text))
    if _many(study.record.seed for study in studies):
        text = (
            "Each seed draws an augmented validation set of its own; the plain figures do not "
            "depend on it."
        )
        found.append(Caution(level="note", title="Different seeds", text=text))
    return found


def _of_each(studies: Sequence[Compared]) -> list[Caution]:
    found = []
    records = [study.record for study in studies]
    if names := _letters(bool(record.split.get("leaking_groups")) for record in records):
        text = (
            f"{names}: images that belong together lie in more than one part. Scores reward "
            "recognising the same lesion again and say little about new ones."
        )
        found.append(Caution(level="danger", title="The split leaks", text=text))
    if names := _letters(bool(record.dataset.get("synthetic")) for record in records):
        text = f"{names}: the images are drawn by a program and say nothing about patients."
        found.append(Caution(level="warning", title="Synthetic data", text=text))
    if names := _letters(is_cut(record.protocol) for record in records):
        text = f"{names}: not the full protocol; the order of trials may change with it."
        found.append(Caution(level="warning", title="Cut budget", text=text))
    if names := _letters(progress(record) != "finished" for record in records):
        text = f"{names}: not all trials have ended; “winner” is the best so far."
        found.append(Caution(level="warning", title="Unfinished", text=text))
    return found


def _of_the_search(studies: Sequence[Compared]) -> list[Caution]:
    amounts = [counts(study.record)["complete"] for study in studies]
    if not all(amounts) or not _many(amounts):
        return []
    most, least = max(amounts), min(amounts)
    text = (
        f"The best of {most:,} complete trials stands against the best of {least:,}. Of equally "
        f"good networks, the best lies {words.best_of(most):.1f} standard deviations of the "
        f"score's noise too high with {most:,}, {words.best_of(least):.1f} with {least:,}."
    )
    return [Caution(level="warning", title="Unequal searches", text=text)]


def _many(values: Any) -> bool:
    return len({str(value) for value in values}) > 1


def _letters(which: Any) -> str:
    """Return the letters of the studies for which something holds."""
    return ", ".join(letter(place) for place, holds in enumerate(which) if holds)
