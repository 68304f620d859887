"""Text for people: tables that fit 80 columns, colour only on a terminal, JSON for scripts."""

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import BaseModel
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

PLAIN_WIDTH = 1000
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


def prose(text: str, indent: int = 0, style: str = "") -> None:
    """Print sentences, wrapped between words on a terminal."""
    from rich.padding import Padding
    from rich.text import Text

    console = out()
    if console.is_terminal:
        console.print(Padding(Text(text, style), (0, 0, 0, indent), expand=False))
    else:
        console.print(Text(" " * indent + text, style), soft_wrap=True)


def entry(console: "Console", head: "Text", body: "Text") -> None:
    """Print `head`, and `body` beside it: wrapped below itself on a terminal, on one line elsewhere."""
    from rich.table import Table

    if not console.is_terminal:
        return console.print(head + body, soft_wrap=True)
    grid = Table.grid(expand=False)
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row(head, body)
    return console.print(grid)


def waiting(text: str) -> AbstractContextManager[object]:
    """Say on a terminal that something is awaited, as long as the block runs."""
    console = err()
    return console.status(text) if console.is_terminal else nullcontext()


def print_json(shape: "BaseModel") -> None:
    """Print a shape as JSON, in its public names."""
    print_data(shape.model_dump(mode="json", by_alias=True))


def print_data(data: object) -> None:
    """Print plain data as JSON."""
    sys.stdout.write(json.dumps(data, indent=2, ensure_ascii=False) + "\n")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table without frames: its last column takes what space is left and folds."""
    console = out()
    with console.capture() as captured:
        console.print(_table(columns, rows))
    sys.stdout.write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> "Table":
    from rich.table import Table
    from rich.text import Text

    found = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
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
    """`12.5` → `12.5%`, `100.0` → `100%`."""
    return f"{share:g}%"


def brief(release: str) -> str:
    """`blue@3f2a9c41d0e7` → `blue@3f2a9c4`, as short as people say commits."""
    deployment, at, digest = release.partition("@")
    return deployment + at + digest[:7]


def count(number: int, noun: str) -> str:
    """`1 error`, `2 errors`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def nearest(word: str, options: Sequence[str], count: int) -> list[str]:
    """The options most like a word, the best first."""
    from difflib import SequenceMatcher

    def likeness(option: str) -> float:
        return SequenceMatcher(None, word.lower(), option.lower()).ratio()

    return sorted(options, key=likeness, reverse=True)[:count]


def shares(split: Mapping[str, float], separator: str = ", ") -> str:
    """`{"blue": 90, "green": 10}` → `blue 90%, green 10%`; `none` where empty."""
    return separator.join(f"{brief(name)} {percent(share)}" for name, share in split.items()) or "none"
