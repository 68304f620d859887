"""JSON Schemas of all files that users write, for editors; made from the models."""

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from spec.azure.asset import EnvironmentFile, ModelFile
from spec.azure.deployment import KubernetesDeployment, ManagedDeployment
from spec.azure.endpoint import KubernetesEndpoint, ManagedEndpoint
from spec.fields import Strict
from spec.rollout.checks import ChecksFile
from spec.rollout.policy import PolicyFile
from spec.settings import SettingsFile, ValuesFile

DIALECT = "https://json-schema.org/draft/2020-12/schema"

Schema = dict[str, Any]

FILES: dict[str, tuple[type[Strict], ...]] = {
    "endpoint": (ManagedEndpoint, KubernetesEndpoint),
    "deployment": (ManagedDeployment, KubernetesDeployment),
    "model": (ModelFile,),
    "environment": (EnvironmentFile,),
    "settings": (SettingsFile,),
    "values": (ValuesFile,),
    "rollout_policy": (PolicyFile,),
    "checks": (ChecksFile,),
}
"""Kind of file → its models; where there are two, the second is for Kubernetes."""

_CONDITIONS: dict[str, Schema] = {
    "endpoint": {"required": ["compute"]},
    "deployment": {"properties": {"type": {"const": "kubernetes"}}, "required": ["type"]},
}
"""When the second model holds."""


def schemas() -> dict[str, Schema]:
    """A JSON Schema (draft 2020-12) by kind of file."""
    return {kind: _schema(kind, models) for kind, models in FILES.items()}


def _schema(kind: str, models: tuple[type[Strict], ...]) -> Schema:
    references, document = models_json_schema([(model, "validation") for model in models], by_alias=True)
    definitions = document["$defs"]
    for model in models:
        _allow_dropped(definitions, model)
    chosen = [references[model, "validation"] for model in models]
    head: Schema = {"$schema": DIALECT, "title": f"Headgate {kind}", "description": models[0].__doc__}
    if len(chosen) == 1:
        return {**head, **chosen[0], "$defs": definitions}
    choice = {"if": _CONDITIONS[kind], "then": chosen[1], "else": chosen[0]}
    return {**head, "type": "object", **choice, "$defs": definitions}


def _allow_dropped(definitions: Schema, model: type[BaseModel]) -> None:
    """Let an editor take the keys that the loader drops."""
    for name, schema in definitions.items():
        found = _model_named(name, model)
        for key in found.dropped if found is not None else ():
            schema.setdefault("properties", {}).setdefault(key, {"description": "Taken and ignored."})


def _model_named(name: str, root: type[BaseModel]) -> type[Strict] | None:
    known = {model.__name__: model for model in (root, *_descendants(Strict))}
    found = known.get(name)
    return found if found is not None and issubclass(found, Strict) else None


def _descendants(model: type[Strict]) -> list[type[Strict]]:
    direct = model.__subclasses__()
    return [*direct, *(deeper for one in direct for deeper in _descendants(one))]
