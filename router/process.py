"""One process of this machine, told apart from a later one that got the same pid."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from router import private_file

_POLL_S = 0.5
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

# Envoy asks the kernel for SIGTERM at the death of its parent, so it must not be Headgate's child: it waits for the
# end of its stdin, which comes after the shell that started it is gone.
_ORPHAN = 'exec 3<&0; (read -r _ <&3; exec "$@" </dev/null >&2 3<&-) & echo "$!"'


@dataclass(frozen=True, slots=True)
class Process:
    """A pid and when it was created; `created` is opaque, equal only for the same process of the same boot."""

    pid: int
    created: str


def identify(pid: int) -> Process | None:
    """Return the process that has this pid now; None if there is none, or only what is left of a dead one."""
    try:
        found = psutil.Process(pid)
        if found.status() == psutil.STATUS_ZOMBIE:
            return None
        return Process(pid, _created(found))
    except (psutil.NoSuchProcess, psutil.AccessDenied, FileNotFoundError, ProcessLookupError):
        return None


def alive(process: Process) -> bool:
    """Whether exactly this process runs."""
    return identify(process.pid) == process


def command_line(process: Process) -> tuple[str, ...]:
    """Return the arguments that the process was started with; empty if it is gone or not ours to see."""
    try:
        arguments = psutil.Process(process.pid).cmdline()
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return ()
    return tuple(arguments) if alive(process) else ()


def find(matches: Callable[[Sequence[str]], bool]) -> list[Process]:
    """Return every process of this user whose command line matches."""
    user = os.geteuid()
    seen = psutil.process_iter(["pid", "uids", "cmdline"])
    pids = [entry.pid for entry in seen if _of(entry, user) and matches(entry.info["cmdline"] or ())]
    return [process for process in map(identify, pids) if process is not None]


def listening(those: Iterable[Process]) -> frozenset[int]:
    """Return the TCP ports that these processes listen on."""
    ports: set[int] = set()
    for process in those:
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            found = psutil.Process(process.pid).net_connections("tcp")
            ports |= {at.laddr.port for at in found if at.status == psutil.CONN_LISTEN}
    return frozenset(ports)


def _of(entry: psutil.Process, user: int) -> bool:
    return entry.info["uids"] is not None and entry.info["uids"].effective == user


def send(process: Process, number: signal.Signals) -> bool:
    """Signal exactly this process; return whether it was there to get it."""
    with _pidfd(process) as descriptor:
        if not alive(process):
            return False
        with contextlib.suppress(ProcessLookupError):
            if descriptor is None:
                os.kill(process.pid, number)
            elif sys.platform == "linux":
                signal.pidfd_send_signal(descriptor, number)
            return True
    return False


async def wait(process: Process) -> None:
    """Return once the process is gone with all its threads, and so its ports are free; it need not be a child."""
    with _pidfd(process) as descriptor:
        if descriptor is not None and _created_as(process):
            await _readable(descriptor)
            return
        await _polled(process)


async def end(process: Process, patience_s: float) -> None:
    """See the process gone: ask with SIGTERM, and kill it if it is still there after `patience_s`."""
    send(process, signal.SIGTERM)
    try:
        await asyncio.wait_for(wait(process), patience_s)
    except TimeoutError:
        send(process, signal.SIGKILL)
        await wait(process)


def detach(arguments: Sequence[str], log: Path, directory: Path) -> int:
    """Start a program that outlives this process, in a session of its own, and return its pid.

    Its environment is empty, and its output goes to the end of `log`. Raises `OSError`.
    """
    with (
        open(log, "ab", opener=private_file.opener) as output,
        subprocess.Popen(
            ["/bin/sh", "-c", _ORPHAN, "sh", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=output,
            cwd=directory,
            env={},
            start_new_session=True,
        ) as shell,
    ):
        pid = (shell.stdout or output).readline()
        # Only once its parent is gone may the program begin: leaving the block closes its stdin.
        shell.wait()
    if not pid.strip().isdigit():
        raise ChildProcessError(f"/bin/sh did not start {arguments[0]}; see {log}")
    return int(pid)


async def _polled(process: Process) -> None:
    """Where the system has no event for the end of a process that is not a child."""
    while True:
        if not alive(process):
            return
        await asyncio.sleep(_POLL_S)


async def _readable(descriptor: int) -> None:
    loop = asyncio.get_running_loop()
    done = asyncio.Event()
    loop.add_reader(descriptor, done.set)
    try:
        await done.wait()
    finally:
        loop.remove_reader(descriptor)


@contextlib.contextmanager
def _pidfd(process: Process) -> Iterator[int | None]:
    """Hold the pid so that it cannot be reused; None where the platform cannot, or the process is gone."""
    descriptor = None
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            descriptor = os.pidfd_open(process.pid)
    try:
        yield descriptor
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _created_as(process: Process) -> bool:
    """Whether the pid is still this process's, be it only a zombie: its other threads may live a moment longer."""
    try:
        return _created(psutil.Process(process.pid)) == process.created
    except (psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError):
        return False


def _created(found: psutil.Process) -> str:
    """Linux: boot and clock tick, which a change of the system's clock does not move."""
    if not _BOOT_ID.exists():
        return f"{found.create_time():.6f}"
    stat = Path(f"/proc/{found.pid}/stat").read_text(encoding="utf-8", errors="replace")
    ticks = stat.rpartition(")")[2].split()[19]
    return f"{_BOOT_ID.read_text(encoding='ascii').strip()}/{ticks}"
