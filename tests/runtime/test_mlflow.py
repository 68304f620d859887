"""MLflow models without code: Azure's request forms and MLflow's own, on a real model and a real server."""

import ast
import base64
import subprocess
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any, Literal, Protocol

import httpx
import pytest

from runtime.artifacts import Artifacts
from runtime.launch import Launch, command
from runtime.layouts import Layouts
from spec.release import Artifact, Environment, InstanceType, Model, Recipe, ReleaseRef, Server

pytestmark = pytest.mark.real

MAKE_MODELS = """
import sys
import mlflow.pyfunc
import numpy as np
import pandas as pd
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema, TensorSpec


class Columns(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        if (model_input["count"] < 0).any():
            raise RuntimeError("the model itself fails")
        factor = (params or {}).get("factor", 1)
        return pd.DataFrame({
            "said": model_input["name"].map(lambda name: name + "!"),
            "total": model_input["count"] * model_input["price"] * factor,
            "when": model_input["at"].map(lambda at: at.year),
            "raw": model_input["raw"].map(len),
            "on": model_input["on"],
        })


class Tensors(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return (model_input if isinstance(model_input, np.ndarray) else model_input["x"]).sum(axis=1)


class Free(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return type(model_input).__name__, np.asarray(model_input).shape


columns = Schema([
    ColSpec("string", "name"), ColSpec("long", "count"), ColSpec("double", "price"), ColSpec("datetime", "at"),
    ColSpec("binary", "raw"), ColSpec("boolean", "on"),
])
factor = ParamSchema([ParamSpec("factor", "long", 1)])
output = Schema([ColSpec("string", "said")])
root = sys.argv[1]
signed = ModelSignature(inputs=columns, outputs=output, params=factor)
mlflow.pyfunc.save_model(root + "/columns", python_model=Columns(), signature=signed, pip_requirements=[])
tensor = ModelSignature(inputs=Schema([TensorSpec(np.dtype("float32"), (-1, 2), "x")]))
mlflow.pyfunc.save_model(root + "/tensors", python_model=Tensors(), signature=tensor, pip_requirements=[])
mlflow.pyfunc.save_model(root + "/free", python_model=Free(), pip_requirements=[])
"""

ROW = {
    "name": "tea",
    "count": 2,
    "price": 1.5,
    "at": "2024-05-01",
    "raw": base64.b64encode(b"abc").decode(),
    "on": True,
}
NAMES = list(ROW)
VALUES = list(ROW.values())
SPLIT = {"columns": NAMES, "data": [VALUES]}
ANSWER = [{"said": "tea!", "total": 3.0, "when": 2024, "raw": 3, "on": True}]


class Served(Protocol):
    """A model server as a child process (see conftest)."""

    log: Path

    def ask(self, path: str, body: object = None, **headers: str) -> httpx.Response: ...
    def ready(self) -> "Served": ...


Start = Callable[[Callable[[int], Launch]], Served]


