"""What is done again and again, and how it ends."""

import asyncio
import logging

import pytest

from console.chores import repeated
from spec.errors import TransientError


async def test_a_chore_under_way_at_the_end_is_cut_off_in_silence(caplog: pytest.LogCaptureFixture) -> None:
    begun, cut = asyncio.Event(), asyncio.Event()

    async def endless(subject: str) -> None:
        assert subject == "it"
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            cut.set()

    caplog.set_level(logging.INFO)
    async with repeated("it", [(endless, 0.01)]):
        await begun.wait()
    await asyncio.wait_for(cut.wait(), 5)
    await asyncio.sleep(0.05)
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


async def test_one_that_has_only_just_been_begun_is_silent_too(caplog: pytest.LogCaptureFixture) -> None:
    async def endless(_: None) -> None:
        await asyncio.Event().wait()

    for pause in range(12):
        async with repeated(None, [(endless, 0.01)]):
            # From before it begins to after, as finely as the clock of an event loop allows.
            await asyncio.sleep(0.007 + pause / 2000)
        await asyncio.sleep(0)
        await asyncio.sleep(0.01)
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


async def test_an_expected_fault_is_told_in_a_line_and_the_next_time_comes(caplog: pytest.LogCaptureFixture) -> None:
    times, thrice = 0, asyncio.Event()

    async def _fails(_: None) -> None:
        nonlocal times
        times += 1
        if times == 3:
            thrice.set()
        raise TransientError("not now")

    async with repeated(None, [(_fails, 0.01)]):
        await asyncio.wait_for(thrice.wait(), 5)
    assert "fails: not now" in caplog.text
    assert "Traceback" not in caplog.text
