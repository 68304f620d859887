"""YAML text to plain data, with line and column of everything in it; bounded, and never raising."""

import re
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field

import yaml

from spec.problem import NOT_SHOWN, Problem
from spec.quoting import is_private, quotable, redact
from spec.tree import MAX_DEPTH, MAX_NODES, Node, Refused, Tree, grow

MAX_BYTES = 1024 * 1024
"""A larger file is not parsed."""

Path = tuple[Hashable, ...]

_PLACEHOLDER = re.compile(r"\{\{(\s*[A-Za-z_][\w.-]*\s*)\}\}")
_OPEN, _CLOSE = "\ue000\ue000", "\ue001\ue001"


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in a file; both count from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML file, parsed: `data` is plain Python, or None with `problems` saying why."""

    file: str
    text: str = field(repr=False)
    data: object = None
    problems: tuple[Problem, ...] = ()

    @property
    def mapping(self) -> Mapping[Hashable, object]:
        """The top-level mapping; empty where the document is something else."""
        return self.data if isinstance(self.data, dict) else {}

    def locate(self, path: Path, *, key: bool = False) -> Mark:
        """Where the value at `path` starts (with `key`, its key), or the nearest parent that is there."""
        try:
            root = grow(self.text).root
        except (Refused, yaml.YAMLError):
            return Mark(1, 1)
        return _descend(root, path, key=key)

    def problem(
        self, path: Path, message: str, *, found: object = None, allowed: str = "", key: bool = False
    ) -> Problem:
        """An error at one field of this document."""
        mark = self.locate(path, key=key)
        dotted = ".".join(str(part) for part in path)
        return Problem(self.file, mark.line, mark.column, dotted, message, show(found, path), allowed)


def parse(file: str, blob: bytes) -> Document:
    """Parse one file; what is wrong with it is in `problems`, and a duplicate key still leaves `data`."""
    if len(blob) > MAX_BYTES:
        message = f"This file has {len(blob)} bytes and at most {MAX_BYTES} are read: split it."
        problem = Problem(file, 0, 0, "", message, f"{len(blob)} bytes", f"at most {MAX_BYTES} bytes")
        return Document(file, blob.decode("utf-8", "replace"), None, (problem,))
    try:
        text = blob.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return _no_text(file, blob, error.start, f"byte {error.start}")
    if "\0" in text:
        # Among them UTF-16 without a mark.
        return _no_text(file, blob, blob.index(0), f"byte {blob.index(0)} is zero")
    return _parse(file, protect(text))


def _no_text(file: str, blob: bytes, start: int, why: str) -> Document:
    line = blob.count(b"\n", 0, start) + 1
    message = f"This is not UTF-8 text ({why}): save the file as UTF-8."
    problem = Problem(file, line, 1, "", message, allowed="UTF-8 text")
    return Document(file, blob.decode("utf-8", "replace"), None, (problem,))


def protect(text: str) -> str:
    """The text with `{{X}}`, which YAML takes for a mapping, in a spelling of equal length that it takes for text."""
    return _PLACEHOLDER.sub(lambda found: f"{_OPEN}{found[1]}{_CLOSE}", text) if "{{" in text else text


def expose(text: str) -> str:
    """The reverse of `protect`."""
    return text.replace(_OPEN, "{{").replace(_CLOSE, "}}")


def show(value: object, path: Path = ()) -> str:
    """A value as problems show it: short, on one line, without secrets."""
    match value:
        case None:
            return ""
        case _ if is_private(path):
            return NOT_SHOWN
        case bool():
            return "true" if value else "false"
        case dict():
            return "a mapping"
        case list():
            return "a list"
        case _:
            return _shorten(redact(expose(str(value))))


def _shorten(text: str, limit: int = 80) -> str:
    line = "".join(char if char.isprintable() else " " for char in text[: limit + 1])
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def _parse(file: str, text: str) -> Document:
    try:
        tree = grow(text)
    except Refused as refused:
        found = show(quotable(text, refused.line))
        return Document(file, text, None, (Problem(file, refused.line, refused.column, "", refused.message, found),))
    except yaml.YAMLError as error:
        return Document(file, text, None, (_syntax_problem(file, text, error),))
    return Document(file, text, tree.root.data, _duplicates(file, tree))


def _duplicates(file: str, tree: Tree) -> tuple[Problem, ...]:
    return tuple(
        Problem(
            file,
            line,
            column,
            show(name),
            f"The key `{show(name)}` is here twice (first on line {first}): keep one.",
            show(name),
            "each key once",
        )
        for name, line, column, first in tree.duplicates
    )


def _syntax_problem(file: str, text: str, error: yaml.YAMLError) -> Problem:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    what = getattr(error, "problem", None) or getattr(error, "reason", None) or "it cannot be read"
    message = f"This is not valid YAML: {show(what)}. Mend the syntax near this place."
    position = getattr(error, "position", None)
    line = text.count("\n", 0, position) + 1 if isinstance(position, int) else 1
    line, column = (mark.line + 1, mark.column + 1) if mark is not None else (line, 1)
    return Problem(file, line, column, "", message, show(quotable(text, line)), "valid YAML")


def _descend(node: Node, path: Path, *, key: bool) -> Mark:
    mark = Mark(node.line, node.column)
    for depth, part in enumerate(path):
        entry = node.entry(part)
        if entry is None:
            return mark
        line, column, node = entry
        last = depth == len(path) - 1
        mark = Mark(line, column) if key and last else Mark(node.line, node.column)
    return mark


__all__ = ["MAX_BYTES", "MAX_DEPTH", "MAX_NODES", "Document", "Mark", "Path", "expose", "parse", "protect", "show"]
