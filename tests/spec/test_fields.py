"""Every rule of the endpoint's and deployment's fields: a row a rule."""

from textwrap import dedent

import pytest

from spec.azure.asset import EnvironmentFile, ModelFile
from spec.azure.deployment import deployment_type
from spec.azure.endpoint import endpoint_type
from spec.document import parse
from spec.fields import snake
from spec.problem import Problem
from spec.validation import validate


def read(kind: str, text: str) -> tuple[object, tuple[Problem, ...]]:
    document = parse("f.yml", dedent(text).encode())
    assert not document.problems
    data = dict(document.mapping)
    model = {
        "endpoint": endpoint_type(data),
        "deployment": deployment_type(data),
        "model": ModelFile,
        "environment": EnvironmentFile,
    }[kind]
    return validate(model, document, document.data)


ENDPOINT_VALUES = [
    ("name: ABC", "name", "abc"),
    ("name: abc\nauth_mode: Key", "auth_mode", "key"),
    ("name: abc\nauth_mode: AMLToken", "auth_mode", "aml_token"),
    ("name: abc\nauth_mode: aml_token", "auth_mode", "aml_token"),
    ("name: abc", "auth_mode", "key"),
    ("name: abc", "traffic", {}),
    ("name: abc\ntraffic: {a: '60', b: 40.7}", "traffic", {"a": 60, "b": 40}),
    ("name: abc\ntraffic: {a: ' 1_00 '}", "traffic", {"a": 100}),
    ("name: abc\ntraffic: {a: 0, b: 100}", "traffic", {"b": 100}),
    ("name: abc\ntraffic: {a: 0}", "traffic", {}),
    ("name: abc\nmirror_traffic: {a: 50}", "mirror_traffic", {"a": 50}),
    ("name: abc\nmirror_traffic: {a: 0}", "mirror_traffic", {}),
    ("name: abc\npublic_network_access: Disabled", "public_network_access", "disabled"),
    ("name: abc\ntags: {1: 2}", "tags", {1: 2}),
    ("name: abc\ncompute: azureml:k8s", "compute", "k8s"),
    ("name: abc\n$schema: 1\nkind: Managed", "name", "abc"),
    ("name: abc\nscoring_uri: x\nid: y\nlocation: z\nprovisioning_state: w\nopenapi_uri: v", "name", "abc"),
]


@pytest.mark.parametrize(("text", "field", "value"), ENDPOINT_VALUES)
def test_endpoint_values(text: str, field: str, value: object) -> None:
    fields, problems = read("endpoint", text)
    assert problems == ()
    assert getattr(fields, field) == value


