"""What makes a page one file that asks no network: embedded parts, data, and a policy."""

from __future__ import annotations

import base64
import hashlib
import html
import json
from importlib.resources import files
from string import Template
from typing import Any


def asset(name: str) -> str:
    """Return a part of a page from the package: HTML, styles or script."""
    return (files("study.report") / "assets" / name).read_text(encoding="utf-8")


def page_head(title: str, *scripts: str) -> str:
    """Return the head of a page up to its own styles: policy, title, styles, and the theme.

    ``scripts`` are those that the page runs in its body.
    """
    theme = asset("theme.js")
    return Template(asset("head.html")).substitute(
        policy=policy(theme, *scripts),
        title=html.escape(title),
        css=asset("page.css"),
        theme=theme,
    )


def embedded(data: dict[str, Any]) -> str:
    """Return JSON that cannot end the script element around it."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")


def policy(*scripts: str) -> str:
    """Return a content security policy: these inline scripts, and no request to anywhere."""
    digests = (hashlib.sha256(script.encode()).digest() for script in scripts)
    allowed = " ".join(f"'sha256-{base64.b64encode(d).decode()}'" for d in digests)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )
