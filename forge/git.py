"""Git as a program: fixed argument lists, in an environment where a repository cannot choose what runs."""

import os
import re
import signal
import subprocess
import threading
from collections.abc import Container, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from forge.location import Location, mask
from spec.errors import HeadgateError, StalledError, TransientError

if TYPE_CHECKING:
    import git

MINIMUM = (2, 32)
"""The first Git that can be kept from reading the user's configuration."""

_OID = re.compile(r"^(?:[0-9a-f]{40}|[0-9a-f]{64})$")

_CONFIG = {
    "core.hooksPath": os.devnull,
    "core.fsmonitor": "false",
    "core.untrackedCache": "false",
    "core.attributesFile": os.devnull,
    "fetch.recurseSubmodules": "false",
    "submodule.recurse": "false",
    "gc.autoDetach": "false",
    "maintenance.auto": "false",
    "http.lowSpeedLimit": "1000",
    "http.lowSpeedTime": "60",
    "transfer.credentialsInUrl": "die",
}

_VARIABLES = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_LFS_SKIP_SMUDGE": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_PROTOCOL_FROM_USER": "0",
    "GIT_AUTHOR_NAME": "Headgate",
    "GIT_AUTHOR_EMAIL": "headgate@localhost",
    "GIT_COMMITTER_NAME": "Headgate",
    "GIT_COMMITTER_EMAIL": "headgate@localhost",
    "SSH_ASKPASS_REQUIRE": "never",
}

_ISOLATED = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_SSH_COMMAND": "ssh -oBatchMode=yes -oStrictHostKeyChecking=yes -oConnectTimeout=15",
}

_UNATTENDED = "-oBatchMode=yes -oConnectTimeout=15"
"""Options of ssh: nobody is there to type a password or accept a host key, and a silent server holds nobody."""

