"""Following repositories elsewhere: real smart HTTP on loopback, and what remotes do to us."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from typing import TYPE_CHECKING

import psutil
import pytest

from forge.source import GitSource
from spec.errors import HeadgateError, StalledError, TransientError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.forge.conftest import Follower, GitServer, Repository

pytestmark = pytest.mark.real


@pytest.fixture
def pushed(server: GitServer, repository: Repository) -> Repository:
    """The user's clone of `served/specs.git`, with one commit pushed over HTTP."""
    subprocess.run(["git", "init", "--quiet", "--bare", str(server.root / "specs.git")], check=True)
    repository.git("remote", "add", "origin", server.url("specs.git"))
    repository.commit({"a.yml": "1", "sub/b.yml": "1"})
    repository.git("push", "--quiet", "origin", "main")
    repository.git("--git-dir", str(server.root / "specs.git"), "symbolic-ref", "HEAD", "refs/heads/main")
    return repository


def push(repository: Repository, files: dict[str, str | bytes | None]) -> str:
    commit = repository.commit(files)
    repository.git("push", "--quiet", "origin", "HEAD:main")
    return commit


async def test_a_remote_is_followed_by_polling_and_an_idle_poll_is_one_look(
    server: GitServer, pushed: Repository, follow: Callable[..., Follower]
) -> None:
    follower = follow(server.url("specs.git"), poll_seconds=0.2)
    first = await follower.next()
    assert first.changes is None
    assert first.snapshot.files.read(first.snapshot.files.entries()["sub/b.yml"]) == b"1"
    commit = push(pushed, {"sub/b.yml": "2"})
    second = await follower.next()
    assert second.snapshot.commit == commit
    assert second.changes is not None
    assert second.changes.paths == {"sub/b.yml"}
    server.requests.clear()
    await asyncio.sleep(1)
    assert server.requests
    assert not [line for line in server.requests if "git-receive-pack" in line]
    fetches = sum("POST" in line for line in server.requests)
    assert fetches <= sum("GET" in line for line in server.requests), "an idle look is one ls-remote"


@pytest.mark.parametrize("ref", ["main", "v1", "refs/heads/main", None, "commit"])
async def test_every_kind_of_ref(
    server: GitServer, pushed: Repository, follow: Callable[..., Follower], ref: str | None
) -> None:
    first = pushed.head
    pushed.git("tag", "-a", "v1", "-m", "x")
    pushed.git("push", "--quiet", "origin", "v1")
    newest = push(pushed, {"a.yml": "2"})
    follower = follow(server.url("specs.git"), ref=first if ref == "commit" else ref)
    assert (await follower.next()).snapshot.commit == (first if ref in ("v1", "commit") else newest)


async def test_a_force_push_is_followed_with_a_difference(
    server: GitServer, pushed: Repository, follow: Callable[..., Follower]
) -> None:
    follower = follow(server.url("specs.git"), ref="main", poll_seconds=0.1)
    await follower.next()
    pushed.commit({"a.yml": "rewritten"})
    pushed.git("reset", "--quiet", "--soft", "HEAD~1")
    pushed.git("commit", "--quiet", "--amend", "-m", "Rewritten")
    pushed.git("push", "--quiet", "--force", "origin", "main")
    difference = await follower.next()
    assert difference.snapshot.commit == pushed.head
    assert difference.changes is not None
    assert difference.changes.paths == {"a.yml"}


async def test_a_deleted_branch_is_a_problem_and_comes_back(
    server: GitServer, pushed: Repository, follow: Callable[..., Follower]
) -> None:
    pushed.git("push", "--quiet", "origin", "main:live")
    follower = follow(server.url("specs.git"), ref="live", poll_seconds=0.1)
    first = await follower.next()
    pushed.git("push", "--quiet", "origin", ":live")
    assert "no branch or tag 'live'" in await follower.problem()
    assert first.snapshot.files.read(first.snapshot.files.entries()["a.yml"]) == b"1"
    assert follower.waiting == 0
    commit = pushed.commit({"a.yml": "2"})
    pushed.git("push", "--quiet", "origin", "main:live")
    follower.source.wake()
    assert (await follower.next()).snapshot.commit == commit


async def test_a_remote_that_is_away_at_the_start_and_later(
    server: GitServer, pushed: Repository, follow: Callable[..., Follower]
) -> None:
    server.down = True
    follower = follow(server.url("specs.git"), poll_seconds=600)
    assert "503" in await follower.problem()
    with pytest.raises(TransientError, match="503"):
        await follower.source.sync()
    server.down = False
    assert (await follower.next()).snapshot.commit == pushed.head
    assert follower.source.seen().problem is None


async def test_a_port_where_nobody_listens_and_an_empty_remote(
    server: GitServer, follow: Callable[..., Follower]
) -> None:
    from tests.forge.conftest import Repository as Made

    Made.make(server.root / "empty.git", "--bare")
    assert "no commit yet" in await follow(server.url("empty.git")).problem()
    assert "no repository there" in await follow(server.url("missing.git")).problem()
    server.close()
    server.close = lambda: None  # type: ignore[method-assign]
    assert "git ls-remote failed" in await follow(server.url("empty.git")).problem()


