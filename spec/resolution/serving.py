"""What answers a deployment's requests, and what runs it."""

from spec.azure.asset import InlineEnvironment
from spec.azure.deployment import Deployment
from spec.findings import Scope
from spec.near import listing, suggestion
from spec.release import Code, Environment, Model, Server
from spec.resolution import mlflow
from spec.resolution.environment import Setting
from spec.resolution.ground import Ground
from spec.settings import PROCESS, RUNTIMES

_CONTAINERS = "`docker` or `kubernetes`"
"""Runtimes of containers; none of them is in this version."""


def runtime(ground: Ground, scope: Scope, compute: str) -> str | None:
    """The runtime for a compute (empty: managed), or None with problems."""
    settings = ground.settings
    name = settings.computes.get(compute.rpartition("/")[2]) if compute else settings.default_runtime
    where = f"`{ground.settings_file}`" if ground.settings_file else "a YAML file with `kind: settings`"
    if name is None and not ground.is_settled:
        return None
    if name is None:
        known = listing(settings.computes)
        message = (
            f"The compute `{compute}` is mapped to no runtime: "
            f"add `{compute}: {PROCESS}` below `computes:` in {where}."
            f"{suggestion(compute, settings.computes)}"
        )
        scope.error(message, "compute", found=compute, allowed=known)
        return None
    if name not in RUNTIMES:
        keys = ("compute",) if compute else ()
        what = f"The compute `{compute}` is" if compute else "Managed endpoints are"
        message = (
            f"{what} mapped to the runtime `{name}` in {where}, and this version has only `{PROCESS}`: use that."
        )
        scope.error(message, *keys, found=name, allowed=", ".join(RUNTIMES))
        return None
    return name


def server(
    scope: Scope, fields: Deployment, model: Model | None, code: Code | None, setting: Setting | None
) -> Server | None:
    """What serves, or None with a problem or where another problem leaves it open; not whether the runtime can."""
    if model is not None and model.type == "triton_model":
        return Server.TRITON
    if setting is not None and setting.container:
        return Server.CONTAINER
    if code is not None:
        return Server.INFERENCE_SERVER if setting is not None else None
    if fields.code_configuration is not None or scope.doubts("code_configuration"):
        return None
    if model is not None and model.type == "mlflow_model":
        return Server.MLFLOW
    if (model is not None or not _asks(scope, fields.model, "model")) and not _may_be_container(
        scope, fields, setting
    ):
        message = (
            "`code_configuration` is missing: name the folder with the code and its entry script. "
            "Only a model of `type: mlflow_model` serves without code."
        )
        allowed = "a mapping with code and scoring_script, or model.type mlflow_model"
        scope.error(message, "code_configuration", allowed=allowed)
    return None


def _asks(scope: Scope, value: object, key: str) -> bool:
    """Whether the deployment has the field, right or wrong."""
    return value is not None or scope.doubts(key)


def _may_be_container(scope: Scope, fields: Deployment, setting: Setting | None) -> bool:
    """Whether an environment with problems may turn out to be one that needs a container."""
    if setting is not None:
        return False
    written = fields.environment
    if not isinstance(written, InlineEnvironment):
        return _asks(scope, written, "environment")
    special = written.build is not None or written.inference_config is not None
    doubts = any(scope.doubts("environment", key) for key in ("build", "inference_config"))
    return not written.conda_file or special or doubts


def setting(
    ground: Ground, scope: Scope, fields: Deployment, model: Model | None, resolved: Setting | None
) -> Setting | None:
    """The environment to use: the deployment's, or what an MLflow model without code brings; None with problems."""
    if fields.environment is not None:
        return resolved
    if model is not None and model.type == "triton_model":
        return Setting(Environment("Triton"), "its model is a Triton model")
    if model is not None and model.type == "mlflow_model" and fields.code_configuration is None:
        is_right = mlflow.is_model(ground, model) and not scope.doubts("environment")
        return mlflow.environment(ground, scope.below("model"), model) if is_right else None
    if (model is not None or not _asks(scope, fields.model, "model")) and not scope.doubts("environment"):
        message = "`environment` is missing: refer to one, or write one with `conda_file` or `image`."
        allowed = "azureml:NAME:VERSION, or a mapping with conda_file, image or build"
        scope.error(message, "environment", allowed=allowed)
    return None


def admit(scope: Scope, server: Server, setting: Setting | None, name: str) -> bool:
    """Whether the runtime can serve it; a problem names the runtime to use."""
    if server not in (Server.CONTAINER, Server.TRITON) or name != PROCESS:
        return True
    reason = (
        setting.container if setting is not None and server is Server.CONTAINER else "its model is a Triton model"
    )
    message = (
        f"This deployment needs a container ({reason}), so the runtime to use is {_CONTAINERS}, and this version has "
        f"only `{PROCESS}`, which installs packages and runs code. Name packages by `conda_file` and code by "
        "`code_configuration`, or leave this deployment out until a container runtime is there."
    )
    key = "environment" if scope.document.mapping.get("environment") is not None else "model"
    scope.error(message, key, allowed="a deployment that packages and code describe")
    return False
