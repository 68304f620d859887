"""File events of a local repository, filtered to those that can mean a new commit or a new edit."""

import contextlib
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from watchdog.events import (
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver

from forge.local import find_layout
from spec.errors import HeadgateError

# Opening and closing files is what looking does: such events would wake us for our own reads.
_EVENTS: list[type[FileSystemEvent]] = [
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
]

_SETTLING = 0.1
"""Seconds until a new directory is surely watched."""


@dataclass(frozen=True, slots=True)
class Place:
    """A directory to watch, and which of the paths below it matter."""

    path: Path
    recursive: bool
    matters: Callable[[str], bool] = field(compare=False)


def ref_places(repository: Path) -> list[Place]:
    """Where a new commit shows in a local repository; empty if there is none."""
    try:
        layout = find_layout(repository)
    except HeadgateError:
        return []
    places = [Place(path, recursive=False, matters=_is_head) for path in {layout.git, layout.common}]
    below = [path for name in ("refs", "reftable") if (path := layout.common / name).is_dir()]
    return [*places, *(Place(path, recursive=True, matters=_is_final) for path in below)]


def worktree_places(repository: Path) -> list[Place]:
    """Where an edit or a new commit shows in a working copy."""
    if not repository.is_dir():
        return []
    inside = len(str(repository))

    def matters(path: str) -> bool:
        return "/.git/" not in f"{path[inside:]}/"

    return [Place(repository, recursive=True, matters=matters), *ref_places(repository)]


def _is_head(path: str) -> bool:
    return os.path.basename(path) in ("HEAD", "packed-refs")  # noqa: PTH119 (called for every event)


def _is_final(path: str) -> bool:
    return not path.endswith(".lock")


class Watcher:
    """Calls `changed` from a thread of its own when something that matters happened.

    Its argument is how many seconds later to look once more (0: not needed).
    """

    def __init__(self, places: Callable[[], list[Place]], changed: Callable[[float], None]) -> None:
        self._places = places
        self._changed = changed
        self._observer: BaseObserver | None = None
        self._armed: list[tuple[Place, int]] = []
        self._lock = threading.Lock()

    def arm(self) -> bool:
        """Watch what there is to watch now, anew if directories were replaced; return whether it works."""
        with self._lock:
            places = [(place, _identity(place.path)) for place in self._places()]
            if places == self._armed:
                return self._observer is not None
            self._stop()
            try:
                self._observer = self._start([place for place, _ in places])
            except OSError:
                # No inotify watch or instance is left: polling goes on without events.
                return False
            self._armed = places
            return bool(places)

    def close(self) -> None:
        """End the observer's threads."""
        with self._lock:
            self._stop()

    def _start(self, places: list[Place]) -> BaseObserver | None:
        if not places:
            return None
        observer = Observer()
        try:
            for place in places:
                handler = _Handler(place.matters, self._changed)
                observer.schedule(handler, str(place.path), recursive=place.recursive, event_filter=_EVENTS)
            observer.start()
        except OSError:
            observer.unschedule_all()
            raise
        return observer

    def _stop(self) -> None:
        observer, self._observer, self._armed = self._observer, None, []
        if observer is not None:
            observer.stop()
            with contextlib.suppress(RuntimeError):
                observer.join(5)


class _Handler(FileSystemEventHandler):
    def __init__(self, matters: Callable[[str], bool], changed: Callable[[float], None]) -> None:
        self._matters = matters
        self._changed = changed

    def on_any_event(self, event: FileSystemEvent) -> None:
        if isinstance(event, FileModifiedEvent | FileCreatedEvent | FileDeletedEvent | FileMovedEvent):
            paths = [os.fsdecode(path) for path in (event.src_path, event.dest_path) if path]
            if any(self._matters(path) for path in paths):
                self._changed(0.0)
        elif self._matters(os.fsdecode(event.src_path)):
            # Files may have been made in it before the watch on it began.
            self._changed(_SETTLING)


def _identity(path: Path) -> int:
    try:
        return path.stat().st_ino
    except OSError:
        return 0
