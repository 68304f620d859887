"""JSON Schemas and the reference: complete, and made from the models."""

import json

import pytest

from spec.reference import render
from spec.schema import DIALECT, FILES, schemas


def test_there_is_one_for_every_kind_of_file() -> None:
    found = schemas()
    azure = {"endpoint", "deployment", "model", "environment"}
    assert set(found) == azure | {"settings", "values", "rollout_policy", "checks"}
    assert {schema["$schema"] for schema in found.values()} == {DIALECT}
    assert json.loads(json.dumps(found)) == found


@pytest.mark.parametrize("kind", FILES)
def test_every_field_is_there_and_nothing_else_is_taken(kind: str) -> None:
    definitions = schemas()[kind]["$defs"]
    for model in FILES[kind]:
        schema = definitions[model.__name__]
        fields = {field.alias or name for name, field in model.model_fields.items()}
        assert set(schema["properties"]) == fields | set(model.dropped)
        assert schema["additionalProperties"] is False
        assert not [name for name in fields if "description" not in schema["properties"][name]]


def test_kubernetes_is_told_from_managed() -> None:
    endpoint, deployment = schemas()["endpoint"], schemas()["deployment"]
    assert endpoint["if"] == {"required": ["compute"]}
    assert endpoint["then"] == {"$ref": "#/$defs/KubernetesEndpoint"}
    assert deployment["else"] == {"$ref": "#/$defs/ManagedDeployment"}
    assert "instance_type" in deployment["$defs"]["ManagedDeployment"]["required"]
    assert "instance_type" not in deployment["$defs"]["KubernetesDeployment"]["required"]


def test_limits_and_choices_are_in_the_schema() -> None:
    properties = schemas()["deployment"]["$defs"]["ManagedDeployment"]["properties"]
    assert (properties["instance_count"]["minimum"], properties["instance_count"]["maximum"]) == (1, 50)
    assert properties["egress_public_network_access"]["enum"] == ["enabled", "disabled"]
    assert {"$ref": "#/$defs/InlineModel"} in properties["model"]["anyOf"][0]["oneOf"]


@pytest.mark.parametrize(
    "row",
    [
        "| `name` | text | required | The endpoint's name, unique in the repository; lower-cased. |",
        "| `auth_mode` | `key`, `aml_token` | `key` |",
        "| `request_settings.request_timeout_ms` | 1 to 180000 | `5000` |",
        "| `request_settings.request_timeout_ms` | 1 to 300000 | `5000` |",
        "| `data_collector.collections.*.enabled` |",
        "| `resources.limits.nvidia.com/gpu` |",
        "| `instance_types.*.cpu` |",
        "| `steps.for` with `mirror` | such as `30s` | required | How long. |",
        "| `gates.metric` | `error_rate`, `latency_p50`, ",
        "| `checks.max_difference` | number |",
        "## Kubernetes deployment",
    ],
)
def test_the_reference_has_a_row_for_every_field(row: str) -> None:
    assert row in render()
