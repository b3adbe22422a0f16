"""HTML and plotly text in which every name from outside is escaped."""

from __future__ import annotations

import html

_VOID = {"br", "input", "meta"}


class Markup(str):
    """Text that is HTML already; any other string is escaped when it is put into an element."""

    __slots__ = ()


Content = str | int | None


def element(name: str, /, *content: Content, **attributes: str | int | bool | None) -> Markup:
    """Return an element with its content and attributes escaped.

    ``class_`` and ``for_`` lose their underscore, other underscores become hyphens. An attribute
    that is True stands alone; one that is None or False is left out, as is content that is None.
    """
    opening = "".join(_attribute(key, value) for key, value in attributes.items())
    if name in _VOID:
        return Markup(f"<{name}{opening}>")
    return Markup(f"<{name}{opening}>{join(*content)}</{name}>")


def join(*content: Content) -> Markup:
    """Return the pieces one after the other, escaped unless they are ``Markup``."""
    return Markup("".join(_escape(item) for item in content if item is not None))


def _escape(item: str | int) -> str:
    return item if isinstance(item, Markup) else html.escape(str(item))


def _attribute(key: str, value: str | int | bool | None) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{html.escape(str(value))}"'


def plotly_text(text: object) -> str:
    """Escape a name for plotly, which reads titles, ticks and hover text as pseudo-HTML.

    This is beside the escaping of the JSON inside the page, which protects the page and not the
    chart.
    """
    return html.escape(str(text), quote=False)
