"""Git's object store, read through long-lived `git cat-file` processes: blobs, trees and commits by id."""

import errno
import re
import subprocess
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from forge.git import Git, is_oid, stop

TREE_LIMIT = 64 * 1024 * 1024
"""Bytes of the largest tree or commit object that is read."""
_CHUNK = 1024 * 1024
_BATCH = 400
_FOUND = 3
"""Words in `cat-file`'s answer for an object that exists: id, type, size."""


@dataclass(frozen=True, slots=True)
class Commit:
    """What a commit says: its tree and its first line."""

    oid: str
    tree: str
    message: str


TreeItem = tuple[bytes, bytes, bytes]
"""One line of a tree object as Git stores it: mode, name, binary id."""

_Patterns = tuple[re.Pattern[bytes], re.Pattern[bytes]]


def _patterns(width: int) -> _Patterns:
    line = rb"([0-7]{5,6}) ([^\0]*)\0(.{%d})" % width
    # Not possessive: Python before 3.11.5 matches too little then, and changes would be passed over.
    return re.compile(b"(?:%s)*" % line.replace(b"(", b"(?:"), re.DOTALL), re.compile(line, re.DOTALL)


_TREES = {2 * width: _patterns(width) for width in (20, 32)}
"""By length of an id: what a whole tree looks like, and one line of it."""


