"""What a transition may depend on, and what it comes to. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from reconciler.calendar import OPEN, Opening
from reconciler.ladder import UNSEEN, Because, Looks
from reconciler.run import Refusal, Said
from reconciler.split import Split
from reconciler.state import Phase
from spec.policy import IMMEDIATE, RolloutPolicy


@dataclass(frozen=True, slots=True)
class Facts:
    """What a transition may depend on."""

    target: Split | None
    """T, without refused releases; None: the endpoint shall not exist."""
    ready: Collection[str]
    """Releases that have all the replicas they should have, ready."""
    live: Collection[str]
    """Releases that have at least one ready replica."""
    acknowledged: bool
    """Envoy confirmed the route of the current phase, and no newer one is in flight."""
    now: datetime
    since: datetime | None = None
    """When this Headgate began to look."""
    policy: RolloutPolicy = IMMEDIATE
    """What Git asks for now; a move goes by its own until it is planned again."""
    opening: Opening = OPEN
    looks: Looks = UNSEEN
    """What the gates say of the phase's evidence, and how good that is."""
    excused: Collection[str] = ()
    """Releases that still prepare, or wait for the world (network, disk), which is not their fault."""
    troubles: Mapping[str, str] = field(default_factory=dict)
    """Release → why its replicas do not get ready, where that is known."""
    checked: Mapping[str, Said] = field(default_factory=dict)
    """Release → what its checks say; absent: it has none."""
    checks: str = ""
    """Digest of the endpoint's checks."""
    patience: timedelta = timedelta()
    """How long a candidate's request may be in progress."""
    shielded: bool = False
    """Clients see nothing of what the releases on trial fail."""
    standing: Because | None = None
    """Why a settled split is not what Git asks for: what was refused, held, or cannot be read."""


@dataclass(frozen=True, slots=True)
class Step:
    """Where a phase goes next; `because` explains a phase that stays."""

    phase: Phase
    because: Because
    refusal: Refusal | None = None
