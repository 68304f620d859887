"""Events: what happened, to whom, and why, as data before it is text."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class EventType(StrEnum):
    """Kubernetes' two words."""

    NORMAL = "Normal"
    WARNING = "Warning"


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened to an endpoint (or, with an empty `endpoint`, to the installation)."""

    at: datetime
    endpoint: str
    reason: str
    """CamelCase: `TrafficShifted`, `ReplicaReady`."""
    message: str
    type: EventType = EventType.NORMAL
    because: Mapping[str, str] = field(default_factory=dict)
    """The facts that the decision rested on."""
    release: str = ""
    commit: str = ""
