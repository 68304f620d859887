"""Finds processes that an earlier Headgate left behind, and stops those that nothing asks for."""

import asyncio
import logging
import signal
from collections.abc import Iterable, Sequence
from pathlib import Path

from runtime import system
from runtime.children import adopt
from runtime.records import Record, Records
from runtime.system import Found, Identity

_log = logging.getLogger(__name__)

_GRACE = 10.0
"""Seconds between SIGTERM and SIGKILL for a process without a record."""
_AT_THE_END = 5.0
"""Most seconds between SIGTERM and SIGKILL where no router sends requests any more."""
_LEFTOVERS = 20


def find_leader(record: Record, carriers: Sequence[tuple[Found, Identity]]) -> Found | None:
    """The replica's running process: the recorded one, or one that started just after the record was written."""
    found = system.look(record.pid) if record.pid else None
    if found is not None and found.birth == record.birth:
        return found
    leading = [
        process
        for process, who in carriers
        if who.replica == record.id and who.release == str(record.release) and process.session == process.pid
    ]
    return max(leading, key=lambda process: (len(process.birth), process.birth), default=None)


async def remove(processes: Iterable[Found], grace: float = _GRACE) -> None:
    """SIGTERM to those that lead a session, SIGKILL to all that are left when `grace` seconds are over."""
    processes = list(processes)
    leaders = [adopt(found.pid, found.birth) for found in processes if found.session == found.pid]
    for leader in leaders:
        system.send(leader.pid, leader.birth, signal.SIGTERM)
    if leaders:
        await asyncio.wait({leader.ended for leader in leaders}, timeout=grace)
    for found in processes:
        system.send(found.pid, found.birth, signal.SIGKILL)
    for leader in leaders:
        await asyncio.wait({leader.ended}, timeout=1.0)
        leader.release()


async def stop_installation(state: Path, installation: str) -> None:
    """Stop every replica of an installation, gracefully, and remove its records; needs no running Headgate.

    No Headgate may run on the state directory, or it starts them again; nor may its router: what a replica still
    scores after 5 s is cut off.
    """
    records = Records(state / "replicas")
    known = await asyncio.to_thread(records.read)
    grace = min(_AT_THE_END, max((record.care.grace for record in known), default=_AT_THE_END))
    for attempt in range(_LEFTOVERS):
        left = await asyncio.to_thread(_all, known, installation)
        if not left:
            break
        await remove(left, grace if attempt == 0 else 0.1)
    else:
        _log.error("Processes of this installation survive SIGKILL: %s", [found.pid for found in left])
    for record in known:
        records.remove(record.id)


def _all(records: Sequence[Record], installation: str) -> list[Found]:
    forest = system.Forest(system.survey())
    group = {found.pid: found for found, _ in system.carriers(installation)}
    for record in records:
        leader = system.look(record.pid) if record.pid else None
        if leader is not None and leader.birth == record.birth:
            group |= {found.pid: found for found in forest.family(record.pid)}
    return list(group.values())
