"""Steady load on one endpoint: an open loop, in which every answer counts."""

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx

from benchmarks.background import Background

RATE = 50.0
"""Requests a second."""
_BODY = b'{"data": [1]}'
_PATIENCE_S = 30.0


@dataclass(frozen=True, slots=True)
class Answer:
    """One request: when it began and ended, in seconds of the epoch, its status (0: no answer), and who answered."""

    sent: float
    at: float
    status: int
    release: str = ""

    @property
    def failed(self) -> bool:
        """Whether it was anything but 200."""
        return self.status != 200


@dataclass
class Steady(Background):
    """`RATE` requests a second from a thread of its own, from `with` to its end."""

    url: str
    key: str
    answers: list[Answer] = field(default_factory=list)

    def where(self, what: Callable[[Answer], bool]) -> list[Answer]:
        """The answers of that kind so far, in the order in which they came."""
        return sorted((answer for answer in list(self.answers) if what(answer)), key=lambda answer: answer.at)

    async def _run(self) -> None:
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=50)
        async with httpx.AsyncClient(headers=headers, limits=limits, timeout=_PATIENCE_S, trust_env=False) as client:
            pending: set[asyncio.Task[None]] = set()
            begun, sent = time.monotonic(), 0
            while not self._stop.is_set():
                task = asyncio.create_task(self._one(client))
                pending.add(task)
                task.add_done_callback(pending.discard)
                sent += 1
                await asyncio.sleep(max(0.0, begun + sent / RATE - time.monotonic()))
            await asyncio.gather(*pending)

    async def _one(self, client: httpx.AsyncClient) -> None:
        sent, status, release = time.time(), 0, ""
        try:
            response = await client.post(self.url, content=_BODY)
            status = response.status_code
            release = _release(response) if status == 200 else ""
        except httpx.HTTPError:
            pass
        self.answers.append(Answer(sent, time.time(), status, release))


def _release(response: httpx.Response) -> str:
    """Say which release answered: the model says so itself."""
    try:
        return str(json.loads(response.content)["release"])
    except (ValueError, KeyError, TypeError):
        return ""
