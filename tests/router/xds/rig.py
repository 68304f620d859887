"""A router on a real Envoy, replicas whose behaviour each request chooses, and a client that counts every answer."""

import asyncio
import contextlib
import json
import socket
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import httpx

from router.attempts import Attempt
from router.envoy import EnvoyRouter
from router.settings import RouterSettings
from router.table import TOTAL, Backend, EndpointRoute, Host, KeyAuth

KEYS = KeyAuth("primary-key-0001", "secondary-key-0002")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def until(condition: Callable[[], bool], within_s: float = 30) -> None:
    """Return once the condition holds; raise `TimeoutError` if it does not in time."""
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 - what is watched has no event
            await asyncio.sleep(0.005)


async def read_message(reader: asyncio.StreamReader) -> tuple[str, dict[str, str], bytes]:
    """Return start line, headers (lower case) and body; raises `IncompleteReadError` at the end of the stream."""
    start, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
    if "chunked" in headers.get("transfer-encoding", ""):
        return start, headers, await _read_chunks(reader)
    return start, headers, await reader.readexactly(int(headers.get("content-length", 0)))


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while size := int((await reader.readuntil(b"\r\n")).strip(), 16):
        body += await reader.readexactly(size)
        await reader.readexactly(2)
    await reader.readexactly(2)
    return body


class Server:
    """A replica: answers 200 with what it saw, unless `x-status`, `x-delay` or `x-reset` of the request say else."""

    def __init__(self, name: str, *, sync: bool = False) -> None:
        self.name, self.port = name, 0
        self.seen: list[tuple[str, dict[str, str], int]] = []
        self.active = self.most = 0
        self._close = sync
        self._worker = asyncio.Semaphore(1 if sync else 1000)
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self) -> "Server":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, backlog=512)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def stop(self) -> None:
        """End at once, as SIGKILL would."""
        if self._server is not None:
            self._server.close()
            for writer in tuple(self._writers):
                writer.transport.abort()
            await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            async with self._worker:
                while await self._answer(reader, writer):
                    pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        start, headers, body = await read_message(reader)
        self.active += 1
        self.most = max(self.most, self.active)
        try:
            return await self._say(writer, start, headers, body)
        finally:
            self.active -= 1

    async def _say(self, writer: asyncio.StreamWriter, start: str, headers: dict[str, str], body: bytes) -> bool:
        self.seen.append((start, headers, len(body)))
        await asyncio.sleep(float(headers.get("x-delay", 0)))
        if "x-reset" in headers:
            writer.transport.abort()
            return False
        status = int(headers.get("x-status", 200))
        content = json.dumps({"name": self.name, "start": start, "headers": headers, "length": len(body)}).encode()
        length = b"" if status in (204, 304) else b"content-length: %d\r\n" % len(content)
        close = b"connection: close\r\n" if self._close else b""
        head = b"HTTP/1.1 %d X\r\nx-replica: %s\r\n" % (status, self.name.encode())
        writer.write(head + length + close + b"\r\n" + (content if length else b""))
        await writer.drain()
        return not self._close


class Faulty(Server):
    """A replica that treats every request as if it had asked for this."""

    def __init__(self, name: str, fault: dict[str, str]) -> None:
        super().__init__(name)
        self.fault = fault

    async def _say(self, writer: asyncio.StreamWriter, start: str, headers: dict[str, str], body: bytes) -> bool:
        return await super()._say(writer, start, headers | self.fault, body)


