"""Documents as data: good ones with every field, and ones that something was done to."""

import copy
from datetime import date
from typing import Any

import yaml
from hypothesis import strategies as st

from tests.parity.asset_cases import REGISTRY, WORKSPACE
from tests.parity.plain import Value

Documents = st.SearchStrategy[dict[Any, Any]]

_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
# Braces, dollars and angles make placeholders; two private characters stand for braces inside Headgate.
WORDS = st.text(st.characters(codec="utf-8", exclude_characters="{}<>$\ue000\ue001"), max_size=12)
LABELS = st.text(_LETTERS + "0123456789-_.", min_size=1, max_size=10)
DATES = st.dates(min_value=date(1900, 1, 1))
SCALARS = st.one_of(WORDS, st.integers(), st.booleans(), st.none(), st.floats(allow_nan=False), DATES)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(LABELS, inner, max_size=2), max_leaves=4
)
FACTS = st.dictionaries(st.one_of(WORDS, st.integers(), st.booleans(), DATES), VALUES, max_size=3)
NAMES = st.from_regex(r"[a-zA-Z][-a-zA-Z0-9]{1,30}[a-zA-Z0-9]", fullmatch=True)
TRUTHS = st.sampled_from([True, False, "yes", "No", "ON", "off", "t", "F", "1", "0", 1, 0, 1.0, "TRUE", "false"])


def cased(*words: str) -> st.SearchStrategy[str]:
    """The words in any of the cases that an enumeration may have."""
    return st.sampled_from([form for word in words for form in (word, word.upper(), word.capitalize())])


def number(low: int, high: int) -> st.SearchStrategy[Any]:
    """A whole number in any of the forms that are taken for one."""
    whole = st.integers(low, high)
    return st.one_of(whole, whole.map(str), whole.map(lambda found: f" {found} "), whole.map(float))


def fields(required: dict[str, Any], optional: dict[str, Any]) -> Documents:
    """Mappings with the first keys and any of the second."""
    return st.fixed_dictionaries(required, optional=optional)


def _reference(kind: str) -> st.SearchStrategy[str]:
    parts = LABELS.filter(lambda found: found.strip(".") != "")
    forms = ["azureml:{}", "azureml:{}:{}", "azureml:{}@latest", "azureml:{}:"]
    forms += [f"azureml:{WORKSPACE}/{kind}/{{}}/versions/{{}}", f"{REGISTRY}/{kind}/{{}}/versions/{{}}"]
    forms += [f"{REGISTRY}/{kind}/{{}}/labels/latest", f"{REGISTRY}/{kind}/{{}}"]
    return st.builds(lambda form, name, version: form.format(name, version), st.sampled_from(forms), parts, parts)


TRAFFIC = st.one_of(
    st.just({}),
    st.builds(lambda name, share: {name: share}, LABELS, st.sampled_from([100, "100", 100.0, 100.9, 0])),
    st.builds(lambda share: {"blue": share, "green": 100 - share}, st.integers(0, 100)),
)
IDENTITY = fields(
    {"type": st.sampled_from(["system_assigned", "SystemAssigned", "user_assigned", "UserAssigned", "none", "NONE"])},
    {
        "principal_id": WORDS,
        "tenant_id": WORDS,
        "user_assigned_identities": st.lists(
            st.dictionaries(st.sampled_from(["resource_id", "client_id", "object_id", "x"]), WORDS), max_size=1
        ),
    },
)
_ENDPOINT = {
    "$schema": VALUES.filter(lambda found: found is not None),
    "description": WORDS,
    "tags": FACTS,
    "properties": FACTS,
    "auth_mode": st.sampled_from(["key", "Key", "KEY", "aml_token", "AMLToken", "AmlToken", "amlToken"]),
    "traffic": TRAFFIC,
    "mirror_traffic": st.dictionaries(LABELS, number(0, 50), max_size=1),
    "identity": IDENTITY,
    "id": WORDS,
    "provisioning_state": WORDS,
    "scoring_uri": WORDS,
    "openapi_uri": WORDS,
    "location": WORDS,
}
ENDPOINTS = st.one_of(
    fields({"name": NAMES}, {**_ENDPOINT, "public_network_access": cased("enabled", "disabled")}),
    fields({"name": NAMES, "compute": LABELS.map(lambda found: f"azureml:{found}")}, _ENDPOINT),
)

