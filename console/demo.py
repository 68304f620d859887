"""`headgate demo`: the example repository, live in a scratch folder, scored, and gone afterwards."""

import asyncio
import contextlib
import os
import shlex
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

from console.client import AnswerError, Client, NotRunningError
from console.down import stop_installation
from console.exits import Exit
from console.foreground import show_urls, until_signal
from console.hints import paste
from console.logbook import logging_to
from console.paths import Paths
from console.progress import Progress
from console.score import ask, explain
from console.settings import Settings, load
from console.shapes import EndpointStatus
from observability.events import Event
from spec.errors import HeadgateError

PATIENCE = 30.0
AWAY_S = 120.0
"""Seconds that `--exit` waits for a world that is away, such as the package index, before it gives up."""
AWAY = frozenset({"RegistryUnavailable", "BuildTimeout", "BuildToolMissing", "DiskFull", "StateUnwritable"})
"""What a release is tried again after for ever, since only the world around it can change that."""
SHOWN = 60
"""Characters of an answer that are printed."""
MACHINE = ("envoy_bin", "envoy_concurrency", "conda", "log_level")
"""Settings that belong to this machine; variables and files of another installation give the demo no others."""
_ADVICE = (
    "Check the network, HTTPS_PROXY and SSL_CERT_FILE, or name a mirror in UV_DEFAULT_INDEX; "
    "`headgate doctor` says whether the package index answers."
)
IDENTITY = {
    "GIT_AUTHOR_NAME": "Headgate demo",
    "GIT_AUTHOR_EMAIL": "demo@headgate.invalid",
    "GIT_COMMITTER_NAME": "Headgate demo",
    "GIT_COMMITTER_EMAIL": "demo@headgate.invalid",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
}


def find_examples() -> Path:
    """The example repository: beside the packages in a checkout, within the package in a wheel."""
    here = Path(__file__).resolve().parent
    places = (here.parent / "examples" / "repo", here / "examples")
    for place in places:
        if place.is_dir() and any(place.iterdir()):
            return place
    raise HeadgateError(f"The example repository is missing: looked in {places[0]} and {places[1]}.")


def copy_examples(target: Path) -> None:
    """Copy the example repository and commit it with an identity of its own."""
    shutil.copytree(find_examples(), target, ignore=shutil.ignore_patterns("__pycache__", ".git"))
    for arguments in (
        ["init", "--quiet", "--initial-branch=main"],
        ["add", "--all"],
        ["commit", "--quiet", "-m", "Serve the examples"],
    ):
        git(target, *arguments)


