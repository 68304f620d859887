"""A release: the immutable content of a deployment, everything that a replica sees at its start."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal


@dataclass(frozen=True, slots=True, order=True)
class ReleaseRef:
    """One release's identity: equal content under two deployments is two releases."""

    endpoint: str
    deployment: str
    digest: str
    """Twelve hex digits of the content's SHA-256 (see `spec.digest`)."""

    @property
    def name(self) -> str:
        """How people and headers name it within its endpoint: `blue@3f2a9c41d0e7`."""
        return f"{self.deployment}@{self.digest}"

    def __str__(self) -> str:
        return f"{self.endpoint}/{self.name}"


class Server(StrEnum):
    """What answers requests in a replica."""

    INFERENCE_SERVER = "inference-server"
    """`score.py` under azureml-inference-server-http."""
    MLFLOW = "mlflow"
    """An MLflow model without code of its own."""
    CONTAINER = "container"
    """The user's own container image (bring your own container)."""
    TRITON = "triton"


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file or directory of the repository, addressed by content."""

    oid: str
    """Git blob id (file) or tree id (directory), in hex."""
    kind: Literal["file", "directory"]
    path: str
    """Where it was found, for messages; not part of the release's content but for its basename."""

    @property
    def basename(self) -> str:
        """The last part of the path: Azure copies a directory with its own basename."""
        return self.path.rstrip("/").rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Model:
    """The model of a release; mounted at `AZUREML_MODEL_DIR`."""

    name: str
    version: str
    type: Literal["custom_model", "mlflow_model", "triton_model"]
    artifact: Artifact


@dataclass(frozen=True, slots=True)
class Code:
    """The code of a release: a directory, and the entry script within it."""

    artifact: Artifact
    scoring_script: str


@dataclass(frozen=True, slots=True)
class HttpRoute:
    """A path and port inside a container."""

    path: str
    port: int


@dataclass(frozen=True, slots=True)
class InferenceConfig:
    """Azure's `inference_config`: where a custom container answers."""

    liveness_route: HttpRoute
    readiness_route: HttpRoute
    scoring_route: HttpRoute


@dataclass(frozen=True, slots=True)
class BuildContext:
    """Azure's `build`: a directory with a Dockerfile."""

    artifact: Artifact
    dockerfile_path: str


@dataclass(frozen=True, slots=True)
class Environment:
    """What a replica runs in.

    `image`, `build`, `conda`, `curated` are what the user wrote and so what the digest covers;
    `python`, `requirements` and `pip_options` are derived from them for a runtime that installs with pip.
    """

    label: str
    """How messages name it: `azureml:sklearn-1.5:3`, `blue/conda.yml` and the like; not in the digest."""
    image: str | None = None
    build: BuildContext | None = None
    conda: str | None = None
    """The conda file as canonical JSON (sorted keys, no spaces)."""
    curated: str | None = None
    """`name:version` of an entry of the curated table."""
    inference_config: InferenceConfig | None = None
    python: str | None = None
    """The Python version asked for, such as `3.10`; None: any that the inference server supports."""
    requirements: tuple[str, ...] = ()
    """PEP 508 requirements, the user's order kept."""
    pip_options: tuple[str, ...] = ()
    """Index options of the conda file's pip part: `--extra-index-url URL`, one string an option."""


@dataclass(frozen=True, slots=True)
class InstanceType:
    """A size: `cpu` in cores, `memory` in bytes, `gpu` in devices."""

    name: str
    cpu: float
    memory: int
    gpu: int = 0


@dataclass(frozen=True, slots=True)
class Probe:
    """Azure's probe settings; all times in seconds."""

    initial_delay: int = 10
    period: int = 10
    timeout: int = 2
    success_threshold: int = 1
    failure_threshold: int = 30


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that is needed to start one replica of a release, now or after Git has forgotten it."""

    server: Server
    runtime: str
    """The runtime that runs it: `process` unless the repository's settings map its compute elsewhere."""
    environment: Environment
    instance_type: InstanceType
    model: Model | None = None
    code: Code | None = None
    variables: tuple[tuple[str, str], ...] = ()
    liveness: Probe = Probe()
    readiness: Probe = Probe()
    request_timeout_ms: int = 5000
    max_concurrent_requests_per_instance: int = 1
    app_insights_enabled: bool = False
    data_collector: str | None = None
    """Azure's `data_collector` as canonical JSON."""
    model_mount_path: str | None = None
    exact_python: bool = False
    """The repository's settings demand the Python version asked for, not the nearest one."""
