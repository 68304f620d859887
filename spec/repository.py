"""One commit as the loader works on it: files read once, documents parsed once, paths kept inside."""

import posixpath
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TypeVar, cast

from spec.document import MAX_BYTES, Document, parse
from spec.files import Entry, Files
from spec.near import near
from spec.placeholders import fill
from spec.problem import Problem

MAX_SCAN = 8 * 1024 * 1024
"""A larger YAML file is not even searched for words that make it ours."""
T = TypeVar("T")

LFS = b"version https://git-lfs.github.com/spec/"


class Repository:
    """A commit's files with a memory; lives for one load."""

    def __init__(self, files: Files, values: Mapping[str, str] | None = None) -> None:
        self._files = files
        self._values = values or {}
        self._raw: dict[str, Document] = {}
        self._filled: dict[str, Document] = {}
        self._made: dict[tuple[str, str], object] = {}

    @cached_property
    def entries(self) -> Mapping[str, Entry]:
        """Every file by path; asks the source once."""
        return self._files.entries()

    @cached_property
    def specials(self) -> tuple[Entry, ...]:
        """Symlinks and submodules."""
        return tuple(entry for entry in self.entries.values() if entry.kind in ("symlink", "submodule"))

    def use(self, values: Mapping[str, str]) -> None:
        """Fill placeholders from these values from now on."""
        self._values = values
        self._filled.clear()

    def raw(self, path: str) -> Document:
        """The YAML file, parsed, its placeholders as they are."""
        if path not in self._raw:
            self._raw[path] = self._parse(path)
        return self._raw[path]

    def document(self, path: str) -> Document:
        """The YAML file, parsed and filled."""
        if path not in self._filled:
            self._filled[path] = fill(self.raw(path), self._values)
        return self._filled[path]

    def once(self, what: str, path: str, make: Callable[[], T]) -> T:
        """What `make` returns for this path, made once in a load, however many endpoints share the file."""
        if (what, path) not in self._made:
            self._made[what, path] = make()
        return cast("T", self._made[what, path])

    def text(self, path: str) -> str | None:
        """A small text file, or None if it is not there or cannot be read as text."""
        entry = self.entries.get(path)
        if entry is None or entry.kind not in ("file", "executable") or entry.size > MAX_BYTES:
            return None
        try:
            return self._files.read(entry).decode("utf-8-sig")
        except (OSError, UnicodeDecodeError):
            return None

    def directory(self, path: str) -> Entry | None:
        """The folder at `path`, or None."""
        return self._files.directory(path)

    def obstacle(self, path: str) -> str | None:
        """Why a path cannot be used: a symlink or submodule on the way to it, or inside it."""
        for entry in self.specials:
            if entry.path == path or path.startswith(f"{entry.path}/"):
                return f"`{entry.path}` is a {entry.kind}, which is not followed: put the files themselves there."
            if not path or entry.path.startswith(f"{path}/"):
                return f"it contains the {entry.kind} `{entry.path}`, which is not followed: put the files there."
        return None

    def neighbours(self, path: str, written: str) -> str:
        """` Did you mean X?` with a path beside the missing one, as it would be written; or nothing."""
        folder = posixpath.dirname(path)
        prefix = f"{folder}/" if folder else ""
        found = near(posixpath.basename(path), self.once("names", prefix, lambda: self._names(prefix)))
        return f" Did you mean `{posixpath.join(posixpath.dirname(written.rstrip('/')), found)}`?" if found else ""

    def _names(self, prefix: str) -> set[str]:
        return {entry.removeprefix(prefix).partition("/")[0] for entry in self.entries if entry.startswith(prefix)}

    def _parse(self, path: str) -> Document:
        entry = self.entries[path]
        if entry.kind == "symlink":
            return _unread(path, "This file is a symlink, which is not followed: put the file itself here.")
        if entry.size > MAX_SCAN:
            return _unread(path, f"This file has {entry.size} bytes and at most {MAX_BYTES} are read: split it.")
        try:
            blob = self._files.read(entry)
        except OSError as error:
            return _unread(path, f"This file cannot be read from the repository ({error}): fetch it again.")
        if blob.startswith(LFS):
            return _unread(path, "This is a Git LFS pointer, not the file: keep specs out of LFS, or set up git-lfs.")
        return parse(path, blob)


def _unread(path: str, message: str) -> Document:
    return Document(path, "", None, (Problem(path, 0, 0, "", message),))


def join(folder: str, path: str) -> str | None:
    """`path` as seen from `folder`, from the repository's root; None if it leaves the repository."""
    joined = posixpath.normpath(posixpath.join("/", folder, path)) if not path.startswith("/") else None
    depth = len([part for part in folder.split("/") if part])
    for part in path.split("/"):
        depth += {"..": -1, ".": 0, "": 0}.get(part, 1)
        if depth < 0:
            return None
    return joined.lstrip("/") if joined else None
