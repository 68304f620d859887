"""Warming up: a deployment's checks, sent to each replica until its latency is steady."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice
from statistics import median
from typing import Final

from observability.checking import request_of
from observability.examination import Address, Examination, Outcome
from observability.exchange import Answer, Caller
from observability.verdict import Verdict
from spec.checks import Check

SPAN: Final = 10
"""Requests whose median latency is held against that of as many before them."""
STEADY: Final = 0.2
"""Two medians that differ by no more than this share of the earlier one are steady."""


async def warm_up(caller: Caller, examination: Examination) -> Outcome:
    """Send requests to every replica, and say what became of latency; a wrong answer is no matter here."""
    if examination.checks is None:
        message = (
            "nothing to warm up with: the deployment has no checks (`kind: checks`), so it takes live requests cold"
        )
        return Outcome(Verdict.GOOD, message)
    if not examination.replicas:
        return Outcome(Verdict.ERROR, f"there is nobody to ask: no replica of {examination.release} is ready")
    warmings = [_Warming(caller, examination, address) for address in examination.replicas]
    checks = examination.checks.checks
    try:
        async with asyncio.timeout(examination.for_s or None), asyncio.TaskGroup() as tasks:
            for offset, one in enumerate(warmings):
                tasks.create_task(one.run(checks, offset))
    except TimeoutError:
        return _outcome(warmings, f"its time of {examination.for_s:g} s was over")
    return _outcome(warmings)


def is_steady(latencies: Sequence[float]) -> bool:
    """Whether the median of the last ten is within 20 % of the median of the ten before. Pure."""
    if len(latencies) < 2 * SPAN:
        return False
    before, last = median(latencies[-2 * SPAN : -SPAN]), median(latencies[-SPAN:])
    return abs(last - before) <= STEADY * before


@dataclass
class _Warming:
    """One replica's requests, one at a time."""

    caller: Caller
    examination: Examination
    address: Address
    latencies: list[float] = field(default_factory=list)
    """Seconds, of what was answered."""
    sent: int = 0
    wrong: int = 0
    absent: str = ""

    async def run(self, checks: Sequence[Check], offset: int) -> None:
        """Go on until latency is steady, all requests are sent, or nobody is there."""
        for check in islice(cycle(checks), offset % len(checks), None):
            if self.sent >= self.examination.requests or is_steady(self.latencies):
                return
            found = await self.caller.ask(request_of(check, self.address, self.examination.paths))
            self.sent += 1
            if isinstance(found, Answer):
                self.latencies.append(found.seconds)
                self.wrong += found.status != check.status
            elif found.is_absent:
                self.absent = found.message
                return
            else:
                self.wrong += 1


def _outcome(warmings: Sequence[_Warming], ended: str = "") -> Outcome:
    answered = [one for one in warmings if one.latencies]
    if not answered:
        why = next((one.absent for one in warmings if one.absent), ended or "no request was answered")
        return Outcome(Verdict.ERROR, f"no replica could be warmed up: {why}")
    first = median([seconds for one in answered for seconds in one.latencies[:SPAN]])
    last = median([seconds for one in answered for seconds in one.latencies[-SPAN:]])
    sent, wrong = max(one.sent for one in answered), sum(one.wrong for one in warmings)
    each = f" to each of {len(warmings)} replicas" if len(warmings) > 1 else ""
    parts = [f"p50 from {milliseconds(first)} to {milliseconds(last)} after {sent} requests{each}"]
    if not all(is_steady(one.latencies) for one in answered):
        parts.append(ended or "not steady yet")
    if wrong:
        parts.append(f"{wrong} got another status than their check asks for, or no answer")
    missing = len(warmings) - len(answered)
    if missing:
        parts.append(f"{missing} of {len(warmings)} replicas did not answer at all")
    return Outcome(Verdict.GOOD, "; ".join(parts))


def milliseconds(seconds: float) -> str:
    """A duration to three digits: `840 ms`, `1.25 ms`."""
    value = 1000 * seconds
    return f"{value:.0f} ms" if value >= 100 else f"{value:.3g} ms"  # noqa: PLR2004 - three digits
