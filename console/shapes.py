"""The JSON that people and scripts get: Azure's names wherever Azure has one."""

from collections.abc import Iterable
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from console.plain import plain
from observability.events import Event
from spec.problem import Problem


class Shape(BaseModel):
    """A frozen answer; unknown keys are ignored, so that an older client reads a newer Headgate.

    No text in it does anything to a terminal.
    """

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    @field_validator("*")
    @classmethod
    def _harmless(cls, value: object) -> object:
        if isinstance(value, dict):
            return {key: plain(each) if isinstance(each, str) else each for key, each in value.items()}
        return plain(value) if isinstance(value, str) else value


class ProblemShape(Shape):
    """One problem of the repository, as `validate --format json` prints it."""

    file: str
    line: int
    column: int
    field: str
    found: str
    allowed: str
    message: str
    severity: Literal["error", "warning"]

    @classmethod
    def of(cls, problem: Problem) -> "ProblemShape":
        """The shape of a problem."""
        return cls(
            file=problem.file,
            line=problem.line,
            column=problem.column,
            field=problem.field,
            found=problem.found,
            allowed=problem.allowed,
            message=problem.message,
            severity="error" if problem.is_error else "warning",
        )

    @property
    def where(self) -> str:
        """`file:line:column`, or the file alone where no line is known."""
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


class Problems(Shape):
    """Everything that is wrong, at once."""

    problems: tuple[ProblemShape, ...] = ()

    @classmethod
    def of(cls, problems: Iterable[Problem]) -> "Problems":
        """The shape of many problems, in their order."""
        return cls(problems=tuple(ProblemShape.of(problem) for problem in problems))


class Condition(Shape):
    """One condition, in Kubernetes' words."""

    type: str
    status: Literal["True", "False", "Unknown"]
    reason: str
    message: str
    observed_commit: str | None = None


class HeldRemoval(Shape):
    """A commit whose removals wait for an operator's word."""

    commit: str
    removes: tuple[str, ...]
    message: str = ""


class SourceShape(Shape):
    """Where specs come from, and how far their last commit came."""

    repository: str
    branch: str | None = None
    path: str = ""
    attempted_commit: str | None = None
    """The newest commit that was loaded, well or badly."""
    applied_commit: str | None = None
    """The newest commit of which everything is live."""
    checked_at: datetime | None = None
    problem: str | None = None
    """Why the last look at the source failed."""
    held: HeldRemoval | None = None
    problems: tuple[ProblemShape, ...] = ()
    """What is wrong in the attempted commit."""
    conditions: tuple[Condition, ...] = ()
    """Conditions of the installation: of Envoy, say."""
    conda: bool = False
    """Whether a real conda makes environments, so that what only conda has is no problem."""


class LiveRelease(Shape):
    """The release that a deployment serves, where it is not the one that Git asks for."""

    release: str
    instance_count: int
    ready: int


class Checked(Shape):
    """What a release's checks said when they were last asked."""

    verdict: Literal["good", "bad", "inconclusive", "error"]
    message: str
    at: datetime


class DeploymentStatus(Shape):
    """One deployment; `release` is the one that Git asks for, `ready` counts its ready replicas."""

    name: str
    provisioning_state: str
    release: str
    instance_count: int
    ready: int
    live: LiveRelease | None = None
    checks: Checked | None = None
    """Of `release`; None: it has none, or they were not asked since Headgate started."""


class EndpointStatus(Shape):
    """One endpoint: `traffic` is what Git asks for, `split` is what is live, by release, in percent."""

    name: str
    scoring_uri: str
    auth_mode: str
    provisioning_state: str
    traffic: dict[str, int] = Field(default_factory=dict)
    split: dict[str, float] = Field(default_factory=dict)
    mirror_traffic: dict[str, int] = Field(default_factory=dict)
    conditions: tuple[Condition, ...] = ()
    deployments: tuple[DeploymentStatus, ...] = ()

    def condition(self, name: str) -> Condition | None:
        """The condition of that type, or None."""
        return next((found for found in self.conditions if found.type == name), None)

    @property
    def ready(self) -> bool:
        """Whether everything asked for is live."""
        found = self.condition("Ready")
        return found is not None and found.status == "True"


