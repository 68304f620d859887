"""Real repositories and a real Git server for the forge's tests."""

import asyncio
import base64
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest

from forge.snapshot import Difference
from forge.source import GitSource

IDENTITY = {
    "GIT_AUTHOR_NAME": "Ann",
    "GIT_AUTHOR_EMAIL": "ann@example.org",
    "GIT_COMMITTER_NAME": "Ann",
    "GIT_COMMITTER_EMAIL": "ann@example.org",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
}


class Repository:
    """A repository that a user of Headgate would have."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def make(cls, path: Path, *options: str) -> "Repository":
        path.mkdir(parents=True)
        repository = cls(path)
        repository.git("init", "--quiet", "--initial-branch=main", *options, ".")
        return repository

    def git(self, *arguments: str, feed: bytes | None = None) -> str:
        done = subprocess.run(
            ["git", *arguments],
            cwd=self.path,
            env={**os.environ, **IDENTITY},
            input=feed,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode("utf-8", "surrogateescape").strip()

    def write(self, path: str, content: str | bytes) -> None:
        target = self.path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content.encode() if isinstance(content, str) else content)

    def commit(self, files: dict[str, str | bytes | None], message: str = "Change") -> str:
        for path, content in files.items():
            if content is None:
                (self.path / path).unlink()
            else:
                self.write(path, content)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "-m", message)
        return self.head

    @property
    def head(self) -> str:
        return self.git("rev-parse", "HEAD")

    def hash(self, data: bytes) -> str:
        return self.git("hash-object", "-w", "--stdin", feed=data)

    def raw_tree(self, *items: tuple[str, bytes, str]) -> str:
        """Write a tree object that Git's own commands would refuse to make."""
        data = b"".join(mode.encode() + b" " + name + b"\0" + bytes.fromhex(oid) for mode, name, oid in items)
        return self.git("hash-object", "-t", "tree", "-w", "--stdin", "--literally", feed=data)

    def commit_tree(self, tree: str) -> str:
        commit = self.git("commit-tree", tree, "-m", "Raw")
        self.git("update-ref", "refs/heads/main", commit)
        return commit


class GitServer:
    """Smart HTTP by `git http-backend`; `credentials` turns basic authentication on."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.credentials: str | None = None
        self.requests: list[str] = []
        self.authorizations: list[str] = []
        self.down = False
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def url(self, name: str, userinfo: str = "") -> str:
        return f"http://{userinfo}127.0.0.1:{self.port}/{name}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler(server: GitServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_request(self, code: object = "-", size: object = "-") -> None:
            server.requests.append(f"{self.requestline} {code} {size}")

        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self._answer()

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if server.down:
                self.send_error(503)
                return
            given = self.headers.get("Authorization") or ""
            if server.credentials is not None:
                server.authorizations.append(given)
                if given != "Basic " + base64.b64encode(server.credentials.encode()).decode():
                    self.send_response(401)
                    self.send_header("WWW-Authenticate", 'Basic realm="git"')
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
            path, _, query = self.path.partition("?")
            done = subprocess.run(
                ["git", "http-backend"],
                input=body,
                capture_output=True,
                check=False,
                env={
                    **os.environ,
                    **IDENTITY,
                    "GIT_PROJECT_ROOT": str(server.root),
                    "GIT_HTTP_EXPORT_ALL": "1",
                    "GIT_CONFIG_COUNT": "1",
                    "GIT_CONFIG_KEY_0": "http.receivepack",
                    "GIT_CONFIG_VALUE_0": "true",
                    "PATH_INFO": path,
                    "QUERY_STRING": query,
                    "REQUEST_METHOD": self.command,
                    "CONTENT_TYPE": self.headers.get("Content-Type") or "",
                    "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding") or "",
                    "GIT_PROTOCOL": self.headers.get("Git-Protocol") or "",
                    "REMOTE_ADDR": "127.0.0.1",
                },
            )
            head, _, content = done.stdout.partition(b"\r\n\r\n")
            fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if ": " in line)
            self.send_response(int(fields.pop("Status", "200").split()[0]))
            for name, value in fields.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    return Handler


class Follower:
    """A source with someone who takes every difference that it yields."""

    def __init__(self, location: str, mirror: Path, **options: object) -> None:
        self.mirror = mirror
        self.source = GitSource(location, mirror=mirror, **options)
        self._queue: asyncio.Queue[Difference] = asyncio.Queue()
        self._task = asyncio.create_task(self._take())

    async def _take(self) -> None:
        async for difference in self.source.watch():
            self._queue.put_nowait(difference)

    async def next(self) -> Difference:
        return await asyncio.wait_for(self._queue.get(), 30)

    async def until(self, commit: str) -> Difference:
        """The difference that brings this commit, whatever came before."""
        while (difference := await self.next()).snapshot.commit != commit:
            pass
        return difference

    async def problem(self) -> str:
        """What the source says is wrong, once it says so."""
        async with asyncio.timeout(30):
            while (problem := self.source.seen().problem) is None:  # noqa: ASYNC110 (the port offers no event)
                await asyncio.sleep(0.01)
        return problem

    @property
    def waiting(self) -> int:
        return self._queue.qsize()

    async def close(self) -> None:
        await self.source.close()
        await asyncio.wait_for(self._task, 30)


@pytest.fixture
def folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="hgf-"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def repository(folder: Path) -> Repository:
    return Repository.make(folder / "work")


@pytest.fixture
def server(folder: Path) -> Iterator[GitServer]:
    served = folder / "served"
    served.mkdir()
    server = GitServer(served)
    yield server
    server.close()


@pytest.fixture
async def follow(folder: Path) -> AsyncIterator[Callable[..., "Follower"]]:
    """Start following a source; everything is closed at the end, and no process may be left."""
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    followers: list[Follower] = []

    def start(location: str | Path, **options: object) -> Follower:
        follower = Follower(str(location), folder / f"state{len(followers)}" / "git", **options)
        followers.append(follower)
        return follower

    yield start
    for follower in followers:
        await follower.close()
    left = [child for child in psutil.Process().children(recursive=True) if child.pid not in before]
    assert [child.cmdline() for child in left if "git" in child.name()] == []
