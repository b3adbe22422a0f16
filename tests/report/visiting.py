"""A page in a real browser, and what the browser says of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from study.report.page import SECTIONS

KEYS = [module.__name__.removesuffix(".section").rpartition(".")[2] for module in SECTIONS]
"""The tabs of a report."""


@dataclass
class Visit:
    """An opened page and what the browser said meanwhile."""

    page: Any
    file: Path
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    @property
    def strange_requests(self) -> set[str]:
        """Addresses that are neither the page itself nor pictures inside it."""
        own = self.file.as_uri()
        return {url for url in self.requests if url.split("#")[0] != own and url[:5] != "data:"}

    def wait_until_drawn(self) -> None:
        """Wait for the first chart."""
        self.page.wait_for_function("document.querySelectorAll('.chart svg.main-svg').length > 0")

    def rows(self) -> list[str]:
        """Return the numbers of the trials that the table lists, from top to bottom."""
        found: list[str] = self.page.eval_on_selector_all(
            "#trials-table tbody tr", "rows => rows.map(row => row.dataset.trial)"
        )
        return found

    def open(self, key: str) -> None:
        """Open a tab."""
        self.page.click(f'nav a[href="#{key}"]')
        self.page.wait_for_selector(f"section.panel.{key}.open")
