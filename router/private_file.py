"""Files that only this user may read, written whole or not at all."""

import os
from pathlib import Path


def write(path: Path, content: bytes) -> None:
    """Replace the file's content; after a crash it is the old or the new one. Mode 0600."""
    fresh = path.with_name(f".{path.name}.new")
    with open(fresh, "wb", opener=opener) as output:
        output.write(content)
        output.flush()
        os.fsync(output.fileno())
    fresh.replace(path)


def opener(path: str, flags: int) -> int:
    """Open for `open(opener=...)` so that a new file has mode 0600 from its first byte."""
    return os.open(path, flags, 0o600)
