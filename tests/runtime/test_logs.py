import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from runtime import rotation
from runtime.logs import LINE, Bounds, Line, Logs, Pick
from spec.release import ReleaseRef

BLUE = ReleaseRef("wine", "blue", "3f2a9c41d0e7")
WHERE = ("wine", "blue")
WAYS = ["collapse", "punch", "truncate"]


def write(logs: Logs, replica: str, text: str | bytes) -> Path:
    path = logs.path(BLUE, replica)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        file.write(text.encode() if isinstance(text, str) else text)
    return path


def texts(lines: list[Line]) -> list[str]:
    return [line.text for line in lines]


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each way of taking bytes out, as on filesystems that know fewer of them."""
    real = rotation._fallocate  # noqa: SLF001 - the seam between a filesystem and the next

    def allowed(descriptor: int, mode: int, size: int) -> bool:
        collapsing = bool(mode & 0x08)
        if request.param == "truncate" or (request.param == "punch" and collapsing):
            return False
        return real(descriptor, mode, size)

    monkeypatch.setattr(rotation, "_fallocate", allowed)
    return str(request.param)


class TestRead:
    def test_the_last_lines_of_each_replica(self, tmp_path: Path) -> None:
        logs = Logs(tmp_path)
        assert logs.read(*WHERE) == []
        os.utime(write(logs, "b-1", "one\ntwo\n"), (1, 1))
        os.utime(write(logs, "b-2", "three\nfour, without an end"), (2, 2))
        assert [str(line) for line in logs.read(*WHERE)] == [
            "b-1 one",
            "b-1 two",
            "b-2 three",
            "b-2 four, without an end",
        ]
        assert texts(logs.read(*WHERE, lines=1)) == ["two", "four, without an end"]
        assert logs.read(*WHERE, lines=0) == []

    def test_one_release_or_one_replica(self, tmp_path: Path) -> None:
        logs = Logs(tmp_path)
        for replica in ("blue-3f2a9c-aaaaaa", "blue-3f2a9c-bbbbbb", "blue-90ded0-cccccc"):
            write(logs, replica, f"{replica}\n")
        both = ["blue-3f2a9c-aaaaaa", "blue-3f2a9c-bbbbbb"]
        for release in ("3f2", "3f2a9c41d0e7", "blue@3f2a9c41d0e7", "blue@3f"):
            assert sorted(texts(logs.read(*WHERE, pick=Pick(release=release)))) == both
        for release in ("3f2b", "green@3f2a9c41d0e7", "blue@90ded1"):
            assert logs.read(*WHERE, pick=Pick(release=release)) == []
        for replica in ("blue-90ded0-cccccc", "cccccc"):
            assert texts(logs.read(*WHERE, pick=Pick(replica=replica))) == ["blue-90ded0-cccccc"]
        assert set(logs.sources(*WHERE)) == {*both, "blue-90ded0-cccccc"}
        logs.note(BLUE, "laying out")
        assert logs.read(*WHERE, container="storage-initializer", pick=Pick(release="blue@3f2a"))

    def test_access_lines_can_be_left_out_and_do_not_count(self, tmp_path: Path) -> None:
        logs = Logs(tmp_path)
        head = "2026-11-22 22:10:53,952 I [4933]"
        noise = (
            f"{head} azmlinfsrv - run() output is HTTP Response\n{head} azmlinfsrv - POST /score 400 1.113ms 138\n"
            f'{head} gunicorn.access - 127.0.0.1 - - "POST /score HTTP/1.1" 400 138 "-" "curl"\n'
        )
        own = [f"{head} azmlinfsrv.print - POST /score 200 of my own", f"{head} gunicorn.error - Worker exiting"]
        write(logs, "b-1", f"{own[0]}\n{noise * 50}{own[1]}\n{noise * 50}")
        assert texts(logs.read(*WHERE, lines=2, pick=Pick(access=False))) == own
        assert len(logs.read(*WHERE, lines=1000)) == 302

    def test_the_life_before_the_newest_start(self, tmp_path: Path) -> None:
        logs = Logs(tmp_path)
        lives = [[f"x gunicorn.error - Starting gunicorn 27.0.1 {n}", f"said {n}", f"died {n}"] for n in range(3)]
        write(logs, "b-1", "\n".join(line for life in lives for line in life) + "\n")
        assert texts(logs.read(*WHERE, pick=Pick(previous=True))) == lives[1]
        assert texts(logs.read(*WHERE, lines=1, pick=Pick(previous=True))) == ["died 1"]
        write(logs, "b-2", "x Starting gunicorn 27\nonly\n")
        assert texts(logs.read(*WHERE, pick=Pick(replica="b-2", previous=True))) == []

    def test_storage_initializer_is_a_container_of_its_own(self, tmp_path: Path) -> None:
        logs = Logs(tmp_path)
        write(logs, "b-1", "served\n")
        logs.note(BLUE, "laying out")
        assert logs.read(*WHERE, container="storage-initializer") == [Line(BLUE.digest, "laying out")]
        assert texts(logs.read(*WHERE)) == ["served"]

    def test_lines_across_blocks(self, tmp_path: Path) -> None:
        logs = Logs(tmp_path)
        wanted = [f"{number} {'x' * (number % 7000)}" for number in range(20_000)]
        write(logs, "b-1", "\n".join(wanted) + "\n")
        assert texts(logs.read(*WHERE, lines=5000)) == wanted[-5000:]

    def test_hostile_output(self, tmp_path: Path) -> None:
        logs = Logs(tmp_path)
        write(logs, "b-1", b"before\n\xff\xfe\x00\x1b[31mred\r\n" + b"y" * (100 * 2**20) + b"\nafter\n")
        binary, long, after = texts(logs.read(*WHERE, lines=3))
        assert binary == "���\N{REPLACEMENT CHARACTER}[31mred"
        assert (len(long), long.startswith("(")) < (LINE + 100, True)
        assert after == "after"
        assert "(104857600 bytes)" in long

    def test_the_tail_since_a_start(self, tmp_path: Path) -> None:
        logs = Logs(tmp_path)
        path = write(logs, "b-1", "earlier life\n")
        since = logs.position(path)
        assert logs.tail(path, 20, since) == ""
        write(logs, "b-1", "Traceback\n\nValueError: no\n")
        assert logs.tail(path, 20, since) == "Traceback\nValueError: no"
        assert logs.tail(path, 1, since) == "ValueError: no"
        assert logs.tail(tmp_path / "none", 5) == ""


class TestRotate:
    def test_nothing_is_lost_and_the_writer_notices_nothing(self, tmp_path: Path, way: str) -> None:
        logs = Logs(tmp_path, Bounds(file=64 * 1024))
        path = write(logs, "b-1", "")
        count = 20_000
        with path.open("ab") as out, writer(count, out.fileno()) as process:
            while process.poll() is None:
                if way != "truncate":
                    logs.rotate(path)
        logs.rotate(path)
        assert rotation.numbered(path, 1 if way == "truncate" else 3).exists()
        assert texts(logs.read(*WHERE, lines=count)) == [f"line {number} {'z' * 60}" for number in range(count)]

    def test_what_is_kept_is_bounded(self, tmp_path: Path, way: str) -> None:
        bounds = Bounds(file=64 * 1024, rotated=200 * 1024)
        logs = Logs(tmp_path, bounds)
        for number in range(30):
            path = write(logs, "b-1", f"{number} " + "q" * 20_000 + "\n")
            logs.rotate(path)
        write(logs, "b-1", "last\n")
        kept = sorted(file.name for file in path.parent.iterdir())
        assert 2 <= len(kept) <= 5, way
        assert sum(rotation.length(file) for file in path.parent.iterdir()) <= bounds.rotated + 2 * bounds.file
        assert texts(logs.read(*WHERE))[-1] == "last"
        assert texts(logs.read(*WHERE))[-2].startswith("29 q")

    def test_a_burst_larger_than_the_bound_keeps_its_end(self, tmp_path: Path, way: str) -> None:
        logs = Logs(tmp_path, Bounds(file=64 * 1024, rotated=96 * 1024))
        path = write(logs, "b-1", "".join(f"{number}\n" for number in range(200_000)))
        logs.rotate(path)
        assert sum(rotation.length(file) for file in path.parent.iterdir()) < 64 * 1024 * 2, way
        assert texts(logs.read(*WHERE, lines=3)) == ["199997", "199998", "199999"]

    def test_files_of_replicas_that_are_gone_go_first(self, tmp_path: Path) -> None:
        logs = Logs(tmp_path, Bounds(deployment=25_000))
        for age, replica in enumerate(["old", "live", "new"]):
            os.utime(write(logs, replica, "w" * 10_000), (age, age))
        os.utime(write(logs, "live", ""), (1, 1))
        logs.prune({"live"})
        assert sorted(file.name for file in logs.path(BLUE, "x").parent.iterdir()) == ["live.log", "new.log"]


class TestFollow:
    async def test_replicas_are_merged_and_rotation_is_not_noticed(self, tmp_path: Path, way: str) -> None:
        logs = Logs(tmp_path, Bounds(file=64 * 1024))
        write(logs, "b-1", "old\nnewest\nbeg")
        got: list[str] = []

        async def follow() -> None:
            async for line in logs.follow(*WHERE, lines=2):
                got.append(str(line))  # noqa: PERF401 - others look at it meanwhile

        task = asyncio.ensure_future(follow())
        try:
            await until(got, 2)
            wanted = [f"{number} {'k' * 30_000}" for number in range(8)]
            for number, text in enumerate(wanted):
                path = write(logs, "b-1", f"{text}\n")
                await until(got, 3 + number)
                logs.rotate(path)
            write(logs, "b-2", "joined\n")
            await until(got, 11)
        finally:
            task.cancel()
        assert got[0] == "b-1 newest"
        assert got[1:] == ["b-1 beg", *(f"b-1 {text}" for text in wanted), "b-2 joined"], way


async def until(got: list[str], count: int) -> None:
    for _ in range(500):
        if len(got) >= count:
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"{len(got)} lines of {count}: {[text[:40] for text in got]}")


def writer(count: int, output: int) -> "subprocess.Popen[bytes]":
    code = f"import os\nfor n in range({count}): os.write(1, b'line %d ' % n + b'z' * 60 + b'\\n')"
    return subprocess.Popen([sys.executable, "-S", "-c", code], stdout=output)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    logs = Logs(tmp_path)
    logs.rotate(tmp_path / "none.log")
    logs.prune(set())
    assert list(tmp_path.iterdir()) == []
