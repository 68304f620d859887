"""Git LFS pointers: recognised always, and replaced by their object where that can be had and verified."""

import hashlib
import re
import shutil
import subprocess
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from forge.git import Git, stop
from forge.location import mask
from spec.errors import StalledError, TransientError

POINTER_LIMIT = 1024
"""Bytes: a pointer is smaller."""
_CHUNK = 1024 * 1024
_FIRST = b"version https://git-lfs.github.com/spec/v1\n"
_FIELDS = re.compile(rb"^oid sha256:([0-9a-f]{64})\nsize ([0-9]{1,18})\n?$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Pointer:
    """What stands in Git for a large file: the SHA-256 of its content and its size in bytes."""

    oid: str
    size: int
    text: bytes


def parse_pointer(data: bytes) -> Pointer | None:
    """Recognise a pointer; None for any other file."""
    if len(data) > POINTER_LIMIT or not data.startswith(_FIRST):
        return None
    found = _FIELDS.search(data)
    return Pointer(found[1].decode(), int(found[2]), data) if found else None


class LfsStore:
    """Finds LFS objects: in the local repository's own store first, then through git-lfs from the remote."""

    def __init__(self, git: Git, mirror: Path, *, url: str | None = None, local: Path | None = None) -> None:
        self._git = git
        self._mirror = mirror
        self._url = url
        self._local = local

    def fetch(self, pointer: Pointer, path: str, into: Path) -> None:
        """Write the object to the new file `into`; raise `StalledError` naming `path` if it cannot be had."""
        found = self._find_local(pointer)
        if found is not None:
            with found.open("rb") as source, into.open("xb") as target:
                shutil.copyfileobj(source, target, _CHUNK)
        elif self._url is None:
            raise StalledError(
                f"{path} is a Git LFS pointer and its object is not in the repository: run `git lfs pull` there."
            )
        elif shutil.which("git-lfs") is None:
            raise StalledError(
                f"{path} is a Git LFS pointer: install git-lfs for Headgate, or commit the file itself."
            )
        else:
            self._smudge(pointer, path, into)
        _verify(pointer, path, into)

    def _find_local(self, pointer: Pointer) -> Path | None:
        return find_stored(self._local, pointer) if self._local is not None else None

    def _smudge(self, pointer: Pointer, path: str, into: Path) -> None:
        variables = {"GIT_LFS_SKIP_SMUDGE": "0", "GIT_DIR": str(self._mirror)}
        process = self._git.start(
            f"--git-dir={self._mirror}", "-c", f"remote.origin.url={self._url}", "lfs", "smudge", variables=variables
        )
        try:
            with into.open("xb") as target:
                _pump(process, pointer, target.write)
            err = process.stderr.read().decode("utf-8", "replace") if process.stderr else ""
            if process.wait(timeout=10) != 0:
                raise TransientError(f"{path}: git-lfs could not fetch the object: {mask(err).strip()[:300]}")
        except subprocess.TimeoutExpired:
            raise TransientError(f"{path}: git-lfs did not end; trying again.") from None
        finally:
            stop(process)
            # git-lfs keeps a copy of its own, which nobody would ever remove.
            _stored(self._mirror, pointer).unlink(missing_ok=True)


def find_stored(repository: Path, pointer: Pointer) -> Path | None:
    """The object in a repository's own store (below its Git folder), or None."""
    path = _stored(repository, pointer)
    return path if path.is_file() else None


def _stored(repository: Path, pointer: Pointer) -> Path:
    return repository / "lfs" / "objects" / pointer.oid[:2] / pointer.oid[2:4] / pointer.oid


def _pump(process: "subprocess.Popen[bytes]", pointer: Pointer, write: Callable[[bytes], object]) -> None:
    """Feed the pointer and write out at most its size (one byte more, so that the check fails)."""
    if process.stdin is None or process.stdout is None:
        return
    with suppress(BrokenPipeError):
        process.stdin.write(pointer.text)
        process.stdin.close()
    left = pointer.size + 1
    while left > 0 and (chunk := process.stdout.read(min(left, _CHUNK))):
        write(chunk)
        left -= len(chunk)


def _verify(pointer: Pointer, path: str, file: Path) -> None:
    digest = hashlib.sha256()
    with file.open("rb") as source:
        while chunk := source.read(_CHUNK):
            digest.update(chunk)
    size = file.stat().st_size
    if size != pointer.size or digest.hexdigest() != pointer.oid:
        raise StalledError(
            f"{path}: its Git LFS object ({size:,} bytes) is not what the pointer says: push it again."
        )
