"""A repository elsewhere: `ls-remote` tells whether anything moved, `fetch` brings one commit."""

import re
from pathlib import Path

from forge.git import Git, explain, is_oid
from forge.local import candidates
from forge.location import Location, mask
from forge.mirror import CURRENT, Mirror
from forge.origin import Revision, format_of, missing_ref, opened, read_commit
from spec.errors import HeadgateError, TransientError

LOOK_TIMEOUT = 30.0
FETCH_TIMEOUT = 900.0
"""Seconds."""
_COMPACT_EVERY = 64

_DAMAGE = re.compile(
    "not a git repository|object file .* is empty|loose object .* corrupt|bad object|bad tree object|missing blob"
    "|inflate|packfile .* (cannot be accessed|index unavailable)|corrupt|unable to read tree|did not receive expected"
    "|unresolved deltas|invalid sha1 pointer|index file .* is too small|bad signature|shallow file has changed"
    "|lock.: File exists|reference broken|unable to find [0-9a-f]{40}|could not parse commit|fatal: bad config"
)
_NOT_OURS = re.compile("remote:|No space left on device|Disk quota exceeded|File too large")
"""With one of these the mirror is whole: the fault is the server's, or the disk has no room."""
_NO_SHALLOW = re.compile(r"dumb http transport does not support shallow|does not support shallow")
_NO_OID = re.compile(r"not our ref|unadvertised object|Server does not allow request")


class RemoteOrigin:
    """Follows a ref of a repository reached by https, ssh or loopback http."""

    def __init__(self, location: Location, ref: str | None, mirror: Path, git: Git) -> None:
        self.mirror: Mirror | None = Mirror(mirror, git, source=location.target)
        self._location = location
        self._ref = ref
        self._git = git
        self._source = ""
        self._fetched = 0

    def tip(self) -> str:
        """The id that the ref points at, by one `ls-remote`; a pinned commit needs none."""
        mirror = opened(self.mirror)
        if self._ref is not None and is_oid(self._ref):
            self._source = self._ref
            mirror.open(format_of(self._ref))
            return self._ref
        tip = self._look()
        mirror.open(format_of(tip))
        return tip

    def obtain(self, tip: str) -> Revision:
        """Fetch what the ref points at now, which may be newer than `tip`."""
        mirror = opened(self.mirror)
        try:
            return self._obtain(mirror, tip)
        except DamagedError:
            mirror.rebuild()
            return self._obtain(mirror, tip)

    def _look(self) -> str:
        names = candidates(self._ref)
        # No repository is needed for this, and none of the mirror's state can spoil it.
        out = self._git.check(
            "--git-dir=/nonexistent", "ls-remote", "--quiet", "--end-of-options", self._location.target, *names,
            timeout=LOOK_TIMEOUT,
        )  # fmt: skip
        lines = (line.partition("\t") for line in out.decode("utf-8", "replace").splitlines())
        found = {name: oid for oid, _, name in lines}
        for name in names:
            if is_oid(found.get(name, "")):
                self._source = name
                return found[name]
        raise missing_ref(self._ref, mask(self._location.target))

    def _obtain(self, mirror: Mirror, tip: str) -> Revision:
        if not self._has(mirror, tip):
            self._fetch(mirror)
            tip = self._current(mirror)
        try:
            commit = read_commit(mirror, tip)
        except OSError as error:
            raise DamagedError(str(error)) from error
        return Revision(commit.oid, commit.tree, commit.message)

    def _has(self, mirror: Mirror, tip: str) -> bool:
        """Whether the newest fetch brought exactly this: a commit alone, seen otherwise, may lack its files."""
        return self._current(mirror) == tip and mirror.reader.peel(tip) is not None

    def _current(self, mirror: Mirror) -> str:
        result = self._git.run(mirror.directory, "rev-parse", "--verify", "--quiet", "--end-of-options", CURRENT)
        return result.out.decode().strip() if result.status == 0 else ""

    def _fetch(self, mirror: Mirror) -> None:
        try:
            self._fetch_depth(mirror, f"+{self._source}:{CURRENT}", "--depth=1")
        except _UnsupportedError:
            self._fetch_depth(mirror, f"+{self._source}:{CURRENT}")
        except _UnadvertisedError:
            self._fetch_depth(mirror, "+refs/heads/*:refs/headgate/heads/*", "+refs/tags/*:refs/headgate/tags/*")
            self._git.check(mirror.directory, "update-ref", CURRENT, self._source)
        self._compact(mirror)

    def _fetch_depth(self, mirror: Mirror, *specs: str) -> None:
        options = [spec for spec in specs if spec.startswith("-")]
        result = self._git.run(
            mirror.directory, "fetch", "--quiet", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head",
            "--no-auto-maintenance", *options, "--end-of-options", self._location.target,
            *(spec for spec in specs if not spec.startswith("-")), timeout=FETCH_TIMEOUT,
        )  # fmt: skip
        if result.status != 0:
            raise _fetch_error(result.err)

    def _compact(self, mirror: Mirror) -> None:
        self._fetched += 1
        if self._fetched % _COMPACT_EVERY == 0:
            self._git.run(mirror.directory, "gc", "--auto", "--quiet", timeout=FETCH_TIMEOUT)


class DamagedError(TransientError):
    """The mirror is broken: it is made anew."""


class _UnsupportedError(TransientError):
    """The server cannot send a shallow history."""


class _UnadvertisedError(TransientError):
    """The server does not send a commit by its id alone."""


def _fetch_error(err: str) -> HeadgateError:
    if _NO_SHALLOW.search(err):
        return _UnsupportedError(err)
    if _NO_OID.search(err):
        return _UnadvertisedError(err)
    error = explain("fetch", err)
    if isinstance(error, TransientError) and _DAMAGE.search(err) and not _NOT_OURS.search(err):
        return DamagedError(str(error))
    return error
