"""What the router knows and sends, with a real Envoy."""

import asyncio
import socket
import ssl
import stat
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from reconciler.ports import Router
from router import names, tls, tokens
from router.admin import Admin
from router.envoy import EnvoyRouter
from router.settings import RouterSettings
from router.table import Host, TokenAuth
from spec.errors import StalledError, TransientError
from tests.router.xds.rig import KEYS, Rig, StartRig, backend, endpoint, failures, free_port, until

pytestmark = pytest.mark.real

SCORE = "/endpoints/iris/score"


def test_it_fits_the_reconcilers_port(tmp_path: Path) -> None:
    router: Router = EnvoyRouter(RouterSettings("i", tmp_path, tmp_path, 1, plain_http=True))
    assert router.seen() is None


async def test_without_a_certificate_it_does_not_open(tmp_path: Path) -> None:
    with pytest.raises(StalledError, match="certificate"):
        await EnvoyRouter(RouterSettings("i", tmp_path, tmp_path, 1)).open()


async def test_the_socket_is_private(rig: Rig) -> None:
    assert stat.S_IMODE(rig.settings.xds_socket.stat().st_mode) == 0o600
    assert stat.S_IMODE(rig.settings.sockets.stat().st_mode) == 0o700


async def test_generations_grow_with_each_change_only_and_subscribers_hear_of_each(rig: Rig) -> None:
    server = await rig.server("blue")
    heard: list[str] = []
    rig.router.subscribe(heard.append)
    route = endpoint("iris", (backend("blue@1", server),))
    assert await rig.put(route) == 1
    assert rig.router.put(route) == 1
    assert await rig.put(replace(route, split=())) == 2
    assert heard.count("iris") >= 2
    generation = rig.router.drop("iris")
    assert generation == rig.router.drop("iris") == 3
    await rig.acknowledged("iris", 3)
    seen = rig.router.seen()
    assert seen is not None
    assert seen.routes["iris"].route is None
    assert rig.router.drop("never-there") == 0


async def test_a_refused_endpoint_says_why_and_the_others_go_on(rig: Rig) -> None:
    server = await rig.server("blue")
    good = endpoint("iris", (backend("blue@1", server),))
    await rig.put(good)
    sick = endpoint("sick", (replace(backend("blue@1"), hosts=(Host("not-an-address", 1),)),))
    async with rig.load(SCORE, clients=2) as counts:
        rig.router.put(sick)
        await until(lambda: (seen := rig.router.seen()) is not None and seen.routes["sick"].rejected is not None)
        await rig.put(endpoint("late", (backend("blue@1", server),)))
    assert failures(counts) == {}
    seen = rig.router.seen()
    assert seen is not None
    assert "not-an-address" in (seen.routes["sick"].rejected or "")
    assert not seen.routes["sick"].settled
    await rig.put(endpoint("sick", (backend("blue@1", server),)))
    assert (await rig.client().send("/endpoints/sick/score")).status == 200


async def test_a_thousand_endpoints_then_one_change_sends_one_response(rig: Rig) -> None:
    server = await rig.server("blue")
    both = (backend("blue@1", server), backend("green@1", server))
    routes = [endpoint(f"e{number}", both, {"blue@1": 10_000}) for number in range(1000)]
    for route in routes:
        rig.router.put(route)
    await until(rig.settled, 120)
    sent = replace(rig.router.sent)
    await rig.put(endpoint("e500", both, {"blue@1": 9000, "green@1": 1000}))
    assert rig.router.sent.responses == sent.responses + 1
    assert rig.router.sent.bytes - sent.bytes < 8000
    sent = replace(rig.router.sent)
    more = tuple(replace(each, hosts=(*each.hosts, Host("127.0.0.1", 1, draining=True))) for each in both)
    await rig.put(endpoint("e501", (more[0], both[1]), {"blue@1": 10_000}))
    assert rig.router.sent.responses <= sent.responses + 2
    client = rig.client()
    for name in ("e0", "e500", "e999"):
        assert (await client.send(f"/endpoints/{name}/score")).status == 200
    sent = replace(rig.router.sent)
    for _ in range(11):
        assert await rig.router.verify() == frozenset()
    assert rig.router.sent == sent


async def test_drift_is_found_and_corrected(rig: Rig) -> None:
    server = await rig.server("blue")
    for name in ("iris", "moons"):
        await rig.put(endpoint(name, (backend("blue@1", server),)))
    stray = endpoint("stray", (backend("blue@1", server),))
    await rig.put(stray)
    desired = rig.router._desired  # noqa: SLF001 - a stray hand in the table
    desired.entries.pop("stray")
    desired._remove(names.SCOPE, "stray")  # noqa: SLF001
    desired.changed.clear()
    assert (await rig.client().send("/endpoints/stray/score")).status == 200
    assert await rig.router.verify() == {"stray"}
    await until(lambda: not rig.router._plane.live[0]._subscriptions[names.SCOPE].in_flight("stray"))  # noqa: SLF001
    assert (await rig.client().send("/endpoints/stray/score")).status == 404
    assert (await rig.client().send(SCORE)).status == 200
    assert await rig.router.verify() == frozenset()


