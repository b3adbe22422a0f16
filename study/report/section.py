"""What a part of the page is made of, and what it is made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import pandas as pd
import plotly.graph_objects as go

from study.records import StudyRecord
from study.report.cautions import Caution, cautions
from study.report.markup import Markup, element
from study.report.tables import TableInfo, table_info
from study.workspace import StudyFolder


@dataclass(frozen=True, kw_only=True, eq=False)
class Evidence:
    """All that a section may draw on; equal to itself alone, so that what is made can be kept."""

    record: StudyRecord
    trials: pd.DataFrame
    """``frames.trials_frame`` of the record."""
    folder: StudyFolder
    """The study's artifacts; any of them may be missing, torn or still growing."""
    images: bool = True
    """Whether pictures of the data may be shown."""

    @cached_property
    def cautions(self) -> Sequence[Caution]:
        """What speaks against the study's figures, the gravest first."""
        return cautions(self.record)

    @cached_property
    def table(self) -> TableInfo:
        """The table of all trials."""
        return table_info(self.record)


@dataclass(frozen=True, kw_only=True)
class Section:
    """One tab of the page."""

    key: str
    """Its anchor: ``complexity``."""
    title: str
    look_for: str
    """One sentence on what a reader should look for here."""
    shows: str
    """One sentence, computed, on what this study shows."""
    body: Markup
    figures: Mapping[str, go.Figure] = field(default_factory=dict)
    """By the name under which ``chart`` placed them in the body.

    A point whose ``customdata`` is a trial's number selects that trial when it is clicked. Where
    the last trace is called ``selected`` the page moves it to the selected trial's point.
    """


def chart(name: str, caption: str, spoken: str, *, note: str | None = None) -> Markup:
    """Return the place of a figure; ``spoken`` is what a screen reader says in its stead."""
    return element(
        "figure",
        element("figcaption", caption),
        element("div", class_="chart tall", data_figure=name, role="img", aria_label=spoken),
        element("p", note, class_="aside") if note else None,
    )


def hidden(reason: str) -> Markup:
    """Return what stands in the place of something that cannot be shown, and why."""
    return element("p", reason, class_="empty")
