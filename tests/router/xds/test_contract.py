"""Azure's status codes and headers, by a real Envoy."""

import asyncio
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from router.access_log import read
from router.table import KeyAuth
from tests.router.xds.rig import KEYS, Rig, Server, StartRig, backend, endpoint, failures, until

pytestmark = pytest.mark.real

SCORE = "/endpoints/iris/score"


@pytest.fixture
async def served(rig: Rig) -> Server:
    """Endpoint `iris` on one replica; `empty` without traffic."""
    server = await rig.server("blue-1")
    await rig.put(endpoint("iris", (backend("blue@1", server, timeout_ms=600, max_queue_wait_ms=200),)))
    await rig.put(endpoint("empty", ()))
    return server


@pytest.mark.usefixtures("served")
async def test_a_request_reaches_the_scoring_path_without_its_key(rig: Rig) -> None:
    answer = await rig.client().send(SCORE, body=b'{"data": [1]}')
    assert answer.status == 200
    assert answer.json["start"] == "POST /score HTTP/1.1"
    assert answer.json["length"] == 13
    assert "authorization" not in answer.json["headers"]
    assert answer.headers["azureml-model-deployment"] == "blue"


@pytest.mark.parametrize(
    ("path", "reached"),
    [
        ("/endpoints/iris/swagger.json?version=3", "/swagger.json?version=3"),
        ("/endpoints/iris", "/"),
        ("/endpoints/iris/", "/"),
        ("/endpoints/iris/v2/models/m/infer", "/v2/models/m/infer"),
    ],
)
@pytest.mark.usefixtures("served")
async def test_every_path_below_the_base_reaches_the_container(rig: Rig, path: str, reached: str) -> None:
    answer = await rig.client().send(path, method="GET", body=b"")
    assert answer.json["start"] == f"GET {reached} HTTP/1.1"


@pytest.mark.usefixtures("served")
async def test_both_keys_are_valid_with_and_without_bearer(rig: Rig) -> None:
    client = rig.client()
    for credential in (KEYS.primary, KEYS.secondary):
        assert (await client.send(SCORE, authorization=credential)).status == 200
        for scheme in ("Bearer", "bearer", "BEARER"):
            answer = await client.send(SCORE, authorization=f"{scheme} {credential}")
            assert answer.status == 200
            assert "authorization" not in answer.json["headers"]


@pytest.mark.usefixtures("served")
async def test_what_is_no_request_is_answered_with_a_code(rig: Rig) -> None:
    answer = await rig.client().send(SCORE, x_large="x" * 70_000)
    assert (answer.status, answer.json["error"]["code"]) == (431, "RequestHeaderFieldsTooLarge")
    answer = await rig.client().send(SCORE, **{f"x_{number}": "1" for number in range(110)})
    assert (answer.status, answer.json["error"]["code"]) == (431, "RequestHeaderFieldsTooLarge")
    answer = await rig.client().send(SCORE, x_large="x" * 58_000)
    assert (answer.status, len(answer.json["headers"]["x-large"])) == (200, 58_000)
    for answer in (await rig.client().send(SCORE, host=""), await rig.client().send(f"{SCORE}/%00")):
        assert (answer.status, answer.json["error"]["code"]) == (400, "BadRequest")
        said = answer.json["error"]["message"]
        assert re.fullmatch(r"The request is not valid HTTP, .* \((missing_host_header|path_norm\w+)\)\.", said)


@pytest.mark.parametrize("host", ["", "Host: example.test\r\n"])
@pytest.mark.parametrize(("method", "body"), [("GET", ""), ("POST", '{"data": [1]}')])
@pytest.mark.usefixtures("served")
async def test_http_1_0_is_answered_with_and_without_host(rig: Rig, method: str, body: str, host: str) -> None:
    """As ApacheBench asks."""
    reader, writer = await asyncio.open_connection("127.0.0.1", rig.settings.port)
    headers = f"{host}Authorization: Bearer {KEYS.primary}\r\nContent-Length: {len(body)}\r\n"
    writer.write(f"{method} {SCORE} HTTP/1.0\r\n{headers}\r\n{body}".encode())
    head, _, content = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    assert head.startswith(b"HTTP/1.0 200 ")
    seen = json.loads(content)
    assert (seen["start"], seen["length"]) == (f"{method} /score HTTP/1.1", len(body))
    assert seen["headers"]["host"] == ("example.test" if host else "localhost")


@pytest.mark.parametrize(
    "credential", ["", "Bearer wrong", "wrong", "Bearer ", "bearer wrong", "bearer ", "Basic eDp5"]
)
@pytest.mark.parametrize("path", [SCORE, "/endpoints/empty/score", "/endpoints/iris/else"])
async def test_a_wrong_or_missing_key_is_401_before_anything_else(
    rig: Rig, served: Server, credential: str, path: str
) -> None:
    answer = await rig.client().send(path, authorization=credential, azureml_model_deployment="none-such")
    assert answer.status == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.json["error"]["code"] == "Unauthorized"
    assert served.seen == []


