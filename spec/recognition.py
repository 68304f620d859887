"""Which of a repository's YAML files are ours, by what they contain."""

import re
from collections.abc import Hashable, Mapping
from typing import Literal

from spec.azure.asset import EnvironmentFile, ModelFile
from spec.azure.endpoint import KubernetesEndpoint, ManagedEndpoint
from spec.near import near

OwnKind = Literal["settings", "values", "rollout_policy", "checks"]
Kind = Literal["endpoint", "deployment", "model", "environment", "unknown"] | OwnKind

_OWN: dict[str, OwnKind] = {
    "settings": "settings",
    "values": "values",
    "rollout_policy": "rollout_policy",
    "checks": "checks",
}

_SCHEMAS: tuple[tuple[str, Kind], ...] = (
    ("onlineendpoint", "endpoint"),
    ("onlinedeployment", "deployment"),
    ("model.schema.json", "model"),
    ("environment.schema.json", "environment"),
)
_FOLDED = frozenset(kind.replace("_", "") for kind in _OWN)
_BATCH = frozenset(
    {"mini_batch_size", "output_action", "output_file_name", "error_threshold", "logging_level", "retry_settings",
     "job_definition", "component", "max_concurrency_per_instance", "compute", "defaults"}
)  # fmt: skip
_CONTENT = frozenset({"model", "environment", "code_configuration"})
_MODEL_KEYS = frozenset(ModelFile.model_fields)
_ENVIRONMENT_KEYS = frozenset(EnvironmentFile.model_fields)
_ENDPOINT_KEYS = frozenset(ManagedEndpoint.model_fields) | frozenset(KubernetesEndpoint.model_fields) | {"$schema"}
_TELLING = frozenset({"auth_mode", "traffic", "mirror_traffic", "public_network_access"})
_MISSPELT = 4
"""An endpoint with more misspelt keys is not taken for one."""
_MODEL_TYPES = frozenset({"custom_model", "mlflow_model", "triton_model"})
_PLAUSIBLE = re.compile(
    r"online(?:endpoint|deployment)|^\s*(?:endpoint_name|auth_mode|mirror_traffic|traffic|instance_type|code_configuration)\s*:",
    re.IGNORECASE | re.MULTILINE,
)
_KUBERNETES = re.compile(r"^apiVersion\s*:", re.MULTILINE)
_HEADGATE = re.compile(r"^kind\s*:\s*['\"]?(settings|values|rollout_policy|checks)\b", re.MULTILINE)
_CHECKED = re.compile(r"^endpoint\s*:\s*['\"]?([A-Za-z][-A-Za-z0-9]*)", re.MULTILINE)
_FLOW = re.compile(r"^endpoints\s*:\s*\[([^\]\n]*)\]", re.MULTILINE)
_BLOCK = re.compile(r"^endpoints\s*:[^\S\n]*(?:#[^\n]*)?\n((?:[^\S\n]*-[^\n]*\n)+)", re.MULTILINE)
_LISTED = re.compile(r"['\"]?([A-Za-z0-9*?-]*[A-Za-z0-9*?])['\"]?\s*(?:#.*)?")
_ENDPOINT_NAME = re.compile(r"^\s*endpoint_name\s*:\s*['\"]?([A-Za-z][-A-Za-z0-9]*)", re.MULTILINE)
_OWN_NAME = re.compile(r"^name\s*:\s*['\"]?([A-Za-z][-A-Za-z0-9]*)", re.MULTILINE)
_ENDPOINT_TEXT = re.compile(r"onlineendpoint|^(?:auth_mode|traffic|mirror_traffic)\s*:", re.IGNORECASE | re.MULTILINE)


def recognise(data: Mapping[Hashable, object]) -> Kind | None:
    """What kind of file a mapping is; None: nothing of ours. `unknown`: Headgate's, of a kind it does not know."""
    kind = data.get("kind")
    if isinstance(kind, str) and kind in _OWN:
        return _OWN[kind]
    schema = data.get("$schema")
    if isinstance(schema, str) and ("azureml" in schema.lower() or "online" in schema.lower()):
        return _by_schema(schema.lower())
    return _by_shape(data) or ("unknown" if _is_own_kind(data) else None)


