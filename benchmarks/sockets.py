"""One process of the load generator that needs nothing but Python: prepared bytes on raw sockets."""

import asyncio
import json
import ssl
import sys
import time
from typing import Any

from benchmarks.load import BODY

_KEPT = 100_000
"""Latencies that are kept for the percentiles."""


class Connection(asyncio.Protocol):
    """Sends the next request as soon as the answer to the last one is complete."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self._buffer = b""
        self._began = 0.0
        self.latencies: list[float] = []
        self.requests = self.failed = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport: Any = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        """Count a whole answer and go on."""
        self._buffer += data
        head = self._buffer.find(b"\r\n\r\n")
        if head < 0 or len(self._buffer) < head + 4 + _length(self._buffer[:head]):
            return
        self.requests += 1
        self.failed += not self._buffer.startswith(b"HTTP/1.1 200")
        if len(self.latencies) < _KEPT:
            self.latencies.append((time.perf_counter() - self._began) * 1e6)
        self._buffer = b""
        self._send()

    def _send(self) -> None:
        self._began = time.perf_counter()
        self._transport.write(self._request)


def _length(head: bytes) -> int:
    at = head.lower().find(b"content-length:")
    return int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0


async def main(settings: dict[str, Any]) -> None:
    """Load one port and print what came of it as JSON."""
    request = (
        f"POST {settings['path']} HTTP/1.1\r\nHost: 127.0.0.1:{settings['port']}\r\n"
        f"Authorization: Bearer {settings['key']}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(BODY)}\r\n\r\n"
    ).encode() + BODY
    context = None
    if settings["tls"]:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    loop = asyncio.get_running_loop()
    began = time.perf_counter()
    made = [
        (await loop.create_connection(lambda: Connection(request), "127.0.0.1", settings["port"], ssl=context))[1]
        for _ in range(settings["connections"])
    ]
    await asyncio.sleep(settings["seconds"])
    seconds = time.perf_counter() - began
    outcome = {
        "requests": sum(one.requests for one in made),
        "failed": sum(one.failed for one in made),
        "seconds": seconds,
        "latencies": [value for one in made for value in one.latencies],
    }
    sys.stdout.write(json.dumps(outcome))


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
