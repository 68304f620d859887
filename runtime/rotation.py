"""Takes old bytes out of a file that a process goes on appending to, without the process noticing."""

import ctypes
import ctypes.util
import errno
import os
import sys
from collections.abc import Callable
from functools import cache
from itertools import count, takewhile
from pathlib import Path

_KEEP_SIZE = 0x01
_PUNCH_HOLE = 0x02
_COLLAPSE_RANGE = 0x08
_CHUNK = 1 << 20


def length(path: Path) -> int:
    """Bytes that the file holds on disk; a hole at its start counts for nothing, whatever size it seems to have."""
    try:
        status = path.stat()
    except OSError:
        return 0
    return min(status.st_size, status.st_blocks * 512)


def start(descriptor: int) -> int:
    """Offset of the first byte that was not taken out."""
    try:
        return os.lseek(descriptor, 0, os.SEEK_DATA) if sys.platform == "linux" else 0
    except OSError:
        # No data at all: an empty file, or one whose every byte was taken out.
        return os.fstat(descriptor).st_size


def move(path: Path, target: Path, keep: int) -> int:
    """Move the file's content to `target` (at most the last `keep` bytes of it); return how far offsets moved.

    Where the filesystem can collapse a range (ext4, XFS) or punch a hole (tmpfs, Btrfs) no byte is lost. Elsewhere
    the file is truncated right after the copy, and what is written between the two is lost. Raises `OSError`.
    """
    descriptor = os.open(path, os.O_RDWR)
    try:
        begin, end = start(descriptor), os.fstat(descriptor).st_size
        block = max(os.fstatvfs(descriptor).f_bsize, 1)
        whole = (end - 1) // block * block
        if whole > begin:
            _copy(descriptor, target, max(begin, whole - keep), whole)
            if begin == 0 and _fallocate(descriptor, _COLLAPSE_RANGE, whole):
                return whole
            if _fallocate(descriptor, _PUNCH_HOLE | _KEEP_SIZE, whole):
                return 0
        _copy(descriptor, target, max(begin, end - keep), None)
        os.ftruncate(descriptor, 0)
        return end
    finally:
        os.close(descriptor)


def rotated(path: Path) -> list[Path]:
    """The rotated files of `path`, the newest first."""
    files = (numbered(path, number) for number in count(1))
    return list(takewhile(Path.exists, files))


def shift(path: Path) -> None:
    """Make room for a new `path.1`: `path.1` becomes `path.2` and so on."""
    files = rotated(path)
    for number in range(len(files), 0, -1):
        files[number - 1].replace(numbered(path, number + 1))


def trim(path: Path, most: int) -> None:
    """Remove the oldest rotated files until at most `most` bytes are left in them."""
    held = 0
    for file in rotated(path):
        held += length(file)
        if held > most:
            file.unlink()


def numbered(path: Path, number: int) -> Path:
    """The `number`th rotated file, 1 being the newest."""
    return path.with_name(f"{path.name}.{number}")


def _copy(source: int, target: Path, begin: int, end: int | None) -> None:
    with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
        offset = begin
        while chunk := os.pread(source, _CHUNK if end is None else min(_CHUNK, end - offset), offset):
            out.write(chunk)
            offset += len(chunk)


def _fallocate(descriptor: int, mode: int, size: int) -> bool:
    call = _libc_fallocate()
    if call is None:
        return False
    if call(descriptor, mode, 0, size) == 0:
        return True
    code = ctypes.get_errno()
    if code in (errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.EPERM):
        return False
    raise OSError(code, os.strerror(code))


@cache
def _libc_fallocate() -> Callable[[int, int, int, int], int] | None:
    if sys.platform != "linux":
        return None
    function = getattr(ctypes.CDLL(None, use_errno=True), "fallocate", None)
    if function is None:
        return None
    function.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]
    function.restype = ctypes.c_int
    return function  # type: ignore[no-any-return]
