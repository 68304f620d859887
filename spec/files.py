"""How the loader sees a commit: entries and blobs, never a worktree."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from spec.problem import Problem

Kind = Literal["file", "executable", "symlink", "submodule", "directory"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One path of a commit; `oid` is Git's object id in hex, `size` is in bytes (0 where unknown)."""

    path: str
    kind: Kind
    oid: str
    size: int = 0


class Files(Protocol):
    """One commit's (sub)tree; paths are relative to its root, use `/`, and never contain `..`."""

    def entries(self) -> Mapping[str, Entry]:
        """Every file, symlink and submodule below the root, by path."""
        ...

    def directory(self, path: str) -> Entry | None:
        """The tree at `path` (its oid is the tree id), or None; `""` is the root."""
        ...

    def read(self, entry: Entry) -> bytes:
        """The blob's bytes. Raises `OSError` if the object cannot be read."""
        ...

    def problems(self) -> tuple[Problem, ...]:
        """Warnings on entries that are left out of `entries`, in order."""
        ...


@dataclass(frozen=True, slots=True)
class Changes:
    """Which paths differ between the catalog's commit and a new one (files, both sides)."""

    paths: frozenset[str]

    @classmethod
    def of(cls, paths: Iterable[str]) -> "Changes":
        """Gather paths."""
        return cls(frozenset(paths))
