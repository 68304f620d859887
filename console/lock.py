"""One Headgate per state directory: a lock that the kernel gives back however its holder ends."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from console.paths import NO_ROOM, PathError
from spec.errors import HeadgateError


class LockedError(HeadgateError):
    """Another Headgate runs on this state directory."""


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that holds the lock; `created` is its creation time in Unix seconds, as psutil gives it."""

    pid: int
    created: float

    def process(self) -> psutil.Process | None:
        """The process, if it still is the one that took the lock."""
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.created) < 1
        except psutil.NoSuchProcess:
            return None
        return process if same else None


_LENGTH = 128
_held: set[Path] = set()
"""Locks of this process: who holds one holds it for everything below as well."""


@contextmanager
def hold(path: Path) -> Iterator[None]:
    """Hold the lock at `path`. Raises `LockedError`, which names the pid of who has it."""
    path = path.resolve()
    if path in _held:
        yield
        return
    _held.add(path)
    try:
        with _hold(path):
            yield
    finally:
        _held.discard(path)


@contextmanager
def _hold(path: Path) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        _take(descriptor, path)
        _write(descriptor, path, _self())
        try:
            yield
        finally:
            _write(descriptor, path, {})
    finally:
        os.close(descriptor)


def _write(descriptor: int, path: Path, who: dict[str, float]) -> None:
    # Always as long: the file keeps its block, so that it can be written on a full disk too.
    try:
        os.pwrite(descriptor, json.dumps(who).ljust(_LENGTH).encode(), 0)
    except OSError as error:
        raise PathError(f"Cannot write {path}: {error.strerror}. {NO_ROOM}") from error


def _take(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        found = _read(path)
        who = f" (pid {found.pid})" if found else ""
        raise LockedError(
            f"Another Headgate{who} runs on {path.parent}. Stop it, or use another installation with --state-dir."
        ) from None
    except OSError as error:
        raise PathError(f"Cannot lock {path}: {error.strerror}. Choose a local disk with --state-dir.") from error


def find_holder(path: Path) -> Holder | None:
    """Who holds the lock now, or None where nobody does; takes no lock, so that it is in nobody's way."""
    found = _read(path)
    return found if found and found.process() else None


def _read(path: Path) -> Holder | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return Holder(int(found["pid"]), float(found["created"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _self() -> dict[str, float]:
    return {"pid": os.getpid(), "created": psutil.Process().create_time()}