@dataclass
class Answer:
    """What a client got; status 0: the connection ended instead."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def json(self) -> Any:  # noqa: ANN401
        return json.loads(self.body)

    @property
    def replica(self) -> str:
        return self.headers.get("x-replica", "")


class Client:
    """One keep-alive connection, opened anew only after the other side said that it closes."""

    def __init__(self, port: int, key: str = KEYS.primary) -> None:
        self._port, self._key = port, key
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def send(self, path: str, *, method: str = "POST", body: bytes = b"{}", **headers: str) -> Answer:
        """Send one request; underscores in header names become hyphens."""
        given = {"host": "127.0.0.1", "authorization": f"Bearer {self._key}", "content-length": str(len(body))}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        lines = "".join(f"{name}: {value}\r\n" for name, value in given.items() if value)
        reader, writer = self._streams or await asyncio.open_connection("127.0.0.1", self._port)
        self._streams = (reader, writer)
        try:
            writer.write(f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode() + body)
            start, got, content = await read_message(reader)
        except (asyncio.IncompleteReadError, ConnectionError):
            self.close()
            return Answer(0)
        if got.get("connection") == "close":
            self.close()
        return Answer(int(start.split()[1]), got, content)

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


@dataclass
class Rig:
    """A router on a real Envoy."""

    settings: RouterSettings
    router: EnvoyRouter
    stack: contextlib.AsyncExitStack
    heard: Callable[[Sequence[Attempt]], None] | None = None

    async def server(self, name: str, *, sync: bool = False) -> Server:
        server = await Server(name, sync=sync).start()
        self.stack.push_async_callback(server.stop)
        return server

    def client(self, key: str = KEYS.primary) -> Client:
        client = Client(self.settings.port, key)
        self.stack.callback(client.close)
        return client

    async def put(self, route: EndpointRoute) -> int:
        """Push a route and wait until Envoy confirms it."""
        generation = self.router.put(route)
        await self.acknowledged(route.endpoint, generation)
        return generation

    async def acknowledged(self, endpoint: str, generation: int) -> None:
        await until(
            lambda: (seen := self.router.seen()) is not None and seen.routes[endpoint].acknowledged >= generation
        )

    def settled(self) -> bool:
        """Whether Envoy serves exactly what was last pushed, everywhere."""
        seen = self.router.seen()
        return seen is not None and all(route.settled for route in seen.routes.values())

    async def dump(self, **query: str) -> str:
        """Envoy's configuration as its admin shows it."""
        transport = httpx.AsyncHTTPTransport(uds=str(self.settings.admin_socket))
        async with httpx.AsyncClient(transport=transport, base_url="http://envoy") as client:
            return (await client.get("/config_dump", params=query)).text

    async def replace_router(self, **settings: Any) -> None:  # noqa: ANN401
        """Do what a new Headgate, with these settings changed, does after the old one was killed: Envoy stays."""
        await self.start_router(**settings)
        await self.router.open()
        await until(self.settled)

    async def start_router(self, **settings: Any) -> None:  # noqa: ANN401
        """Do the same as far as adopting Envoy."""
        self.settings = replace(self.settings, **settings)
        entries = self.router._desired.entries.values()  # noqa: SLF001 - Envoy may not have answered yet
        await self.router.close()
        self.router = EnvoyRouter(self.settings, heard=self.heard)
        for entry in entries:
            if entry.route is not None:
                self.router.put(entry.route)
        await self.router.start()

    @contextlib.asynccontextmanager
    async def load(self, path: str, *, clients: int = 8, **headers: str) -> AsyncIterator[Counter[tuple[int, str]]]:
        """Send requests without pause while the block runs; yields counts by status and replica."""
        counts: Counter[tuple[int, str]] = Counter()
        ended = asyncio.Event()

        async def drive() -> None:
            client = self.client()
            while not ended.is_set():
                answer = await client.send(path, **headers)
                counts[answer.status, answer.replica] += 1

        async with asyncio.TaskGroup() as group:
            for _ in range(clients):
                group.create_task(drive())
            try:
                yield counts
            finally:
                ended.set()


def failures(counts: Mapping[tuple[int, str], int]) -> dict[int, int]:
    """Requests that were not answered 200, by status."""
    found: Counter[int] = Counter()
    for (status, _), number in counts.items():
        found[status] += number
    return {status: number for status, number in found.items() if status != 200}


def backend(release: str, *servers: Server, **fields: Any) -> Backend:  # noqa: ANN401
    """A release of these replicas; roomy unless `fields` say else."""
    hosts = tuple(sorted(Host("127.0.0.1", server.port) for server in servers))
    roomy = {"max_concurrent": 50, "timeout_ms": 5000} | fields
    return Backend(release, release.partition("@")[0], hosts, **roomy)


def endpoint(name: str, backends: tuple[Backend, ...], split: Mapping[str, int] | None = None) -> EndpointRoute:
    """An endpoint that sends everything to its first release unless `split` says else; every deployment is pinned."""
    shares = {backends[0].release: TOTAL} if split is None and backends else split or {}
    pinned = {each.deployment: each.release for each in backends}
    return EndpointRoute(
        name,
        KEYS,
        tuple(sorted(backends, key=lambda each: each.release)),
        tuple(sorted(shares.items())),
        tuple(sorted(pinned.items())),
    )


StartRig = Callable[..., Awaitable[Rig]]
