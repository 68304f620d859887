"""The mirror: a bare repository of Headgate's own, whose configuration nobody else writes."""

import hashlib
import os
import shutil
from contextlib import suppress
from pathlib import Path

from forge.git import Git
from forge.objects import Objects
from spec.errors import StalledError, TransientError

CURRENT = "refs/headgate/current"
"""Keeps the newest commit, so that a fetch sends only what is new."""
_MARK = "headgate-mirror"
_VERSION = "1"


class Mirror:
    """One bare repository below the state directory; made anew when damaged or meant for another source."""

    def __init__(self, path: Path, git: Git, *, source: str, alternate: Path | None = None) -> None:
        self.path = path
        self.git = git
        self._alternate = alternate
        self._source = hashlib.sha256(source.encode()).hexdigest()
        self._format = ""
        self._reader: Objects | None = None
        self.damaged = False
        """Whether reading met a missing or broken object since the mirror was made."""

    @property
    def directory(self) -> str:
        """Git's option that names this repository."""
        return f"--git-dir={self.path}"

    def open(self, object_format: str) -> None:
        """Make the mirror ready for `sha1` or `sha256` objects, reusing what is there if it fits."""
        if self._format == object_format and self.path.is_dir():
            return
        self.close()
        try:
            if not self._fits(object_format):
                self._make(object_format)
            self._clear_locks()
        except OSError as error:
            raise TransientError(f"The mirror {self.path} cannot be written: {error.strerror or error}.") from error
        self._format = object_format

    def rebuild(self) -> None:
        """Throw everything away and begin with an empty mirror."""
        object_format = self._format or "sha1"
        self.close()
        with suppress(FileNotFoundError):
            (self.path / _MARK).write_text("to be removed\n")
        self.open(object_format)
        self.damaged = False

    @property
    def reader(self) -> Objects:
        """The mirror's shared reader, open until `close` or `rebuild`."""
        if self._format == "":
            raise TransientError("The source was not reached yet: nothing can be read from it.")
        if self._reader is None:
            self._reader = Objects(self.git, self.path, self._note_damage)
        return self._reader

    def new_reader(self) -> Objects:
        """A reader of its own for long reads; the caller closes it."""
        if self._format == "":
            raise TransientError("The source was not reached yet: nothing can be read from it.")
        return Objects(self.git, self.path)

    def close(self) -> None:
        """End the shared reader's processes; `open` makes the mirror usable again."""
        self._format = ""
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def _note_damage(self) -> None:
        self.damaged = True

    def _fits(self, object_format: str) -> bool:
        try:
            mark = (self.path / _MARK).read_text()
        except (FileNotFoundError, NotADirectoryError):
            return False
        return mark == self._stamp(object_format) and (self.path / "HEAD").is_file()

    def _stamp(self, object_format: str) -> str:
        return f"{_VERSION} {object_format} {self._source} {self._alternate or '-'}\n"

    def _make(self, object_format: str) -> None:
        self._remove()
        self.path.mkdir(parents=True, mode=0o700)
        (self.path / _MARK).write_text("being made\n")
        self.git.check(
            "init", "--quiet", "--bare", "--template=", f"--object-format={object_format}", "--", str(self.path)
        )
        if self._alternate is not None:
            info = self.path / "objects" / "info"
            info.mkdir(exist_ok=True)
            (info / "alternates").write_bytes(os.fsencode(_quoted(self._alternate)))
        (self.path / _MARK).write_text(self._stamp(object_format))

    def _remove(self) -> None:
        if not self.path.exists():
            return
        if not (self.path / _MARK).exists() and any(self.path.iterdir()):
            raise StalledError(f"{self.path} is not a mirror made by Headgate: name another state directory.")
        shutil.rmtree(self.path)

    def _clear_locks(self) -> None:
        # The state directory is locked by this Headgate, so a lock here belongs to a Git that was killed.
        for lock in (*self.path.glob("*.lock"), *self.path.glob("refs/headgate/*.lock")):
            lock.unlink(missing_ok=True)


def _quoted(path: Path) -> str:
    text = str(path)
    if "\n" in text:
        raise StalledError(f"The repository's path {text!r} holds a line break: move it.")
    return f"{text}\n"
