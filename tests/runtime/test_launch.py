"""How a replica is started, and that the server it becomes has none of the seven traps."""

import ast
import dataclasses
import socket
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from pathlib import Path
from typing import Any, Literal, Protocol

import httpx
import pytest

from runtime.artifacts import Artifacts
from runtime.launch import Launch, command
from runtime.layout import Layout
from runtime.layouts import Layouts
from runtime.system import INSTALLATION, REPLICA
from runtime.system import RELEASE as RELEASE_NAME
from spec.release import Artifact, Code, Environment, InstanceType, Model, Probe, Recipe, ReleaseRef, Server
from spec.variables import unsettable


class Served(Protocol):
    """A model server as a child process (see conftest)."""

    port: int
    log: Path
    process: "subprocess.Popen[bytes]"

    def ask(self, path: str, body: object = None, *, timeout: float = 20, **headers: str) -> httpx.Response: ...
    def ready(self) -> "Served": ...
    def stop(self) -> int: ...


Start = Callable[[Callable[[int], Launch]], Served]

WORKERS = 3
RELEASE = ReleaseRef("shop", "blue", "3f2a9c41d0e7")
PYTHON = Path("/envs/1/venv/bin/python")
LAYOUT = Layout(
    release=RELEASE,
    root=Path("/s/r"),
    model_dir=Path("/s/r/azureml-models/m/1"),
    app_root=Path("/s/r/azureml-app/src"),
    server=Path("/s/r/server"),
    home=Path("/s/r/home"),
    temp=Path("/s/tmp/1"),
)
RECIPE = Recipe(
    server=Server.INFERENCE_SERVER,
    runtime="process",
    environment=Environment("inline"),
    instance_type=InstanceType("Standard_DS1_v2", 1, 2**30),
    code=Code(Artifact("c" * 40, "directory", "src"), "sub/score.py"),
    request_timeout_ms=1500,
    max_concurrent_requests_per_instance=WORKERS,
)


def launch(**changes: object) -> Launch:
    return command(dataclasses.replace(RECIPE, **changes), LAYOUT, PYTHON, 4001)


def option(argv: tuple[str, ...], name: str) -> str:
    return argv[argv.index(name) + 1]


