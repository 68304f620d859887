"""The demo around a stand-in for the wired Headgate: it scores early, tells what to try, and stops all of it."""

import asyncio
import os
import shlex
import signal
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

import console.app
from console import demo
from console.api import create_api
from console.down import Stopped
from console.lock import find_holder, hold
from console.paths import Paths, prepare
from console.server import serve
from console.settings import Settings
from console.shapes import Status
from observability.events import Event
from spec.errors import StalledError

if TYPE_CHECKING:
    from conftest import FakeService, Model

Play = Callable[["FakeService", Callable[[Event], None], asyncio.Event], Awaitable[None]]


@pytest.fixture
def stage(
    home: Path, service: "FakeService", model: "Model", monkeypatch: pytest.MonkeyPatch, given: SimpleNamespace
) -> SimpleNamespace:
    """Stands in for the wired Headgate: `play` runs as its loop; `runs` and `stopped` record what happened."""
    (home / "examples").mkdir()
    (home / "examples" / "endpoint.yml").write_text("name: iris\n")
    monkeypatch.setattr(demo, "find_examples", lambda: home / "examples")
    monkeypatch.setenv("TMPDIR", str(home))
    monkeypatch.setattr("tempfile.tempdir", str(home))
    found = SimpleNamespace(runs=[], stopped=[], play=None, given=given)
    service.tell(Status(source=given.source()))

    async def run(settings: Settings, *, stop: asyncio.Event, report: Callable[[Event], None]) -> None:
        paths = Paths(settings.state_dir)
        prepare(paths)
        found.runs.append(settings)
        with hold(paths.lock_file):
            async with serve(create_api(service, "1"), settings, paths):
                playing = asyncio.create_task(found.play(service, report, stop))
                await stop.wait()
                await playing

    async def stop_installation(paths: Paths, _: float) -> Stopped:
        found.stopped.append(find_holder(paths.lock_file))
        return Stopped(None, 1, 1)

    monkeypatch.setattr(console.app, "run", run)
    monkeypatch.setattr(demo, "stop_installation", stop_installation)
    for name in ("iris", "wine"):
        service.accesses[name] = model.access()
        service.samples[name] = b'{"data": [1]}'
    return found


def left_in(home: Path) -> list[str]:
    return [path.name for path in home.glob("headgate-demo-*")]


def event(given: SimpleNamespace, name: str, reason: str) -> Event:
    return Event(given.NOW, name, reason, "")


async def first_then_second(service: "FakeService", report: Callable[[Event], None], stop: asyncio.Event) -> None:
    """Iris is Ready at once, wine only after iris was scored."""
    del stop
    given = service.given
    building = given.endpoint("wine", given.condition("Ready", "Unknown", "Preparing", "building"), state="Creating")
    service.tell(Status(source=given.source(), endpoints=(given.endpoint("iris"), building)))
    report(event(given, "iris", "EndpointReady"))
    async with asyncio.timeout(20):
        await service.scored.wait()
    service.tell(Status(source=given.source(), endpoints=(given.endpoint("iris"), given.endpoint("wine"))))
    report(event(given, "wine", "EndpointReady"))


async def test_each_endpoint_is_scored_as_soon_as_it_is_ready(
    stage: SimpleNamespace, service: "FakeService", model: "Model", capsys: pytest.CaptureFixture[str], home: Path
) -> None:
    loop = asyncio.get_running_loop()
    service.given, service.scored = stage.given, asyncio.Event()
    model.told = lambda: loop.call_soon_threadsafe(service.scored.set)
    stage.play = first_then_second
    assert await demo.run({}, exit_after=True) == 0
    assert len(model.seen) == 2
    out = capsys.readouterr().out
    assert out.index("scored iris: 200") < out.index("scored wine: 200")
    assert "Three things to try next" in out
    assert stage.stopped == [None], "the installation is stopped once, after Headgate has ended"
    assert left_in(home) == []


async def test_the_commands_it_prints_paste(
    stage: SimpleNamespace, model: "Model", capsys: pytest.CaptureFixture[str]
) -> None:
    async def play(service: "FakeService", report: Callable[[Event], None], _: asyncio.Event) -> None:
        service.tell(Status(source=stage.given.source(), endpoints=(stage.given.endpoint("iris"),)))
        report(event(stage.given, "iris", "EndpointReady"))

    stage.play = play
    assert await demo.run({}, exit_after=True) == 0
    out = capsys.readouterr().out
    state = stage.runs[0].state_dir
    [curl] = [line.strip() for line in out.splitlines() if line.strip().startswith("curl")]
    words = shlex.split(curl)
    assert words[words.index("--cacert") + 1] == model.ca
    assert f"--state-dir {state}" in curl
    assert f"keys show iris --state-dir {state}" in out


