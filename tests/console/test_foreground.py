"""Headgate in the foreground: signals end it, and it says whether its endpoints go on serving."""

import asyncio
import logging
import os
import signal
import stat
from collections.abc import Callable

import pytest

import console.app
from console.foreground import serve
from console.lock import find_holder
from console.logbook import logging_to
from console.paths import Paths
from console.progress import Progress
from console.settings import Settings

Play = Callable[[], None]


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Callable[[Play], None]:
    """Replace the wired Headgate by one that does something and then waits for its end."""

    def put(what: Play) -> None:
        async def run(_: Settings, *, stop: asyncio.Event, report: object, started: Callable[[], None]) -> None:
            assert callable(report)
            started()
            what()
            async with asyncio.timeout(20):
                await stop.wait()

        monkeypatch.setattr(console.app, "run", run)

    return put


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_a_signal_ends_it_and_the_endpoints_go_on(
    play: Callable[[Play], None], paths: Paths, number: signal.Signals
) -> None:
    def act() -> None:
        holder = find_holder(paths.lock_file)
        assert holder
        assert holder.pid == os.getpid()
        os.kill(os.getpid(), number)

    play(act)
    with Progress() as progress:
        assert await serve(Settings(state_dir=paths.state), progress) is True
    assert find_holder(paths.lock_file) is None


async def test_it_knows_when_down_ended_it(play: Callable[[Play], None], paths: Paths) -> None:
    def act() -> None:
        paths.down_mark.touch()
        os.kill(os.getpid(), signal.SIGTERM)

    play(act)
    paths.down_mark.touch()
    with Progress() as progress:
        assert await serve(Settings(state_dir=paths.state), progress) is False


def test_warnings_reach_the_screen_and_all_reaches_a_private_file(
    paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    with Progress() as progress, logging_to(Settings(state_dir=paths.state), progress):
        logging.getLogger("reconciler").info("a detail")
        logging.getLogger("reconciler").warning("a [warning]")
        logging.getLogger("httpx").info("chatter")
    assert capsys.readouterr().out == "warning: a [warning]\n"
    text = paths.log_file.read_text()
    assert "INFO reconciler: a detail" in text
    assert "WARNING reconciler: a [warning]" in text
    assert "chatter" not in text
    assert stat.S_IMODE(paths.log_file.stat().st_mode) == 0o600
