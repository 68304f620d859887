"""What replicas write: one file each, kept within bounds, read from the end and followed."""

import asyncio
import logging
import os
import re
import threading
from collections import deque
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, dropwhile, islice, takewhile
from pathlib import Path
from typing import Literal

from runtime import rotation
from spec.release import ReleaseRef

_log = logging.getLogger(__name__)

Container = Literal["inference-server", "storage-initializer"]

LINE = 64 * 1024
"""Bytes of one line that are shown; the rest of a longer one is left out, and it says so."""
_BLOCK = 256 * 1024
_BUDGET = 256 * 2**20
"""Bytes that one `read` looks at, per file, at most."""
_LOOK = 0.25
"""Seconds between looks at followed files."""
_INITIALIZER: Container = "storage-initializer"
_ACCESS = re.compile(
    r" gunicorn\.access - | azmlinfsrv - (?:run\(\) output is HTTP Response$|[A-Z]{3,7} /\S* \d{3} [\d.]+ms )"
)
"""The lines that the inference server writes for every request."""
_START = re.compile(r"\bStarting gunicorn \d")
"""The first line of each life of a replica."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much is kept, in bytes: a replica's live file, all its rotated ones, and all of a deployment's."""

    file: int = 8 * 2**20
    rotated: int = 32 * 2**20
    deployment: int = 256 * 2**20


@dataclass(frozen=True, slots=True)
class Pick:
    """Which replicas' lines are wanted, and which of their lines; empty: all."""

    release: str = ""
    """A release, `blue@3f2a9c41d0e7`, or the beginning of its name or digest."""
    replica: str = ""
    """A replica's id, or an end of it."""
    access: bool = True
    """With the lines that tell of single requests."""
    previous: bool = False
    """Only the life before the newest start; not of what is followed."""

    def wants(self, source: str) -> bool:
        """Whether a replica (by its id) or a release's preparation (by its digest) is wanted."""
        name, _, digest = self.release.rpartition("@")
        known = source.split("-")[-2] if "-" in source else source
        fits = known.startswith(digest) or (len(digest) > len(known) and digest.startswith(known))
        named = not name or "-" not in source or source.startswith(f"{name}-")
        return fits and named and source.endswith(self.replica)

    def keeps(self, text: str) -> bool:
        """Whether a line is wanted."""
        return self.access or not _ACCESS.search(text)


ALL = Pick()


@dataclass(frozen=True, slots=True)
class Line:
    """One line of output; `source` is the replica's id, or the release's name for storage-initializer."""

    source: str
    text: str

    def __str__(self) -> str:
        return f"{self.source} {self.text}"


