"""One deployment file to a deployment with its release."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from spec.azure.deployment import Deployment, ManagedDeployment, ProbeSettings
from spec.catalog import DeploymentSpec, Note, ScaleSettings
from spec.digest import digest
from spec.findings import Scope
from spec.pairs import pairs
from spec.release import Code, Environment, InstanceType, Model, Probe, Recipe, ReleaseRef, Server
from spec.resolution import code as codes
from spec.resolution import environment as environments
from spec.resolution import mlflow, serving
from spec.resolution import model as models
from spec.resolution import size as sizes
from spec.resolution.environment import Setting
from spec.resolution.ground import Ground
from spec.settings import PROCESS

BASE_IMAGE_NOT_USED = "BaseImageNotUsed"
NETWORK_NOT_ENFORCED = "NetworkAccessNotEnforced"
SCALE_NOT_IN_EFFECT = "ScaleSettingsNotInEffect"
COLLECTOR_NOT_IN_EFFECT = "DataCollectorNotInEffect"
INSIGHTS_NOT_IN_EFFECT = "AppInsightsNotInEffect"


@dataclass(frozen=True, slots=True)
class Parts:
    """What a recipe is made of."""

    model: Model | None
    code: Code | None
    setting: Setting
    size: InstanceType
    server: Server


def resolve(ground: Ground, scope: Scope, fields: Deployment, endpoint: str, runtime: str) -> DeploymentSpec | None:
    """The deployment with everything resolved, or None with problems."""
    recipe = _recipe(ground, scope, fields, runtime)
    if recipe is None:
        return None
    _note(scope, fields, recipe)
    return DeploymentSpec(
        name=fields.name,
        release=ReleaseRef(endpoint, fields.name, digest(recipe)),
        recipe=recipe,
        instance_count=fields.instance_count,
        file=scope.document.file,
        max_queue_wait_ms=fields.request_settings.max_queue_wait_ms,
        scale_settings=_scale(fields),
        tags=pairs(fields.tags),
        properties=pairs(fields.properties),
        description=fields.description,
        notes=tuple(dict.fromkeys(scope.notes)),
    )


def _recipe(ground: Ground, scope: Scope, fields: Deployment, runtime: str) -> Recipe | None:
    before = len(scope.findings.problems)
    parts = _parts(ground, scope, fields, runtime)
    if parts is None or len(scope.findings.problems) > before:
        return None
    requests = fields.request_settings
    return Recipe(
        server=parts.server,
        runtime=runtime,
        environment=parts.setting.environment,
        instance_type=parts.size,
        model=parts.model,
        code=parts.code,
        variables=pairs(fields.environment_variables),
        liveness=_probe(fields.liveness_probe),
        readiness=_probe(fields.readiness_probe),
        request_timeout_ms=requests.request_timeout_ms,
        max_concurrent_requests_per_instance=requests.max_concurrent_requests_per_instance,
        app_insights_enabled=fields.app_insights_enabled,
        data_collector=_collector(fields),
        model_mount_path=fields.model_mount_path or None,
        exact_python=ground.settings.exact_python,
    )


def _parts(ground: Ground, scope: Scope, fields: Deployment, runtime: str) -> Parts | None:
    """Each part on its own, so that the problems of all are said at once."""
    model, code, written = fields.model, fields.code_configuration, fields.environment
    found_model = models.resolve(ground, scope.below("model"), model) if model is not None else None
    found_code = codes.resolve(ground, scope.below("code_configuration"), code) if code is not None else None
    resolved = environments.resolve(ground, scope.below("environment"), written) if written is not None else None
    setting = serving.setting(ground, scope, fields, found_model, resolved)
    size = sizes.resolve(ground, scope, fields)
    if found_code is not None:
        codes.check(ground, scope, found_code, setting.environment.python if setting is not None else None)
    _check_variables(scope, fields)
    server = serving.server(scope, fields, found_model, found_code, setting)
    if server is not None:
        serving.admit(scope, server, setting, runtime)
    if server is Server.MLFLOW and found_model is not None:
        mlflow.check(ground, scope.below("model"), found_model)
    if setting is None or size is None or server is None:
        return None
    return Parts(found_model, found_code, setting, size, server)


def _check_variables(scope: Scope, fields: Deployment) -> None:
    for name, value in pairs(fields.environment_variables):
        if not name or "=" in name or "\0" in name + value:
            message = "The name of a variable is not empty and has no `=`, and neither name nor value has a NUL."
            scope.error(message, "environment_variables", name, allowed="a name without `=`, a value without NUL")


def _probe(fields: ProbeSettings) -> Probe:
    return Probe(
        initial_delay=fields.initial_delay,
        period=fields.period,
        timeout=fields.timeout,
        success_threshold=fields.success_threshold,
        failure_threshold=fields.failure_threshold,
    )


def _scale(fields: Deployment) -> ScaleSettings:
    found = fields.scale_settings
    if found is None or found.type == "default":
        return ScaleSettings()
    return ScaleSettings(
        "target_utilization",
        found.min_instances,
        found.max_instances,
        found.target_utilization_percentage,
        found.polling_interval,
    )


def _collector(fields: Deployment) -> str | None:
    if fields.data_collector is None:
        return None
    return json.dumps(fields.data_collector.model_dump(exclude_defaults=True), sort_keys=True, separators=(",", ":"))


def _note(scope: Scope, fields: Deployment, recipe: Recipe) -> None:
    scope.notes.extend(_without_effect(fields))
    if recipe.runtime != PROCESS:
        return
    note = _base_image(recipe.environment)
    if note is not None:
        scope.notes.append(note)
    if isinstance(fields, ManagedDeployment) and fields.egress_public_network_access == "disabled":
        scope.note(
            NETWORK_NOT_ENFORCED,
            "`egress_public_network_access` is disabled, which the process runtime does not enforce: "
            "its replicas reach what the host reaches.",
        )


def _without_effect(fields: Deployment) -> Iterator[Note]:
    """What is accepted and does nothing in this version, whatever the runtime."""
    if _scale(fields) != ScaleSettings():
        message = (
            "`scale_settings` is accepted and does nothing: "
            f"the number of replicas stays {fields.instance_count}, as `instance_count` says."
        )
        yield Note(SCALE_NOT_IN_EFFECT, message)
    collector = fields.data_collector
    if collector is not None and any(one.enabled for one in collector.collections.values()):
        message = (
            "`data_collector` is accepted and does nothing: requests are served, and no inputs or outputs are kept."
        )
        yield Note(COLLECTOR_NOT_IN_EFFECT, message)
    if fields.app_insights_enabled:
        message = (
            "`app_insights_enabled` is accepted and Headgate sends nothing to Application Insights: what is recorded "
            "is in `headgate logs` and the access log."
        )
        yield Note(INSIGHTS_NOT_IN_EFFECT, message)


def _base_image(environment: Environment) -> Note | None:
    if environment.image is None or environment.conda is None:
        return None
    message = (
        f"The base image `{environment.image}` is not used: the process runtime installs the conda file's packages."
    )
    return Note(BASE_IMAGE_NOT_USED, message)
