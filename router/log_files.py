"""Log files that grow while Envoy writes to them, kept within bounds."""

from dataclasses import dataclass
from pathlib import Path

_CHUNK = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Rotation:
    """When a log that Envoy can reopen is put aside: at `max_bytes`; `keep` old ones stay, `.1` the newest."""

    path: Path
    max_bytes: int = 64 * 1024 * 1024
    keep: int = 4

    def prepare(self) -> None:
        """Make the file, so that only this user may read what Envoy will write."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path.touch(mode=0o600)

    def rotate(self) -> bool:
        """Rename the log if it is full; return whether Envoy must be told to reopen its logs."""
        if not self.path.is_file() or self.path.stat().st_size < self.max_bytes:
            return False
        for number in range(self.keep, 0, -1):
            older = self._numbered(number - 1)
            if older.is_file():
                older.replace(self._numbered(number))
        self.prepare()
        return True

    def _numbered(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}") if number else self.path


def bound(path: Path, max_bytes: int) -> bool:
    """Move a full log that its writer never reopens to `.1` and empty it; return whether that was done.

    The writer must append. Lines written between copy and truncation are lost.
    """
    if not path.is_file() or path.stat().st_size < max_bytes:
        return False
    with path.open("r+b") as source, path.with_name(f"{path.name}.1").open("wb") as target:
        source.seek(-min(max_bytes, path.stat().st_size), 2)
        while chunk := source.read(_CHUNK):
            target.write(chunk)
        source.truncate(0)
    return True