ENDPOINT_PROBLEMS = [
    ("{}", "1:1 name", "missing"),
    ("name: 5", "1:7 name", "in quotes"),
    ("name: a_b", "1:7 name", "letters, digits and hyphens"),
    ("name: abc-", "1:7 name", "letters, digits and hyphens"),
    ("name: 1abc", "1:7 name", "start with a letter"),
    ("name: 'abc\n\n'", "1:7 name", "start with a letter"),
    ("name: ab", "1:7 name", "3 to 32"),
    (f"name: {'a' * 33}", "1:7 name", "3 to 32"),
    ("name: abc\nauth_mode: aml-token", "2:12 auth_mode", "Did you mean `aml_token`?"),
    ("name: abc\nauth_mode: AADToken", "2:12 auth_mode", "Use `key` or `aml_token` until"),
    ("name: abc\nauth_mode:", "2:11 auth_mode", "is empty"),
    ("name: abc\ndescription: 3", "2:14 description", "in quotes"),
    ("name: abc\ntags:", "2:6 tags", "is empty"),
    ("name: abc\ntags: [a]", "2:7 tags", "mapping"),
    ("name: abc\ntraffic: {a: 60, b: 41}", "2:10 traffic", "adds up to 101"),
    ("name: abc\ntraffic: {a: 90}", "2:10 traffic", "adds up to 90"),
    ("name: abc\ntraffic: {a: -10, b: 110}", "2:10 traffic", "negative"),
    ("name: abc\ntraffic: {a: true}", "2:14 traffic.a", "whole number"),
    ("name: abc\ntraffic: {a: '33.5'}", "2:14 traffic.a", "whole number"),
    ("name: abc\ntraffic: {a: .inf}", "2:14 traffic.a", "whole number"),
    ("name: abc\ntraffic: {a: }", "2:14 traffic.a", "whole number"),
    ("name: abc\ntraffic: {1: 100}", "2:11 traffic.1", "in quotes"),
    ("name: abc\nmirror_traffic: {a: 51}", "2:17 mirror_traffic", "from 0 to 50"),
    ("name: abc\nmirror_traffic: {a: 10, b: 10}", "2:17 mirror_traffic", "one deployment only"),
    ("name: abc\ntrafic: {a: 100}", "2:1 trafic", "Did you mean `traffic`?"),
    ("name: abc\nx-own: 1", "2:1 x-own", "Known keys: auth_mode"),
    ("name: abc\n5: 1", "2:1 5", "not a key that is known"),
    ("name: abc\n'[key]': 1", "2:1 [key]", "not a key that is known"),
    ("name: abc\ncompute: k8s", "2:10 compute", "azureml:NAME"),
    ("name: abc\ncompute: ''", "2:1 compute", "not a key that is known"),
    ("name: abc\ncompute: azureml:x\npublic_network_access: enabled", "3:1 public_network_access", "not a key"),
    ("name: abc\npublic_network_access: off", "2:24 public_network_access", "one of: enabled, disabled"),
    ("name: abc\nidentity: {type: robot}", "2:18 identity.type", "system_assigned"),
    ("name: abc\nidentity: {}", "2:11 identity.type", "missing"),
    (
        "name: abc\nidentity: {type: user_assigned, user_assigned_identities: [{a: b}, {a: c}]}",
        "2:59",
        "one user-assigned identity",
    ),
    ("[]", "1:1 ", "must be a mapping"),
]


@pytest.mark.parametrize(("text", "where", "words"), ENDPOINT_PROBLEMS)
def test_endpoint_problems(text: str, where: str, words: str) -> None:
    fields, problems = read("endpoint", text)
    assert fields is None
    (problem,) = problems
    assert f"{problem.line}:{problem.column} {problem.field}".startswith(where)
    assert words in problem.message


BASE = "name: blue\nendpoint_name: shop\ninstance_type: s\n"
KUBERNETES = "name: blue\nendpoint_name: shop\ntype: kubernetes\n"

DEPLOYMENT_VALUES = [
    (BASE, "instance_count", 1),
    (BASE, "app_insights_enabled", False),
    ("name: Blue\nendpoint_name: Shop\ninstance_type: s", "name", "blue"),
    ("name: Blue\nendpoint_name: Shop\ninstance_type: s", "endpoint_name", "shop"),
    ("name: blue\ninstance_type: s", "endpoint_name", ""),
    (BASE + "instance_count: '3'", "instance_count", 3),
    (BASE + "app_insights_enabled: 'yes'", "app_insights_enabled", True),
    (BASE + "app_insights_enabled: OFF", "app_insights_enabled", False),
    (BASE + "egress_public_network_access: Disabled", "egress_public_network_access", "disabled"),
    (
        BASE + "environment_variables: {A: 1, B: true, C: [x]}",
        "environment_variables",
        {"A": 1, "B": True, "C": ["x"]},
    ),
    (BASE + "model: azureml:m@latest", "model", "azureml:m@latest"),
    (BASE + "type: Managed", "type", "managed"),
    (KUBERNETES, "instance_type", ""),
    (BASE + "creation_context: {a: b}", "name", "blue"),
]