def is_presumable(data: Mapping[Hashable, object], file: str) -> bool:
    """Whether a mapping that is nothing of ours may be an endpoint, if a deployment asks for one of its name.

    Each of its keys is an endpoint's, or seems to be a misspelt one. Where none tells (`name` alone is an endpoint to
    Azure), the file's name has to: a card of the model must not take the endpoint's place, without traffic.
    """
    name, schema = data.get("name"), str(data.get("$schema", "online"))
    if not isinstance(name, str) or not name or "kind" in data or "online" not in schema.lower():
        return False
    rest = [key for key in data if key not in _ENDPOINT_KEYS]
    meant = [near(key, _ENDPOINT_KEYS) for key in rest if isinstance(key, str)]
    if len(rest) > _MISSPELT or len(meant) < len(rest) or None in meant:
        return False
    told = "$schema" in data or not _TELLING.isdisjoint(meant)
    return told or "endpoint" in file.rpartition("/")[2].lower()


def is_plausible(text: str) -> bool:
    """Whether text that does not parse may well be a file of ours."""
    return _PLAUSIBLE.search(text) is not None and _KUBERNETES.search(text) is None


def scan_endpoint(text: str) -> str | None:
    """The endpoint that unparsable text belongs to, as far as a look at its lines tells."""
    found = _ENDPOINT_NAME.search(text)
    if found is None and _ENDPOINT_TEXT.search(text):
        found = _OWN_NAME.search(text)
    return found[1].lower() if found else None


def scan_kind(text: str) -> OwnKind | None:
    """The kind of Headgate's own file that unparsable text seems to be."""
    found = _HEADGATE.search(text)
    return _OWN[found[1]] if found is not None else None


def scan_checked(text: str) -> str:
    """The endpoint whose checks unparsable text seems to hold; empty: it does not tell."""
    found = _CHECKED.search(text)
    return found[1].lower() if found is not None else ""


def scan_claimed(text: str) -> tuple[str, ...]:
    """The endpoints and patterns that an unparsable policy seems to name; empty: it does not tell."""
    flow = [part for found in _FLOW.finditer(text) for part in found[1].split(",")]
    block = [line.strip().removeprefix("-") for found in _BLOCK.finditer(text) for line in found[1].splitlines()]
    parts = (_LISTED.fullmatch(part.strip()) for part in (*flow, *block))
    return tuple(dict.fromkeys(part[1].lower() for part in parts if part is not None))


def _by_schema(schema: str) -> Kind | None:
    return next((kind for part, kind in _SCHEMAS if schema.rstrip("#").endswith(part) or part in schema), None)


def _by_shape(data: Mapping[Hashable, object]) -> Kind | None:
    keys = data.keys()
    if "apiVersion" in keys:
        return None
    if _is_deployment(data):
        return "deployment"
    if _is_endpoint(data):
        return "endpoint"
    if {"name", "path"} <= keys <= _MODEL_KEYS | {"$schema"} and str(
        data.get("type", "custom_model")
    ).lower() in _MODEL_TYPES:
        return "model"
    if "name" in keys and keys & {"image", "build", "conda_file"} and keys <= _ENVIRONMENT_KEYS | {"$schema"}:
        return "environment"
    return None


def _is_deployment(data: Mapping[Hashable, object]) -> bool:
    keys = data.keys()
    if keys & _BATCH or data.get("type") in ("model", "pipeline"):
        return False
    has_content = bool(keys & _CONTENT)
    return "endpoint_name" in keys or ("instance_type" in keys and has_content) or (
        "code_configuration" in keys and "name" in keys
    )  # fmt: skip


def _is_endpoint(data: Mapping[Hashable, object]) -> bool:
    keys = data.keys()
    if "defaults" in keys or "jobs" in keys:
        return False
    is_traffic = isinstance(data.get("traffic"), dict) or isinstance(data.get("mirror_traffic"), dict)
    return "auth_mode" in keys or ("name" in keys and is_traffic) or ({"name", "public_network_access"} <= keys)


def _is_own_kind(data: Mapping[Hashable, object]) -> bool:
    kind = data.get("kind")
    if not isinstance(kind, str) or "apiVersion" in data:
        return False
    return re.fullmatch(r"[a-z][a-z_]*", kind) is not None or re.sub(r"[-_ ]", "", kind).lower() in _FOLDED
