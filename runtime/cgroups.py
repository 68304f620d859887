"""Limits by cgroup v2, where the host has given Headgate a cgroup of its own (systemd's `Delegate=yes`)."""

import logging
import os
from pathlib import Path

from runtime import system

_log = logging.getLogger(__name__)

_MOUNT = Path("/sys/fs/cgroup")
_OWN = Path("/proc/self/cgroup")
_LEAF = "headgate"
"""The cgroup that Headgate itself moves to: one that divides its controllers may hold no processes."""
_CPU_PERIOD = 100_000
"""Microseconds, the kernel's own default."""


def claim(mount: Path = _MOUNT, own: Path = _OWN) -> Path | None:
    """The cgroup below which replicas get theirs, or None.

    It must offer cpu and memory, be writable, and hold no process but Headgate and what Headgate has started.
    """
    try:
        line = next((line for line in own.read_text().splitlines() if line.startswith("0::/")), None)
        if line is None:
            return None
        path = mount / line.removeprefix("0::/")
        path = path.parent if path.name == _LEAF else path
        offered = (path / "cgroup.controllers").read_text().split()
        if not {"cpu", "memory"} <= set(offered) or not os.access(path / "cgroup.subtree_control", os.W_OK):
            return None
        return path if _divide(path) else None
    except OSError as error:
        _log.info("No cgroup to divide among replicas: %s", error)
        return None


def _divide(path: Path) -> bool:
    inside = [int(pid) for pid in (path / "cgroup.procs").read_text().split()]
    own = {os.getpid(), *(found.pid for found in system.Forest(system.survey()).family(os.getpid()))}
    if not set(inside) <= own:
        return False
    (path / _LEAF).mkdir(exist_ok=True)
    for pid in inside:
        (path / _LEAF / "cgroup.procs").write_text(str(pid), encoding="ascii")
    (path / "cgroup.subtree_control").write_text("+cpu +memory", encoding="ascii")
    return True


class Group:
    """One replica's cgroup."""

    def __init__(self, parent: Path, replica: str) -> None:
        self._path = parent / f"replica-{replica}"

    def open(self, pid: int, cpu: float, memory: int) -> None:
        """Put the process, and all that it will start, under its limits (cores, bytes). Raises `OSError`."""
        self._path.mkdir(exist_ok=True)
        self._write("memory.max", str(memory) if memory else "max")
        self._write("memory.oom.group", "1")
        self._write("cpu.max", f"{int(cpu * _CPU_PERIOD)} {_CPU_PERIOD}" if cpu else "max")
        self._write("cgroup.procs", str(pid))

    def kills(self) -> int:
        """How often the kernel has killed for memory here."""
        try:
            lines = (self._path / "memory.events").read_text(encoding="ascii").splitlines()
        except OSError:
            return 0
        return sum(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))

    def close(self) -> None:
        """Remove it, once it is empty."""
        try:
            self._path.rmdir()
        except OSError as error:
            _log.debug("The cgroup %s stays: %s", self._path, error)

    def _write(self, name: str, value: str) -> None:
        (self._path / name).write_text(value, encoding="ascii")