@pytest.mark.parametrize(("text", "field", "value"), DEPLOYMENT_VALUES)
def test_deployment_values(text: str, field: str, value: object) -> None:
    fields, problems = read("deployment", text)
    assert problems == ()
    assert getattr(fields, field) == value


def test_nested_defaults_are_azures() -> None:
    fields, _ = read("deployment", BASE + "request_settings: {}\nliveness_probe: {period: 5}\n")
    dumped = fields.model_dump()  # type: ignore[attr-defined]
    assert dumped["request_settings"] == {
        "request_timeout_ms": 5000,
        "max_concurrent_requests_per_instance": 1,
        "max_queue_wait_ms": 500,
    }
    probe = {"initial_delay": 10, "period": 10, "timeout": 2, "success_threshold": 1, "failure_threshold": 30}
    assert dumped["readiness_probe"] == probe
    assert dumped["liveness_probe"] == probe | {"period": 5}


def test_forms_that_azure_needlessly_refuses() -> None:
    collector = (
        "data_collector: {collections: {a: {enabled: true, data: {name: n, version: 1}}}, rolling_rate: Month}\n"
    )
    fields, problems = read("deployment", BASE + collector)
    assert problems == ()
    found = fields.model_dump()["data_collector"]["collections"]["a"]  # type: ignore[attr-defined]
    assert (found["enabled"], found["data"]["version"]) == (True, "1")
    fields, problems = read("deployment", KUBERNETES + "resources: {requests: {cpu: 0.5, nvidia.com/gpu: 1}}")
    assert problems == ()
    assert fields.resources.requests.cpu == "0.5"  # type: ignore[attr-defined]
    assert fields.resources.requests.gpu == "1"  # type: ignore[attr-defined]


DEPLOYMENT_PROBLEMS = [
    ("name: blue\nendpoint_name: shop", "1:1 instance_type", "missing"),
    ("name: blue\nendpoint_name: shop\ntype: Kubernetes", "1:1 instance_type", "missing"),
    ("endpoint_name: shop\ninstance_type: s", "1:1 name", "missing"),
    (BASE + "type: batch", "4:7 type", "managed, kubernetes"),
    (BASE + "instance_count: 0", "4:17 instance_count", "from 1 to 50"),
    (BASE + "instance_count: 51", "4:17 instance_count", "from 1 to 50"),
    (BASE + "instance_count: true", "4:17 instance_count", "whole number"),
    (BASE + "instance_count:", "4:16 instance_count", "is empty"),
    (BASE + "app_insights_enabled: 2", "4:23 app_insights_enabled", "true or false"),
    (BASE + "app_insights_enabled: tRUE", "4:23 app_insights_enabled", "true or false"),
    (
        BASE + "request_settings: {request_timeout_ms: 180001}",
        "4:40 request_settings.request_timeout_ms",
        "from 1 to 180000",
    ),
    (
        BASE + "request_settings: {request_timeout_ms: 999999999}",
        "4:40 request_settings.request_timeout_ms",
        "from 1 to 180000",
    ),
    (
        KUBERNETES + "request_settings: {request_timeout_ms: 300001}",
        "4:40 request_settings.request_timeout_ms",
        "300000",
    ),
    (BASE + "request_settings: {request_timeout: 5}", "4:20 request_settings.request_timeout", "request_timeout_ms"),
    (BASE + "readiness_probe: {timeout: 0}", "4:28 readiness_probe.timeout", "from 1"),
    (BASE + "liveness_probe: {path: /}", "4:18 liveness_probe.path", "Known keys in `liveness_probe`"),
    (BASE + "model: ./model", "4:8 model", "azureml:NAME:VERSION"),
    (BASE + "model: file:./model.yml", "4:8 model", "azureml:NAME:VERSION"),
    (BASE + "model: {path: x, version: 1}", "4:8 model", "`version` and no `name`"),
    (BASE + "environment: ./env.yml", "4:14 environment", "azureml:NAME:VERSION"),
    (BASE + "environment: {image: x, tags: {1: 2}}", "4:32 environment.tags.1", "in quotes"),
    (BASE + "model: 5", "4:8 model", "mapping"),
    (BASE + "model: {pth: x}", "4:9 model.pth", "Did you mean `path`?"),
    (BASE + "environment: {imag: x}", "4:15 environment.imag", "Did you mean `image`?"),
    (BASE + "environment: {dependencies: [numpy]}", "4:14 environment", "conda_file"),
    (BASE + "code_configuration: {script: x}", "4:22 code_configuration.script", "`scoring_script`"),
    (BASE + "environment_variables: [A=secret]", "4:24 environment_variables", "mapping"),
    (BASE + "scale_settings: {type: target_utilization}", "4:17 scale_settings", "type: default"),
    (BASE + "scale_settings: {type: default, min_instances: 1}", "4:17 scale_settings", "takes no other key"),
    (KUBERNETES + "scale_settings: {type: target_utilization, min_instances: 3, max_instances: 2}", "4:17", "above"),
    (BASE + "resources: {}", "4:1 resources", "not a key"),
    (KUBERNETES + "egress_public_network_access: enabled", "4:1 egress_public_network_access", "not a key"),
    (KUBERNETES + "resources: {requests: {cpi: 1}}", "4:24 resources.requests.cpi", "`cpu`"),
    (BASE + "data_collector: {}", "4:17 data_collector.collections", "missing"),
    (
        BASE + "data_collector: {collections: {}, sampling_rate: 1.5}",
        "4:50 data_collector.sampling_rate",
        "0.0 to 1.0",
    ),
    (BASE + "data_collector: {collections: {a: {}}}", "4:35 data_collector.collections.a.enabled", "missing"),
    (BASE + "data_collector: {collections: {a: {enabled: 1}}}", "4:45 data_collector.collections.a.enabled", "true"),
]


