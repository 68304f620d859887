"""What the reconciler remembers of one endpoint: enough to go on after any kill, and no more."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from reconciler.run import Refusal, Run, Watch
from reconciler.split import Split
from router.table import EndpointRoute
from spec.catalog import EndpointSpec
from spec.release import Recipe, ReleaseRef


@dataclass(frozen=True, slots=True)
class Settled:
    """The endpoint serves what it should, or what it last could; nothing moves."""

    split: Split = ()
    watch: Watch | None = None
    """Until the releases that the last move replaced may go."""
    kind: Literal["settled"] = "settled"


@dataclass(frozen=True, slots=True)
class Warming:
    """The releases of the target are being brought up; traffic stays where it was."""

    run: Run
    kind: Literal["warming"] = "warming"


@dataclass(frozen=True, slots=True)
class Shifting:
    """Traffic moves along the policy's steps; it is done when Envoy has acknowledged the target."""

    run: Run
    kind: Literal["shifting"] = "shifting"


@dataclass(frozen=True, slots=True)
class Paused:
    """Traffic stays as it is until a time, an approval, or a word."""

    run: Run
    manual: bool = False
    """Somebody paused it; only `resume` or `promote` goes on."""
    kind: Literal["paused"] = "paused"


@dataclass(frozen=True, slots=True)
class Reverting:
    """Back to `source`, acknowledged, before anything new starts."""

    source: Split
    since: datetime
    left: Split = ()
    """The split that is left: served until `source` can carry the load."""
    carried: bool = True
    """Whether traffic is on its way back already."""
    reason: str = ""
    message: str = ""
    leaving: Run | Watch | None = None
    """What is left, while it serves on: it is judged and shielded until traffic is on its way back."""
    watch: Watch | None = None
    """The watch over `source` that goes on then."""
    kind: Literal["reverting"] = "reverting"


@dataclass(frozen=True, slots=True)
class Removing:
    """Git no longer asks for the endpoint: route out, acknowledged, drained, replicas stopped, memory last."""

    since: datetime
    acknowledged: datetime | None = None
    kind: Literal["removing"] = "removing"


Phase = Settled | Warming | Shifting | Paused | Reverting | Removing
Moving = Warming | Shifting | Paused


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
    refused: tuple[Refusal, ...] = ()
    """Oldest first."""
    mirror: tuple[str, int] | None = None
    """The mirror of the last split that was as Git asked: what a refused one returns to."""

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
        case Warming(run):
            return run.source
        case Shifting(run) | Paused(run):
            return run.split
        case Reverting(source=source, left=left, carried=carried):
            return source if carried else left
        case Removing():
            return ()


def base_of(phase: Phase) -> Split:
    """S: the last settled split."""
    match phase:
        case Settled(split):
            return split
        case Warming(run) | Shifting(run) | Paused(run):
            return run.source
        case Reverting(source=source):
            return source
        case Removing():
            return ()


def releases_of(phase: Phase) -> frozenset[str]:
    """Every release that a phase may send live traffic to, or return to."""
    match phase:
        case Settled(watch=watch) | Reverting(watch=watch):
            return served_of(phase) | _warm(watch)
        case Warming(run) | Shifting(run) | Paused(run):
            return served_of(phase) | _warm(run.watch)
        case Removing():
            return frozenset()


def served_of(phase: Phase) -> frozenset[str]:
    """Every release of the split that holds, and of a move under way: not what is only warm."""
    match phase:
        case Settled(split=split):
            return frozenset(dict(split))
        case Warming(run) | Shifting(run) | Paused(run):
            return frozenset(dict(run.source)) | frozenset(dict(run.target))
        case Reverting(source=source, left=left):
            return frozenset(dict(source)) | frozenset(dict(left))
        case Removing():
            return frozenset()


def _warm(watch: Watch | None) -> frozenset[str]:
    return frozenset(dict(watch.previous)) if watch is not None else frozenset()


def run_of(phase: Phase) -> Run | None:
    """The move that is under way, or None."""
    return phase.run if isinstance(phase, Warming | Shifting | Paused) else None


def trial_of(phase: Phase) -> Run | Watch | None:
    """Whose releases serve and are judged: a move under way, one that is left but serves on, or a watch."""
    match phase:
        case Settled(watch=watch):
            return watch
        case Shifting(run) | Paused(run):
            return run
        case Reverting(carried=False, leaving=leaving):
            return leaving
        case _:
            return None
