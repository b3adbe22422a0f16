"""How every figure of the page looks: colours for light and dark, axes, plotly's settings."""

from __future__ import annotations

from typing import Any

# Okabe and Ito's palette, which colour-blind readers can tell apart; greys for the rest.
VALIDATION, TRAIN, PLAIN = "#0072b2", "#d55e00", "#009e73"
INK, AXIS, GRID, SURFACE = "#1c2024", "#848c94", "#e4e7ea", "#ffffff"
BAR, SOFT = "#8db7d3", "#b4bbc2"
EXTRA = "#cc79a7"
"""A fourth colour of the same palette, for what is neither training nor validation."""
VALIDATION_BAND, TRAIN_BAND, ZONE = "#0072b226", "#d55e0026", "#848c941f"
"""Translucent: a band around a line of that colour; a zone behind the points."""
SEQUENTIAL = ("#eef4f9", "#b9d4e8", "#74abd2", "#2f7fb8", "#00507f")
"""Low to high, where colour means an amount."""

DARK = {
    VALIDATION: "#56b4e9",
    TRAIN: "#e69f00",
    PLAIN: "#00b386",
    INK: "#e3e6e9",
    AXIS: "#757e87",
    GRID: "#2c3238",
    SURFACE: "#14171a",
    BAR: "#2f6484",
    SOFT: "#5b646d",
    EXTRA: "#d99ac0",
    VALIDATION_BAND: "#56b4e92e",
    TRAIN_BAND: "#e69f002e",
    ZONE: "#757e8733",
    **dict(zip(SEQUENTIAL, ("#1b2733", "#1f4461", "#2b6a98", "#4a9bd0", "#b5defa"), strict=True)),
}
"""The colour that takes the place of each of the above on a dark page."""

CONFIG = {
    "displaylogo": False,
    "showSendToCloud": False,
    "responsive": True,
    "modeBarButtons": [["toImage", "resetScale2d"]],
}
"""How plotly shows every figure of the page: nothing is ever sent anywhere."""

_FONT = {"family": "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif", "size": 12}

LEGEND = {"orientation": "h", "x": 0, "xanchor": "left", "y": 1.02, "yanchor": "bottom"}

CALLOUT: dict[str, Any] = {
    "showarrow": True,
    "arrowhead": 0,
    "arrowwidth": 1,
    "arrowcolor": AXIS,
    "bgcolor": SURFACE,
    "opacity": 0.9,
    "font": {"size": 12, "color": INK},
}


def layout() -> dict[str, Any]:
    """Return the layout that all figures start from."""
    axis = {
        "gridcolor": GRID,
        "linecolor": AXIS,
        "tickcolor": AXIS,
        "zeroline": False,
        "showline": True,
        "ticks": "outside",
        "ticklen": 4,
        "fixedrange": False,
        "title": {"standoff": 8, "font": {"size": 12}},
    }
    return {
        "template": "none",
        "font": {**_FONT, "color": INK},
        "paper_bgcolor": SURFACE,
        "plot_bgcolor": SURFACE,
        "hoverlabel": {
            "bgcolor": SURFACE,
            "bordercolor": AXIS,
            "align": "left",
            "font": {**_FONT, "color": INK},
        },
        "margin": {"l": 44, "r": 12, "t": 34, "b": 44},
        "showlegend": False,
        "xaxis": dict(axis),
        "yaxis": dict(axis),
        "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": AXIS, "activecolor": INK},
        "dragmode": "zoom",
    }


def color_scale() -> list[list[Any]]:
    """Return plotly's scale of ``SEQUENTIAL``."""
    last = len(SEQUENTIAL) - 1
    return [[place / last, color] for place, color in enumerate(SEQUENTIAL)]
