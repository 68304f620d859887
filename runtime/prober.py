"""Asks a replica over HTTP whether it serves, and tells busy from hung."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from runtime.probes import Answer, ProbeState, begin, resume, step
from runtime.records import Care
from spec.errors import HeadgateError

InFlight = Callable[[str, int], Awaitable[int]]
"""How many requests the replica at an address and port has in progress, as the router counts them."""

_SLACK = 0.05
"""Seconds within which two due probes share one request."""
_LINE = 4096
_ROUTER = 5.0
"""Seconds that the router has to tell what is in flight."""


async def nobody(_address: str, _port: int) -> int:
    """No router tells: a replica is then never taken for busy."""
    return 0


@dataclass(frozen=True, slots=True)
class Target:
    """Where a replica answers probes; `/` of the inference server answers once a worker has run `init()`."""

    address: str
    port: int
    path: str = "/"


@dataclass(frozen=True, slots=True)
class Health:
    """Both probes of a replica."""

    readiness: ProbeState
    liveness: ProbeState

    @property
    def due(self) -> float:
        """When to ask next."""
        return min(self.readiness.due, self.liveness.due)


def fresh(care: Care, now: float) -> Health:
    """A process that has just started."""
    return Health(begin(care.readiness, now), begin(care.liveness, now))


def adopted(care: Care, now: float, *, ready: bool) -> Health:
    """A process that was found running, and was ready when last recorded."""
    return Health(resume(now), resume(now)) if ready else fresh(care, now)


def judge(health: Health, care: Care, answer: Answer, now: float) -> Health:
    """Give one answer to each probe that is due."""
    readiness, liveness = health.readiness, health.liveness
    if readiness.due <= now + _SLACK:
        readiness = step(readiness, care.readiness, answer, now)
    if liveness.due <= now + _SLACK:
        liveness = step(liveness, care.liveness, answer, now)
    return Health(readiness, liveness)


async def watch(
    target: Target, care: Care, health: Health, in_flight: InFlight, tell: Callable[[Health], None]
) -> None:
    """Probe for ever, telling the health after each answer."""
    while True:
        await asyncio.sleep(health.due - time.monotonic())
        now = time.monotonic()
        # Both probes ask the same question, so a request that serves both waits for the more patient one.
        timeout = max(
            probe.timeout
            for probe, state in ((care.readiness, health.readiness), (care.liveness, health.liveness))
            if state.due <= now + _SLACK
        )
        answer = await ask(target, timeout, care.request_timeout_ms / 1000, in_flight)
        # By the time of the question: a period counts from one to the next, however long a hung replica takes.
        health = judge(health, care, answer, now)
        tell(health)


async def ask(target: Target, timeout: float, patience: float, in_flight: InFlight) -> Answer:  # noqa: ASYNC109 - Azure's word, and not the caller's wait
    """One probe: an answer below 400 within `timeout` seconds is OK.

    A later one means busy only while the router counts a request in flight there. A worker takes connections in
    turn, so a probe that waits longer than `patience` (the request timeout) waits behind a request that is over
    its time: failed.
    """
    probe = asyncio.ensure_future(_get(target))
    try:
        if (await asyncio.wait({probe}, timeout=timeout))[0]:
            return probe.result()
        if not await _scoring(target, in_flight):
            return Answer.FAILED
        if (await asyncio.wait({probe}, timeout=patience))[0]:
            return Answer.BUSY if probe.result() is Answer.OK else Answer.FAILED
        return Answer.FAILED
    finally:
        probe.cancel()
        await asyncio.wait({probe}, timeout=1)


async def _scoring(target: Target, in_flight: InFlight) -> bool:
    try:
        async with asyncio.timeout(_ROUTER):
            return await in_flight(target.address, target.port) > 0
    except (HeadgateError, OSError):
        # The router does not answer: unknown is not idle.
        return True


async def _get(target: Target) -> Answer:
    try:
        reader, writer = await asyncio.open_connection(target.address, target.port, limit=_LINE)
    except OSError:
        return Answer.FAILED
    try:
        head = f"GET {target.path} HTTP/1.1\r\nHost: {target.address}:{target.port}\r\n"
        writer.write(f"{head}User-Agent: headgate-probe\r\nConnection: close\r\n\r\n".encode())
        status = (await reader.readline()).split()[1:2]
    except (OSError, ValueError):
        return Answer.FAILED
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    return Answer.OK if status and status[0].isdigit() and 200 <= int(status[0]) < 400 else Answer.FAILED  # noqa: PLR2004 - HTTP
