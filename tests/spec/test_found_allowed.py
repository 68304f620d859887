"""Every problem says what was found and what is allowed, and none gives a secret away."""

from collections.abc import Callable

import pytest

from spec.document import parse, show
from spec.loader import Loaded
from spec.problem import Problem, is_unsaid

Build = Callable[..., Loaded]

ENDPOINT = "name: shop\nauth_mode: key\n"
HEAD = "name: blue\nendpoint_name: shop\n"
MANAGED = HEAD + "instance_type: Standard_DS3_v2\n"
CODE = "code_configuration: {code: code, scoring_script: score.py}\n"
CONDA = "environment: {conda_file: conda.yml}\n"
MODEL = "model: {path: model/model.pkl}\n"
GOOD = MANAGED + MODEL + CODE
REQUIREMENT = "a requirement that pip installs"
WHOLE = "a sum of 0 or 100"


def only(found: Loaded) -> Problem:
    (problem,) = found.catalog.problems
    return problem


@pytest.mark.parametrize(
    ("text", "field", "found", "allowed"),
    [
        ("traffic: {blue: 70, green: 20}\n", "traffic", "blue: 70, green: 20", WHOLE),
        ("traffic: {blue: 170}\n", "traffic", "blue: 170", WHOLE),
        ("traffic: {blue: 120, green: -20}\n", "traffic", "blue: 120, green: -20", "0 to 100"),
        ("mirror_traffic: {green: 77}\n", "mirror_traffic", "green: 77", "0 to 50"),
        ("mirror_traffic: {blue: 1, green: 2}\n", "mirror_traffic", "blue: 1, green: 2", "one deployment"),
        ("traffic: {blue: 100}\nmirror_traffic: {blue: 10}\n", "mirror_traffic.blue", "blue", "green"),
        ("traffic: {blue: 90, Blue: 10}\n", "traffic", "blue, Blue", "each deployment once"),
        ("tags: [a]\n", "tags", "a list", "a mapping"),
        ("description: x\ndescription: y\n", "description", "description", "each key once"),
        ("description: '{{WHAT}}'\n", "description", "WHAT", "a value"),
        ("description:\n", "description", "", "a value"),
    ],
)
def test_of_an_endpoint(loaded: Build, text: str, field: str, found: str, allowed: str) -> None:
    files = {"endpoint.yml": ENDPOINT + text, "green.yml": GOOD.replace("blue", "green") + CONDA}
    problem = only(loaded(files))
    assert (problem.field, problem.found, problem.allowed) == (field, found, allowed)


@pytest.mark.parametrize(
    ("text", "field", "found", "allowed"),
    [
        (GOOD + CONDA + "instance_count: 51\n", "instance_count", "51", "1 to 50"),
        (GOOD, "environment", "", "azureml:NAME:VERSION, or a mapping with conda_file, image or build"),
        (MANAGED + MODEL + CONDA, "code_configuration", "",
         "a mapping with code and scoring_script, or model.type mlflow_model"),
        (GOOD + "environment: {image: a/b:1, build: {path: code}}\n", "environment.build",
         "image: a/b:1, build: code", "image or build"),
        (GOOD + "environment: {conda_file: {dependencies: [cudatoolkit=11]}}\n",
         "environment.conda_file.dependencies.0", "cudatoolkit=11", REQUIREMENT),
        (GOOD + "environment: {dependencies: [numpy]}\n", "environment", "dependencies", "image, build, conda_file"),
        (MANAGED + CODE + CONDA + "model: {path: model, version: 3}\n", "model", "version: 3", "name"),
        (MANAGED + CODE + CONDA + "model: {name: m}\n", "model.path", "", "a file or folder"),
        (MANAGED + MODEL + CONDA + "code_configuration: {code: code}\n", "code_configuration.scoring_script", "",
         "a script in the folder"),
        (GOOD + CONDA + "scale_settings: {type: default, max_instances: 3}\n", "scale_settings", "max_instances",
         "type"),
        (GOOD + CONDA + "environment_variables: [A=hunter2]\n", "environment_variables", "(not shown)", "a mapping"),
    ],
)  # fmt: skip
def test_of_a_deployment(loaded: Build, text: str, field: str, found: str, allowed: str) -> None:
    problem = only(loaded({"blue.yml": text}))
    assert (problem.field, problem.found, problem.allowed) == (field, found, allowed)


