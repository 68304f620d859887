"""Processes of this host, known by pid and birth, so that no signal reaches a process that took over a pid."""

import contextlib
import os
import signal
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psutil

INSTALLATION = "HEADGATE_INSTALLATION"
RELEASE = "HEADGATE_RELEASE"
REPLICA = "HEADGATE_REPLICA"

_PAGE = os.sysconf("SC_PAGE_SIZE")
_LINUX = sys.platform == "linux"
# Fields of /proc/PID/stat after the name, as proc(5) numbers them, less three.
_PARENT, _SESSION, _BIRTH, _RSS = 1, 3, 19, 21


@dataclass(frozen=True, slots=True)
class Identity:
    """What a replica's processes carry in their environment, so that they are found without any record."""

    installation: str
    release: str
    """`endpoint/deployment@digest`."""
    replica: str

    def variables(self) -> dict[str, str]:
        """The three variables."""
        return {INSTALLATION: self.installation, RELEASE: self.release, REPLICA: self.replica}


@dataclass(frozen=True, slots=True)
class Found:
    """One running process as it was seen; `rss` in bytes."""

    pid: int
    birth: str
    """Names this process among all that ever had its pid: the host's boot and the tick it was born in."""
    parent: int
    session: int
    rss: int = 0


def look(pid: int) -> Found | None:
    """The process with that pid, or None if there is none or it is a zombie."""
    return _look_linux(pid) if _LINUX else _look_elsewhere(pid)


def survey() -> list[Found]:
    """Every process of the host that may be looked at."""
    return [found for pid in psutil.pids() if (found := look(pid))]


def identity(pid: int) -> Identity | None:
    """The identity in the process's environment as it was at `exec`, or None."""
    try:
        variables = psutil.Process(pid).environ()
    except (psutil.Error, OSError):
        return None
    installation, release, replica = (variables.get(name, "") for name in (INSTALLATION, RELEASE, REPLICA))
    return Identity(installation, release, replica) if installation and replica else None


def carriers(installation: str) -> list[tuple[Found, Identity]]:
    """Every process that carries this installation's identity."""
    return [
        (found, carried)
        for found in survey()
        if (carried := identity(found.pid)) and carried.installation == installation
    ]


class Forest:
    """One survey of the host, indexed by kinship."""

    def __init__(self, everyone: Iterable[Found]) -> None:
        self.everyone = tuple(everyone)
        self._children: dict[int, list[Found]] = {}
        self._sessions: dict[int, list[Found]] = {}
        for found in self.everyone:
            self._children.setdefault(found.parent, []).append(found)
            self._sessions.setdefault(found.session, []).append(found)

    def family(self, leader: int) -> list[Found]:
        """The leader's session and all descendants; only while its pid is known to be its own."""
        members: dict[int, Found] = {}
        queue = [*self._sessions.get(leader, ()), *self._children.get(leader, ())]
        while queue:
            found = queue.pop()
            if found.pid not in members:
                members[found.pid] = found
                queue.extend(self._children.get(found.pid, ()))
        return list(members.values())


def members(who: Identity, leader: int | None) -> list[Found]:
    """All of one replica's processes: `leader`'s family (None: its pid may be another's now), and all with `who`."""
    forest = Forest(survey())
    group = {found.pid: found for found in forest.family(leader)} if leader else {}
    for found in forest.everyone:
        if found.pid not in group and identity(found.pid) == who:
            group[found.pid] = found
    group.pop(os.getpid(), None)
    return list(group.values())


def send(pid: int, birth: str, number: signal.Signals) -> bool:
    """Signal exactly this process; False if it is gone or is another's, or may not be signalled."""
    if sys.platform != "linux":
        return _send_elsewhere(pid, birth, number)
    try:
        handle = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        # The handle is fixed before the look: what the look confirms is what the signal reaches.
        found = look(pid)
        if found is None or found.birth != birth:
            return False
        signal.pidfd_send_signal(handle, number)
    except OSError:
        return False
    finally:
        os.close(handle)
    return True


def listens(processes: Sequence[Found], port: int) -> bool:
    """Whether one of these processes holds the listening TCP socket at `port`; yes, too, where that is not told."""
    return any(_listens(found.pid, port) for found in processes)


def footprint(processes: Iterable[Found], *, exact: bool) -> int:
    """Bytes held: the sum of RSS, which counts shared pages for each, or (`exact`) of PSS where the host tells it."""
    if exact and _LINUX:
        return sum(_pss(found) for found in processes)
    return sum(found.rss for found in processes)


def release_of(carried: Identity) -> tuple[str, str, str] | None:
    """Endpoint, deployment and digest of an identity's release, or None if it is garbled."""
    endpoint, _, name = carried.release.partition("/")
    deployment, _, digest = name.partition("@")
    return (endpoint, deployment, digest) if endpoint and deployment and digest else None


def without_identity(variables: Mapping[str, str]) -> dict[str, str]:
    """The variables without any identity: what the user wrote never passes for one."""
    return {name: value for name, value in variables.items() if name not in (INSTALLATION, RELEASE, REPLICA)}


@cache
def _boot() -> str:
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return str(psutil.boot_time())


def _look_linux(pid: int) -> Found | None:
    try:
        # The name in brackets may hold spaces and brackets itself: what follows the last one is regular.
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None
    if len(fields) <= _RSS or fields[0] in (b"Z", b"X"):
        return None
    return Found(
        pid,
        f"{_boot()}:{int(fields[_BIRTH])}",
        int(fields[_PARENT]),
        int(fields[_SESSION]),
        int(fields[_RSS]) * _PAGE,
    )


def _look_elsewhere(pid: int) -> Found | None:
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        birth = f"{process.create_time():.6f}"
        return Found(pid, birth, process.ppid(), os.getsid(pid), process.memory_info().rss)
    except (psutil.Error, OSError):
        return None


def _send_elsewhere(pid: int, birth: str, number: signal.Signals) -> bool:
    found = look(pid)
    if found is None or found.birth != birth:
        return False
    with contextlib.suppress(OSError):
        os.kill(pid, number)
        return True
    return False


def _listens(pid: int, port: int) -> bool:
    try:
        connections = psutil.Process(pid).net_connections(kind="tcp")
    except (psutil.AccessDenied, PermissionError):
        return True
    except (psutil.Error, OSError):
        return False
    return any(found.status == psutil.CONN_LISTEN and found.laddr.port == port for found in connections)


def _pss(found: Found) -> int:
    try:
        return int(psutil.Process(found.pid).memory_full_info().pss)
    except psutil.NoSuchProcess:
        return 0
    except (psutil.Error, OSError):
        return found.rss
