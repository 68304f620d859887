"""The traffic log of a real Envoy, read back, hostile headers and all."""

import asyncio
import json
import re
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from router.access_log import COLUMNS, TrafficRecord, loggers, mirrored_of, read, read_mirrored, to_json
from router.log_files import Rotation, bound

SECRET = "THE-SECRET-KEY"  # noqa: S105 - a made-up key to look for


def row(**values: str) -> str:
    known = {
        "TimeGenerated": "2026-01-02T03:04:05.678Z",
        "Route": "iris/-/none",
        "ResponseCode": "200",
        "ResponseCodeReason": "via_upstream",
        "Method": "POST",
        "TotalDurationMs": "12",
    }
    return "\t".join((known | values).get(column.name, "-") for column in COLUMNS) + "\n"


def test_a_row_is_read_with_types() -> None:
    [record] = read([row()])
    assert record.time_generated == datetime(2026, 1, 2, 3, 4, 5, 678_000, UTC)
    assert (record.endpoint_name, record.release, record.response_code) == ("iris", "", 200)
    assert (record.total_duration_ms, record.request_duration_ms) == (12, None)
    assert record.model_status_code == 200


def test_azure_names_every_column() -> None:
    [record] = read([row(ModelStatusCode="500", ResponseCode="424")])
    found = to_json(record)
    azure = {
        *("Method", "Path", "EndpointName", "DeploymentName", "ResponseCode", "ResponseCodeReason"),
        *("ModelStatusCode", "ModelStatusReason", "RequestPayloadSize", "ResponsePayloadSize", "UserAgent"),
        *("XRequestId", "XMSClientRequestId", "TotalDurationMs", "RequestDurationMs", "ResponseDurationMs"),
        *("RequestThrottlingDelayMs", "ResponseThrottlingDelayMs"),
    }
    assert azure <= found.keys()
    assert found["ModelStatusCode"] == 500
    assert found["EndpointName"] == "iris"
    assert found["TimeGenerated"] == "2026-01-02T03:04:05.678000+00:00"
    assert json.loads(json.dumps(found)) == found
    assert len(found) == len(TrafficRecord.__slots__)


@pytest.mark.parametrize("line", ["", "\n", "a\tb\n", row()[:60], row(ResponseCode="x"), row(TimeGenerated="x")])
def test_a_line_that_is_no_record_is_passed_over(line: str) -> None:
    assert [record.endpoint_name for record in read([line, row()])] == ["iris"]


def test_tabs_from_outside_spoil_only_what_comes_from_outside() -> None:
    [agent] = read([row(UserAgent="a\tb\tc")])
    assert agent.user_agent == "a b c"
    [forged] = read([row(XMSClientRequestId="x\tDELETE\t/endpoints/other", ModelStatusCode="nonsense")])
    assert (forged.endpoint_name, forged.response_code, forged.total_duration_ms) == ("iris", 200, 12)


def test_rotation_keeps_as_many_as_asked(tmp_path: Path) -> None:
    rotation = Rotation(tmp_path / "logs" / "a.log", max_bytes=3, keep=2)
    assert not rotation.rotate()
    rotation.prepare()
    assert not rotation.rotate()
    for text in ("one", "two", "three"):
        rotation.path.write_text(text)
        assert rotation.rotate()
    names = sorted(path.name for path in rotation.path.parent.iterdir())
    assert names == ["a.log", "a.log.1", "a.log.2"]
    assert (rotation.path.read_text(), rotation.path.with_name("a.log.1").read_text()) == ("", "three")
    assert stat.S_IMODE(rotation.path.stat().st_mode) == 0o600


def test_a_log_that_is_never_reopened_is_bounded_under_its_writer(tmp_path: Path) -> None:
    log = tmp_path / "envoy.log"
    with log.open("ab", buffering=0) as writer:
        writer.write(b"x" * 90 + b"end")
        assert not bound(log, 1000)
        assert bound(log, 50)
        writer.write(b"next")
    assert log.read_bytes() == b"next"
    assert log.with_name("envoy.log.1").read_bytes() == b"x" * 47 + b"end"


