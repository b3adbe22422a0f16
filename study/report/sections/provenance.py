"""Where the figures come from: command, space, search, protocol, versions, machine."""

from __future__ import annotations

from study.report import words
from study.report.provenance import provenance_html
from study.report.section import Evidence, Section


def section(evidence: Evidence) -> Section:
    """Return the tab with all that is needed to repeat the study."""
    record = evidence.record
    versions = record.versions
    named = [
        f"{title} {versions[name]}"
        for name, title in (("study", "study"), ("tensorflow", "TensorFlow"), ("optuna", "Optuna"))
        if versions.get(name)
    ]
    with_what = f" with {', '.join(named)}" if named else ""
    spent = evidence.trials["seconds"].sum()
    return Section(
        key="provenance",
        title="Provenance",
        look_for=(
            "Look here for what it takes to repeat the study: the same command, versions, seed and "
            "data digest give the same split and the same variants."
        ),
        shows=(
            f"This study was made{with_what}, from seed {record.seed}; its trials took "
            f"{words.duration(float(spent))} in all, summed over the workers."
        ),
        body=provenance_html(record),
    )
