"""What the reconciler remembers of one endpoint: enough to go on after any kill, and no more."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from router.table import EndpointRoute
from spec.catalog import EndpointSpec
from spec.release import Recipe, ReleaseRef

Split = tuple[tuple[str, int], ...]
"""Release → share in hundredths of a percent, sorted by release, no zeros; totals 10 000, or is empty."""


@dataclass(frozen=True, slots=True)
class Settled:
    """The endpoint serves what it should, or what it last could; nothing moves."""

    split: Split = ()
    kind: Literal["settled"] = "settled"


@dataclass(frozen=True, slots=True)
class Warming:
    """The releases of `target` are being brought up; traffic stays on `source`."""

    source: Split
    target: Split
    since: datetime
    kind: Literal["warming"] = "warming"


@dataclass(frozen=True, slots=True)
class Shifting:
    """Traffic moves from `source` to `target`; it is done when Envoy has acknowledged the target."""

    source: Split
    target: Split
    since: datetime
    kind: Literal["shifting"] = "shifting"


@dataclass(frozen=True, slots=True)
class Reverting:
    """Git asked for something else in mid-move: back to `source`, acknowledged, before anything new starts."""

    source: Split
    since: datetime
    kind: Literal["reverting"] = "reverting"


@dataclass(frozen=True, slots=True)
class Removing:
    """Git no longer asks for the endpoint: route out, acknowledged, drained, replicas stopped, memory last."""

    since: datetime
    acknowledged: datetime | None = None
    kind: Literal["removing"] = "removing"


Phase = Settled | Warming | Shifting | Reverting | Removing


@dataclass(frozen=True, slots=True)
class Retiring:
    """On the way out: no new requests since `acknowledged`, those in flight still run."""

    since: datetime
    acknowledged: datetime | None = None
    """When Envoy's acknowledgement of its removal was first seen; None: not yet."""


@dataclass(frozen=True, slots=True)
class Known:
    """One release that has, or shall have, replicas."""

    ref: ReleaseRef
    recipe: Recipe
    count: int
    max_queue_wait_ms: int = 500
    retiring: Retiring | None = None


@dataclass(frozen=True, slots=True)
class Condition:
    """Kubernetes' shape; `Reconciling`, `Stalled` and the notes exist only while they are true."""

    type: str
    status: Literal["True", "False", "Unknown"]
    reason: str
    message: str
    observed_commit: str
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Memory:
    """All that is remembered of one endpoint."""

    endpoint: str
    phase: Phase = Settled()
    spec: EndpointSpec | None = None
    """The last good spec: what serves while Git is away or wrong."""
    commit: str = ""
    """The commit that `spec` came from."""
    releases: tuple[Known, ...] = ()
    """Sorted by name."""
    promoted: tuple[tuple[str, str], ...] = ()
    """Deployment → its last promoted release."""
    retiring: tuple[tuple[str, Retiring], ...] = ()
    """Single replicas on the way out, by replica id."""
    route: EndpointRoute | None = None
    """The route last decided, without credentials; what a restarted Headgate shows Envoy first."""
    applied: str = ""
    """The newest commit at which the endpoint was Ready."""
    conditions: tuple[Condition, ...] = field(default=())

    def known(self, name: str) -> Known | None:
        """The release of that name, or None."""
        return next((known for known in self.releases if known.ref.name == name), None)

    def promoted_release(self, deployment: str) -> str | None:
        """The release that `azureml-model-deployment: DEPLOYMENT` reaches."""
        return dict(self.promoted).get(deployment)


def split_of(phase: Phase) -> Split:
    """The split that a phase asks the router for."""
    match phase:
        case Settled(split):
            return split
        case Warming(source=source) | Reverting(source=source):
            return source
        case Shifting(target=target):
            return target
        case Removing():
            return ()


def releases_of(phase: Phase) -> frozenset[str]:
    """Every release that a phase may send live traffic to."""
    match phase:
        case Settled(split):
            return frozenset(dict(split))
        case Warming(source, target) | Shifting(source, target):
            return frozenset(dict(source)) | frozenset(dict(target))
        case Reverting(source):
            return frozenset(dict(source))
        case Removing():
            return frozenset()
