"""One tiny model server for all replicas, and a client that asks until the answer changes."""

import asyncio
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable

_ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 8\r\n\r\n[0.4242]"
_PAUSE_S = 0.001


class _Replica(asyncio.Protocol):
    def __init__(self, count: Callable[[], None]) -> None:
        self._count = count
        self._transport: asyncio.BaseTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Requests here have no body, so each ends with an empty line."""
        for _ in range(data.count(b"\r\n\r\n")):
            self._count()
            if isinstance(self._transport, asyncio.WriteTransport):
                self._transport.write(_ANSWER)


class Replicas:
    """Serves in a thread of its own; `ports` by deployment name, `arrivals` counts requests by the same."""

    def __init__(self) -> None:
        self.arrivals: Counter[str] = Counter()
        self.ports: dict[str, int] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        for name in ("blue", "green"):
            asyncio.run_coroutine_threadsafe(self._serve(name), self._loop).result()

    def close(self) -> None:
        """End it."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    async def _serve(self, name: str) -> None:
        def count() -> None:
            self.arrivals[name] += 1

        server = await self._loop.create_server(lambda: _Replica(count), "127.0.0.1", 0, backlog=512)
        self.ports[name] = server.sockets[0].getsockname()[1]


class Prober:
    """One keep-alive connection to one endpoint."""

    def __init__(self, port: int, name: str, key: str) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._request = (
            f"GET /endpoints/{name}/score HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n\r\n"
        ).encode()

    def until(self, changed: Callable[[bytes], bool], within_s: float = 30.0) -> int:
        """Ask, with a millisecond between requests, until an answer (or what it did) is new; return when, in ns."""
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            answer = self.ask()
            at = time.time_ns()
            if changed(answer):
                return at
            time.sleep(_PAUSE_S)
        raise TimeoutError("the change did not take effect")

    def ask(self) -> bytes:
        """One request; return its whole answer. Raises `RuntimeError` for any status but 200."""
        self._socket.sendall(self._request)
        answer = b""
        while not _complete(answer):
            received = self._socket.recv(65536)
            if not received:
                raise RuntimeError("Envoy closed the connection")
            answer += received
        if not answer.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"a request failed: {answer[:300]!r}")
        return answer

    def close(self) -> None:
        """End the connection."""
        self._socket.close()


def _complete(answer: bytes) -> bool:
    head = answer.find(b"\r\n\r\n")
    if head < 0:
        return False
    at = answer.lower().find(b"content-length:")
    return len(answer) >= head + 4 + (int(answer[at + 15 : answer.index(b"\r\n", at)]) if at >= 0 else 0)
