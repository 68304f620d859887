"""Memory rows that an older Headgate wrote, in today's form."""

import json
from typing import Any

FORMAT = 2
"""Format of a memory row. 1: moves in one step, without a record of their own."""


def upgrade_row(format_: int, text: str) -> str:
    """Today's form of a row: a move that was under way begins anew from where it started."""
    if format_ >= FORMAT:
        return text
    row: dict[str, Any] = json.loads(text)
    phase = row.get("phase", {})
    if phase.get("kind") in ("warming", "shifting", "reverting"):
        row["phase"] = {"kind": "settled", "split": phase.get("source", [])}
    return json.dumps(row)
