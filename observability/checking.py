"""Asking the checks of one deployment: a candidate's replicas, and stable ones where answers are compared."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from observability.examination import Address, Examination, Outcome
from observability.exchange import Answer, Caller, Request, Silence, excerpt
from observability.inspector import Inspector, Uninspected, inspecting
from observability.marking import Mark, Marks, has_schema, mark, sum_up
from observability.verdict import Verdict
from spec.checks import Check, Checks

LANES: Final = 4
"""Checks under way at once, each on replicas of its own: a replica may be made for one request at a time."""
MOST_UNANSWERED: Final = 3
"""So many checks without an answer in time say enough: the rest is not asked."""
LONGEST_S: Final = 1800.0
"""All checks together take no longer; what was not asked by then is an error."""


def request_of(check: Check, address: Address, paths: tuple[str, str, str]) -> Request:
    """The check as a request to a replica, at the container's own path."""
    return Request(
        url=f"http://{_host(address)}{container_path(check.path, paths)}",
        method=check.method,
        headers=check.headers,
        body=check.body,
        timeout_s=check.timeout_s,
    )


def container_path(path: str, paths: tuple[str, str, str]) -> str:
    """Where a path that clients write below the endpoint is found in the container."""
    place, mark, query = path.partition("?")
    score, openapi, root = paths
    known = {"/score": score, "/swagger.json": openapi}
    return known.get(place, root.rstrip("/") + place) + mark + query


async def run_checks(caller: Caller, examination: Examination) -> Outcome:
    """Ask every check and judge the answers; `ERROR` if there is nobody to ask."""
    if examination.checks is None:
        message = "the deployment has no checks: add a file with `kind: checks` beside it, or take the gate out"
        return Outcome(Verdict.ERROR, message)
    if not examination.replicas:
        return Outcome(Verdict.ERROR, f"there is nobody to ask: no replica of {examination.release} is ready")
    async with inspecting() as inspector:
        return await _Round(caller, examination, examination.checks, inspector).run()


@dataclass
class _Round:
    """One run of all checks."""

    caller: Caller
    examination: Examination
    checks: Checks
    inspector: Inspector
    marks: dict[int, Mark] = field(default_factory=dict)
    stopped: str = ""
    absent: str = ""
    """Why no replica of the candidate can be asked."""
    uncompared: str = ""
    until: float = 0
    """On the event loop's clock."""
    unanswered: int = 0
    unanswered_by_stable: int = 0

    async def run(self) -> Outcome:
        compares = any(check.max_difference is not None for check in self.checks.checks)
        self.until = asyncio.get_running_loop().time() + LONGEST_S
        if compares and not self.examination.stable:
            self.uncompared = "none of its replicas is ready"
        pending = iter(enumerate(self.checks.checks))
        async with asyncio.TaskGroup() as tasks:
            for lane in range(self._lanes(compares=compares)):
                tasks.create_task(self._work(lane, pending))
        marks = tuple(found for _, found in sorted(self.marks.items()))
        if self.absent and not any(one.fault for one in marks):
            return Outcome(Verdict.ERROR, f"there is nobody to ask at {self.examination.release}: {self.absent}")
        found = Marks(self.checks, marks, self.stopped or self.absent, self.uncompared)
        return await asyncio.to_thread(sum_up, found)

    def _lanes(self, *, compares: bool) -> int:
        replicas = len(self.examination.replicas)
        return min(LANES, replicas, len(self.examination.stable) or replicas if compares else replicas)

    async def _work(self, lane: int, pending: Iterator[tuple[int, Check]]) -> None:
        for index, check in pending:
            if asyncio.get_running_loop().time() >= self.until:
                self.stopped = f"it took longer than {LONGEST_S:g} s"
                return
            found = await self._take(lane, check)
            if found is not None:
                self.marks[index] = found
            if self.stopped or self.absent:
                return

    async def _take(self, lane: int, check: Check) -> Mark | None:
        """Ask both at once, so that both are asked about the same moment; None: the candidate is not there."""
        compares = check.max_difference is not None and not self.uncompared
        stable = self._ask(self.examination.stable, lane, check) if compares else _nothing()
        mine, theirs = await asyncio.gather(self._ask(self.examination.replicas, lane, check), stable)
        if isinstance(mine, Silence):
            self._miss(mine)
        if isinstance(theirs, Silence):
            theirs = self._miss_stable(theirs)
        if isinstance(mine, Silence) and mine.is_absent:
            return None
        try:
            by_schema = await self._against_schema(check, mine), await self._against_schema(check, theirs)
        except Uninspected as error:
            self.stopped = f"an answer to `{excerpt(check.name, 60)}` cannot be held against its schema: {error}"
            return None
        return await asyncio.to_thread(mark, check, mine, theirs, by_schema)

    async def _against_schema(self, check: Check, answer: Answer | Silence | None) -> str:
        if not isinstance(answer, Answer) or not has_schema(check, answer):
            return ""
        return await self.inspector.fault_of(check.schema, answer.body)

    def _miss(self, silence: Silence) -> None:
        if silence.is_absent:
            self.absent = silence.message
            return
        self.unanswered += 1
        if self.unanswered >= MOST_UNANSWERED:
            self.stopped = f"{self.unanswered} got no answer"

    def _miss_stable(self, silence: Silence) -> Silence | None:
        self.unanswered_by_stable += 1
        if silence.is_absent:
            self.uncompared = silence.message
            return None
        if self.unanswered_by_stable >= MOST_UNANSWERED:
            self.uncompared = f"{self.unanswered_by_stable} of its answers did not come"
        return silence

    async def _ask(self, replicas: tuple[Address, ...], lane: int, check: Check) -> Answer | Silence:
        """Ask the lane's replica, or the next one where nobody is there."""
        found: Answer | Silence = Silence("no replica is ready", is_absent=True)
        for turn in range(len(replicas)):
            address = replicas[(lane + turn) % len(replicas)]
            found = await self.caller.ask(request_of(check, address, self.examination.paths))
            if isinstance(found, Answer) or not found.is_absent:
                return found
        return found


async def _nothing() -> None:
    return None


def _host(address: Address) -> str:
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
