"""What the checks of the data found before the search."""

from __future__ import annotations

from archloom.report._context import Context
from archloom.report._format import text
from archloom.report._html import paragraph, section, table


def data_checks(context: Context) -> str:
    """The findings about the data, the ones that mislead first; nothing where there were none."""
    found = [
        (text(finding.get("severity")), text(finding.get("message")))
        for noted in context.study.notes("data")
        for finding in noted.data.get("findings", [])
    ]
    if not found:
        return ""
    rows = sorted(dict.fromkeys(found), key=lambda row: row[0] != "warning")
    return section(
        "data",
        "What the data checks found",
        paragraph(
            "Checked before the search, across all splits. Scores mean what they seem to "
            "only where no warning stands here."
        ),
        table("Findings about the data", ["Kind", "Finding"], rows),
    )
