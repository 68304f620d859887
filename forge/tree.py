"""One commit's files as the loader sees them, read from the object store and compared by tree id."""

import errno
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from forge.objects import Objects, TreeItem
from spec.errors import StalledError
from spec.files import Entry, Kind
from spec.problem import Problem, Severity

READ_LIMIT = 1024 * 1024
"""Bytes of the largest file that is read as text."""
ENTRY_LIMIT = 200_000
DEPTH_LIMIT = 64
SHOWN_LIMIT = 100
"""Left out entries that are told one by one."""

_CONTROL = frozenset([*range(0x20), 0x7F])

_KINDS: Mapping[bytes, Kind] = {
    b"100644": "file",
    b"100664": "file",
    b"100755": "executable",
    b"120000": "symlink",
    b"160000": "submodule",
    b"40000": "directory",
    b"040000": "directory",
}


@dataclass(frozen=True, slots=True)
class Bad:
    """A tree entry that is left out, and why."""

    path: str
    reason: str

    @property
    def problem(self) -> Problem:
        """The same, for people."""
        return _warning(self.path, f"This entry is left out: {self.reason}. Rename or remove it.")


def left_out(bad: Sequence[Bad]) -> tuple[Problem, ...]:
    """The entries as warnings, sorted; above the limit one warning counts the others."""
    told = [each.problem for each in bad[:SHOWN_LIMIT]]
    rest = len(bad) - len(told)
    if rest:
        told.append(_warning("", f"{rest:,} more entries are left out for like reasons. Rename or remove them."))
    return tuple(sorted(told))


def _warning(path: str, message: str) -> Problem:
    return Problem(path, 0, 0, "", message, severity=Severity.WARNING)


class Walk:
    """Walks trees, refusing what no honest repository holds and more than `limit` entries."""

    def __init__(self, objects: Objects, limit: int = ENTRY_LIMIT) -> None:
        self._objects = objects
        self._left = limit
        self._limit = limit
        self.bad: list[Bad] = []

    def items(self, oid: str, base: str) -> Iterator[Entry]:
        """Yield the well-formed entries of one tree, sizes unknown."""
        return self.name(self.raw(oid, base), base)

    def raw(self, oid: str, base: str) -> list[TreeItem]:
        """Read one tree as it is, within the limits."""
        return self.admit(self._objects.tree(oid), base) if self.reaches(base) else []

    def reaches(self, base: str) -> bool:
        """Whether a directory is not nested too deep; note it otherwise."""
        if base.count("/") < DEPTH_LIMIT:
            return True
        self.bad.append(Bad(base, f"directories are nested more than {DEPTH_LIMIT} deep"))
        return False

    def admit(self, items: list[TreeItem], base: str) -> list[TreeItem]:
        """Count the items; raise `StalledError` above the limit."""
        self._left -= len(items)
        if self._left < 0:
            raise StalledError(f"More than {self._limit:,} entries are below {base or 'the root'}: watch a sub-path.")
        return items

    def name(self, items: Iterable[TreeItem], base: str) -> Iterator[Entry]:
        """Yield the entries that have an acceptable name, and note the others."""
        prefix = f"{base}/" if base else ""
        for mode, name, oid in items:
            kind = _KINDS.get(mode)
            reason = refuse_name(name) or ("" if kind else f"its mode {mode!r} is unknown")
            if kind is None or reason:
                self.bad.append(Bad(printable(prefix + name.decode("utf-8", "backslashreplace")), reason))
            else:
                yield Entry(prefix + name.decode(), kind, oid.hex())

    def below(self, oid: str, base: str) -> Iterator[Entry]:
        """Yield everything but directories below a tree, sizes unknown."""
        for entry in self.items(oid, base):
            if entry.kind == "directory":
                yield from self.below(entry.oid, entry.path)
            else:
                yield entry


def printable(path: str) -> str:
    """A path with what a terminal could act on escaped."""
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in path)


def refuse_name(name: bytes) -> str:
    """Return why a file name is refused; empty if it is fine."""
    if name in (b"", b".", b"..") or b"/" in name:
        return "its name could leave the repository"
    if name.lower() == b".git":
        return "its name is Git's own"
    if not _CONTROL.isdisjoint(name):
        return "its name holds control characters"
    try:
        name.decode("utf-8")
    except UnicodeDecodeError:
        return "its name is not UTF-8"
    return ""


