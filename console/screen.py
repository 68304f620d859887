"""Text for people: tables that fit 80 columns, colour only on a terminal, JSON for scripts."""

import json
import os
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import BaseModel
    from rich.console import Console
    from rich.table import Table

PLAIN_WIDTH = 200
"""Columns where the output is no terminal: a pipe does not wrap."""


def out() -> "Console":
    """Standard output."""
    return _console(stderr=False)


def err() -> "Console":
    """Standard error: progress, warnings, faults."""
    return _console(stderr=True)


def _console(*, stderr: bool) -> "Console":
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() or "COLUMNS" in os.environ else PLAIN_WIDTH
    return Console(stderr=stderr, highlight=False, markup=False, emoji=False, soft_wrap=False, width=width)


def say(text: str, style: str | None = None) -> None:
    """Print lines as they are: not wrapped, so that commands in them paste."""
    out().print(text, style=style, soft_wrap=True)


def print_json(shape: "BaseModel") -> None:
    """Print a shape as JSON, in its public names."""
    print_data(shape.model_dump(mode="json", by_alias=True))


def print_data(data: object) -> None:
    """Print plain data as JSON."""
    sys.stdout.write(json.dumps(data, indent=2, ensure_ascii=False) + "\n")


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> "Table":
    """A table without frames: its last column takes what space is left and folds."""
    from rich.box import Box
    from rich.table import Table
    from rich.text import Text

    none = Box("    \n" * 8, ascii=True)
    found = Table(box=none, show_edge=False, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for index, column in enumerate(columns):
        last = index == len(columns) - 1
        found.add_column(column, overflow="fold", no_wrap=not last)
    for row in rows:
        found.add_row(*(Text(cell, style=tone(cell)) for cell in row))
    return found


def tone(word: str) -> str:
    """The colour of a state word; none for any other text."""
    match word:
        case "Ready" | "Succeeded" | "True" | "ok" | "ready" | "Normal":
            return "green"
        case "Failed" | "Stalled" | "fail" | "error" | "TimedOut":
            return "bold red"
        case "Updating" | "Creating" | "Deleting" | "Progressing" | "Held" | "warn" | "warning" | "Warning":
            return "yellow"
        case _:
            return ""


def short(commit: str | None) -> str:
    """A commit id as people say it; what follows `+` (uncommitted edits) is kept."""
    if not commit:
        return "none"
    base, plus, edits = commit.partition("+")
    return base[:7] + plus + edits[:7]


def percent(share: float) -> str:
    """`12.5` → `12.5 %`, `100.0` → `100 %`."""
    return f"{share:g} %"


def shares(split: "dict[str, int] | dict[str, float]") -> str:
    """`{"blue": 90, "green": 10}` → `blue 90 %, green 10 %`; `none` where empty."""
    return ", ".join(f"{name} {percent(share)}" for name, share in split.items()) or "none"