class Copying:
    """An exporter of directories that lie on disk."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def export(self, oid: str, kind: Literal["file", "directory"], destination: Path, _path: str) -> None:
        assert kind == "directory"
        subprocess.run(["cp", "-r", str(self.root / oid), str(destination)], check=True)


@pytest.fixture(scope="module")
def mlflow_python(build: Callable[..., Path]) -> Path:
    return build("mlflow-skinny", "pandas", "numpy", "azureml-inference-server-http")


@pytest.fixture(scope="module")
def models(mlflow_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("models")
    env = {"PATH": "/usr/bin:/bin", "HOME": str(root), "MLFLOW_DISABLE_TELEMETRY": "true"}
    made = subprocess.run(
        [str(mlflow_python), "-W", "ignore", "-c", MAKE_MODELS, str(root)],
        env=env,
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    return root


@pytest.fixture(scope="module")
def serving(
    models: Path, mlflow_python: Path, tmp_path_factory: pytest.TempPathFactory, serve: Start
) -> Callable[[str], Served]:
    state = tmp_path_factory.mktemp("m")
    layouts = Layouts(state, Artifacts(state / "artifacts", Copying(models)))

    def start(name: str) -> Served:
        recipe = Recipe(
            server=Server.MLFLOW,
            runtime="process",
            environment=Environment("inline"),
            instance_type=InstanceType("Standard_DS1_v2", 1, 2**30),
            model=Model(name, "1", "mlflow_model", Artifact(name, "directory", f"models/{name}")),
            request_timeout_ms=20_000,
        )
        release = ReleaseRef(name, "blue", "000000000000")
        layout = layouts.ensure(release, recipe)
        return serve(lambda port: command(recipe, layout, mlflow_python, port)).ready()

    return start


@pytest.fixture(scope="module")
def columns(serving: Callable[[str], Served]) -> Served:
    return serving("columns")


@pytest.fixture(scope="module")
def tensors(serving: Callable[[str], Served]) -> Served:
    return serving("tensors")


class TestColumns:
    """A signature of named columns."""

    @pytest.mark.parametrize(
        "body",
        [
            {"input_data": SPLIT},
            {"input_data": {**SPLIT, "index": [7]}},
            {"input_data": [ROW]},
            {"input_data": {name: [value] for name, value in ROW.items()}},
            {"input_data": {"columns": NAMES, "data": [["tea", 2.0, "1.5", "2024-05-01T10:00:00", "YWJj", 1]]}},
        ],
    )
    def test_azures_forms_answer_bare_records(self, columns: Served, body: dict[str, Any]) -> None:
        answer = columns.ask("/score", body)
        assert (answer.status_code, answer.json()) == (200, ANSWER)
        assert answer.headers["x-ms-run-function-failed"] == "False"

    @pytest.mark.parametrize(
        "body",
        [
            {"dataframe_split": SPLIT},
            {"dataframe_records": [ROW]},
            {"instances": [ROW]},
            {"inputs": {name: [value] for name, value in ROW.items()}},
        ],
    )
    def test_mlflows_forms_answer_predictions(self, columns: Served, body: dict[str, Any]) -> None:
        answer = columns.ask("/score", body)
        assert (answer.status_code, answer.json()) == (200, {"predictions": ANSWER})

    def test_csv(self, columns: Served) -> None:
        body = b"name,count,price,at,raw,on\ntea,2,1.5,2024-05-01,YWJj,True\n"
        answer = columns.ask("/score", body, content_type="text/csv")
        assert answer.json() == {"predictions": ANSWER}

    def test_numbers_become_the_strings_that_the_signature_asks_for(self, columns: Served) -> None:
        answer = columns.ask("/score", {"input_data": {"columns": NAMES, "data": [[5, *VALUES[1:]]]}})
        assert answer.json()[0]["said"] == "5!"

    def test_params_reach_the_model(self, columns: Served) -> None:
        answer = columns.ask("/score", {"input_data": SPLIT, "params": {"factor": 10}})
        assert answer.json()[0]["total"] == 30.0

    @pytest.mark.parametrize(
        ("body", "said"),
        [
            (b"{", "the body is not JSON"),
            ([1], "must be a JSON object"),
            ({}, "exactly one of input_data"),
            ({"input_data": SPLIT, "inputs": [1]}, "found input_data, inputs"),
            ({"input_data": SPLIT, "params": 3}, "params must be"),
            ({"input_data": [VALUES]}, "named columns"),
            ({"input_data": 3}, "must be an object"),
            ({"input_data": {"columns": ["a", "b"], "data": [[1]]}}, "do not make a table"),
            ({"input_data": {"columns": ["name"], "data": [["x"]]}}, "count"),
            ({"input_data": {"columns": NAMES, "data": [["tea", "many", *VALUES[2:]]]}}, "'count' is not long"),
            ({"input_data": {"columns": NAMES, "data": [["tea", 1.5, *VALUES[2:]]]}}, "fractions"),
            (
                {"input_data": {"columns": NAMES, "data": [[*VALUES[:3], "no day", *VALUES[4:]]]}},
                "'at' is not datetime",
            ),
            ({"input_data": {"columns": NAMES, "data": [[*VALUES[:5], "maybe"]]}}, "'on' is not boolean"),
            ({"dataframe_records": {"a": 1}}, "list of objects"),
            ({"instances": {"a": 1}}, "instances must be a list"),
        ],
    )
    def test_a_wrong_request_is_a_400_that_says_why(self, columns: Served, body: object, said: str) -> None:
        answer = columns.ask("/score", body)
        assert answer.status_code == 400
        assert said in answer.json()["message"]

    def test_a_failing_model_is_a_500(self, columns: Served) -> None:
        answer = columns.ask("/score", {"input_data": {"columns": NAMES, "data": [["tea", -1, *VALUES[2:]]]}})
        assert answer.status_code == 500
        assert answer.headers["x-ms-run-function-failed"] == "True"
        assert "the model itself fails" in columns.log.read_text()

    def test_get_is_refused(self, columns: Served) -> None:
        assert columns.ask("/score").status_code == 405


class TestTensors:
    """A signature of tensors."""

    @pytest.mark.parametrize(
        ("body", "answer"),
        [
            ({"input_data": [[1, 2], [3, 4]]}, [3.0, 7.0]),
            ({"input_data": {"x": [[1, 2]]}}, [3.0]),
            ({"inputs": {"x": [[1, 2]]}}, {"predictions": [3.0]}),
            ({"inputs": [[1, 2]]}, {"predictions": [3.0]}),
            ({"instances": [[1, 2]]}, {"predictions": [3.0]}),
            ({"instances": [{"x": [1, 2]}, {"x": [5, 5]}]}, {"predictions": [3.0, 10.0]}),
        ],
    )
    def test_forms(self, tensors: Served, body: dict[str, Any], answer: object) -> None:
        found = tensors.ask("/score", body)
        assert (found.status_code, found.json()) == (200, answer)

    @pytest.mark.parametrize(
        "body",
        [
            {"input_data": [["a", "b"]]},
            {"input_data": [[1, 2, 3]]},
            {"instances": [{"x": [1, 2]}, {"y": [1, 2]}]},
        ],
    )
    def test_a_wrong_tensor_is_a_400(self, tensors: Served, body: dict[str, Any]) -> None:
        assert tensors.ask("/score", body).status_code == 400


def test_the_script_keeps_to_python_3_8() -> None:
    source = resources.files("runtime.servers").joinpath("mlflow_score.py").read_text()
    assert ast.parse(source, feature_version=(3, 8)).body


def test_a_model_without_a_signature_takes_what_comes(serving: Callable[[str], Served]) -> None:
    free = serving("free")
    assert free.ask("/score", {"input_data": [[1, 2]]}).json() == ["ndarray", [1, 2]]
    assert free.ask("/score", {"input_data": {"columns": ["a"], "data": [[1]]}}).json() == ["DataFrame", [1, 1]]