class Objects:
    """Reads one repository's objects; safe to share between threads. Every method raises `OSError` on damage."""

    def __init__(self, git: Git, directory: Path, damaged: Callable[[], None] = lambda: None) -> None:
        self._git = git
        self._directory = directory
        self._damaged = damaged
        self._lock = threading.Lock()
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._closed = False

    def peel(self, oid: str) -> str | None:
        """Return the id of the commit that a commit or annotated tag stands for; None if it is not here."""
        with self._lock:
            answer = self._ask("--batch-check", f"{_checked(oid)}^{{commit}}")
        return answer[0] if len(answer) == _FOUND else None

    def sizes(self, oids: Sequence[str]) -> list[int]:
        """Return the size in bytes of each object."""
        found: list[int] = []
        with self._lock:
            for start in range(0, len(oids), _BATCH):
                found += self._sizes(oids[start : start + _BATCH])
        return found

    def read(self, oid: str, *, limit: int) -> bytes:
        """Return an object's bytes; an object larger than `limit` bytes is refused unread."""
        with self._lock:
            return b"".join(self._stream(oid, limit))

    def copy(self, oid: str, write: Callable[[bytes], object]) -> None:
        """Hand a blob to `write` in chunks; other readers wait until it is done."""
        with self._lock, closing(self._stream(oid)) as chunks:
            for chunk in chunks:
                write(chunk)

    def commit(self, oid: str) -> Commit:
        """Read a commit."""
        head, _, body = self.read(oid, limit=TREE_LIMIT).partition(b"\n\n")
        tree = head.partition(b"\n")[0].removeprefix(b"tree ").decode("ascii", "replace")
        if not is_oid(tree):
            raise self._fail(oid)
        return Commit(oid, tree, body.strip().partition(b"\n")[0].decode("utf-8", "replace")[:200])

    def tree(self, oid: str) -> list[TreeItem]:
        """Read a tree's lines in Git's order."""
        return self._items(self._tree(oid), oid)

    def differences(self, old: str, new: str) -> tuple[list[TreeItem], list[TreeItem]]:
        """The lines that only the old tree has, and those that only the new one has."""
        before, after = self._tree(old), self._tree(new)
        (start, end), (_, new_end) = _differing(before, after, _TREES[len(old)])
        olds, news = self._items(before[start:end], old), self._items(after[start:new_end], new)
        same = set(olds).intersection(news)
        return [item for item in olds if item not in same], [item for item in news if item not in same]

    def _tree(self, oid: str) -> bytes:
        data = self.read(oid, limit=TREE_LIMIT)
        if _TREES[len(oid)][0].fullmatch(data) is None:
            raise self._fail(oid)
        return data

    def _items(self, data: bytes, oid: str) -> list[TreeItem]:
        found: list[TreeItem] = _TREES[len(oid)][1].findall(data)
        return found

    def close(self) -> None:
        """End the processes; reading afterwards raises `OSError`."""
        self._closed = True
        with self._lock:
            for child in self._children.values():
                stop(child)
            self._children.clear()

    def _sizes(self, oids: Sequence[str]) -> list[int]:
        child = self._child("--batch-check")
        self._send(child, "".join(f"{_checked(oid)}\n" for oid in oids))
        answers = [self._answer(child) for _ in oids]
        for oid, answer in zip(oids, answers, strict=True):
            if len(answer) != _FOUND:
                raise self._fail(oid)
        return [int(answer[2]) for answer in answers]

    def _stream(self, oid: str, limit: int | None = None) -> Generator[bytes, None, None]:
        answer = self._ask("--batch", _checked(oid))
        if len(answer) != _FOUND:
            raise self._fail(oid)
        left = int(answer[2]) + 1
        child = self._child("--batch")
        try:
            if limit is not None and left - 1 > limit:
                raise OSError(errno.EFBIG, f"is {left - 1:,} bytes; at most {limit:,} are read", oid)
            while left > 0:
                chunk = child.stdout.read(min(left, _CHUNK)) if child.stdout else b""
                if not chunk:
                    raise self._fail(oid)
                left -= len(chunk)
                yield chunk if left else chunk[:-1]
        finally:
            if left > 0:
                self._drop("--batch")

    def _ask(self, mode: str, name: str) -> list[str]:
        child = self._child(mode)
        self._send(child, f"{name}\n")
        return self._answer(child)

    def _child(self, mode: str) -> "subprocess.Popen[bytes]":
        if self._closed:
            raise OSError(errno.EBADF, "the object store is closed", str(self._directory))
        child = self._children.get(mode)
        if child is None or child.poll() is not None:
            self._drop(mode)
            child = self._git.start(f"--git-dir={self._directory}", "cat-file", mode)
            self._children[mode] = child
        return child

    def _drop(self, mode: str) -> None:
        child = self._children.pop(mode, None)
        if child is not None:
            stop(child)

    def _send(self, child: "subprocess.Popen[bytes]", text: str) -> None:
        with suppress(BrokenPipeError):
            if child.stdin is not None:
                child.stdin.write(text.encode("ascii"))
                child.stdin.flush()

    def _answer(self, child: "subprocess.Popen[bytes]") -> list[str]:
        line = child.stdout.readline() if child.stdout else b""
        if not line.endswith(b"\n"):
            raise self._fail("")
        return line.decode("ascii", "replace").split()

    def _fail(self, oid: str) -> OSError:
        for mode in list(self._children):
            self._drop(mode)
        self._damaged()
        return OSError(errno.EIO, "a Git object is missing or damaged", oid or str(self._directory))


def _checked(oid: str) -> str:
    if not is_oid(oid):
        raise OSError(errno.EINVAL, "is not a Git object id", oid)
    return oid


def _differing(old: bytes, new: bytes, patterns: _Patterns) -> tuple[tuple[int, int], tuple[int, int]]:
    """Where whole lines of two trees differ, in each: large folders mostly differ in few lines."""
    lines, line = patterns
    start = _end(lines.match(old, 0, _common(old, new)))
    tail = min(_common(old[::-1], new[::-1]), len(old) - start, len(new) - start)
    ends = []
    for data in (old, new):
        end = _end(lines.match(data, start, len(data) - tail))
        ends.append(end if end == len(data) - tail else _end(line.match(data, end)))
    if len(old) - ends[0] != len(new) - ends[1]:
        return (start, len(old)), (start, len(new))
    return (start, ends[0]), (start, ends[1])


def _end(match: "re.Match[bytes] | None") -> int:
    return match.end() if match else 0


def _common(old: bytes, new: bytes) -> int:
    """Length of the common beginning, found by bisection since comparing slices is fast."""
    low, high = 0, min(len(old), len(new))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if old[low:middle] == new[low:middle] else (low, middle - 1)
    return low