class Logs:
    """The log files below one directory; every method but `follow` does blocking I/O."""

    def __init__(self, directory: Path, bounds: Bounds | None = None) -> None:
        self._directory = directory
        self._bounds = bounds or Bounds()
        self._moved: dict[Path, int] = {}
        """How far rotation has moved each file's offsets, so that followers keep their place."""
        self._lock = threading.Lock()

    def path(self, release: ReleaseRef, replica: str) -> Path:
        """The file that a replica appends to."""
        return self._folder(release.endpoint, release.deployment, "inference-server") / f"{replica}.log"

    def initializer(self, release: ReleaseRef) -> Path:
        """The file that tells of preparing a release."""
        return self._folder(release.endpoint, release.deployment, _INITIALIZER) / f"{release.digest}.log"

    def note(self, release: ReleaseRef, text: str) -> None:
        """Append to the release's storage-initializer log; what cannot be written there is left out."""
        path = self.initializer(release)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a", encoding="utf-8") as file:
                file.write(f"{text.rstrip()}\n")
        except OSError as error:
            # Preparing goes on, or fails for a reason of its own: a full disk must not hide it.
            _log.warning("The log %s cannot be written: %s", path, error)

    def position(self, path: Path) -> int:
        """Where the file ends now: what `tail` takes as the start of a replica's newest life."""
        with self._lock:
            return self._moved.get(path, 0) + _size(path)

    def tail(self, path: Path, count: int, since: int = 0) -> str:
        """The last `count` lines that were written after `since`, without empty ones, 12 KiB at most."""
        with self._lock:
            begin = max(0, since - self._moved.get(path, 0))
            lines = [line for line in _last(path, count, begin) if line.strip()]
        return "\n".join(lines)[-12288:]

    def read(
        self,
        endpoint: str,
        deployment: str,
        lines: int = 5000,
        container: Container = "inference-server",
        *,
        pick: Pick = ALL,
        until: Mapping[Path, int] | None = None,
    ) -> list[Line]:
        """The last `lines` of each file of a deployment, the file written to last at the end.

        `until` leaves out what each file holds from that offset on.
        """
        files = sorted(self._files(endpoint, deployment, container, pick), key=_changed)
        with self._lock:
            return [
                Line(path.stem, text)
                for path in files
                for text in _last(path, lines, 0, (until or {}).get(path), pick=pick)
            ]

    def sources(self, endpoint: str, deployment: str, container: Container = "inference-server") -> list[str]:
        """The replicas that have a file (or the digests of prepared releases), the one written to last at the end."""
        return [path.stem for path in sorted(self._files(endpoint, deployment, container), key=_changed)]

    async def follow(
        self,
        endpoint: str,
        deployment: str,
        container: Container = "inference-server",
        *,
        lines: int = 0,
        pick: Pick = ALL,
    ) -> AsyncIterator[Line]:
        """The last `lines` of each and then each new one, for ever; new replicas join by themselves."""
        cursors = await asyncio.to_thread(self._cursors, endpoint, deployment, container)
        until = {path: cursor.position - self._moved.get(path, 0) for path, cursor in cursors.items()}
        past = await asyncio.to_thread(self.read, endpoint, deployment, lines, container, pick=pick, until=until)
        for line in past:
            yield line
        while True:
            for path in await asyncio.to_thread(self._files, endpoint, deployment, container, pick):
                cursor = cursors.setdefault(path, _Cursor())
                while fresh := await asyncio.to_thread(self._more, path, cursor):
                    for text in filter(pick.keeps, fresh):
                        yield Line(path.stem, text)
            await asyncio.sleep(_LOOK)

    def rotate(self, path: Path) -> None:
        """Rotate the file if it is over its bound. Raises `OSError`."""
        if rotation.length(path) < self._bounds.file:
            return
        with self._lock:
            rotation.shift(path)
            moved = rotation.move(path, rotation.numbered(path, 1), self._bounds.rotated)
            rotation.trim(path, self._bounds.rotated)
            self._moved[path] = self._moved.get(path, 0) + moved

    def prune(self, live: Collection[str]) -> None:
        """Remove the oldest files of replicas that are not `live` until each deployment is within its bound."""
        for folder in self._directory.glob("*/*/"):
            self._prune(folder, live)

    def _prune(self, folder: Path, live: Collection[str]) -> None:
        files = sorted((path for path in folder.rglob("*.log*") if path.is_file()), key=_changed)
        total = sum(rotation.length(path) for path in files)
        for path in files:
            if total <= self._bounds.deployment:
                return
            if path.name.partition(".log")[0] not in live:
                total -= rotation.length(path)
                path.unlink(missing_ok=True)

    def _folder(self, endpoint: str, deployment: str, container: Container) -> Path:
        folder = self._directory / endpoint / deployment
        return folder / _INITIALIZER if container == _INITIALIZER else folder

    def _files(self, endpoint: str, deployment: str, container: Container, pick: Pick = ALL) -> list[Path]:
        found = self._folder(endpoint, deployment, container).glob("*.log")
        return sorted(path for path in found if pick.wants(path.stem))

    def _cursors(self, endpoint: str, deployment: str, container: Container) -> dict[Path, "_Cursor"]:
        files = self._files(endpoint, deployment, container)
        return {path: _Cursor(position=self.position(path)) for path in files}

    def _more(self, path: Path, cursor: "_Cursor") -> list[str]:
        with self._lock:
            moved = self._moved.get(path, 0)
            data, offset = _read_from(path, max(0, cursor.position - moved), _BLOCK)
        cursor.position = moved + offset
        return cursor.feed(data)


