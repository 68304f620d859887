"""What the admin client reads of a real Envoy, and what it must not."""

import asyncio
import json
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from router.admin import Admin, count_in_flight
from spec.errors import TransientError

TYPES = "type.googleapis.com/envoy."
KEY = "THE-SECRET-KEY"


def test_counting_sums_active_and_queued_over_clusters() -> None:
    text = (
        "iris/blue@1::default_priority::max_requests::9\n"
        "iris/blue@1::127.0.0.1:80::rq_active::2\n"
        "iris/blue@1::127.0.0.1:80::rq_pending_active::1\n"
        "iris/blue@1::127.0.0.1:80::rq_total::70\n"
        "iris/blue@1/mirror::127.0.0.1:80::rq_active::4\n"
        "iris/blue@1::[::1]:8080::rq_active::0\n"
        "headgate_xds::/tmp/x.sock::rq_active::1\n"
    )
    assert count_in_flight(text) == {("127.0.0.1", 80): 7, ("::1", 8080): 0}


async def test_nobody_there_is_transient(tmp_path: Path) -> None:
    admin = Admin(tmp_path / "none.sock", timeout_s=0.5)
    for call in (admin.ready, admin.server_info, admin.in_flight, admin.shown, admin.reopen_logs):
        with pytest.raises(TransientError, match=r"none\.sock"):
            await call()
    await admin.close()


@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n{no", b"HTTP/1.1 500 No\r\n\r\n"]
)
async def test_a_strange_answer_is_transient(answer: bytes, short_dir: Path) -> None:
    async with _answering(short_dir / "s", answer):
        admin = Admin(short_dir / "s", timeout_s=1)
        with pytest.raises(TransientError):
            await admin.server_info()
        await admin.close()


async def test_a_silent_envoy_does_not_hold_the_caller(short_dir: Path) -> None:
    async with _answering(short_dir / "s", None):
        admin = Admin(short_dir / "s", timeout_s=0.2)
        with pytest.raises(TransientError, match="did not answer"):
            await asyncio.wait_for(admin.in_flight(), 5)
        await admin.close()


@asynccontextmanager
async def _answering(path: Path, answer: bytes | None) -> AsyncIterator[None]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if answer is not None:
            writer.write(answer)
        else:
            await reader.read()
        writer.close()

    server = await asyncio.start_unix_server(serve, path)
    try:
        yield
    finally:
        server.close()
        await server.wait_closed()


@pytest.mark.real
async def test_server_info_and_listeners(start_envoy: Any) -> None:  # noqa: ANN401
    envoy = await start_envoy({"route_config": {"name": "none"}})
    info = await envoy.admin.server_info()
    assert (info.state, info.version, info.epoch) == ("LIVE", "1.40.0", 0)
    assert Path(info.config_path).parent == (envoy.root / "envoy").resolve()
    assert await envoy.admin.listeners() == {"in": ("127.0.0.1", envoy.port)}
    assert await envoy.admin.ready()
    assert stat.S_IMODE(envoy.admin.socket.stat().st_mode) == 0o600
    assert await envoy.admin.active_requests() == 0


@pytest.mark.real
async def test_requests_in_flight_and_in_the_queue_are_counted(start_envoy: Any) -> None:  # noqa: ANN401
    release = asyncio.Event()

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readline() != b"\r\n":
            pass
        await release.wait()
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        writer.close()

    model = await asyncio.start_server(hold, "127.0.0.1", 0)
    port = model.sockets[0].getsockname()[1]
    envoy = await start_envoy(
        _to("iris/blue@1"), [_cluster("iris/blue@1", port), _cluster("digits/blue@2", port + 1)]
    )
    assert await envoy.admin.in_flight("^iris/") == {("127.0.0.1", port): 0}
    calls = [asyncio.create_task(envoy.request()) for _ in range(3)]
    try:
        async with asyncio.timeout(10):
            while True:
                counts = await envoy.admin.in_flight()
                if counts["127.0.0.1", port] == 3:
                    break
                await asyncio.sleep(0.02)
        assert counts["127.0.0.1", port + 1] == 0
        assert await envoy.admin.active_requests() == 3
    finally:
        release.set()
    assert [(await call).status_code for call in calls] == [200, 200, 200]
    assert (await envoy.admin.in_flight())["127.0.0.1", port] == 0
    model.close()


