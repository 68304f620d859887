"""What is told of the state directory's disk."""

import errno
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from console import disk, exits
from console.disk import DiskNews, Room
from console.lock import find_holder, hold
from console.paths import PathError, Paths, write_private
from observability.events import Event
from spec.errors import TransientError

LITTLE, MUCH = 3 * 2**20, 2**40


@pytest.fixture
def reconciler() -> SimpleNamespace:
    told: list[Event] = []
    queued: list[str] = []

    async def tell(event: Event) -> None:
        told.append(event)
        if event.reason == "DiskFull":
            raise TransientError("database or disk is full")

    return SimpleNamespace(
        told=told,
        announce=tell,
        memories={"iris": None},
        queued=queued,
        queue=SimpleNamespace(add_all=queued.extend),
        clock=SimpleNamespace(now=lambda: datetime(2030, 1, 1, tzinfo=UTC)),
    )


def room(monkeypatch: pytest.MonkeyPatch, free: int, files: int | None = None) -> None:
    monkeypatch.setattr(disk, "look", lambda folder: Room(folder, free, files))


async def test_filling_and_room_are_told_once_each_even_if_an_event_cannot_be_kept(
    reconciler: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    news = DiskNews(reconciler, tmp_path)
    for free in (MUCH, LITTLE, LITTLE):
        room(monkeypatch, free)
        await news.tell()
    assert [event.reason for event in reconciler.told] == ["DiskFull"]
    assert f"3.0 MiB free at {tmp_path}" in reconciler.told[0].message
    assert reconciler.queued == []
    room(monkeypatch, MUCH)
    await news.tell()
    await news.tell()
    assert [event.reason for event in reconciler.told] == ["DiskFull", "DiskHasRoom"]
    assert reconciler.queued == ["iris"]


@pytest.mark.parametrize(
    ("free", "files", "status"), [(MUCH, None, "True"), (MUCH, 7, "True"), (LITTLE, 7, "False"), (MUCH, 0, "False")]
)
def test_the_condition(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, free: int, files: int | None, status: str
) -> None:
    room(monkeypatch, free, files)
    found = disk.condition(tmp_path)
    assert (found.type, found.status) == ("DiskSpace", status)


def test_a_real_directory_is_looked_at(tmp_path: Path) -> None:
    assert disk.look(tmp_path).bytes > 0
    assert disk.condition(tmp_path / "gone").status == "Unknown"


def test_an_error_of_a_full_disk_is_a_message_and_no_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "/state/x")

    assert exits.run(fail) == exits.Exit.PROBLEM
    assert "No space left on device at /state/x. Free some space" in capsys.readouterr().err


def test_another_error_of_the_system_is_a_bug_and_shown() -> None:
    def fail() -> None:
        raise OSError(errno.EBADF, "Bad file descriptor")

    with pytest.raises(OSError, match="Bad file descriptor"):
        exits.run(fail)


def test_a_private_file_without_room_leaves_the_former_and_no_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    write_private(tmp_path / "token", "old")
    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(PathError, match=r"Cannot write .*token: No space left on device. Free some space"):
        write_private(tmp_path / "token", "new")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("token", "old")]


def test_the_lock_keeps_its_block_when_it_is_given_back(tmp_path: Path) -> None:
    lock = Paths(tmp_path).lock_file
    with hold(lock):
        assert find_holder(lock)
        size = lock.stat().st_size
    assert lock.stat().st_size == size
    assert find_holder(lock) is None
