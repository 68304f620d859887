"""Repositories over ssh: a real client against a real server that runs `git-upload-pack`, both on loopback."""

import asyncio
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from shlex import split
from typing import TYPE_CHECKING, Any

import asyncssh
import pytest

from forge.git import _unattended
from forge.source import GitSource
from spec.errors import StalledError, TransientError

if TYPE_CHECKING:
    from conftest import Follower, Repository

Follow = Callable[..., "Follower"]

UNATTENDED = " -oBatchMode=yes -oConnectTimeout=15"
QUICK = 12.0
"""Seconds in which a refusal must have come: nobody waits for a person."""


class Doorman(asyncssh.SSHServer):
    """Offers passwords too, so that a client that asks somebody for one is caught."""

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, *_: str) -> bool:
        return False


@dataclass
class Server:
    """One SSH server below `root`; `commands` are what clients ran."""

    root: Path
    host_key: asyncssh.SSHKey
    users_key: Path
    port: int = 0
    acceptor: asyncssh.SSHAcceptor | None = None

    def __post_init__(self) -> None:
        self.commands: list[str] = []
        self.authorized = asyncssh.import_authorized_keys(self.users_key.with_suffix(".pub").read_text())

    async def open(self) -> None:
        self.acceptor = await asyncssh.listen(
            "127.0.0.1",
            self.port,
            server_factory=Doorman,
            server_host_keys=[self.host_key],
            authorized_client_keys=self.authorized,
            process_factory=self.handle,
            encoding=None,
        )
        self.port = self.acceptor.get_port()

    async def close(self) -> None:
        if self.acceptor is not None:
            self.acceptor.close()
            await self.acceptor.wait_closed()
            self.acceptor = None

    async def handle(self, process: "asyncssh.SSHServerProcess[bytes]") -> None:
        self.commands.append(process.command or "")
        program, path = split(process.command or "false x")
        assert program == "git-upload-pack"
        running = await asyncio.create_subprocess_exec(
            *("git", "upload-pack", str(self.root / path)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={"PATH": "/usr/bin:/bin", "GIT_PROTOCOL": str(process.env.get("GIT_PROTOCOL", ""))},
        )
        assert running.stdin
        feeding = asyncio.create_task(pump(process.stdin, running.stdin))
        await asyncio.gather(pump(running.stdout, process.stdout), pump(running.stderr, process.stderr))
        feeding.cancel()
        running.stdin.close()
        process.exit(await running.wait())


async def pump(source: Any, sink: Any) -> None:  # noqa: ANN401 (streams of asyncio and of asyncssh)
    with suppress(OSError, asyncssh.Error):
        while data := await source.read(1 << 16):
            sink.write(data)
            await sink.drain()
        if isinstance(sink, asyncio.StreamWriter):
            sink.close()


@pytest.fixture
async def ssh(folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Server]:
    users = folder / "id_ed25519"
    make_key(users)
    found = Server(folder / "srv", asyncssh.generate_private_key("ssh-ed25519"), users)
    found.root.mkdir()
    await found.open()
    trust(folder, found, found.host_key)
    monkeypatch.setenv("GIT_SSH_COMMAND", f"ssh -F '{folder / 'config'}'")
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    yield found
    await found.close()


def make_key(path: Path) -> None:
    for old in (path, path.with_suffix(".pub")):
        old.unlink(missing_ok=True)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)


