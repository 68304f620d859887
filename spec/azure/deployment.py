"""Fields of an online deployment's YAML file, managed and Kubernetes."""

from typing import Annotated, Any

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from spec.azure.asset import InlineEnvironment, InlineModel
from spec.azure.collector import DataCollector
from spec.fields import (
    SHAPES,
    Access,
    Bool,
    DeploymentName,
    EndpointName,
    Facts,
    Int,
    Str,
    Strict,
    Words,
    between,
    choice,
    ignored,
    reject,
    shape,
    snake,
)

FILE_PREFIX = "file:"
"""`environment: file:PATH` is the environment of that YAML file."""
MANAGED_TIMEOUT_MS = 180_000
KUBERNETES_TIMEOUT_MS = 300_000
MAX_CONCURRENT = 10_000
_ONLY_KUBERNETES = f"Only Kubernetes deployments may have up to {KUBERNETES_TIMEOUT_MS}."


def _reference(value: str) -> str:
    if not value.startswith("azureml:") or value.rstrip(":/") == "azureml":
        raise reject(
            "must be a reference such as `azureml:NAME:VERSION`, or a mapping with `path` or `image` and so on.",
            "azureml:NAME:VERSION, azureml:NAME@latest, azureml://registries/R/…, or a mapping",
        )
    return value


def _environment_reference(value: str) -> str:
    return value if value.startswith(FILE_PREFIX) else _reference(value)


Reference = Annotated[Str, AfterValidator(_reference)]
EnvironmentReference = Annotated[Str, AfterValidator(_environment_reference)]
ModelField = Annotated[
    Annotated[Reference, Tag(SHAPES[0])] | Annotated[InlineModel, Tag(SHAPES[1])], Discriminator(shape)
]
EnvironmentField = Annotated[
    Annotated[EnvironmentReference, Tag(SHAPES[0])] | Annotated[InlineEnvironment, Tag(SHAPES[1])],
    Discriminator(shape),
]


class CodeConfiguration(Strict):
    """The user's code."""

    dropped = ("$schema",)

    code: Str = Field(default="", description="Folder with the code, relative to this YAML file.")
    scoring_script: Str = Field(default="", description="Entry script with `init()` and `run()`, within the folder.")


class RequestSettings(Strict):
    """How requests are queued and timed."""

    request_timeout_ms: Annotated[Int, between(1, KUBERNETES_TIMEOUT_MS)] = Field(
        default=5000, description="Milliseconds; managed deployments may have less."
    )
    max_concurrent_requests_per_instance: Annotated[Int, between(1, MAX_CONCURRENT)] = Field(
        default=1, description="Requests that one instance scores at once, by as many workers where its size allows."
    )
    max_queue_wait_ms: Annotated[Int, between(0, KUBERNETES_TIMEOUT_MS)] = Field(
        default=500, description="Milliseconds a request may wait for an instance."
    )


class ProbeSettings(Strict):
    """When an instance counts as ready or alive; all times in seconds."""

    initial_delay: Annotated[Int, between(0, 86_400)] = Field(
        default=10, description="Seconds before the first probe."
    )
    period: Annotated[Int, between(1, 86_400)] = Field(default=10, description="Seconds between probes.")
    timeout: Annotated[Int, between(1, 86_400)] = Field(default=2, description="Seconds until a probe has failed.")
    success_threshold: Annotated[Int, between(1, 1000)] = Field(default=1, description="Successes in a row.")
    failure_threshold: Annotated[Int, between(1, 10_000)] = Field(default=30, description="Failures in a row.")


class ScaleFields(Strict):
    """How many instances there are; `default` keeps `instance_count`."""

    type: Annotated[str, choice("default", "target_utilization", casing=snake)] = Field(description="The kind.")
    min_instances: Annotated[Int, between(0, 50)] = Field(default=1, description="Least instances.")
    max_instances: Annotated[Int, between(1, 50)] = Field(default=1, description="Most instances.")
    target_utilization_percentage: Annotated[Int, between(1, 100)] = Field(
        default=70, description="Busy instances plus queued requests, by instances."
    )
    polling_interval: Annotated[Int, between(1, 86_400)] = Field(default=1, description="Seconds.")

    @model_validator(mode="after")
    def check(self) -> "ScaleFields":
        """Refuse limits that contradict each other, and limits beside `default`, which has none."""
        if self.type == "default" and (others := self.model_fields_set - {"type"}):
            message = "of type `default` takes no other key: use `type: target_utilization`."
            raise reject(message, "type", found=", ".join(sorted(others)))
        if self.min_instances > self.max_instances:
            found = f"min_instances: {self.min_instances}, max_instances: {self.max_instances}"
            raise reject("has min_instances above max_instances.", "min_instances <= max_instances", "service", found)
        return self