class Status(Shape):
    """What `status --json` prints."""

    source: SourceShape
    endpoints: tuple[EndpointStatus, ...] = ()

    def endpoint(self, name: str) -> EndpointStatus | None:
        """The endpoint of that name, or None."""
        return next((found for found in self.endpoints if found.name == name), None)


class ReplicaShape(Shape):
    """One replica, as its runtime reports it."""

    id: str
    state: str
    release: str
    restarts: int = 0
    since: datetime | None = None
    reason: str = ""
    message: str = ""


class DeploymentDetail(DeploymentStatus):
    """A deployment with what explains its state."""

    conditions: tuple[Condition, ...] = ()
    replicas: tuple[ReplicaShape, ...] = ()


class EndpointDetail(EndpointStatus):
    """What `status NAME --json` prints: the endpoint's status and what explains it."""

    deployments: tuple[DeploymentDetail, ...] = ()
    path_scoring_uri: str = ""
    """The URL in path form, which works with and without a domain."""
    openapi_uri: str = ""
    file: str = ""


class Keys(Shape):
    """Both keys, in Azure's names; both are valid at once."""

    primary: str = Field(alias="primaryKey", repr=False)
    secondary: str = Field(alias="secondaryKey", repr=False)


KeyType = Literal["primary", "secondary"]


class Rotation(Shape):
    """Which key to replace, in Azure's word."""

    key_type: KeyType


class Token(Shape):
    """A signed token, in Azure's names; times are Unix seconds."""

    access_token: str = Field(alias="accessToken", repr=False)
    expiry_time_utc: int = Field(alias="expiryTimeUtc")
    refresh_after_time_utc: int = Field(alias="refreshAfterTimeUtc")
    token_type: str = Field(default="Bearer", alias="tokenType")


class Access(Shape):
    """All that a caller on this machine needs to score."""

    scoring_uri: str
    auth_mode: str
    credential: str = Field(repr=False)
    """A key or a token, for `Authorization: Bearer`."""
    ca_certificate: str | None = None
    """Path of the CA certificate to trust; None: the system's."""
    certificate: str | None = None
    """What Envoy presents (PEM) where the operator gave a certificate; just this one is to be trusted then."""
    connect_to: str | None = None
    """`address:port` to connect to, whatever name the URI has."""


class EventShape(Shape):
    """One event."""

    at: datetime
    endpoint: str
    type: Literal["Normal", "Warning"]
    reason: str
    message: str
    release: str = ""
    commit: str = ""
    because: dict[str, str] = Field(default_factory=dict)

    @classmethod
    def of(cls, event: Event) -> "EventShape":
        """The shape of an event."""
        return cls(
            at=event.at,
            endpoint=event.endpoint,
            type=event.type.value,
            reason=event.reason,
            message=event.message,
            release=event.release,
            commit=event.commit,
            because=dict(event.because),
        )


class Events(Shape):
    """Events, oldest first."""

    events: tuple[EventShape, ...] = ()


class LogLine(Shape):
    """One line of a replica's log, as it is."""

    replica: str
    text: str

    @field_validator("*")
    @classmethod
    def _harmless(cls, value: object) -> object:
        return value


Outcome = Literal["Ready", "Progressing", "Failed", "Held", "TimedOut"]


class EndpointOutcome(Shape):
    """How far one endpoint is with a commit."""

    name: str
    state: Literal["Ready", "Progressing", "Failed"]
    reason: str = ""
    message: str = ""


class SyncOutcome(Shape):
    """What became of a commit."""

    commit: str
    outcome: Outcome
    endpoints: tuple[EndpointOutcome, ...] = ()
    problems: tuple[ProblemShape, ...] = ()
    held: HeldRemoval | None = None


class Confirmation(Shape):
    """Removals that an operator has confirmed."""

    commit: str
    removes: tuple[str, ...] = ()


class Version(Shape):
    """The versions that a report of a fault should name."""

    headgate: str
    python: str
    platform: str
    envoy: str | None = None


class Fault(Shape):
    """Problem details (RFC 9457)."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