@pytest.mark.parametrize("path", ["/endpoints/other/score", "/", "/score", "/endpoints", "/endpoints/iris2/score"])
@pytest.mark.usefixtures("served")
async def test_an_unknown_endpoint_is_404(rig: Rig, path: str) -> None:
    answer = await rig.client().send(path, authorization="")
    assert answer.status == 404
    assert answer.json["error"]["code"] == "NotFound"


@pytest.mark.usefixtures("served")
async def test_no_deployment_with_traffic_is_404(rig: Rig) -> None:
    answer = await rig.client().send("/endpoints/empty/score")
    assert answer.status == 404
    assert "no deployment with positive traffic" in answer.json["error"]["message"]


@pytest.mark.usefixtures("served")
async def test_a_request_over_its_timeout_is_408(rig: Rig) -> None:
    answer = await rig.client().send(SCORE, x_delay="1.5")
    assert answer.status == 408
    assert answer.json["error"]["code"] == "RequestTimeout"


async def test_waiting_in_the_queue_ends_with_408(start_rig: StartRig) -> None:
    rig = await start_rig(workers=1)
    server = await rig.server("blue-1")
    limits = {"timeout_ms": 1000, "max_queue_wait_ms": 100, "max_concurrent": 1}
    await rig.put(endpoint("iris", (backend("blue@1", server, **limits),)))
    answers = await asyncio.gather(*(rig.client().send(SCORE, x_delay="0.8") for _ in range(2)))
    assert sorted(answer.status for answer in answers) == [200, 408]


@pytest.mark.parametrize("status", [201, 202, 204, 301, 304, 400, 404, 413, 429, 500, 503])
@pytest.mark.usefixtures("served")
async def test_what_the_container_does_not_answer_200_is_424(rig: Rig, status: int) -> None:
    answer = await asyncio.wait_for(rig.client().send(SCORE, x_status=str(status)), 3)
    assert answer.status == 424
    assert answer.headers["ms-azureml-model-error-statuscode"] == str(status)
    assert answer.headers["ms-azureml-model-error-reason"] == "model_error"
    if status not in (204, 304):
        assert answer.json["name"] == "blue-1"


@pytest.mark.usefixtures("served")
async def test_a_success_has_no_model_error_headers(rig: Rig) -> None:
    answer = await rig.client().send(SCORE)
    assert not [name for name in answer.headers if name.startswith("ms-azureml-model-error")]


async def test_a_request_too_large_is_413(start_rig: StartRig) -> None:
    rig = await start_rig(max_request_bytes=100_000)
    server = await rig.server("blue-1")
    await rig.put(endpoint("iris", (backend("blue@1", server),)))
    client = rig.client()
    assert (await client.send(SCORE, body=b"x" * 100_000)).status == 200
    answer = await client.send(SCORE, body=b"x" * 100_001)
    assert answer.status == 413
    assert answer.json["error"]["code"] == "RequestTooLarge"
    assert "ms-azureml-model-error-statuscode" not in answer.headers
    chunk = b"%x\r\n" % 100_001 + b"x" * 100_001 + b"\r\n0\r\n\r\n"
    answer = await rig.client().send(SCORE, body=chunk, content_length="", transfer_encoding="chunked")
    assert answer.status == 413
    assert [length for _, _, length in server.seen] == [100_000]


async def test_more_in_flight_than_allowed_is_429_and_what_is_allowed_is_not(rig: Rig) -> None:
    servers = [await rig.server(f"blue-{number}") for number in range(2)]
    await rig.put(endpoint("iris", (backend("blue@1", *servers, max_concurrent=2, timeout_ms=5000),)))
    allowed = await asyncio.gather(*(rig.client().send(SCORE, x_delay="0.3") for _ in range(8)))
    assert [answer.status for answer in allowed] == [200] * 8
    answers = await asyncio.gather(*(rig.client().send(SCORE, x_delay="0.5") for _ in range(30)))
    served = sum(answer.status == 200 for answer in answers)
    refused = [answer for answer in answers if answer.status == 429]
    # Twice the capacity of 4 in flight, one more queue at most while connections open, one more for each worker.
    assert 8 <= served <= 12 + 2
    assert served + len(refused) == 30
    assert refused[0].headers["retry-after"] == "1"
    assert refused[0].json["error"]["code"] == "TooManyRequests"
    assert max(server.most for server in servers) <= 2 + 1


