"""Scoring: over HTTPS with the installation's CA, never through a proxy on loopback, and what errors mean."""

import io
import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from console.cli import main
from console.paths import Paths
from console.score import Reply, UnreachableError, ask, explain
from router import tls

if TYPE_CHECKING:
    from conftest import FakeService, Model


@pytest.fixture(autouse=True)
def _dead_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks a proxy gets no answer."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")


def test_a_request_carries_credential_and_deployment(model: "Model") -> None:
    reply = ask(model.access(), b"[1]", deployment="green")
    assert (reply.status, reply.body) == (200, b'{"answer": 42}')
    [(path, headers, body)] = model.seen
    assert (path, body) == ("/endpoints/iris/score", b"[1]")
    assert headers["authorization"] == "Bearer first-key"
    assert headers["azureml-model-deployment"] == "green"


def test_the_host_form_is_reached_without_name_resolution(model: "Model") -> None:
    access = model.access(
        scoring_uri=f"https://iris.models.example:{model.port}/score", connect_to=f"127.0.0.1:{model.port}"
    )
    assert ask(access, b"[]").status == 200
    assert model.seen[0][1]["host"] == f"iris.models.example:{model.port}"


def test_a_certificate_of_another_ca_is_refused(model: "Model", home: Path) -> None:
    other = tls.ensure(home / "other", ("127.0.0.1",), datetime.now(UTC))
    with pytest.raises(UnreachableError, match=r"(?i)certificate"):
        ask(model.access(ca_certificate=str(other.ca_path)), b"[]")
    with pytest.raises(UnreachableError, match=r"(?i)certificate"):
        ask(model.access(ca_certificate=None), b"[]")


def test_the_operators_certificate_is_trusted_itself_whatever_its_name(model: "Model", home: Path) -> None:
    shown = (home / "server.pem").read_text()
    away = {"scoring_uri": f"https://elsewhere.example:{model.port}/score", "connect_to": f"127.0.0.1:{model.port}"}
    for more in ({}, away):
        assert ask(model.access(ca_certificate=None, certificate=shown, **more), b"[]").status == 200


def test_another_certificate_of_the_same_issuer_is_refused_and_the_message_says_what_it_is(
    model: "Model", home: Path
) -> None:
    other = tls.ensure(home / "tls", ("127.0.0.1", "other.example"), datetime.now(UTC))
    chain = other.certificate_pem + Path(model.ca).read_text()
    with pytest.raises(UnreachableError) as caught:
        ask(model.access(ca_certificate=None, certificate=chain), b"[]")
    said = str(caught.value)
    assert said.startswith(f"The certificate that https://127.0.0.1:{model.port}/endpoints/iris/score shows is not")
    assert "--tls-certificate" in said
    assert "Envoy may be down" not in said


def test_nobody_listening_is_said_so(model: "Model") -> None:
    with pytest.raises(UnreachableError, match=r"cannot be reached: .*Envoy may be down"):
        ask(model.access(scoring_uri="https://127.0.0.1:1/score"), b"[]")


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, ["key or token"]),
        (404, ["no deployment of iris gets traffic", "headgate status iris"]),
        (408, ["request_timeout_ms", "logs iris/blue"]),
        (413, ["max_request_bytes"]),
        (424, ["model's own code answered 500", "logs iris/blue"]),
        (429, ["instance_count"]),
        (503, ["no replica", "status iris"]),
        (502, ["events iris"]),
    ],
)
def test_errors_say_where_the_fault_is(status: int, words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["headgate"])
    headers = (("azureml-model-deployment", "blue"), ("ms-azureml-model-error-statuscode", "500"))
    said = explain(Reply(status, "", headers, b""), "iris")
    assert said.startswith(f"{status}: ")
    assert all(word in said for word in words), said


def test_a_missing_deployment_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["headgate"])
    assert "iris has no deployment red" in explain(Reply(404, "", (), b""), "iris", "red")


@pytest.fixture
def invoke(
    live: "FakeService",
    model: "Model",
    paths: Paths,
    monkeypatch: pytest.MonkeyPatch,
    capsysbinary: pytest.CaptureFixture[bytes],
) -> Callable[..., SimpleNamespace]:
    live.accesses["iris"] = model.access()

    def call(*arguments: str, stdin: bytes = b"") -> SimpleNamespace:
        words = ["headgate", "invoke", "iris", "--state-dir", str(paths.state), *arguments]
        monkeypatch.setattr(sys, "argv", words)
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        with pytest.raises(SystemExit) as end:
            main()
        out, err = capsysbinary.readouterr()
        return SimpleNamespace(code=end.value.code, out=out.decode(), err=err.decode())

    return call


def test_invoke_sends_text_a_file_or_standard_input(
    invoke: Callable[..., SimpleNamespace], model: "Model", home: Path
) -> None:
    (home / "body.json").write_bytes(b"[2]")
    assert invoke("-d", "[1]").out == '{"answer": 42}\n'
    assert invoke("-d", f"@{home}/body.json").code == 0
    assert invoke("-d", "@-", stdin=b"[3]").code == 0
    assert [body for _, _, body in model.seen] == [b"[1]", b"[2]", b"[3]"]
    assert invoke("-d", "@nowhere.json").code == 2


def test_invoke_takes_the_sample_request(
    invoke: Callable[..., SimpleNamespace], model: "Model", live: "FakeService"
) -> None:
    nothing = invoke()
    assert nothing.code == 1
    assert "has no sample-request.json: give a body with -d" in nothing.err
    live.samples["iris"] = json.dumps({"data": [[1, 2]]}).encode()
    assert invoke().code == 0
    assert model.seen[0][2] == b'{"data": [[1, 2]]}'


def test_invoke_shows_headers_and_explains_a_failure(invoke: Callable[..., SimpleNamespace], model: "Model") -> None:
    assert invoke("-d", "[]", "-i").out.startswith("200 OK\n")
    model.status, model.headers = 424, {"azureml-model-deployment": "blue"}
    found = invoke("-d", "[]")
    assert found.code == 1
    assert found.out == '{"answer": 42}\n'
    assert "424: the model's own code failed" in found.err
    assert "logs iris/blue" in found.err
