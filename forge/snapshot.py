"""What a source hands to the loader: one commit, addressed, with its files readable."""

from dataclasses import dataclass, field
from datetime import datetime

from spec.files import Changes, Files


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One commit of the watched branch."""

    commit: str
    """Commit id in hex; with `--worktree` the commit below the edits, then `+` and the tree id's first digits."""
    tree: str
    """Id of the watched (sub)tree: equal ids mean that nothing relevant changed."""
    files: Files = field(compare=False)
    message: str = ""
    """The commit's first line."""


@dataclass(frozen=True, slots=True)
class SourceSeen:
    """How the last look at the source went; `attempted` moves before loading, `applied` is the loop's word."""

    attempted: str | None
    problem: str | None
    """Why the last look failed, with what to do next; None: it worked."""
    checked_at: datetime | None


@dataclass(frozen=True, slots=True)
class Difference:
    """A snapshot and what changed since the one before (None: everything may have)."""

    snapshot: Snapshot
    changes: Changes | None
