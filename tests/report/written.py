"""What a written page holds."""

from __future__ import annotations

import json
import re
from typing import Any

from study.report.page import write_report

EVIL = "<img src=x onerror=alert(1)>"


def page_of(study: Any) -> str:
    path = write_report(study.record, study_dir=study.study_dir, out_dir=study.out_dir)
    return path.read_text(encoding="utf-8")


def without_plotly(html: str) -> str:
    """Return the page less its longest script, which is plotly's."""
    scripts = re.findall(r"<script>(.*?)</script>", html, flags=re.DOTALL)
    return html.replace(max(scripts, key=len), "")


def data_of(html: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="page-data">(.*?)</script>', html)
    assert found is not None
    data: dict[str, Any] = json.loads(found[1])
    return data
