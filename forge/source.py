"""The source: a repository followed for ever, one newest commit at a time."""

import asyncio
import random
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from forge.export import Exporter, ExportLimits
from forge.git import Git, check_ref
from forge.lfs import LfsStore
from forge.local import LocalOrigin, find_layout
from forge.location import Location, check_subpath, mask, parse_location
from forge.mirror import Mirror
from forge.origin import Origin, Revision, opened
from forge.remote import RemoteOrigin
from forge.snapshot import Difference, Snapshot, SourceSeen
from forge.tree import TreeFiles, find_directory
from forge.watcher import Watcher, ref_places, worktree_places
from forge.worktree import WorktreeOrigin
from spec.errors import HeadgateError, StalledError, TransientError
from spec.files import Changes

_LIMITS = ExportLimits()
_JITTER = 0.1
_FIRST_RETRY = 1.0
_LONGEST_RETRY = 300.0
_DEBOUNCE_REFS = 0.005
_DEBOUNCE_EDITS = 0.2
"""Seconds."""


def _now() -> datetime:
    return datetime.now(UTC)


class GitSource:
    """A branch, tag or commit of one repository as a `reconciler.ports.Source`; one `watch` at a time.

    `mirror` is Headgate's own bare repository; `poll_seconds` is between looks when nothing else wakes the source
    (each wait up to 10 % shorter or longer); `worktree` follows uncommitted edits of a local working copy;
    `operator_config` uses the operator's own Git and ssh configuration (credential helpers, proxies) for a remote.
    Raises `StalledError` for a location, ref or path that is not allowed.
    """

    def __init__(  # noqa: PLR0913 (each is a setting of its own, given by keyword)
        self,
        location: str,
        *,
        mirror: Path,
        ref: str | None = None,
        path: str = "",
        poll_seconds: float = 30.0,
        worktree: bool = False,
        lfs: bool = True,
        operator_config: bool = False,
        limits: ExportLimits = _LIMITS,
        now: Callable[[], datetime] = _now,
    ) -> None:
        self._location = parse_location(location)
        self._path = check_subpath(path)
        self._poll_seconds = poll_seconds
        self._worktree = worktree
        self._use_lfs = lfs
        self._limits = limits
        self._now = now
        # A local repository needs none of it, and a filter of it would change what edits are read as.
        self._git = Git(self._location, operator_config=operator_config and not self._location.is_local)
        self._origin = _choose_origin(self._location, _checked_ref(ref, worktree=worktree), mirror, self._git)
        if worktree:
            self._origin = _choose_worktree(self._location, mirror, self._git)
        self._watcher = self._choose_watcher()
        self._wake = asyncio.Event()
        self._yielded = asyncio.Event()
        self._looking = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tip: str | None = None
        self._mended: str | None = None
        self._latest: _Numbered | None = None
        self._given: _Numbered | None = None
        self._seen = SourceSeen(None, None, None)
        self._failures = 0
        self._closed = False

    def __repr__(self) -> str:
        return f"GitSource({mask(self._location.target)!r})"

    async def watch(self) -> AsyncIterator[Difference]:
        """Yield the newest commit at once and then each newer one, until `close`."""
        self._loop = asyncio.get_running_loop()
        self._given = None
        while not self._closed:
            # Armed before looking: a commit in between is an event, not a gap.
            await self._arm()
            with suppress(HeadgateError):
                await self._look()
            difference = await asyncio.to_thread(self._next)
            if difference is not None:
                self._announce()
                yield difference
            await self._rest()

    async def sync(self) -> str:
        """Look now; return the newest commit once `watch` has yielded it. Raises what the look failed with."""
        wanted = await self._look()
        self.wake()
        while not self._closed:
            yielded, given = self._yielded, self._given
            if given is not None and given.number >= wanted.number:
                return given.snapshot.commit
            await yielded.wait()
        raise TransientError("The source is closed.")

    def wake(self) -> None:
        """Look soon; for webhooks. To be called on the event loop."""
        self._wake.set()

    def seen(self) -> SourceSeen:
        """How the last look went."""
        return self._seen

    def export(self, oid: str, kind: Literal["file", "directory"], destination: Path, path: str = "") -> None:
        """Lay an artifact out at `destination` (a file, or a directory with the tree's content). Blocks.

        `path` is where the watched folder has it, for what is told of it.

        Raises `StalledError` for content that is refused, `TransientError` if the disk or the source failed.
        """
        mirror = opened(self._origin.mirror)
        objects = mirror.new_reader()
        try:
            Exporter(objects, self._lfs(mirror), self._limits).export(oid, kind, destination, path)
        finally:
            objects.close()

    async def close(self) -> None:
        """End `watch`, all Git processes and all watching threads."""
        self._closed = True
        self._wake.set()
        self._announce()
        self._git.kill()
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._watcher.close()
        with self._looking:
            if self._origin.mirror is not None:
                self._origin.mirror.close()

    def _announce(self) -> None:
        self._yielded.set()
        self._yielded = asyncio.Event()

    async def _arm(self) -> None:
        if self._location.is_local:
            await asyncio.to_thread(self._watcher.arm)

    async def _look(self) -> "_Numbered":
        """Look once; note how it went, and raise if it failed."""
        try:
            found = await asyncio.to_thread(self._look_now)
        except HeadgateError as error:
            self._failures += 1
            self._seen = SourceSeen(self._seen.attempted, str(error), self._now())
            raise
        self._failures = 0
        self._seen = SourceSeen(found.snapshot.commit, None, self._now())
        return found

    def _look_now(self) -> "_Numbered":
        with self._looking:
            if self._closed:
                raise TransientError("The source is closed.")
            try:
                return self._look_at(self._origin.tip())
            except OSError as error:
                if (mirror := self._origin.mirror) is None or not mirror.damaged:
                    raise TransientError(f"The mirror cannot be read: {error}.") from error
            try:
                return self._look_at(self._origin.tip())
            except OSError as error:
                raise TransientError(f"The repository is damaged: {error}. Run `git fsck` there.") from error

    def _look_at(self, tip: str) -> "_Numbered":
        mirror = opened(self._origin.mirror)
        mend = mirror.damaged and self._mended != tip
        if self._latest is not None and self._tip == tip and not mend:
            return self._latest
        if mend:
            self._mended = tip
            mirror.rebuild()
        revision = self._origin.obtain(tip)
        if self._latest is None or mend or self._latest.snapshot.commit != revision.commit:
            number = self._latest.number + 1 if self._latest else 1
            self._latest = _Numbered(number, self._snapshot(revision, mirror))
        self._tip = tip
        return self._latest

    def _snapshot(self, revision: Revision, mirror: Mirror) -> Snapshot:
        root = find_directory(mirror.reader, revision.tree, self._path)
        if root is None:
            raise StalledError(f"{revision.commit[:12]} has no directory {self._path!r}: commit it, or name another.")
        files = TreeFiles(mirror.reader, root.oid)
        if self._latest is None:
            # The whole listing is wanted anyway, and it shows now if the mirror lacks anything.
            files.entries()
        return Snapshot(revision.commit, root.oid, files, revision.message)

    def _next(self) -> Difference | None:
        """What to yield: the newest snapshot and how it differs from the one given last."""
        with self._looking:
            latest, given = self._latest, self._given
            if latest is None or (given is not None and latest.number == given.number):
                return None
            difference = _difference(given.snapshot if given else None, latest.snapshot)
            self._latest = self._given = _Numbered(latest.number, difference.snapshot)
            return difference

    async def _rest(self) -> None:
        """Wait for an event, a wake-up, or the next poll."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), self._delay())
            if not self._closed and self._location.is_local:
                await asyncio.sleep(_DEBOUNCE_EDITS if self._worktree else _DEBOUNCE_REFS)
        self._wake.clear()

    def _delay(self) -> float:
        delay = self._poll_seconds
        if self._failures:
            delay = min(_FIRST_RETRY * 2 ** min(self._failures - 1, 16), max(delay, _LONGEST_RETRY))
            delay = min(delay, self._poll_seconds) if self._location.is_local else delay
        return delay * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 (spreads load, hides nothing)

    def _changed(self, again_after: float) -> None:
        loop = self._loop
        if loop is None or self._closed:
            return
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(self.wake)
            if again_after:
                loop.call_soon_threadsafe(loop.call_later, again_after, self.wake)

    def _choose_watcher(self) -> Watcher:
        path = Path(self._location.target)
        places = worktree_places if self._worktree else ref_places
        return Watcher(lambda: places(path), self._changed)

    def _lfs(self, mirror: Mirror) -> LfsStore | None:
        if not self._use_lfs:
            return None
        if not self._location.is_local:
            return LfsStore(self._git, mirror.path, url=self._location.target)
        return LfsStore(self._git, mirror.path, local=find_layout(Path(self._location.target)).common)


@dataclass(frozen=True, slots=True)
class _Numbered:
    """A snapshot and its place in the order of arrival, from 1."""

    number: int
    snapshot: Snapshot


def _difference(old: Snapshot | None, new: Snapshot) -> Difference:
    before = old.files if old else None
    if not isinstance(before, TreeFiles) or not isinstance(new.files, TreeFiles) or not before.shares(new.files):
        return Difference(new, None)
    try:
        files, paths = before.successor(new.tree)
    except (OSError, HeadgateError):
        return Difference(new, None)
    return Difference(replace(new, files=files), Changes(paths))


def _checked_ref(ref: str | None, *, worktree: bool) -> str | None:
    if ref is not None and worktree:
        raise StalledError(f"A working copy has no other ref: leave out {ref!r}, or leave out worktree.")
    return None if ref is None else check_ref(ref)


def _choose_origin(location: Location, ref: str | None, mirror: Path, git: Git) -> Origin:
    if location.is_local:
        return LocalOrigin(Path(location.target), ref, mirror, git)
    return RemoteOrigin(location, ref, mirror, git)


def _choose_worktree(location: Location, mirror: Path, git: Git) -> Origin:
    if location.is_local:
        return WorktreeOrigin(Path(location.target), mirror, git)
    raise StalledError(f"{mask(location.target)} is remote: only a local working copy has edits to follow.")