class TestCommand:
    """The argument vector and the environment, as values."""

    def test_what_tells_processes_apart_is_among_what_users_cannot_set(self) -> None:
        assert {INSTALLATION, RELEASE_NAME, REPLICA} <= unsettable(RECIPE)

    def test_binds_loopback_only(self) -> None:
        argv = launch().argv
        assert [argv[at + 1] for at, word in enumerate(argv) if word == "-b"] == ["127.0.0.1:4001"]

    def test_the_environment_is_whole_and_nothing_is_inherited(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HEADGATE_SECRET", "do not tell")
        assert set(launch().env) == {
            *("PATH", "LANG", "HOME", "TMPDIR", "VIRTUAL_ENV", "PYTHONUNBUFFERED", "PYTHONNOUSERSITE"),
            *("SERVICE_NAME", "SERVICE_VERSION", "WORKER_COUNT", "WORKER_TIMEOUT", "SCORING_TIMEOUT_MS"),
            *("AML_APP_ROOT", "AZUREML_MODEL_DIR", "AZUREML_ENTRY_SCRIPT", "SERVER_PORT", "HEALTH_PORT"),
            *("NO_PROXY", "no_proxy", "HEADGATE_REQUEST_TIMEOUT_MS"),
        }

    def test_azures_names(self) -> None:
        env = launch().env
        assert env["AZUREML_MODEL_DIR"] == "/s/r/azureml-models/m/1"
        assert env["AML_APP_ROOT"] == "/s/r/azureml-app/src"
        assert env["AZUREML_ENTRY_SCRIPT"] == "sub/score.py"
        assert env["SCORING_TIMEOUT_MS"] == "1500"
        assert env["WORKER_COUNT"] == option(launch().argv, "-w") == "3"
        many = {"max_concurrent_requests_per_instance": 1024}
        assert option(launch(**many, instance_type=InstanceType("small", 0.5, 2**30)).argv, "-w") == "16"
        assert option(launch(**many, instance_type=InstanceType("large", 16, 2**30)).argv, "-w") == "64"
        assert option(launch(**many, variables=(("WORKER_COUNT", "99"),)).argv, "-w") == "99"
        assert env["PATH"].split(":")[0] == "/envs/1/venv/bin"

    def test_the_users_variables_win_where_azure_lets_them(self) -> None:
        found = launch(variables=(("WORKER_COUNT", "7"), ("SCORING_TIMEOUT_MS", "9"), ("A", "b"), ("HOME", "/h")))
        assert found.env["HEADGATE_REQUEST_TIMEOUT_MS"] == "1500"
        assert option(found.argv, "-w") == "7"
        assert (found.env["SCORING_TIMEOUT_MS"], found.env["A"], found.env["HOME"]) == ("9", "b", "/h")

    @pytest.mark.parametrize(
        "name",
        [
            *("AML_APP_ROOT", "AZUREML_MODEL_DIR", "AZUREML_ENTRY_SCRIPT", "SERVER_PORT", "HEALTH_PORT"),
            "HEADGATE_REQUEST_TIMEOUT_MS",
        ],
    )
    def test_the_layout_is_not_the_users_to_set(self, name: str) -> None:
        assert launch(variables=((name, "elsewhere"),)).env == launch().env

    def test_the_port_is_not_moved_by_gunicorns_own_variable(self) -> None:
        argv = launch(variables=(("GUNICORN_CMD_ARGS", "-b 0.0.0.0:80"),)).argv
        assert option(argv, "-b") == "127.0.0.1:4001"

    def test_loopback_is_never_proxied(self) -> None:
        env = launch(variables=(("HTTPS_PROXY", "http://proxy"), ("NO_PROXY", "corp, localhost"))).env
        assert env["NO_PROXY"] == env["no_proxy"] == "corp,localhost,127.0.0.1,::1"

    @pytest.mark.parametrize(
        ("changes", "seconds"),
        [
            ({}, 340),
            ({"readiness": Probe(initial_delay=600, period=10, failure_threshold=60)}, 1230),
            ({"readiness": Probe(period=1, failure_threshold=1)}, 330),
        ],
    )
    def test_gunicorn_waits_longer_than_the_readiness_probe(self, changes: dict[str, Any], seconds: int) -> None:
        assert option(launch(**changes).argv, "--timeout") == str(seconds)

    def test_a_request_may_finish_before_the_stop(self) -> None:
        assert option(launch(request_timeout_ms=90_500).argv, "--graceful-timeout") == "94"

    def test_mlflow_runs_headgates_script_quietly(self) -> None:
        model = Model("m", "1", "mlflow_model", Artifact("d" * 40, "directory", "models/iris"))
        env = launch(server=Server.MLFLOW, code=None, model=model).env
        assert env["AZUREML_ENTRY_SCRIPT"] == "mlflow_score.py"
        assert env["MLFLOW_MODEL_FOLDER"] == "iris"
        assert env["MLFLOW_DISABLE_TELEMETRY"] == "true"


def test_the_servers_configuration_keeps_to_python_3_7() -> None:
    source = resources.files("runtime.servers").joinpath("gunicorn_conf.py").read_text()
    assert ast.parse(source, feature_version=(3, 7)).body


SCORE = b"""
import json, logging, os, sys, time
from helper import VALUE
from sibling import OTHER

log = logging.getLogger("mine")
started = False


def init():
    global started
    logging.info("root says hello")
    log.info("mine says hello")
    log.debug("this is not shown")
    print("print says hello")
    started = True


def run(data):
    asked = json.loads(data)
    if "say" in asked:
        print(asked["say"])
    if "sleep" in asked:
        time.sleep(asked["sleep"])
    return {"value": VALUE + OTHER, "started": started, "env": dict(os.environ), "cwd": os.getcwd()}
"""
FAILING = b"def init():\n    raise ValueError('no weights')\n\ndef run(data):\n    return data\n"


class Trees:
    """An exporter of literal files."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files

    def export(self, oid: str, kind: Literal["file", "directory"], destination: Path, _path: str) -> None:  # noqa: ARG002 (a port)
        for path, data in self.files.items():
            (destination / path).parent.mkdir(parents=True, exist_ok=True)
            (destination / path).write_bytes(data)


def laid_out(state: Path, files: dict[str, bytes], recipe: Recipe) -> Layout:
    return Layouts(state, Artifacts(state / "artifacts", Trees(files))).ensure(RELEASE, recipe)


@pytest.fixture(scope="module")
def scoring(server_python: Path, tmp_path_factory: pytest.TempPathFactory, serve: Start) -> Served:
    files = {"sub/score.py": SCORE, "helper.py": b"VALUE = 40", "sub/sibling.py": b"OTHER = 2"}
    layout = laid_out(tmp_path_factory.mktemp("s"), files, RECIPE)
    return serve(lambda port: command(RECIPE, layout, server_python, port)).ready()


@pytest.mark.real
class TestServer:
    """A real azureml-inference-server-http on a score.py in a sub-folder."""

    def test_scores_with_siblings_and_code_root_importable(self, scoring: Served) -> None:
        answer = scoring.ask("/score", {})
        assert answer.status_code == 200
        assert answer.json()["value"] == 42
        assert answer.json()["cwd"].endswith("/azureml-app/src")
        assert answer.headers["x-ms-server-version"].startswith("azmlinfsrv/")

    def test_logging_of_init_is_visible(self, scoring: Served) -> None:
        text = scoring.log.read_text()
        for said in ("root says hello", "mine says hello", "print says hello"):
            assert said in text
        assert "not shown" not in text

    def test_scoring_times_out_with_the_request(self, scoring: Served) -> None:
        answer = scoring.ask("/score", {"sleep": 10})
        assert (answer.status_code, answer.json()) == (500, {"message": "Scoring timeout after 1500 ms"})

    def test_what_was_given_up_before_its_turn_is_not_scored(self, scoring: Served) -> None:
        def give_up(number: int) -> None:
            with pytest.raises(httpx.ReadTimeout):
                scoring.ask("/score", {"say": f"given up {number}"}, timeout=0.3)

        busy = scoring.log.read_text().count("busy") + WORKERS
        with ThreadPoolExecutor(WORKERS) as long, ThreadPoolExecutor(5) as short:
            asked = [long.submit(scoring.ask, "/score", {"say": "busy", "sleep": 10}) for _ in range(WORKERS)]
            while scoring.log.read_text().count("busy") < busy:
                time.sleep(0.02)
            list(short.map(give_up, range(5)))
            assert [one.result().status_code for one in asked] == [500] * WORKERS
        assert scoring.ask("/score", {"say": "asked for"}).status_code == 200
        said = scoring.log.read_text()
        assert "asked for" in said
        assert "given up" not in said

    def test_is_not_reached_from_other_addresses(self, scoring: Served) -> None:
        with socket.socket() as probe:
            probe.settimeout(2)
            assert probe.connect_ex(("127.0.0.2", scoring.port)) != 0

    def test_leaves_no_control_socket_behind(self, scoring: Served) -> None:
        home = Path(scoring.ask("/score", {}).json()["env"]["HOME"])
        assert list(home.rglob("*")) == []

    def test_takes_all_the_headers_that_envoy_lets_through(self, scoring: Served) -> None:
        many = {f"x_{number}": "1" for number in range(110)}
        long = "x" * 60_000
        for path, headers in (("/score", {"x_large": long}), (f"/score?{long}", {}), ("/score", many)):
            assert scoring.ask(path, {}, **headers).status_code == 200

    def test_swagger_is_there(self, scoring: Served) -> None:
        assert scoring.ask("/swagger.json").json()["info"]["title"] == "shop"

    def test_a_failing_init_ends_with_three(self, server_python: Path, tmp_path: Path, serve: Start) -> None:
        layout = laid_out(tmp_path, {"sub/score.py": FAILING}, RECIPE)
        served = serve(lambda port: command(RECIPE, layout, server_python, port))
        assert served.process.wait(60) == 3
        assert "ValueError: no weights" in served.log.read_text()

    def test_a_logging_configuration_of_the_users_wins(
        self, server_python: Path, tmp_path: Path, serve: Start
    ) -> None:
        own = b"import logging\n\ndef init():\n    logging.basicConfig(format='mine<%(message)s>', force=False)\n"
        own += b"    logging.getLogger('a').info('formatted')\n\ndef run(data):\n    return data\n"
        layout = laid_out(tmp_path, {"sub/score.py": own}, RECIPE)
        served = serve(lambda port: command(RECIPE, layout, server_python, port)).ready()
        assert "mine<formatted>" in served.log.read_text()
        assert served.stop() == 0

    def test_an_older_server_that_the_user_pinned_scores(
        self, build: Callable[..., Path], tmp_path: Path, serve: Start
    ) -> None:
        python = build("azureml-inference-server-http==1.4.1")
        files = {"sub/score.py": SCORE, "helper.py": b"VALUE = 40", "sub/sibling.py": b"OTHER = 2"}
        layout = laid_out(tmp_path, files, RECIPE)
        served = serve(lambda port: command(RECIPE, layout, python, port)).ready()
        answer = served.ask("/score", {})
        assert answer.json()["value"] == 42
        assert answer.headers["x-ms-server-version"] == "azmlinfsrv/1.4.1"
        assert "root says hello" in served.log.read_text()