async def test_envoy_is_asked_until_it_answers_and_then_subscribers_hear_of_every_endpoint(
    start_rig: StartRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer, failed = Admin.in_flight, 0

    async def answer_late(admin: Admin, clusters: str = "") -> dict[tuple[str, int], int]:
        nonlocal failed
        if failed < 3:
            failed += 1
            raise TransientError("nobody answers")
        return await answer(admin, clusters)

    monkeypatch.setattr(Admin, "in_flight", answer_late)
    rig = await start_rig()
    known: list[str] = []
    rig.router.subscribe(lambda endpoint: known.append(endpoint) if rig.router.seen() else None)
    rig.router.put(endpoint("iris", ()))
    rig.router.put(endpoint("moons", ()))
    await until(lambda: {"iris", "moons"} <= set(known), 10)
    assert failed == 3
    assert rig.settled()


async def test_closing_waits_for_envoys_streams(rig: Rig) -> None:
    await rig.put(endpoint("iris", ()))
    before = asyncio.all_tasks()
    assert any(task.get_name().startswith("HandleExceptions") for task in before)
    await rig.router.close()
    left = {task for task in asyncio.all_tasks() if task.get_name().startswith(("HandleExceptions", "rpc_task"))}
    assert left == set()


async def test_tls_is_served_and_a_new_certificate_taken(short_dir: Path) -> None:
    settings = RouterSettings("test", short_dir / "envoy", short_dir / "run", free_port(), workers=1)
    router = EnvoyRouter(settings)
    first = tls.ensure(short_dir / "tls", ["localhost", "127.0.0.1"], datetime.now(UTC))
    router.set_certificate(first)
    router.put(endpoint("iris", ()))
    await router.start()
    try:
        await router.open()
        await until(lambda: (seen := router.seen()) is not None and seen.routes["iris"].settled)
        context = ssl.create_default_context(cafile=str(first.ca_path))
        assert await status(settings.port, context) == 404
        assert [protocol(settings.port, first.ca_path, offer) for offer in (("h2", "http/1.1"), ("h2",))] == [
            "http/1.1",
            "h2",
        ]
        later = datetime.now(UTC) + timedelta(days=70)
        second = tls.ensure(short_dir / "tls", ["localhost", "127.0.0.1"], later)
        assert second.certificate_pem != first.certificate_pem
        before = ssl.get_server_certificate(("127.0.0.1", settings.port))
        sent = router.sent.responses
        router.set_certificate(second)
        await until(lambda: router.sent.responses > sent)
        await asyncio.sleep(0.3)
        after = await asyncio.to_thread(ssl.get_server_certificate, ("127.0.0.1", settings.port))
        assert before.strip() in first.certificate_pem
        assert after.strip() in second.certificate_pem
    finally:
        await router.close(stop_envoy=True)


def protocol(port: int, ca: Path, offer: tuple[str, ...]) -> str | None:
    """Return what is chosen of the protocols that a client offers."""
    context = ssl.create_default_context(cafile=str(ca))
    context.set_alpn_protocols(list(offer))
    with (
        socket.create_connection(("127.0.0.1", port)) as raw,
        context.wrap_socket(raw, server_hostname="127.0.0.1") as it,
    ):
        return it.selected_alpn_protocol()


async def challenges(port: int, token: str) -> list[str]:
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.post(f"http://127.0.0.1:{port}{SCORE}", headers={"authorization": f"Bearer {token}"})
        return answer.headers.get_list("www-authenticate")


async def status(port: int, context: ssl.SSLContext) -> int:
    async with httpx.AsyncClient(verify=context, trust_env=False) as client:
        headers = {"authorization": f"Bearer {KEYS.primary}"}
        return (await client.post(f"https://127.0.0.1:{port}{SCORE}", headers=headers)).status_code


async def test_tokens_are_for_one_endpoint_and_expire_and_rotate(start_rig: StartRig) -> None:
    rig = await start_rig(domain="models.test")
    now = datetime.now(UTC)
    ring = tokens.new_ring(now)
    rig.router.set_jwks(tokens.jwks(ring))
    server = await rig.server("blue")
    for name in ("iris", "moons"):
        await rig.put(replace(endpoint(name, (backend("blue@1", server),)), auth=TokenAuth(name)))
    await rig.put(endpoint("keyed", (backend("blue@1", server),)))
    good = tokens.mint("iris", ring, now).access_token
    client = rig.client(good)
    answer = await client.send(SCORE)
    assert answer.status == 200
    assert "authorization" not in answer.json["headers"]
    assert (await client.send("/score", host="iris.models.test")).status == 200
    assert (await client.send("/score", host="moons.models.test")).status == 401
    wrong = {
        "audience": tokens.mint("moons", ring, now).access_token,
        "expired": tokens.mint("iris", ring, now - timedelta(hours=2)).access_token,
        "signature": tokens.mint("iris", tokens.new_ring(now), now).access_token,
        "key": KEYS.primary,
        "nonsense": "nonsense",
    }
    for why, token in wrong.items():
        answer = await client.send(SCORE, authorization=f"Bearer {token}")
        assert (answer.status, answer.json["error"]["code"]) == (401, "Unauthorized"), why
        assert answer.headers["www-authenticate"] == "Bearer"
        assert await challenges(rig.settings.port, token) == ["Bearer"]
    for scheme in ("bearer", "BEARER"):
        answer = await client.send(SCORE, authorization=f"{scheme} {good}")
        assert answer.status == 200
        assert "authorization" not in answer.json["headers"]
    assert (await client.send(SCORE, authorization="")).status == 401
    assert (await client.send("/endpoints/keyed/score")).status == 401
    assert (await rig.client().send("/endpoints/keyed/score")).status == 200
    async with rig.load("/endpoints/keyed/score", clients=2) as counts:
        ring = tokens.rotate(ring, now)
        rig.router.set_jwks(tokens.jwks(ring))
        fresh = tokens.mint("iris", ring, now).access_token
        deadline = time.monotonic() + 10
        while (await client.send(SCORE, authorization=f"Bearer {fresh}")).status != 200:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.02)
        assert (await client.send(SCORE)).status == 200
    assert failures(counts) == {}
