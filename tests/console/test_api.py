"""The HTTP API: its shapes, its faults, its guard, and its sockets."""

import asyncio
import contextlib
import json
import socket
import stat
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import TYPE_CHECKING

import httpx
import pytest

from console.api import MAX_BODY, create_api, guard
from console.paths import Paths, read_api_token
from console.server import BindError, serve
from console.service import EventQuery, LogQuery
from console.settings import Settings
from console.shapes import EventShape, LogLine, Status
from spec.errors import HeadgateError, StalledError, TransientError

if TYPE_CHECKING:
    from conftest import FakeService


@pytest.fixture
async def http(service: "FakeService") -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(create_api(service, "1.2.3").app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://headgate/v1") as client:
        yield client


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def test_status_has_exactly_the_promised_keys(http: httpx.AsyncClient) -> None:
    found = (await http.get("/status")).json()
    assert set(found) == {"source", "endpoints"}
    assert {"attempted_commit", "applied_commit"} <= set(found["source"])
    [endpoint] = found["endpoints"]
    assert set(endpoint) == {
        "name", "scoring_uri", "auth_mode", "provisioning_state", "traffic", "split", "mirror_traffic",
        "conditions", "deployments",
    }  # fmt: skip
    assert endpoint["traffic"] == {"blue": 100}
    assert endpoint["split"] == {"blue@3f2a9c41d0e7": 100.0}
    assert [set(c) for c in endpoint["conditions"]] == [{"type", "status", "reason", "message", "observed_commit"}]
    assert [set(d) for d in endpoint["deployments"]] == [
        {"name", "provisioning_state", "release", "instance_count", "ready", "live", "checks"}
    ]


async def test_one_endpoint_comes_with_its_replicas(http: httpx.AsyncClient) -> None:
    found = (await http.get("/endpoints/iris")).json()
    assert found["deployments"][0]["replicas"][0]["id"] == "iris-blue-1"


async def test_names_are_taken_in_any_case(http: httpx.AsyncClient, service: "FakeService") -> None:
    service.log["blue"] = [LogLine(replica="a", text="hello")]
    assert (await http.get("/endpoints/IRIS")).json()["name"] == "iris"
    assert (await http.get("/endpoints/Iris/keys")).status_code == 200
    assert (await http.post("/endpoints/Iris/rollout/pause")).status_code == 200
    assert (await http.get("/endpoints/IRIS/deployments/Blue/logs", params={"release": "Blue@3F"})).status_code == 200
    assert (await http.get("/events", params={"endpoint": "Iris"})).status_code == 200
    assert service.calls == [
        ("order", "iris", "pause"),
        ("logs", LogQuery("iris", "blue", release="blue@3f")),
        ("events", EventQuery("iris")),
    ]


async def test_keys_and_tokens_have_azures_names(
    http: httpx.AsyncClient, service: "FakeService", given: SimpleNamespace
) -> None:
    assert (await http.get("/endpoints/iris/keys")).json() == {
        "primaryKey": "first-key",
        "secondaryKey": "second-key",
    }
    assert (await http.post("/endpoints/iris/token")).status_code == 409
    signed = given.endpoint("iris").model_copy(update={"auth_mode": "aml_token"})
    service.tell(Status(source=given.source(), endpoints=(signed,)))
    assert (await http.post("/endpoints/iris/token")).json() == {
        "accessToken": "a.b.c",
        "expiryTimeUtc": 2000,
        "refreshAfterTimeUtc": 1600,
        "tokenType": "Bearer",
    }


async def test_rotation_names_the_key(http: httpx.AsyncClient, service: "FakeService") -> None:
    answer = await http.post("/endpoints/iris/keys/rotate", json={"key_type": "secondary"})
    assert answer.status_code == 200
    assert service.calls == [("rotate", "iris", "secondary")]
    assert (await http.post("/endpoints/iris/keys/rotate", json={"key_type": "third"})).status_code == 422


@pytest.mark.parametrize(
    ("error", "status"),
    [(TransientError("away"), 503), (StalledError("no"), 409), (HeadgateError("bad"), 400)],
)
async def test_errors_are_problem_json(
    http: httpx.AsyncClient, service: "FakeService", error: Exception, status: int
) -> None:
    service.error = error
    answer = await http.get("/status")
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"] == str(error)


async def test_a_missing_endpoint_is_404_and_lists_what_exists(http: httpx.AsyncClient) -> None:
    answer = await http.get("/endpoints/irsi")
    assert (answer.status_code, answer.json()["detail"]) == (404, "There is no endpoint irsi; there are: iris.")
    assert (await http.get("/endpoints/iris/sample")).status_code == 404
    assert (await http.get("/nothing")).headers["content-type"] == "application/problem+json"


async def test_a_bug_is_a_500_that_tells_no_secret(http: httpx.AsyncClient, service: "FakeService") -> None:
    service.error = RuntimeError("primaryKey=hunter2")
    answer = await http.get("/status")
    assert answer.status_code == 500
    assert "hunter2" not in answer.text


async def test_events_and_their_limit(
    http: httpx.AsyncClient, service: "FakeService", given: SimpleNamespace
) -> None:
    service.history = [
        EventShape(at=given.NOW, endpoint="iris", type="Normal", reason="ReplicaReady", message=str(number))
        for number in range(5)
    ]
    found = (await http.get("/events", params={"limit": 2, "endpoint": "iris"})).json()
    assert [event["message"] for event in found["events"]] == ["3", "4"]
    assert service.calls == [("events", EventQuery("iris", 2))]
    assert (await http.get("/events", params={"limit": -1})).status_code == 422


async def test_logs_are_lines(http: httpx.AsyncClient, service: "FakeService") -> None:
    service.log["blue"] = [LogLine(replica="r1", text="hello"), LogLine(replica="r2", text="world")]
    answer = await http.get("/endpoints/iris/deployments/blue/logs", params={"lines": 7})
    assert [json.loads(line) for line in answer.text.splitlines()] == [
        {"replica": "r1", "text": "hello"},
        {"replica": "r2", "text": "world"},
    ]
    assert service.calls == [("logs", LogQuery("iris", "blue", "inference-server", 7))]
    assert (await http.get("/endpoints/iris/deployments/red/logs")).status_code == 404
    wrong = await http.get("/endpoints/iris/deployments/blue/logs", params={"container": "sidecar"})
    assert wrong.status_code == 422


@pytest.mark.parametrize("announced", [True, False])
async def test_a_large_body_is_413(http: httpx.AsyncClient, *, announced: bool) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(10):
            yield b" " * (MAX_BODY // 5)

    body = b" " * (MAX_BODY + 1) if announced else chunks()
    answer = await http.post("/confirm", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 413
    assert "65536 bytes" in answer.json()["detail"]


async def test_only_a_plan_may_be_sent_a_large_body(http: httpx.AsyncClient, service: "FakeService") -> None:
    catalog = {"commit": "c" * (2 * MAX_BODY)}
    answer = await http.post("/plan", json={"catalog": catalog, "subject": {"kind": "directory"}})
    assert answer.status_code == 200
    assert service.calls[-1][0] == "propose"
    assert (await http.post("/plan", json={"path": "/etc"})).status_code == 422
    assert (await http.get("/plan", params={"path": "/etc", "revision": "main"})).status_code == 200
    assert service.calls[-1] == ("plan", "main", False)


async def test_no_page_of_another_site_may_read_answers(http: httpx.AsyncClient) -> None:
    answer = await http.get("/status", headers={"Origin": "https://evil.example"})
    assert not [name for name in answer.headers if name.startswith("access-control")]


async def test_openapi_says_what_it_is(http: httpx.AsyncClient) -> None:
    found = (await http.get("/openapi.json")).json()
    assert (found["info"]["title"], found["info"]["version"]) == ("Headgate", "1.2.3")
    assert all(path.startswith("/v1/") for path in found["paths"])


GUARDED = [
    ({}, 401),
    ({"Authorization": "Bearer wrong"}, 401),
    ({"Authorization": "Basic s3cret"}, 401),
    ({"Authorization": "Bearer s3cret"}, 200),
    ({"Authorization": "Bearer s3cret", "Host": "LOCALHOST:99"}, 200),
    ({"Authorization": "Bearer s3cret", "Host": "[::1]:99"}, 200),
    ({"Authorization": "Bearer s3cret", "Host": "evil.example"}, 421),
    ({"Authorization": "Bearer s3cret", "Host": "127.0.0.1.evil.example:8080"}, 421),
    ({"Authorization": "Bearer s3cret", "Host": ""}, 421),
]


@pytest.mark.parametrize(("headers", "status"), GUARDED)
async def test_the_guard_wants_a_known_host_and_the_token(
    service: "FakeService", headers: dict[str, str], status: int
) -> None:
    app = guard(create_api(service, "1").app, "s3cret", frozenset({"127.0.0.1", "localhost", "[::1]"}))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1:80") as client:
        assert (await client.get("/v1/status", headers=headers)).status_code == status


def unix(paths: Paths) -> httpx.AsyncClient:
    transport = httpx.AsyncHTTPTransport(uds=str(paths.api_socket))
    return httpx.AsyncClient(transport=transport, base_url="http://headgate/v1")


async def test_the_socket_is_private_and_goes_away(service: "FakeService", paths: Paths) -> None:
    async with serve(create_api(service, "1"), Settings(state_dir=paths.state), paths):
        assert stat.S_IMODE(paths.api_socket.stat().st_mode) == 0o600
        assert stat.S_IMODE(paths.run.stat().st_mode) == 0o700
        async with unix(paths) as client:
            assert (await client.get("/status")).status_code == 200
    assert not paths.api_socket.exists()


async def test_a_socket_left_by_a_killed_headgate_is_no_obstacle(service: "FakeService", paths: Paths) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(paths.api_socket))
    async with serve(create_api(service, "1"), Settings(state_dir=paths.state), paths), unix(paths) as client:
        assert (await client.get("/status")).status_code == 200


async def test_tcp_asks_for_the_token(service: "FakeService", paths: Paths) -> None:
    port = free_port()
    settings = Settings(state_dir=paths.state, api_port=port)
    token = read_api_token(paths)
    async with (
        serve(create_api(service, "1"), settings, paths),
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}/v1", trust_env=False) as client,
    ):
        assert (await client.get("/status")).status_code == 401
        known = {"Authorization": f"Bearer {token}"}
        assert (await client.get("/status", headers=known)).status_code == 200
        assert (await client.get("/status", headers=known | {"Host": "evil.example"})).status_code == 421


async def test_a_taken_port_is_named(service: "FakeService", paths: Paths) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(BindError, match=rf"127.0.0.1:{port}.*--api-port"):
            async with serve(create_api(service, "1"), Settings(state_dir=paths.state, api_port=port), paths):
                pytest.fail("two listeners on one port")


async def test_shutdown_ends_streams_at_once(service: "FakeService", paths: Paths, given: SimpleNamespace) -> None:
    service.history = [EventShape(at=given.NOW, endpoint="", type="Normal", reason="Started", message="")]
    seen: list[str] = []

    async def follow() -> None:
        async with unix(paths) as client, client.stream("GET", "/events", params={"follow": True}) as answer:
            async for line in answer.aiter_lines():
                seen.append(json.loads(line)["reason"])
                following.set()

    following = asyncio.Event()
    async with asyncio.timeout(2.5):
        async with serve(create_api(service, "1"), Settings(state_dir=paths.state), paths):
            task = asyncio.create_task(follow())
            await following.wait()
        await task
    assert seen == ["Started"]
    assert service.ended


async def test_a_caller_who_leaves_ends_the_stream(service: "FakeService", paths: Paths) -> None:
    service.log["blue"] = [LogLine(replica="r1", text="hello")]
    async with serve(create_api(service, "1"), Settings(state_dir=paths.state), paths):
        async with (
            unix(paths) as client,
            client.stream("GET", "/endpoints/iris/deployments/blue/logs", params={"follow": True}) as answer,
        ):
            lines = answer.aiter_lines()
            assert "hello" in await anext(lines)
        async with asyncio.timeout(5):
            await service.over.wait()


async def test_sync_waits_over_the_api(
    http: httpx.AsyncClient, service: "FakeService", given: SimpleNamespace
) -> None:
    building = given.endpoint("iris", given.condition("Ready", "Unknown", "Preparing", "building"))
    service.tell(Status(source=given.source(), endpoints=(building,)))
    assert (await http.post("/sync")).json()["outcome"] == "Progressing"
    asked = asyncio.create_task(http.post("/sync", params={"wait": True, "timeout": 30}))
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(asyncio.shield(asked), 0.1)
    assert not asked.done()
    service.tell(Status(source=given.source(), endpoints=(given.endpoint("iris"),)))
    assert (await asked).json()["outcome"] == "Ready"