def lock_key(path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-p", "-P", "", "-N", "secret", "-f", str(path)], check=True)


def trust(folder: Path, server: Server, key: asyncssh.SSHKey | None) -> None:
    """Write the operator's ssh configuration; `key` is the host key that it knows, if any."""
    line = f"[127.0.0.1]:{server.port} {key.export_public_key().decode()}" if key else ""
    (folder / "known_hosts").write_text(line)
    (folder / "config").write_text(
        f"IdentityFile {server.users_key}\nIdentitiesOnly yes\nUserKnownHostsFile {folder / 'known_hosts'}\n"
        f"GlobalKnownHostsFile /dev/null\nHost forge\n  HostName 127.0.0.1\n  Port {server.port}\n  User git\n"
    )


@pytest.fixture
def bare(ssh: Server, repository: "Repository") -> "Repository":
    """A repository whose pushes go to the server's disk: `repository.git('push', 'origin', 'main')`."""
    repository.commit({"headgate.yml": "kind: settings\n"})
    repository.git("init", "-q", "--bare", "-b", "main", str(ssh.root / "models.git"))
    repository.git("remote", "add", "origin", str(ssh.root / "models.git"))
    repository.git("push", "-q", "origin", "HEAD:main")
    return repository


def address(ssh: Server, form: str) -> str:
    return form.format(port=ssh.port, path=ssh.root / "models.git")


FORMS = ("ssh://git@127.0.0.1:{port}{path}", "forge:models.git", "git@forge:{path}", "ssh://forge/{path}")


@pytest.mark.real
@pytest.mark.parametrize("form", FORMS)
async def test_a_repository_is_cloned_and_a_new_commit_is_picked_up(
    ssh: Server, bare: "Repository", follow: Follow, form: str
) -> None:
    follower = follow(address(ssh, form), poll_seconds=0.3, operator_config=True)
    first = await follower.next()
    assert first.snapshot.commit == bare.head
    assert set(first.snapshot.files.entries()) == {"headgate.yml"}
    commit = bare.commit({"endpoints/iris/endpoint.yml": "name: iris\n"})
    bare.git("push", "-q", "origin", "HEAD:main")
    second = await follower.until(commit)
    entry = second.snapshot.files.entries()["endpoints/iris/endpoint.yml"]
    assert second.snapshot.files.read(entry) == b"name: iris\n"
    looks = len(ssh.commands)
    assert await follower.source.sync() == commit
    assert len(ssh.commands) == looks + 1
    assert all(command.startswith("git-upload-pack ") for command in ssh.commands)


async def refusal(ssh: Server, folder: Path, kind: type[Exception]) -> str:
    """What a look fails with, and quickly."""
    source = GitSource("forge:models.git", mirror=folder / "mirror", operator_config=True)
    begun = time.monotonic()
    with pytest.raises(kind) as caught:
        await source.sync()
    assert time.monotonic() - begun < QUICK
    await source.close()
    assert ssh.commands == []
    return str(caught.value)


@pytest.fixture
def ask(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], bool]:
    """A program that asks a person for passwords, which must never be run; tells whether it was."""
    program = folder / "ask"
    program.write_text(f"#!/bin/sh\ntouch {folder}/asked\nsleep 60\n")
    program.chmod(0o755)
    monkeypatch.setenv("SSH_ASKPASS", str(program))
    monkeypatch.setenv("SSH_ASKPASS_REQUIRE", "force")
    monkeypatch.setenv("DISPLAY", ":99")
    return (folder / "asked").exists


@pytest.mark.real
@pytest.mark.parametrize("known", ["another", "none"])
async def test_a_wrong_or_unknown_host_key_is_refused(
    ssh: Server, bare: "Repository", folder: Path, ask: Callable[[], bool], known: str
) -> None:
    assert bare.head
    trust(folder, ssh, asyncssh.generate_private_key("ssh-ed25519") if known == "another" else None)
    said = await refusal(ssh, folder, StalledError)
    assert "ssh was refused; check key and known_hosts" in said
    assert "Host key verification failed" in said
    assert not ask()


@pytest.mark.real
@pytest.mark.parametrize("change", [make_key, lock_key], ids=["another-key", "passphrase"])
async def test_a_key_that_does_not_open_asks_nobody(
    ssh: Server, bare: "Repository", folder: Path, ask: Callable[[], bool], change: Callable[[Path], None]
) -> None:
    """The server would take a password too."""
    assert bare.head
    change(ssh.users_key)
    said = await refusal(ssh, folder, StalledError)
    assert "Permission denied (publickey" in said
    assert not ask()


@pytest.mark.real
async def test_a_server_that_is_away_is_waited_for(ssh: Server, bare: "Repository", follow: Follow) -> None:
    follower = follow("forge:models.git", poll_seconds=0.3, operator_config=True)
    await follower.next()
    await ssh.close()
    assert "Connection refused" in await follower.problem()
    commit = bare.commit({"later.yml": "name: later\n"})
    bare.git("push", "-q", "origin", "HEAD:main")
    await ssh.open()
    assert (await follower.until(commit)).snapshot.commit == commit
    assert follower.source.seen().problem is None


@pytest.mark.real
async def test_a_server_that_says_nothing_holds_nobody(
    ssh: Server, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`ConnectTimeout` counts until the server has named itself; one in the operator's command comes first."""
    await ssh.close()
    monkeypatch.setenv("GIT_SSH_COMMAND", f"ssh -oConnectTimeout=1 -F '{folder / 'config'}'")
    with socket.create_server(("127.0.0.1", ssh.port)):
        said = await refusal(ssh, folder, TransientError)
    assert "timed out during banner exchange" in said


@pytest.mark.real
async def test_the_operators_configured_command_is_used_and_asks_nobody(
    ssh: Server, bare: "Repository", folder: Path, follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GIT_SSH_COMMAND")
    (folder / "gitconfig").write_text(f"[core]\n  sshCommand = ssh -F {folder / 'config'}\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(folder / "gitconfig"))
    follower = follow("forge:models.git", operator_config=True)
    assert (await follower.next()).snapshot.commit == bare.head
    assert ssh.commands


@pytest.mark.parametrize(
    ("command", "appended"),
    [
        ("ssh", UNATTENDED),
        ("ssh -i ~/.ssh/deploy", UNATTENDED),
        ("/usr/bin/ssh -v", UNATTENDED),
        ('"/opt/open ssh/ssh" -v', UNATTENDED),
        ("plink -batch", ""),
        ("my-wrapper --ssh", ""),
    ],
)
def test_only_openssh_gets_openssh_options(command: str, appended: str) -> None:
    assert _unattended(command) == command + appended