class _Cursor:
    """A follower's place in one file: a position that rotation does not disturb, and a line begun."""

    def __init__(self, position: int = 0) -> None:
        self.position = position
        self._begun = b""

    def feed(self, data: bytes) -> list[str]:
        """The lines that `data` completes; an overlong one counts as complete."""
        parts = (self._begun + data).split(b"\n")
        self._begun = parts.pop()
        if len(self._begun) > LINE:
            parts.append(self._begun)
            self._begun = b""
        return [_text(part) for part in parts]


def _text(line: bytes) -> str:
    if len(line) > LINE:
        return _text(line[:LINE]) + f" … ({len(line)} bytes)"
    text = line.rstrip(b"\r").decode("utf-8", errors="replace")
    return "".join(char if char.isprintable() or char == "\t" else "\N{REPLACEMENT CHARACTER}" for char in text)


def _last(path: Path, count: int, begin: int = 0, end: int | None = None, *, pick: Pick = ALL) -> list[str]:
    """The last lines of a replica between two offsets of its live file, rotated files included from offset 0 on."""
    rotated = [] if begin else rotation.rotated(path)
    chunks = chain(_chunks(path, begin, end), *(_chunks(older, 0, None) for older in rotated))
    lines: deque[str] = deque()
    backwards = _split_backwards(chunks)
    if pick.previous:
        backwards = _previous(backwards)
    for line in islice(filter(pick.keeps, backwards), count):
        lines.appendleft(line)
    return list(lines)


def _previous(backwards: Iterator[str]) -> Iterator[str]:
    """Of lines from the end, those of the life before the newest start; none if there was only one."""
    before = islice(dropwhile(lambda line: not _START.search(line), backwards), 1, None)
    start: list[str] = []

    def within(line: str) -> bool:
        if _START.search(line):
            start.append(line)
        return not start

    yield from takewhile(within, before)
    yield from start


def _chunks(path: Path, begin: int, end: int | None) -> Iterator[bytes]:
    """The file's bytes between two offsets, block by block from the end."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return
    try:
        size = os.fstat(descriptor).st_size
        end = size if end is None else min(end, size)
        begin = max(begin, rotation.start(descriptor), end - _BUDGET)
        while end > begin:
            length = min(_BLOCK, end - begin)
            end -= length
            yield os.pread(descriptor, length, end)
    finally:
        os.close(descriptor)


def _split_backwards(chunks: Iterator[bytes]) -> Iterator[str]:
    """Lines from the end; of an overlong one its last bytes. A line may span chunks, and so files."""
    rest, cut, first = b"", 0, True
    for chunk in chunks:
        parts = (chunk + rest).split(b"\n")
        if first and parts[-1] == b"":
            parts.pop()
        first = False
        for part in reversed(parts[1:]):
            yield _shown(part, cut)
            cut = 0
        rest = parts[0] if parts else b""
        cut += max(0, len(rest) - LINE)
        rest = rest[-LINE:]
    if rest:
        yield _shown(rest, cut)


def _shown(part: bytes, cut: int) -> str:
    return f"({cut + len(part)} bytes) … {_text(part)}" if cut else _text(part)


def _read_from(path: Path, offset: int, size: int) -> tuple[bytes, int]:
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return b"", offset
    try:
        offset = max(offset, rotation.start(descriptor))
        data = os.pread(descriptor, size, offset)
        return data, offset + len(data)
    finally:
        os.close(descriptor)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
