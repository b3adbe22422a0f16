"""Small tables of numbers and words within a tab, and the links to trials in them."""

from __future__ import annotations

from collections.abc import Sequence

from study.report.markup import Content, Markup, element, join

Rows = Sequence[Sequence[Content]]


def plain_table(
    heads: Sequence[str], rows: Rows, *, text: int = 0, spoken: str = "Table"
) -> Markup:
    """Return a table in a frame that scrolls; the first cell of a row is its heading.

    The last ``text`` columns hold words, the others but the first numbers. ``spoken`` is what a
    screen reader calls the frame.
    """
    numeric = len(heads) - 1 - text
    kinds = [None, *["n"] * numeric, *["why"] * text]
    head = (
        element("th", name, scope="col", class_=kind if kind == "n" else None)
        for name, kind in zip(heads, kinds, strict=True)
    )
    body = (
        element(
            "tr",
            element("th", row[0], scope="row"),
            *(
                element("td", cell, class_=kind)
                for cell, kind in zip(row[1:], kinds[1:], strict=True)
            ),
        )
        for row in rows
    )
    table = element(
        "table", element("thead", element("tr", *head)), element("tbody", *body), class_="plain"
    )
    return element(
        "div", table, class_="scroll narrow", tabindex=0, role="region", aria_label=spoken
    )


def trial_links(numbers: Sequence[int], most: int = 5) -> Markup:
    """Return links to the first trials, and how many more there are."""
    links = (element("a", number, href=f"#trial-{number}") for number in numbers[:most])
    more = f" and {len(numbers) - most:,} more" if len(numbers) > most else None
    return join(Markup(", ".join(links)), more)
