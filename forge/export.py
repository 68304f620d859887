"""Artifacts on disk: a blob or tree of the object store as plain files, whole or not at all."""

import errno
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from forge.lfs import POINTER_LIMIT, LfsStore, parse_pointer
from forge.objects import Objects
from forge.tree import Walk, with_sizes
from spec.errors import HeadgateError, StalledError, TransientError
from spec.files import Entry

_FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True, slots=True)
class ExportLimits:
    """What one artifact may hold: entries, and bytes in total."""

    entries: int = 100_000
    size: int = 200 * 1024**3


class Exporter:
    """Writes objects out; one per export, since it reads through processes of its own."""

    def __init__(self, objects: Objects, lfs: LfsStore | None, limits: ExportLimits = ExportLimits()) -> None:
        self._objects = objects
        self._lfs = lfs
        self._limits = limits

    def export(self, oid: str, kind: Literal["file", "directory"], destination: Path, path: str = "") -> None:
        """Make `destination` the blob's file or the tree's directory; a destination that exists is left alone.

        `path` is where the repository has it, for what is told of it.
        Raises `StalledError` for content that is refused and `TransientError` where the disk or store failed.
        """
        if destination.exists():
            return
        staging = destination.with_name(f".{destination.name}.{uuid.uuid4().hex[:12]}")
        try:
            destination.parent.mkdir(parents=True, exist_ok=True)
            self._write(oid, kind, staging, path)
            _publish(staging, destination)
        except OSError as error:
            raise _explain(error, path or oid, destination) from error
        finally:
            _remove(staging)

    def _write(self, oid: str, kind: Literal["file", "directory"], staging: Path, path: str) -> None:
        if kind == "file":
            entry = Entry(path or oid, "file", oid, self._objects.sizes([oid])[0])
            self._check_size([entry])
            self._write_file(entry, staging)
        else:
            self._write_tree(Entry(path, "directory", oid), staging)

    def _write_tree(self, tree: Entry, staging: Path) -> None:
        """Everything is called by its path in the repository, and lies below `staging` by its path in the tree."""
        walk = Walk(self._objects, self._limits.entries)
        staging.mkdir(mode=0o755)

        def place(entry: Entry) -> Path:
            return staging / entry.path.removeprefix(f"{tree.path}/" if tree.path else "")

        entries = list(self._directories(walk, tree, place))
        if walk.bad:
            raise StalledError(f"{walk.bad[0].path} cannot be laid out: {walk.bad[0].reason}. Rename or remove it.")
        entries = with_sizes(self._objects, entries)
        self._check_size(entries)
        for entry in entries:
            if entry.kind != "symlink":
                self._write_file(entry, place(entry))
        # Links come last and never through one another, so that nothing is ever written through a link.
        links = [entry for entry in entries if entry.kind == "symlink"]
        for entry in links:
            self._write_link(entry, place(entry))
        for entry in links:
            _check_link(entry, place(entry), staging)

    def _directories(self, walk: Walk, tree: Entry, place: Callable[[Entry], Path]) -> Iterator[Entry]:
        for entry in walk.items(tree.oid, tree.path):
            match entry.kind:
                case "directory":
                    place(entry).mkdir(mode=0o755)
                    yield from self._directories(walk, entry, place)
                case "submodule":
                    raise StalledError(f"{entry.path} is a submodule: commit its files, submodules are not followed.")
                case _:
                    yield entry

    def _check_size(self, entries: list[Entry]) -> None:
        total = sum(entry.size for entry in entries)
        if total > self._limits.size:
            largest = max(entries, key=lambda entry: entry.size)
            raise StalledError(
                f"The artifact is {total:,} bytes (largest: {largest.path}); at most {self._limits.size:,} fit."
            )

    def _write_file(self, entry: Entry, target: Path) -> None:
        if entry.size <= POINTER_LIMIT:
            data = self._objects.read(entry.oid, limit=POINTER_LIMIT)
            if pointer := parse_pointer(data):
                if pointer.size > self._limits.size:
                    raise StalledError(f"{entry.path} is {pointer.size:,} bytes; at most {self._limits.size:,} fit.")
                if self._lfs is None:
                    raise StalledError(f"{entry.path} is a Git LFS pointer and LFS is off: commit the file itself.")
                self._lfs.fetch(pointer, entry.path, target)
            else:
                target.write_bytes(data)
        else:
            _copy(self._objects, entry.oid, target)
        target.chmod(0o755 if entry.kind == "executable" else 0o644)

    def _write_link(self, entry: Entry, target: Path) -> None:
        text = os.fsdecode(self._objects.read(entry.oid, limit=4096))
        if text == "" or text.startswith("/") or "\0" in text:
            raise StalledError(
                f"{entry.path} is a symlink to {text!r}, outside its directory: commit the file itself."
            )
        target.symlink_to(text)


def _copy(objects: Objects, oid: str, target: Path) -> None:
    with target.open("xb") as file:
        objects.copy(oid, file.write)


def _check_link(entry: Entry, link: Path, staging: Path) -> None:
    root = os.path.realpath(staging)
    try:
        end = os.path.realpath(link)
    except OSError:
        end = ""
    if end != root and not end.startswith(root + os.sep):
        raise StalledError(f"{entry.path} is a symlink that leaves its directory: commit the file itself.")


def _publish(staging: Path, destination: Path) -> None:
    try:
        staging.rename(destination)
    except OSError:
        # Another export of the same content was faster.
        if not destination.exists():
            raise


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _explain(error: OSError, name: str, destination: Path) -> HeadgateError:
    if error.errno in _FULL:
        return TransientError(f"The disk is full at {destination.parent}: free some space, Headgate tries again.")
    if error.errno == errno.EEXIST:
        return StalledError(f"{name} holds the same name twice: remove one of them and commit.")
    return TransientError(f"{name} could not be laid out at {destination}: {error.strerror or error}.")
