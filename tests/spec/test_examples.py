"""The example repository is what people copy first: it has no problem, and says what it promises."""

import json
import re
import runpy
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import jsonschema
import pytest
import yaml

from spec.catalog import EndpointSpec
from spec.loader import Loaded
from spec.policy import Pause
from spec.release import Server

EXAMPLES = Path(__file__).parents[2] / "examples" / "repo"
SMALL = 20_000


def files() -> dict[str, bytes | str]:
    found = (path for path in EXAMPLES.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(EXAMPLES).as_posix(): path.read_bytes() for path in found}


@pytest.fixture
def examples(repository: dict[str, bytes | str], loaded: Callable[[], Loaded]) -> Loaded:
    repository.clear()
    repository.update(files())
    return loaded()


@pytest.fixture
def endpoints(examples: Loaded) -> dict[str, EndpointSpec]:
    return dict(examples.catalog.endpoints)


def test_there_is_no_problem(examples: Loaded) -> None:
    assert examples.catalog.problems == ()
    assert sorted(examples.catalog.endpoints) == ["card-fraud", "diabetes", "iris"]


def test_the_first_endpoint_needs_only_the_inference_server(endpoints: dict[str, EndpointSpec]) -> None:
    assert min(endpoints) == "card-fraud"
    blue = endpoints["card-fraud"].deployment("blue")
    assert blue is not None
    assert blue.recipe.environment.requirements == ()
    assert blue.recipe.environment.python == "3.11"
    assert blue.notes == ()


def test_two_models_share_the_traffic_and_one_environment(endpoints: dict[str, EndpointSpec]) -> None:
    assert endpoints["diabetes"].traffic == (("blue", 90), ("green", 10))
    blue, green = endpoints["diabetes"].deployments
    assert blue.recipe.environment.requirements == green.recipe.environment.requirements
    assert "scikit-learn==1.5.2.*" in blue.recipe.environment.requirements
    assert [one.recipe.model and one.recipe.model.version for one in (blue, green)] == ["1", "2"]


def test_the_mlflow_model_needs_no_code(endpoints: dict[str, EndpointSpec]) -> None:
    (blue,) = endpoints["iris"].deployments
    assert blue.recipe.server is Server.MLFLOW
    assert blue.recipe.code is None
    assert "mlflow-skinny==2.22.1" in blue.recipe.environment.requirements


def test_every_endpoint_has_a_sample_request(endpoints: dict[str, EndpointSpec]) -> None:
    for endpoint in endpoints.values():
        assert json.loads((EXAMPLES / endpoint.file).with_name("sample-request.json").read_text())


def test_models_are_small_and_made_with_the_pinned_versions() -> None:
    models = [path for path in EXAMPLES.rglob("*") if path.suffix in (".joblib", ".pkl")]
    assert len(models) == 3
    assert max(path.stat().st_size for path in models) < SMALL
    iris = EXAMPLES / "models" / "iris" / "model"
    pinned = (iris / "requirements.txt").read_text().splitlines()
    flavours = yaml.safe_load((iris / "MLmodel").read_text())
    assert f"scikit-learn=={flavours['flavors']['sklearn']['sklearn_version']}" in pinned
    assert f"mlflow-skinny=={flavours['mlflow_version']}" in pinned
    shared = (EXAMPLES / "environments" / "sklearn-conda.yml").read_text()
    ours = {line.replace("=", "==") for line in re.findall(r"(?:numpy|scipy|scikit-learn)=[\d.]+", shared)}
    assert len(ours) == 3
    assert ours <= set(pinned)


def test_headgates_own_files_are_few() -> None:
    kinds = {path.name: yaml.safe_load(path.read_text()).get("kind") for path in EXAMPLES.rglob("*.yml")}
    own = {name: kind for name, kind in kinds.items() if kind is not None}
    assert own == {"headgate.yml": "settings", "careful.yml": "rollout_policy", "checks.yml": "checks"}


def test_one_endpoint_has_a_policy_that_can_be_watched(endpoints: dict[str, EndpointSpec]) -> None:
    names = {name: endpoint.policy.name for name, endpoint in endpoints.items()}
    assert names == {"card-fraud": "careful", "diabetes": "built-in", "iris": "built-in"}
    steps = endpoints["card-fraud"].policy.steps
    assert sum(step.for_s or 0 for step in steps) <= 30
    assert not [step for step in steps if isinstance(step, Pause) and step.for_s is None]


def test_the_checks_hold_for_what_the_example_answers(
    endpoints: dict[str, EndpointSpec], monkeypatch: pytest.MonkeyPatch
) -> None:
    checks = endpoints["card-fraud"].deployments[0].checks
    assert checks is not None
    sample, small, empty = checks.checks
    run = scoring(monkeypatch)
    jsonschema.validate(run(sample.body), json.loads(sample.schema))
    (answer,) = run(small.body)
    (expected,) = json.loads(small.expect)
    assert answer["review"] == expected["review"]
    assert answer["probability"] == pytest.approx(expected["probability"], abs=small.tolerance)
    assert (run(empty.body).status, empty.status) == (400, 400)


def scoring(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """The example's `run`, with a stand-in for the inference server's module."""
    server = types.ModuleType("azureml_inference_server_http.api.aml_response")
    server.AMLResponse = lambda body, status, **_: types.SimpleNamespace(body=body, status=status)  # type: ignore[attr-defined]
    for name in ("azureml_inference_server_http", "azureml_inference_server_http.api", server.__name__):
        monkeypatch.setitem(sys.modules, name, server)
    folder = EXAMPLES / "endpoints" / "card-fraud"
    monkeypatch.setenv("AZUREML_MODEL_DIR", str(folder / "model"))
    found = runpy.run_path(str(folder / "code" / "score.py"))
    found["init"]()
    return cast("Callable[[str], Any]", found["run"])