_MODEL = {
    "type": cased("custom_model", "mlflow_model", "triton_model"),
    "description": WORDS,
    "tags": FACTS,
    "properties": FACTS,
    "stage": WORDS,
    "flavors": FACTS,
    "datastore": WORDS,
    "system_metadata": FACTS,
    "default_deployment_template": fields({}, {"asset_id": WORDS}),
    "allowed_deployment_templates": st.lists(fields({}, {"asset_id": WORDS}), max_size=2),
}
_PATHS = st.sampled_from(["model", "./model/", "model/model.pkl", "folder/../model", "mlflow", "code"])
_VERSION = st.one_of(LABELS.filter(lambda found: found.strip(".") != ""), st.integers(), st.floats(0, 9))
MODELS = st.one_of(
    _reference("models"),
    fields({"path": _PATHS}, _MODEL),
    fields({"path": _PATHS, "name": NAMES}, {**_MODEL, "version": _VERSION}),
)

_ROUTE = fields({"path": WORDS, "port": number(1, 65535)}, {})
_PACKAGES = st.lists(st.sampled_from(["numpy", "python=3.11", "pip", {"pip": ["pandas==2.2", "a>1"]}]), max_size=3)
_CONDA = st.one_of(
    st.sampled_from(["conda.yml", "./folder/conda.yml", "requirements.txt", ""]),
    fields({"dependencies": _PACKAGES}, {"name": WORDS, "channels": st.lists(WORDS, max_size=2)}),
)
_ENVIRONMENT = {
    "description": WORDS,
    "inference_config": fields({f"{name}_route": _ROUTE for name in ("liveness", "readiness", "scoring")}, {}),
    "os_type": cased("linux"),
    "tags": st.dictionaries(WORDS, VALUES, max_size=2),
    "datastore": WORDS,
    "version": _VERSION,
}
_BUILDS = st.sampled_from(
    [
        {"path": "docker"},
        {"path": "./docker/other", "dockerfile_path": "Dockerfile.gpu"},
        {"path": "docker/../docker"},
    ]
)
ENVIRONMENTS = st.one_of(
    _reference("environments"),
    st.just("file:folder/environment.yml"),
    fields({"image": LABELS}, {**_ENVIRONMENT, "conda_file": _CONDA}),
    fields({"image": LABELS, "name": NAMES}, _ENVIRONMENT),
    fields({"build": _BUILDS}, _ENVIRONMENT),
)

_PROBE = fields(
    {},
    {
        "initial_delay": number(0, 300),
        **{name: number(1, 300) for name in ("period", "timeout", "success_threshold", "failure_threshold")},
    },
)
_COLLECTION = fields(
    {"enabled": st.sampled_from(["true", "True", "FALSE", "fAlse"])},
    {
        "client_id": WORDS,
        "data": WORDS | fields({}, dict.fromkeys(("name", "path", "version", "data_id"), WORDS)),
    },
)
_COLLECTOR = fields(
    {"collections": st.dictionaries(LABELS, _COLLECTION, max_size=3)},
    {
        "rolling_rate": cased("minute", "hour", "day"),
        "sampling_rate": st.one_of(st.floats(0, 1), st.sampled_from([0, 1, "0.5", "1"])),
        "request_logging": fields({}, {"capture_headers": st.lists(WORDS, max_size=2)}),
    },
)
_DEFAULT_SCALE = fields({"type": st.sampled_from(["default", "Default", "DEFAULT"])}, {})
_TARGET_SCALE = fields(
    {"type": st.sampled_from(["target_utilization", "TargetUtilization"])},
    {
        "max_instances": number(5, 50),
        "target_utilization_percentage": number(1, 100),
        "polling_interval": number(1, 60),
    },
)
_AMOUNTS = fields(
    {},
    {
        "cpu": st.sampled_from(["", "1", "500m", "0.5"]),
        "memory": st.sampled_from(["", "512Mi", "2Gi", "1000000"]),
        "nvidia.com/gpu": st.sampled_from(["", "1", "2"]),
    },
)
_CODE = st.sampled_from(["code", "./code/", "folder/../code"])
_SCRIPTS = st.sampled_from(["score.py", "./score.py"])


def _requests(timeout: int) -> Documents:
    return fields(
        {},
        {
            "request_timeout_ms": number(1, timeout),
            "max_concurrent_requests_per_instance": number(1, 100),
            "max_queue_wait_ms": number(0, timeout),
        },
    )


