"""Every problem is said at once: none hides another, and none is said that another one explains."""

import pytest

from spec.loader import Loaded
from tests.spec.commits import CONDA, DEPLOYMENT, ENDPOINT, without
from tests.spec.conftest import Check

WRONG = """\
name: blue
endpoint_name: shop
model: {path: model/modle.pkl}
code_configuration: {code: code, scoring_script: scor.py}
environment: {conda_file: cond.yml}
instance_type: Standard_DS3_v22
"""
PLACES = ["code_configuration.scoring_script", "environment.conda_file", "instance_type", "model.path"]
GOOD = """\
name: blue
endpoint_name: shop
model: {path: model/model.pkl}
code_configuration: {code: code, scoring_script: score.py}
environment: {conda_file: conda.yml}
instance_type: Standard_DS3_v2
"""
K8S_ENDPOINT = "name: shop\ncompute: azureml:k8s\ntraffic: {blue: 100}\n"
K8S_SETTINGS = "kind: settings\ncomputes: {k8s: process}\n"
K8S = without(GOOD, "instance_type") + "type: kubernetes\n"


def fields(loaded: Loaded, file: str = "blue.yml") -> list[str]:
    """The fields with a problem in one file, each problem once."""
    found = [problem for problem in loaded.catalog.problems if problem.file == file]
    assert "shop" not in loaded.catalog.endpoints
    return sorted(problem.field for problem in found)


@pytest.mark.parametrize(
    ("endpoint", "place"),
    [
        (ENDPOINT.replace("auth_mode: key", "auth_mode: kee"), "auth_mode"),
        (ENDPOINT.replace("100", "90"), "traffic"),
        (ENDPOINT.replace("traffic:", "trafic:"), "trafic"),
        (ENDPOINT + "nonsense: 1\n", "nonsense"),
        (ENDPOINT.replace("name: shop", "name: shop\nname: shop"), "name"),
    ],
)
def test_an_endpoints_problem_hides_none_of_its_deployments(loaded: Check, endpoint: str, place: str) -> None:
    found = loaded({"endpoint.yml": endpoint, "blue.yml": WRONG})
    assert fields(found, "endpoint.yml") == [place]
    assert fields(found) == PLACES


@pytest.mark.parametrize("files", [{"endpoint.yml": None}, {"endpoint.yml": "name: shop\nauth_mode: [\n"}])
def test_an_endpoint_that_is_not_there_hides_none_either(loaded: Check, files: dict[str, str | None]) -> None:
    orphaned = ["endpoint_name"] if files["endpoint.yml"] is None else []
    assert fields(loaded({**files, "blue.yml": WRONG})) == sorted([*PLACES, *orphaned])


def test_a_wrong_endpoints_traffic_is_still_held_against_its_deployments(loaded: Check) -> None:
    found = loaded({"endpoint.yml": "name: shop\nauth_mode: kee\ntraffic: {blu: 90, blue: 0}\n"})
    assert fields(found, "endpoint.yml") == ["auth_mode", "traffic", "traffic.blu"]


@pytest.mark.parametrize(
    ("line", "place"),
    [
        ("request_settings: {request_timeout_ms: 999999999}", "request_settings.request_timeout_ms"),
        ("instance_count: 99", "instance_count"),
        ("instnce_count: 2", "instnce_count"),
        ("environment_variables: {A: '${UNFILLED}'}", "environment_variables.A"),
        ("scale_settings: {type: target_utilization}", "scale_settings"),
        ("tags: {a: b}\ntags: {a: b}", "tags"),
    ],
)
def test_a_wrong_field_hides_no_other_one(loaded: Check, line: str, place: str) -> None:
    assert fields(loaded({"blue.yml": f"{WRONG}{line}\n"})) == sorted([*PLACES, place])


def test_a_wrong_field_hides_no_unknown_reference(loaded: Check) -> None:
    text = without(without(GOOD, "model"), "environment")
    text += "model: azureml:rge:1\nenvironment: azureml:nothing:1\ninstance_count: 99\n"
    assert fields(loaded({"blue.yml": text})) == ["environment", "instance_count", "model"]


