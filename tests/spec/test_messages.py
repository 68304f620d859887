"""Messages say what is possible, and name the file that is meant."""

from collections.abc import Callable

import pytest

from spec.loader import Loaded

Build = Callable[..., Loaded]

HEAD = "name: blue\nendpoint_name: shop\ninstance_type: Standard_DS3_v2\nmodel: {path: model/model.pkl}\n"
ROUTE = "_route: {path: /x, port: 80}"
ROUTES = f"{{liveness{ROUTE}, readiness{ROUTE}, scoring{ROUTE}}}"
CODE = "code_configuration: {code: code, scoring_script: score.py}\n"


@pytest.mark.parametrize(
    ("written", "said", "unsaid"),
    [("keys", "must be one of: key, aml_token.", "aad_token"), ("AadToken", "no access by OpenID Connect", "one of")],
)
def test_an_auth_mode_that_is_not_served_is_not_offered(loaded: Build, written: str, said: str, unsaid: str) -> None:
    found = loaded({"endpoint.yml": f"name: shop\nauth_mode: {written}\ntraffic: {{blue: 100}}\n"})
    (problem,) = found.catalog.broken["shop"]
    assert said in problem.message
    assert unsaid not in problem.message
    assert problem.allowed == "key, aml_token"


def test_an_environment_is_named_by_the_file_that_holds_its_packages(loaded: Build) -> None:
    def label(environment: str) -> str:
        text = f"{HEAD}{CODE}environment: {environment}\n"
        found = loaded({"blue.yml": text, "env/conda.yml": "dependencies: [python=3.11]\n"}).catalog
        return found.endpoints["shop"].deployments[0].recipe.environment.label

    assert label("{conda_file: env/conda.yml}") == "env/conda.yml"
    assert label("{conda_file: {dependencies: [python=3.11]}}") == "the environment in blue.yml"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (HEAD + CODE + "environment: {image: my/own:1}\n", "its environment is the image `my/own:1`"),
        (HEAD + CODE + "environment: {build: {path: docker}}\n", "its environment is a Docker `build`"),
        (HEAD + CODE + f"environment: {{image: my/own:1, conda_file: conda.yml, inference_config: {ROUTES}}}\n",
         "the image `my/own:1` with an `inference_config` of its own"),
        (HEAD.replace("path: model/model.pkl", "path: model, type: triton_model"), "its model is a Triton model"),
    ],
)  # fmt: skip
def test_a_container_is_refused_with_the_runtime_to_use_and_what_works_today(
    loaded: Build, text: str, reason: str
) -> None:
    found = loaded({"blue.yml": text, "docker/Dockerfile": "FROM scratch\n"})
    (problem,) = found.catalog.broken["shop"]
    assert reason in problem.message
    assert "the runtime to use is `docker` or `kubernetes`, and this version has only `process`" in problem.message
    assert "Name packages by `conda_file` and code by `code_configuration`" in problem.message