async def test_credentials_of_the_url_are_used_and_never_shown(
    server: GitServer, pushed: Repository, follow: Callable[..., Follower], caplog: pytest.LogCaptureFixture
) -> None:
    server.credentials = "ann:s3cret/@:word"
    caplog.set_level("DEBUG")
    url = server.url("specs.git", "ann:s3cret%2F%40%3Aword@")
    follower = follow(url, poll_seconds=0.1)
    assert (await follower.next()).snapshot.commit == pushed.head
    server.credentials = "ann:rotated"
    problem = await follower.problem()
    assert "credentials" in problem
    shown = problem + repr(follower.source) + caplog.text
    assert "s3cret" not in shown
    for file in follower.mirror.rglob("*"):
        assert not file.is_file() or b"s3cret" not in file.read_bytes()


async def test_proxy_variables_do_not_reach_loopback(
    server: GitServer, pushed: Repository, follow: Callable[..., Follower], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert (await follow(server.url("specs.git")).next()).snapshot.commit == pushed.head


async def test_a_sha256_remote(server: GitServer, folder: Path, follow: Callable[..., Follower]) -> None:
    from tests.forge.conftest import Repository as Made

    made = Made.make(folder / "other", "--object-format=sha256")
    commit = made.commit({"a.yml": "1"})
    made.git("clone", "--quiet", "--bare", ".", str(server.root / "sha256.git"))
    snapshot = (await follow(server.url("sha256.git")).next()).snapshot
    assert snapshot.commit == commit
    assert snapshot.files.read(snapshot.files.entries()["a.yml"]) == b"1"


@pytest.mark.parametrize("damage", ["objects", "pack", "config", "lock", "current"])
async def test_a_damaged_mirror_is_made_anew(
    server: GitServer, pushed: Repository, follow: Callable[..., Follower], damage: str
) -> None:
    follower = follow(server.url("specs.git"))
    await follower.next()
    await follower.close()
    mirror = follower.mirror
    match damage:
        case "objects":
            shutil.rmtree(mirror / "objects")
        case "pack":
            for file in (file for file in (mirror / "objects").rglob("*") if file.is_file()):
                file.chmod(0o644)
                file.write_bytes(b"garbage")
        case "config":
            (mirror / "config").write_text("[broken\n")
        case "lock":
            (mirror / "shallow.lock").touch()
            (mirror / "refs" / "headgate" / "current.lock").touch()
        case "current":
            (mirror / "refs" / "headgate" / "current").write_text("garbage\n")
    commit = push(pushed, {"a.yml": "2"})
    source = GitSource(server.url("specs.git"), mirror=mirror)
    snapshot = (await asyncio.wait_for(anext(source.watch()), 30)).snapshot
    assert snapshot.commit == commit
    assert snapshot.files.read(snapshot.files.entries()["a.yml"]) == b"2"
    await source.close()


async def test_an_object_lost_while_running_is_fetched_again(
    server: GitServer, pushed: Repository, follow: Callable[..., Follower]
) -> None:
    follower = follow(server.url("specs.git"), poll_seconds=0.1)
    snapshot = (await follower.next()).snapshot
    for file in (file for file in (follower.mirror / "objects").rglob("*") if file.is_file()):
        file.unlink()
    with pytest.raises(OSError, match="missing or damaged"):
        follower.source._origin.mirror.reader.read("1" * 40, limit=10)  # type: ignore[union-attr]  # noqa: SLF001
    again = await follower.next()
    assert again.snapshot.commit == snapshot.commit == pushed.head
    assert again.snapshot.files.read(again.snapshot.files.entries()["a.yml"]) == b"1"


async def test_close_ends_a_fetch_that_hangs_and_leaves_no_process(
    server: GitServer, pushed: Repository, folder: Path
) -> None:
    del pushed
    listening = psutil.Process().children(recursive=True)
    blocker = asyncio.Event()

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        blocker.set()
        await reader.read()
        writer.close()

    tarpit = await asyncio.start_server(hang, "127.0.0.1", 0)
    port = tarpit.sockets[0].getsockname()[1]
    source = GitSource(f"http://127.0.0.1:{port}/x.git", mirror=folder / "git")
    task = asyncio.create_task(anext(source.watch()))
    await asyncio.wait_for(blocker.wait(), 30)
    await asyncio.wait_for(source.close(), 10)
    with pytest.raises(StopAsyncIteration):
        await asyncio.wait_for(task, 10)
    assert [child.name() for child in psutil.Process().children(recursive=True) if child not in listening] == []
    tarpit.close()
    await tarpit.wait_closed()
    assert server.requests


@pytest.mark.parametrize(
    "location",
    [
        "ext::sh -c touch% /tmp/canary",
        "http://example.org/x.git",
        "git://127.0.0.1/x.git",
        "ftp://127.0.0.1/x.git",
        "--upload-pack=touch /tmp/canary",
        "-x:y",
        "ssh://-oProxyCommand=touch/x",
        "ssh://ann:pw@host/x",
        "https:///x",
        "a\nb",
        "",
    ],
)
def test_locations_that_could_run_or_reach_something_else_are_refused(folder: Path, location: str) -> None:
    with pytest.raises(StalledError) as caught:
        GitSource(location, mirror=folder / "git")
    assert "pw@" not in str(caught.value)


@pytest.mark.parametrize("ref", ["-x", "--upload-pack=touch", "a..b", "a b", "a~1", "x.lock", "a\nb", "a:b", "^main"])
def test_refs_that_are_not_well_formed_are_refused(folder: Path, ref: str) -> None:
    with pytest.raises(HeadgateError):
        GitSource("/nonexistent", ref=ref, mirror=folder / "git")


@pytest.mark.parametrize("path", ["..", "a/../b", "/etc", "a\0b"])
def test_sub_paths_that_leave_the_repository_are_refused(folder: Path, path: str) -> None:
    with pytest.raises(StalledError):
        GitSource("/nonexistent", path=path, mirror=folder / "git")