def git(folder: Path, *arguments: str) -> None:
    """Run Git in `folder`, apart from any configuration or environment of the user's. Raises `HeadgateError`."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments], capture_output=True, text=True, env=inherited | IDENTITY, check=False
    )
    if done.returncode:
        raise HeadgateError(f"git {arguments[0]} failed in {folder}: {done.stderr.strip()}")


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def run(flags: Mapping[str, object], *, exit_after: bool, keep: bool = False) -> Exit:
    """Run the demo until a signal, or with `exit_after` until every endpoint is scored; stop everything after.

    The scratch folder is removed but for `keep`, or where something in it could not be stopped.
    """
    scratch = Path(tempfile.mkdtemp(prefix="headgate-demo-"))
    stop = asyncio.Event()
    with until_signal(stop), Progress() as progress:
        settings = _settings(flags, scratch)
        show_urls(settings, progress)
        stage = Stage(settings, progress, stop, exit_after=exit_after)
        try:
            progress.say(f"The demo lives in {scratch}.")
            await asyncio.to_thread(copy_examples, scratch / "repo")
            with logging_to(settings, progress):
                return await stage.play()
        finally:
            progress.rest()
            progress.say("Stopping everything …")
            await _stop(settings)
            if not keep:
                await asyncio.to_thread(_remove, settings, scratch)
            progress.say(f"Everything is stopped{f'; the files are in {scratch}' if keep else ' and removed'}.")


def _settings(flags: Mapping[str, object], scratch: Path) -> Settings:
    config = flags.get("config")
    given = {name: value for name, value in flags.items() if name != "config"}
    fixed = {"repo": str(scratch / "repo"), "state_dir": str(scratch / "state"), "address": "127.0.0.1"}
    port = given.get("port") or str(free_port())
    return load({**given, **fixed, "port": port}, config=str(config) if config else None, only=MACHINE)


async def _stop(settings: Settings) -> None:
    await stop_installation(Paths(settings.state_dir), PATIENCE)


def _remove(settings: Settings, scratch: Path) -> None:
    shutil.rmtree(Paths(settings.state_dir).run, ignore_errors=True)
    shutil.rmtree(scratch, ignore_errors=True)


def _awaits(endpoint: EndpointStatus) -> str | None:
    """What of the world an endpoint waits for; None: nothing."""
    found = endpoint.condition("Ready")
    return found.reason if found is not None and found.reason in AWAY else None


@dataclass
class Stage:
    """One run of the demo."""

    settings: Settings
    progress: Progress
    stop: asyncio.Event
    exit_after: bool
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    scored: dict[str, bool] = field(default_factory=dict)
    away: dict[str, float] = field(default_factory=dict)
    """Endpoint → when it was first seen to wait for the world, on the clock of `monotonic`."""

    async def play(self) -> Exit:
        """Serve, score, and wait for the end."""
        from console.app import run as serve

        serving = asyncio.create_task(serve(self.settings, stop=self.stop, report=self._report))
        scoring = asyncio.create_task(self._score_all())
        stopping = asyncio.create_task(self.stop.wait())
        try:
            await asyncio.wait({serving, scoring, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if scoring.done() and not self.stop.is_set() and not serving.done():
                scoring.result()
                await asyncio.to_thread(self._tell)
                if not self.exit_after:
                    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
            return self._code(interrupted=self.stop.is_set())
        finally:
            self.stop.set()
            scoring.cancel()
            stopping.cancel()
            await asyncio.gather(scoring, stopping, return_exceptions=True)
            await serving

    def _code(self, *, interrupted: bool) -> Exit:
        good = bool(self.scored) and all(self.scored.values())
        return Exit.OK if good or (interrupted and not self.exit_after) else Exit.PROBLEM

    def _report(self, event: Event) -> None:
        self.progress.report(event)
        self.woken.set()

    async def _score_all(self) -> None:
        """Score each endpoint once, as soon as it is Ready or is known to fail."""
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.woken.wait(), 2)
            self.woken.clear()
            endpoints = await asyncio.to_thread(self._endpoints)
            for endpoint in endpoints:
                if endpoint.name not in self.scored and self._is_known(endpoint):
                    self.scored[endpoint.name] = await asyncio.to_thread(self._score, endpoint)
            if endpoints and len(self.scored) >= len(endpoints):
                return

    def _is_known(self, endpoint: EndpointStatus) -> bool:
        """Whether nothing more is to be waited for."""
        if endpoint.ready or endpoint.provisioning_state == "Failed":
            return True
        if not self.exit_after or _awaits(endpoint) is None:
            return False
        return monotonic() - self.away.setdefault(endpoint.name, monotonic()) >= AWAY_S

    def _endpoints(self) -> tuple[EndpointStatus, ...]:
        with contextlib.suppress(NotRunningError, AnswerError), Client(Paths(self.settings.state_dir)) as client:
            return client.status().endpoints
        return ()

    def _score(self, endpoint: EndpointStatus) -> bool:
        name = endpoint.name
        if not endpoint.ready:
            failed = endpoint.condition("Ready")
            self.progress.say(f"{name} is not Ready: {failed.message if failed else 'unknown'}", "red")
            if (reason := _awaits(endpoint)) is not None:
                self.progress.say(f"{reason}: given up after {AWAY_S:.0f} s. {_ADVICE}", "red")
            return False
        try:
            with Client(Paths(self.settings.state_dir)) as client:
                body = client.sample(name)
                reply = ask(client.access(name), body if body is not None else b"{}")
        except HeadgateError as error:
            self.progress.say(f"{name}: {error}", "red")
            return False
        if not reply.is_success:
            self.progress.say(explain(reply, name, state=self.settings.state_dir), "red")
            return False
        answer = reply.body.decode("utf-8", "replace").strip()
        cut = answer[:SHOWN] + ("…" if len(answer) > SHOWN else "")
        self.progress.say(f"  scored {name}: {reply.status} {cut}", "green")
        return True

    def _tell(self) -> None:
        self.progress.say("\n".join(["", *self._urls(), "", *self._tries()]))

    def _urls(self) -> list[str]:
        lines = ["Live endpoints:"]
        lines += [f"  {endpoint.scoring_uri}" for endpoint in self._endpoints()]
        first = next(iter(self.scored), "ENDPOINT")
        return [*lines, "", "Their keys:", f"  {self._command('keys', 'show', first)}"]

    def _tries(self) -> list[str]:
        first = next((name for name, good in self.scored.items() if good), None)
        if first is None:
            return [f"What went wrong: {self._command('events')}"]
        ending = [] if self.exit_after else ["", "Ctrl-C stops everything."]
        return [
            "Three things to try next, in another shell:",
            "",
            "  # score again",
            f"  {self._curl(first)}",
            "  # see what is live, and why",
            f"  {self._command('status', first)}",
            "  # ask Git for a second replica",
            f"  {self._scale(first)}",
            *ending,
        ]

    def _scale(self, name: str) -> str:
        with Client(Paths(self.settings.state_dir)) as client:
            folder = (Path(str(self.settings.repo)) / client.endpoint(name).file).parent
        git = f"git -C {shlex.quote(str(folder))} -c user.name=me -c user.email=me@localhost"
        return " && ".join(
            [
                f"sed -i.bak 's/instance_count: 1/instance_count: 2/' {shlex.quote(str(folder))}/*.yml",
                f"{git} commit -qam 'Two replicas'",
                self._command("sync", "--wait"),
                self._command("status", name),
            ]
        )

    def _command(self, *words: str) -> str:
        return paste(*words, state=self.settings.state_dir)

    def _curl(self, name: str) -> str:
        with Client(Paths(self.settings.state_dir)) as client:
            access, body = client.access(name), client.sample(name)
        sample = self.settings.state_dir.parent / f"{name}.json"
        sample.write_bytes(body or b"{}")
        trust = f" --cacert {shlex.quote(access.ca_certificate)}" if access.ca_certificate else ""
        kind = "keys show" if access.auth_mode == "key" else "token"
        key = f"$({self._command(*kind.split(), name)} | awk '{{print $NF; exit}}')"
        return (
            f"curl -sS --noproxy '*'{trust} -H \"Authorization: Bearer {key}\" "
            f"-H 'Content-Type: application/json' -d @{shlex.quote(str(sample))} {access.scoring_uri}"
        )