@pytest.mark.parametrize(
    ("files", "file", "places"),
    [
        ({"m.yml": "name: m\npath: nowhere\ntags: 5\n"}, "m.yml", ["path", "tags"]),
        ({"e.yml": "name: e\nconda_file: no.yml\nos_type: mac\n"}, "e.yml", ["conda_file", "os_type"]),
        ({"e.yml": "name: e\nconda_file: no.yml\nos_type: windows\n"}, "e.yml", ["conda_file", "os_type"]),
        ({"conda.yml": CONDA.replace("numpy=2.3.1", "numpy=")}, "conda.yml", ["dependencies.1"]),
    ],
)
def test_what_a_wrong_deployment_refers_to_is_looked_at(
    loaded: Check, files: dict[str, str], file: str, places: list[str]
) -> None:
    text = GOOD + "instance_count: 99\n"
    if "m.yml" in files:
        text = without(text, "model:") + "model: azureml:m:1\n"
    if "e.yml" in files:
        text = without(text, "environment:") + "environment: azureml:e:1\n"
    found = loaded({**files, "blue.yml": text})
    assert fields(found, file) == places
    assert fields(found) == ["instance_count"]


@pytest.mark.parametrize(
    ("text", "places"),
    [
        (without(GOOD, "instance_type") + "instance_typ: Standard_DS3_v2\n", ["instance_typ"]),
        (without(GOOD, "environment") + "enviroment: {conda_file: conda.yml}\n", ["enviroment"]),
        (without(GOOD, "environment") + "environment: {conda_fil: conda.yml}\n", ["environment.conda_fil"]),
        (without(GOOD, "environment") + "environment: {image: x, conda_fil: y}\n", ["environment.conda_fil"]),
        (without(GOOD, "environment") + "environment: {build: {pth: x}}\n", ["environment.build.pth"]),
        (without(GOOD, "environment") + "environment: 5\n", ["environment"]),
        (without(GOOD, "environment") + "environment: azureml:no:1\n", ["environment"]),
        (without(GOOD, "environment") + "environment: '{{ENV}}'\n", ["environment"]),
        (without(GOOD, "code") + "code_confguration: {code: code}\n", ["code_confguration"]),
        (without(GOOD, "code") + "code_configuration: {code: code, scoring_scrip: x}\n",
         ["code_configuration.scoring_scrip"]),
        (without(without(GOOD, "code"), "model") + "model: {path: model, type: mlflow_modl}\n", ["model.type"]),
        (without(without(GOOD, "code"), "model") + "model: azureml:no:1\n", ["model"]),
        (without(GOOD, "model") + "model: {pth: model}\n", ["model.pth"]),
        (without(without(GOOD, "model"), "environment") + "model: {path: code, type: mlflow_model}\n",
         ["environment"]),
        (without(GOOD, "instance_type") + "instance_type: '{{SIZE}}'\n", ["instance_type"]),
        (without(GOOD, "instance_type") + "type: kuberntes\nresources: {limits: {cpu: 1}}\n", ["type"]),
        (GOOD + "type: managd\n", ["type"]),
        (without(GOOD, "name: "), ["name"]),
        (without(GOOD, "name: ") + "nmae: blue\n", ["nmae"]),
    ],
)  # fmt: skip
def test_what_follows_from_a_problem_is_not_said(loaded: Check, text: str, places: list[str]) -> None:
    found = loaded({"blue.yml": text})
    assert fields(found) == places
    assert {problem.file for problem in found.catalog.problems} == {"blue.yml"}


def test_independent_things_that_are_missing_are_said_together(loaded: Check) -> None:
    text = without(without(GOOD, "code"), "environment") + "instance_count: 99\ninstance_type: nothing\n"
    found = loaded({"blue.yml": without(text, "instance_type: Standard")})
    said = " ".join(problem.message for problem in found.catalog.problems)
    assert fields(found) == ["code_configuration", "environment", "instance_count", "instance_type"]
    assert "`environment` is missing" in said
    assert "`code_configuration` is missing" in said


