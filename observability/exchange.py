"""One HTTP request and its answer, bounded in time and size; whatever goes wrong is an answer too."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Final

import httpx

ANSWER_BYTES: Final = 4 << 20
"""The longest answer that is read; what is longer is judged as cut off."""
CONNECT_S: Final = 5.0
"""Nobody is there if no connection comes about in this time."""
AT_ONCE: Final = 32
"""Requests in progress in the whole installation."""
_OWN_HEADERS: Final = {"accept-encoding": "identity", "connection": "close"}
"""Not compressed, so that its size is known; on a connection of its own, so that no old one breaks it."""


@dataclass(frozen=True, slots=True)
class Request:
    """What to send, and how long to wait for all of the answer."""

    url: str
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    body: str = field(default="", repr=False)
    timeout_s: float = 10
    limit: int = ANSWER_BYTES
    """Bytes of the answer that are read."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, and as much of the body as came."""

    status: int
    body: bytes = field(default=b"", repr=False)
    seconds: float = 0
    broken: str = ""
    """Why the body is not whole: "is longer than 4 MiB"; empty: it is."""
    location: str = ""

    @property
    def excerpt(self) -> str:
        """The beginning of the body, for people."""
        return excerpt(self.body[:400].decode("utf-8", "replace"))


@dataclass(frozen=True, slots=True)
class Silence:
    """No answer."""

    message: str
    is_absent: bool = False
    """Nobody is there at all, which says nothing of what would have been answered."""


class Caller:
    """Sends requests, not too many at once; follows no redirect and no proxy. For one event loop."""

    def __init__(self, client: httpx.AsyncClient, turns: asyncio.Semaphore) -> None:
        self._client, self._turns = client, turns

    async def ask(self, request: Request) -> Answer | Silence:
        """Send one request; its time begins when it is its turn."""
        async with self._turns:
            return await self._ask(request)

    async def _ask(self, request: Request) -> Answer | Silence:
        found = _Received(asyncio.get_running_loop().time())
        try:
            async with asyncio.timeout(request.timeout_s):
                await self._receive(request, found)
        except TimeoutError:
            found.broken = f"did not end within {request.timeout_s:g} s"
            return found.answer() or Silence(f"no answer within {request.timeout_s:g} s")
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            return Silence(f"no connection ({excerpt(str(error)) or 'it took too long'})", is_absent=True)
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            found.broken = f"broke off ({excerpt(str(error)) or type(error).__name__})"
            return found.answer() or Silence(f"the connection {found.broken}")
        return found.answer() or Silence("no answer")

    async def _receive(self, request: Request, found: "_Received") -> None:
        headers = [*(pair for pair in request.headers if pair[0] not in _OWN_HEADERS), *_OWN_HEADERS.items()]
        content = request.body.encode() if request.body else None
        async with self._client.stream(request.method, request.url, headers=headers, content=content) as response:
            found.status = response.status_code
            found.location = response.headers.get("location", "")
            async for chunk in response.aiter_raw():
                room = request.limit - len(found.body)
                found.body += chunk[:room]
                if len(chunk) > room:
                    found.broken = f"is longer than {_size(request.limit)}"
                    break
        found.ended = asyncio.get_running_loop().time()


@dataclass
class _Received:
    """What came so far."""

    began: float
    ended: float | None = None
    status: int = 0
    body: bytearray = field(default_factory=bytearray)
    broken: str = ""
    location: str = ""

    def answer(self) -> Answer | None:
        """The answer, if at least its status came."""
        seconds = (self.ended if self.ended is not None else asyncio.get_running_loop().time()) - self.began
        return Answer(self.status, bytes(self.body), seconds, self.broken, self.location) if self.status else None


@asynccontextmanager
async def calling(turns: asyncio.Semaphore, *, outside: bool = False) -> AsyncIterator[Caller]:
    """A caller of replicas, or of servers outside, whose certificates are verified by the system's authorities."""
    trust = await asyncio.to_thread(_authorities) if outside else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    limits = httpx.Limits(max_keepalive_connections=0)
    timeout = httpx.Timeout(None, connect=CONNECT_S)
    async with httpx.AsyncClient(trust_env=False, verify=trust, limits=limits, timeout=timeout) as client:
        yield Caller(client, turns)


@cache
def _authorities() -> ssl.SSLContext:
    return ssl.create_default_context()


def excerpt(text: str, length: int = 80) -> str:
    """The first printable characters of a text on one line; what is left out is shown as an ellipsis."""
    plain = " ".join("".join(char if char.isprintable() else " " for char in text[: 4 * length]).split())
    return plain if len(plain) <= length and len(text) <= 4 * length else f"{plain[:length]}…"


def _size(count: int) -> str:
    return f"{count >> 20} MiB" if count >= 1 << 20 else f"{count >> 10} KiB"
