"""What a client sees whose body is over the limit, however it reads and writes."""

import asyncio
import http.client
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from router import tls
from router.envoy import EnvoyRouter
from router.oversize import MOST_BYTES, stated
from router.settings import RouterSettings
from tests.router.xds.rig import KEYS, Rig, Server, StartRig, backend, endpoint, free_port, until

pytestmark = pytest.mark.real

SCORE = "/endpoints/iris/score"
LIMIT = 1_000_000
LARGE = 50_000_000


@pytest.fixture
async def secure(short_dir: Path) -> AsyncIterator[tuple[int, ssl.SSLContext, Server]]:
    """Start a router with TLS and one replica."""
    settings = RouterSettings(
        "test", short_dir / "envoy", short_dir / "run", free_port(), workers=1, max_request_bytes=LIMIT
    )
    router = EnvoyRouter(settings)
    certificate = tls.ensure(short_dir / "tls", ["127.0.0.1"], datetime.now(UTC))
    router.set_certificate(certificate)
    server = await Server("blue").start()
    router.put(endpoint("iris", (backend("blue@1", server),)))
    await router.start()
    try:
        await router.open()
        await until(lambda: (seen := router.seen()) is not None and seen.routes["iris"].settled)
        yield settings.port, ssl.create_default_context(cafile=str(certificate.ca_path)), server
    finally:
        await server.stop()
        await router.close(stop_envoy=True)


def post(port: int, context: ssl.SSLContext, sizes: tuple[int, ...], key: str = KEYS.primary) -> list[int]:
    """Send bodies over one connection as `requests` and `urllib` do, which read once they have sent everything."""
    connection = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=60)
    found = []
    try:
        for size in sizes:
            connection.request("POST", SCORE, b"x" * size, {"Authorization": f"Bearer {key}"})
            answer = connection.getresponse()
            answer.read()
            found.append(answer.status)
    finally:
        connection.close()
    return found


async def test_who_reads_after_sending_gets_413_over_tls(secure: tuple[int, ssl.SSLContext, Server]) -> None:
    port, context, server = secure
    sizes = (LIMIT, LARGE, LIMIT + 1, LIMIT)
    assert await asyncio.to_thread(post, port, context, sizes) == [200, 413, 413, 200]
    assert [length for _, _, length in server.seen] == [LIMIT, LIMIT]


async def test_a_stated_length_over_the_limit_reaches_no_replica(start_rig: StartRig) -> None:
    rig, server = await limited(start_rig)
    answer = await rig.client().send(SCORE, body=b"x" * (LIMIT + 1))
    assert (answer.status, answer.json["error"]["code"]) == (413, "RequestTooLarge")
    assert server.seen == []


async def test_a_body_over_the_limit_is_not_kept(start_rig: StartRig) -> None:
    rig, _ = await limited(start_rig)
    await rig.client().send(SCORE, body=b"x" * (LIMIT + 1))
    envoy = psutil.Process(rig.router.process.seen.pid)
    before = envoy.memory_info().rss
    clients = [rig.client() for _ in range(4)]
    answers = await asyncio.gather(*(client.send(SCORE, body=b"x" * LARGE) for client in clients))
    assert [answer.status for answer in answers] == [413] * 4
    assert envoy.memory_info().rss - before < LARGE


async def test_who_has_no_key_is_refused_before_the_body(start_rig: StartRig) -> None:
    rig, server = await limited(start_rig)
    answer = await rig.client("wrong-key-00001").send(SCORE, body=b"", content_length=str(LARGE))
    assert answer.status == 401
    assert server.seen == []


async def limited(start_rig: StartRig) -> tuple[Rig, Server]:
    rig = await start_rig(max_request_bytes=LIMIT)
    server = await rig.server("blue")
    await rig.put(endpoint("iris", (backend("blue@1", server),)))
    return rig, server


def test_of_more_than_anybody_should_send_nothing_is_read() -> None:
    assert stated(MOST_BYTES - 1) is not None
    assert stated(MOST_BYTES) is None
