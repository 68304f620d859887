"""What every origin of commits offers: its tip, and that tip's commit with all objects at hand."""

from dataclasses import dataclass
from typing import Protocol

from forge.mirror import Mirror
from forge.objects import Commit
from spec.errors import StalledError, TransientError

_SHA256 = 64


@dataclass(frozen=True, slots=True)
class Revision:
    """A commit whose objects can be read from the mirror."""

    commit: str
    """As shown to people: the commit id, with `+` and a tree prefix where edits are on top."""
    tree: str
    """Id of the root tree."""
    message: str


class Origin(Protocol):
    """Where commits come from; every method blocks and raises `HeadgateError` or `OSError`."""

    mirror: Mirror | None
    """None until the first `tip`."""

    def tip(self) -> str:
        """Identify what the ref points at now, cheaply: equal answers mean that nothing changed."""
        ...

    def obtain(self, tip: str) -> Revision:
        """Bring the tip's objects (or newer ones) within reach of the mirror."""
        ...


def opened(mirror: Mirror | None) -> Mirror:
    """The mirror; raise `TransientError` if the source was never reached."""
    if mirror is None:
        raise TransientError("The source was not reached yet: nothing can be read from it.")
    return mirror


def format_of(oid: str) -> str:
    """The object format that an id belongs to."""
    return "sha256" if len(oid) == _SHA256 else "sha1"


def missing_ref(ref: str | None, place: str) -> TransientError:
    """The error for a ref that does not exist (any more)."""
    if ref is None:
        return TransientError(f"{place} has no commit yet: commit something.")
    return TransientError(f"{place} has no branch or tag {ref!r} (any more): push it, or name another ref.")


def read_commit(mirror: Mirror, oid: str) -> Commit:
    """Read the commit that an id (or an annotated tag's id) stands for."""
    peeled = mirror.reader.peel(oid)
    if peeled is None:
        raise StalledError(f"{oid} is no commit, or is not in the repository (yet): push it, or name another ref.")
    return mirror.reader.commit(peeled)