@pytest.mark.real
async def test_what_envoy_shows_is_what_the_control_plane_gave_and_no_key(start_envoy: Any, tmp_path: Path) -> None:  # noqa: ANN401
    cluster = {"@type": TYPES + "config.cluster.v3.Cluster"} | _cluster("a/b@1", 1)
    clusters = _from_file(tmp_path / "cds.json", "7", [cluster])
    listeners = _from_file(tmp_path / "lds.json", "3", [])
    scopes = _from_file(tmp_path / "srds.json", "5", [_scope("iris"), _scope("digits")])
    manager = _scoped(clusters, scopes)
    envoy = await start_envoy(manager, dynamic_resources={"cds_config": clusters, "lds_config": listeners})
    shown = await envoy.admin.shown()
    assert shown.clusters == {"a/b@1": "7"}
    assert shown.scopes.keys() == {"iris", "digits"}
    assert shown.scopes["iris"]["name"] == "iris"
    assert "[redacted]" in str(shown.scopes["iris"])
    assert (await envoy.admin.shown(["digits"])).scopes.keys() == {"digits"}
    assert (await envoy.request("/iris", Authorization=KEY)).status_code == 200
    assert (await envoy.request("/iris")).status_code == 401
    transport = httpx.AsyncHTTPTransport(uds=str(envoy.admin.socket))
    async with httpx.AsyncClient(transport=transport, base_url="http://envoy") as client:
        dump = (await client.get("/config_dump")).text
        assert "iris" in dump
        assert KEY not in dump
        for refused in ("/runtime_modify?a=b", "/heapprofiler", "/logging?level=trace", "/certs", "/quitquitquit"):
            assert (await client.post(refused)).status_code == httpx.codes.FORBIDDEN


@pytest.mark.real
@pytest.mark.parametrize("damage", ["status", "duplicate"])
async def test_a_rejected_route_leaves_no_key_in_the_log(start_envoy: Any, tmp_path: Path, damage: str) -> None:  # noqa: ANN401
    scope = _scope("iris")
    host = scope["route_configuration"]["virtual_hosts"][0]
    if damage == "status":
        host["routes"][0]["direct_response"]["status"] = 2
    else:
        host["typed_per_filter_config"]["envoy.filters.http.api_key_auth"]["credentials"] *= 2
    clusters = _from_file(tmp_path / "cds.json", "1", [])
    envoy = await start_envoy(_scoped(clusters, _from_file(tmp_path / "srds.json", "1", [scope])))
    rejected = await envoy.admin.stats(r"^http\.headgate\.scoped_rds\..*update_rejected$")
    assert list(rejected.values()) == [1]
    assert KEY not in envoy.process.log.read_text()


def _scoped(routes: dict[str, Any], scopes: dict[str, Any]) -> dict[str, Any]:
    extractor = {"name": ":path", "element_separator": "/", "index": 1}
    return {
        "http_filters": [
            {"name": "envoy.filters.http.api_key_auth", "disabled": True, "typed_config": _key_filter()}
        ],
        "scoped_routes": {
            "name": "endpoints",
            "scope_key_builder": {"fragments": [{"header_value_extractor": extractor}]},
            "rds_config_source": routes,
            "scoped_rds": {"scoped_rds_config_source": scopes},
        },
    }


def _cluster(name: str, port: int) -> dict[str, Any]:
    address = {"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}}}
    return {
        "name": name,
        "type": "STATIC",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [address]}]},
        "circuit_breakers": {"thresholds": [{"max_connections": 1, "max_pending_requests": 9}]},
    }


def _to(cluster: str) -> dict[str, Any]:
    route = {"match": {"prefix": "/"}, "route": {"cluster": cluster}}
    return {"route_config": {"name": "r", "virtual_hosts": [{"name": "v", "domains": ["*"], "routes": [route]}]}}


def _from_file(path: Path, version: str, resources: list[dict[str, Any]]) -> dict[str, Any]:
    path.write_text(json.dumps({"version_info": version, "resources": resources}))
    return {"path_config_source": {"path": str(path)}, "resource_api_version": "V3"}


def _scope(name: str) -> dict[str, Any]:
    route = {"match": {"prefix": "/"}, "direct_response": {"status": 200}}
    keys = {
        "@type": TYPES + "extensions.filters.http.api_key_auth.v3.ApiKeyAuthPerRoute",
        "credentials": [{"key": KEY, "client": "primary"}],
        "key_sources": [{"header": "Authorization"}],
    }
    host = {
        "name": name,
        "domains": ["*"],
        "routes": [route],
        "typed_per_filter_config": {"envoy.filters.http.api_key_auth": keys},
    }
    return {
        "@type": TYPES + "config.route.v3.ScopedRouteConfiguration",
        "name": name,
        "key": {"fragments": [{"string_key": name}]},
        "route_configuration": {"name": f"rc-{name}", "virtual_hosts": [host]},
    }


def _key_filter() -> dict[str, Any]:
    return {
        "@type": TYPES + "extensions.filters.http.api_key_auth.v3.ApiKeyAuth",
        "key_sources": [{"header": "Authorization"}],
    }
