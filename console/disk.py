"""The state directory's disk: whether it has room, told in the status, on the screen, in the log and as events."""

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path

from console import shapes
from console.news import announce
from observability.events import Event, EventType
from reconciler.loop import Reconciler

ENOUGH = 64 * 2**20
"""Bytes below which the disk counts as full: a decision and a small environment still fit above it."""
LOOK_S = 5.0


@dataclass(frozen=True, slots=True)
class Room:
    """What is left on the disk of one directory; `files` is None where the file system has no limit of them."""

    folder: Path
    bytes: int
    files: int | None

    @property
    def full(self) -> bool:
        """Whether writing must be expected to fail."""
        return self.bytes < ENOUGH or self.files == 0

    def __str__(self) -> str:
        left = f"{self.bytes / 2**20:.1f} MiB free at {self.folder}"
        return f"{left}, and no inode for another file" if self.files == 0 else left


def look(folder: Path) -> Room:
    """What is left for this user on the disk of a directory that exists. Raises `OSError`."""
    found = os.statvfs(folder)
    return Room(folder, found.f_bavail * found.f_frsize, found.f_favail if found.f_files else None)


def condition(folder: Path) -> shapes.Condition:
    """The condition `DiskSpace` of the installation."""
    try:
        room = look(folder)
    except OSError as error:
        return shapes.Condition(type="DiskSpace", status="Unknown", reason="DiskUnreadable", message=str(error))
    if not room.full:
        return shapes.Condition(type="DiskSpace", status="True", reason="Enough", message=str(room))
    return shapes.Condition(type="DiskSpace", status="False", reason="DiskFull", message=_advice(room))


def _advice(room: Room) -> str:
    return (
        f"{room}. What serves goes on; new releases wait for room, and in the end decisions too. "
        "Free some space: Headgate goes on by itself."
    )


@dataclass
class DiskNews:
    """Tells once when the disk fills and once when it has room again, and then has everything looked at anew."""

    reconciler: Reconciler
    folder: Path
    _full: bool = False

    async def follow(self) -> None:
        """Tell until cancelled."""
        while True:
            await self.tell()
            await asyncio.sleep(LOOK_S)

    async def tell(self) -> None:
        """Tell what has changed since the last call."""
        room = look(self.folder)
        if room.full == self._full:
            return
        self._full = room.full
        now = self.reconciler.clock.now()
        if room.full:
            await announce(self.reconciler, Event(now, "", "DiskFull", _advice(room), EventType.WARNING))
            return
        self.reconciler.queue.add_all(list(self.reconciler.memories))
        await announce(self.reconciler, Event(now, "", "DiskHasRoom", f"{room}: everything is looked at again"))
