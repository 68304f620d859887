"""Steady load on one endpoint, open loop, every response counted."""

import asyncio
import ssl
import time
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from benchmarks.background import Background


@dataclass(frozen=True)
class Answer:
    """One request: when it began, how it ended (`status` 0: no answer), and how long it took, in seconds."""

    at: float
    status: int
    seconds: float
    text: str = ""
    client: int = 0


@dataclass
class Load(Background):
    """`rate` requests a second in a thread of its own, from `with` to its end, by clients that keep their cookies."""

    uri: str
    headers: dict[str, str]
    ca: Path | None = None
    rate: float = 20.0
    body: str = '{"data": [1]}'
    clients: int = 1
    """They take turns."""
    answers: list[Answer] = field(default_factory=list)

    @property
    def failures(self) -> list[Answer]:
        """Every request that was not answered 200."""
        return [answer for answer in list(self.answers) if answer.status != 200]

    def counts(self) -> dict[int, int]:
        """Answers by status."""
        return dict(Counter(answer.status for answer in list(self.answers)))

    async def _run(self) -> None:
        verify = ssl.create_default_context(cafile=str(self.ca)) if self.ca else False
        limits = httpx.Limits(max_connections=200, max_keepalive_connections=20)
        async with AsyncExitStack() as stack:
            clients = [
                await stack.enter_async_context(
                    httpx.AsyncClient(verify=verify, limits=limits, timeout=30, trust_env=False)
                )
                for _ in range(self.clients)
            ]
            pending: set[asyncio.Task[None]] = set()
            begun, sent = time.monotonic(), 0
            while not self._stop.is_set():
                number = sent % self.clients
                task = asyncio.create_task(self._one(clients[number], number))
                pending.add(task)
                task.add_done_callback(pending.discard)
                sent += 1
                await asyncio.sleep(max(0.0, begun + sent / self.rate - time.monotonic()))
            await asyncio.gather(*pending)

    async def _one(self, client: httpx.AsyncClient, number: int) -> None:
        at = time.time()
        begun = time.monotonic()
        try:
            response = await client.post(self.uri, content=self.body, headers=self.headers)
            status, text = response.status_code, response.text
        except httpx.HTTPError as error:
            status, text = 0, repr(error)
        self.answers.append(Answer(at, status, time.monotonic() - begun, text, number))
