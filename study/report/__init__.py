"""The HTML report: tables, figures, page."""
