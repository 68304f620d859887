"""One file per replica, written before its process starts, by which the next Headgate finds it again."""

import logging
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from runtime.fault import FULL
from spec.release import Probe, Recipe, ReleaseRef

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Care:
    """What watching over a replica needs of its recipe, kept with its record: the recipe is told again only later."""

    readiness: Probe = field(default_factory=Probe)
    liveness: Probe = field(default_factory=Probe)
    request_timeout_ms: int = 5000
    memory: int = 0
    """Bytes that its processes may hold together; 0: no limit."""
    cpu: float = 0.0

    @classmethod
    def of(cls, recipe: Recipe) -> "Care":
        """The care that a recipe asks for."""
        size = recipe.instance_type
        return cls(recipe.readiness, recipe.liveness, recipe.request_timeout_ms, size.memory, size.cpu)

    @property
    def grace(self) -> float:
        """Seconds between SIGTERM and SIGKILL: what a request may last, and five more."""
        return self.request_timeout_ms / 1000 + 5


@dataclass(frozen=True, slots=True)
class Record:
    """One replica as the disk knows it; with `pid` 0 its process is about to start, or has ended."""

    id: str
    release: ReleaseRef
    slot: int
    care: Care
    address: str = "127.0.0.1"
    port: int = 0
    pid: int = 0
    birth: str = ""
    started_at: datetime | None = None
    ready_at: datetime | None = None
    restarts: int = 0
    ends: int = 0
    """How often it ended in a row without a long life between: the exponent of its back-off."""
    stopping: bool = False
    reason: str = ""
    """Why it last ended, so that the next Headgate can say so; empty: it never did."""
    message: str = ""


_FORM = TypeAdapter(Record)


class Records:
    """The records below one directory; a file is whole or absent, never half written."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def read(self) -> list[Record]:
        """Every record; one that cannot be read is set aside as `.corrupt` and logged."""
        return sorted(self._readable(), key=lambda record: record.id)

    def write(self, record: Record) -> None:
        """Write or replace a replica's record. Raises `OSError`."""
        self._directory.mkdir(parents=True, exist_ok=True)
        path, content = self._path(record.id), _FORM.dump_json(record)
        new = path.with_suffix(".new")
        try:
            new.write_bytes(content)
            new.replace(path)
        except OSError as error:
            new.unlink(missing_ok=True)
            if error.errno not in FULL or not _overwrite(path, content):
                raise

    def remove(self, replica: str) -> None:
        """Forget a replica."""
        self._path(replica).unlink(missing_ok=True)

    def _path(self, replica: str) -> Path:
        return self._directory / f"{replica}.json"

    def _readable(self) -> Iterator[Record]:
        for path in sorted(self._directory.glob("*.json")):
            try:
                record = _FORM.validate_json(path.read_bytes())
            except (OSError, ValidationError) as error:
                _log.warning("The replica record %s cannot be read and is set aside: %s", path, error)
                path.replace(path.with_suffix(".corrupt"))
                continue
            if record.id == path.stem:
                yield record


def _overwrite(path: Path, content: bytes) -> bool:
    """Write over a file within the blocks that it has: a full disk must not keep a replica from starting again."""
    with suppress(OSError), path.open("r+b") as file:
        # Longer content might be cut short, and the former would be lost with it.
        if len(content) > os.fstat(file.fileno()).st_blocks * 512:
            return False
        file.write(content)
        file.truncate()
        return True
    return False
