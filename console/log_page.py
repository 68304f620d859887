"""What `logs` prints for people."""

from collections.abc import Iterable
from itertools import cycle

from rich.text import Text

from console.screen import out
from console.shapes import LogLine

COLOURS = ("cyan", "magenta", "blue", "yellow", "green")
"""One for each replica, in the order in which they come; red is left for trouble."""


def print_logs(lines: Iterable[LogLine], *, follow: bool) -> None:
    """Print lines as they are, each after its replica's id where there may be more than one replica."""
    if not follow:
        lines = list(lines)
    many = follow or len({line.replica for line in lines}) > 1
    colours = cycle(COLOURS)
    styles: dict[str, str] = {}
    console = out()
    for line in lines:
        if line.replica not in styles:
            styles[line.replica] = next(colours)
        head = Text(f"{line.replica}  ", styles[line.replica]) if many else Text()
        console.print(head + Text(line.text), soft_wrap=True)