@pytest.mark.parametrize(("text", "where", "words"), DEPLOYMENT_PROBLEMS)
def test_deployment_problems(text: str, where: str, words: str) -> None:
    fields, problems = read("deployment", text)
    assert fields is None
    (problem,) = problems
    assert f"{problem.line}:{problem.column} {problem.field}".startswith(where)
    assert words in problem.message
    assert "secret" not in repr(problem)


def test_all_problems_of_a_file_are_said_at_once() -> None:
    _, problems = read("deployment", "nam: x\ninstance_count: 0\nmodel: {path: 5}\nenvironment: []\n")
    assert sorted(problem.field for problem in problems) == [
        "environment", "instance_count", "instance_type", "model.path", "nam",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "text", "words"),
    [
        ("model", "path: x", "`name` is missing"),
        ("model", "name: a\npath: x\nversion: [1]", "text or a number"),
        ("model", "name: a\ntype: keras", "custom_model"),
        ("environment", "image: x", "`name` is missing"),
        ("environment", "name: a\nbuild: {dockerfile: x}", "Did you mean `dockerfile_path`?"),
        ("environment", "name: a\ninference_config: {}", "liveness_route"),
        ("environment", "name: a\nos_type: mac", "linux, windows"),
    ],
)
def test_asset_problems(kind: str, text: str, words: str) -> None:
    fields, problems = read(kind, text)
    assert fields is None
    assert words in problems[0].message


def test_numbers_are_versions() -> None:
    fields, problems = read("model", "name: a\nversion: 1.0\npath: x\ntype: MLFLOW_MODEL\n")
    assert problems == ()
    assert (fields.version, fields.type) == ("1.0", "mlflow_model")  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("camel", "found"),
    [("AMLToken", "aml_token"), ("SystemAssigned", "system_assigned"), ("KEY", "key"), ("a-b", "a-b")],
)
def test_camel_case(camel: str, found: str) -> None:
    assert snake(camel) == found
