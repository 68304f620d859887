"""Headgate's own log: everything to a private file of the state directory, warnings to the screen as well."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from logging.handlers import RotatingFileHandler

from console.paths import Paths, own_directory
from console.plain import PlainFormatter
from console.progress import Progress
from console.settings import Settings

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
MAX_BYTES, KEPT = 10 * 2**20, 3
NOISY = ("httpx", "httpcore", "git", "apscheduler", "watchdog", "alembic", "asyncio")
"""Libraries that tell much at info."""
TOLD = ("runtime.replicas", "runtime.releases", "console.news", "grpc")
"""Whose warnings are not for the screen: they are told as events, or (grpc's) of interest to nobody."""


class _Screen(logging.Handler):
    """Warnings, as lines above the progress."""

    def __init__(self, progress: Progress) -> None:
        super().__init__(logging.WARNING)
        self._progress = progress

    def emit(self, record: logging.LogRecord) -> None:
        """Print one record without its traceback, which the file has."""
        if record.name.startswith(TOLD):
            return
        self._progress.say(f"{record.levelname.lower()}: {record.getMessage()}", "yellow")


class _PrivateFile(RotatingFileHandler):
    """A rotating file that only its owner can read."""

    def _open(self):  # type: ignore[no-untyped-def]  # noqa: ANN202 (as the standard library has it)
        stream = super()._open()
        os.fchmod(stream.fileno(), 0o600)
        return stream


@contextmanager
def logging_to(settings: Settings, progress: Progress) -> Iterator[None]:
    """Log within the block, at the level that the settings say."""
    paths = Paths(settings.state_dir)
    own_directory(paths.state)
    file = _PrivateFile(paths.log_file, maxBytes=MAX_BYTES, backupCount=KEPT, encoding="utf-8")
    file.setFormatter(PlainFormatter(FORMAT))
    root = logging.getLogger()
    before, handlers = root.level, (file, _Screen(progress))
    root.setLevel(settings.log_level.upper())
    for name in NOISY:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    for handler in handlers:
        root.addHandler(handler)
    try:
        yield
    finally:
        root.setLevel(before)
        for handler in handlers:
            root.removeHandler(handler)
            handler.close()