class TreeFiles:
    """`spec.files.Files` over a tree of the object store."""

    def __init__(self, objects: Objects, tree: str, known: "Known | None" = None) -> None:
        self._objects = objects
        self._tree = tree
        self._known = known
        self._lock = threading.Lock()

    def entries(self) -> Mapping[str, Entry]:
        """Every file, symlink and submodule below the root, by path; listed once."""
        return MappingProxyType(self._list().entries)

    def problems(self) -> tuple[Problem, ...]:
        """Entries that are left out because of their names, as warnings."""
        return left_out(self._list().bad)

    def directory(self, path: str) -> Entry | None:
        """The tree at `path`, or None; lists nothing else."""
        return find_directory(self._objects, self._tree, path)

    def read(self, entry: Entry) -> bytes:
        """The blob's bytes. Raises `OSError` if it is no file, too large, or cannot be read."""
        if entry.kind in ("directory", "submodule"):
            raise OSError(errno.EISDIR, f"is a {entry.kind}", entry.path)
        if entry.size > READ_LIMIT:
            raise OSError(errno.EFBIG, f"is {entry.size:,} bytes; at most {READ_LIMIT:,} are read", entry.path)
        return self._objects.read(entry.oid, limit=READ_LIMIT)

    @property
    def store(self) -> int:
        """Identity of the store that is read from."""
        return id(self._objects)

    def shares(self, other: "TreeFiles") -> bool:
        """Whether both are read from the same store; it changes when a mirror is made anew."""
        return self.store == other.store

    def successor(self, tree: str) -> tuple["TreeFiles", frozenset[str]]:
        """Return another tree's files and the paths that differ, at the cost of what differs."""
        if tree == self._tree:
            return self, frozenset()
        difference = compare(self._objects, self._tree, tree)
        known = self._known and self._known.changed(difference)
        return TreeFiles(self._objects, tree, known), difference.paths

    def _list(self) -> "Known":
        with self._lock:
            if self._known is None:
                walk = Walk(self._objects)
                found = with_sizes(self._objects, list(walk.below(self._tree, "")))
                self._known = Known({entry.path: entry for entry in found}, tuple(walk.bad))
            return self._known


@dataclass(frozen=True, slots=True)
class Known:
    """A listing."""

    entries: dict[str, Entry]
    bad: tuple[Bad, ...]

    def changed(self, difference: "TreeDifference") -> "Known":
        """Return the listing with a difference applied."""
        entries = self.entries.copy()
        for path in difference.removed:
            entries.pop(path, None)
        entries.update((entry.path, entry) for entry in difference.added)
        gone = {bad.path for bad in difference.bad_removed}
        return Known(entries, (*(bad for bad in self.bad if bad.path not in gone), *difference.bad_added))


@dataclass(frozen=True, slots=True)
class TreeDifference:
    """What differs between two trees; a changed file is in both."""

    removed: frozenset[str]
    added: tuple[Entry, ...]
    bad_removed: tuple[Bad, ...] = ()
    bad_added: tuple[Bad, ...] = ()

    @property
    def paths(self) -> frozenset[str]:
        """Files that differ, of both sides."""
        return self.removed | {entry.path for entry in self.added}


def compare(objects: Objects, old: str, new: str) -> TreeDifference:
    """Compare two trees, reading only those subtrees whose ids differ."""
    before, after = Walk(objects), Walk(objects)
    removed: list[Entry] = []
    added: list[Entry] = []
    _compare(objects, (before, after), ((old, new), ""), (removed, added))
    paths = frozenset(entry.path for entry in removed)
    return TreeDifference(paths, tuple(with_sizes(objects, added)), tuple(before.bad), tuple(after.bad))


def _compare(
    objects: Objects,
    walks: tuple[Walk, Walk],
    trees: tuple[tuple[str, str], str],
    found: tuple[list[Entry], list[Entry]],
) -> None:
    (old, new), base = trees
    reached = [walk.reaches(base) for walk in walks]
    if not all(reached):
        return
    olds, news = objects.differences(old, new)
    before = {entry.path: entry for entry in walks[0].name(walks[0].admit(olds, base), base)}
    after = {entry.path: entry for entry in walks[1].name(walks[1].admit(news, base), base)}
    for path in before.keys() | after.keys():
        left, right = before.get(path), after.get(path)
        if left == right:
            continue
        if left and right and left.kind == right.kind == "directory":
            _compare(objects, walks, ((left.oid, right.oid), path), found)
            continue
        for walk, entry, files in zip(walks, (left, right), found, strict=True):
            if entry is not None:
                files.extend(walk.below(entry.oid, entry.path) if entry.kind == "directory" else [entry])


def with_sizes(objects: Objects, entries: list[Entry]) -> list[Entry]:
    """Return the entries with the sizes of their blobs."""
    blobs = [entry for entry in entries if entry.kind != "submodule"]
    sizes = dict(zip((entry.path for entry in blobs), objects.sizes([entry.oid for entry in blobs]), strict=True))
    return [Entry(entry.path, entry.kind, entry.oid, sizes.get(entry.path, 0)) for entry in entries]


def find_directory(objects: Objects, tree: str, path: str) -> Entry | None:
    """The tree at `path` below `tree`, or None; `""` is the tree itself."""
    found = Entry("", "directory", tree)
    for part in (part for part in path.split("/") if part):
        items = Walk(objects).items(found.oid, found.path)
        wanted = f"{found.path}/{part}" if found.path else part
        step = next((entry for entry in items if entry.path == wanted and entry.kind == "directory"), None)
        if step is None:
            return None
        found = step
    return found
