"""Figures, the spread of repeated ones, and the tables that show them."""

import json
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

WIDTH = 98


@dataclass(frozen=True, slots=True)
class Spread:
    """Repeated measurements of one thing."""

    values: tuple[float, ...]

    @classmethod
    def of(cls, values: Iterable[float]) -> "Spread":
        """Gather values; there must be one at least."""
        return cls(tuple(values))

    def at(self, share: float) -> float:
        """The value below which `share` of all lie (nearest rank)."""
        ordered = sorted(self.values)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    @property
    def median(self) -> float:
        """The middle value."""
        return statistics.median(self.values)

    def cells(self, form: str = ".2f") -> tuple[str, str, str]:
        """Minimum, median and maximum as text."""
        return tuple(format(value, form) for value in (min(self.values), self.median, max(self.values)))  # type: ignore[return-value]


@dataclass(frozen=True, slots=True)
class Aim:
    """What is wanted of one figure, and what it was."""

    what: str
    wanted: str
    measured: float
    met: bool
    unit: str = ""


@dataclass(slots=True)
class Section:
    """One part's outcome: a table, remarks, and the aims that it decides."""

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    aims: list[Aim] = field(default_factory=list)
    figures: dict[str, object] = field(default_factory=dict)

    def show(self, console: Console) -> None:
        """Print the table and its remarks."""
        table = Table(title=self.title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
        for number, column in enumerate(self.columns):
            table.add_column(column, justify="right" if number else "left", no_wrap=number > 0)
        for row in self.rows:
            table.add_row(*row)
        console.print(table)
        for remark in self.remarks:
            console.print(f"  {remark}", highlight=False)
        console.print()


def show_aims(console: Console, sections: Sequence[Section]) -> None:
    """Print which aims were met, and which were missed."""
    table = Table(title="Against the aims", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("", "aim", "measured", "verdict"):
        table.add_column(column)
    for aim in (aim for section in sections for aim in section.aims):
        table.add_row(aim.what, aim.wanted, f"{aim.measured:.3g} {aim.unit}", "pass" if aim.met else "MISS")
    console.print(table)


def write(path: Path, machine: object, sections: Sequence[Section]) -> None:
    """Write every figure as JSON."""
    found = [
        {"title": section.title, "figures": section.figures, "aims": [asdict(aim) for aim in section.aims]}
        for section in sections
    ]
    path.write_text(json.dumps({"machine": machine, "sections": found}, indent=1, default=_plain) + "\n")


def _plain(value: object) -> object:
    if isinstance(value, Spread):
        return {
            "n": len(value.values),
            "min": min(value.values),
            "median": value.median,
            "p99": value.at(0.99),
            "max": max(value.values),
        }
    return str(value)


Progress = Callable[[str], None]
"""Says on standard error what goes on."""
