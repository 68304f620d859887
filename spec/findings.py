"""What is gathered while one endpoint is resolved: problems, notes, and what the outcome depends on."""

import posixpath
from collections.abc import Iterable
from dataclasses import dataclass, field

from spec.catalog import Note
from spec.document import Document, Path, show
from spec.near import listing, suggestion
from spec.problem import Problem


@dataclass(slots=True)
class Findings:
    """Problems and dependencies of one endpoint; grows while it is resolved."""

    problems: list[Problem] = field(default_factory=list)
    paths: set[str] = field(default_factory=set)
    """Files and folders whose change means to resolve it again."""
    assets: set[tuple[str, str]] = field(default_factory=set)
    """Kind and name of the models and environments that it refers to."""

    def line_error(self, file: str, line: int, message: str, *, found: str = "", allowed: str = "") -> None:
        """Note an error at a line of a file that is not YAML."""
        self.problems.append(Problem(file, line, 1, "", message, show(found), allowed))


@dataclass(slots=True)
class Scope:
    """A part of one document, as what is below it sees it."""

    document: Document
    findings: Findings
    prefix: Path = ()
    notes: list[Note] = field(default_factory=list)
    """Of the deployment that is being resolved."""
    doubtful: frozenset[Path] = frozenset()
    """Fields of the document whose absence means nothing, since they were wrong or are misspelt."""

    @property
    def folder(self) -> str:
        """The folder that relative paths start from."""
        return posixpath.dirname(self.document.file)

    def below(self, *keys: str | int) -> "Scope":
        """The part at these keys."""
        return Scope(self.document, self.findings, (*self.prefix, *keys), self.notes, self.doubtful)

    def within(self, document: Document, doubtful: frozenset[Path] = frozenset()) -> "Scope":
        """The root of another document that the same endpoint depends on."""
        self.findings.paths.add(document.file)
        return Scope(document, self.findings, (), self.notes, doubtful)

    def value(self, *keys: str | int) -> object:
        """What the document has at a field below this scope; None where it has nothing there."""
        found: object = self.document.data
        for key in (*self.prefix, *keys):
            if isinstance(found, dict):
                found = found.get(key)
            else:
                found = found[key] if isinstance(found, list) and isinstance(key, int) else None
        return found

    def doubts(self, *keys: str | int) -> bool:
        """Whether a field below this scope, or what it is in, was wrong or is misspelt."""
        path = (*self.prefix, *keys)
        return any(path[:end] in self.doubtful for end in range(1, len(path) + 1)) if self.doubtful else False

    def error(self, message: str, *keys: str | int, found: object = None, allowed: str = "") -> None:
        """Note an error at a field below this scope, unless its value holds an unfilled placeholder.

        Without `found` it is the field's own value, where that is one word or number.
        """
        value = self.value(*keys) if keys and found is None else None
        found = found if value is None or isinstance(value, dict | list) else value
        problem = self.document.problem((*self.prefix, *keys), message, found=found, allowed=allowed)
        if (problem.line, problem.column) not in {(said.line, said.column) for said in self.document.problems}:
            self.findings.problems.append(problem)

    def unknown(self, what: str, found: str, known: Iterable[str], *keys: str | int) -> None:
        """Note that a field names something that is not there, with a near match."""
        names = list(known)
        hint = suggestion(found, names) or f" There are: {listing(names)}."
        message = f"`{self.name(*keys)}` names {what} `{found}`, which is not there.{hint}"
        self.error(message, *keys, found=found, allowed=", ".join(sorted(names)[:40]) or "what a file declares")

    def name(self, *keys: str | int) -> str:
        """The dotted name of a field below this scope."""
        return ".".join(str(key) for key in (*self.prefix, *keys))

    def note(self, reason: str, message: str) -> None:
        """Note what the user should know though it works."""
        self.notes.append(Note(reason, message))