async def test_no_ready_replica_is_503_at_once(rig: Rig) -> None:
    await rig.put(endpoint("iris", (backend("blue@1"),)))
    answer = await rig.client().send(SCORE)
    assert answer.status == 503
    assert answer.json["error"]["code"] == "ServiceUnavailable"


@pytest.mark.usefixtures("served")
async def test_a_replica_that_ends_in_mid_request_is_502(rig: Rig) -> None:
    answer = await rig.client().send(SCORE, x_reset="1")
    assert answer.status == 502
    assert answer.json["error"]["code"] == "BadGateway"


async def test_a_replica_that_refuses_connections_is_passed_over(rig: Rig) -> None:
    good, gone = await rig.server("good"), await rig.server("gone")
    await rig.put(endpoint("iris", (backend("blue@1", good, gone),)))
    await gone.stop()
    async with rig.load(SCORE, clients=4) as counts:
        await asyncio.sleep(1)
    assert failures(counts) == {}
    assert set(counts) == {(200, "good")}


async def test_two_clients_at_one_replica_that_scores_one_at_a_time_are_never_refused(rig: Rig) -> None:
    only = await rig.server("only", sync=True)
    await rig.put(endpoint("iris", (backend("blue@1", only, max_concurrent=1),)))
    async with rig.load(SCORE, clients=2, x_delay="0.003") as counts:
        await asyncio.sleep(3)
    assert failures(counts) == {}
    assert counts[200, "only"] > 50


@pytest.mark.usefixtures("served")
async def test_request_ids(rig: Rig) -> None:
    answer = await rig.client().send(SCORE, x_request_id="mine", x_ms_client_request_id="c" * 60)
    sent = answer.json["headers"]
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", sent["x-request-id"])
    assert answer.headers["x-request-id"] == sent["x-request-id"]
    assert sent["x-ms-client-request-id"] == "c" * 40


@pytest.mark.usefixtures("served")
@pytest.mark.parametrize(("given", "kept"), [("aZ09_-", "aZ09_-"), ("a b", ""), ("a/b", ""), ("é", "")])
async def test_a_client_request_id_of_another_form_than_azures_is_emptied(rig: Rig, given: str, kept: str) -> None:
    answer = await rig.client().send(SCORE, x_ms_client_request_id=given)
    assert answer.json["headers"]["x-ms-client-request-id"] == kept


async def test_the_access_log_has_the_path_that_the_client_sent_and_envoys_log_no_line_for_413(
    start_rig: StartRig, tmp_path: Path
) -> None:
    log = tmp_path / "traffic.log"
    rig = await start_rig(access_log=log, max_request_bytes=100)
    await rig.put(endpoint("iris", (backend("blue@1", await rig.server("blue")),)))
    forged = {"x_envoy_original_path": "/forged"}
    sent = [await rig.client().send(f"{SCORE}?secret=1", **forged)]
    sent.append(await rig.client().send("/endpoints/iris/score?secret=1", body=b"x" * 200))
    sent.append(await rig.client().send("/endpoints/none/score?secret=1", **forged))
    assert [answer.status for answer in sent] == [200, 413, 404]
    await until(lambda: log.read_text().count("\n") == 3)
    assert [record.path for record in read(log.read_text().splitlines())] == [SCORE, SCORE, "/endpoints/none/score"]
    assert "secret" not in log.read_text() + rig.router.process.log.read_text()


@pytest.mark.usefixtures("served")
async def test_envoys_own_request_headers_choose_nothing(rig: Rig) -> None:
    answer = await rig.client().send(SCORE, x_envoy_upstream_rq_timeout_ms="50", x_delay="0.3")
    assert answer.status == 200


async def test_new_keys_are_live_and_old_ones_are_not(rig: Rig, served: Server) -> None:
    route = endpoint("iris", (backend("blue@1", served),))
    await rig.put(replace(route, auth=KeyAuth("new-1", KEYS.secondary)))
    client = rig.client()
    assert (await client.send(SCORE, authorization="Bearer new-1")).status == 200
    assert (await client.send(SCORE, authorization=f"Bearer {KEYS.secondary}")).status == 200
    assert (await client.send(SCORE, authorization=f"Bearer {KEYS.primary}")).status == 401


async def test_two_equal_keys_are_accepted(rig: Rig, served: Server) -> None:
    route = endpoint("iris", (backend("blue@1", served),))
    await rig.put(replace(route, auth=KeyAuth("same", "same")))
    assert (await rig.client("same").send(SCORE)).status == 200


@pytest.mark.usefixtures("served")
async def test_keys_do_not_show_in_the_configuration_dump(rig: Rig) -> None:
    response = await rig.dump()
    assert "blue@1" in response
    assert KEYS.primary not in response
    assert KEYS.secondary not in response