_OPERATORS = ("GIT_SSH", "GIT_SSH_COMMAND", "GIT_ASKPASS", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_SSL_CAINFO")

# The password travels in the environment: arguments are visible to every user of the machine.
_CREDENTIALS = (
    '!f() { test "$1" = get && '
    'printf "username=%s\\npassword=%s\\n" "$HEADGATE_GIT_USER" "$HEADGATE_GIT_PASSWORD"; }; f'
)


@dataclass(frozen=True, slots=True)
class Result:
    """How a Git call ended; `err` holds no credentials."""

    status: int
    out: bytes
    err: str


class Git:
    """Runs Git for one source; `kill` ends whatever still runs."""

    def __init__(self, location: Location | None = None, *, operator_config: bool = False) -> None:
        self._environment = _environment(location, operator_config=operator_config)
        self._operator_config = operator_config
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()

    def run(
        self,
        *arguments: str,
        timeout: float = 30,
        feed: bytes | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> Result:
        """Run to the end and return the result; raise `TransientError` after `timeout` seconds."""
        process = self.start(*arguments, feeds=feed is not None, variables=variables)
        with self._lock:
            self._running.add(process)
        try:
            out, err = process.communicate(feed, timeout=timeout)
        except subprocess.TimeoutExpired:
            raise TransientError(f"git {_verb(arguments)} took more than {timeout:g} s and was ended.") from None
        finally:
            with self._lock:
                self._running.discard(process)
            stop(process)
        return Result(process.returncode, out, mask(err.decode("utf-8", "replace")).strip())

    def check(
        self,
        *arguments: str,
        timeout: float = 30,
        feed: bytes | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> bytes:
        """Run to the end and return what it printed; raise a typed error if it failed."""
        result = self.run(*arguments, timeout=timeout, feed=feed, variables=variables)
        if result.status != 0:
            raise explain(_verb(arguments), result.err)
        return result.out

    def start(
        self, *arguments: str, feeds: bool = True, variables: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start Git with pipes, in its own process group; the caller ends it with `stop`."""
        environment = {**self._environment, **(variables or {})}
        scrub = _scrub(environment, operator_config=self._operator_config)
        interrupt = _program().execute(
            [*scrub, "git", *arguments],
            istream=subprocess.PIPE if feeds else subprocess.DEVNULL,
            as_process=True,
            env=environment,
            start_new_session=True,
        )
        # Taken out of GitPython's guard, which would end the process as soon as the guard is collected.
        process, interrupt.proc = interrupt.proc, None
        if process is None:
            raise TransientError(f"git {_verb(arguments)} did not start; trying again.")
        return process

    def kill(self) -> None:
        """End every call that still runs; it fails as if Git had been killed."""
        with self._lock:
            running = list(self._running)
        for process in running:
            _kill(process)


def stop(process: "subprocess.Popen[bytes]") -> None:
    """End a process of `Git.start` with its children, and reap it."""
    if process.poll() is None:
        _kill(process)
        process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            with suppress(OSError):
                pipe.close()


def _kill(process: "subprocess.Popen[bytes]") -> None:
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def is_oid(text: str) -> bool:
    """Whether the text is a full object id (SHA-1 or SHA-256, lower-case hex)."""
    return _OID.match(text) is not None


def check_ref(ref: str) -> str:
    """Return the branch, tag, full ref or commit id if it is well formed; raise `StalledError` otherwise."""
    if ref.startswith("-") or Git().run("check-ref-format", f"refs/heads/{ref}").status != 0:
        raise StalledError(f"{ref!r} is not a well-formed branch, tag or commit id.")
    return ref


def _environment(location: Location | None, *, operator_config: bool) -> dict[str, str]:
    config = dict(_CONFIG)
    variables = dict(_VARIABLES) if operator_config else {**_VARIABLES, **_ISOLATED}
    # GIT_ALLOW_PROTOCOL also ends lazy fetches of a partial clone, which would follow that repository's own remote.
    variables["GIT_ALLOW_PROTOCOL"] = "none" if location is None or location.is_local else location.kind
    if not operator_config:
        config["credential.helper"] = ""
    elif location is not None and location.kind == "ssh" and not os.environ.get("GIT_SSH"):
        variables["GIT_SSH_COMMAND"] = _unattended(_operators_ssh())
    if location is not None and location.is_loopback:
        config["http.proxy"] = ""
    if location is not None and (location.username or location.password):
        config[f"credential.{location.target}.helper"] = _CREDENTIALS
        variables["HEADGATE_GIT_USER"] = location.username
        variables["HEADGATE_GIT_PASSWORD"] = location.password
    variables["GIT_CONFIG_COUNT"] = str(len(config))
    for index, (key, value) in enumerate(config.items()):
        variables[f"GIT_CONFIG_KEY_{index}"] = key
        variables[f"GIT_CONFIG_VALUE_{index}"] = value
    return variables


def _operators_ssh() -> str:
    """The operator's own ssh command, from where Git takes it."""
    # Not the configuration of whatever repository this process was started in.
    asking = ["git", "--git-dir=/nonexistent", "config", "--get", "core.sshCommand"]
    configured = os.environ.get("GIT_SSH_COMMAND")
    if not configured:
        found = subprocess.run(asking, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
        configured = found.stdout.strip()
    return configured or "ssh"


def _unattended(command: str) -> str:
    """An OpenSSH command that asks nobody; what the command itself sets wins, and another program stays as it is."""
    program = re.match(r"""\s*(?:"([^"]+)"|'([^']+)'|(\S+))""", command)
    name = next(filter(None, program.groups()), "") if program else ""
    return f"{command} {_UNATTENDED}" if name.rpartition("/")[2] == "ssh" else command


def _scrub(ours: Container[str], *, operator_config: bool) -> list[str]:
    """Return a prefix that drops Git's variables of the surrounding shell (GIT_DIR of a hook, for one)."""
    kept = _OPERATORS if operator_config else ()
    found = [name for name in os.environ if name.startswith("GIT_") and name not in ours and name not in kept]
    if not operator_config and "SSH_ASKPASS" in os.environ:
        found.append("SSH_ASKPASS")
    return ["env", *(part for name in found for part in ("-u", name))] if found else []


@cache
def _program() -> "git.Git":
    try:
        import git
    except ImportError:
        raise StalledError("Git was not found: install git 2.32 or newer and put it on PATH.") from None
    program = git.Git()
    check_version(program.version_info)
    return program


def check_version(version: tuple[int, ...]) -> None:
    """Raise `StalledError` if this Git cannot be isolated from configuration."""
    if version[:2] < MINIMUM:
        shown = ".".join(str(part) for part in version)
        raise StalledError(f"Git {shown} is too old: install git 2.32 or newer.")


def _verb(arguments: tuple[str, ...]) -> str:
    return next((part for part in arguments if not part.startswith("-")), "")


def explain(what: str, err: str) -> HeadgateError:
    """Turn what Git said into an error typed by what to do about it."""
    for pattern, advice in _STALLED:
        if re.search(pattern, err):
            return StalledError(f"git {what}: {advice} ({_last_line(err)})")
    if re.search("No space left on device|Disk quota exceeded|File too large", err):
        return TransientError(f"git {what}: the disk is full; free some space, Headgate tries again.")
    return TransientError(f"git {what} failed: {_last_line(err) or 'Git was ended by a signal'}")


def _last_line(err: str) -> str:
    lines = [line for line in err.splitlines() if _TELLING.match(line)]
    return " / ".join((lines or err.splitlines())[:3])


_TELLING = re.compile("fatal|error|remote|ssh|git|Host key|Connection |kex_exchange|.*denied")

_STALLED = (
    (r"(?s)unknown repository extension.*refstorage", "the repository uses reftable, which needs git 2.45 or newer"),
    (r"unknown repository extension|Expected git repo version", "this Git is too old for the repository's format"),
    (r"dubious ownership", "the repository belongs to another user; run Headgate as its owner"),
    (r"Authentication failed|could not read (Username|Password)", "the remote wants credentials that Headgate lacks"),
    (r"Permission denied \(publickey|Host key verification failed", "ssh was refused; check key and known_hosts"),
    (r"transport '.*' not allowed", "the remote redirects to a scheme that is not allowed"),
    (r"Repository not found|repository '.*' not found|does not appear to be a git repository", "no repository there"),
)