@asynccontextmanager
async def model(answer: bytes) -> AsyncIterator[int]:
    """A model server that gives the same answer to everything."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


def manager(log: Path, *, stats: bool = False) -> dict[str, Any]:
    extension = "type.googleapis.com/envoy.extensions.filters.http.api_key_auth.v3.ApiKeyAuth"
    keys = {
        "@type": extension,
        "key_sources": [{"header": "Authorization"}],
        "credentials": [{"key": SECRET, "client": "primary"}],
    }
    route = {
        "name": "iris/blue@1/split",
        "match": {"prefix": "/"},
        "route": {"cluster": "model", "prefix_rewrite": "/score"},
    }
    return {
        "access_log": loggers(log, stats=stats),
        "http_filters": [{"name": "envoy.filters.http.api_key_auth", "typed_config": keys}],
        "route_config": {"name": "r", "virtual_hosts": [{"name": "v", "domains": ["*"], "routes": [route]}]},
    }


def cluster(port: int) -> dict[str, Any]:
    address = {"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}}}
    load = {"cluster_name": "model", "endpoints": [{"lb_endpoints": [address]}]}
    return {"name": "model", "type": "STATIC", "load_assignment": load}


async def records(log: Path, count: int) -> list[TrafficRecord]:
    async with asyncio.timeout(20):
        while True:
            with log.open(newline="\n", errors="replace") as lines:
                found = list(read(lines))
            if len(found) >= count:
                return found
            await asyncio.sleep(0.05)


OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nhi"


@pytest.mark.real
async def test_envoy_writes_the_columns_and_no_credential(start_envoy: Any, tmp_path: Path) -> None:  # noqa: ANN401
    log = tmp_path / "access.log"
    async with model(OK) as port:
        envoy = await start_envoy(manager(log), [cluster(port)])
        path = f"/endpoints/iris/score?key={SECRET}"
        await envoy.request(path, "POST", Authorization=f"Bearer {SECRET}", user_agent="a\tb" + "c" * 90)
        await envoy.request(path, Authorization=f"Bearer {SECRET}", x_ms_client_request_id="x\t" + "y" * 90)
        await envoy.request(path, Authorization=f"Bearer wrong-{SECRET}")
        good, hostile, refused = await records(log, 3)
    assert (good.endpoint_name, good.deployment_name, good.release) == ("iris", "blue", "blue@1")
    assert (good.response_code, good.model_status_code, good.method) == (200, 200, "POST")
    assert (good.path, good.response_payload_size) == ("/endpoints/iris/score", 2)
    assert good.user_agent == "a b" + "c" * 67
    assert good.x_request_id
    assert good.total_duration_ms is not None
    assert abs((datetime.now(UTC) - good.time_generated).total_seconds()) < 60
    assert (hostile.endpoint_name, hostile.response_code) == ("iris", 200)
    assert (refused.response_code, refused.model_status_code) == (401, None)
    assert refused.response_code_reason
    assert SECRET not in log.read_text(errors="replace")


@pytest.mark.real
async def test_a_model_cannot_forge_a_row(start_envoy: Any, tmp_path: Path) -> None:  # noqa: ANN401
    forged = (
        b"HTTP/1.1 200 OK\r\nms-azureml-model-error-reason: a\tb\tc\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    )
    log = tmp_path / "access.log"
    async with model(forged) as port:
        envoy = await start_envoy(manager(log), [cluster(port)])
        await envoy.request("/endpoints/iris/score", Authorization=f"Bearer {SECRET}")
        [record] = await records(log, 1)
    assert (record.endpoint_name, record.release, record.response_code) == ("iris", "blue@1", 200)


@pytest.mark.real
async def test_rotated_logs_are_reopened(start_envoy: Any, tmp_path: Path) -> None:  # noqa: ANN401
    rotation = Rotation(tmp_path / "access.log", max_bytes=1)
    rotation.prepare()
    async with model(OK) as port:
        envoy = await start_envoy(manager(rotation.path), [cluster(port)])
        await envoy.request("/one", Authorization=f"Bearer {SECRET}")
        await records(rotation.path, 1)
        assert rotation.rotate()
        await envoy.admin.reopen_logs()
        await envoy.request("/two", Authorization=f"Bearer {SECRET}")
        [after] = await records(rotation.path, 1)
        [before] = await records(rotation.path.with_name("access.log.1"), 1)
    assert (before.path, after.path) == ("/one", "/two")
    assert stat.S_IMODE(rotation.path.stat().st_mode) == 0o600


@pytest.mark.real
async def test_the_statistics_logger_counts_by_release(start_envoy: Any, tmp_path: Path) -> None:  # noqa: ANN401
    async with model(OK) as port:
        envoy = await start_envoy(manager(tmp_path / "access.log", stats=True), [cluster(port)])
        for _ in range(3):
            await envoy.request("/endpoints/iris/score", Authorization=f"Bearer {SECRET}")
        count = ""
        async with asyncio.timeout(20):
            # Envoy takes histograms together every five seconds.
            while not count.endswith(" 3"):
                await asyncio.sleep(0.2)
                found = await envoy.admin._send("GET", "/stats", {"filter": r"^ep\.", "format": "prometheus"})  # noqa: SLF001
                [count] = [line for line in found.text.splitlines() if "ep_requests_count" in line]
    assert 'route="iris/blue@1/split"' in count
    assert 'code="200"' in count


def test_answers_to_mirrored_requests_are_told_by_release_and_status() -> None:
    stats = {
        "ep.mirrored.cluster.iris/green@1/mirror.code.200": 40,
        "ep.mirrored.cluster.iris/green@1/mirror.code.424": 2,
        "ep.mirrored.cluster.iris/green@1/mirror.code.0": 0,
        "ep.mirrored.cluster.iris/blue@1.code.200": 99,
        "ep.requests.route.iris/blue@1/live.code.200": 7,
    }
    assert read_mirrored(stats) == {"green@1": {"200": 40, "424": 2}}
    pattern = re.compile(mirrored_of("iris"))
    assert [name for name in stats if pattern.search(name)] == list(stats)[:4]
    assert not pattern.search("ep.mirrored.cluster.iris-2/green@1/mirror.code.200")
