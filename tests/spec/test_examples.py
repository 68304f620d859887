"""The example repository is what people copy first: it has no problem, and says what it promises."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from spec.catalog import EndpointSpec
from spec.loader import Loaded
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


def test_only_the_settings_are_headgates_own() -> None:
    own = [path.name for path in EXAMPLES.rglob("*.yml") if "kind" in yaml.safe_load(path.read_text())]
    assert own == ["headgate.yml"]
