"""Small HTTP servers on loopback that answer as a test says, well-behaved or not."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from observability.examination import Address

Write = Callable[[bytes], Awaitable[None]]


@dataclass
class Asked:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> object:
        return json.loads(self.body)


Handler = Callable[[Asked, Write], Awaitable[None]]


@dataclass
class Served:
    address: Address
    asked: list[Asked] = field(default_factory=list)
    most_at_once: int = 0
    ended_early: int = 0
    """Connections that the client closed before all was written."""

    @property
    def url(self) -> str:
        return f"http://{self.address[0]}:{self.address[1]}"


def whole(body: bytes | str | object, status: int = 200, headers: str = "") -> bytes:
    content = (
        body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else json.dumps(body).encode()
    )
    head = f"HTTP/1.1 {status} X\r\ncontent-length: {len(content)}\r\nconnection: close\r\n{headers}\r\n"
    return head.encode() + content


def answering(answer: Callable[[Asked], bytes]) -> Handler:
    async def handle(asked: Asked, write: Write) -> None:
        await write(answer(asked))

    return handle


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[Served]:
    served, current, tasks = Served(("", 0)), 0, set()

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal current
        task = asyncio.current_task()
        tasks.add(task)
        current += 1
        served.most_at_once = max(served.most_at_once, current)
        try:
            asked = await _read(reader)
            served.asked.append(asked)

            async def write(data: bytes) -> None:
                writer.write(data)
                await writer.drain()

            await handler(asked, write)
        except (ConnectionError, asyncio.IncompleteReadError):
            served.ended_early += 1
        except asyncio.CancelledError:
            pass  # the test is over
        finally:
            current -= 1
            writer.close()
            tasks.discard(task)

    server = await asyncio.start_server(meet, "127.0.0.1", 0)
    served.address = server.sockets[0].getsockname()[:2]
    try:
        yield served
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


async def _read(reader: asyncio.StreamReader) -> Asked:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    first, *lines = head.split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
    method, path, _ = first.split(" ", 2)
    return Asked(method, path, headers, await reader.readexactly(int(headers.get("content-length", "0"))))