_DEPLOYMENT = {
    "$schema": VALUES.filter(lambda found: found is not None),
    "description": WORDS,
    "tags": FACTS,
    "properties": FACTS,
    "model": MODELS,
    "environment": ENVIRONMENTS,
    "code_configuration": fields({"code": _CODE, "scoring_script": _SCRIPTS}, {}),
    "environment_variables": FACTS,
    "instance_count": number(1, 50),
    "app_insights_enabled": TRUTHS,
    "model_mount_path": WORDS,
    "liveness_probe": _PROBE,
    "readiness_probe": _PROBE,
    "data_collector": _COLLECTOR,
    "id": WORDS,
    "provisioning_state": WORDS,
}
MANAGED = fields(
    {"name": NAMES, "endpoint_name": WORDS, "instance_type": WORDS},
    {
        **_DEPLOYMENT,
        "type": st.sampled_from(["managed", "Managed", "MANAGED", "Kubernetes"]),
        "scale_settings": _DEFAULT_SCALE,
        "request_settings": _requests(180_000),
        "egress_public_network_access": cased("enabled", "disabled"),
        "private_network_connection": TRUTHS,
        "creation_context": VALUES.filter(lambda found: found is not None),
    },
)
KUBERNETES = fields(
    {"name": NAMES, "endpoint_name": WORDS, "type": st.just("kubernetes")},
    {
        **_DEPLOYMENT,
        "instance_type": WORDS,
        "scale_settings": _DEFAULT_SCALE | _TARGET_SCALE,
        "request_settings": _requests(300_000),
        "resources": fields({}, {"requests": _AMOUNTS, "limits": _AMOUNTS}),
    },
)
DEPLOYMENTS = MANAGED | KUBERNETES

_APT = [True, False, "true", "No", 0, 1, 2, "7", 8.9, 50, 51, 180_001, 300_001, "Managed", "Key", "Hour", "year"]
_APT_PATHS = ["model", "conda.yml", "docker", "azureml:m:1", "file:folder/environment.yml", {"path": "model"}, {}]
JUNK = st.one_of(
    VALUES,
    st.sampled_from(_APT),
    st.sampled_from(_APT_PATHS),
    st.sampled_from(
        [None, "", [], {}, "x", "azureml:x", "azureml:", -1, 0, 51, 101, 10**9, 1.5, True, "true", "5", [{}]]
    ),
    st.sampled_from(
        ["file:conda.yml", "default", "kubernetes", "key", "${X}", "{{X}}", "<X>", "a\n", {"type": "default"}]
    ),
    st.sampled_from([float("inf"), float("nan"), "1e3", "0x10", "٣", "é", "month", "aad_token", {"path": "nowhere"}]),
)


@st.composite
def changed(draw: st.DrawFn, documents: Documents) -> Value:
    """A good document after one to three changes, each at any place in it."""
    document = copy.deepcopy(draw(documents))
    for _ in range(draw(st.sampled_from([1, 1, 1, 2, 3]))):
        _change(draw, document)
    return document


def _change(draw: st.DrawFn, document: dict[Any, Any]) -> None:
    place = draw(st.sampled_from(_places(document)))
    keys = list(place)
    if not keys or draw(st.integers(0, 5)) == 0:
        place[draw(LABELS | st.sampled_from(["type", "path", "compute", "endpoint_name", "version"]))] = (
            copy.deepcopy(draw(JUNK))
        )
        return
    key = draw(st.sampled_from(keys))
    match draw(st.sampled_from(["replace", "replace", "remove", "misspell", "wrap", "text"])):
        case "replace":
            place[key] = copy.deepcopy(draw(JUNK))
        case "remove":
            del place[key]
        case "misspell":
            place[draw(st.sampled_from(_misspelt(str(key))))] = place.pop(key)
        case "wrap":
            place[key] = draw(st.sampled_from([[place[key]], {key: place[key]}]))
        case _:
            place[key] = str(place[key])


def _places(value: Value) -> list[dict[Any, Any]]:
    """Every mapping in it, itself first."""
    match value:
        case dict():
            return [value, *(place for inner in value.values() for place in _places(inner))]
        case list():
            return [place for inner in value for place in _places(inner)]
        case _:
            return []


def _misspelt(key: str) -> list[str]:
    camel = "".join(part.capitalize() for part in key.split("_"))
    return [key[:-1], f"{key}s", key.upper(), key.replace("_", "-"), camel, f" {key}"]


def dumped(documents: st.SearchStrategy[Any]) -> st.SearchStrategy[str]:
    """The documents as YAML, in block or flow style."""
    return st.builds(
        lambda document, flow: str(yaml.safe_dump(document, default_flow_style=flow, allow_unicode=flow)),
        documents,
        st.booleans(),
    )
