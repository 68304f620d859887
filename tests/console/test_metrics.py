"""Live metrics: who is told of new attempts, and how often."""

import asyncio
import itertools

import pytest

from console.metrics import QUIET_S, LiveMetrics
from reconciler.clock import SystemClock
from router.attempts import Attempt


def attempt(endpoint: str = "iris") -> Attempt:
    return Attempt(endpoint, "blue@1", "ok", 1.0)


async def test_the_first_attempt_is_told_at_once_and_what_follows_together() -> None:
    told: list[str] = []
    metrics = LiveMetrics("e", SystemClock(), lambda: True)
    metrics.subscribe(told.append)
    for _ in range(10):
        metrics.heard([attempt()])
    metrics.heard([attempt("moons")])
    assert told == ["iris", "moons"]
    await asyncio.sleep(QUIET_S * 1.4)
    assert told == ["iris", "moons", "iris"]
    await asyncio.sleep(QUIET_S * 2)
    assert told == ["iris", "moons", "iris"]
    metrics.heard([attempt()])
    assert told[-1:] == ["iris"]
    assert len(told) == 4


async def test_a_steady_stream_is_told_at_the_stated_rate() -> None:
    told: list[float] = []
    loop = asyncio.get_running_loop()
    metrics = LiveMetrics("e", SystemClock(), lambda: True)
    metrics.subscribe(lambda _: told.append(loop.time()))
    ends = loop.time() + QUIET_S * 4
    while loop.time() < ends:
        metrics.heard([attempt()])
        await asyncio.sleep(0.01)
    assert 2 <= len(told) <= 5
    assert all(later - earlier > QUIET_S * 0.9 for earlier, later in itertools.pairwise(told))


async def test_without_an_envoy_metrics_are_gone_which_is_not_silence() -> None:
    connected = [False]
    metrics = LiveMetrics("e", SystemClock(), lambda: connected[0])
    assert metrics.reading("iris") is None
    connected[0] = True
    reading = metrics.reading("iris")
    assert reading is not None
    assert reading.tallies == {}


async def test_evidence_that_does_not_arrive_is_warned_of_and_is_gone_not_silent(
    caplog: pytest.LogCaptureFixture,
) -> None:
    metrics = LiveMetrics("e", SystemClock(), lambda: True)
    metrics.audit(0, 0)
    metrics.audit(100, 0)
    assert metrics.reading("iris") is not None
    metrics.audit(200, 0)
    assert metrics.reading("iris") is None
    assert "100 entries of evidence were lost" in caplog.text
    metrics.audit(200, 50)
    assert metrics.reading("iris") is not None
