"""One row of the tables: a text, whether anybody takes it, and the documented differences that it shows."""

from dataclasses import dataclass
from textwrap import dedent


@dataclass(frozen=True, slots=True)
class Case:
    """A text; `is_good`: at least one of the loaders takes it."""

    text: str
    is_good: bool
    shows: frozenset[str] = frozenset()

    def __str__(self) -> str:
        return " / ".join(line.strip() for line in self.text.strip().splitlines())[:80]


def good(text: str, *shows: str) -> Case:
    """A text that at least one loader takes."""
    return Case(dedent(text), is_good=True, shows=frozenset(shows))


def bad(text: str) -> Case:
    """A text that both refuse."""
    return Case(dedent(text), is_good=False)