@pytest.mark.usefixtures("stage")
def test_the_repository_is_committed_without_the_users_identity(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / ".gitconfig").write_text("[commit]\ngpgsign = true\n[core]\nhooksPath = /nonexistent\n")
    monkeypatch.setenv("GIT_DIR", "/nonexistent")
    demo.copy_examples(home / "copy")
    monkeypatch.delenv("GIT_DIR")
    call = ["git", "-C", str(home / "copy"), "log", "--format=%an %s", "main"]
    done = subprocess.run(call, capture_output=True, text=True, check=True)
    assert done.stdout == "Headgate demo Serve the examples\n"


async def test_a_signal_ends_it_and_stops_everything(stage: SimpleNamespace, home: Path) -> None:
    async def play(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    stage.play = play
    assert await demo.run({}, exit_after=False) == 0
    assert stage.stopped == [None]
    assert left_in(home) == []


async def test_an_error_ends_it_and_stops_everything(
    stage: SimpleNamespace, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run(*_: object, **__: object) -> None:
        raise StalledError("Envoy cannot run here")

    monkeypatch.setattr(console.app, "run", run)
    with pytest.raises(StalledError, match="Envoy cannot run here"):
        await demo.run({}, exit_after=True)
    assert stage.stopped == [None]
    assert left_in(home) == []


async def test_a_failed_endpoint_is_named_and_makes_it_exit_1(
    stage: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    given = stage.given

    async def play(service: "FakeService", report: Callable[[Event], None], _: asyncio.Event) -> None:
        bad = given.endpoint("wine", given.condition("Ready", "False", "InitFailed", "init() raised"), state="Failed")
        service.tell(Status(source=given.source(), endpoints=(given.endpoint("iris"), bad)))
        report(event(given, "wine", "InitFailed"))

    stage.play = play
    assert await demo.run({}, exit_after=True) == 1
    assert "wine is not Ready: init() raised" in capsys.readouterr().out


async def test_an_index_that_stays_away_ends_it_with_the_reason_and_what_to_do(
    stage: SimpleNamespace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    given = stage.given
    monkeypatch.setattr(demo, "AWAY_S", 0.1)

    async def play(service: "FakeService", report: Callable[[Event], None], stop: asyncio.Event) -> None:
        reasons = ("RegistryUnavailable", "Preparing")
        while not stop.is_set():
            reason = reasons[service.count % 2]
            waits = given.endpoint(
                "wine", given.condition("Ready", "Unknown", reason, "UnknownIssuer"), state="Creating"
            )
            service.tell(Status(source=given.source(), endpoints=(given.endpoint("iris"), waits)))
            report(event(given, "wine", reason))
            await asyncio.sleep(0.15)

    stage.play = play
    async with asyncio.timeout(60):
        assert await demo.run({}, exit_after=True) == 1
    out = capsys.readouterr().out
    assert "wine is not Ready: UnknownIssuer" in out
    assert "RegistryUnavailable: given up after" in out
    assert "headgate doctor" in out
    assert "scored iris: 200" in out


async def test_without_exit_it_goes_on_waiting_for_the_index(
    stage: SimpleNamespace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    given = stage.given
    monkeypatch.setattr(demo, "AWAY_S", 0.0)

    async def play(service: "FakeService", report: Callable[[Event], None], _: asyncio.Event) -> None:
        waits = given.condition("Ready", "Unknown", "RegistryUnavailable", "no answer")
        service.tell(Status(source=given.source(), endpoints=(given.endpoint("wine", waits, state="Creating"),)))
        report(event(given, "wine", "RegistryUnavailable"))
        await asyncio.sleep(2.5)
        service.tell(Status(source=given.source(), endpoints=(given.endpoint("wine"),)))
        report(event(given, "wine", "EndpointReady"))
        await asyncio.sleep(2.5)
        os.kill(os.getpid(), signal.SIGTERM)

    stage.play = play
    assert await demo.run({}, exit_after=False) == 0
    assert "scored wine: 200" in capsys.readouterr().out


async def test_settings_of_another_installation_do_not_reach_it(
    stage: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    async def play(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGHUP)

    stage.play = play
    monkeypatch.setenv("HEADGATE_PORT", "8443")
    monkeypatch.setenv("HEADGATE_BRANCH", "production")
    (home / "headgate.toml").write_text('state_dir = "precious"\napi_port = 9000\nlog_level = "debug"\n')
    await demo.run({}, exit_after=False)
    [settings] = stage.runs
    assert settings.port != 8443
    assert (settings.branch, settings.api_port, settings.log_level) == (None, None, "debug")
    assert settings.state_dir.parent.name.startswith("headgate-demo-")
