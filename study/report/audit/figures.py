"""The figures of an audit: data -> a small named value ("info") -> a plotly figure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import plotly.graph_objects as go

from study.report import words
from study.report.audit.section import PIXELS, BaselineInfo
from study.report.markup import plotly_text
from study.report.style import AXIS, BAR, INK, LEGEND, SURFACE, TRAIN, VALIDATION, layout

SIZES_DRAWN = 3_000
"""Most sizes drawn of one class; SVG grows slow beyond."""

_PATHS_TOLD = 3
_ROW = 34

_KINDS = {
    "better than chance": (VALIDATION, ""),
    "not better": (BAR, ""),
    "pixels, random folds": (TRAIN, "/"),
    "pixels, grouped folds": (AXIS, ""),
}
_PATTERN = {"fillmode": "overlay", "fgcolor": SURFACE, "fgopacity": 0.8, "size": 6, "solidity": 0.3}


def _kind(info: BaselineInfo) -> str:
    at_random, together = list(_KINDS)[2:]
    if info.key in PIXELS:
        return at_random if info.key == "pixels_svm_random" else together
    return list(_KINDS)[0 if info.is_shortcut else 1]


def baselines_height(infos: list[BaselineInfo]) -> int:
    """Return the height of the chart of baselines, pixels."""
    return 110 + _ROW * len(infos)


def baselines_figure(infos: list[BaselineInfo]) -> go.Figure:
    """Draw a bar a baseline from top to bottom, with a mark at what chance may reach."""
    figure = go.Figure(layout=layout())
    for kind, (color, pattern) in _KINDS.items():
        shown = [info for info in infos if _kind(info) == kind]
        if shown:
            figure.add_bar(
                y=[plotly_text(info.label) for info in shown],
                x=[info.f_med for info in shown],
                orientation="h",
                name=kind,
                marker={
                    "color": color,
                    "pattern": {**_PATTERN, "shape": pattern},
                },
                hovertext=[_hover(info) for info in shown],
                hoverinfo="text",
                showlegend=not kind.startswith("pixels"),
            )
    compared = [info for info in infos if info.chance is not None]
    if compared:
        figure.add_scatter(
            y=[plotly_text(info.label) for info in compared],
            x=[info.chance for info in compared],
            name="by chance at most",
            mode="markers",
            marker={
                "symbol": "line-ns",
                "size": 18,
                "color": INK,
                "line": {"width": 2, "color": INK},
            },
            hoverinfo="skip",
        )
    figure.add_scatter(
        y=[plotly_text(info.label) for info in infos],
        x=[1.01] * len(infos),
        text=[f"{info.f_med:.2f}" for info in infos],
        mode="text",
        textposition="middle right",
        cliponaxis=False,
        hoverinfo="skip",
        showlegend=False,
    )
    figure.update_xaxes(range=[0, 1.12], tickvals=[0, 0.25, 0.5, 0.75, 1])
    figure.update_xaxes(title_text="F_med under cross-validation")
    figure.update_yaxes(
        categoryorder="array",
        categoryarray=[plotly_text(info.label) for info in reversed(infos)],
        automargin=True,
        showgrid=False,
        ticks="",
    )
    figure.update_layout(barmode="overlay", bargap=0.35, legend=LEGEND, showlegend=True)
    figure.update_layout(hovermode="closest", dragmode=False)
    return figure


def _hover(info: BaselineInfo) -> str:
    chance = f"<br>by chance at most {info.chance:.3f}" if info.chance is not None else ""
    return f"<b>{plotly_text(info.label)}</b><br>F_med {info.f_med:.3f}{chance}"


@dataclass(frozen=True, kw_only=True)
class SizeInfo:
    """The images of one class that have the same width and height."""

    width: int
    height: int
    paths: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class SizesInfo:
    """Every class with its distinct sizes, by width and height."""

    classes: dict[str, list[SizeInfo]]
    left_out: int
    """Sizes that are not drawn."""


def sizes_info(images: Iterable[tuple[str, str, int, int]]) -> SizesInfo:
    """Gather ``(path, class, width, height)``; of too many sizes, evenly spaced ones are kept."""
    found: dict[str, dict[tuple[int, int], list[str]]] = defaultdict(lambda: defaultdict(list))
    for path, label, width, height in images:
        found[label][width, height].append(path)
    classes, left_out = {}, 0
    for label, sizes in sorted(found.items()):
        points = [
            SizeInfo(width=width, height=height, paths=tuple(paths))
            for (width, height), paths in sorted(sizes.items())
        ]
        step = -(-len(points) // SIZES_DRAWN)
        classes[label] = points[::step]
        left_out += len(points) - len(classes[label])
    return SizesInfo(classes=classes, left_out=left_out)


def sizes_figure(info: SizesInfo, *, positive: str) -> go.Figure:
    """Draw a mark a size, its area after the number of images, its shape after the class."""
    figure = go.Figure(layout=layout())
    largest = max((len(p.paths) for points in info.classes.values() for p in points), default=1)
    for label, points in info.classes.items():
        is_positive = label == positive
        figure.add_scatter(
            x=[point.width for point in points],
            y=[point.height for point in points],
            name=plotly_text(label),
            mode="markers",
            marker={
                "symbol": "diamond" if is_positive else "circle",
                "color": TRAIN if is_positive else VALIDATION,
                "size": [7 + 15 * ((len(p.paths) - 1) / largest) ** 0.5 for p in points],
                "opacity": 0.7,
                "line": {"width": 1, "color": SURFACE},
            },
            hovertext=[_hover_size(label, point) for point in points],
            hoverinfo="text",
        )
    figure.update_xaxes(title_text="Width, pixels", rangemode="tozero")
    figure.update_yaxes(title_text="Height, pixels", rangemode="tozero")
    figure.update_layout(legend={**LEGEND, "itemsizing": "constant"}, showlegend=True)
    figure.update_layout(hovermode="closest", margin={"l": 56})
    return figure


def _hover_size(label: str, point: SizeInfo) -> str:
    paths = [plotly_text(path) for path in point.paths[:_PATHS_TOLD]]
    more = len(point.paths) - len(paths)
    paths += [f"and {more:,} more"] if more else []
    images = words.plural(len(point.paths), "image")
    head = f"<b>{point.width:,} x {point.height:,}</b> {plotly_text(label)}, {images}"
    return "<br>".join([head, *paths])
