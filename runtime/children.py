"""A replica's leading process: started or adopted, and watched until it ends."""

import asyncio
import contextlib
import os
import resource
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from runtime import system
from spec.errors import HeadgateError

_FILES = 16_384
"""Open files that a replica may have (soft limit), unless the host's hard limit is lower."""
_POLL = 0.5
"""Seconds between looks where the kernel has no pidfd."""


class SpawnError(HeadgateError):
    """The command could not be executed."""


@dataclass(frozen=True, slots=True)
class Command:
    """All that `exec` needs; `env` is the whole environment, nothing is inherited."""

    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: Path


class Leader:
    """One running process that leads its own session; `ended` resolves once, to its exit code if that is known.

    Negative codes are signals, as in `subprocess`. None: it was not this process's child, so nobody can tell.
    """

    def __init__(self, pid: int, birth: str, *, child: bool) -> None:
        self.pid = pid
        self.birth = birth
        self.ended: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
        self._child = child
        self._handle: int | None = None
        self._poll: asyncio.Task[None] | None = None
        self._watch()

    @property
    def child(self) -> bool:
        """Whether this process started it, and so learns its exit code."""
        return self._child

    @property
    def held(self) -> bool:
        """Whether the pid is certainly still this process's own: it runs, or waits as a zombie to be reaped."""
        return self._child or not self.ended.done()

    def release(self) -> None:
        """Reap it if it ended and was a child, and stop watching it; it goes on if it still runs."""
        self._unwatch()
        if self._child and self.ended.done():
            with contextlib.suppress(ChildProcessError):
                os.waitpid(self.pid, os.WNOHANG)
        self._child = False

    def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        if sys.platform != "linux":
            self._poll = loop.create_task(self._look_until_gone())
            return
        try:
            self._handle = os.pidfd_open(self.pid)
        except OSError:
            self._end()
            return
        found = system.look(self.pid)
        if not self._child and (found is None or found.birth != self.birth):
            self._end()
            return
        loop.add_reader(self._handle, self._end)

    def _unwatch(self) -> None:
        if self._poll is not None:
            self._poll.cancel()
        if self._handle is not None:
            asyncio.get_running_loop().remove_reader(self._handle)
            os.close(self._handle)
            self._handle = None

    def _end(self) -> None:
        self._unwatch()
        if not self.ended.done():
            self.ended.set_result(_code(self.pid) if self._child else None)

    async def _look_until_gone(self) -> None:
        # A kernel without pidfd has no event to wait for.
        while (found := system.look(self.pid)) and found.birth == self.birth:  # noqa: ASYNC110
            await asyncio.sleep(_POLL)
        self._end()


def spawn(command: Command, log: Path) -> Leader:
    """Start the command in a session of its own, its output appended to `log`. Raises `SpawnError`."""
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    except OSError as error:
        raise SpawnError(f"The log file {log} could not be opened: {error}") from error
    try:
        process = subprocess.Popen(
            list(command.argv),
            env=dict(command.env),
            cwd=command.cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        raise SpawnError(f"The command {command.argv[0]} could not be started in {command.cwd}: {error}") from error
    finally:
        os.close(output)
    # From here the pid is watched and reaped by `Leader`, which may also leave it running.
    process.returncode = 0
    _limit(process.pid)
    found = system.look(process.pid)
    return Leader(process.pid, found.birth if found else "", child=True)


def adopt(pid: int, birth: str) -> Leader:
    """Watch a process that was found running."""
    found = system.look(pid)
    return Leader(pid, birth, child=found is not None and found.parent == os.getpid())


def _code(pid: int) -> int | None:
    try:
        return _peek(pid) if sys.platform == "linux" else os.waitstatus_to_exitcode(os.waitpid(pid, os.WNOHANG)[1])
    except ChildProcessError:
        return None


def _peek(pid: int) -> int | None:
    # WNOWAIT leaves a zombie: its pid cannot be given away before the rest of its session is gone.
    left = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    if left is None:
        return None
    return left.si_status if left.si_code == os.CLD_EXITED else -left.si_status


def _limit(pid: int) -> None:
    if sys.platform != "linux":
        return
    with contextlib.suppress(OSError, ValueError):
        hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)[1]
        soft = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))
        resource.prlimit(pid, resource.RLIMIT_CORE, (0, 0))