class Deployment(Strict):
    """What managed and Kubernetes online deployments share."""

    dropped = ("$schema", "creation_context")

    name: DeploymentName = Field(description="The deployment's name, unique in its endpoint; lower-cased.")
    endpoint_name: EndpointName = Field(
        default="", description="The endpoint; may be left out where the folder holds just one."
    )
    description: Str = Field(default="", description="What the deployment is.")
    tags: Facts = Field(default={}, description="Tags of your own.")
    properties: Facts = Field(default={}, description="Properties of your own.")
    model: ModelField | None = Field(default=None, description="Reference to a model, or a model written here.")
    code_configuration: CodeConfiguration | None = Field(default=None, description="Code and entry script.")
    environment: EnvironmentField | None = Field(
        default=None, description="Reference to an environment, or one written here; optional for MLflow models."
    )
    environment_variables: Facts = Field(default={}, description="Variables of the replicas; values become text.")
    type: Annotated[str, choice("managed", "kubernetes", casing=snake)] = Field(
        default="managed", description="The kind of deployment."
    )
    instance_type: Str = Field(default="", description="Size of an instance, such as `Standard_DS3_v2`.")
    instance_count: Annotated[Int, between(1, 50)] = Field(default=1, description="Number of instances (replicas).")
    app_insights_enabled: Bool = Field(
        default=False, description="Traces and logs to Application Insights' successor."
    )
    model_mount_path: Str = Field(default="", description="Where the model is mounted; own containers only.")
    scale_settings: ScaleFields | None = Field(default=None, description="Autoscaling.")
    request_settings: RequestSettings = Field(default=RequestSettings(), description="Timeouts and concurrency.")
    liveness_probe: ProbeSettings = Field(default=ProbeSettings(), description="Probe that restarts an instance.")
    readiness_probe: ProbeSettings = Field(default=ProbeSettings(), description="Probe that admits requests.")
    data_collector: DataCollector | None = Field(default=None, description="Collection of inputs and outputs.")
    id: Str = ignored("the resource id.")
    provisioning_state: Str = ignored("the state.")


class ManagedRequestSettings(RequestSettings):
    """How requests to a managed deployment are queued and timed."""

    request_timeout_ms: Annotated[Int, between(1, MANAGED_TIMEOUT_MS, _ONLY_KUBERNETES)] = Field(
        default=5000, description="Milliseconds; Kubernetes deployments may have more."
    )


def _managed_scale(settings: ScaleFields) -> ScaleFields:
    if settings.type != "default":
        raise reject("of a managed deployment can only be `type: default`.", "default", "service", settings.type)
    return settings


class ManagedDeployment(Deployment):
    """A managed online deployment."""

    instance_type: Str = Field(description="Size of an instance, such as `Standard_DS3_v2`; required.")
    egress_public_network_access: Access = Field(
        default="enabled",
        description="`disabled` asks that replicas reach nothing outside; not enforced for processes.",
    )
    private_network_connection: Bool = Field(default=False, description="Azure's older form of the same.")
    request_settings: ManagedRequestSettings = Field(
        default=ManagedRequestSettings(), description="Timeouts and concurrency."
    )
    scale_settings: Annotated[ScaleFields, AfterValidator(_managed_scale)] | None = Field(
        default=None, description="Only `type: default`."
    )


class ResourceSettings(Strict):
    """Amounts in Kubernetes' notation; numbers are taken as text."""

    cpu: Words = Field(default="", description="Cores: `1`, `500m`.")
    memory: Words = Field(default="", description="Bytes: `512Mi`, `2Gi`.")
    gpu: Words = Field(default="", alias="nvidia.com/gpu", description="Devices.")


class Resources(Strict):
    """What a replica asks for and may use at most."""

    requests: ResourceSettings = ResourceSettings()
    limits: ResourceSettings = ResourceSettings()


class KubernetesDeployment(Deployment):
    """An online deployment on a Kubernetes compute."""

    resources: Resources | None = Field(default=None, description="Requests and limits of a replica.")


def deployment_type(data: dict[Any, Any]) -> type[ManagedDeployment] | type[KubernetesDeployment]:
    """Which kind of deployment a mapping describes: only `type: kubernetes`, so spelt, is Kubernetes."""
    return KubernetesDeployment if data.get("type") == "kubernetes" else ManagedDeployment
