"""What an instance type means on this host: memory and CPU limits, and what to tell the user about them."""

import asyncio
import math
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from runtime import cgroups, system
from spec.release import InstanceType

PERIOD = 1.0
"""Seconds between looks at memory where no cgroup enforces it."""
_GIB = 2**30
_THREADS = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


@dataclass(frozen=True, slots=True)
class Host:
    """What this host can give: `cpu` in cores, `memory` in bytes; `cgroups`: a cgroup v2 that is ours to divide."""

    cpu: int
    memory: int
    cgroups: Path | None = None


def detect() -> Host:
    """Look at this host, and take the cgroup that Headgate was given, if it was given one."""
    return Host(_cores(), psutil.virtual_memory().total, cgroups.claim())


def _cores() -> int:
    """Cores that this process may use, which may be fewer than the host has."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def notes(size: InstanceType, host: Host) -> tuple[tuple[str, str], ...]:
    """What a user should know of this size on this host, as reason and message."""
    said = []
    if size.cpu > host.cpu or size.memory > host.memory:
        said.append(("InstanceTypeExceedsHost", _exceeds(size, host)))
    if host.cgroups is None:
        said.append(("CpuLimitAdvisory", _advisory(size)))
    return tuple(said)


def hints(cpu: float, users: Mapping[str, str]) -> dict[str, str]:
    """Thread counts of numeric libraries for that many cores; what the user set stays."""
    if cpu <= 0:
        return {}
    return {name: str(math.ceil(cpu)) for name in _THREADS if name not in users}


@dataclass(frozen=True, slots=True)
class Watched:
    """A replica whose memory Headgate itself watches; `over` is called once, with a message."""

    leader: int
    memory: int
    over: Callable[[str], None]


async def watch(watched: Callable[[], Iterable[Watched]], period: float = PERIOD) -> None:
    """Look for ever at what replicas hold, and tell each that holds more than its limit."""
    while True:
        await asyncio.sleep(period)
        replicas = [replica for replica in watched() if replica.memory]
        if not replicas:
            continue
        held = await asyncio.to_thread(weigh, [(replica.leader, replica.memory) for replica in replicas])
        for replica in replicas:
            if (size := held.get(replica.leader, 0)) > replica.memory:
                replica.over(f"It held {_size(size)} of memory; its instance type has {_size(replica.memory)}.")


def weigh(limits: Iterable[tuple[int, int]]) -> dict[int, int]:
    """Bytes held by each leader's family.

    Shared pages are told apart only for a family whose plain RSS is over its limit: that costs more to find out.
    """
    forest = system.Forest(system.survey())
    held = {}
    for leader, limit in limits:
        family = forest.family(leader)
        size = system.footprint(family, exact=False)
        held[leader] = system.footprint(family, exact=True) if size > limit else size
    return held


def _advisory(size: InstanceType) -> str:
    return (
        f"the {size.cpu:g} cores of {size.name} are advice here, not a limit (Headgate has no cgroup v2 to divide); "
        "memory is enforced"
    )


def _exceeds(size: InstanceType, host: Host) -> str:
    return (
        f"{size.name} has {size.cpu:g} cores and {_size(size.memory)} of memory; this host has {host.cpu} and "
        f"{_size(host.memory)}. The replica runs all the same, with what the host can give."
    )


def _size(count: int) -> str:
    return f"{count / _GIB:.1f} GiB" if count >= _GIB else f"{count / 2**20:.0f} MiB"
