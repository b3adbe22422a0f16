"""What an audit says, in words and tables: for the study's page and for the audit's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from study.dataset.audit.result import is_shortcut
from study.records import StudyRecord
from study.report import words
from study.report.markup import Markup, element, join

LEFT_OUT_SHOWN = 200

LEVELS = {"error": "danger", "warning": "warning", "note": "note"}
"""Grade of a finding to the level of a caution."""

_TITLES = {
    "straddling-groups": "The split leaks",
    "near-copies-across-parts": "Near-copies across parts",
    "near-copies-across-groups": "Near-copies across groups",
    "cut-groups": "Long clips divided",
    "ratio-missed": "Ratio not reached",
    "flat-images": "Flat images",
    "mixed-depths": "Different bit depths",
    "label-conflicts": "Contradictory labels",
    "exact-duplicates": "Exact copies",
    "copies-sampled": "Copies on a sample",
    "broken-files": "Files left out",
    "unreliable-grouping": "Unreliable groups",
    "content-groups": "Groups by content",
    "mixed-groups": "Groups of both classes",
    "ungrouped-images": "Images without a group",
    "given-parts-set-aside": "Given parts set aside",
    "validation-cut": "Validation part",
    "animations": "First frames only",
    "pixels-baseline": "Pixels alone",
}

SHORTCUTS = {
    "size_only": "Width, height, aspect",
    "width": "Width",
    "height": "Height",
    "aspect": "Aspect ratio",
    "mean_grey": "Mean grey level",
    "file_size": "File size",
    "file_format": "File format",
}
"""Features that say nothing of the tissue, by the name of their baseline."""

PIXELS = {
    "pixels_svm_random": "Pixels, random folds",
    "pixels_svm_grouped": "Pixels, grouped folds",
}


def finding_title(code: str) -> str:
    """Return what a finding is called on the page: a title, or its code in words."""
    return _TITLES.get(code) or code.replace("-", " ").capitalize()


@dataclass(frozen=True, kw_only=True)
class BaselineInfo:
    """One baseline: how well an SVM tells the classes from so little."""

    key: str
    label: str
    f_med: float
    chance: float | None
    """The highest F_med with labels permuted over groups, where that was measured."""

    @property
    def is_shortcut(self) -> bool:
        """Whether it sees nothing of the tissue and still beats a coin and every permutation."""
        return self.key not in PIXELS and is_shortcut(self.f_med, self.chance)


def baseline_infos(audit: dict[str, Any]) -> list[BaselineInfo]:
    """Return the baselines that could be measured, shortcuts first, then the pixels."""
    labels = SHORTCUTS | PIXELS
    measured = audit.get("baselines") or {}
    chance = audit.get("chance") or {}
    names = [*(key for key in labels if key in measured), *(set(measured) - set(labels))]
    return [
        BaselineInfo(
            key=key,
            label=labels.get(key) or words.label(key),
            f_med=f_med,
            chance=words.number(chance.get(key)),
        )
        for key in names
        if (f_med := words.number(measured[key])) is not None
    ]


def shortcut_sentences(audit: dict[str, Any]) -> list[str]:
    """Return what the baselines mean: which are shortcuts, what is missing, the sample."""
    infos = {info.key: info for info in baseline_infos(audit)}
    found = [_of_shortcuts(list(infos.values()))] if set(infos) - set(PIXELS) else []
    missing = [
        SHORTCUTS.get(key, PIXELS.get(key, key)).lower()
        for key, f_med in (audit.get("baselines") or {}).items()
        if words.number(f_med) is None
    ]
    if missing:
        found.append(
            f"No figure for {'; '.join(missing)}: the same in every image, or too few groups."
        )
    measured, images = int(audit.get("baseline_images") or 0), int(audit.get("images") or 0)
    if 0 < measured < images:
        found.append(f"Measured on a sample of {measured:,} of {images:,} images, whole groups.")
    return found


def _of_shortcuts(infos: list[BaselineInfo]) -> str:
    above = [f"{info.label.lower()} (F_med {info.f_med:.2f})" for info in infos if info.is_shortcut]
    if not above:
        return "Size, grey level and file tell the classes no better than chance."
    return (
        "Better than chance, the highest F_med with labels permuted over groups, and so a shortcut "
        f"that a network may take: {'; '.join(above)}."
    )


def copies_sentences(audit: dict[str, Any]) -> list[str]:
    """Return what is known of exact copies, contradictory labels and near-copies."""
    exact = audit.get("exact_duplicates") or []
    conflicts = audit.get("label_conflicts") or []
    found = [
        f"{words.plural(len(sets), 'set')} of images with the same pixels {where}."
        for sets, where in ((exact, "in one class"), (conflicts, "in different classes"))
        if sets
    ] or ["No two images have the same pixels."]
    near = (audit.get("near_copies") or {}).get("in_words")
    return [*found, str(near)] if near else found


def findings_html(findings: Sequence[dict[str, Any]]) -> Markup:
    """Return the findings as a list, each with its grade in a word."""
    items = (
        element(
            "li",
            element("span", str(finding.get("grade")).capitalize(), class_="grade"),
            element("strong", finding_title(str(finding.get("code")))),
            element("span", str(finding.get("message"))),
            class_=LEVELS.get(str(finding.get("grade")), "note"),
        )
        for finding in findings
    )
    return element("ul", *items, class_="cautions findings")


def baselines_table(infos: list[BaselineInfo]) -> Markup:
    """Return the baselines with their F_med beside the highest of permuted labels."""
    heads = ("What an SVM sees", "F_med", "By chance at most")
    head = element(
        "tr",
        *(
            element("th", text, scope="col", class_="n" if at else None)
            for at, text in enumerate(heads)
        ),
    )
    rows = (
        element(
            "tr",
            element("th", info.label, scope="row"),
            element("td", f"{info.f_med:.2f}", class_="n strong" if info.is_shortcut else "n"),
            element("td", words.DASH if info.chance is None else f"{info.chance:.2f}", class_="n"),
        )
        for info in infos
    )
    return element("table", element("thead", head), element("tbody", *rows), class_="plain")


def left_out_html(files: Sequence[tuple[str, str]]) -> Markup | None:
    """Return paths and reasons of files that could not be used, folded; None without any."""
    if not files:
        return None
    items = [
        element("li", element("code", path), f": {reason}")
        for path, reason in files[:LEFT_OUT_SHOWN]
    ]
    if len(files) > LEFT_OUT_SHOWN:
        items.append(element("li", f"and {len(files) - LEFT_OUT_SHOWN:,} more"))
    title = element("summary", f"{words.plural(len(files), 'file')} left out")
    return element("details", title, element("ul", *items), open=len(files) <= 10)


def audit_html(record: StudyRecord) -> Markup | None:
    """Return the audit's part of the study's page; None for a ledger without an audit."""
    audit = record.audit
    if audit is None:
        return None
    infos = baseline_infos(audit)
    shortcuts = (
        join(
            element("h3", "Shortcuts"),
            element("p", " ".join(shortcut_sentences(audit))),
            element("div", baselines_table(infos), class_="scroll narrow"),
        )
        if infos
        else None
    )
    findings = audit.get("findings") or []
    return join(
        element("h3", "Audit"),
        findings_html(findings) if findings else element("p", "Nothing was found."),
        shortcuts,
        element("h3", "Copies"),
        element("p", " ".join(copies_sentences(audit))),
    )
