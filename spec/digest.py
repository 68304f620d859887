"""The digest of a release: which of a recipe's facts make it another release, and none else.

Upgrading Headgate must start no rollout. So only what the user wrote counts, never what Headgate's tables
derive from it (`python`, `requirements`, `pip_options`), nor a label or a path that only messages show.
"""

import hashlib
import json
from typing import TypeAlias

from spec.release import (
    Artifact,
    BuildContext,
    Code,
    Environment,
    InferenceConfig,
    InstanceType,
    Model,
    Probe,
    Recipe,
)

FORMAT = 1
"""Raise it only together with a migration: every digest in every installation changes with it."""

DIGITS = 12

Facts: TypeAlias = dict[str, object]


def digest(recipe: Recipe) -> str:
    """Return the first twelve hex digits of the SHA-256 over the recipe's content."""
    text = json.dumps({"format": FORMAT, **_recipe(recipe)}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]


def _recipe(recipe: Recipe) -> Facts:
    facts: Facts = {
        "server": recipe.server.value,
        "environment": _environment(recipe.environment),
        "instance_type": _instance_type(recipe.instance_type),
        "model": recipe.model and _model(recipe.model),
        "code": recipe.code and _code(recipe.code),
        "variables": sorted([name, value] for name, value in recipe.variables),
        "liveness": _probe(recipe.liveness),
        "readiness": _probe(recipe.readiness),
    }
    # The defaults here are frozen on their own: if Azure's change, what a replica sees changes, and so must this.
    return _without_defaults(
        facts, {"model": None, "code": None, "variables": [], "liveness": {}, "readiness": {}}
    ) | (
        _without_defaults(
            {
                "runtime": recipe.runtime,
                "request_timeout_ms": recipe.request_timeout_ms,
                "max_concurrent_requests_per_instance": recipe.max_concurrent_requests_per_instance,
                "app_insights_enabled": recipe.app_insights_enabled,
                "data_collector": recipe.data_collector,
                "model_mount_path": recipe.model_mount_path,
                "exact_python": recipe.exact_python,
            },
            {
                "runtime": "process",
                "request_timeout_ms": 5000,
                "max_concurrent_requests_per_instance": 1,
                "app_insights_enabled": False,
                "data_collector": None,
                "model_mount_path": None,
                "exact_python": False,
            },
        )
    )


def _without_defaults(facts: Facts, defaults: Facts) -> Facts:
    """Leave out what equals its default, so that a field added later changes no older digest."""
    return {name: value for name, value in facts.items() if name not in defaults or value != defaults[name]}


def _environment(environment: Environment) -> Facts:
    facts: Facts = {
        "image": environment.image,
        "build": environment.build and _build(environment.build),
        "conda": environment.conda,
        "curated": environment.curated,
        "inference_config": environment.inference_config and _inference_config(environment.inference_config),
    }
    return _without_defaults(facts, dict.fromkeys(facts))


def _build(build: BuildContext) -> Facts:
    return {"artifact": _artifact(build.artifact), "dockerfile_path": build.dockerfile_path}


def _inference_config(config: InferenceConfig) -> Facts:
    routes = {
        "liveness_route": config.liveness_route,
        "readiness_route": config.readiness_route,
        "scoring_route": config.scoring_route,
    }
    return {name: [route.path, route.port] for name, route in routes.items()}


def _instance_type(size: InstanceType) -> Facts:
    # Sizes count too, because a repository may define a type of its own; the shipped table is held
    # still by tests/spec/golden/instances.txt.
    return {"name": size.name, "cpu": float(size.cpu), "memory": size.memory, "gpu": size.gpu}


def _model(model: Model) -> Facts:
    # Name and version are part of AZUREML_MODEL_DIR, so a replica sees them.
    return {
        "name": model.name,
        "version": model.version,
        "type": model.type,
        "artifact": _artifact(model.artifact),
    }


def _code(code: Code) -> Facts:
    return {"artifact": _artifact(code.artifact), "scoring_script": code.scoring_script}


def _artifact(artifact: Artifact) -> Facts:
    return {"oid": artifact.oid, "kind": artifact.kind, "basename": artifact.basename}


def _probe(probe: Probe) -> Facts:
    return _without_defaults(
        {
            "initial_delay": probe.initial_delay,
            "period": probe.period,
            "timeout": probe.timeout,
            "success_threshold": probe.success_threshold,
            "failure_threshold": probe.failure_threshold,
        },
        {"initial_delay": 10, "period": 10, "timeout": 2, "success_threshold": 1, "failure_threshold": 30},
    )