def test_a_container_is_refused_beside_other_problems(loaded: Check) -> None:
    text = without(GOOD, "environment") + "environment: {image: x}\ninstance_count: 99\n"
    assert fields(loaded({"blue.yml": text})) == ["environment", "instance_count"]


class TestKubernetes:
    def test_a_missing_type_is_the_only_problem(self, loaded: Check) -> None:
        text = without(K8S, "type") + "resources: {limits: {cpu: 1}}\n"
        found = loaded({"endpoint.yml": K8S_ENDPOINT, "settings.yml": K8S_SETTINGS, "blue.yml": text})
        assert fields(found) == ["type"]

    def test_a_misspelt_compute_says_nothing_of_deployments(self, loaded: Check) -> None:
        found = loaded({"endpoint.yml": K8S_ENDPOINT.replace("compute", "compue"), "blue.yml": K8S})
        assert fields(found) == []
        assert fields(found, "endpoint.yml") == ["compue"]

    def test_every_amount_is_looked_at(self, loaded: Check) -> None:
        text = K8S + "resources: {limits: {cpu: x, memory: y}}\ninstance_type: nothing\n"
        found = loaded({"endpoint.yml": K8S_ENDPOINT, "settings.yml": K8S_SETTINGS, "blue.yml": text})
        assert fields(found) == ["instance_type", "resources.limits.cpu", "resources.limits.memory"]


CHECKS = "kind: checks\ndeployment: blue\nchecks:\n"


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("- {name: a, request_file: no.json, timout: 5s}\n- {name: b}\n",
         ["checks.0.request_file", "checks.0.timout", "checks.1"]),
        ("- {name: a, request: 1, status: 9}\n- {name: a, request: 1}\n", ["checks.0.status", "checks.1.name"]),
        ("- {name: a, reqest_file: no.json}\n", ["checks.0.reqest_file"]),
        ("- {name: a, method: GTE}\n", ["checks.0.method"]),
        ("- {name: a, request: 1, max_differenc: 1}\nmax_changed: 3\n", ["checks.0.max_differenc"]),
        ("- {request: 1}\n", ["checks.0.name"]),
        ("- {name: a, request: '{{X}}'}\n- {name: b}\n", ["checks.0.request", "checks.1"]),
    ],
)  # fmt: skip
def test_all_that_is_wrong_with_checks_is_said(loaded: Check, text: str, places: list[str]) -> None:
    assert fields(loaded({"checks.yml": CHECKS + text}), "checks.yml") == places


def test_settings_that_cannot_be_read_hide_nothing_and_are_not_taken_for_empty(loaded: Check) -> None:
    text = (
        without(without(WRONG, "environment"), "instance_type") + "instance_type: own\nenvironment: azureml:own:1\n"
    )
    found = loaded({"settings.yml": "kind: settings\ncomputes: 5\n", "blue.yml": text})
    assert fields(found) == ["code_configuration.scoring_script", "model.path"]
    assert fields(found, "settings.yml") == ["computes"]
    found = loaded({"endpoint.yml": K8S_ENDPOINT, "blue.yml": K8S})
    assert fields(found, "endpoint.yml") == []


def test_a_deployment_of_no_known_endpoint_is_looked_at(loaded: Check) -> None:
    lost = without(WRONG, "endpoint_name") + "endpoint_nme: shop\n"
    found = loaded({"endpoint.yml": None, "e/endpoint.yml": ENDPOINT.replace("100", "0"), "blue.yml": lost})
    assert sorted(problem.field for problem in found.catalog.unattributed) == sorted([*PLACES, "endpoint_nme"])


def test_a_good_repository_has_none(loaded: Check) -> None:
    assert loaded({"blue.yml": GOOD}).catalog.problems == ()
    assert loaded({"blue.yml": DEPLOYMENT}).catalog.problems == ()