def test_of_packages_in_files_of_their_own(loaded: Build) -> None:
    problem = only(loaded({"conda.yml": "dependencies: [python=3.11, cudatoolkit=11]\n"}))
    assert (problem.field, problem.found, problem.allowed) == ("dependencies.1", "cudatoolkit=11", REQUIREMENT)
    text = GOOD + "environment: {conda_file: r.txt}\n"
    problem = only(loaded({"blue.yml": text, "r.txt": "numpy\n--index-url https://me:hun@ter2@host/simple\n"}))
    assert (problem.line, problem.allowed) == (2, REQUIREMENT)
    assert problem.found == "--index-url https://***@host/simple"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("name: blue\nendpoint_name: [shop\ntags: {a: b}\n", "tags: {a: b}"),
        ("name: !!set {a}\n", "name: !!set {a}"),
        ("name: {{X}}: a: b\n", "name: {{X}}: a: b"),
        ("name: b\nmodel: https://me:pw@host/x: y\n", "model: https://***@host/x: y"),
        ("name: blue\nenvironment_variables:\n  A: hunter2: x\n", ""),
        ("name: blue\nenvironment_variables: {A: 'x: hunter2, B: [}\n", ""),
        ("enviroment-variables:\nA: hunter2: x\n", ""),
        ("environment_variables:\n  A: b\nname: blue: x\n", "name: blue: x"),
        ("kind: values\nvalues:\n  A: hunter2: x\n", ""),
        ("values:\n  A: hunter2: x\nkind: values\n", ""),
        ("name: a\napi_key: hunter2: x\n", ""),
        (f"name: a\nfree: {'hunter2' * 5}: x\n: y: z", ""),
    ],
)
def test_a_line_that_does_not_parse_is_shown_unless_it_may_hold_a_secret(text: str, found: str) -> None:
    (problem,) = parse("f.yml", text.encode()).problems
    assert problem.found == found
    assert "hunter2" not in str(problem)


def test_where_nothing_is_declared_it_is_said_what_could_be(loaded: Build) -> None:
    files = {"blue.yml": None, "endpoint.yml": ENDPOINT + "traffic: {blue: 100}\n"}
    assert only(loaded(files)).allowed == "a deployment that a file declares"
    assert (
        only(loaded({"endpoint.yml": None, "blue.yml": GOOD + CONDA})).allowed == "an endpoint that a file declares"
    )


def test_rivals_and_strangers_are_told_what_is_allowed(loaded: Build) -> None:
    policy = "kind: rollout_policy\nname: p\n"
    warnings = loaded({"p.yml": policy + "endpoints: [shpo]\n"}).catalog.warnings
    assert [(one.found, one.allowed) for one in warnings] == [("shpo", "shop")]
    found = loaded({"p.yml": "kind: settings\n", "q.yml": "kind: settings\n"}).catalog
    assert {(one.found, one.allowed) for one in found.unattributed} == {("settings", "one such file")}


def test_a_long_line_is_cut() -> None:
    (problem,) = parse("f.yml", b"name: a: " + b"long " * 100).problems
    assert len(problem.found) == 80


@pytest.mark.parametrize("path", [("environment_variables", "A"), ("checks", 0, "headers", "Authorization")])
def test_values_that_may_be_secrets_are_not_shown(path: tuple[str | int, ...]) -> None:
    assert show("hunter2", path) == "(not shown)"


def test_what_a_message_does_not_say_is_said_after_it() -> None:
    def said(message: str, found: str) -> str:
        return str(Problem("f.yml", 1, 1, "a", message, found))

    assert said("`a` must be from 1 to 50.", "51") == "f.yml:1:1: a: `a` must be from 1 to 50. Found: 51."
    assert said("`a` must be from 1 to 50.", "0").endswith(" Found: 0.")
    assert said("`a` adds up to 51 percent.", "51") == "f.yml:1:1: a: `a` adds up to 51 percent."
    assert not is_unsaid("(not shown)", "`a` must be text.")
