"""A running Envoy and one with other settings, or another program, that takes over from it."""

import asyncio
import os
import signal

import httpx
import pytest

from router import process as processes
from router.supervisor import EnvoyProcess, EnvoySettings, Phase
from tests.router.place import OPTIONS, place, ready, static, until

pytestmark = pytest.mark.real


async def test_other_settings_move_over_by_hot_restart_with_no_failed_request() -> None:
    async with place() as where:
        first = where.envoy("one")
        old = await first.start()
        await ready(first)
        await first.detach()
        answers: list[str] = []
        loading = asyncio.create_task(_load(where.port, answers))
        second = where.envoy("two")
        new = await second.start()
        assert new.pid != old.pid
        await until(lambda: "two" in answers[-3:])
        await until(lambda: processes.identify(old.pid) is None, 30)
        loading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await loading
        assert set(answers) == {"one", "two"}
        assert second.seen.restarts == 0
        await second.stop()


async def _load(port: int, answers: list[str]) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        while True:
            answers.append((await client.get(f"http://127.0.0.1:{port}/")).raise_for_status().text)
            await asyncio.sleep(0.005)


async def test_settings_that_envoy_refuses_keep_the_running_one() -> None:
    async with place() as where:
        first = where.envoy()
        old = await first.start()
        await ready(first)
        await first.detach()
        settings = EnvoySettings(where.root / "envoy", where.sockets.admin, options=OPTIONS)
        second = EnvoyProcess(settings, static(where.sockets, where.port) | {"static_resources": {"clusters": [{}]}})
        seen = await second.start()
        assert seen.pid == old.pid
        assert "former settings" in seen.message
        assert "headgate down" in seen.message
        assert await where.get() == "one"
        await second.stop()


async def test_another_program_that_cannot_take_over_is_not_tried() -> None:
    async with place() as where:
        first = where.envoy()
        old = await first.start()
        await ready(first)
        await first.detach()
        other = where.root / "other"
        other.write_text("#!/bin/sh\necho 10.3\n")
        other.chmod(0o700)
        second = where.envoy(binary=other)
        seen = await second.start()
        assert (seen.pid, seen.phase) == (old.pid, Phase.RUNNING)
        assert "cannot take over" in seen.message
        await second.stop()


async def test_a_hung_envoy_is_replaced() -> None:
    async with place() as where:
        first = where.envoy()
        old = await first.start()
        await ready(first)
        await first.detach()
        os.kill(old.pid, signal.SIGSTOP)
        second = where.envoy()
        second.admin = type(second.admin)(where.sockets.admin, timeout_s=0.2)
        seen = await second.start()
        assert seen.pid != old.pid
        await ready(second)
        assert await where.get() == "one"
        await second.stop()
